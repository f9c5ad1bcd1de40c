"""Writing Pyomo models as files that say what they are of."""

import logging
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyomo.environ as pyo

from opt_istn import files
from opt_istn.files import InputError

FORMATS = ("mps", "lp")


def title(name: str, sha256: str) -> str:
    """Return the name of an instance's model: its name, as model files can hold it, and its hash.

    LP files carry it in their first comment, MPS files as NAME.
    """
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-")[:80]
    return f"{plain or 'instance'}-{sha256}"


def export(model: pyo.ConcreteModel, path: str | Path) -> None:
    """Write `model` as ``.mps`` or ``.lp``, plain or ``.gz``, with readable names.

    The column ``ONE_VAR_CONSTANT``, fixed at 1, carries the objective's constant if it has one.

    Raises
    ------
    InputError
        If the suffix is another one.
    """
    suffixes = [suffix.lower().lstrip(".") for suffix in Path(path).suffixes]
    packed = suffixes[-1:] == ["gz"]
    kind = suffixes[-1 - packed] if len(suffixes) > packed else ""
    if kind not in FORMATS:
        endings = "expected a file name ending in .mps or .lp, or in .mps.gz or .lp.gz"
        raise InputError("", endings, str(path))
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / f"model.{kind}"
        write(model, plain)
        text = plain.read_bytes()
    files.write_bytes(path, text)  # compressed by the ending


def exporter(build: Callable[[Any], pyo.ConcreteModel]) -> Callable[[Any, str | Path], None]:
    """Return what writes the model that `build` makes of an instance, as `export` does."""
    return lambda instance, path: export(build(instance), path)


def write(model: pyo.ConcreteModel, path: Path) -> dict[int, str]:
    """Let Pyomo write a plain file; its warning that all costs are 0 is about its own placeholder.

    Returns
    -------
    dict
        Names of the columns in the file, by the Python identity of Pyomo's variables.
    """
    log = logging.getLogger("pyomo.core")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        _, number = model.write(str(path), io_options={"symbolic_solver_labels": True})
    finally:
        log.setLevel(level)
    return dict(model.solutions.symbol_map[number].byObject)
