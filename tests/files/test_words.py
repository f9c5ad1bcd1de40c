"""What errors say of unknown names, long lists and hashes that are nearly the same."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from opt_istn import registry
from opt_istn.cli import main
from opt_istn.files import InputError, hashing, words
from opt_istn.jutap.evaluate import evaluate
from opt_istn.jutap.plan import Plan
from tests.planted import tiny

DIGEST = hashlib.sha256(b"").hexdigest()


def test_a_name_without_its_problem_means_that_of_each() -> None:
    """`gredy` may be the greedy solver of either problem; with a problem it is that one's."""
    names = registry.names()
    assert words.alike("gredy", names) == ["jutap.greedy", "push.greedy"]
    assert words.alike("push.gredy", names) == ["push.greedy"]
    assert words.alike("xyzzy", names) == []


def test_of_equally_close_names_the_one_that_begins_alike_is_meant() -> None:
    """Letters in another order do not lead to another name."""
    assert words.alike("jutap-tyni", ["jutap-city", "jutap-tiny"]) == ["jutap-tiny"]


def test_of_equally_close_names_the_first_by_number_is_meant() -> None:
    """A name without its number means number 0, and 2 comes before 10."""
    names = [f"push-paper-v2-{number}" for number in (10, 9, 2, 0)]
    assert "did you mean 'push-paper-v2-0'? known: push-paper-v2-0, push-paper-v2-2," in (
        words.unknown("entry", "push-paper-v2", names)
    )


def test_lists_are_cut_between_names() -> None:
    """A long list ends with a whole name and how many more there are; a short one is whole."""
    names = [f"solver-of-number-{number}" for number in range(100)]
    said = words.listed(names)
    shown, _, more = said.partition(" and ")
    whole = shown.split(", ")
    assert whole == names[: len(whole)]
    assert more == f"{100 - len(whole)} more"
    assert len(said) < 230
    assert words.listed(names[:3]) == ", ".join(names[:3])
    assert words.listed([]) == "none"


@pytest.mark.parametrize(
    "command",
    [
        "solve tiny.json --solver gredi",
        "generate jutap-tyni --seed 0 -o x.json",
        "generate jutap-tiny --seed 0 --set users=3 -o x.json",
        "generate push-tiny --seed 0 --set numusers=3 -o x.json",
        "library get push-paper-v2",
        "presets nothing",
        "solvers nothing",
        "reproduce fig",
    ],
)
def test_no_refusal_of_a_name_is_cut_in_a_word(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What commands say of an unknown name is a line that a person reads to its end."""
    monkeypatch.chdir(tmp_path)
    tiny().write("tiny.json")
    assert main(command.split()) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "..." not in line
    assert len(line) < 400


def test_hashes_are_shown_as_far_as_they_differ() -> None:
    """Twelve digits, or as many as it takes to see that two hashes are two."""
    assert words.apart(DIGEST, "0" * 64) == (DIGEST[:12], "0" * 12)
    nearly = DIGEST[:20] + "0" * 44
    one, other = words.apart(DIGEST, nearly)
    assert one != other
    assert (one, other) == (DIGEST[:21], nearly[:21])


def test_a_plan_of_a_nearly_equal_hash_is_told_apart() -> None:
    """The refusal of a plan of another instance shows two different hashes."""
    instance = tiny()
    plan = Plan(instance.sha256, (instance.start,), (instance.start_link,))
    last = "0" if instance.sha256[-1] != "0" else "1"
    wrong = replace(plan, instance=instance.sha256[:-1] + last)
    with pytest.raises(InputError) as refused:
        evaluate(instance, wrong)
    assert instance.sha256 in refused.value.expected
    assert wrong.instance in refused.value.expected


def test_a_changed_file_is_told_apart(tmp_path: Path) -> None:
    """The refusal of a changed file shows the digits in which its hash differs."""
    path = tmp_path / "agent.pt"
    path.write_bytes(b"")
    with pytest.raises(InputError) as refused:
        hashing.check({"agent": str(path)}, {"agent#sha256": DIGEST[:30] + "x" * 34})
    assert DIGEST[:31] in refused.value.expected
