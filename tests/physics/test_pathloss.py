"""3GPP TR 36.777 Annex B against values other implementations publish."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opt_istn.physics.pathloss import los_probability, path_loss_db, shadowing_db

SITES = st.sampled_from(["uma", "rma"])


@pytest.mark.parametrize(
    ("site", "height", "distance", "expected"),
    [
        ("uma", 50, 500, 0.888749),
        ("rma", 25, 800, 0.904100),
        ("rma", 41, 5000, 1.0),
        ("uma", 101, 3000, 1.0),
    ],
)
def test_los_probability(site: str, height: float, distance: float, expected: float) -> None:
    """Line-of-sight probability equals the published evaluations of Table B-1."""
    assert float(los_probability(site, height, distance)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("site", "height", "ground", "mast", "los", "expected"),
    [
        ("uma", 100, 520, 25, True, 96.0515),
        ("uma", 100, 520, 25, False, 110.1533),
        ("rma", 50, 1000, 35, True, 103.2668),
        ("rma", 50, 1000, 35, False, 106.7276),
    ],
)
def test_path_loss_at_2_6_ghz(
    site: str, height: float, ground: float, mast: float, los: bool, expected: float
) -> None:
    """Path loss at 2.6 GHz equals the hand-computed values of another implementation."""
    distance = np.hypot(ground, height - mast)
    found = {float(path_loss_db(site, height, d, 2.6, los=los)) for d in (ground, distance)}
    assert min(abs(value - expected) for value in found) < 5e-4


@pytest.mark.parametrize(
    ("site", "mast", "losses"),
    [
        ("uma", 25, (84.609, 95.781, 102.188, 108.755, 112.619)),
        ("rma", 35, (84.215, 94.759, 100.613, 106.590, 110.104)),
    ],
)
def test_path_loss_of_the_paper(site: str, mast: float, losses: tuple[float, ...]) -> None:
    """Path loss at 2.545 GHz and 150 m for ground distances of 0.1, 0.5, 1, 2, 3 km."""
    distance = np.hypot([100, 500, 1000, 2000, 3000], 150 - mast)
    assert path_loss_db(site, 150, distance, 2.545, los=True) == pytest.approx(losses, abs=1e-3)


@pytest.mark.parametrize(
    ("site", "height", "sigma"),
    [
        ("uma", 100, 2.398190),
        ("rma", 50, 3.337041),
        ("uma", 150, 1.724116),
        ("rma", 150, 2.106619),
    ],
)
def test_shadowing(site: str, height: float, sigma: float) -> None:
    """Shadow fading with line of sight equals Table B-3; without, it is 6 dB."""
    assert shadowing_db(site, height, los=True) == pytest.approx(sigma, abs=1e-6)
    assert shadowing_db(site, height, los=False) == 6


def test_rural_los_is_free_space_high_up() -> None:
    """From 147 m up rural line-of-sight loss falls by exactly 20 dB a decade."""
    near, far = path_loss_db("rma", 150, np.array([100.0, 1000.0]), 2.545, los=True)
    assert far - near == pytest.approx(20, abs=1e-9)


@given(SITES, st.floats(23, 300), st.floats(1, 10_000))
def test_los_probability_is_a_probability(site: str, height: float, distance: float) -> None:
    """The probability is in 0..1 and does not rise with distance."""
    near, far = los_probability(site, height, np.array([distance, distance * 1.1]))
    assert 0 <= far <= near + 1e-12 <= 1 + 1e-12


@given(SITES, st.floats(23, 100), st.floats(30, 10_000), st.booleans())
def test_loss_rises_with_distance(site: str, height: float, distance: float, los: bool) -> None:
    """Path loss is strictly increasing in distance."""
    near, far = path_loss_db(site, height, np.array([distance, distance * 1.01]), 2.5, los=los)
    assert near < far


def test_outside_the_tables() -> None:
    """Heights outside the tables are refused, not extrapolated."""
    with pytest.raises(ValueError, match="height"):
        los_probability("uma", 301, 100)
    with pytest.raises(ValueError, match="height"):
        path_loss_db("uma", 20, 100, 2, los=True)
    with pytest.raises(ValueError, match="line of sight above 100 m"):
        path_loss_db("uma", 150, 100, 2, los=False)
