"""Files of version 1 are read for ever, and what they say of their world still holds."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from opt_istn import files
from opt_istn.files import InputError
from opt_istn.push import instance as push
from opt_istn.push.plan import Plan
from opt_istn.push.play import Game, world_of
from opt_istn.push.scenario import PRESETS, generate
from opt_istn.push.world import law
from opt_istn.push.world.parameters import NEWER, from_document

KEPT = Path(__file__).parent / "kept"
FILES = {
    "push-tiny-0.json": (
        "push-tiny",
        "6322a9c91104595693126c42c404758f4d2a9a57553110ee8e33fe21a841176e",
    ),
    "push-paper-0.json.gz": (
        "push-paper",
        "f52243c6b713702f7666838bf59492db59852984879b7ee32edd716d02ccb72f",
    ),
}
EVERY = pytest.mark.parametrize("name", sorted(FILES))


@EVERY
def test_the_hash_is_what_it_was(name: str) -> None:
    """A kept file is read and has the hash it was written under."""
    found = push.read(KEPT / name)
    assert files.decode(files.read_bytes(KEPT / name), dict)["version"] == 1
    assert found.sha256 == FILES[name][1]
    assert (found.link_us, found.origin, found.extra) == (None, None, {})


@EVERY
def test_parameters_that_came_later_are_as_they_were(name: str) -> None:
    """A file that does not name newer parameters comes from the preset of its time."""
    found = push.read(KEPT / name)
    assert not NEWER & set(found.scenario)
    assert from_document(found.scenario) == PRESETS[FILES[name][0]]


@EVERY
def test_kept_files_are_played_and_priced(name: str) -> None:
    """World, expectation and delays of a kept file are those of the instance generated anew."""
    found, anew = push.read(KEPT / name), generate(PRESETS[FILES[name][0]], 0, "")
    assert found.sha256 == anew.sha256
    ours, theirs = world_of(found), world_of(anew)
    assert ours is not None
    assert theirs is not None
    assert ours.scenario == theirs.scenario
    assert ours.law.document() == theirs.law.document()
    expected = law.expectation(found)
    assert (expected.miss_us == law.expectation(anew).miss_us).all()
    assert (expected.probability == law.expectation(anew).probability).all()


@EVERY
def test_written_anew_it_is_version_2_of_the_same_problem(name: str, tmp_path: Path) -> None:
    """A kept file written again is version 2 and keeps its hash, so that plans still fit."""
    found = push.read(KEPT / name)
    found.write(tmp_path / "again.json")
    document = json.loads((tmp_path / "again.json").read_text())
    assert document["version"] == 2
    assert push.read(tmp_path / "again.json").sha256 == found.sha256
    assert Game(found).plan() == Plan(found.sha256, ())


def test_version_1_knows_no_newer_fields(tmp_path: Path) -> None:
    """What came with version 2 is refused in a file that calls itself version 1."""
    document = json.loads((KEPT / "push-tiny-0.json").read_text())
    for field, value in (("extra", {}), ("origin", None), ("miss_us", None)):
        path = tmp_path / "mixed.json"
        path.write_text(json.dumps(document | {field: value}))
        with pytest.raises(InputError, match=field):
            push.read(path)


def test_older_parameters_are_still_needed() -> None:
    """Only parameters that came later may be missing."""
    document = PRESETS["push-tiny-v2"].document()
    for name in NEWER:
        less = {key: value for key, value in document.items() if key != name}
        assert from_document(less) == replace(
            PRESETS["push-tiny-v2"], **{name: vars(PRESETS["push-tiny"])[name]}
        )
    with pytest.raises(InputError, match="beta"):
        from_document({key: value for key, value in document.items() if key != "beta"})
