"""Which engine core stands behind a proof: this distribution's word, never a solver's own.

Two proofs count as different only if their cores differ. Engines that hand a model to the same
package, or share compiled passes, have one core: an error in it would mislead both alike. A solver
that is not listed, such as a stranger's, has no core: what it proves stays `claimed`.
"""

from collections.abc import Mapping
from types import MappingProxyType

DISTRIBUTION = "opt-istn"
CORES: Mapping[str, str] = MappingProxyType(
    {
        "jutap.labels": "jutap passes",
        "jutap.lagrangian": "jutap passes",  # the relaxation that bounds the labels
        "jutap.pyomo": "HiGHS",
        "jutap.cpsat": "CP-SAT",
        "jutap.scip": "SCIP",
        "jutap.value-iteration": "value iteration",
        "push.labels": "push labels",
        "push.forward": "push forward",
        "push.highs": "HiGHS",
        "push.interval": "HiGHS",
        "push.literal": "HiGHS",
        "push.cpsat": "CP-SAT",
        "push.scip": "SCIP",
    }
)


def core_of(solver: str, distribution: tuple[str, ...] = (DISTRIBUTION,)) -> str:
    """Return the core of a solver id, empty if it is not one of `distribution` opt-istn."""
    return CORES.get(solver, "") if DISTRIBUTION in distribution else ""
