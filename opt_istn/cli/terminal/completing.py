"""What shells complete: names of solvers, agents, presets, and entries of the library."""

from collections.abc import Iterable
from pathlib import Path


def presets(incomplete: str) -> list[str]:
    """Return the presets whose name begins so; where there are none, shells look for files."""
    from opt_istn import problems

    return _begun(incomplete, (x for one in problems.every() for x in one.presets()))


def solvers(incomplete: str) -> list[str]:
    """Return the solvers whose id begins so, with its problem or without."""
    from opt_istn import registry

    return _ids(incomplete, registry.names())


def several_solvers(incomplete: str) -> list[str]:
    """Return how a list of solvers, separated by commas, may go on."""
    before, comma, last = incomplete.rpartition(",")
    known = solvers(last) or (_files(last) if comma else [])  # where a shell looks for none
    return [before + comma + name for name in known]


def agents(incomplete: str) -> list[str]:
    """Return what can be trained whose id begins so, with its problem or without."""
    from opt_istn import registry

    return _ids(incomplete, registry.names(registry.TRAINERS))


def entries(incomplete: str) -> list[str]:
    """Return the entries of the installed library whose name begins so."""
    from opt_istn.library import shelf

    return _begun(incomplete, (x.name for x in shelf.Library().entries()))


def _files(incomplete: str) -> list[str]:
    above, slash, _ = incomplete.rpartition("/")
    folder = Path(above + slash or ".")
    names = (x.name for x in folder.iterdir()) if folder.is_dir() else ()
    return _begun(incomplete, (above + slash + name for name in names))


def _ids(incomplete: str, names: Iterable[str]) -> list[str]:
    known = list(names)
    return _begun(incomplete, (*known, *{name.partition(".")[2] for name in known}))


def _begun(incomplete: str, names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if name.startswith(incomplete))
