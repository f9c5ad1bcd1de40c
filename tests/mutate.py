"""`python -m tests.mutate [MODULE...]`: whether the tests notice when the code is changed.

A small mutation test. Every comparison, sum, number and condition of a module is changed in turn,
and its tests run in a forked process on what comes out. Survivors are printed: each is a test that
is missing, or code that does nothing.
"""

import ast
import copy
import importlib
import importlib.util
import os
import sys
import types
from collections.abc import Iterator

import matplotlib.figure  # noqa: F401 - loaded once, before the forks
import pytest
import scipy.stats  # noqa: F401

REPORT = ["tests/report/test_table.py", "tests/report/test_aggregates.py"]
SUBJECTS = {
    "opt_istn.report.statistics": ["tests/report/test_statistics.py"],
    "opt_istn.report.aggregates": [*REPORT, "tests/report/test_profiles.py"],
    "opt_istn.report.groups": REPORT,
    "opt_istn.report.columns": [*REPORT, "tests/report/test_formats.py"],
    "opt_istn.report.profiles": ["tests/report/test_profiles.py"],
    "opt_istn.report.intervals": ["tests/report/test_intervals.py"],
    "opt_istn.runs.judge": [
        "tests/test_reference.py",
        "tests/runs/test_compare.py",
        "tests/evidence/test_verify.py",
    ],
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
}


def mutants(source: str) -> Iterator[tuple[int, str, ast.Module]]:
    """Yield line, description and tree of every change of `source`."""
    tree = ast.parse(source)
    number = sum(1 for _ in ast.walk(tree))
    for place in range(number):
        changed = copy.deepcopy(tree)
        node = next(node for i, node in enumerate(ast.walk(changed)) if i == place)
        before = ast.unparse(node) if isinstance(node, ast.expr) else ""
        if _mutate(node):
            yield (
                node.lineno,
                f"{before}  ->  {ast.unparse(node)}",
                ast.fix_missing_locations(changed),
            )


def _mutate(node: ast.AST) -> bool:
    """Change a node in place if it is of a sort that can be."""
    if isinstance(node, ast.Compare):
        node.ops[0] = SWAPS[type(node.ops[0])]()
    elif isinstance(node, ast.BinOp | ast.BoolOp) and type(node.op) in SWAPS:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) and _is_text(node):
            return False
        node.op = SWAPS[type(node.op)]()
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
        node.op = ast.UAdd() if isinstance(node.op, ast.USub) else ast.Not()
        if isinstance(node.op, ast.Not):
            node.operand = ast.UnaryOp(ast.Not(), node.operand)
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
        node.value += 1
    elif isinstance(node, ast.IfExp):
        node.body, node.orelse = node.orelse, node.body
    else:
        return False
    return True


def _is_text(node: ast.BinOp) -> bool:
    return any(isinstance(x, ast.Constant) and isinstance(x.value, str) for x in ast.walk(node))


def survives(name: str, tree: ast.Module, tests: list[str]) -> bool:
    """Return whether the tests pass with a module replaced by a tree; in a forked process."""
    child = os.fork()
    if child == 0:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        spec = importlib.util.find_spec(name)
        module = types.ModuleType(name)
        module.__spec__, module.__file__ = spec, spec.origin if spec else None
        sys.modules[name] = module
        try:
            exec(compile(tree, name, "exec"), module.__dict__)
            parent, _, last = name.rpartition(".")
            setattr(importlib.import_module(parent), last, module)
            status = pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-k", "not cover", *tests])
        except BaseException:  # what does not even import is noticed
            os._exit(1)
        os._exit(int(status))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def main() -> int:
    """Print the survivors of each module, and how many changes there were."""
    left = 0
    for name in sys.argv[1:] or list(SUBJECTS):
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise SystemExit(f"no module {name}")
        with open(spec.origin) as stream:
            source = stream.read()
        found = [(line, text, tree) for line, text, tree in mutants(source)]
        alive = 0
        for line, text, tree in found:
            if survives(name, tree, SUBJECTS[name]):
                alive += 1
                print(f"{name}:{line}: {text}", flush=True)
        print(f"{name}: {alive} of {len(found)} survive", flush=True)
        left += alive
    return 1 if left else 0


if __name__ == "__main__":
    raise SystemExit(main())
