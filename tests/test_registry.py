"""Names to solvers."""

import dataclasses
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from opt_istn import InputError, problems, registry
from tests.planted import Honest

HONEST = "tests.planted:Honest"


def test_listing_imports_no_solver() -> None:
    """Listing the solvers imports none of the modules they live in."""
    code = "from opt_istn import registry; registry.names(); import sys; print(list(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "formulations" not in done.stdout
    assert "learners" not in done.stdout


def test_core_loads_no_engine() -> None:
    """Importing the core loads neither an engine nor a learning framework."""
    code = (
        "import sys, opt_istn, opt_istn.runs.compare, opt_istn.cli, opt_istn.jutap; "
        "print([m for m in ('torch', 'pyomo', 'highspy', 'ortools') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_short_names_are_completed() -> None:
    """A method name alone is completed with the problem; full names and paths stay."""
    assert registry.complete("labels", "jutap") == "jutap.labels"
    assert registry.complete("jutap.labels", "jutap") == "jutap.labels"
    assert registry.complete(HONEST, "jutap") == HONEST


@pytest.mark.parametrize("wrong", ["lables", "jutap.lables"])
def test_unknown_names_get_a_suggestion(wrong: str) -> None:
    """A misspelt solver is answered with the one that was probably meant."""
    with pytest.raises(InputError, match=r"did you mean '(jutap\.)?labels'"):
        registry.make(wrong, "jutap", {})


def test_strings_become_typed_parameters() -> None:
    """Parameters given as text get the types of the solver's fields."""
    text = {"level": "3", "share": "0.25", "mode": "slow", "deep": "true", "layers": "[64,32]"}
    made = registry.make(HONEST, "jutap", {**text, "file": "a.json"})
    assert made == Honest(3, 0.25, "slow", True, Path("a.json"), (64, 32))


def test_changed_parameters_are_those_that_differ() -> None:
    """Only parameters that differ from their defaults are part of a run's identity."""
    made = registry.make(HONEST, "jutap", {"level": "1", "mode": "slow", "file": "a.json"})
    assert registry.changed_parameters(made) == {"mode": "slow", "file": "a.json"}


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("level", "three", "level"),
        ("level", "1.5", "level"),
        ("share", "nan?", "share"),
        ("mode", "medium", "mode"),
        ("deep", "perhaps", "deep"),
        ("layers", "[1,", "layers"),
        ("layers", '["a"]', "layers"),
        ("levle", "1", "did you mean 'level'"),
        ("stochastic", "1", "stochastic"),
    ],
)
def test_wrong_parameters_are_named(key: str, value: str, named: str) -> None:
    """A parameter that does not exist or has the wrong type is named."""
    with pytest.raises(InputError, match=named):
        registry.make(HONEST, "jutap", {key: value})


def test_parameters_of_a_plain_class_are_refused() -> None:
    """A solver that is no dataclass has no parameters."""
    with pytest.raises(InputError, match="unknown"):
        registry.make("tests.planted:NotASolver", "jutap", {"a": "1"})


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("tests.planted:Nobody", "Nobody"),
        ("tests.nowhere:Honest", "nowhere"),
        ("tests.planted:OPTIMUM", "is not a class"),
        ("tests.planted:NotASolver", "lacks stochastic, supports"),
        ("missing.py:Honest", "missing.py"),
        (":", "cannot be imported"),
        ("push.nothing", "unknown solver"),
    ],
)
def test_what_is_no_solver_is_refused(wrong: str, reason: str) -> None:
    """An id that leads to no solver is refused with the reason."""
    with pytest.raises(InputError, match=reason):
        registry.make(wrong, "jutap", {})


def test_a_solver_can_live_in_any_file(tmp_path: Path) -> None:
    """A solver is found by the path of its file, dataclasses included."""
    file = tmp_path / "mine.py"
    file.write_text(
        "from dataclasses import dataclass\nfrom tests.planted import Planted\n"
        "@dataclass(frozen=True)\nclass Mine(Planted):\n    depth: int = 1\n"
    )
    made = registry.make(f"{file}:Mine", "jutap", {"depth": "2"})
    assert dataclasses.asdict(made) == {"depth": 2}  # type: ignore[call-overload]


@pytest.mark.parametrize("text", ["def broken(:\n", "import nowhere_to_be_found\n"])
def test_a_broken_file_is_reported(tmp_path: Path, text: str) -> None:
    """A file that cannot be imported is an input error, not a traceback."""
    file = tmp_path / "broken.py"
    file.write_text(text)
    with pytest.raises(InputError, match="cannot be imported"):
        registry.make(f"{file}:Mine", "jutap", {})


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A solver whose package is missing says which extra brings it, though two of them do."""

    class _Distribution:
        name = "opt-istn"
        requires = (
            "numpy>=2",
            'absent-package>=1; extra == "exact"',
            'absent-package>=1; extra == "learn"',
        )

    entry = EntryPoint("jutap.dqn", "absent_package.dqn:Dqn [learn]", registry.GROUP)
    vars(entry)["dist"] = _Distribution()
    monkeypatch.setattr(registry, "_entry_points", lambda *_: {"jutap.dqn": entry})
    remedy = r'jutap.dqn needs the extra: pip install "opt-istn\[learn\]"$'
    with pytest.raises(InputError, match=remedy):
        registry.make("dqn", "jutap", {})


def test_models_are_found_by_name() -> None:
    """A formulation is found by name, and a misspelt one gets a suggestion."""
    assert callable(registry.model("arc-flow", "jutap"))
    with pytest.raises(InputError, match="did you mean 'arc-flow'"):
        registry.model("arcflow", "jutap")


def test_unknown_problems_and_presets_are_named() -> None:
    """Unknown problems are refused with those that exist."""
    with pytest.raises(InputError, match="known: jutap"):
        problems.get("jutab")


@pytest.mark.parametrize("group", [registry.GROUP, registry.TRAINERS])
def test_parameters_are_explained_where_they_are_listed(group: str) -> None:
    """What is listed of a parameter says what it means, and does not name a class that says it."""
    for name in registry.names(group):
        for parameter in registry.described(name, group).parameters:
            assert parameter.meaning, (name, parameter.name)
            assert "As in `" not in parameter.meaning, (name, parameter.name)
