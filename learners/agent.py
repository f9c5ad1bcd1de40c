"""Agent files and checkpoints: a trained agent with all that is needed to judge it fairly.

Both are written by `torch.save`, atomically, and read with ``weights_only=True``, so that a file
from a stranger can hold numbers and texts but no code. An agent says what it was trained on; to
use it elsewhere has to be asked for.

Version 2 of the file says more: how much the agent was trained (rollouts, steps of the environment
and of the optimiser), what it saved untrained, last and at its best, and what it observes. Files of
version 1 are read for ever; of this they say nothing.
"""

import hashlib
import os
import pickle
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import msgspec
import torch
import torch.utils.serialization.config  # else `torch.load` imports it, on the clock of a run

from opt_istn import files
from opt_istn.files import InputError, explain, placing, words
from opt_istn.runs import environment
from opt_istn.training import Task

FORMAT = "opt-istn/agent"
ANNOUNCED = "expected the tensor that the sizes announce"
Sizes = TypeVar("Sizes")
CHECKPOINT = "opt-istn/checkpoint"
VERSION = 2
READ = (1, 2)  # versions of agent files
CONTRACT = 1  # version of what agents observe; a change of columns makes another layout
MAX_WIDTH = 4096  # of a network's layers; a file that asks for more is refused
# What reading a damaged pickle was seen to raise.
_DAMAGED = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    RuntimeError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
)


@dataclass(frozen=True)
class Agent:
    """A trained agent.

    Parameters
    ----------
    method
        Id of its solver, such as ``jutap.dqn``.
    config
        The trainer's parameters, JSON values.
    trained_on
        ``name`` and ``protocol``, and ``instance`` (SHA-256) or ``scenario`` (its parameters).
    seed
        Seed of the training.
    state
        Tensors by name; may be nested.
    history
        The training curve: rows of equal keys.
    packages
        Versions of what trained it.
    counts
        Rollouts, steps of the environment and of the optimiser.
    measured
        Saving of the ``untrained``, ``last`` and ``best`` weights on the instances of the curve.
    contract
        What it observes: ``version``, and ``layout``, a hash of the columns' names.
    """

    method: str
    config: dict[str, Any]
    trained_on: dict[str, Any]
    seed: int
    state: dict[str, Any]
    history: list[dict[str, Any]] = field(default_factory=list)
    packages: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    measured: dict[str, list[float]] = field(default_factory=dict)
    contract: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class _Header(Agent):
    """All that a file holds; every version says of an agent how and by what it was trained."""

    format: str
    version: int
    problem: str
    history: list[dict[str, Any]]
    packages: dict[str, str]


class FromFile:
    """A solver that plays the agent in a file."""

    agent: Path

    @property
    def stochastic(self) -> bool:
        """Whether the seed matters: it does where it chooses the file."""
        return "{seed}" in self.agent.name


def of_seed(path: Path, seed: int | str) -> Path:
    """Return the agent file of a seed, where the name holds ``{seed}``."""
    return path.with_name(path.name.replace("{seed}", str(seed)))


def described(task: Task) -> dict[str, Any]:
    """Return what an agent file says of its task."""
    described = {"name": task.name, "protocol": task.protocol}
    if task.scenario is not None:
        return described | {"scenario": task.scenario.document()}
    return described | {"instance": task.instance.sha256}


def is_of(instance: Any, trained_on: Mapping[str, Any], absent: Mapping[str, Any]) -> bool:
    """Return whether an instance is the one of a training, or of its scenario.

    Parameters
    ----------
    trained_on
        What `described` says of the task.
    absent
        Parameters that scenarios leave out where they have these values.
    """
    scenario = trained_on.get("scenario")
    if not isinstance(scenario, dict):
        return bool(instance.sha256 == trained_on.get("instance"))
    expected, found = {**absent, **scenario}, {**absent, **instance.scenario}
    return all(found.get(name) == value for name, value in expected.items())


def contract(columns: Sequence[str]) -> dict[str, Any]:
    """Return what an agent file says of an observation with these columns."""
    layout = hashlib.sha256("\n".join(columns).encode()).hexdigest()
    return {"version": CONTRACT, "layout": layout}


def check_contract(agent: Agent, columns: Sequence[str], path: str | Path) -> None:
    """Check that an agent observes these columns; files of version 1 do not say what they do.

    Raises
    ------
    InputError
        If it was trained on others.
    """
    if agent.contract and agent.contract != contract(columns):
        rule = "expected an agent that observes what is observed today, found another layout"
        raise InputError("contract", rule, str(path))


def save(path: str | Path, agent: Agent) -> None:
    """Write an agent file, atomically."""
    versions = {"torch": torch.__version__, **environment.capture("opt-istn")["packages"]}
    document = {
        "format": FORMAT,
        "version": VERSION,
        "problem": agent.method.partition(".")[0],
        **vars(agent),
        "packages": agent.packages or versions,
    }
    _write(path, document)


def load(path: str | Path, method: str) -> Agent:
    """Read and check an agent file.

    Raises
    ------
    InputError
        If the file is no agent file, or holds an agent of another method.
    """
    document = _read(path, FORMAT, READ)
    try:
        header = msgspec.convert(document, _Header)
    except msgspec.ValidationError as error:
        raise InputError(*explain(error), str(path)) from None
    if header.method != method:
        raise InputError("method", f"expected {method!r}, found {header.method!r}", str(path))
    return Agent(**{x.name: getattr(header, x.name) for x in fields(Agent)})


def sha256(path: Path, expected: str) -> str:
    """Return the hash of an agent file, or of those of all seeds together.

    As a parameter of a solver it makes runs with another agent of the same name other runs.

    Raises
    ------
    InputError
        If there is no such file, or it has another hash than the one `expected` (empty: any).
    """
    pattern = of_seed(path, "*")
    found = sorted(path.parent.glob(pattern.name)) if pattern != path else [path]
    if not found:
        raise InputError("", "expected agent files of this name", str(path))
    total = hashlib.sha256()
    for each in found:
        total.update(files.read_bytes(each))
    if expected not in ("", total.hexdigest()):
        own, found_ = words.apart(expected, total.hexdigest())
        rule = f"expected the agent with hash {own}, found {found_}"
        raise InputError("sha256", rule, str(path))
    return total.hexdigest()


def load_state(module: torch.nn.Module, state: Mapping[str, Any], path: str | Path) -> None:
    """Put an agent's tensors into its network.

    Raises
    ------
    InputError
        If they are not those of such a network, or not finite.
    """
    for name, value in state.items():
        if isinstance(value, torch.Tensor) and value.layout != torch.strided:
            raise InputError(f"state.{name}", "expected a dense tensor", str(path))
        if isinstance(value, torch.Tensor) and not bool(torch.isfinite(value).all()):
            raise InputError(f"state.{name}", "expected finite numbers", str(path))
    try:
        module.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise InputError(
            "state", f"expected the tensors of the network: {error}", str(path)
        ) from None


def sizes(
    kind: type[Sizes], found: Any, limits: Mapping[str, int], place: str, path: str | Path
) -> Sizes:
    """Return the sizes of a network in a file, checked before memory is taken for it.

    Parameters
    ----------
    kind
        A dataclass of them.
    limits
        Largest values of its fields; the others are bounded by the tensors that go with them.

    Raises
    ------
    InputError
        If they are not sizes, or beyond reason.
    """
    try:
        made = msgspec.convert(found, kind)
    except msgspec.ValidationError as error:
        field_, expected = explain(error)
        raise InputError(f"{place}.{field_}".rstrip("."), expected, str(path)) from None
    for name, most in limits.items():
        if not 0 <= (value := getattr(made, name)) <= most:
            raise InputError(f"{place}.{name}", f"expected 0 to {most}, found {value}", str(path))
    return made


def check_width(value: Any, field_: str, path: str | Path) -> None:
    """Check the width of a network before memory is taken for it.

    Raises
    ------
    InputError
        If it is not a whole number within reason.
    """
    if type(value) is not int or not 1 <= value <= MAX_WIDTH:
        raise InputError(
            field_, f"expected a number from 1 to {MAX_WIDTH}, found {value!r}", str(path)
        )


def checkpoint_of(out: Path) -> Path:
    """Return the path of the checkpoint beside an agent file."""
    return out.with_name(out.name + ".checkpoint")


def save_checkpoint(out: Path, key: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    """Write the checkpoint of a training that will end in `out`.

    Parameters
    ----------
    key
        What the training depends on: method, configuration, task, seed.
    state
        Everything it needs to go on exactly as if it had not been interrupted.
    """
    document = {"format": CHECKPOINT, "version": VERSION, "key": dict(key), "state": dict(state)}
    _write(checkpoint_of(out), document)


def load_checkpoint(out: Path, key: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the state to go on from, None if there is no checkpoint.

    Raises
    ------
    InputError
        If the checkpoint belongs to another training.
    """
    path = checkpoint_of(out)
    if not placing.is_there(path):
        return None
    document = _read(path, CHECKPOINT, (VERSION,))
    if document.get("key") != key:
        remedy = "it is of another training; delete it or train into another file"
        raise InputError("key", remedy, str(path))
    state: Any = document.get("state")
    if not isinstance(state, dict):
        raise InputError("state", "expected the state of the training", str(path))
    return state


def drop_checkpoint(out: Path) -> None:
    """Remove the checkpoint of a training that is over."""
    checkpoint_of(out).unlink(missing_ok=True)


def _write(path: str | Path, document: Mapping[str, Any]) -> None:
    files.write_through(path, lambda temporary: torch.save(dict(document), temporary))


def _refuse_packed(stream: BinaryIO, path: str | Path) -> None:
    """Refuse an archive that is larger inside than outside, before anything of it is unpacked."""
    with zipfile.ZipFile(stream) as archive:
        members = archive.infolist()
    whole = sum(member.file_size for member in members) <= stream.seek(0, os.SEEK_END)
    if not whole or any(member.compress_type != zipfile.ZIP_STORED for member in members):
        expected = "expected an archive without compression, as torch writes it"
        raise InputError("", expected, str(path))


def _read(path: str | Path, file_format: str, versions: tuple[int, ...]) -> dict[str, Any]:
    try:
        with open(path, "rb") as stream:
            if not zipfile.is_zipfile(stream):
                raise InputError("", f"expected a file of format {file_format!r}", str(path))
            _refuse_packed(stream, path)
        document = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise files.unusable("cannot be read", error, path) from None
    except _DAMAGED as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            "", f"expected a whole file of format {file_format!r}", str(path)
        ) from None
    if not isinstance(document, dict) or document.get("format") != file_format:
        raise InputError("format", f"expected {file_format!r}", str(path))
    if (found := document.get("version")) not in versions:
        known = " or ".join(map(str, versions))
        raise InputError("version", f"expected {known}, found {found!r}", str(path))
    return document
