"""Traces of requests as instances: by hand, in every coat, and what is refused."""

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from opt_istn.files import InputError
from opt_istn.push.evaluate import evaluate
from opt_istn.push.instance import from_bytes
from opt_istn.push.outside import trace
from opt_istn.push.plan import Plan
from opt_istn.push.scenario import PRESETS, from_parameters, generate
from opt_istn.push.world import law

DATA = Path(__file__).parents[3] / "examples/data"
TRACE, USERS = DATA / "trace.csv", DATA / "users.csv"
TINY = PRESETS["push-tiny-v2"]
SMALL = """# a comment
time,obj_id,user
100,a,eve
104.5,b,ann
110,a,ann
110,c,eve
119.999,c,eve
120,b,eve
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "t.csv"
    path.write_text(SMALL)
    return path


def test_by_hand(small: Path) -> None:
    """Slots begin at the first request; users and objects are numbered as they come."""
    found = trace.read(str(small), 10.0)
    assert (found.users, found.objects) == (("eve", "ann"), ("a", "b", "c"))
    assert found.release.tolist() == [0, 0, 1]
    rows = [[0, 0, 0], [1, 1, 0], [0, 2, 1], [1, 0, 1], [0, 1, 2]]
    assert found.requests.tolist() == rows
    assert (found.num_slots, found.size_bytes, found.repeated) == (3, None, 1)


def test_an_instance_asks_for_what_the_trace_does(small: Path) -> None:
    """Requests, sizes and names are the trace's; everything may be pushed to everybody."""
    scenario = from_parameters(TINY, {"trace": str(small)})
    made = generate(scenario, 1, "")
    assert (made.num_users, made.num_contents, made.num_slots) == (2, 3, 3)
    rows = trace.read(str(small), 10.0).requests.tolist()
    assert sorted(made.requests[:, :3].tolist()) == sorted(rows)
    assert made.roi.all()
    assert made.contents == ()
    assert "law" not in made.scenario
    told = {"users": ["eve", "ann"], "objects": ["a", "b", "c"], "repeated": 1}
    assert made.scenario["trace_of"] == told
    assert evaluate(made, Plan(made.sha256, ())).cost == made.base_us
    assert generate(scenario, 1, "").sha256 == made.sha256
    assert generate(scenario, 2, "").sha256 != made.sha256  # another network


def test_link_states_go_with_a_trace(small: Path) -> None:
    """An instance of a trace keeps its delays of misses, and survives its file format."""
    made = generate(from_parameters(TINY, {"trace": str(small), "link_states": "true"}), 1, "")
    assert made.link_us is not None
    assert from_bytes(msgspec.json.encode(made.document())).sha256 == made.sha256


def test_born_before_it_is_asked_for(tmp_path: Path) -> None:
    """With a column `born` an object exists from there on, so contents are in another order."""
    path = tmp_path / "t.csv"
    path.write_text("time,obj_id,born\n50,x,50\n55,y,20\n65,z,61\n90,w,60\n")
    found = trace.read(str(path), 10.0)
    assert found.objects == ("x", "y", "z", "w")
    assert found.release.tolist() == [0, 0, 1, 1]
    assert found.requests[:, 2].tolist() == [0, 0, 1, 4]


def test_slots_are_exact(tmp_path: Path) -> None:
    """Times in decimals fall into the slots that decimals say, not those that doubles do."""
    path = tmp_path / "t.csv"
    path.write_text("time,obj_id\n" + "".join(f"0.{i},x{i}\n" for i in range(10)))
    assert trace.read(str(path), 0.1).requests[:, 2].tolist() == list(range(10))


def test_a_trace_without_header_is_one_cache(tmp_path: Path) -> None:
    """The three columns of a cache simulator: one user; the size becomes that of contents."""
    path = tmp_path / "t.csv"
    path.write_text("0,11,4096\n1,12,4096\n30,11,4096\n")
    scenario = from_parameters(TINY, {"trace": str(path)})
    sizes = scenario.num_users, scenario.num_contents, scenario.num_slots, scenario.content_bytes
    assert sizes == (1, 2, 4, 4096.0)


def test_users_of_a_trace_stand_where_their_file_says(tmp_path: Path) -> None:
    """Names lead from the trace to the places."""
    path = tmp_path / "u.csv"
    path.write_text(
        "name,lat_deg,lon_deg\nHarbin,45.8,126.5\nWuhan,30.6,114.3\nChengdu,30.7,104.1\n"
    )
    made = generate(from_parameters(TINY, {"trace": str(TRACE), "user_places": str(path)}), 1, "")
    assert made.scenario["trace_of"]["users"] == ["Harbin", "Wuhan", "Chengdu"]
    assert made.scenario["users"]["lat_deg"] == [45.8, 30.6, 30.7]


WRONG = [
    ("time,obj_id\n", "expected at least one request"),
    ("time,obj_id\n-1,a\n", "line 2, time: expected a number >= 0, found '-1'"),
    ("time,obj_id\nnan,a\n", "line 2, time: expected a number >= 0"),
    ("time,obj_id\n5,a\n4,b\n", "line 3, time: expected a time of at least 5, .*found '4'"),
    ("time,obj_id\n0,a\n1e9,b\n", "line 3, time: expected a time within 1000000 slots"),
    ("time,obj_id\n0,\n", "line 2, obj_id: expected a text"),
    ("time,obj_id,user\n0,a,\n", "line 2, user: expected a text"),
    ("time,obj_id,obj_size\n0,a,5\n1,b,6\n", "line 3, obj_size: expected 5, the size of line 2"),
    ("time,obj_id,obj_size\n0,a,0\n", r"line 2, obj_size: expected a whole number 1\.\."),
    ("time,obj_id,obj_size\n0,a,-3\n", "line 2, obj_size: expected a whole number"),
    ("time,obj_id,born\n5,a,6\n", "line 2, born: expected at most 5"),
    ("time,obj_id,born\n5,a,2\n6,a,3\n", "line 3, born: expected 2, as in the object's first"),
    ("time,obj_id\n0,a,1\n", r"line 2: expected 2 columns \(time, obj_id\), found 3"),
    ("0,a,1,u,9\n", "line 1: expected"),
]


@pytest.mark.parametrize(("text", "told"), WRONG)
def test_what_is_wrong_with_a_trace(tmp_path: Path, text: str, told: str) -> None:
    """A line that is no request is named, sizes that differ with the reason."""
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"t\.csv: {told}"):
        trace.read(str(path), 10.0)


def test_users_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    """Unknown users, regions of interest, and a trace that does not say who asks."""
    with pytest.raises(InputError, match=r"users\.csv: expected users without regions"):
        trace.read(str(TRACE), 10.0, str(USERS))
    path = tmp_path / "u.csv"
    path.write_text("name,lat_deg,lon_deg\nHarbin,45.8,126.5\nWuhan,30.6,114.3\n")
    with pytest.raises(
        InputError, match=r"trace\.csv: line \d+, user: expected a name of the file"
    ):
        trace.read(str(TRACE), 10.0, str(path))
    (tmp_path / "t.csv").write_text("time,obj_id\n0,a\n")
    with pytest.raises(InputError, match="line 2: expected a column user"):
        trace.read(str(tmp_path / "t.csv"), 10.0, str(path))


def test_sizes_that_contradict_a_trace_are_refused(small: Path) -> None:
    """Numbers of users, contents and slots are the trace's."""
    for name in ("num_users", "num_contents", "num_slots"):
        with pytest.raises(InputError, match=rf"{name}: expected \d, as in .*t\.csv, found 99"):
            from_parameters(TINY, {"trace": str(small), name: "99"})
    with pytest.raises(InputError, match="num_contents: expected 3, as in"):
        generate(replace(TINY, trace=str(small)), 1, "")


def test_a_trace_is_no_law(small: Path) -> None:
    """What requests could have been instead is not known of a trace."""
    scenario = from_parameters(TINY, {"trace": str(small)})
    with pytest.raises(InputError, match="trace: expected a scenario whose requests are drawn"):
        law.law_of(scenario)


def test_a_file_that_has_changed_since_is_named(small: Path) -> None:
    """The world of an instance is drawn again from the files that it was drawn from, or not."""
    made = generate(from_parameters(TINY, {"trace": str(small)}), 1, "")
    assert np.array_equal(law.redrawn(made.scenario).births.release, made.release)
    small.write_text(SMALL.replace("119.999", "119.9"))
    with pytest.raises(InputError, match=r"trace: expected the file with the hash .* has changed"):
        law.redrawn(made.scenario)
