"""The table of problems, and dispatch from a file or a name to the problem's own modules.

A problem is a package of four modules: ``instance`` and ``plan`` (each with ``FORMAT`` and
``from_bytes``), ``evaluate`` (``evaluate(instance, plan)`` and, where plans could be arbitrarily
cheap, ``bounded(instance)``) and ``scenario`` (``PRESETS``, ``from_parameters``, ``generate`` and,
if it likes, ``meaning(scenario)``, one line).
It may have a fifth, ``reference`` (``reference_cost(instance)``, ``REFERENCE``, ``COST_UNIT``,
``IS_WORST``): what a saving is counted from, how that is called, how costs are told, and whether no
plan costs more; and a sixth, ``starts`` (see `Problem.starts`). The package is an entry point of
the group `GROUP`. Its pictures (`PICTURES`) and the family of instances that solvers are tested on
(`FAMILIES`) are optional and entry points of their own, because they stand above the problem.
Nothing in the frame knows a problem by name; docs/new-problem.md adds one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from opt_istn import files
from opt_istn.files import InputError
from opt_istn.files.words import unknown as unknown

GROUP = "opt_istn.problems"
PICTURES = "opt_istn.pictures"
FAMILIES = "opt_istn.families"

Progress = Callable[[float], None]  # called with the share done, 0..1


class Document(Protocol):
    """What instances and plans share: a JSON document of a file format."""

    def document(self) -> dict[str, Any]:
        """Return the JSON document of the file format."""
        ...

    def write(self, path: str | Path) -> None:
        """Write the document to a file, atomically."""
        ...


class Instance(Document, Protocol):
    """What the frame needs of an instance; everything else is the problem's own business."""

    @property
    def problem(self) -> str:
        """Name of the problem."""
        ...

    @property
    def name(self) -> str:
        """Printable name."""
        ...

    @property
    def sha256(self) -> str:
        """Hash of the problem."""
        ...


class Evaluation(Protocol):
    """What a plan is worth, by the problem's judge."""

    @property
    def violations(self) -> tuple[str, ...]:
        """What makes the plan infeasible."""
        ...

    @property
    def cost(self) -> int | None:
        """Cost in the problem's integer unit; None if the plan cannot be priced."""
        ...

    def terms(self) -> dict[str, Any]:
        """Return the problem's own terms."""
        ...


@dataclass(frozen=True)
class Problem:
    """One row of the table.

    Parameters
    ----------
    name
        Name of the problem, the first part of its solvers' ids and presets.
    package
        Import name of the package with the four modules, imported on use.
    """

    name: str
    package: str

    def instance(self, data: bytes, source: str = "") -> Instance:
        """Build an instance from the JSON text of its file."""
        built: Instance = self._module("instance").from_bytes(data, source)
        return built

    def plan(self, data: bytes, source: str = "") -> Document:
        """Build a plan from the JSON text of its file."""
        built: Document = self._module("plan").from_bytes(data, source)
        return built

    def evaluate(self, instance: Instance, plan: Document) -> Evaluation:
        """Judge `plan` on `instance`."""
        judged: Evaluation = self._module("evaluate").evaluate(instance, plan)
        return judged

    def bounded(self, instance: Instance) -> bool:
        """Whether it is evident that no plan can be arbitrarily cheap."""
        evident = getattr(self._module("evaluate"), "bounded", None)
        return bool(evident and evident(instance))

    def reference(self, instance: Instance) -> int | None:
        """Return the cost of the problem's reference plan, None if there is none.

        The plan that one has without any method; savings are counted from it.
        """
        if find_spec(f"{self.package}.reference") is None:
            return None
        cost: int | None = self._module("reference").reference_cost(instance)
        return cost

    def presets(self) -> Mapping[str, Any]:
        """Return the scenarios by preset name."""
        table: Mapping[str, Any] = self._module("scenario").PRESETS
        return table

    def meaning(self, preset: str) -> str:
        """Return what a preset is, in one line; empty if the problem does not say."""
        said = getattr(self._module("scenario"), "meaning", None)
        return str(said(self.presets()[preset])) if said else ""

    def scenario(self, preset: str, overrides: Mapping[str, str]) -> Any:
        """Return the scenario of a preset with some parameters replaced."""
        base = self.presets()[preset]
        return self._module("scenario").from_parameters(base, dict(overrides))

    def generate(
        self, scenario: Any, seed: int, name: str, progress: Progress | None = None
    ) -> Instance:
        """Generate the instance of `scenario` and `seed`."""
        built: Instance = self._module("scenario").generate(scenario, seed, name, progress)
        return built

    def formats(self) -> tuple[str, str]:
        """Return the format names of instance and plan files."""
        return self._module("instance").FORMAT, self._module("plan").FORMAT

    def starts(self) -> Any | None:
        """Return the module that judges solvers from every START, None if there are none.

        It has ``judge_solver(instance, solver, seed, budget)`` and ``against(instance, judged)``,
        what is judged by the name of each reference.
        """
        known = find_spec(f"{self.package}.starts") is not None
        return self._module("starts") if known else None

    def pictures(self) -> Any | None:
        """Return the module with ``figure(instance, plans, *, options...)``, None if there is none.

        With ``quick(scenario)``, whether an instance is generated and drawn in seconds, report
        pages show a picture, too.
        """
        return _optional(PICTURES, self.name)

    def family(self) -> Any | None:
        """Return the module with ``draw(seed, index)`` and ``truth(instance)``, None without one.

        `opt_istn.testing.check_solver` uses it.
        """
        return _optional(FAMILIES, self.name)

    def _module(self, noun: str) -> Any:
        return import_module(f"{self.package}.{noun}")


def packages() -> dict[str, str]:
    """Return the import names of the installed problems' packages by problem; imports none."""
    return {name: entry.value for name, entry in _entries(GROUP).items()}


def get(name: str) -> Problem:
    """Return a problem by name."""
    known = packages()
    if name not in known:
        raise InputError("", unknown("problem", name, known))
    return Problem(name, known[name])


def every() -> list[Problem]:
    """Return all problems, sorted by name."""
    return [Problem(name, package) for name, package in packages().items()]


@cache
def _entries(group: str) -> dict[str, EntryPoint]:
    """Return the entry points of a group by problem, sorted."""
    found: dict[str, EntryPoint] = {}
    for entry in sorted(entry_points(group=group)):
        if found.setdefault(entry.name, entry).value != entry.value:
            values = f"{found[entry.name].value} and {entry.value}"
            raise InputError(entry.name, f"expected one entry point in {group}, found {values}")
    return found


def _optional(group: str, name: str) -> Any | None:
    entry = _entries(group).get(name)
    return None if entry is None else entry.load()


def reference_name(name: str) -> str:
    """Return what savings of a problem are counted from, in words; says so if nobody knows."""
    package = packages().get(name)
    if package is None or find_spec(f"{package}.reference") is None:
        return "the reference cost of each instance"
    told: str = getattr(
        import_module(f"{package}.reference"), "REFERENCE", "the reference cost of each instance"
    )
    return told


def cost_unit(name: str) -> tuple[str, float]:
    """Return the unit in which costs of a problem are told, and how many of it one of them is.

    Costs are plain numbers where the problem is not known here or names no unit.
    """
    unit: tuple[str, float] = _said_of_reference(name, "COST_UNIT", ("", 1.0))
    return unit


def reference_is_worst(name: str) -> bool:
    """Return whether no feasible plan costs more than the reference; false if nobody says so."""
    worst: bool = _said_of_reference(name, "IS_WORST", False)
    return worst


def _said_of_reference(name: str, constant: str, unsaid: Any) -> Any:
    package = packages().get(name)
    if package is None or find_spec(f"{package}.reference") is None:
        return unsaid
    return getattr(import_module(f"{package}.reference"), constant, unsaid)


def name_of(preset: str, seed: int, changes: Mapping[str, Any]) -> str:
    """Return how an instance is called by default; one of a changed preset says so."""
    return f"{preset}-changed-{seed}" if changes else f"{preset}-{seed}"


def of_preset(preset: str) -> Problem:
    """Return the problem a preset belongs to."""
    known: list[str] = []
    for problem in every():
        names = problem.presets()
        if preset in names:
            return problem
        known += names
    raise InputError("", unknown("preset", preset, known))


def read_instance(path: str | Path) -> Instance:
    """Read an instance file of any problem."""
    data = files.read_bytes(path)
    kinds = {problem.formats()[0]: problem for problem in every()}
    return _of_format(data, kinds, str(path)).instance(data, str(path))


def read_plan(path: str | Path, problem: str) -> Document:
    """Read a plan file of the named problem."""
    return get(problem).plan(files.read_bytes(path), str(path))


def _of_format(data: bytes, kinds: Mapping[str, Problem], source: str) -> Problem:
    found = files.document_format(data, source)
    if found not in kinds:
        expected = " or ".join(map(repr, kinds))
        raise InputError("format", f"expected {expected}, found {found!r}", source)
    return kinds[found]
