"""Walker shells, SGP4 and frames against published values and the shells' own symmetries."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sgp4.api import WGS72, Satrec, jday

from opt_istn.files import InputError
from opt_istn.physics import frames, orbits
from opt_istn.physics.orbits import Shell

COMM = Shell(550e3, 53.0, 25, 26, 1)
REMOTE = Shell(656e3, 98.04, 20, 15, 12, 180.0)
EPOCH = 2_460_754.5  # 2025-03-20 0h

shells = st.builds(
    Shell,
    altitude_m=st.floats(300e3, 2000e3),
    inclination_deg=st.floats(10, 120),
    planes=st.integers(2, 8),
    per_plane=st.integers(2, 8),
    phasing=st.integers(0, 1),
    raan_span_deg=st.sampled_from([180.0, 360.0]),
)


def test_galileo_phasing():
    """Neighbouring planes of the 24/3/1 Galileo constellation are 15 degrees out of phase."""
    _, along = Shell(23_222e3, 56.0, 3, 8, 1).angles_rad()
    assert math.degrees(along[8] - along[0]) == pytest.approx(15.0)


@pytest.mark.parametrize(("altitude_m", "seconds"), [(550e3, 5738.9928), (656e3, 5871.2046)])
def test_period(altitude_m, seconds):
    """Periods of the two shells' circular orbits."""
    assert orbits.period_s(altitude_m) == pytest.approx(seconds, abs=1e-4)


@pytest.mark.parametrize(("altitude_m", "per_day"), [(550e3, 15.05491974), (656e3, 14.71590273)])
def test_mean_motion_in_element_sets(altitude_m, per_day):
    """Revolutions a day with the WGS-72 constants that element sets presuppose."""
    rate = orbits.mean_motion_rad_s(altitude_m, orbits.WGS72_MU_M3_S2, orbits.WGS72_RADIUS_M)
    assert rate * 86_400 / (2 * math.pi) == pytest.approx(per_day, abs=1e-8)


def test_iss_of_the_sgp4_package():
    """Our call of SGP4 gives the position that the package's manual prints for the ISS."""
    first = "1 25544U 98067A   19343.69339541  .00001764  00000-0  38792-4 0  9991"
    second = "2 25544  51.6439 211.2001 0007417  17.6667  85.6398 15.50103472202482"
    record = Satrec.twoline2rv(first, second, WGS72)
    found = orbits.propagate_m([record], 2_458_826.5, 0.8625 * 86_400)
    printed = np.array([-6088.922358, -936.136748, -2866.440878]) * 1e3
    assert np.allclose(found[0, 0], printed, atol=0.01)


def test_first_satellites_of_the_shell():
    """Positions of two satellites at the epoch and of one a minute later."""
    records = orbits.satellites(COMM, EPOCH)
    found = orbits.propagate_m(records, EPOCH, [0.0, 60.0])
    assert found.shape == (2, 650, 3)
    assert np.allclose(found[0, 0], [6_928_998.997, -7_193.703, -9_539.798], atol=0.01)
    assert np.allclose(found[0, 26], [6_702_812.751, 1_755_203.159, 43_945.992], atol=0.01)
    assert np.allclose(found[1, 0], [6_914_431.660, 266_484.559, 353_892.653], atol=0.01)


def test_sgp4_stays_near_the_circle():
    """SGP4 differs from the ideal circle by the oblateness's oscillation, about 10 km."""
    records = orbits.satellites(COMM, EPOCH)
    found = orbits.propagate_m(records, EPOCH, [0.0])[0]
    apart = np.linalg.norm(found - orbits.circular_positions_m(COMM, 0.0), axis=1)
    assert 5e3 < apart.max() < 15e3


def test_sgp4_refuses_a_decayed_orbit():
    """A satellite that SGP4 cannot follow is named."""
    records = orbits.satellites(Shell(-900e3, 53.0, 1, 2, 0), EPOCH)
    with pytest.raises(InputError, match="catalogue number 00001: expected an orbit"):
        orbits.propagate_m(records, EPOCH, [0.0])


def test_sidereal_time():
    """Vallado's example 3-5: 1992-08-20 12:14 UT1 is 152.578787810 degrees."""
    angle = frames.gmst_rad(sum(jday(1992, 8, 20, 12, 14, 0)))
    assert math.degrees(angle) == pytest.approx(152.578787810, abs=1e-6)


def test_teme_to_earth_fixed():
    """Vallado's TEME example, apart from polar motion (16 m)."""
    inertial = np.array([5094.18010720, 6127.64470520, 6380.34453270]) * 1e3
    day = sum(jday(2004, 4, 6, 7, 51, 28.386009 - 0.4399619))
    fixed = np.array([-1033.479383, 7901.2952754, 6380.3565958]) * 1e3
    assert np.linalg.norm(frames.teme_to_ecef(inertial, day) - fixed) < 17


def test_iss_over_the_earth():
    """Latitude, longitude and height of the manual's ISS, as an independent package has them."""
    inertial = np.array([-6088.922358, -936.136748, -2866.440878]) * 1e3
    lat, lon, height = frames.ecef_to_geodetic(frames.teme_to_ecef(inertial, 2_458_827.3625))
    assert lat == pytest.approx(-25.090734, abs=1e-6)
    assert lon == pytest.approx(159.939126, abs=1e-3)  # 78 m: UT1 is taken as UTC
    assert height == pytest.approx(420_373.211, abs=0.01)


@given(st.floats(-90, 90), st.floats(-180, 180), st.floats(-5e3, 4e7))
def test_geodetic_round_trip(lat, lon, height):
    """Geodetic to Earth-fixed and back misses by less than a millimetre."""
    there = frames.geodetic_to_ecef(lat, lon, height)
    back = frames.geodetic_to_ecef(*frames.ecef_to_geodetic(there))
    assert np.linalg.norm(there - back) < 1e-3


def test_elevation():
    """A satellite overhead is at 90 degrees, one below the antipode at -90."""
    station = frames.geodetic_to_ecef([10.0], [20.0])
    above = frames.geodetic_to_ecef([10.0], [20.0], [550e3])
    found = np.degrees(frames.elevation_rad(station, np.concatenate([above, -above])))
    assert found[0, 0] == pytest.approx(90, abs=1e-5)
    assert found[0, 1] == pytest.approx(-90, abs=0.2)


@given(shells)
def test_walker_radius_and_phases(shell):
    """All satellites are on the sphere, and those of a plane have distinct phases."""
    position = orbits.circular_positions_m(shell, 0.0)
    radius = frames.WGS84_RADIUS_M + shell.altitude_m
    assert np.allclose(np.linalg.norm(position, axis=1), radius)
    along = shell.angles_rad()[1].reshape(shell.planes, shell.per_plane)
    assert all(len(np.unique(row.round(9))) == shell.per_plane for row in along)


@given(shells)
def test_minimum_separation_against_sampling(shell):
    """The closed form is a lower bound of sampled distances, and nearly attained."""
    closed = orbits.minimum_separation_m(shell)
    times = np.linspace(0, orbits.period_s(shell.altitude_m), 400)
    position = orbits.circular_positions_m(shell, times)
    sampled = math.inf
    for i in range(shell.num_satellites - 1):
        apart = np.linalg.norm(position[:, i + 1 :] - position[:, i : i + 1], axis=-1)
        sampled = min(sampled, float(apart.min()))
    assert closed <= sampled + 1
    assert sampled <= closed + 2 * math.pi * 8.4e6 / 400


@pytest.mark.parametrize(
    ("shell", "kilometres"),
    [
        (COMM, 89.4),
        (Shell(550e3, 53.0, 25, 26, 19), 187.3),
        (Shell(656e3, 98.04, 20, 15, 4), 167.6),
        (REMOTE, 163.5),
    ],
)
def test_minimum_separation_of_the_shells(shell, kilometres):
    """Closest approaches of the papers' shells for several phasings."""
    assert orbits.minimum_separation_m(shell) / 1e3 == pytest.approx(kilometres, abs=0.1)


@pytest.mark.parametrize("phasing", range(1, 20, 2))
def test_odd_phasing_of_a_polar_delta_collides(phasing):
    """With nodes over 360 degrees, every odd F makes planes p and p + 10 collide."""
    assert orbits.minimum_separation_m(Shell(656e3, 98.04, 20, 15, phasing)) < 1
