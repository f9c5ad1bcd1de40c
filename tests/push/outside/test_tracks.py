"""Ephemerides: interpolation against SciPy's, frames against published numbers, faults by line."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.interpolate import BarycentricInterpolator, KroghInterpolator

from opt_istn.files import InputError
from opt_istn.physics.frames import great_circle_m, j2000_to_ecef, teme_to_ecef
from opt_istn.push.outside import fleet, tracks
from opt_istn.push.scenario import PRESETS, from_parameters, generate
from opt_istn.push.world.constellation import constellation_of, positions_m

DATA = Path(__file__).parents[3] / "examples/data"
OEM, STK, TLE = DATA / "sensing.oem", DATA / "sensing/sense-1.e", DATA / "sensing.tle"
TINY = replace(PRESETS["push-tiny-v2"], num_clusters=4, start_window_s=600.0)
MINUTE_S = 60.0


def test_three_files_of_one_shell_are_one_problem() -> None:
    """Element sets, an OEM and a folder of STK ephemerides of the same satellites agree."""
    hashes = {
        generate(replace(TINY, remote_constellation=str(path)), 1, "").sha256
        for path in (TLE, OEM, DATA / "sensing")
    }
    assert len(hashes) == 1
    assert hashes != {generate(TINY, 1, "").sha256}


def test_ephemerides_follow_the_element_sets() -> None:
    """Between its rows an ephemeris is within a metre of SGP4's orbit."""
    moments = np.array([0.0, 1.0, 95.5, 600.0, 719.9])
    found = [fleet.read(str(path)) for path in (TLE, OEM, DATA / "sensing")]
    assert [len(one.orbits) for one in found] == [8, 8, 8]
    exact, *others = (one.orbits.earth_fixed_m(found[0].epoch_jd, moments) for one in found)
    for other in others:
        assert np.abs(other - exact).max() < 1.0


@pytest.mark.parametrize("points", [2, 3, 8])
def test_interpolation_is_that_of_scipy(points: int) -> None:
    """Both polynomials are those of SciPy through the same rows."""
    rng = np.random.default_rng(points)
    at = np.sort(rng.uniform(0, 1, (5, points)), axis=1)
    value, slope = rng.normal(size=(2, 5, points, 3))
    moment = rng.uniform(0, 1, 5)
    ours = tracks.lagrange(at, value, moment)
    theirs = [BarycentricInterpolator(a, v)(m) for a, v, m in zip(at, value, moment, strict=True)]
    assert ours == pytest.approx(np.array(theirs), rel=1e-6)
    ours = tracks.hermite(at, value, slope, moment)
    rows = [np.stack([v, s], axis=1).reshape(-1, 3) for v, s in zip(value, slope, strict=True)]
    theirs = [
        KroghInterpolator(np.repeat(a, 2), row)(m)
        for a, row, m in zip(at, rows, moment, strict=True)
    ]
    assert ours == pytest.approx(np.array(theirs), rel=1e-5, abs=1e-6)


def test_frames_against_a_published_state() -> None:
    """The state of Vallado's example 3-15 (6 April 2004) in three frames is one place.

    J2000, TEME and ITRF in kilometres; UT1 was 0.44 s behind UTC. What is left of 40 m are polar
    motion and the small terms of nutation.
    """
    jd_ut1 = 2_453_101.5 + (7 * 3600 + 51 * 60 + 28.386009 - 0.4399619) / 86_400
    fixed = 1000 * np.array([-1033.4793830, 7901.2952754, 6380.3565958])
    j2000 = 1000 * np.array([5102.5096, 6123.01152, 6378.1363])
    teme = 1000 * np.array([5094.18016210, 6127.64465950, 6380.34453270])
    assert np.linalg.norm(j2000_to_ecef(j2000, jd_ut1) - fixed) < 40
    assert np.linalg.norm(teme_to_ecef(teme, jd_ut1) - fixed) < 40


def test_great_circles() -> None:
    """A quarter of a meridian is 10007.5 km on the mean sphere, and no way is none."""
    apart = great_circle_m(np.array([0.0, 90.0]), np.zeros(2), np.array([0.0]), np.array([0.0]))
    assert apart[:, 0] == pytest.approx([0.0, 10_007_557.2], abs=1)


def _changed(source: Path, target: Path, old: str, new: str) -> Path:
    text = source.read_text()
    assert re.search(old, text, re.MULTILINE)
    target.write_text(re.sub(old, new, text, count=1, flags=re.MULTILINE))
    return target


WRONG_STK = [
    (r"stk\.v\.11\.0", "stk.v.x", "line 1: expected stk.v. and a version"),
    ("CentralBody .*", "CentralBody Moon", "line 10, centralbody: expected earth, found Moon"),
    ("CoordinateSystem .*", "CoordinateSystem MeanOfDate", "line 11, coordinatesystem: expected"),
    ("CoordinateSystem .*", "", "coordinatesystem: expected fixed or"),
    ("Points 13", "Points 12", "line 6.*: expected the number of rows, 13, found '12'"),
    ("20 Mar 2025", "2025-03-20", "line 7, scenarioepoch: expected a moment such as"),
    ("Lagrange", "LagrangeVOP", "line 8, interpolationmethod: expected lagrange or hermite"),
    ("SamplesM1  7", "SamplesM1  0", "line 9, interpolationsamplesm1: expected a number"),
    ("SamplesM1  7", "SamplesM1  20", "expected at least 21 rows"),
    ("EphemerisTimePosVel", "EphemerisLLATimePos", "expected a keyword that is understood"),
    ("EphemerisTimePosVel", "EphemerisTimePos", "line 15: expected 4 numbers"),
    (r"^60\.000 \S+", "60.000 nan", "line 16: expected 7 numbers"),
    (r"^60\.000 \S+", "60.000", "line 16: expected 7 numbers"),
    (r"^120\.000", "60.000", "line 17: expected a time after 60, found 60"),
    ("END Ephemeris", "", "expected END Ephemeris after the table"),
    ("    CentralBody", "    Frobnicate", "line 10: expected a keyword that is understood"),
]


@pytest.mark.parametrize(("old", "new", "told"), WRONG_STK)
def test_what_is_wrong_with_an_stk_file(tmp_path: Path, old: str, new: str, told: str) -> None:
    """A file that is not understood is refused by its line."""
    path = _changed(STK, tmp_path / "x.e", old, new)
    with pytest.raises(InputError, match=told):
        fleet.read(str(path))


WRONG_OEM = [
    ("ORIGINATOR", "ORIGIN", "line 4: expected the header"),
    ("CENTER_NAME = EARTH", "CENTER_NAME = MOON", "CENTER_NAME: expected EARTH, found 'MOON'"),
    ("TIME_SYSTEM = UTC", "TIME_SYSTEM = GPS", "line 11, TIME_SYSTEM: expected UTC, found 'GPS'"),
    ("REF_FRAME = ITRF2000", "REF_FRAME = TOD", "line 10, REF_FRAME: expected ITRF, EME2000"),
    ("REF_FRAME = ITRF2000", "REF_FRAME_EPOCH = x", "line 10: expected a keyword that is under"),
    ("OBJECT_ID = .*", "", "expected OBJECT_ID before META_STOP"),
    ("HERMITE", "SPLINE", "INTERPOLATION: expected LINEAR or LAGRANGE or HERMITE"),
    ("DEGREE = 7", "DEGREE = 1", "INTERPOLATION_DEGREE: expected a degree that takes 2..32"),
    ("DEGREE = 7", "DEGREE = 31", "expected at least 16 rows"),
    ("STOP_TIME = .*", "STOP_TIME = 2025-03-19T00:00:00", "expected a time after the start"),
    (r"^2025-03-20T00:02", "2025-03-20T00:01", "expected a moment after that of the row before"),
    (r"^2025-03-20T00:02", "2025-02-30T00:02", "expected a moment such as"),
    (r"^(2025-03-20T00:02\S+) \S+", r"\1 inf", "expected 6 numbers"),
    (r"^(2025-03-20T00:02\S+) \S+", r"\1", "expected 6 numbers"),
    ("META_START", "", "line 7: expected the header, then META_START"),
]


@pytest.mark.parametrize(("old", "new", "told"), WRONG_OEM)
def test_what_is_wrong_with_an_oem(tmp_path: Path, old: str, new: str, told: str) -> None:
    """A message that is not understood is refused by its line."""
    path = _changed(OEM, tmp_path / "x.oem", old, new)
    with pytest.raises(InputError, match=told):
        fleet.read(str(path))


def test_other_files_are_named(tmp_path: Path) -> None:
    """XML, empty folders and strange files in a folder are refused."""
    (tmp_path / "x.xml").write_text("<oem/>")
    with pytest.raises(InputError, match=r"x\.xml: line 1: .*found XML"):
        fleet.read(str(tmp_path / "x.xml"))
    with pytest.raises(InputError, match=r"expected tles\.txt, or ephemerides"):
        fleet.read(str(tmp_path))
    (tmp_path / "x.e").write_text("hello\n")
    with pytest.raises(InputError, match=r"x\.e: line 1: expected an STK ephemeris or an OEM"):
        fleet.read(str(tmp_path))


def test_segments_of_a_satellite_are_one_track(tmp_path: Path) -> None:
    """An OEM cut into two segments gives the same positions, and no others in a gap."""
    text = OEM.read_text().split("META_START")
    head, body = text[0], text[1]
    lines = body.strip().splitlines()
    at = lines.index("META_STOP")
    meta, rows = lines[: at + 1], [line for line in lines[at + 1 :] if line]
    whole = fleet.read(str(OEM)).orbits
    path = tmp_path / "cut.oem"
    for second, known in ((rows[6:], True), (rows[8:], False)):
        late = [
            x.replace("START_TIME = 2025-03-20T00:00", f"START_TIME = {second[0][:16]}")
            for x in meta
        ]
        early = [
            x.replace("STOP_TIME = 2025-03-20T00:12", "STOP_TIME = 2025-03-20T00:06") for x in meta
        ]
        parts = [
            early,
            rows[:7],
            ["META_START"],
            [x.replace("DEGREE = 7", "DEGREE = 5") for x in late],
            second,
        ]
        path.write_text(head + "META_START\n" + "\n".join(x for part in parts for x in part) + "\n")
        made = fleet.read(str(path)).orbits
        epoch = fleet.read(str(OEM)).epoch_jd
        moments = np.array([30.0, 400.0, 700.0])
        if not known:
            with pytest.raises(
                InputError, match="expected positions of 2025-0011 at the Julian day"
            ):
                made.earth_fixed_m(epoch, moments)
            continue
        apart = made.earth_fixed_m(epoch, moments)[:, 0] - whole.earth_fixed_m(epoch, moments)[:, 0]
        assert np.abs(apart).max() < 1.0


def test_all_moments_have_to_be_covered() -> None:
    """A window after which the positions end is refused, with what would do."""
    late = replace(TINY, remote_constellation=str(OEM), start_window_s=700.0)
    with pytest.raises(InputError, match=r"sensing\.oem: start_window_s: .*at most 680 s"):
        generate(late, 1, "")
    long = replace(TINY, remote_constellation=str(OEM), num_slots=100)
    with pytest.raises(InputError, match="they last 720 s"):
        constellation_of(long)


def test_clusters_of_a_bare_shell_are_runs() -> None:
    """Satellites without declared planes are clustered in order, and never more than there are."""
    own = constellation_of(replace(TINY, remote_constellation=str(TLE)))
    assert own.cluster.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    with pytest.raises(InputError, match="num_clusters: expected at most 8"):
        constellation_of(replace(TINY, remote_constellation=str(TLE), num_clusters=9))


def test_both_shells_from_files() -> None:
    """Sensing satellites come first, then those of the folder, with its links."""
    scenario = from_parameters(
        TINY, {"remote_constellation": str(OEM), "constellation": str(DATA / "relays")}
    )
    own = constellation_of(scenario)
    assert positions_m(own, 0.0, np.array([0.0, MINUTE_S])).shape == (2, 8 + 48, 3)
    assert own.fixed == (False, True)
    assert own.links.min() == 8
    made = generate(scenario, 1, "")
    assert made.scenario["remote_constellation"] == str(OEM)
    assert set(made.scenario["files"]) == {"constellation#sha256", "remote_constellation#sha256"}


def test_epochs_of_two_shells_have_to_be_near(tmp_path: Path) -> None:
    """Shells whose files are months apart are refused."""
    path = tmp_path / "old.e"
    path.write_text(STK.read_text().replace("20 Mar 2025", "20 Mar 2024"))
    far = replace(TINY, num_clusters=1, remote_constellation=str(path))
    with pytest.raises(InputError, match="expected epochs of both shells within 28 days"):
        constellation_of(replace(far, constellation=str(DATA / "relays")))
