"""Proofs of one user, without a file and with all the time they need."""

from formulations.push.proof import prove, written
from formulations.push.proof.tree import Search
from formulations.push.proof.written import Proof
from opt_istn.verifier import User


def prove_user(user: User, known_us: int) -> Proof:
    """Prove that no plan of a user costs less than one that is known, or find a better one."""
    if not user.positions:
        return prove._nothing_to_gain(user)
    search = Search(user, known_us)
    search.run(lambda: False)
    return written.proof_of(search, ())
