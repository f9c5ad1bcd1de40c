"""Commands about the library of certified instances, and about citing them."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from opt_istn.cli.instances import InstanceFile, Json
from opt_istn.cli.terminal import completing, output, targets
from opt_istn.files import InputError, placing

if TYPE_CHECKING:
    from opt_istn.library.shelf import Entry, Library

Folder = Annotated[
    str, typer.Option("--library", metavar="DIR", help="Library; the installed one by default.")
]
Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME|HASH", help="Entry of the library.", autocompletion=completing.entries
    ),
]

_KINDS = {
    "instance": targets.INSTANCE,
    "plan": targets.PLAN,
    "certificate": targets.CERTIFICATE,
}

library = typer.Typer(help="Instances with plans and certificates.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    for name, command in _COMMANDS:
        library.command(name)(command)
    app.add_typer(library, name="library")
    app.command()(cite)


def list_(
    folder: Folder = "",
    *,
    solu: Annotated[bool, typer.Option("--solu", help="Print a .solu file.")] = False,
    json: Json = False,
) -> None:
    """List the entries: what is known of each; with --json also what it takes to check it."""
    from opt_istn.library import shelf

    entries = _library(folder).entries()
    if solu:
        print("\n".join(shelf.solu(entries)))
    elif json:
        output.as_json(entries)
    else:
        header = ("name", "standing", "status", "value", "kB")
        output.as_table([_row(entry) for entry in entries], header)


def get(
    name: Name,
    out: Annotated[str, typer.Option("-o", "--output", metavar="DIR", help="Folder.")] = ".",
    folder: Folder = "",
) -> None:
    """Copy an entry's files, and the verifier that needs nothing else of this package."""
    from opt_istn import files, verifier

    shelf = _library(folder)
    entry = shelf.find(name)
    copies = {**shelf.paths(entry.name), "verifier": Path(verifier.__file__)}
    names = {"plan": f"{entry.name}.plan.json"}
    into = output.made_folder(out)
    goals = {what: into / names.get(what, path.name) for what, path in copies.items()}
    targets.check(
        *(
            targets.Target("--output", str(goal), _KINDS.get(what, ""))
            for what, goal in goals.items()
        ),
        inputs=map(str, copies.values()),
    )
    try:
        for what, goal in goals.items():
            shutil.copyfile(copies[what], goal)
            print(goal)
    except OSError as error:
        raise files.unusable("cannot be written", error, out) from None


def arcs(
    name: Annotated[str, typer.Argument(metavar="[NAME|HASH]", help="Entry; all if none.")] = "",
    out: Annotated[str, typer.Option("-o", "--output", metavar="DIR", help="Folder.")] = ".",
    folder: Folder = "",
) -> None:
    """Write JUTAP entries as plain lists of arcs, with a README: constrained shortest paths."""
    from opt_istn.library import edges

    kept = _library(folder)
    entries = [kept.find(name)] if name else kept.entries()
    if not any(entry.problem == edges.PROBLEM for entry in entries):
        raise InputError("", f"expected an entry of {edges.PROBLEM}", name)
    output.made_folder(out)
    for path in edges.write(kept, entries, out):
        print(path)


def check(
    name: Annotated[str, typer.Argument(metavar="[NAME|HASH]", help="Entry; all if none.")] = "",
    folder: Folder = "",
    *,
    json: Json = False,
) -> int:
    """Check entries anew, and that planted falsehoods are refused; exit code 4 if not."""
    from opt_istn.library import contribute, shelf

    kept = _library(folder)
    rows: list[tuple[str, bool, str]] = []
    for entry in [kept.find(name)] if name else kept.entries():
        found, wrong = shelf.check(kept, entry)
        wrong = wrong or contribute.unbacked(kept, entry)
        value = found.status if found.bound is None else f"{found.status} {found.bound}"
        rows.append((entry.name, not wrong, wrong or f"{found.standing}: {value}"))
    for lie in [] if name else kept.wrong():
        said = shelf.refute(kept, lie)
        rows.append((f"wrong/{lie.name}", bool(said), said or "it is not refused"))
    for row in rows:
        line = dict(zip(("name", "ok", "said"), row, strict=True))
        output.as_json(line) if json else print("ok  " if row[1] else "BAD ", row[0], row[2])
    return 0 if all(ok for _, ok, _ in rows) else 4


def add(
    instance: InstanceFile,
    by: Annotated[str, typer.Option(help="Who gives it; the ledger keeps that.")],
    plan: Annotated[str, typer.Option(metavar="PLAN", help="Plan file.")] = "",
    certificate: Annotated[str, typer.Option(metavar="CERT", help="Certificate file.")] = "",
    name: Annotated[str, typer.Option(help="Name of a new entry.")] = "",
    note: Annotated[str, typer.Option(help="What it is there for.")] = "",
    folder: Folder = "",
    *,
    cc0: Annotated[bool, typer.Option("--cc0", help="I give it to all, under CC0 1.0.")] = False,
    json: Json = False,
) -> int:
    """Add a plan, a certificate or both; what is refused or no better stays in the ledger."""
    from opt_istn import problems
    from opt_istn.library import contribute

    if not cc0:
        raise InputError("--cc0", "expected it: the library is given to all, under CC0 1.0")
    loaded = problems.read_instance(instance)
    given = (plan or None, certificate or None)
    if folder:
        output.made_folder(folder)
    lines = contribute.add(_library(folder), loaded, by, *given, name, note)
    for line in lines:
        words = (line.name, line.what, line.value, line.verdict, line.reason)
        said = "  ".join(str(word) for word in words if word not in (None, ""))
        output.as_json(line) if json else print(said)
    return 4 if any(line.verdict == contribute.REFUSED for line in lines) else 0


def cite(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME|HASH|RUNS|INSTANCE",
            help="Entry of the library, records, or an instance.",
        ),
    ],
    certificate: Annotated[
        str, typer.Argument(metavar="CERT", help="Certificate of an instance.")
    ] = "",
    plan: Annotated[str, typer.Argument(metavar="PLAN", help="The best plan known.")] = "",
    folder: Folder = "",
) -> int:
    """Print BibTeX and a sentence for LaTeX: of a library's entry, your records, or your bound.

    An entry goes by its name, or by the hash of its instance or certificate. Of records each
    instance gets a sentence with its value, what that rests on, and the gaps of heuristics and
    agents; several of a preset another one with means and intervals. A bound of `prove` is given
    as the instance and its certificate. Certificates are checked, except those that records name.
    """
    from opt_istn.cli import prove
    from opt_istn.library import cite as citing
    from opt_istn.library import contribute, shelf

    if certificate:
        return _cite_bound(name, certificate, plan)
    if prove.holds_instance(name):
        raise InputError("", "expected its certificate after an instance", name)
    if placing.is_there(name):
        return _cite_runs(name)
    if "/" in name or name.endswith((".json", ".jsonl", ".gz")):
        raise InputError("", "expected a file of records, or a folder of them", name)
    kept = _library(folder)
    entry = kept.find(name)
    _, wrong = shelf.check(kept, entry)
    if wrong := wrong or contribute.unbacked(kept, entry):
        output.complain(f"{entry.name}: {wrong}")
        return 4
    year, by = contribute.since(kept, entry)[:4], contribute.keeper(kept, entry) if folder else ""
    where = "own library" if by else ""
    print(citing.bibtex(entry, year, by, where), citing.sentence(entry), sep="\n\n")
    return 0


def _cite_bound(instance: str, certificate: str, plan: str) -> int:
    """Cite what a certificate, checked now, proves of an instance; exit code 4 if it is refused."""
    from datetime import UTC, datetime

    from opt_istn import problems, verifier
    from opt_istn.library import cite as citing
    from opt_istn.library import shelf

    given = {"instance": instance, "certificate": certificate, "plan": plan}
    paths = {what: Path(path) for what, path in given.items() if path}
    loaded = problems.read_instance(instance)
    name = loaded.name or loaded.sha256[:8]
    try:
        entry = shelf.entry_of(name, paths)
    except verifier.Refused as refused:
        output.complain(f"{certificate}: refused: {refused}")
        return 4
    year, where = str(datetime.now(UTC).year), "own certificate"
    print(citing.bibtex(entry, year, where=where), citing.sentence(entry), sep="\n\n")
    return 0


def _cite_runs(path: str) -> int:
    from opt_istn.library import lookup, records
    from opt_istn.report import groups
    from opt_istn.runs import ledger
    from opt_istn.runs.audit import summarise

    runs = ledger.read_all([path], plans=False)
    year = max((run.time for run in runs), default="")[:4]
    told = [*records.sentences(runs, path), *records.means(runs)]
    print(records.software(year), *told, sep="\n\n")
    output.advise(summarise(runs), [path])
    for doubt in (*groups.twins(runs), *lookup.changed(runs, path)):
        output.complain(doubt)
    return 0


def _library(folder: str) -> "Library":
    from opt_istn.library.shelf import INSTALLED, Library
    from opt_istn.runs import folders

    if folder:
        folders.check_folder("--library", folder, "a library's entries")
    return Library(Path(folder) if folder else INSTALLED)


def _row(entry: "Entry") -> tuple[object, ...]:
    """Return a row of the table; the value is a range where plan and bound differ."""
    values = dict.fromkeys(str(v) for v in (entry.bound, entry.cost) if v is not None)
    kilobytes = f"{sum(entry.bytes.values()) / 1000:.1f}"
    known = (entry.standing, entry.status, " to ".join(values) or None)
    return entry.name, *known, kilobytes


_COMMANDS = (("list", list_), ("get", get), ("arcs", arcs), ("check", check), ("add", add))
