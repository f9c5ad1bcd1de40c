"""A zip of everything that a referee needs to repeat what records say, offline.

It holds the records, their instances and plans as files, certificates, the environment, and two
programs that need Python and numpy alone: ``python check.py`` does the rest.
"""

import json
import platform
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import msgspec

from opt_istn import files, verifier
from opt_istn.evidence import certificates, referee
from opt_istn.evidence.sources import Loader, WrongInstanceError
from opt_istn.files import InputError
from opt_istn.problems import Instance
from opt_istn.runs import ledger
from opt_istn.runs.ledger import Record, Source
from opt_istn.version import full_version

_WHEN = (1980, 1, 1, 0, 0, 0)  # equal runs make equal bundles
README = """Runs of opt-istn, with all that is needed to check them again, offline:

    python check.py

It needs Python 3.11 or later and numpy, nothing else, and no network. It recomputes the hash of
every instance, the cost of every plan and what every certificate proves (verifier.py, which
imports nothing of opt-istn), and says for each record what it checked and what not.

runs.jsonl        the records, one a line; where a record names its instance, the file is here
instances/        the instances
plans/            the plans in the records, as files
certificates/     proofs of bounds, by the hash of their instance
environment.json  versions of the packages where this was made; records name those of their run

With opt-istn installed: opt-istn verify runs.jsonl{option}
and, to prove again the bounds that have no certificate: add --prove.

Made by opt-istn {version}: {records} records on {instances} instances, {proven} certificates.
"""


@dataclass(frozen=True)
class Bundled:
    """What a bundle holds.

    Parameters
    ----------
    records, instances, plans, certificates
        Their numbers.
    """

    records: int
    instances: int
    plans: int
    certificates: int


def write(
    records: Sequence[Record],
    out: str | Path,
    folder: str | Path = "",
    beside: Sequence[str | Path] = (),
) -> Bundled:
    """Write the bundle of some records.

    Parameters
    ----------
    beside
        The files of the records, or their folders: files of instances may lie beside them.
    out
        The zip; replaced as a whole.
    folder
        Where the certificates lie that records name; empty for none.

    Raises
    ------
    InputError
        If an instance cannot be had any more, or a certificate or their folder is not there.
    """
    if folder:
        certificates.check_folder(folder)
    load = Loader(*beside)
    parts: dict[str, bytes] = {}
    names: dict[str, str] = {}
    lines = []
    for number, run in enumerate(records):
        if run.sha256 not in names:
            instance = _instance(load, run)
            names[run.sha256] = f"instances/{_plain(run.instance)}-{run.sha256[:12]}.json"
            parts[names[run.sha256]] = _text(instance.document())
        moved = msgspec.structs.replace(run, source=Source(file=names[run.sha256]))
        lines.append(ledger.encode(moved) + b"\n")
        if run.plan is not None:
            parts[f"plans/{number:05}-{_plain(run.solver)}.json"] = _text(run.plan)
        if run.certificate and folder:
            parts[f"certificates/{run.sha256}.cert.json.gz"] = _certificate(run, folder)
    counts = {kind: sum(name.startswith(kind) for name in parts) for kind in ("plans", "certif")}
    made = Bundled(len(records), len(names), counts["plans"], counts["certif"])
    parts["runs.jsonl"] = b"".join(lines)
    parts |= _programs() | {"environment.json": _text(environment())}
    option = " --certificates certificates" if made.certificates else ""
    parts["README.txt"] = README.format(
        option=option,
        version=full_version(),
        records=made.records,
        instances=made.instances,
        proven=made.certificates,
    ).encode()
    files.write_through(out, lambda temporary: _write(temporary, parts))
    return made


def environment() -> dict[str, Any]:
    """Return the versions of everything installed, and of Python and the system."""
    found = {each.metadata["Name"]: each.version for each in distributions()}
    return {
        "opt-istn": full_version(),
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": dict(sorted(found.items(), key=lambda item: item[0].lower())),
    }


def _instance(load: Loader, run: Record) -> Instance:
    try:
        return load(run)
    except WrongInstanceError as error:
        raise InputError("source", str(error), run.instance) from None


def _certificate(run: Record, folder: str | Path) -> bytes:
    path = certificates.path_of(folder, run.sha256)
    if certificates.file_sha256(path) != run.certificate:
        raise InputError("certificate", "it is another one than the record names", str(path))
    return path.read_bytes()


def _programs() -> dict[str, bytes]:
    """Return the two programs, which import nothing of ours in a bundle."""
    check = Path(referee.__file__).read_text(encoding="utf-8")
    check = check.replace("from opt_istn import verifier", "import verifier")
    return {"check.py": check.encode(), "verifier.py": Path(verifier.__file__).read_bytes()}


def _plain(name: str) -> str:
    """Return a name with what file systems may not like replaced."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in name)[:80]


def _text(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"


def _write(path: Path, parts: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(parts):
            archive.writestr(zipfile.ZipInfo(f"bundle/{name}", _WHEN), parts[name], 8)
