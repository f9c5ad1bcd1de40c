"""PUSH as an interval model in Pyomo, a block per user: the strong model, meant to be read.

Columns and rows are explained, with a proof that they are exact, in
`formulations.push.mip.intervals`.
Positions are written (s, f): insertions are ordered by slot s, in a slot by content f.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyomo.environ as pyo

from formulations import exporting, highs_engine
from formulations.highs_engine import in_time
from formulations.push import users
from formulations.push.mip import matrix, modelling
from formulations.push.mip.cuts import Name, renamed
from formulations.push.mip.highs import PROOF, refused, root_of
from formulations.push.mip.intervals import list_intervals, refusal
from formulations.push.mip.starts import annealed
from formulations.push.moves import touch
from formulations.push.users import UserResult, UserTask
from opt_istn.push.instance import Instance, UserProblem
from opt_istn.solver import Budget, Claims

_Claim = tuple[int, int, int]  # content, first and last slot
_Reach = dict[tuple[int, int, int], Any]  # reach by slot, content and k
_Watch = Callable[[Callable[..., Any]], Callable[..., Any]]  # makes a rule give up in time


def build(instance: Instance) -> pyo.ConcreteModel:
    """Return the model of `instance`: a block ``user[u]`` for each user; contents as in the files.

    Contents that cannot save a user anything have no columns in the user's block.
    """
    model = pyo.ConcreteModel(name=exporting.title(instance.name, instance.sha256))
    model.USERS = pyo.RangeSet(0, instance.num_users - 1)
    model.user = pyo.Block(model.USERS, rule=lambda block, u: fill(block, instance.user(u)))
    model.DELAY = pyo.Objective(expr=pyo.quicksum(model.user[u].delay for u in model.USERS))
    return model


def build_user(
    problem: UserProblem, budget: Budget | None = None, names: Sequence[Name] | None = None
) -> pyo.ConcreteModel:
    """Return the model of one user; `OutOfTimeError` if the budget's time is up before.

    Parameters
    ----------
    names
        As in `fill`.
    """
    model = pyo.ConcreteModel()
    fill(model, problem, budget, names)
    model.DELAY = pyo.Objective(expr=model.delay)
    return model


export = exporting.exporter(build)


@dataclass(frozen=True)
class OnIntervals:
    """What engines on the interval model in Pyomo have in common.

    Parameters
    ----------
    max_columns
        Instances with a user whose model has more columns are refused; Pyomo needs a few kB for
        each.
    """

    max_columns: int = 300_000
    stochastic = False
    kind = "exact"
    knows = "requests"


@dataclass(frozen=True)
class Interval(OnIntervals):
    """HiGHS on the interval model in Pyomo. `Budget.work` limits the nodes of HiGHS.

    Parameters
    ----------
    rows
        Whether reach is binary, and the rows LEAVE and COVER_GIVEN that the relaxation violates are
        added before the search.
    """

    rows: bool = True

    def supports(self, instance: Instance) -> str | None:
        """Refuse models and delays that are too large, and a wrong HiGHS."""
        return refused(instance) or refusal(instance, self.max_columns)

    def prepare(self) -> None:
        """Compile the annealing; the engine is imported with this module."""
        touch()

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        """Build and solve user by user, with both gaps at 0, and read the pushes off the claims."""
        highs_engine.check()
        return users.solve(instance, self._user, budget, seed, PROOF)

    def _user(self, task: UserTask) -> UserResult:
        problem = task.problem

        def model() -> pyo.ConcreteModel:
            if not self.rows:
                return build_user(problem, task.budget)
            with highs_engine.alone():
                found = root_of(task, matrix.profile(problem), annealed(task))
            numbers = problem.content.tolist()
            names = [renamed(name, numbers) for name in found.names]
            return build_user(problem, task.budget, names)

        return modelling.solve(model, task, pushes_of)


def fill(
    block: Any,
    problem: UserProblem,
    budget: Budget | None = None,
    names: Sequence[Name] | None = None,
) -> None:
    """Fill the block of one user.

    Parameters
    ----------
    names
        Of rows LEAVE and COVER_GIVEN to add, contents as in the files; with a list, be it empty,
        reach is binary.
    """
    watch = partial(in_time, budget)
    claims = _add_variables(block, problem, binary=names is not None)
    ends: dict[tuple[int, int], list[int]] = defaultdict(list)
    for f, s, e in claims:
        ends[s, f].append(e)

    def beyond(b: Any, s: int, f: int, k: int) -> Any:
        return pyo.quicksum(b.z[f, s, e] for e in ends[s, f] if e >= k)

    block.pushed = pyo.Expression(block.POSITIONS, rule=lambda b, s, f: beyond(b, s, f, s))
    block.hold = pyo.Expression(
        block.PAIRS, rule=watch(lambda b, s, f, k: beyond(b, s, f, k) + b.kept[s, f, k])
    )
    _add_packing(block, problem.cache_size, watch)
    latest = _latest(block)
    _add_order(block, watch, latest)
    _add_separated(block, problem.cache_size, watch, latest, names or ())
    _add_served(block, list(claims), watch)
    saved = pyo.quicksum(gain * block.z[claim] for claim, gain in claims.items())
    block.delay = pyo.Expression(expr=problem.base_us - saved)


def _add_variables(block: Any, problem: UserProblem, *, binary: bool) -> dict[_Claim, int]:
    """Add sets and variables, reach as integers if `binary`; return the gain of each claim."""
    x, number = list_intervals(problem), problem.content.tolist()
    items = [number[f] for f in x.content.tolist()]
    claims = list(zip(items, x.start.tolist(), x.end.tolist(), strict=True))
    positions = [(s, number[f]) for s, f in zip(x.slot.tolist(), x.item.tolist(), strict=True)]
    horizon = dict(zip(positions, x.horizon.tolist(), strict=True))
    pairs = [(s, f, k) for s, f in positions for k in range(s + 1, horizon[s, f] + 1)]
    last: dict[tuple[int, int], int] = {}
    for f, s, e in claims:
        last[s, f] = max(e, last.get((s, f), e))

    block.F = pyo.Set(initialize=number)
    block.T = pyo.RangeSet(0, problem.weight.shape[1] - 1)
    block.CLAIMS = pyo.Set(dimen=3, initialize=claims)  # (f, s, e)
    block.POSITIONS = pyo.Set(dimen=2, initialize=positions)  # (s, f), in order of insertion
    block.PAIRS = pyo.Set(dimen=3, initialize=pairs)
    own = [(s, f, k) for s, f, k in pairs if k <= last[s, f]]
    block.OWN = pyo.Set(dimen=3, initialize=own)  # a reach may begin here
    block.REQUESTS = pyo.Set(dimen=2, initialize=sorted({(f, e) for f, s, e in claims}))
    block.z = pyo.Var(block.CLAIMS, domain=pyo.Binary)
    block.kept = pyo.Var(block.PAIRS, bounds=(0, 1))
    block.reach = pyo.Var(block.OWN, domain=pyo.Binary if binary else pyo.UnitInterval)
    block.served = pyo.Var(block.REQUESTS, domain=pyo.Binary)
    return dict(zip(claims, x.gain.tolist(), strict=True))


def _add_packing(block: Any, size: int, watch: _Watch) -> None:
    """Add ONCE (C3) and COVER: what is held in a slot fits into the cache."""

    def cover(b: Any, k: int) -> Any:
        held = [b.pushed[s, f] for s, f in b.POSITIONS if s == k]
        held += [b.hold[s, f, k] for s, f in b.POSITIONS if (s, f, k) in b.PAIRS]
        return pyo.quicksum(held) <= size if len(held) > size else pyo.Constraint.Skip

    block.ONCE = pyo.Constraint(
        block.F, rule=lambda b, f: pyo.quicksum(b.pushed[p] for p in b.POSITIONS if p[1] == f) <= 1
    )
    block.COVER = pyo.Constraint(block.T, rule=watch(cover))


def _before(block: Any) -> dict[tuple[int, int], tuple[int, int]]:
    """Return the position before each but the first."""
    positions = list(block.POSITIONS)
    return dict(zip(positions[1:], positions, strict=False))


def _latest(block: Any) -> _Reach:
    """Return the latest reach at or before each position: an `own` one, or that of the one before.

    A content that is not requested in slot k or later cannot make a claim that reaches k.
    """
    before = _before(block)
    latest: _Reach = {}
    for s, f, k in block.PAIRS:
        previous = (*before.get((s, f), (s, f)), k)
        latest[s, f, k] = block.reach[s, f, k] if (s, f, k) in block.OWN else latest[previous]
    return latest


def _add_order(block: Any, watch: _Watch, last: _Reach) -> None:
    """Add REACH, CARRY and FIFO: an insertion is held as long as any before it."""
    before = _before(block)
    slots: dict[int, list[int]] = defaultdict(list)
    for s, f in block.POSITIONS:
        slots[f].append(s)

    def reach(b: Any, s: int, f: int, k: int) -> Any:
        twins = [b.hold[t, f, k] for t in slots[f] if t <= s and (t, f, k) in b.PAIRS]
        return b.reach[s, f, k] >= pyo.quicksum(twins)

    def carry(b: Any, s: int, f: int, k: int) -> Any:
        previous = (*before.get((s, f), (s, f)), k)
        if (s, f) not in before or previous not in b.PAIRS:
            return pyo.Constraint.Skip
        return b.reach[s, f, k] >= last[previous]

    def fifo(b: Any, s: int, f: int, k: int) -> Any:
        previous = (*before.get((s, f), (s, f)), k)
        if (s, f) not in before or previous not in b.PAIRS:
            return pyo.Constraint.Skip
        twins = [t for t in slots[f] if s <= t < k]
        dropped = pyo.quicksum(b.pushed[t, f] - b.hold[t, f, k] for t in twins)
        return last[previous] + dropped <= 1

    block.REACH = pyo.Constraint(block.OWN, rule=watch(reach))
    block.CARRY = pyo.Constraint(block.OWN, rule=watch(carry))
    block.FIFO = pyo.Constraint(block.PAIRS, rule=watch(fifo))


def _add_separated(
    block: Any, size: int, watch: _Watch, latest: _Reach, names: Sequence[Name]
) -> None:
    """Add the rows LEAVE and COVER_GIVEN with these names, as `intervals` writes them."""

    def reach(s: int, f: int, k: int) -> Any:
        return 1 if k <= s else latest.get((s, f, k), 0)

    def hold(b: Any, s: int, f: int, k: int) -> Any:
        if k == s:
            return b.pushed[s, f]
        return b.hold[s, f, k] if (s, f, k) in b.PAIRS else 0

    def leave(b: Any, f: int, first: int, last: int, k: int) -> Any:
        own = [s for s in range(first, last + 1) if (s, f) in b.POSITIONS]
        left = pyo.quicksum(hold(b, s, f, k - 1) - hold(b, s, f, k) for s in own)
        return left <= reach(last, f, k - 1) - reach(first, f, k)

    def cover_given(b: Any, k: int, s: int, f: int, *pairs: int) -> Any:
        boundary, ends = reach(s, f, k), list(zip(pairs[::2], pairs[1::2], strict=True))
        held = [hold(b, t, g, k) for t, g in b.POSITIONS if (t, g) <= (s, f)]
        room = size * boundary
        for t, g in ends:
            after = [(slot, g) for slot in range(s, t + 1) if (slot, g) in b.POSITIONS]
            held += [hold(b, slot, g, k) for slot, g in after if (slot, g) > (s, f)]
            room += reach(t, g, k) - boundary
        return pyo.quicksum(held) <= room

    families: dict[str, Callable[..., Any]] = {"LEAVE": leave, "COVER_GIVEN": cover_given}
    for family, rule in families.items():
        index = [name[1:] for name in names if name[0] == family]
        rows = pyo.Constraint(pyo.Set(dimen=None, initialize=index), rule=watch(rule))
        block.add_component(family, rows)


def _add_served(block: Any, claims: list[_Claim], watch: _Watch) -> None:
    """Add SERVED: which requests hit, to branch on."""
    spans: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for f, s, e in claims:
        spans[f].append((s, e))

    def served(b: Any, f: int, k: int) -> Any:
        return b.served[f, k] == pyo.quicksum(b.z[f, s, e] for s, e in spans[f] if s <= k <= e)

    block.SERVED = pyo.Constraint(block.REQUESTS, rule=watch(served))


def pushes_of(model: pyo.ConcreteModel, task: UserTask) -> users.Pushes:
    """Read the pushes off the chosen claims."""
    index = {f: i for i, f in enumerate(task.problem.content.tolist())}
    return tuple((index[f], s) for f, s, e in model.CLAIMS if (model.z[f, s, e].value or 0.0) > 0.5)
