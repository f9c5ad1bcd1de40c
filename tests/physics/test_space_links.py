"""Topology, sight and rates of satellite links against published and hand-computed values."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opt_istn.physics import orbits, rain
from opt_istn.physics.frames import elevation_rad, geodetic_to_ecef
from opt_istn.physics.orbits import Shell, circular_positions_m, period_s
from opt_istn.physics.space_links import (
    Radio,
    line_of_sight,
    nearest,
    plus_grid,
    slot_rates_bps,
)

COMM = Shell(550e3, 53.0, 25, 26, 1)
REMOTE = Shell(656e3, 98.04, 20, 15, 12, 180.0)


def lengths_m(shell, edges):
    """Return lengths over a period, shape (times, links)."""
    position = circular_positions_m(shell, np.linspace(0, period_s(shell.altitude_m), 150))
    return np.linalg.norm(position[:, edges[:, 0]] - position[:, edges[:, 1]], axis=-1)


@pytest.mark.parametrize(
    ("shell", "count", "shortest", "longest"),
    [
        (COMM, 1300, 1112, 1777),
        (Shell(550e3, 53.0, 25, 26, 19), 1300, 2301, 2687),
        (REMOTE, 585, 1604, 1942),
    ],
)
def test_links_between_planes(shell, count, shortest, longest):
    """Number of +Grid links, and how long those between planes are over a period."""
    edges = plus_grid(shell)
    assert len(edges) == count
    plane = edges // shell.per_plane
    between = lengths_m(shell, edges[plane[:, 0] != plane[:, 1]]) / 1e3
    assert between.min() == pytest.approx(shortest, abs=1)
    assert between.max() == pytest.approx(longest, abs=1)


@pytest.mark.parametrize(("shell", "kilometres"), [(COMM, 1670.189), (REMOTE, 2924.959)])
def test_links_inside_a_plane(shell, kilometres):
    """Links inside a plane have one length, always."""
    edges = plus_grid(shell)
    plane = edges // shell.per_plane
    inside = lengths_m(shell, edges[plane[:, 0] == plane[:, 1]]) / 1e3
    assert np.allclose(inside, kilometres, atol=1e-3)


@pytest.mark.parametrize("phasing", range(25))
def test_the_seam_is_like_every_other_border(phasing):
    """Links over the seam have the lengths of links between any two neighbouring planes."""
    shell = Shell(550e3, 53.0, 25, 26, phasing)
    edges = plus_grid(shell)
    degree = np.bincount(edges.ravel())
    assert np.all(degree == 4)
    plane = edges // shell.per_plane
    seam = lengths_m(shell, edges[(plane == 0).any(axis=1) & (plane == 24).any(axis=1)])
    border = lengths_m(shell, edges[(plane[:, 0] == 7) & (plane[:, 1] == 8)])
    assert seam.max() == pytest.approx(border.max(), rel=1e-3)
    assert seam.min() == pytest.approx(border.min(), rel=1e-3)


def test_star_has_no_links_over_its_seam():
    """In a star the first and last planes are not joined."""
    plane = plus_grid(REMOTE) // REMOTE.per_plane
    assert np.all(np.abs(plane[:, 0] - plane[:, 1]) <= 1)


@given(st.integers(1, 4), st.integers(1, 4))
def test_small_shells_have_no_double_links(planes, per_plane):
    """Fewer than three planes or places give each pair at most one link."""
    edges = plus_grid(Shell(550e3, 53.0, planes, per_plane, 0)).reshape(-1, 2)
    assert len(np.unique(edges, axis=0)) == len(edges)
    assert np.all(edges[:, 0] < edges[:, 1])


def max_link_m(altitude_a_m, altitude_b_m, grazing_m):
    """Return the longest link between two heights that clears `grazing_m`, by two triangles."""
    limit = 6_378_137 + grazing_m
    return sum(math.sqrt((6_378_137 + h) ** 2 - limit**2) for h in (altitude_a_m, altitude_b_m))


@pytest.mark.parametrize("shell", [COMM, REMOTE])
def test_grid_links_have_a_line_of_sight(shell):
    """+Grid links clear the atmosphere at all times."""
    edges = plus_grid(shell)
    assert lengths_m(shell, edges).max() < max_link_m(shell.altitude_m, shell.altitude_m, 80e3)
    for position in circular_positions_m(shell, np.linspace(0, 6000, 7)):
        assert line_of_sight(position[edges[:, 0]], position[edges[:, 1]], 80e3).all()


def test_longest_links():
    """Longest links; 5016591.2 m for 550 km is the value that Hypatia ships."""
    assert max_link_m(550e3, 550e3, 80e3) == pytest.approx(5_016_591.2, abs=1)
    assert max_link_m(550e3, 550e3, 0) / 1e3 == pytest.approx(5410.53, abs=0.01)
    assert max_link_m(656e3, 656e3, 80e3) / 1e3 == pytest.approx(5575.50, abs=0.01)
    assert max_link_m(550e3, 656e3, 80e3) / 1e3 == pytest.approx(5296.05, abs=0.01)


def test_line_of_sight_agrees_with_the_longest_link():
    """Two satellites see each other exactly up to the longest link."""
    radius = 6_378_137 + 550e3
    longest = max_link_m(550e3, 550e3, 80e3)
    for factor, seen in ((0.999, True), (1.001, False)):
        half = math.asin(longest * factor / 2 / radius)
        ends = [radius * np.array([[math.cos(half), sign * math.sin(half), 0]]) for sign in (1, -1)]
        assert line_of_sight(*ends, 80e3)[0] == seen


def test_nearest():
    """Pairs with the nearest points, at most as many as there are."""
    points = np.array([[0.0, 0, 0], [10, 0, 0]])
    others = np.array([[1.0, 0, 0], [8, 0, 0], [100, 0, 0]])
    assert nearest(points, others, 1).tolist() == [[0, 0], [1, 1]]
    assert len(nearest(points, others, 9)) == 6
    assert nearest(points, others, 0).shape == (0, 2)


@pytest.mark.parametrize(
    ("frequency_hz", "gain", "snr_db", "user_gbps", "isl_gbps"),
    [
        (12e9, 2.3070e-8, 61.41, 10.200, 9.527),
        (20e9, 8.3053e-9, 56.98, 9.4634, 8.790),
        (30e9, 3.6912e-9, 53.45, 8.878, 8.205),
        (60e9, 9.2281e-10, 47.43, 7.878, 7.205),
        (300e9, 3.6912e-11, 33.45, 5.557, 4.884),
    ],
)
def test_rates_of_table_1(frequency_hz, gain, snr_db, user_gbps, isl_gbps):
    """Gain, signal-to-noise ratio and rates with the paper's Table 1 at several carriers."""
    radio = Radio(frequency_hz=frequency_hz)
    found = radio.user_gain(656e3, 6.0)
    assert found == pytest.approx(gain, rel=1e-4)
    assert 10 * math.log10(1500 * found / 2.5e-11) == pytest.approx(snr_db, abs=0.01)
    assert radio.rate_bps(found) / 1e9 == pytest.approx(user_gbps, abs=1e-3)
    assert radio.rate_bps(radio.isl_gain(1_670.189e3)) / 1e9 == pytest.approx(isl_gbps, abs=1e-3)


def test_noise_power():
    """Noise over the band is 2.5e-11 W: the figure that is mistaken for its density."""
    radio = Radio()
    assert radio.bandwidth_hz * radio.noise_w_hz == pytest.approx(2.5e-11)


def test_transmission_time_of_a_content():
    """100 MB take 84.54 ms at full rate and 139.3 ms on average over U[R/3, R]."""
    radio = Radio()
    full = radio.rate_bps(radio.user_gain(656e3, 6.0))
    rates = slot_rates_bps(np.full(400_000, full), 0.0, np.random.default_rng(1))
    assert 8e8 / full == pytest.approx(0.08454, abs=1e-5)
    assert np.mean(8e8 / rates) == pytest.approx(0.13931, abs=3e-4)
    assert np.mean(full / rates) == pytest.approx(1.5 * math.log(3), rel=2e-3)
    assert rates.min() >= full / 3
    assert rates.max() <= full


def test_outages():
    """An interrupted link has rate 0, with the probability asked for."""
    rates = slot_rates_bps(np.ones(100_000), 0.1, np.random.default_rng(2))
    assert np.mean(rates == 0) == pytest.approx(0.1, abs=0.005)


def test_spectral_efficiency_can_be_capped():
    """A cap limits the rate to bandwidth times efficiency and leaves weak links alone."""
    radio, capped = Radio(), Radio(max_bps_hz=6.0)
    strong = radio.user_gain(656e3, 6.0)
    assert capped.rate_bps(strong) == 6 * 500e6
    assert capped.rate_bps(1e-14) == radio.rate_bps(1e-14)


@given(st.floats(100e3, 5000e3), st.floats(1.001, 3))
def test_rate_decreases_with_distance(distance_m, factor):
    """Farther is slower."""
    radio = Radio()
    near, far = (radio.isl_gain(d) for d in (distance_m, distance_m * factor))
    assert radio.rate_bps(near) > radio.rate_bps(far)


def test_coverage_of_the_shells():
    """A communication satellite is in sight at 25 degrees up to latitude 60, none from 75 on."""
    records = orbits.satellites(COMM, 2_460_754.5)
    found = orbits.propagate_m(records, 2_460_754.5, np.arange(0, 6000, 300.0))
    for lat, low, high in ((0, 1, 9), (50, 4, 14), (75, 0, 0)):
        place = geodetic_to_ecef(np.full(3, lat), [0.0, 40.0, 80.0])
        seen = np.array([(elevation_rad(place, x) >= math.radians(25)).sum(axis=1) for x in found])
        assert low <= seen.min() <= seen.max() <= high


def test_rain():
    """Constant rain is constant, and rainy weather has the mean asked for."""
    rng = np.random.default_rng(3)
    assert rain.rain_db("constant", 6.0, (2, 3), rng).tolist() == [[6.0] * 3] * 2
    assert rain.rain_db("rainy", 6.0, (2_000_000,), rng).mean() == pytest.approx(6, rel=0.05)


def test_rain_of_a_climate():
    """Beijing at 20 GHz exceeds 6 dB 0.18 % of the time."""
    fades = rain.rain_db("beijing-20ghz", 0.0, (1_000_000,), np.random.default_rng(4))
    assert np.mean(fades > 6) == pytest.approx(0.0018, rel=0.1)
