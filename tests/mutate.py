"""`python -m tests.mutate [MODULE...]`: whether the tests notice when the code is changed.

A small mutation test. Every comparison, sum, number, condition, least and largest value of a module
is changed in turn, and the tests that matter for the module run in a forked process on what comes
out, up to the first that fails. A change that none notices survives: a test is missing, or the
change makes no difference, which `tests/mutants.json` says with the reason (*equal*). The others
are printed, and the command fails. `bench/mutation.md` is written from what is kept of all modules.
"""

import ast
import copy
import importlib
import importlib.util
import json
import os
import resource
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
KEPT = ROOT / "tests" / "mutants.json"
PAGE = ROOT / "bench" / "mutation.md"
OWN = ("opt_istn", "formulations", "learners", "tests", "bench")  # loaded anew for each change
CPU_S = 120  # of the tests of one change; one that does not end is noticed
LONG = "cover or arcs or linear or thousand or every_core or order or kept"  # of names of tests
REPORT = ["tests/report/test_table.py", "tests/report/test_aggregates.py"]
SUBJECTS = {
    "opt_istn.report.statistics": ["tests/report/test_statistics.py"],
    "opt_istn.report.intervals": ["tests/report/test_intervals.py"],
    "opt_istn.report.aggregates": [*REPORT, "tests/report/test_profiles.py"],
    "opt_istn.report.groups": REPORT,
    "opt_istn.report.columns": [*REPORT, "tests/report/test_columns.py"],
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
    tree = ast.parse(source)
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
            f"{before}  ->  {ast.unparse(mine)}",
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


def survives(name: str, tree: ast.Module, tests: list[str]) -> bool:
    """Return whether the tests pass with a module replaced by a tree, the short ones first."""
    return all(_pass(name, tree, [*tests, "-k", x]) for x in (f"not ({LONG})", "not cover"))


def _pass(name: str, tree: ast.Module, arguments: list[str]) -> bool:
    """Return whether tests pass with a module replaced by a tree; in a forked process."""
    child = os.fork()
    if child == 0:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
        for loaded in [x for x in sys.modules if x.partition(".")[0] in OWN and x != __name__]:
            del sys.modules[loaded]
        spec = importlib.util.find_spec(name)
        module = types.ModuleType(name)
        module.__spec__, module.__file__ = spec, spec.origin if spec else None
        sys.modules[name] = module
        try:
            exec(compile(tree, name, "exec"), module.__dict__)
            parent, _, last = name.rpartition(".")
            setattr(importlib.import_module(parent), last, module)
            status = pytest.main(["-x", "-q", "-p", "no:cacheprovider", *arguments])
        except BaseException:  # what does not even import is noticed
            os._exit(1)
        os._exit(int(status))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def campaign(name: str, equal: dict[str, str]) -> dict[str, Any]:
    """Return what became of the changes of a module; prints those that make a difference."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise SystemExit(f"no module {name}")
    tests = SUBJECTS[name]
    for test in tests:  # what they import of others is then there for all changes
        importlib.import_module(test.removesuffix(".py").replace("/", "."))
    if not survives(name, ast.parse(Path(spec.origin).read_text()), tests):
        raise SystemExit(f"{name}: its tests fail as it is")
    alive, number, used = list[str](), 0, dict[str, str]()
    for line, text, tree in mutants(Path(spec.origin).read_text()):
        number += 1
        if not survives(name, tree, tests):
            continue
        if text in equal:
            used[text] = equal[text]
        else:
            alive.append(text)
            print(f"{name}:{line}: {text}", flush=True)
    told = f"{len(alive)} of {number} survive, {len(used)} more make no difference"
    print(f"{name}: {told}", flush=True)
    return {"changes": number, "survivors": alive, "equal": used}


def page(kept: dict[str, Any]) -> str:
    """Return the page."""
    lines = ["| module | changes | noticed | no difference | survive |", "|" + " --- |" * 5]
    for name, found in sorted(kept.items()):
        equal, alive = len(found["equal"]), len(found["survivors"])
        noticed = found["changes"] - equal - alive
        lines.append(f"| `{name}` | {found['changes']} | {noticed} | {equal} | {alive} |")
    words = (
        "Written by `python -m tests.mutate`: every comparison, sum, number, condition, least and "
        "largest value of a module is changed in turn, and the tests of that module run on it. "
        "Why a change makes no difference is said in `tests/mutants.json`."
    )
    return f"# Changes that the tests notice\n\n{words}\n\n" + "\n".join(lines) + "\n"


def main() -> int:
    """Run the campaign of some modules, or of all, and write the page."""
    left = 0
    for name in sys.argv[1:] or list(SUBJECTS):
        kept: dict[str, Any] = json.loads(KEPT.read_text()) if KEPT.exists() else {}
        kept[name] = campaign(name, kept.get(name, {}).get("equal", {}))
        KEPT.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")
        PAGE.write_text(page(kept))
        left += len(kept[name]["survivors"])
    return int(left > 0)


if __name__ == "__main__":
    raise SystemExit(main())
