"""Station layout and SINR maps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opt_istn.physics.layout import sequential_inhibition
from opt_istn.physics.radio import Downlink, Stations, coverage, received_dbm, sinr_db

TWO = Stations(np.array([[750.0, 900.0], [2400.0, 2100.0]]), np.array([False, True]), np.zeros(2))


def test_two_stations() -> None:
    """Received powers and SINRs of a hand-computed pair of stations."""
    link = Downlink()
    power = received_dbm(TWO, np.array([[1500.0, 1500.0]]), link, np.random.default_rng(0))
    assert power[0] == pytest.approx([-69.0750, -71.3198], abs=1e-3)
    assert sinr_db(power, link)[0] == pytest.approx([2.2424, -2.2462], abs=1e-3)


def test_noise_power() -> None:
    """N_0 B_M over 10 MHz is -103.9 dBm: milliwatts and dBm are not mixed up."""
    assert 10 * np.log10(Downlink().noise_mw) == pytest.approx(-103.9, abs=1e-9)


def test_bandwidth_is_irrelevant() -> None:
    """With ten stations the map is interference-limited: 180 kHz or 100 MHz, the links agree."""
    rng = np.random.default_rng(0)
    xy = sequential_inhibition(10, 3000, 500, rng)
    stations = Stations(xy, rng.random(10) < 0.5, rng.uniform(0, 360, 10))
    cells = rng.uniform(0, 3000, (625, 2))
    maps = [
        coverage(stations, cells, Downlink(bandwidth_hz=band), -1.0, rng) for band in (180e3, 100e6)
    ]
    differ = np.count_nonzero(np.diff(maps[0].ptr) != np.diff(maps[1].ptr))
    assert differ <= 3


@settings(max_examples=20)
@given(st.integers(0, 2**32), st.floats(-10, 3), st.booleans(), st.floats(30, 200))
def test_coverage_is_the_map(seed: int, beta: float, shadowing: bool, altitude: float) -> None:
    """The blockwise coverage keeps exactly what the full SINR map says."""
    rng = np.random.default_rng(seed)
    xy = sequential_inhibition(5, 3000, 400, rng)
    stations = Stations(xy, rng.random(5) < 0.5, rng.uniform(0, 360, 5))
    cells = rng.uniform(0, 3000, (40, 2))
    link = Downlink(altitude_m=altitude, shadowing=shadowing)
    found = coverage(stations, cells, link, beta, np.random.default_rng(seed))
    child = np.random.default_rng(seed).spawn(1)[0]
    full = sinr_db(received_dbm(stations, cells, link, child), link)
    assert (found.strongest == full.argmax(axis=1)).all()
    for cell, row in enumerate(full):
        ids = found.ids[found.ptr[cell] : found.ptr[cell + 1]]
        assert ids.tolist() == np.flatnonzero(row >= beta).tolist()


@given(st.integers(0, 2**32))
def test_inhibition_keeps_the_distance(seed: int) -> None:
    """Exactly the count asked for, inside the square, no two closer than the separation."""
    points = sequential_inhibition(10, 3000, 500, np.random.default_rng(seed))
    apart = np.hypot(*(points[:, None] - points[None]).transpose(2, 0, 1))
    assert points.shape == (10, 2)
    assert ((points >= 0) & (points <= 3000)).all()
    assert apart[~np.eye(10, dtype=bool)].min() >= 500


def test_no_room() -> None:
    """Too many stations for the square are an error that says so."""
    with pytest.raises(ValueError, match="no room for 30 points 2000 m apart"):
        sequential_inhibition(30, 3000, 2000, np.random.default_rng(0))


def test_minimum_distance_statistics() -> None:
    """Ten points at 500 m in 3 x 3 km have a mean least distance near 553 m."""
    least = []
    for seed in range(200):
        points = sequential_inhibition(10, 3000, 500, np.random.default_rng(seed))
        apart = np.hypot(*(points[:, None] - points[None]).transpose(2, 0, 1))
        least.append(apart[~np.eye(10, dtype=bool)].min())
    assert np.mean(least) == pytest.approx(553, abs=15)
