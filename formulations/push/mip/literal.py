"""PUSH as the paper writes it, in Pyomo: one binary per push slot and mode, FIFO by big-M.

The reference that is meant to be read, over all contents, slots and modes of every user; for sizes
beyond toys use `formulations.push.mip.interval`. Names follow the paper: C1 (domains), C2 (one mode
per request), C3 (one push slot per content, or never). What the paper leaves implicit is spelled
out: ``FIFO_*`` (what is in the cache), ``DIRECT_NEEDS_CACHE`` and ``MODE_AVAILABLE``.

``p[f, l]`` pushes f in slot l; slot T is "never". ``inserted[l]`` counts the pushes up to slot l.
``cached[r]`` = 1 only if the content of request r is in the cache in its slot t: it was pushed in
some slot l <= t, and at most L - 1 contents entered after it, those of slot l with a larger
number and all of l+1..t. One row per request and l says so, relaxed by a big-M where l is not the
push slot; M is the number of different contents that could enter then.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyomo.environ as pyo

from formulations import exporting, highs_engine
from formulations.highs_engine import in_time
from formulations.push import users
from formulations.push.mip import modelling
from formulations.push.mip.highs import PROOF, refused
from formulations.push.users import UserResult, UserTask
from opt_istn.push.instance import ABSENT, MODES, Instance
from opt_istn.solver import Budget, Claims

DIRECT = "direct"


def build(
    instance: Instance, only: int | None = None, budget: Budget | None = None
) -> pyo.ConcreteModel:
    """Return the model of `instance`: a block ``user[u]`` for each user, or for user `only`.

    Raises
    ------
    OutOfTimeError
        If the budget's time is up before.
    """
    model = pyo.ConcreteModel(name=exporting.title(instance.name, instance.sha256))
    model.USERS = pyo.Set(initialize=range(instance.num_users) if only is None else [only])
    model.user = pyo.Block(model.USERS, rule=lambda block, u: _user(block, instance, u, budget))
    model.DELAY = pyo.Objective(expr=pyo.quicksum(model.user[u].delay for u in model.USERS))
    return model


export = exporting.exporter(build)


@dataclass(frozen=True)
class Literal:
    """HiGHS on the paper's model, word for word. `Budget.work` limits the nodes of HiGHS.

    Parameters
    ----------
    max_rows
        Instances with a user who needs more FIFO rows are refused.
    """

    max_rows: int = 50_000
    stochastic = False
    kind = "exact"
    knows = "requests"

    def supports(self, instance: Instance) -> str | None:
        """Refuse models and delays that are too large, and a wrong HiGHS."""
        rows = _fifo_rows(instance)
        if rows > self.max_rows:
            return f"a user's model would have {rows} FIFO rows, more than {self.max_rows}"
        return refused(instance)

    def prepare(self) -> None:
        """Nothing to do: the engine is imported with this module."""

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        """Build and solve user by user, with both gaps at 0, and read the push slots off p."""
        highs_engine.check()

        def method(task: UserTask) -> UserResult:
            model = partial(build, instance, task.user, task.budget)
            return modelling.solve(model, task, _pushes)

        return users.solve(instance, method, budget, seed, PROOF)


def _user(block: Any, instance: Instance, user: int, budget: Budget | None) -> None:
    """Fill the block of one user."""
    rows = instance.requests[instance.requests[:, 0] == user]
    block.F = pyo.RangeSet(0, instance.num_contents - 1)
    block.T = pyo.RangeSet(0, instance.num_slots - 1)
    block.R = pyo.RangeSet(0, len(rows) - 1)
    block.MODES = pyo.Set(initialize=[DIRECT, *MODES])
    never = instance.num_slots

    # C1: all decisions are binary, and f can be pushed in l only where that is possible
    block.p = pyo.Var(block.F, pyo.RangeSet(0, never), domain=pyo.Binary)
    block.mode = pyo.Var(block.R, block.MODES, domain=pyo.Binary)
    block.cached = pyo.Var(block.R, domain=pyo.Binary)
    pushable = instance.pushable(user)

    def c1(b: Any, f: int, slot: int) -> Any:
        return pyo.Constraint.Skip if pushable[f, slot] else b.p[f, slot] == 0

    block.C1 = pyo.Constraint(block.F, block.T, rule=c1)
    block.C3 = pyo.Constraint(
        block.F, rule=lambda b, f: pyo.quicksum(b.p[f, slot] for slot in range(never + 1)) == 1
    )
    _add_modes(block, rows[:, 3:].tolist())
    watch = partial(in_time, budget)
    _add_cache(block, rows[:, 1:3].tolist(), pushable, int(instance.cache_size[user]), watch)


def _add_modes(block: Any, delays: list[list[int]]) -> None:
    """Add how requests are served: C2, MODE_AVAILABLE, DIRECT_NEEDS_CACHE, and the delay."""
    given = [dict(zip(MODES, row, strict=True)) for row in delays]
    block.C2 = pyo.Constraint(
        block.R, rule=lambda b, r: pyo.quicksum(b.mode[r, m] for m in b.MODES) == 1
    )
    block.MODE_AVAILABLE = pyo.Constraint(
        block.R,
        pyo.Set(initialize=MODES),
        rule=lambda b, r, m: b.mode[r, m] <= int(given[r][m] != ABSENT),
    )
    block.DIRECT_NEEDS_CACHE = pyo.Constraint(
        block.R, rule=lambda b, r: b.mode[r, DIRECT] <= b.cached[r]
    )
    block.delay = pyo.Expression(
        expr=pyo.quicksum(
            given[r][m] * block.mode[r, m] for r in block.R for m in MODES if given[r][m] != ABSENT
        )
    )


def _add_cache(block: Any, asked: list[list[int]], pushable: Any, size: int, watch: Any) -> None:
    """Add what is in the cache: FIFO_COUNT, FIFO_INSERTED and FIFO_EVICTED."""
    block.inserted = pyo.Var(block.T, domain=pyo.NonNegativeReals)

    def count(b: Any, slot: int) -> Any:
        before = b.inserted[slot - 1] if slot else 0
        return b.inserted[slot] == before + pyo.quicksum(b.p[f, slot] for f in b.F)

    def inserted(b: Any, r: int) -> Any:
        f, t = asked[r]
        return b.cached[r] <= pyo.quicksum(b.p[f, slot] for slot in range(t + 1))

    def evicted(b: Any, r: int, slot: int) -> Any:
        f, t = asked[r]
        if slot > t or not pushable[f, slot]:
            return pyo.Constraint.Skip
        could_enter = pushable[:, slot + 1 : t + 1].any(axis=1)
        could_enter[f + 1 :] |= pushable[f + 1 :, slot]
        big = int(could_enter.sum()) - (size - 1)
        if big <= 0:
            return pyo.Constraint.Skip
        in_slot = pyo.quicksum(b.p[g, slot] for g in b.F if g > f)
        entered = in_slot + b.inserted[t] - b.inserted[slot]
        return entered <= size - 1 + big * (2 - b.p[f, slot] - b.cached[r])

    block.FIFO_COUNT = pyo.Constraint(block.T, rule=watch(count))
    block.FIFO_INSERTED = pyo.Constraint(block.R, rule=watch(inserted))
    block.FIFO_EVICTED = pyo.Constraint(block.R, block.T, rule=watch(evicted))


def _pushes(model: pyo.ConcreteModel, task: UserTask) -> users.Pushes:
    """Read the push slots off p; a push that can save nothing is left out."""
    p = model.user[task.user].p
    num_slots = task.problem.weight.shape[1]
    return tuple(
        (index, slot)
        for index, f in enumerate(task.problem.content.tolist())
        for slot in range(num_slots)
        if (p[f, slot].value or 0.0) > 0.5
    )


def _fifo_rows(instance: Instance) -> int:
    """Return the largest number of FIFO_EVICTED rows of a user."""
    spans = instance.requests[:, 2] - instance.release[instance.requests[:, 1]] + 1
    per_user = np.bincount(instance.requests[:, 0], weights=spans, minlength=1)
    return int(per_user.max())
