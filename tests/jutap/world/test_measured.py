"""Stations and radio maps from files: what they change, and what is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from opt_istn.files import InputError
from opt_istn.jutap.scenario import PRESETS, from_parameters, generate, unweighted
from opt_istn.jutap.world import measured

DATA = Path(__file__).parents[3] / "examples/data"
STATIONS, MAP = DATA / "stations.csv", DATA / "radio-map.csv"
TINY = PRESETS["jutap-tiny"]


def test_stations_stand_where_the_file_says() -> None:
    """Positions, kind and azimuth are the file's; what it leaves out is drawn."""
    made = generate(from_parameters(TINY, {"stations": str(STATIONS)}), 3)
    assert made.num_mbs == 3
    assert made.scenario["mbs_xy_m"] == [[310, 420], [1220, 560], [700, 1310]]
    assert made.scenario["mbs_height_m"] == [25, 25, 35]
    assert made.scenario["mbs_boresight_deg"][:2] == [10, 75]
    other = generate(from_parameters(TINY, {"stations": str(STATIONS)}), 4)
    assert other.scenario["mbs_boresight_deg"][2] != made.scenario["mbs_boresight_deg"][2]


def test_a_computed_map_given_as_measured_is_the_same_problem(tmp_path: Path) -> None:
    """Written as a table, the links of an instance come back, with the strongest of each cell."""
    made = generate(TINY, 5)
    lines = ["row,column,station,sinr_db"]
    for cell in range(made.num_cells):
        for link in made.link_ids[made.link_ptr[cell] : made.link_ptr[cell + 1]].tolist():
            if link < made.num_mbs:
                level = 5 if link == made.strongest[cell] else 1
                lines.append(f"{cell // 4},{cell % 4},mbs{link},{level}")
    order = sorted(lines[1:], key=lambda line: line.split(",")[2])  # numbered as they come
    path = tmp_path / "map.csv"
    path.write_text("\n".join([lines[0], *order]))
    again = generate(from_parameters(TINY, {"radio_map": str(path)}), 5)
    assert again.sha256 == made.sha256
    assert "mbs_xy_m" not in again.scenario
    assert set(again.scenario["files"]) == {"radio_map#sha256"}


def test_cells_without_a_measurement_are_holes(tmp_path: Path) -> None:
    """What is not listed, or below the threshold, does not reach a cell."""
    path = tmp_path / "map.csv"
    path.write_text("row,column,station,sinr_db\n0,0,a,-1\n0,1,a,-1.5\n0,1,b,-1.2\n")
    made = generate(from_parameters(TINY, {"radio_map": str(path)}), 1)
    assert made.links(0).tolist() == [0, made.geo]
    assert made.links(1).tolist() == [made.hole, made.geo]
    assert made.links(2).tolist() == [made.hole, made.geo]
    assert made.scenario["hole_share"] == pytest.approx(15 / 16)


def test_of_equals_the_first_is_the_strongest() -> None:
    """The strongest station of a cell does not depend on the order of lines."""
    cell, station = np.array([0, 0, 1]), np.array([0, 1, 1])
    found = measured.Measured(("a", "b"), cell, station, np.array([3.0, 3.0, 2.0]))
    assert found.coverage(2, 0.0).strongest.tolist() == [0, 1]


def test_flights_over_one_map_are_problems_of_their_own() -> None:
    """START and END change the hash, and no cell of the map."""
    one, two = (
        generate(from_parameters(TINY, {"stations": str(STATIONS), "start": s, "end": e}), 1)
        for s, e in (("0", "15"), ("4", "7"))
    )
    assert one.sha256 != two.sha256
    assert np.array_equal(one.link_ids, two.link_ids)
    assert unweighted(two).end == 7


WRONG_STATIONS = [
    ("x_m,y_m\n1,x\n", "line 2, y_m: expected a number"),
    ("x_m,y_m\n1,inf\n", "line 2, y_m: expected a number"),
    ("x_m,y_m\n1e7,0\n", "line 2, x_m: expected a number"),
    ("x_m,y_m,site\n1,1,sea\n", "line 2, site: expected rural or urban, found 'sea'"),
    ("x_m,y_m,azimuth_deg\n1,1,400\n", r"line 2, azimuth_deg: expected a number -360\.\.360"),
    ("x_m,y_m,name\n1,1,a\n2,2,a\n", "line 3, name: expected each name once"),
    ("x_m,y_m\n", "expected at least one line"),
]


@pytest.mark.parametrize(("text", "told"), WRONG_STATIONS)
def test_what_is_wrong_with_stations(tmp_path: Path, text: str, told: str) -> None:
    """A line that is no station is named."""
    path = tmp_path / "s.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"s\.csv: {told}"):
        measured.stations(str(path))


WRONG_MAPS = [
    ("4,0,a,1\n", r"line 2, row: expected a whole number 0\.\.3, found '4'"),
    ("0,-1,a,1\n", r"line 2, column: expected a whole number 0\.\.3, found '-1'"),
    ("0,0,z,1\n", "line 2, station: expected a station of the file of stations, found 'z'"),
    ("0,0,,1\n", "line 2, station: expected a text"),
    ("0,0,a,nan\n", "line 2, sinr_db: expected a number"),
    ("0,0,a,999\n", "line 2, sinr_db: expected a number"),
    ("0,0,a,1\n0,0,a,2\n", r"line 3, station: expected one value a cell and station \(line 2\)"),
    ("0,0,a\n", r"line 2: expected 4 columns"),
]


@pytest.mark.parametrize(("text", "told"), WRONG_MAPS)
def test_what_is_wrong_with_a_radio_map(tmp_path: Path, text: str, told: str) -> None:
    """A line that is no measurement is named."""
    path = tmp_path / "m.csv"
    path.write_text("row,column,station,sinr_db\n" + text)
    with pytest.raises(InputError, match=rf"m\.csv: {told}"):
        measured.radio_map(str(path), 4, ("a", "b"))


def test_numbers_that_contradict_a_file_are_refused() -> None:
    """The number of stations is the file's."""
    with pytest.raises(InputError, match=r"num_mbs: expected 3, as in .*stations\.csv, found 4"):
        from_parameters(TINY, {"stations": str(STATIONS), "num_mbs": "4"})
    for name, path in (("stations", STATIONS), ("radio_map", MAP)):
        with pytest.raises(InputError, match="num_mbs: expected 3, as in"):
            generate(replace(TINY, num_mbs=4, **{name: str(path)}), 1)
