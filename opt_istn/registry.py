"""Names to solvers, by entry points; nothing is imported until it is used.

A solver id is ``<problem>.<method>`` as registered in the entry-point group `GROUP`, the method
alone where the problem is known, or ``module:Attribute`` (also ``path/to/file.py:Attribute``) for
a solver that is not installed.
"""

import dataclasses
import importlib.util
import re
import sys
import typing
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points
from importlib.metadata import distribution as metadata_of
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec

from opt_istn.described import Described, describe
from opt_istn.files import InputError, current_folder, explain, hashing, placing
from opt_istn.problems import unknown
from opt_istn.solver import Solver
from opt_istn.training import Trainer

GROUP = "opt_istn.solvers"
LEARN = "learn"  # the extra with torch
TRAINERS = "opt_istn.trainers"
MODELS = "opt_istn.models"
PROVERS = "opt_istn.provers"
STUDIES = "opt_istn.studies"
NOTEBOOK = (
    "a run has a process of its own, which does not know what is defined in a notebook or a "
    "session; save the class in a file and name it as file.py:Class"
)
_PROTOCOL = ("stochastic", "supports", "prepare", "solve")
_TRAINER = ("supports", "train")


def names(group: str = GROUP) -> list[str]:
    """Return the ids of all installed solvers, or trainers, sorted; imports none of them."""
    return sorted(_entry_points(group))


def distribution(solver_id: str) -> tuple[str, ...]:
    """Return the name of the distribution an installed solver comes from, none if unknown."""
    entry = _entry_points().get(solver_id)
    return () if entry is None else _distribution(entry)


@cache  # each time it is asked, Python reads all the metadata of the package
def _distribution(entry: EntryPoint) -> tuple[str, ...]:
    return (entry.dist.name,) if entry.dist else ()


def described(solver_id: str, group: str = GROUP) -> Described:
    """Return what an installed solver, or trainer, says of itself; nothing is imported."""
    return describe(_entry_points(group)[solver_id])


def applies(solver_id: str, problem: str) -> bool:
    """Return whether `solver_id` names a solver of `problem`, as far as its name tells."""
    if ":" in solver_id:
        return True
    known = _entry_points()
    full = solver_id if "." in solver_id else f"{problem}.{solver_id}"
    return full in known and full.startswith(f"{problem}.")


def complete(solver_id: str, problem: str, group: str = GROUP) -> str:
    """Return the full id of a solver, a short one being completed with `problem`.

    Raises
    ------
    InputError
        If no such solver is installed; names the closest ones.
    """
    known = _entry_points(group)
    if ":" in solver_id or solver_id in known:
        return solver_id
    if f"{problem}.{solver_id}" in known:
        return f"{problem}.{solver_id}"
    candidates = [name for name in known if name.startswith(f"{problem}.")]
    if "." not in solver_id:
        candidates = [name.partition(".")[2] for name in candidates]
    raise InputError("solver", unknown("solver", solver_id, candidates))


def make(solver_id: str, problem: str, parameters: Mapping[str, Any]) -> Solver:
    """Import and construct a solver.

    Parameters
    ----------
    solver_id
        Full or short id, or ``module:Attribute``.
    problem
        Problem of the instance it is for.
    parameters
        Fields of the solver's dataclass; strings are converted to the field's type.

    Raises
    ------
    InputError
        If there is no such solver or parameter, a value has the wrong type, or a package that
        the solver needs is not installed.
    """
    solver: Solver = _made(solver_id, problem, parameters, GROUP, _PROTOCOL)
    return solver


def trainer(agent_id: str, problem: str, parameters: Mapping[str, Any]) -> Trainer:
    """Import and construct what trains an agent; as `make`, from the entry points `TRAINERS`."""
    found: Trainer = _made(agent_id, problem, parameters, TRAINERS, _TRAINER)
    return found


def _made(
    name: str, problem: str, parameters: Mapping[str, Any], group: str, protocol: tuple[str, ...]
) -> Any:
    full = complete(name, problem, group)
    if ":" not in full and not full.startswith(f"{problem}."):
        raise InputError("solver", f"{full} cannot solve a {problem} instance")
    kind = load_attribute(full) if ":" in full else _load(_entry_points(group)[full])
    if not isinstance(kind, type):
        raise InputError("solver", f"{full} is not a class")
    own, hashes = hashing.split(parameters)
    typed = _typed(full, kind, own)
    hashing.check(typed, hashes)
    try:
        made = kind(**typed)
    except InputError:
        raise
    except (ValueError, TypeError) as error:
        raise InputError(full, str(error)) from None
    lacking = [name for name in protocol if not hasattr(made, name)]
    if lacking:
        raise InputError("solver", f"{full} is not a solver: it lacks {', '.join(lacking)}")
    return made


def changed_parameters(solver: Solver) -> dict[str, Any]:
    """Return the parameters of `solver` that differ from their defaults, as JSON values.

    With them come the hashes of all parameters that are files (`opt_istn.files.hashing`), unless
    the solver has a parameter ``sha256`` of its own.
    """
    changed = {}
    fields = _fields(type(solver))
    values = {field.name: getattr(solver, field.name) for field in fields}
    for field in fields:
        value = getattr(solver, field.name)
        default: Any
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        else:
            default = field.default
        if value != default:
            changed[field.name] = msgspec.to_builtins(value, enc_hook=str)
    return changed if "sha256" in values else changed | hashing.digests(values)


def model(name: str, problem: str) -> Callable[[Any, Path], None]:
    """Import what writes a MIP model, ``export(instance, path)``; ``mps`` or ``lp`` by the suffix.

    Models are entry points ``<problem>.<model>`` of the group `MODELS`.
    """
    known = _entry_points(MODELS)
    full = f"{problem}.{name}"
    if full not in known:
        names = [key.partition(".")[2] for key in known if key.startswith(f"{problem}.")]
        raise InputError("model", unknown("model", name, names))
    write: Callable[[Any, Path], None] = _load(known[full])
    return write


def has_prover(problem: str) -> bool:
    """Return whether something makes certificates of a problem's instances; nothing is imported."""
    return problem in _entry_points(PROVERS)


def prover(problem: str) -> Callable[..., tuple[dict[str, Any] | None, Any]]:
    """Import what makes certificates, ``prove(instance, budget, plan, keep=None)``.

    Provers are entry points of the group `PROVERS`, named like their problem. They return a
    certificate for `opt_istn.verifier` and the best plan that they know, None for what they do
    not find. ``keep`` is a folder in which a long search may keep itself, and go on from.
    """
    known = _entry_points(PROVERS)
    if problem not in known:
        raise InputError("problem", unknown("prover", problem, known))
    made: Callable[..., tuple[dict[str, Any] | None, Any]] = _load(known[problem])
    return made


def study(name: str, problem: str) -> Callable[..., Any]:
    """Import a method that answers more than one instance at once.

    Studies are entry points ``<problem>.<name>`` of the group `STUDIES`: functions of an instance.
    ``certificate`` is one of them: ``certificate(instance, bound)`` proves a bound that is known,
    None being that there is no plan.
    """
    known = _entry_points(STUDIES)
    full = f"{problem}.{name}"
    if full not in known:
        names = [key.partition(".")[2] for key in known if key.startswith(f"{problem}.")]
        raise InputError("problem", unknown(f"study of {problem}", name, names))
    found: Callable[..., Any] = _load(known[full])
    return found


@cache
def _entry_points(group: str = GROUP) -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=group)}


def _load(entry: EntryPoint) -> Any:
    try:
        return entry.load()
    except (ImportError, AttributeError) as error:
        reason = f"{entry.name} cannot be imported: {error}"
        if missing := unavailable(entry.name, entry):
            reason = missing
        if ours := shadowed(entry.module):
            reason = ours
    raise InputError("solver", reason)


def unavailable(name: str, entry: EntryPoint | None = None) -> str | None:
    """Return the line that tells how to install what a solver lacks, None if it lacks nothing.

    Nothing is imported: an entry point names the extra it needs, ``module:Attribute [extra]``, and
    the extra's packages are looked up.
    """
    entry = entry or _entry_points()[name]
    dist, missing = entry.dist, []
    for requirement in (dist.requires if dist else None) or []:
        package = re.match(r"[\w.-]+", requirement)
        extra = re.search(r"""extra\s*==\s*["']([\w.-]+)""", requirement)
        if package and extra and extra[1] in entry.extras and not _installed(package[0]):
            missing.append(extra[1])
    if dist is None or not missing:
        return None
    extras = ",".join(dict.fromkeys(missing))
    return f'{name} needs the extra: pip install "{dist.name}[{extras}]"'


def slow_imports(solver_id: str, problem: str) -> tuple[str, ...]:
    """Return the module of an agent of ours, which takes seconds to import; of others nothing."""
    known = _entry_points()
    entry = known.get(solver_id) or known.get(f"{problem}.{solver_id}")
    if entry is None or LEARN not in entry.extras or not entry.module.startswith("learners."):
        return ()
    return (entry.module,)


def shadowed(module: str) -> str | None:
    """Return the line that tells whose folder hides one of our own packages, None if none does."""
    package = module.partition(".")[0]
    root = Path(__file__).resolve().parent.parent
    spec = importlib.util.find_spec(package)
    if not (root / package).is_dir() or spec is None or spec.origin is None:
        return None
    found = Path(spec.origin).resolve()
    if root / package in found.parents:
        return None
    place = found.parent if found.name == "__init__.py" else found
    remedy = f"rename it, or run where it is not on Python's path ({place.parent})"
    return f"{place} hides {package!r}, a package of opt-istn, from Python: {remedy}"


def _installed(package: str) -> bool:
    try:
        return bool(metadata_of(package))
    except PackageNotFoundError:
        return False


def load_attribute(full: str) -> Any:
    """Import what ``module:Attribute`` or ``path/to/file.py:Attribute`` names.

    Raises
    ------
    InputError
        If it cannot be imported; says why.
    """
    place, _, attribute = full.rpartition(":")
    try:
        module = _file_module(Path(place)) if place.endswith(".py") else _named_module(place)
        found = module
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, OSError, ValueError, SyntaxError) as error:
        reason = NOTEBOOK if place == "__main__" else str(error)
        raise InputError("solver", f"{full} cannot be imported: {reason}") from None
    return found


def name_of(kind: type) -> str:
    """Return the id under which a class that is no entry point can be run.

    Raises
    ------
    InputError
        If it can be imported from nowhere.
    """
    if kind.__module__ != "__main__":
        return f"{kind.__module__}:{kind.__qualname__}"
    file = getattr(sys.modules["__main__"], "__file__", None)
    if file is None or not placing.is_file(file):
        raise InputError("solver", f"{kind.__qualname__} cannot be imported: {NOTEBOOK}")
    return f"{Path(file).resolve()}:{kind.__qualname__}"


def _named_module(name: str) -> Any:
    here = current_folder()
    if here not in sys.path:
        sys.path.append(here)  # as `python -m` does, so that a module beside the user is found
    return import_module(name)


def _file_module(path: Path) -> Any:
    name = f"opt_istn_solver_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up by name
    spec.loader.exec_module(module)
    return module


def _fields(kind: Any) -> list[Any]:
    if not dataclasses.is_dataclass(kind):
        return []
    fields = dataclasses.fields(kind)
    return [field for field in fields if field.init and field.name not in _PROTOCOL]


def _typed(full: str, kind: Any, parameters: Mapping[str, Any]) -> dict[str, Any]:
    known = [field.name for field in _fields(kind)]
    types = typing.get_type_hints(kind) if parameters and known else {}
    typed = {}
    for name, value in parameters.items():
        if name not in known:
            raise InputError("parameters", unknown(f"{full} parameter", name, known))
        typed[name] = _convert(full, name, value, types[name])
    for field in _fields(kind):
        if _required(field) and field.name not in typed:
            raise InputError(field.name, f"{full} needs it, as {field.name}=...")
    return typed


def _required(field: Any) -> bool:
    """Return whether a solver cannot be made without this parameter, such as an agent file."""
    missing = dataclasses.MISSING
    return bool(field.default is missing and field.default_factory is missing)


def _convert(full: str, name: str, value: Any, wanted: Any) -> Any:
    try:
        return msgspec.convert(value, wanted, strict=not isinstance(value, str), dec_hook=_build)
    except msgspec.ValidationError as error:
        reason = explain(error)[1]
    if isinstance(value, str):  # lists and the like are written as JSON: --set layers=[64,64]
        try:
            return msgspec.json.decode(value, type=wanted, dec_hook=_build)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            pass
    if choices := _choices(wanted):
        reason = f"expected one of {', '.join(map(str, choices))}"
    raise InputError(name, f"{full}: {reason}, found {value!r}")


def _choices(wanted: Any) -> tuple[Any, ...]:
    """Return the values of a literal type, or of those in a union; nothing for other types."""
    if get_origin(wanted) is Literal:
        return get_args(wanted)
    return tuple(choice for part in get_args(wanted) for choice in _choices(part))


def _build(wanted: Any, value: Any) -> Any:
    if wanted is Path and isinstance(value, str):
        return Path(value)
    raise msgspec.ValidationError(f"Expected `{getattr(wanted, '__name__', wanted)}`")
