"""ITU-R M.2101 arrays against two independent implementations, SHARC and pycraf."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opt_istn.physics.antenna import Panel, array_gain_dbi, element_gain_dbi, facing_sector_deg

WIDE = Panel(
    rows=2,
    columns=2,
    element_gain_dbi=10,
    horizontal_width_deg=75,
    vertical_width_deg=65,
    front_to_back_db=25,
    side_lobe_db=35,
    down_tilt_deg=0,
)


@pytest.mark.parametrize(
    ("scan", "tilt", "theta", "phi", "gain"),
    [
        (45, 45, 45, 45, 1.594268),
        (45, 90, 60, 0, 10.454087),
        (32.5, 25.2, 115.2, 32.5, 11.9636),  # steered at the user
        (45, -45, 45, 45, 5.9491),  # the same
    ],
)
def test_two_by_two_steered(
    scan: float, tilt: float, theta: float, phi: float, gain: float
) -> None:
    """A steered 2 x 2 array has the gains of SHARC's tests of Table 4 (its tolerance: 1e-4)."""
    panel = replace(WIDE, scan_deg=scan, down_tilt_deg=tilt)
    assert float(array_gain_dbi(panel, theta, phi)) == pytest.approx(gain, abs=1e-4)


def test_single_element() -> None:
    """One element has the gain of SHARC's test of Table 3."""
    element = Panel(element_gain_dbi=5, horizontal_width_deg=80, vertical_width_deg=60)
    assert float(element_gain_dbi(element, 100, 40)) == pytest.approx(1.6667, abs=1e-4)


@pytest.mark.parametrize(
    ("azimuth", "elevation", "gain"),
    [
        (0, -10, 25.778),
        (0, 0, 17.657),
        (0, 10, 12.877),
        (0, 15, 8.904),
        (0, 30, 4.903),
        (0, 45, 2.379),
        (30, -10, -12.142),
        (60, -10, -2.615),
        (180, -10, -3.938),
        (30, 15, -21.919),
        (60, 0, -10.492),
    ],
)
def test_eight_by_eight_down_tilted(azimuth: float, elevation: float, gain: float) -> None:
    """The 8 x 8 array tilted down by 10 degrees agrees with pycraf to three decimals."""
    found = float(array_gain_dbi(Panel(), 90 - elevation, azimuth))
    assert found == pytest.approx(gain, abs=1e-3)


def test_peak_without_tilt() -> None:
    """On boresight the gain is the element's plus 10 lg 64."""
    flat = Panel(down_tilt_deg=0)
    assert float(array_gain_dbi(flat, 90, 0)) == pytest.approx(26.0618, abs=1e-4)


def test_the_element_tapers_the_peak() -> None:
    """The tilted array peaks at 25.789 dBi, a little above the nominal 10 degrees."""
    theta = np.arange(90, 110, 0.01)
    gain = array_gain_dbi(Panel(), theta, 0)
    assert gain.max() == pytest.approx(25.789, abs=1e-3)
    assert theta[gain.argmax()] == pytest.approx(99.59, abs=0.02)


def _double_sum(panel: Panel, theta: float, phi: float) -> float:
    """Return the array gain as the table of the Recommendation prints it."""
    t, p = np.radians(theta), np.radians(phi)
    tilt, scan = np.radians(panel.down_tilt_deg), np.radians(panel.scan_deg)
    n, m = np.mgrid[0 : panel.rows, 0 : panel.columns]
    v = n * panel.row_spacing * np.cos(t) + m * panel.column_spacing * np.sin(t) * np.sin(p)
    w = n * panel.row_spacing * np.sin(tilt)
    w = w - m * panel.column_spacing * np.cos(tilt) * np.sin(scan)
    total = abs(np.exp(2j * np.pi * (v + w)).sum()) ** 2 / (panel.rows * panel.columns)
    gain = float(element_gain_dbi(panel, theta, phi)) + 10 * np.log10(max(total, 1e-30))
    return max(gain, panel.floor_dbi)


@given(
    st.floats(1, 179),
    st.floats(-180, 180),
    st.sampled_from([Panel(), WIDE, Panel(rows=4, scan_deg=20)]),
)
def test_product_of_kernels_is_the_double_sum(theta: float, phi: float, panel: Panel) -> None:
    """The closed form equals the Recommendation's sum over elements."""
    found = float(array_gain_dbi(panel, theta, phi))
    assert 10 ** (found / 10) == pytest.approx(
        10 ** (_double_sum(panel, theta, phi) / 10), rel=1e-6, abs=1e-9
    )


@given(st.floats(0, 180), st.floats(-180, 180))
def test_gain_is_bounded(theta: float, phi: float) -> None:
    """The gain lies between the floor and the element's gain plus 10 lg N."""
    gain = float(array_gain_dbi(Panel(), theta, phi))
    assert -30 - 1e-9 <= gain <= 8 + 10 * np.log10(64) + 1e-9


@given(st.floats(-720, 720), st.floats(0, 360))
def test_facing_sector(azimuth: float, boresight: float) -> None:
    """A user is never more than 60 degrees off the sector that faces it."""
    assert -60 - 1e-9 <= float(facing_sector_deg(azimuth, boresight)) <= 60 + 1e-9
