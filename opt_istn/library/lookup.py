"""What the installed library holds of an instance, found by hash or by what generated it."""

from collections.abc import Sequence
from contextlib import suppress

from opt_istn import problems
from opt_istn.evidence import certificates
from opt_istn.evidence.search import Given
from opt_istn.evidence.sources import Loader, WrongInstanceError
from opt_istn.files import InputError
from opt_istn.library.shelf import Library
from opt_istn.problems import Instance
from opt_istn.runs.ledger import Record


def given(instance: Instance) -> Given | None:
    """Return the certificate and the plan of an instance; None if the library has no certificate.

    Raises
    ------
    InputError
        If a file of the library is damaged.
    """
    kept = Library()
    entry = next((one for one in kept.entries() if one.sha256 == instance.sha256), None)
    if entry is None or entry.certificate is None:
        return None
    path = kept.plan_path(entry.name)
    plan = problems.read_plan(path, instance.problem) if path.exists() else None
    certificate = certificates.read(kept.certificate_path(entry.name))
    return Given(certificate, plan, f"the installed library, entry {entry.name}")


def changed(runs: Sequence[Record], path: str) -> list[str]:
    """Return a line for each instance file that is not what its `origin` generates.

    Nothing is generated: what a preset and a seed give is known of other records and of the
    installed library, or it is not known.

    Parameters
    ----------
    path
        Of the records; instance files may lie beside it.
    """
    known = _generated(runs)
    files = {run.sha256: run for run in runs if run.source.file is not None}
    generated = {run.sha256 for run in runs if run.source.preset is not None}
    load, found = Loader(path), []
    for sha256, run in files.items():
        if sha256 in generated:
            continue
        with suppress(InputError, WrongInstanceError):  # a file that is gone says nothing
            made = load(run).document().get("origin") or {}
            expected = known.get((made.get("preset"), made.get("seed")), sha256)
            if expected != sha256:
                found.append(
                    f"{run.source.file}: sha256 {sha256[:8]} is not what its origin, "
                    f"{made['preset']} with seed {made['seed']}, generates: {expected[:8]}"
                )
    return found


def _generated(runs: Sequence[Record]) -> dict[tuple[str | None, int | None], str]:
    """Return the hashes of what presets and seeds give, as far as it is known."""
    found: dict[tuple[str | None, int | None], str] = {}
    for entry in Library().entries():
        made = entry.origin or {}
        if entry.name == f"{made.get('preset')}-{made.get('seed')}":
            found[made["preset"], made["seed"]] = entry.sha256
    for run in runs:
        if run.source.preset is not None and not run.source.overrides:
            found[run.source.preset, run.source.seed] = run.sha256
    return found
