"""What would make outcomes rest on more, as commands: a bound, or a proof that strangers check."""

from collections import Counter
from collections.abc import Iterable

from opt_istn.runs.audit import InstanceSummary, Standing

BOUND = (
    "no gap without a bound: `opt-istn compare INSTANCE --solvers ID -o RUNS.jsonl` with an exact "
    "ID (`opt-istn solvers` lists them) adds one"
)
PROOF = (
    "what is claimed or agreed gets a proof that strangers check by "
    "`opt-istn certify RUNS.jsonl --certificates DIR`"
)


def remedies(known: Iterable[InstanceSummary]) -> tuple[str, ...]:
    """Return a line for each lack that a command of ours mends; none if there is none."""
    every = list(known)
    standings = Counter(one.standing for one in every)
    unbound = any(one.best_bound is None and one.standing == Standing.OPEN for one in every)
    unproven = standings[Standing.CLAIMED] + standings[Standing.AGREED]
    return (*((f"{BOUND}.",) if unbound else ()), *((f"{PROOF}.",) if unproven else ()))
