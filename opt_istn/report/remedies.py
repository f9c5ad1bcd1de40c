"""What would make outcomes rest on more, as commands: a bound, or a proof that strangers check."""

from collections.abc import Iterable

from opt_istn import registry
from opt_istn.runs.audit import InstanceSummary, Standing

BOUND = (
    "no gap without a bound: `opt-istn compare INSTANCE --solvers ID -o RUNS.jsonl` with an exact "
    "ID (`opt-istn solvers` lists them) adds one"
)
PROOF = (
    "what is claimed or agreed gets a proof that strangers check by "
    "`opt-istn certify RUNS.jsonl --certificates DIR`"
)
LONGER = (
    "a certificate proves less than is claimed: once its file in DIR is deleted, `opt-istn certify "
    "RUNS.jsonl --certificates DIR` may prove more, if its `--time-limit` is longer than before"
)


def lacking(known: Iterable[InstanceSummary]) -> tuple[str, ...]:
    """Return a line for each lack that a command of ours mends; none if there is none."""
    every = list(known)
    unbound = any(one.best_bound is None and one.standing == Standing.OPEN for one in every)
    unproven = any(
        one.standing in (Standing.CLAIMED, Standing.AGREED)
        and one.partial is None
        and registry.has_prover(one.problem)
        for one in every
    )
    short = any(one.partial is not None for one in every)
    lacks = ((BOUND, unbound), (PROOF, unproven), (LONGER, short))
    found = [text for text, lacking in lacks if lacking]
    return tuple(f"{text[:1].upper()}{text[1:]}." for text in found)
