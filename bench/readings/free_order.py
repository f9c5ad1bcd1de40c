"""The optimum of PUSH if the pushes of a slot could enter the cache in any order.

That is another problem, solved here only to say what the order of the contract (increasing f) is
worth. If the order is free, the contents of a slot that have to stay longest go in last. So a set
of claims (content f, pushed in s, serving its requests up to e) fits a cache of L places if, for
every s and e with such a claim, the claims of slot s that end at e or later and the claims of the
slots s+1..e are together at most L.
"""

from collections import defaultdict

import numpy as np
from ortools.sat.python import cp_model

from opt_istn.push.instance import Instance

LIMIT_S = 120.0


class UnprovenError(RuntimeError):
    """The limit ended a proof."""


def optimum_us(instance: Instance) -> int:
    """Return the least total delay with a free order inside slots, in microseconds.

    Raises
    ------
    UnprovenError
        If a user takes longer than `LIMIT_S`.
    """
    return sum(_user_us(instance, user) for user in range(instance.num_users))


def _user_us(instance: Instance, user: int) -> int:
    wanted, allowed = _delays_us(instance, user), instance.pushable(user)
    model, places = cp_model.CpModel(), int(instance.cache_size[user])
    pushed, ending = defaultdict(list), defaultdict(list)  # by slot; by slot and end
    there = defaultdict(list)  # claims by each slot in which their content has to be in the cache
    gains = []
    for f, slots in wanted.items():
        mine = []
        for s in np.flatnonzero(allowed[f]).tolist():
            for e in (t for t in slots if t >= s):
                claim = model.new_bool_var("")
                gains.append(sum(us for t, us in slots.items() if s <= t <= e) * claim)
                mine.append(claim)
                pushed[s].append(claim)
                for slot in range(s, e + 1):
                    there[slot].append(claim)
                ending[s, e].append(claim)
        model.add_at_most_one(mine)
    for (s, e), claims in ending.items():
        some = model.new_bool_var("")
        for claim in claims:
            model.add_implication(claim, some)
        stay = [x for (slot, end), many in ending.items() if slot == s and end >= e for x in many]
        later = [x for slot in range(s + 1, e + 1) for x in pushed[slot]]
        model.add(sum(stay) + sum(later) <= places).only_enforce_if(some)
    for claims in there.values():  # implied, and what makes the linear relaxation tight
        model.add(sum(claims) <= places)
    model.maximize(sum(gains))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.cp_model_presolve = False  # 9.15 has wrong optima with it
    solver.parameters.max_time_in_seconds = LIMIT_S
    if solver.solve(model) != cp_model.OPTIMAL:
        raise UnprovenError(f"{instance.name}, user {user}: no proof after {LIMIT_S:g} s")
    total = sum(us for slots in wanted.values() for us in slots.values())
    return total - round(solver.objective_value)


def _delays_us(instance: Instance, user: int) -> dict[int, dict[int, int]]:
    """Return what each request of a user costs as a miss, by content and slot."""
    mine = instance.requests[:, 0] == user
    wanted: dict[int, dict[int, int]] = defaultdict(dict)
    rows = instance.requests[mine, 1:3].tolist()
    for (f, t), delay in zip(rows, instance.miss_us[mine].tolist(), strict=True):
        wanted[f][t] = delay
    return wanted
