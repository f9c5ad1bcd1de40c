"""What solvers and trainers are, read from their sources: nothing is imported to list them.

A solver is described by its class: the first sentence of the docstring, ``kind`` and ``knows``, and
the fields of the dataclass, its bases' included, each with what the section Parameters says of it.
"""

import ast
import importlib.util
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint
from pathlib import Path

_SECTION = re.compile(r"^Parameters\n-+\n(.*?)(?=^\S[^\n]*\n-+\n|\Z)", re.M | re.S)
_NAMED = re.compile(r"^(\w[\w, ]*)\n((?:[ \t]+.*\n?|\n)+)", re.M)


@dataclass(frozen=True)
class Parameter:
    """A parameter.

    Parameters
    ----------
    name, type
        As in the source.
    default
        As in the source; empty if it has to be given.
    meaning
        What the docstring, or the comment beside it, says.
    """

    name: str
    type: str
    default: str
    meaning: str


@dataclass(frozen=True)
class Described:
    """A solver or trainer.

    Parameters
    ----------
    meaning
        One sentence.
    kind, knows
        What its class declares; empty if it does not say.
    parameters
        Its parameters.
    """

    meaning: str = ""
    kind: str = ""
    knows: str = ""
    parameters: tuple[Parameter, ...] = ()


@dataclass(frozen=True)
class _Class:
    module: str
    node: ast.ClassDef
    lines: tuple[str, ...]

    @property
    def doc(self) -> str:
        return inspect.cleandoc(ast.get_docstring(self.node) or "")


def describe(entry: EntryPoint) -> Described:
    """Return what an entry point names; what cannot be read says nothing."""
    name = entry.attr.partition(".")[0]
    family = list(_family(entry.module, name))
    if not family:
        return Described()
    first = family[0].doc.split("\n\n")[0].replace("\n", " ")
    sentence = re.sub(r"^Solver ``[\w.-]+``: ", "", first).partition(". ")[0].rstrip(".") + "."
    return Described(
        sentence[:1].upper() + sentence[1:],
        _said(family, "kind"),
        _said(family, "knows"),
        tuple(_parameters(family)),
    )


def parameters_of(kind: type) -> tuple[Parameter, ...]:
    """Return the fields of a dataclass, its bases' included, with what its source says of them."""
    return tuple(_parameters(list(_family(kind.__module__, kind.__qualname__))))


def _family(module: str, name: str) -> Iterator[_Class]:
    """Yield a class and its bases, as far as their sources are ours to read."""
    tree, lines = _source(module)
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            yield _Class(module, node, lines)
            for base in node.bases:
                if isinstance(base, ast.Name):
                    yield from _family(module, base.id)
            return
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    yield from _family(node.module, alias.name)
                    return


@cache
def _source(module: str) -> tuple[ast.Module, tuple[str, ...]]:
    """Return the syntax tree and the lines of a module; empty for what has no source here."""
    try:
        spec = importlib.util.find_spec(module)
    except ImportError:
        spec = None
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        return ast.Module([], []), ()
    text = Path(spec.origin).read_text(encoding="utf-8")
    return ast.parse(text), tuple(text.splitlines())


def _said(family: list[_Class], name: str) -> str:
    """Return a text that a class or one of its bases declares, or that its property returns."""
    for each in family:
        for node in each.node.body:
            if texts := _texts(_value(node, name)):
                return " or ".join(texts)
    return ""


def _texts(value: ast.expr | None) -> list[str]:
    """Return the texts that an expression may be: one, or two where it depends."""
    if isinstance(value, ast.IfExp):
        return [*_texts(value.body), *_texts(value.orelse)]
    constant = isinstance(value, ast.Constant) and isinstance(value.value, str)
    return [str(value.value)] if constant and isinstance(value, ast.Constant) else []


def _value(node: ast.stmt, name: str) -> ast.expr | None:
    """Return what a statement gives a name: an assignment, or a property's last return."""
    target: ast.expr | None = None
    if isinstance(node, ast.Assign):
        target = node.targets[0]
    elif isinstance(node, ast.AnnAssign):
        target = node.target
    elif isinstance(node, ast.FunctionDef) and node.name == name:
        last = node.body[-1]
        return last.value if isinstance(last, ast.Return) else None
    named = target is not None and _is(target, name)
    return node.value if named and isinstance(node, ast.Assign | ast.AnnAssign) else None


def _is(target: ast.expr, name: str) -> bool:
    return isinstance(target, ast.Name) and target.id == name


def _parameters(family: list[_Class]) -> Iterator[Parameter]:
    """Yield the dataclass's fields, the bases' first, the last definition of each."""
    meanings: dict[str, str] = {}
    fields: dict[str, Parameter] = {}
    for each in reversed(family):
        meanings |= _meanings(each.doc)
        if not any("dataclass" in ast.unparse(one) for one in each.node.decorator_list):
            continue
        for node in each.node.body:
            if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
                continue
            kind, name = ast.unparse(node.annotation), node.target.id
            if "ClassVar" not in kind and not name.startswith("_"):
                default = "" if node.value is None else ast.unparse(node.value)
                said = _comment(each.lines[node.lineno - 1])
                fields[name] = Parameter(name, kind, default, said)
    for name, field in fields.items():
        meaning = meanings.get(name, field.meaning)
        yield Parameter(name, field.type, field.default, meaning)


def _meanings(doc: str) -> dict[str, str]:
    """Return what the section Parameters of a docstring says, by name."""
    section = _SECTION.search(doc + "\n")
    found = {}
    for names, text in _NAMED.findall(section[1] if section else ""):
        for name in names.split(","):
            found[name.strip()] = " ".join(text.split())
    return found


def _comment(line: str) -> str:
    return line.partition("  # ")[2].removeprefix("noqa").strip()
