"""Certificates of PUSH bounds: a branch-and-bound of our own on HiGHS's linear relaxations.

Rows and columns are those that `opt_istn.verifier` builds from the instance; a solved relaxation's
dual values, rounded to integers, are a leaf of the tree that it checks. Users are proven one by
one, several at a time; their bounds add up. Searches that a folder keeps are taken up again.
"""

import math
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import active_children, get_context, parent_process, resource_tracker
from pathlib import Path
from typing import Any

from formulations.push.proof import written
from formulations.push.proof.known import Known, useful
from formulations.push.proof.leaves import SCALE
from formulations.push.proof.tree import Pushes, Search
from formulations.push.proof.written import Proof
from opt_istn import files
from opt_istn.push.instance import Instance, UserProblem
from opt_istn.push.plan import Plan
from opt_istn.runs.nursery.processes import die_with_parent
from opt_istn.solver import Budget
from opt_istn.verifier import User, requests_by_user

_WRITING = 20  # between two writings, times as long as the last one took


@dataclass(frozen=True)
class ProofTask:
    """One user to prove.

    Parameters
    ----------
    fields, requests
        What `User` reads of an instance.
    problem
        The same user as the annealing sees it.
    instance, user
        Hash of the instance and number of the user.
    pushes
        (slot, content) of a plan to begin with; None anneals one.
    path
        File that keeps the search; None keeps nothing.
    """

    fields: dict[str, Any]
    requests: list[list[Any]]
    problem: UserProblem
    instance: str
    user: int
    pushes: Pushes | None = None
    path: Path | None = None


def prove(
    instance: Instance, budget: Budget, plan: Plan | None = None, keep: str | Path | None = None
) -> tuple[dict[str, Any], Plan]:
    """Return a certificate and the best plan known in the end, whose cost its bound may meet.

    Users are proven side by side on `Budget.threads` processes. What the time limit leaves open
    makes the certificate's bound weaker.

    Parameters
    ----------
    plan
        A feasible plan to begin with; None anneals one. It need not be good: nodes are split in
        the order of their bounds, so that those above the optimum are never looked into.
    keep
        Folder that keeps the searches, made if need be: killed and started again, they go on.

    Raises
    ------
    InputError
        If the folder cannot be used, or keeps the searches of something else.
    """
    tasks = tasks_of(instance, plan, keep)
    deadline = None if budget.time_s is None else time.monotonic() + budget.time_s
    waiting = [math.ceil((len(tasks) - u) / budget.threads) for u in range(len(tasks))]
    with _workers(budget.threads) as pool:
        with _unheard():
            found = pool.map(_shared, tasks, [deadline] * len(tasks), waiting)
        proofs = list(found)
    return certificate(instance, proofs), plan_of(instance, proofs)


@contextmanager
def _workers(number: int) -> Iterator[ProcessPoolExecutor]:
    """Yield processes that are ended at once if the proof is given up, as after an interrupt.

    They could not hear of it before HiGHS or a round of annealing returns. What they keep on disk
    is whole at any time. If this process is killed, they are, too.
    """
    others, finished = set(active_children()), False
    with ProcessPoolExecutor(number, get_context("spawn"), die_with_parent) as pool:
        try:
            yield pool
            finished = True
        finally:
            if not finished:
                for process in set(active_children()) - others:
                    process.terminate()


@contextmanager
def _unheard() -> Iterator[None]:
    """Let processes that are started now never hear of an interrupt: who started them ends them."""
    resource_tracker.ensure_running()  # its own start would let them hear again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def tasks_of(instance: Instance, plan: Plan | None, keep: str | Path | None) -> list[ProofTask]:
    """Return the users of an instance."""
    if keep is not None:
        _make(keep)
    document = instance.document()
    rows = requests_by_user(document)
    tasks = []
    for u in range(instance.num_users):
        fields = {"release": document["release"]}
        fields |= {key: [document[key][u]] for key in ("cache_size", "roi", "link_up")}
        problem = instance.user(u)
        known = None if plan is None else useful(problem, plan, u)
        path = None if keep is None else written.path_of(keep, u)
        tasks.append(ProofTask(fields, rows[u], problem, instance.sha256, u, known, path))
    return tasks


def certificate(instance: Instance, proofs: list[Proof]) -> dict[str, Any]:
    """Return the certificate that users' proofs add up to."""
    return {
        "format": "opt-istn/certificate",
        "version": 1,
        "instance": instance.sha256,
        "kind": "dual-tree",
        "claim": {"bound": sum(x.bound_us for x in proofs)},
        "users": [{"denominator": x.denominator, "tree": x.tree} for x in proofs],
    }


def plan_of(instance: Instance, proofs: list[Proof]) -> Plan:
    """Return the best plan that the proofs know."""
    push = [(u, f, slot) for u, x in enumerate(proofs) for slot, f in x.pushes]
    return Plan(instance.sha256, tuple(sorted(push)))


def _shared(task: ProofTask, deadline: float | None, waiting: int) -> Proof:
    """Prove a user in one of `waiting` equal parts of the time to the deadline."""
    now, end = time.monotonic(), deadline
    if end is not None:
        end = now + max(end - now, 0) / waiting
    return prove_task(task, lambda: end is not None and time.monotonic() >= end)


def prove_task(task: ProofTask, expired: Callable[[], bool]) -> Proof:
    """Prove a user, or go on with what is kept of it."""
    began = time.process_time()
    kept = None if task.path is None else written.read(task.path, task.instance, task.user)
    plans = [] if task.pushes is None else [task.pushes]
    plans += [] if kept is None else [tuple(kept.pushes)]
    known = Known(task.problem, plans, 0 if kept is None else kept.relaxations)
    if kept is not None and kept.bound == known.cost_us:
        return kept.proof()
    user = User(task.fields, 0, task.requests)
    if not user.positions:
        return _nothing_to_gain(user)
    search = Search(user, known.cost_us, began)
    if kept is not None and task.path is not None:
        written.resume(search, kept, task.path)
    keeper = None if task.path is None else _Keeper(task, task.path, search, known.pushes)
    parent = parent_process()

    def over() -> bool:
        """Whether to stop: time is up, or the command that started this process is gone."""
        return expired() or (parent is not None and not parent.is_alive())

    def pause() -> None:
        known.help(search)
        if keeper is not None:
            keeper.pause()

    first = known.pushes
    search.run(over, pause)
    proof = written.proof_of(search, first)
    if keeper is not None:
        keeper.end(proof)
    return proof


def _nothing_to_gain(user: User) -> Proof:
    return Proof(user.base, (), user.base, 1, ["least"])


class _Keeper:
    """Writes a search down so rarely that it costs little, so often that a kill loses little.

    Parameters
    ----------
    path
        Where to.
    pushes
        Of the plan that the search began with.
    """

    def __init__(self, task: ProofTask, path: Path, search: Search, pushes: Pushes) -> None:
        self.task, self.path, self.search, self.pushes = task, path, search, pushes
        self.written = self.took = 0.0

    def pause(self) -> None:
        """Write if the search went on for long enough."""
        if time.process_time() - self.written >= _WRITING * self.took:
            self.write()

    def write(self) -> None:
        """Write the tree as it stands."""
        began = time.process_time()
        self.keep(written.proof_of(self.search, self.pushes, (SCALE,)))
        self.written = time.process_time()
        self.took = self.written - began

    def end(self, proof: Proof) -> None:
        """Write what a search ended with."""
        if proof.bound_us < proof.cost_us:
            self.write()  # with fewer digits, leaves that are closed might be open again
        else:
            self.keep(proof)

    def keep(self, proof: Proof) -> None:
        """Write what is proven."""
        rows = self.search.relaxation.added()
        written.write(self.path, self.task.instance, self.task.user, proof, rows)


def _make(folder: str | Path) -> None:
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise files.unusable("cannot be written", error, folder) from None
