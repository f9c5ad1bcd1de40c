"""The GEO link against pymap3d, ns-3 and the ITU patterns."""

import numpy as np
import pytest

from opt_istn.physics import geo

OTTAWA = (45.4, -75.7, 150.0)


def test_geometry_from_ottawa() -> None:
    """Slant range, elevation and azimuth of Anik F2 from Ottawa agree with pymap3d."""
    assert geo.slant_range_m(-111.1, *OTTAWA) == pytest.approx(38_858_609, abs=1)
    assert geo.elevation_deg(-111.1, *OTTAWA) == pytest.approx(27.2046, abs=6e-5)
    assert geo.azimuth_deg(-111.1, *OTTAWA) == pytest.approx(224.9701, abs=6e-5)


def test_off_axis_angle() -> None:
    """Ottawa lies 0.411 degrees off the beam centred at 50 N 70 W."""
    assert geo.off_axis_deg(geo.Beam(), *OTTAWA) == pytest.approx(0.41091, abs=6e-6)


def test_free_space() -> None:
    """Free-space loss to Ottawa at 2.1 GHz is 190.682 dB."""
    assert float(geo.free_space_db(38_858_609, 2.1)) == pytest.approx(190.682, abs=5e-4)


@pytest.mark.parametrize(("ghz", "loss"), [(2.1, 2.044), (2.0, 2.199)])
def test_scintillation(ghz: float, loss: float) -> None:
    """Ionospheric scintillation is 6.22 / f^1.5 dB."""
    assert geo.scintillation_db(ghz) == pytest.approx(loss, abs=5e-4)


def test_ns3_ntn_total() -> None:
    """Free space and scintillation at 2 GHz over 35786 km are ns-3's 191.744 dB."""
    total = float(geo.free_space_db(35_786_000, 2.0)) + geo.scintillation_db(2.0)
    rounding = 32.45 - 20 * np.log10(4 * np.pi * 1e9 / 299_792_458)  # of 3GPP's constant
    assert total + rounding == pytest.approx(191.744, abs=5e-4)


@pytest.mark.parametrize(
    ("half_width", "loss"),
    [(0.2, -14.69), (0.3, -5.84), (0.4, -3.18), (0.5, -2.01), (0.6, -1.39), (0.8, -0.77)],
)
def test_tapered_aperture(half_width: float, loss: float) -> None:
    """Off-axis loss at 0.411 degrees for several beams."""
    assert float(geo.tapered_pattern_db(0.41091, half_width)) == pytest.approx(loss, abs=5e-3)


def test_half_power_angle() -> None:
    """The tapered aperture loses 3 dB at its half-power angle."""
    assert float(geo.tapered_pattern_db(0.4, 0.4)) == pytest.approx(-3.01, abs=5e-3)


@pytest.mark.parametrize(
    ("half_width", "bandwidth", "snr"),
    [
        (0.4, 180e3, 3.36),
        (0.4, 360e3, 0.35),
        (0.4, 1e6, -4.09),
        (0.4, 5e6, -11.08),
        (0.5, 180e3, 4.53),
        (0.5, 360e3, 1.52),
        (0.5, 5e6, -9.90),
        (0.8, 180e3, 5.77),
        (0.8, 360e3, 2.76),
        (0.8, 5e6, -8.67),
    ],
)
def test_snr(half_width: float, bandwidth: float, snr: float) -> None:
    """SNR at Ottawa for the beam widths and bandwidths of the budget."""
    beam = geo.Beam(half_width_deg=half_width, bandwidth_hz=bandwidth)
    assert geo.snr_db(beam, *OTTAWA) == pytest.approx(snr, abs=6e-3)


def test_almost_uniform() -> None:
    """Over 3 x 3 km the SNR varies by less than 0.05 dB, so one number serves an instance."""
    beam = geo.Beam()
    values = [
        geo.snr_db(beam, 45.4 + north, -75.7 + east, 150.0)
        for north in (-0.0135, 0.0135)
        for east in (-0.019, 0.019)
    ]
    assert np.ptp(values) < 0.05
