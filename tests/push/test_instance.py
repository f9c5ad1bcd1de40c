"""PUSH instances: what is written is read back, and every wrong field is named."""

import json

import numpy as np
import pytest

from opt_istn import files
from opt_istn.files import InputError
from opt_istn.origin import Origin
from opt_istn.push import instance as push
from opt_istn.push.instance import ABSENT, Instance


def small(**changes):
    """Return two users, three contents and four slots."""
    fields = {
        "name": "small",
        "num_slots": 4,
        "slot_s": 10.0,
        "cache_size": [1, 2],
        "release": [0, 1, 1],
        "cluster": [0, 0, 1],
        "roi": [[1, 1, 0], [1, 1, 1]],
        "link_up": [[1, 1, 1, 1], [1, 0, 1, 1]],
        "requests": [
            [1, 2, 3, ABSENT, 400_000, 1_000_000],
            [0, 0, 2, 100_000, 300_000, 1_000_000],
            [0, 1, 2, ABSENT, ABSENT, 1_000_000],
        ],
        "contents": ({"id": 0}, {"id": 1}, {"id": 2}),
        "scenario": {"seed": 7},
    }
    return Instance(**(fields | changes))


@pytest.mark.parametrize("ending", [".json", ".json.gz"])
def test_round_trip(tmp_path, ending):
    """A written instance is read back with the same hash and the same document."""
    path = tmp_path / f"small{ending}"
    ours = small()
    ours.write(path)
    back = push.read(path)
    assert back.sha256 == ours.sha256
    assert back.document() == ours.document()


def test_hash_leaves_out_name_and_scenario():
    """Name and scenario are not part of the problem; every number of it is."""
    assert small(name="other", scenario={}).sha256 == small().sha256
    assert small(cache_size=[2, 2]).sha256 != small().sha256
    assert small(release=[0, 0, 1]).sha256 != small().sha256


def test_requests_are_sorted():
    """Requests are ordered by user, content and slot, whatever order they come in."""
    ours = small()
    assert ours.requests[:, :3].tolist() == [[0, 0, 2], [0, 1, 2], [1, 2, 3]]
    assert small(requests=ours.requests[::-1]).sha256 == ours.sha256


def test_a_miss_takes_the_fastest_mode():
    """Each request's miss costs the least of the modes that are available."""
    assert small().miss_us.tolist() == [100_000, 1_000_000, 400_000]
    assert small().base_us == 1_500_000


def test_pushable():
    """A content can be pushed once it exists, inside the region and while the link is up."""
    assert small().pushable(1).astype(int).tolist() == [[1, 0, 1, 1], [0, 0, 1, 1], [0, 0, 1, 1]]
    assert not small().pushable(0)[2].any()


def test_view_of_one_user():
    """A user's view keeps the contents whose push can save something, with what it saves."""
    view = small().user(0)
    assert view.content.tolist() == [0, 1]
    assert view.weight.tolist() == [[0, 0, 100_000, 0], [0, 0, 1_000_000, 0]]
    assert view.base_us == 1_100_000


def test_arrays_are_read_only():
    """An instance cannot be changed in place."""
    with pytest.raises(ValueError, match="read-only"):
        small().release[0] = 1


@pytest.mark.parametrize(
    ("field", "value", "name"),
    [
        ("num_slots", 0, "num_slots"),
        ("slot_s", 0.0, "slot_s"),
        ("slot_s", float("nan"), "slot_s"),
        ("cache_size", [1, 0], "cache_size[1]"),
        ("release", [0, 1], "cluster"),
        ("release", [1, 0, 1], "release[1]"),
        ("release", [0, 1, 4], "release[2]"),
        ("cluster", [0, 0, -1], "cluster[2]"),
        ("roi", [[1, 1, 0]], "roi"),
        ("link_up", [[1, 1, 1]] * 2, "link_up"),
        ("contents", ({},), "contents"),
        ("requests", [[0, 0, 0]], "requests"),
        ("requests", [[2, 0, 0, 1, 1, 1]], "requests[0]"),
        ("requests", [[0, 3, 3, 1, 1, 1]], "requests[0]"),
        ("requests", [[0, 0, 4, 1, 1, 1]], "requests[0]"),
        ("requests", [[0, 1, 0, 1, 1, 1]], "requests[0]"),
        ("requests", [[0, 0, 0, 0, 1, 1]], "requests[0]"),
        ("requests", [[0, 0, 0, 1, 1, ABSENT]], "requests[0]"),
        ("requests", [[0, 0, 0, 1, 1, 10**9 + 1]], "requests[0]"),
        ("requests", [[0, 0, 0, 1, 1, 1], [0, 0, 0, 2, 2, 2]], "requests[1]"),
    ],
)
def test_wrong_values_are_named(field, value, name):
    """An instance that contradicts the format names the field."""
    with pytest.raises(InputError) as caught:
        small(**{field: value})
    assert caught.value.field == name


@pytest.mark.parametrize("field", sorted(small().document()))
def test_every_field_is_needed_and_checked(tmp_path, field):
    """A file without a field, or with another type in its place, is refused naming the field."""
    path = tmp_path / "bad.json"
    for value in (None, [["x"]], "x" if field not in ("name", "format") else 3):
        document = small().document()
        document[field] = value
        path.write_text(json.dumps(document))
        with pytest.raises(InputError) as caught:
            push.read(path)
        assert field in str(caught.value)
        assert str(path) in str(caught.value)
    document = small().document()
    del document[field]
    path.write_text(json.dumps(document))
    with pytest.raises(InputError, match=field):
        push.read(path)


@pytest.mark.parametrize(
    ("field", "value", "name"),
    [
        ("cache_size", [1], "cache_size"),
        ("roi", [[0, 0], []], "roi[0]"),
        ("roi", [[1, 0], []], "roi[0]"),
        ("roi", [[3], []], "roi[0]"),
        ("link_up", [[1, 1, 1], [1, 1, 1, 1]], "link_up[0]"),
        ("link_up", [[1, 1, 1, 2], [1, 1, 1, 1]], "link_up[0][3]"),
        ("cluster", [0, 0], "cluster"),
        ("release", [0, 1], "release"),
        ("requests", [[0, 0, 2, 0, None, 1]], "requests[0][3]"),
        ("requests", [[0, 0, 2, None, None, None]], "requests[0][5]"),
        ("requests", [[0, 0, 2]], "requests[0]"),
    ],
)
def test_wrong_files_are_named(field, value, name):
    """A file that contradicts the format names field and place."""
    document = small().document() | {field: value}
    with pytest.raises(InputError) as caught:
        push.from_bytes(json.dumps(document).encode(), "bad.json")
    assert caught.value.field == name
    assert caught.value.source == "bad.json"


def test_no_users_and_no_contents():
    """An empty instance is valid and costs nothing."""
    shape = {"roi": np.zeros((0, 0)), "link_up": np.zeros((0, 4)), "requests": np.zeros((0, 6))}
    empty = small(cache_size=[], release=[], cluster=[], contents=(), **shape)
    assert empty.base_us == 0
    assert push.from_bytes(json.dumps(empty.document()).encode()).sha256 == empty.sha256


def test_origin_and_extra_are_kept_and_not_hashed():
    """Where an instance came from and what somebody adds survive, and change no hash."""
    told = small(origin=Origin("push-tiny", 7, "opt-istn 9"), extra={"note": [1, {"a": None}]})
    back = push.from_bytes(json.dumps(told.document()).encode())
    assert (back.origin, back.extra) == (told.origin, told.extra)
    assert back.sha256 == told.sha256 == small().sha256


def test_unknown_fields_are_refused_outside_extra():
    """A field that the format does not have is an error, wherever but under `extra`."""
    for field, value in (("note", 1), ("origin", {"preset": None, "seed": 1, "who": "me"})):
        document = small().document() | {field: value}
        with pytest.raises(InputError) as caught:
            push.from_bytes(json.dumps(document).encode())
        assert "unknown field" in str(caught.value) or "origin" in str(caught.value)


def test_the_hash_is_that_of_version_1():
    """The hash is of the document as version 1 wrote it: without what is no problem field."""
    document = small().document()
    assert document["version"] == 2
    for name in ("name", "scenario"):
        del document[name]
    assert small().sha256 == files.canonical_sha256(document | {"version": 1})
