"""`python -m tests.mutate [--survivors] [MODULE...]`: whether tests notice that code was changed.

A small mutation test. Every comparison, sum, number, condition, least and largest value of a module
is changed in turn, and the tests that matter for the module run in a forked process on what comes
out, up to the first that fails. A change that none notices survives: a test is missing, or the
change makes no difference, which `tests/mutants.json` says with the reason (*equal*). The others
are printed, and the command fails. `bench/mutation.md` is written from what is kept of all modules.
``--survivors`` tries only what survived the last time, after tests were added.
"""

import ast
import copy
import importlib
import json
import os
import re
import resource
import sys
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

ROOT = Path(__file__).parent.parent
KEPT = ROOT / "tests" / "mutants.json"
PAGE = ROOT / "bench" / "mutation.md"
OWN = ("opt_istn", "formulations", "learners", "tests", "bench")
CPU_S = 120  # of the tests of one change; one that does not end is noticed
LONG = re.compile(
    "arcs|linear|order|walk_costs|given|unit|between"
)  # names of tests that come last
PLAIN = (int, float, bool, tuple)
REPORT = ["tests/report/test_table.py", "tests/report/numbers/test_aggregates.py"]
SUBJECTS = {
    "opt_istn.report.numbers.statistics": ["tests/report/numbers/test_statistics.py"],
    "opt_istn.report.numbers.intervals": ["tests/report/numbers/test_intervals.py"],
    "opt_istn.report.numbers.aggregates": [
        *(*REPORT, "tests/report/test_columns.py", "tests/report/numbers/test_profiles.py"),
        "tests/report/test_groups.py",
    ],
    "opt_istn.report.groups": [*REPORT, "tests/report/test_groups.py"],
    "opt_istn.report.columns": [*REPORT, "tests/report/test_columns.py"],
    "opt_istn.report.numbers.profiles": ["tests/report/numbers/test_profiles.py"],
    "opt_istn.report.trained": ["tests/report/test_trained.py"],
    "opt_istn.runs.judge": ["tests/runs/test_judge.py"],
    "opt_istn.runs.audit": ["tests/runs/test_audit.py"],
    "opt_istn.jutap.evaluate": ["tests/jutap/test_evaluate.py"],
    "opt_istn.push.evaluate": ["tests/push/test_evaluate.py"],
}
SWAPS: dict[type, type] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}


def mutants(source: str) -> Iterator[tuple[int, str, ast.Module]]:
    """Yield line, description and tree of every change of `source`."""
    tree, lines = ast.parse(source), source.splitlines()
    skipped = {id(node) for part in _annotations(tree) for node in ast.walk(part)}
    for place, node in enumerate(ast.walk(tree)):
        if id(node) in skipped or not _mutate(copy.deepcopy(node)):
            continue
        changed = copy.deepcopy(tree)
        mine: Any = next(other for i, other in enumerate(ast.walk(changed)) if i == place)
        before = ast.unparse(mine)
        _mutate(mine)
        yield (
            mine.lineno,
            f"{lines[mine.lineno - 1].strip()}  |  {before}  ->  {ast.unparse(mine)}",
            ast.fix_missing_locations(changed),
        )


def _annotations(tree: ast.Module) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        for name in ("annotation", "returns"):
            if (part := getattr(node, name, None)) is not None:
                yield part


def _mutate(node: ast.AST) -> bool:
    """Change a node in place if it is of a sort that can be."""
    if isinstance(node, ast.Compare):
        node.ops[0] = SWAPS[type(node.ops[0])]()
    elif isinstance(node, ast.BinOp | ast.BoolOp) and type(node.op) in SWAPS:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) and _is_text(node):
            return False
        node.op = SWAPS[type(node.op)]()
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub | ast.Invert):
        return _without(node)
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
        node.value += 1  # type: ignore[operator]  # it is a number
    elif isinstance(node, ast.Constant) and type(node.value) is bool:
        node.value = not node.value
    elif isinstance(node, ast.IfExp):
        node.body, node.orelse = node.orelse, node.body
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in NAMES:
        node.func.id = NAMES[node.func.id]
    else:
        return False
    return True


def _without(node: ast.UnaryOp) -> bool:
    """Take the effect of an operator away, whatever it stands in."""
    if isinstance(node.op, ast.USub):
        node.op = ast.UAdd()
    else:
        node.operand = ast.UnaryOp(copy.copy(node.op), node.operand)
    return True


def _is_text(node: ast.BinOp) -> bool:
    return any(isinstance(x, ast.Constant) and isinstance(x.value, str) for x in ast.walk(node))


class Campaign:
    """Runs the collected tests on each change of a module, in a process of its own each.

    The tests are collected once. In a child the functions of the module get the code that they have
    in the changed source, so nothing is imported again.

    Parameters
    ----------
    name
        Of the module.
    equal
        Changes that are known to make no difference, with the reason.
    only
        Changes that are tried, or ends of their texts; None for all.
    """

    def __init__(self, name: str, equal: dict[str, str], only: tuple[str, ...] | None) -> None:
        self.name, self.equal, self.only = name, equal, only
        self.number, self.alive, self.used = 0, list[str](), dict[str, str]()

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Do what would else run every test once."""
        source = Path(str(importlib.import_module(self.name).__file__)).read_text()
        items = sorted(session.items, key=lambda item: bool(LONG.search(item.name)))
        if not self._survives(ast.parse(source), items):
            raise pytest.UsageError(f"{self.name}: its tests fail as it is")
        for line, text, tree in mutants(source):
            self.number += 1
            skipped = self.only is not None and not text.endswith(self.only)
            if skipped or not self._survives(tree, items):
                continue
            if text in self.equal:
                self.used[text] = self.equal[text]
            else:
                self.alive.append(text)
                os.write(2, f"{self.name}:{line}: {text}\n".encode())
        told = f"{len(self.alive)} of {self.number} survive, {len(self.used)} more are equal"
        os.write(2, f"{self.name}: {told}\n".encode())
        return True

    def _survives(self, tree: ast.Module, items: list[pytest.Item]) -> bool:
        """Return whether the tests pass with the code of a tree; in a forked process."""
        child = os.fork()
        if child == 0:
            try:
                quiet = os.open(os.devnull, os.O_WRONLY)
                os.dup2(quiet, 1)
                os.dup2(quiet, 2)
                resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
                made: dict[str, Any] = {"__name__": self.name}
                exec(compile(tree, self.name, "exec"), made)
                _patch(vars(sys.modules[self.name]), made, sys.modules[self.name])
                for item, following in zip(items, [*items[1:], None], strict=True):
                    if any(x.failed for x in runtestprotocol(item, log=False, nextitem=following)):
                        os._exit(1)
            except BaseException:  # what cannot even be made is noticed
                os._exit(1)
            os._exit(0)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _patch(old: Mapping[str, Any], new: Mapping[str, Any], owner: Any) -> None:
    """Put the code, defaults and plain values of a namespace into another, in place."""
    for name, value in new.items():
        mine = old.get(name)
        if (
            isinstance(value, type)
            and isinstance(mine, type)
            and mine.__module__ == new.get("__module__", new.get("__name__"))
        ):
            _patch(vars(mine), vars(value), mine)
        elif isinstance(value, PLAIN) and not name.startswith("__") and type(mine) is type(value):
            for place in (owner, *_importers(name, mine)) if mine != value else ():
                setattr(place, name, value)
        elif isinstance(value, dict) and isinstance(mine, dict) and name.isupper():
            mine.clear()
            mine.update(value)
        elif (code := _function(value)) is not None and (own := _function(mine)) is not None:
            own.__code__, own.__defaults__ = code.__code__, code.__defaults__
            own.__kwdefaults__ = code.__kwdefaults__


def _importers(name: str, value: Any) -> list[Any]:
    """Return other modules of ours that hold a constant by the same name."""
    own = [x for key, x in list(sys.modules.items()) if key.partition(".")[0] in OWN]
    return [x for x in own if vars(x).get(name) is value and name.isupper()]


def _function(value: Any) -> types.FunctionType | None:
    """Return the function that a member of a module or class is made of."""
    for name in ("fget", "func", "__func__", "__wrapped__"):
        value = getattr(value, name, value)
    return value if isinstance(value, types.FunctionType) else None


def campaign(name: str, before: dict[str, Any], *, again: bool) -> dict[str, Any]:
    """Return what became of the changes of a module; those that make a difference are printed."""
    equal: dict[str, str] = before.get("equal", {})
    only = (*before["survivors"], *equal) if again and "survivors" in before else None
    run = Campaign(name, equal, only)
    options = ["-q", "-s", "-p", "no:cacheprovider", "-p", "no:xdist", "-k", "not cover"]
    if pytest.main([*options, *SUBJECTS[name]], plugins=[run]) != pytest.ExitCode.OK:
        raise SystemExit(f"{name}: not done")
    return {"changes": run.number, "survivors": run.alive, "equal": run.used}


def page(kept: dict[str, Any]) -> str:
    """Return the page."""
    lines = ["| module | changes | noticed | no difference | survive |", "|" + " --- |" * 5]
    for name, found in sorted(x for x in kept.items() if "survivors" in x[1]):
        equal, alive = len(found["equal"]), len(found["survivors"])
        noticed = found["changes"] - equal - alive
        lines.append(f"| `{name}` | {found['changes']} | {noticed} | {equal} | {alive} |")
    words = (
        "Written by `python -m tests.mutate`: every comparison, sum, number, condition, least and "
        "largest value of a module is changed in turn, and the tests of that module run on it. "
        "Why a change makes no difference is said in `tests/mutants.json`."
    )
    return f"# Changes that the tests notice\n\n{words}\n\n" + "\n".join(lines) + "\n"


def _kept() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    return found


def main() -> int:
    """Run the campaign of some modules, or of all, and write the page."""
    left, given = 0, sys.argv[1:]
    again = "--survivors" in given
    for name in [x for x in given if x != "--survivors"] or list(SUBJECTS):
        found = campaign(name, _kept().get(name, {}), again=again)
        kept = _kept() | {name: found}  # read anew: campaigns may run side by side
        KEPT.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")
        PAGE.write_text(page(kept))
        left += len(kept[name]["survivors"])
    return int(left > 0)


if __name__ == "__main__":
    raise SystemExit(main())
