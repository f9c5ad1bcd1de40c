"""The instance format: version 1 is read for ever, version 2 is written."""

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from opt_istn import InputError
from opt_istn.jutap import evaluate, instance, plan
from opt_istn.jutap.scenario import PRESETS, generate

SAMPLES = Path(__file__).parent / "samples"
KEPT = {  # hashes by the version that wrote the files
    "instance-1.json": "eff306c16fb207d08d66074e12d71b7e8330185d1fe14ac2361afaa699a7d4d1",
    "instance-1-reward.json.gz": "6579b03cc3110c630dc2dc72aa0a2409b613809e0089b89500615c4cab840a1f",
}


def bytes_of(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode()


@pytest.mark.parametrize("name", KEPT)
def test_version_1_is_read(name: str, tmp_path: Path) -> None:
    """A file of version 1 has the hash it had, and keeps it when written as version 2."""
    read = instance.read(SAMPLES / name)
    assert read.sha256 == KEPT[name]
    assert (read.origin, read.battery, read.extra) == (None, None, {})
    read.write(tmp_path / "again.json")
    assert json.loads((tmp_path / "again.json").read_text())["version"] == 2
    assert instance.read(tmp_path / "again.json").sha256 == KEPT[name]


def test_plans_of_version_1_are_judged() -> None:
    """A plan kept with its instance of version 1 is feasible and costs what it did."""
    judged = evaluate(
        instance.read(SAMPLES / "instance-1.json"), plan.read(SAMPLES / "plan-1.json")
    )
    assert judged.feasible
    assert judged.cost == 1_400_000


def test_the_hash_is_what_the_page_says() -> None:
    """SHA-256 over the listed fields, with version 1, without a bonus that is as printed."""
    made = generate(PRESETS["jutap-paper-v2"], 0)
    document = json.loads(bytes_of(made.document()))
    for name in ("name", "scenario", "origin", "battery", "extra"):
        del document[name]
    document["version"] = 1
    del document["cost"]["hole_bonus"]
    again = bytes_of(document)
    assert set(json.loads(again)) == set(json.loads((SAMPLES / "instance-1.json").read_text())) - {
        "name",
        "scenario",
    }
    assert instance.files.canonical_sha256(document) == made.sha256


@pytest.mark.parametrize(
    "change",
    [
        {"name": "another"},
        {"origin": {"preset": None, "seed": 7, "generator": "somebody"}},
        {"battery": {"model": "m", "capacity_mj": 3, "reserve_mj": 2, "vertical_mj": 1}},
        {"extra": {"anything": [1, {"goes": None}]}},
        {"scenario": {}},
    ],
)
def test_what_is_outside_the_hash_is_kept(change: dict[str, Any], tmp_path: Path) -> None:
    """These fields change no hash, and survive reading and writing."""
    made = generate(PRESETS["jutap-tiny"], 0)
    read = instance.from_bytes(bytes_of(made.document() | change))
    assert read.sha256 == made.sha256
    read.write(tmp_path / "it.json.gz")
    ((name, value),) = change.items()
    assert json.loads(gzip.decompress((tmp_path / "it.json.gz").read_bytes()))[name] == value


def test_a_bonus_that_counts_once_is_another_problem() -> None:
    """``once`` is part of the hash; and it is read back."""
    made = generate(PRESETS["jutap-tiny"], 0)
    once = replace(made, cost=replace(made.cost, hole_bonus="once"))
    assert once.sha256 != made.sha256
    assert instance.from_bytes(bytes_of(once.document())).sha256 == once.sha256


@pytest.mark.parametrize("field", ["origin", "battery", "extra"])
def test_version_1_knows_no_later_field(field: str) -> None:
    """A file of version 1 with a field of version 2 is refused, as it always was."""
    document = json.loads((SAMPLES / "instance-1.json").read_text()) | {field: {}}
    with pytest.raises(InputError, match=field):
        instance.from_bytes(bytes_of(document))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": 1}, "unknown field `?colour"),
        ({"extra": 1}, "extra: Expected `?object"),
        ({"origin": {"preset": "x", "seed": -1, "generator": "y"}}, "origin.seed"),
        ({"origin": {"preset": "x", "seed": 1}}, "generator"),
        ({"battery": {"model": "x"}}, "capacity_mj"),
        ({"version": 3}, "version: expected 1 or 2, found 3; a newer opt-istn"),
        ({"version": 0}, "version: expected 1 or 2, found 0$"),
    ],
)
def test_what_version_2_refuses(change: dict[str, Any], message: str) -> None:
    """Unknown fields and wrong values are refused by name."""
    document = generate(PRESETS["jutap-tiny"], 0).document() | change
    with pytest.raises(InputError, match=message):
        instance.from_bytes(bytes_of(document))


def test_an_unknown_bonus_is_refused() -> None:
    """``cost.hole_bonus`` is one of two words, in files and in memory."""
    made = generate(PRESETS["jutap-tiny"], 0)
    document = made.document()
    document["cost"]["hole_bonus"] = "twice"
    with pytest.raises(InputError, match=r"cost.hole_bonus"):
        instance.from_bytes(bytes_of(document))
    wrong: Any = "twice"
    with pytest.raises(InputError, match=r"cost.hole_bonus: expected 'printed' or 'once'"):
        replace(made, cost=replace(made.cost, hole_bonus=wrong))
