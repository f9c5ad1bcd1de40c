"""Groups of instances: who shares a name is kept apart, and said."""

from typing import Any

from opt_istn.report import groups
from opt_istn.report.groups import twins
from opt_istn.runs.ledger import Record, Source
from tests.report.synthetic import run

FILE = Source(file="mine.json")


def _of(name: str, letter: str, source: Source = FILE, **changes: Any) -> Record:
    fields = {"instance": name, "sha256": 64 * letter, "source": source}
    return run("greedy", 110, **(fields | changes))


def _made(**overrides: str) -> Source:
    return Source(preset="paper", seed=0, overrides=overrides)


def test_files_of_one_name_are_told() -> None:
    """Two instances of a name have a line with their hashes; one alone, run twice, has none."""
    assert twins([_of("mine", "a"), _of("mine", "b"), _of("other", "c"), _of("other", "c")]) == (
        "mine: 2 instances have this name and are kept apart: sha256 aaaaaaaa, bbbbbbbb",
    )


def test_instances_without_a_name_are_told() -> None:
    (line,) = twins([_of("", "a"), _of("", "b")])
    assert line.startswith("an instance without a name: 2 instances")


def test_presets_with_other_parameters_are_no_news() -> None:
    """Their groups have other names, also where the same instances were run from files as well."""
    one, two = _of("paper-0", "a", _made(cells="4")), _of("paper-0", "b", _made(cells="5"))
    assert twins([one, two]) == ()
    assert twins([one, two, _of("paper-0", "a"), _of("paper-0", "b")]) == ()
    assert len(twins([one, _of("paper-0", "b")])) == 1, "a file that is called like a preset's"
    again = _of("paper-0", "c", _made(cells="4"))
    assert len(twins([one, two, again])) == 1, "one preset, two instances: another version's"


def test_names_that_are_shared_have_the_hash() -> None:
    """Groups and instances are called by eight digits more where a name alone is not enough."""
    records = [_of("mine/1", "a"), _of("mine/1", "b"), _of("mine/2", "c")]
    every = groups.every_series(records)
    assert {series.group for series in every} == {"mine/1 aaaaaaaa", "mine/1 bbbbbbbb", "mine"}


def test_a_solver_with_one_certificate_is_no_certificate() -> None:
    """All records of a row are those of certificates, or it is a row of runs."""
    certificate, plain = _of("mine", "a", certificate=64 * "d"), _of("mine", "a", seed=1)
    (whole,) = groups.every_series([certificate])
    (mixed,) = groups.every_series([certificate, plain])
    assert (whole.certifies, mixed.certifies) == (True, False)
