"""What the installed library holds of an instance, found by hash."""

from opt_istn import problems
from opt_istn.evidence import certificates
from opt_istn.evidence.search import Given
from opt_istn.library.shelf import Library
from opt_istn.problems import Instance


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
