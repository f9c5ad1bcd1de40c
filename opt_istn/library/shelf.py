"""A library folder: its files, its index, and what checking an entry anew gives.

What an entry says is derived from its files by `derive`, never typed in; `check` derives it again
and compares.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from opt_istn import files, problems, verifier
from opt_istn.evidence import certificates
from opt_istn.evidence.certificates import Proven
from opt_istn.files import InputError
from opt_istn.problems import Document, Instance
from opt_istn.runs.audit import Standing
from opt_istn.solver import Status
from opt_istn.version import __version__

FORMAT, WRONG = "opt-istn/library", "opt-istn/library-wrong"
INSTALLED = Path(__file__).parent
_MEASURED = ("check_s", "verifier")  # fields that another machine or version need not repeat


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the index says of an instance.

    Parameters
    ----------
    name, note
        Of the entry: its files' name, and what it is there for.
    problem, sha256, size, origin
        Of the instance: problem, hash, its numbers, and preset, seed and generator if it has them.
    standing
        ``certified``, ``bounded`` or ``open``.
    status, cost, bound, kind
        What plan and certificate say together; integer unit of the problem.
    certificate
        SHA-256 of the certificate's file.
    bytes
        Sizes of the files.
    check_s, verifier
        Seconds of the processor that checking took, and the version that did it.
    """

    name: str
    note: str = ""
    problem: str
    sha256: str
    size: dict[str, int]
    origin: dict[str, Any] | None = None
    standing: Standing
    status: Status
    cost: int | None = None
    bound: int | None = None
    kind: str = ""
    certificate: str | None = None
    bytes: dict[str, int] = {}
    check_s: float | None = None
    verifier: str = ""


class _Index(msgspec.Struct, forbid_unknown_fields=True):
    format: str = FORMAT
    version: int = 1
    entries: list[Entry] = []


class Wrong(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A planted falsehood: files in ``wrong/`` that have to be refused.

    Parameters
    ----------
    instance
        Name of the library's entry that it is about.
    certificate, plan
        File names, either may be missing.
    cost
        What the plan is claimed to cost, if that is the lie. With plan and certificate the claim
        is that the plan is optimal.
    reason
        What is wrong.
    """

    name: str
    instance: str
    certificate: str | None = None
    plan: str | None = None
    cost: int | None = None
    reason: str


class WrongIndex(msgspec.Struct, forbid_unknown_fields=True):
    """The index of ``wrong/``."""

    format: str = WRONG
    version: int = 1
    entries: list[Wrong] = []


@dataclass(frozen=True)
class Library:
    """A folder with an index.

    Parameters
    ----------
    folder
        By default the one that is installed with this package.
    """

    folder: Path = INSTALLED

    def entries(self) -> list[Entry]:
        """Return the index's entries, sorted by name; none if there is no index yet."""
        path = self.folder / "index.json"
        if not path.exists():
            return []
        data = files.read_bytes(path)
        return files.decode_document(data, _Index, FORMAT, 1, str(path)).entries

    def find(self, name: str) -> Entry:
        """Return the entry of a name, or of the hash of its instance or certificate.

        The beginning of a hash is enough where it is unique.
        """
        entries = self.entries()
        found = [entry for entry in entries if entry.name == name]
        if not found and len(name) >= 8:
            hashes = [(x, (x.sha256, x.certificate or "")) for x in entries]
            found = [x for x, both in hashes if any(one.startswith(name) for one in both)]
        if len(found) != 1:
            raise InputError("", problems.unknown("entry", name, [e.name for e in entries]))
        return found[0]

    def write(self, entries: list[Entry]) -> None:
        """Replace the index."""
        ordered = sorted(entries, key=lambda entry: entry.name)
        data = msgspec.json.format(msgspec.json.encode(_Index(entries=ordered)), indent=1)
        files.write_bytes(self.folder / "index.json", data + b"\n")

    def instance_path(self, name: str) -> Path:
        """Return the path of an entry's instance."""
        return self.folder / "instances" / f"{name}.json.gz"

    def plan_path(self, name: str) -> Path:
        """Return the path of an entry's plan, which need not exist."""
        return self.folder / "plans" / f"{name}.json"

    def certificate_path(self, name: str) -> Path:
        """Return the path of an entry's certificate, which need not exist."""
        return self.folder / "certificates" / f"{name}.cert.json.gz"

    def paths(self, name: str) -> dict[str, Path]:
        """Return the files of an entry that exist."""
        every = {
            "instance": self.instance_path(name),
            "plan": self.plan_path(name),
            "certificate": self.certificate_path(name),
        }
        return {what: path for what, path in every.items() if path.exists()}

    def wrong(self) -> list[Wrong]:
        """Return the planted falsehoods."""
        path = self.folder / "wrong" / "index.json"
        if not path.exists():
            return []
        return files.decode_document(
            files.read_bytes(path), WrongIndex, WRONG, 1, str(path)
        ).entries


def price(instance: Instance, plan: Document) -> int:
    """Return the cost of a plan, on which evaluator and verifier agree.

    Raises
    ------
    opt_istn.verifier.Refused
        If it is not feasible, or they do not.
    """
    judged = problems.get(instance.problem).evaluate(instance, plan)
    if judged.violations:
        raise verifier.Refused(f"plan: {'; '.join(judged.violations)}")
    cost = certificates.cost_of(instance, plan)
    if cost != judged.cost:
        raise verifier.Refused("plan: the verifier and the evaluator differ")
    return cost


def derive(library: Library, name: str, note: str = "") -> Entry:
    """Return the entry of a name as its files say, all of them checked now.

    Raises
    ------
    opt_istn.verifier.Refused
        If the plan or the certificate does not hold.
    InputError
        If a file is damaged.
    """
    return entry_of(name, library.paths(name), note)


def entry_of(name: str, paths: Mapping[str, Path], note: str = "") -> Entry:
    """Return the entry of files that lie anywhere, all of them checked now; as `derive`.

    Parameters
    ----------
    paths
        Those of ``instance``, and of ``plan`` and ``certificate`` if there are such.
    """
    instance = problems.read_instance(paths["instance"])
    began = time.process_time()
    cost = proven = None
    if "plan" in paths:
        cost = price(instance, problems.read_plan(paths["plan"], instance.problem))
    if "certificate" in paths:
        proven = certificates.check(instance, certificates.read(paths["certificate"]))
    seconds = time.process_time() - began
    document = instance.document()
    status, standing = outcome(proven, cost)
    return Entry(
        name=name,
        note=note,
        problem=instance.problem,
        sha256=instance.sha256,
        size={k: v for k, v in document.items() if k == "grid" or k.startswith("num_")},
        origin=document.get("origin"),
        standing=standing,
        status=status,
        cost=cost,
        bound=proven.bound if proven else None,
        kind=proven.kind if proven else "",
        certificate=certificates.file_sha256(paths["certificate"]) if proven else None,
        bytes={what: path.stat().st_size for what, path in paths.items()},
        check_s=round(seconds, 3),
        verifier=__version__,
    )


def outcome(proven: Proven | None, cost: int | None) -> tuple[Status, Standing]:
    """Return what a proof and the cost of a plan say together.

    Raises
    ------
    opt_istn.verifier.Refused
        If they contradict each other.
    """
    if proven is None:
        return (Status.NO_PLAN if cost is None else Status.FEASIBLE), Standing.OPEN
    status = proven.outcome(cost)
    if proven.status == Status.INFEASIBLE and cost is not None:
        raise verifier.Refused("certificate: it says infeasible, but there is a feasible plan")
    if proven.bound is not None and cost is not None and proven.bound > cost:
        raise verifier.Refused(f"certificate: a bound above the plan's cost {cost}")
    if status in (Status.OPTIMAL, Status.INFEASIBLE, Status.UNBOUNDED):
        return status, Standing.CERTIFIED
    return status, Standing.OPEN if cost is None else Standing.BOUNDED


def check(library: Library, entry: Entry) -> tuple[Entry, str]:
    """Derive an entry again; return it, and what is wrong with the index's (empty if nothing)."""
    try:
        found = derive(library, entry.name, entry.note)
    except verifier.Refused as refused:
        return entry, f"refused: {refused}"
    except InputError as error:
        return entry, str(error)
    for field in entry.__struct_fields__:
        said, derived = getattr(entry, field), getattr(found, field)
        if field not in _MEASURED and said != derived:
            return found, f"{field}: the index says {said}, the files {derived}"
    return found, ""


def refute(library: Library, wrong: Wrong) -> str:
    """Return why a planted falsehood is refused; empty if it is not."""
    instance = problems.read_instance(library.instance_path(wrong.instance))
    folder = library.folder / "wrong"
    bound = cost = None
    try:
        if wrong.certificate:
            document = certificates.read(folder / wrong.certificate)
            bound = certificates.check(instance, document).bound
        if wrong.plan:
            plan = problems.read_plan(folder / wrong.plan, instance.problem)
            cost = certificates.cost_of(instance, plan)
    except (verifier.Refused, InputError) as refused:
        return str(refused)
    if wrong.cost is not None and wrong.cost != cost:
        return f"the plan costs {cost}, not {wrong.cost}"
    if wrong.certificate and wrong.plan and cost != bound:
        return f"the plan costs {cost}, the certificate proves {bound}"
    return ""


def solu(entries: list[Entry]) -> Iterator[str]:
    """Yield the lines of a ``.solu`` file with MIPLIB's tags."""
    tags = {Status.OPTIMAL: "=opt=", Status.INFEASIBLE: "=inf=", Status.UNBOUNDED: "=unbd="}
    for entry in entries:
        tag = tags.get(entry.status, "=unkn=" if entry.cost is None else "=best=")
        value = f" {entry.cost}" if tag in ("=opt=", "=best=") else ""
        yield f"{tag} {entry.name}{value}"
