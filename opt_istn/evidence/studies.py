"""Proofs of what a study found: a certificate for each of its questions, checked at once."""

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opt_istn import files, verifier
from opt_istn.evidence import certificates

if TYPE_CHECKING:
    from opt_istn.jutap.frontier import Question


def prove(
    questions: "Iterable[Question]",
    certificate: Callable[[Any, int | None], dict[str, Any]],
    folder: str | Path | None = None,
) -> Counter[str]:
    """Prove every answer by the verifier, and replay its plan there; count the kinds of proof.

    Parameters
    ----------
    certificate
        Makes the certificate of an instance and its answer, see `registry.study`.
    folder
        Where instances, certificates and plans are kept, named as ``certify`` names them; made if
        need be. None keeps nothing.

    Raises
    ------
    opt_istn.verifier.Refused
        If an answer does not stand; says which.
    InputError
        If the folder cannot be written.
    """
    kinds: Counter[str] = Counter()
    if folder is not None:
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise files.unusable("cannot be written", error, folder) from None
    for question in questions:
        x, made = question.instance, certificate(question.instance, question.cost)
        try:
            proven = certificates.check(x, made)
            replayed = None if question.plan is None else certificates.cost_of(x, question.plan)
        except verifier.Refused as refused:
            raise verifier.Refused(f"{x.name} ({x.sha256}): {refused}") from None
        if proven.bound != question.cost or replayed not in (None, question.cost):
            said = f"{question.cost}, proven {proven.bound}, replayed {replayed}"
            raise verifier.Refused(f"{x.name} ({x.sha256}): found {said}")
        kinds[proven.kind] += 1
        if folder is not None:
            x.write(Path(folder) / f"{x.sha256}.json.gz")
            files.write_document(certificates.path_of(folder, x.sha256), made)
            if question.plan is not None:
                question.plan.write(certificates.plan_path_of(folder, x.sha256))
    return kinds
