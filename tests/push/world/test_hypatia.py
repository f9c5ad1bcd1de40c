"""Hypatia folders and element sets: what is written is read back, and faults are named."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opt_istn.files import InputError
from opt_istn.physics.orbits import Shell, propagate_m, satellites
from opt_istn.physics.space_links import plus_grid
from opt_istn.push.scenario import PRESETS, generate
from opt_istn.push.world import hypatia, tle

SHELL = Shell(550e3, 53.0, 4, 5, 1)
EPOCH = 2_460_754.5
STATIONS = (hypatia.Station("Beijing", 39.9, 116.4, 50.0), hypatia.Station("Ottawa", 45.4, -75.7))
FIRST = "1 25544U 98067A   19343.69339541  .00001764  00000-0  38792-4 0  9991"
SECOND = "2 25544  51.6439 211.2001 0007417  17.6667  85.6398 15.50103472202482"


def folder_of(shell, stations=()):
    """Return a Walker shell with its +Grid links, to be written."""
    found, grid = satellites(shell, EPOCH), plus_grid(shell)
    return hypatia.Folder(found, grid, EPOCH, shell.planes, shell.per_plane, tuple(stations))


@pytest.fixture
def folder(tmp_path):
    hypatia.write(tmp_path, folder_of(SHELL, STATIONS), "Test", 5e6, 1e6)
    return tmp_path


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def signed(line):
    """Return an element-set line with its checksum put right."""
    return line[:-1] + str(tle.checksum(line))


def test_round_trip(folder):
    """A shell that is written and read again has the same links, stations and positions."""
    written = folder_of(SHELL, STATIONS)
    back = hypatia.read(folder)
    assert (back.planes, back.per_plane, back.epoch_jd) == (4, 5, EPOCH)
    assert back.stations == STATIONS
    assert np.array_equal(back.links, written.links)
    there, here = (propagate_m(x.records, EPOCH, [0.0, 3600.0]) for x in (written, back))
    assert np.abs(there - here).max() < 5


def test_files_of_a_folder(folder):
    """The files look as Hypatia's own."""
    tles = (folder / "tles.txt").read_text().splitlines()
    assert tles[0] == "4 5"
    assert tles[1] == "Test 0"
    assert len(tles) == 1 + 3 * 20
    assert all(len(line) == 69 for line in (tles[2], tles[3]))
    assert (folder / "isls.txt").read_text().splitlines()[0] == "0 1"
    assert len((folder / "gsl_interfaces_info.txt").read_text().splitlines()) == 22
    assert "max_isl_length_m=5000000.0000000000" in (folder / "description.txt").read_text()
    x, y, z = map(
        float, (folder / "ground_stations.txt").read_text().splitlines()[0].split(",")[5:]
    )
    assert math.hypot(x, y, z) == pytest.approx(6_369_300, abs=500)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("tles.txt", "4 5\n", "4\n", "line 1: expected planes and satellites per plane"),
        ("tles.txt", "4 5\n", "4 6\n", "line 1: expected three lines for each of 4 x 6"),
        ("tles.txt", "4 5\n", "0 5\n", "line 1: expected three lines for each of 0 x 5"),
        ("tles.txt", "Test 1\n", "Test 7\n", "line 5: expected a name and the number 1"),
        ("tles.txt", "1 00002U", "1 00009U", "line 6: expected checksum"),
        ("tles.txt", "1 00002U", "2 00002U", "line 6: expected line 1 of an element set"),
        ("isls.txt", "0 1\n", "0 0\n", "line 1: expected satellites a < b of 0..19"),
        ("isls.txt", "0 1\n", "1 0\n", "line 1: expected satellites a < b"),
        ("isls.txt", "0 1\n", "0 20\n", "line 1: expected satellites a < b"),
        ("isls.txt", "0 1\n", "-1 1\n", "line 1: expected satellites a < b"),
        ("isls.txt", "0 1\n", "0 1 2\n", "line 1: expected two satellites"),
        ("isls.txt", "0 1\n", "0 x\n", "line 1: expected two satellites"),
        ("isls.txt", "0 1\n", "0 1\n0 1\n", "line 2: expected each link once, found 0 1 again"),
        ("ground_stations.txt", "0,Beijing", "1,Beijing", "line 1: expected 0,name,latitude"),
        ("ground_stations.txt", ",39.9", ",99.9", "line 1: expected a latitude -90..90"),
        ("ground_stations.txt", ",39.900000", ",nan", "line 1: expected a latitude -90..90"),
        ("ground_stations.txt", ",39.9", ",north", "line 1: expected numbers"),
        ("ground_stations.txt", "1,Ottawa,", "1,Ottawa,1,", "line 2: expected 1,name,latitude"),
    ],
)
def test_faults_are_named(folder, file, old, new, message):
    """A wrong line is reported with file, line and what was expected there."""
    edit(folder / file, old, new)
    with pytest.raises(InputError) as caught:
        hypatia.read(folder)
    assert str(folder / file) in str(caught.value)
    assert message in str(caught.value)


def test_epochs_must_agree(folder):
    """Hypatia requires one epoch for all satellites."""
    lines = (folder / "tles.txt").read_text().splitlines()
    lines[5] = signed(lines[5].replace("25079.0", "25079.5"))
    (folder / "tles.txt").write_text("\n".join(lines))
    with pytest.raises(InputError, match="line 6: expected the epoch of the first satellite"):
        hypatia.read(folder)


@pytest.mark.parametrize("file", ["tles.txt", "isls.txt"])
def test_missing_and_foreign_files(folder, file):
    """A missing file and one that is not text are named."""
    (folder / file).write_bytes(b"\xff\xfe\xff")
    with pytest.raises(InputError, match=f"{file}: expected text"):
        hypatia.read(folder)
    (folder / file).unlink()
    with pytest.raises(InputError, match=f"{file}: cannot be read"):
        hypatia.read(folder)


def test_plain_element_sets(tmp_path):
    """A file of bare or named element sets has satellites and no links."""
    path = tmp_path / "iss.tle"
    other = [signed(line.replace("25544", "25545")) for line in (FIRST, SECOND)]
    text = f"# two sets\nISS (ZARYA)\n{FIRST}\n{SECOND}\n\n# bare\n{other[0]}\n{other[1]}\n"
    path.write_text(text)
    found = hypatia.read(path)
    assert len(found.records) == 2
    assert len(found.links) == 0
    assert found.epoch_jd == pytest.approx(2_458_827.19339541, abs=1e-8)


def test_lines_of_hypatia_itself(tmp_path):
    """Element sets and a ground station in the simulator's own test data pass, and agree."""
    (tmp_path / "tles.txt").write_text(
        "1 2\nStarlink-550 0\n"
        "1 00001U 00000ABC 00001.00000000  .00000000  00000-0  00000+0 0    04\n"
        "2 00001  53.0000   0.0000 0000001   0.0000   0.0000 15.19000000    08\n"
        "Starlink-550 1\n"
        "1 00002U 00000ABC 00001.00000000  .00000000  00000-0  00000+0 0    05\n"
        "2 00002  53.0000   0.0000 0000001   0.0000  16.3636 15.19000000    04\n"
    )
    (tmp_path / "isls.txt").write_text("0 1\n")
    manila = "0,Manila,14.604200,120.982200,0.000000,-3177879.424386,5292603.275242,1597759.166873"
    (tmp_path / "ground_stations.txt").write_text(f"{manila}\n")
    found = hypatia.read(tmp_path)
    assert found.epoch_jd == 2_451_544.5
    assert np.linalg.norm(propagate_m(found.records, found.epoch_jd, [0.0])[0, 0]) < 6_900e3
    hypatia.write(tmp_path, found, "Starlink-550", 5e6, 1e6)
    back = (tmp_path / "ground_stations.txt").read_text().split(",")[5:]
    assert np.allclose([float(x) for x in back], [float(x) for x in manila.split(",")[5:]], atol=1)


def elements(record):
    """Return the numbers that determine an orbit."""
    names = ("inclo", "nodeo", "ecco", "argpo", "mo", "no_kozai", "bstar", "jdsatepoch")
    return [getattr(record, name) for name in (*names, "jdsatepochF")]


@settings(max_examples=500)
@given(st.integers(0, 68), st.characters(codec="ascii"), st.booleans())
def test_a_wrong_character_never_changes_the_orbit(column, character, in_first):
    """Element sets with one wrong character are refused, or mean the same orbit."""
    lines = [FIRST, SECOND]
    line = lines[not in_first]
    lines[not in_first] = line[:column] + character + line[column + 1 :]
    try:
        found = tle.record(*lines, 1, "")
    except InputError:
        return
    assert elements(found) == elements(tle.record(FIRST, SECOND, 1, ""))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected at least one element set"),
        ("ISS\n", "line 1: expected line 1 of an element set, or a name"),
        ("ISS\nISS\n", "line 1: expected line 1 of an element set, or a name"),
        (FIRST, "line 2: expected line 2 of an element set, 69 characters, found 0"),
        (FIRST[:-1], "line 1: expected line 1 of an element set, 69 characters, found 68"),
        (f"{FIRST}\n{FIRST}", "line 2: expected line 2 of an element set"),
        (FIRST[:-1] + "0", "line 1: expected checksum 1, found '0'"),
        (FIRST.replace("19343.69339541", "19343,69339541"), "expected epoch in columns 19-32"),
        (f"{FIRST}\n{SECOND.replace('0007417', '.007417')}", "line 2: expected eccentricity"),
        (f"{FIRST}\n{SECOND.replace(' 51.6439', ' 51.64 9')}", "line 2: expected inclination"),
        (f"{FIRST}\n{SECOND.replace(' 211', 'x211')}", "expected a blank in column 17"),
        (
            f"{FIRST}\n{signed(SECOND.replace('25544', '25545'))}",
            "expected catalogue number '25544'",
        ),
    ],
)
def test_faults_in_element_sets(tmp_path, text, message):
    """A wrong element set is reported with its line and column."""
    path = tmp_path / "sets.tle"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        hypatia.read(path)
    assert message in str(caught.value)


def _sets(*changes):
    """Return a file of element sets, 10 lines of two comments and four sets with changes."""
    lines = ["# four", "# sets"]
    for i in range(4):
        first, second = (line.replace("25544", f"2554{i}") for line in (FIRST, SECOND))
        for at, old, new in changes:
            if at == i:
                assert old in first + second
                first, second = first.replace(old, new), second.replace(old, new)
        lines += [signed(first), signed(second)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((3, "25543", "25541"), "line 9, catalogue number 25541: .* found the one of line 5 again"),
        ((3, "19343.69339541", "19003.69339541"), "line 9, catalogue number 25543: expected an ep"),
        ((1, "19343.69339541", "56343.69339541"), "line 5, catalogue number 25541: expected an ep"),
        ((3, "19343.69339541", "19000.69339541"), "line 9, catalogue number 25543: .* 1 to 36"),
        ((3, "19343.69339541", "19400.69339541"), "line 9, .*: expected day of the epoch"),
        ((3, "19343.69339541", "19366.00000000"), "line 9, .*: expected day of the epoch"),
        ((2, " 51.6439", "181.6439"), "line 8, catalogue number 25542: expected inclination 0 to"),
        ((2, "211.2001", "361.2001"), "line 8, catalogue number 25542: expected right ascension"),
        ((2, " 17.6667", "361.6667"), "line 8, catalogue number 25542: expected argument of per"),
        ((2, " 85.6398", "361.6398"), "line 8, catalogue number 25542: expected mean anomaly"),
        ((2, "15.50103472", "00.00000000"), "line 8, catalogue number 25542: expected mean motion"),
        ((2, " 0007417 ", " 9907417 "), "line 7, catalogue number 25542: .* SGP4 can follow"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_sets_are_checked_together(tmp_path, change, message):
    """A set that no orbit has, or that does not fit the others, is named by line and number."""
    path = tmp_path / "sets.tle"
    path.write_text(_sets())
    assert len(hypatia.read(path).records) == 4
    path.write_text(_sets(change))
    with pytest.raises(InputError, match=message) as caught:
        hypatia.read(path)
    assert str(path) in str(caught.value)


def test_leap_days_and_spreads_that_are_fine(tmp_path):
    """Day 366 of a leap year, and epochs four weeks apart, are read."""
    path = tmp_path / "sets.tle"
    every = [
        (i, "19343.69339541", f"20{day}.00000000") for i, day in enumerate((366, 338, 340, 366))
    ]
    path.write_text(_sets(*every))
    assert len(hypatia.read(path).records) == 4


@pytest.mark.parametrize("text", ["53.00000", " 53.0000", "053.0000", "  3.0000", " 3.00000"])
def test_angles_as_real_files_have_them(tmp_path, text):
    """An angle that fills its column with a fifth decimal means what it says."""
    path = tmp_path / "sets.tle"
    path.write_text(_sets((0, " 51.6439", text), (0, " 17.6667", text)))
    record = hypatia.read(path).records[0]
    assert math.degrees(record.inclo) == pytest.approx(float(text), abs=1e-9)
    assert math.degrees(record.argpo) == pytest.approx(float(text), abs=1e-9)


def test_a_folder_names_satellites_once(folder):
    """In a folder, too, each catalogue number is there once."""
    lines = (folder / "tles.txt").read_text().splitlines()
    lines[5], lines[6] = (signed(line.replace("00002", "00001")) for line in lines[5:7])
    (folder / "tles.txt").write_text("\n".join(lines))
    with pytest.raises(InputError, match="line 6, catalogue number 00001: expected each"):
        hypatia.read(folder)


def test_marks_before_the_text(tmp_path):
    """A byte order mark is skipped, UTF-16 is named."""
    path = tmp_path / "sets.tle"
    path.write_text(f"{FIRST}\n{SECOND}", encoding="utf-8-sig")
    assert len(hypatia.read(path).records) == 1
    for encoding in ("utf-16", "utf-16-le", "utf-16-be"):
        path.write_text(f"{FIRST}\n{SECOND}", encoding=encoding)
        with pytest.raises(InputError, match=r"sets\.tle: expected text in UTF-8, found UTF-16"):
            hypatia.read(path)


def test_scenario_from_a_folder(tmp_path):
    """The preset's own shell, read from files, gives the same requests and delays."""
    tiny = PRESETS["push-tiny"]
    hypatia.write(tmp_path, folder_of(tiny.comm_shell()), "Own", 5e6, 1e6)
    ours = generate(tiny, 1, "")
    theirs = generate(replace(tiny, constellation=str(tmp_path)), 1, "")
    assert np.array_equal(ours.requests[:, :3], theirs.requests[:, :3])
    assert np.abs(ours.miss_us - theirs.miss_us).max() < 10


def test_scenario_from_element_sets_alone(folder, tmp_path):
    """Without links each satellite is joined to its nearest neighbours."""
    path = tmp_path / "bare.tle"
    path.write_text("\n".join((folder / "tles.txt").read_text().splitlines()[1:]))
    found = generate(replace(PRESETS["push-tiny"], constellation=str(path)), 1, "")
    assert found.num_contents == 6
