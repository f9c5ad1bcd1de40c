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
        ("uma", 101, 5000, 1.0),
        ("uma", 1.5, 200, 0.128048),  # on the ground: TR 38.901 Table 7.4.2-1
        ("rma", 1.5, 500, 0.612626),
    ],
)
def test_los_probability(site: str, height: float, distance: float, expected: float) -> None:
    """Line-of-sight probability equals the published evaluations of Table B-1."""
    assert float(los_probability(site, height, distance)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("site", "height", "slant", "los", "expected"),
    [
        ("uma", 100, 520, True, 96.0515),
        ("uma", 100, 520, False, 110.1533),
        ("rma", 50, 1000, True, 103.2668),
        ("rma", 50, 1000, False, 106.7276),
    ],
)
def test_path_loss_at_2_6_ghz(
    site: str, height: float, slant: float, los: bool, expected: float
) -> None:
    """Path loss at 2.6 GHz equals the hand-computed values of another implementation."""
    found = float(path_loss_db(site, height, slant, 2.6, los=los))
    assert found == pytest.approx(expected, abs=5e-5)


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


@given(SITES, st.floats(1.5, 300), st.floats(0, 10_000))
def test_los_probability_is_a_probability(site: str, height: float, distance: float) -> None:
    """The probability is in 0..1 from the ground to the top of the table's heights."""
    assert 0 <= float(los_probability(site, height, distance)) <= 1


@given(SITES, st.floats(23, 100), st.floats(1, 10_000))
def test_los_probability_is_continuous(site: str, height: float, distance: float) -> None:
    """No jump anywhere, so none at d1, where certain line of sight ends."""
    near, far = los_probability(site, height, np.array([distance, distance + 1e-3]))
    assert near == pytest.approx(far, abs=1e-4)


def test_certain_line_of_sight_ends_at_d1() -> None:
    """In urban macro at 50 m sight is certain up to 460 lg 50 - 700 = 81.5 m and not beyond."""
    edge = 460 * np.log10(50) - 700
    inside, outside = los_probability("uma", 50, np.array([edge - 0.1, edge + 0.1]))
    assert inside == 1 > outside


@given(SITES, st.floats(23, 300), st.floats(1, 10_000))
def test_los_probability_falls(site: str, height: float, distance: float) -> None:
    """In the air the probability does not rise with distance."""
    near, far = los_probability(site, height, np.array([distance, distance * 1.1]))
    assert far <= near + 1e-12


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
