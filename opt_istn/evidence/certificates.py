"""Certificates beside records: where they lie, and what `opt_istn.verifier` says of them."""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from opt_istn import files, verifier
from opt_istn.files import InputError, placing
from opt_istn.runs import folders
from opt_istn.runs.nursery.messages import MAX_CLAIM
from opt_istn.solver import Status

if TYPE_CHECKING:
    from opt_istn.problems import Document, Instance

FORMAT = "opt-istn/certificate"
MADE = "opt-istn/certificate-made"
_SEARCHES = "user-*.json.gz"
_CLAIMS = {"infeasible": Status.INFEASIBLE, "unbounded": Status.UNBOUNDED}


@dataclass(frozen=True)
class Proven:
    """What an accepted certificate proves.

    Parameters
    ----------
    kind
        Kind of the certificate.
    bound
        No plan costs less, in the problem's integer unit; None if `status` says it all.
    status
        `infeasible` or `unbounded`; None beside a bound.
    """

    kind: str
    bound: int | None = None
    status: Status | None = None

    def outcome(self, cost: int | None) -> Status:
        """Return the status of an instance whose best known plan costs `cost`, None without one."""
        if self.status is not None:
            return self.status
        if cost is None:
            return Status.BOUND_ONLY
        return Status.OPTIMAL if cost == self.bound else Status.FEASIBLE

    def short_of(self, status: Status, bound: int | None) -> str:
        """Return in what a claim goes beyond this proof; empty if it does not."""
        if status in _CLAIMS.values():
            return "" if status == self.status else f"it claims {status}, its certificate does not"
        if bound is None or (self.bound is not None and bound <= self.bound):
            return ""
        return f"it claims the bound {bound}, its certificate proves {self.bound}"


class Made(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a certificate was proven: what its record says of time and machine.

    Parameters
    ----------
    certificate
        SHA-256 of the file it is about.
    wall_s, threads
        Seconds of the search, and the processes that it was allowed.
    time, packages, cpu, commit, dirty
        As in `opt_istn.runs.ledger.Record`.
    """

    format: str = MADE
    version: int = 1
    certificate: str
    wall_s: Annotated[float, msgspec.Meta(ge=0)]
    threads: int
    time: str
    packages: dict[str, str]
    cpu: str
    commit: str
    dirty: bool | None


def made_path_of(folder: str | Path, sha256: str) -> Path:
    """Return where a folder says how the certificate of an instance was made."""
    return Path(folder) / f"{sha256}.made.json"


def read_made(path: str | Path, certificate: str) -> Made | None:
    """Return how a certificate file was made; None if nobody says so of this very file.

    Parameters
    ----------
    certificate
        SHA-256 of the certificate file.
    """
    try:
        found = files.decode_document(files.read_bytes(path), Made, MADE, 1, str(path))
    except InputError:
        return None
    return found if found.certificate == certificate else None


def check_folder(folder: str | Path) -> None:
    """Check that a folder of certificates is there: a file that it lacks refutes a record.

    Raises
    ------
    InputError
        If it is not.
    """
    folders.check_folder("certificates", folder, "certificates, as `opt-istn certify` fills it")


def search_of(path: str | Path) -> Path | None:
    """Return the folder that keeps a long search for a certificate; None where that is no file."""
    return Path(f"{path}.search") if placing.is_replaced(Path(path)) else None


def is_kept(search: Path | None) -> bool:
    """Return whether a folder keeps a search that can go on."""
    return search is not None and any(search.glob(_SEARCHES))


def forget(search: Path | None) -> None:
    """Remove what a search has written; whatever else is in its folder stays."""
    if search is not None and placing.is_folder(search):
        for pattern in (_SEARCHES, f".{_SEARCHES}.*"):  # of a search that was killed as it wrote
            for path in search.glob(pattern):
                path.unlink()
        with suppress(OSError):
            search.rmdir()


def path_of(folder: str | Path, sha256: str) -> Path:
    """Return where the certificate of an instance lies in a folder of certificates."""
    return Path(folder) / f"{sha256}.cert.json.gz"


def plan_path_of(folder: str | Path, sha256: str) -> Path:
    """Return where the plan that came with a certificate lies."""
    return Path(folder) / f"{sha256}.plan.json"


def file_sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file as it lies on disk, compressed or not.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    try:
        with open(path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except (OSError, ValueError) as error:
        raise files.unusable("cannot be read", error, path) from None


def read(path: str | Path) -> dict[str, Any]:
    """Return the document of a certificate file.

    Raises
    ------
    InputError
        If the file is none; names file and field.
    """
    data = files.read_bytes(path)
    files.decode_document(data, dict[str, Any], FORMAT, 1, str(path))
    found: dict[str, Any] = json.loads(data)  # its integers have any size
    return found


def check(instance: "Instance", certificate: Mapping[str, Any]) -> Proven:
    """Return what a certificate proves of an instance.

    Raises
    ------
    opt_istn.verifier.Refused
        If the verifier does not accept it; says why.
    """
    try:
        found = verifier.check(_plain(instance.document()), _plain(certificate))
    except (RecursionError, OverflowError) as error:
        raise verifier.Refused(f"malformed: {error}") from None
    bound = found.get("bound")
    if bound is not None and abs(bound) > MAX_CLAIM:
        raise verifier.Refused("claim: expected a bound within +-2^62")
    status = next((_CLAIMS[name] for name in _CLAIMS if name in found), None)
    return Proven(found["kind"], bound, status)


def cost_of(instance: "Instance", plan: "Document | Mapping[str, Any]") -> int:
    """Return the cost of a plan by the verifier's own replay.

    Raises
    ------
    opt_istn.verifier.Refused
        If the plan is not feasible.
    """
    document = plan if isinstance(plan, Mapping) else plan.document()
    return verifier.cost_of(_plain(instance.document()), _plain(document))


def refuted(
    instance: "Instance", path: Path, sha256: str, status: Status, bound: int | None
) -> str:
    """Return why a certificate file does not stand behind a claim; empty if it does.

    Parameters
    ----------
    sha256
        Of the file, as the record has it.
    status, bound
        The claim.
    """
    try:
        if file_sha256(path) != sha256:
            return f"its certificate is not {path}"
        return check(instance, read(path)).short_of(status, bound)
    except InputError as error:
        return f"its certificate: {error}"
    except verifier.Refused as error:
        return f"its certificate is refused: {error}"


def _plain(document: Any) -> Any:
    """Return a document as a reader of its file sees it."""
    return json.loads(json.dumps(document))
