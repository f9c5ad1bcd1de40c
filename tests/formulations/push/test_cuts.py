"""Rows that relaxations violate: no plan does, and all their descriptions are the same."""

import json

import numpy as np
import pytest
from pyomo.repn import generate_standard_repn

from formulations.push.labels.solver import Labels
from formulations.push.mip import cuts, highs, interval, matrix
from formulations.push.mip.highs import Highs
from formulations.push.mip.lp import certified
from formulations.push.mip.root import known_columns, tighten
from opt_istn import Budget, Status, verifier
from opt_istn.push.evaluate import lifetimes
from opt_istn.push.instance import Instance, UserProblem
from opt_istn.push.random import random_push


def drawn(seed: int, **changes: object) -> Instance:
    """Draw a user whose relaxation is violated by rows of both families, more often than not."""
    given = {"num_contents": 14, "num_slots": 9, "num_requests": 80, "cache_sizes": (2, 4)}
    return random_push(np.random.default_rng(seed), num_users=1, link_up=0.9, **(given | changes))


def separated(problem: UserProblem) -> tuple[cuts.Columns, list[cuts.Name]]:
    """Return the columns and the rows of three rounds of separation."""
    program, columns, names = matrix.profile(problem), matrix.columns_of(problem), []
    engine = highs.load(program, integer=False)
    for _ in range(3):
        engine.run()
        found = cuts.violated(
            columns.point(np.array(engine.getSolution().col_value)), columns.places
        )
        if found:
            rows, upper = columns.rows(found)
            lower = np.full(len(upper), -np.inf)
            entries = rows.indptr[:-1].astype(np.int32), rows.indices.astype(np.int32), rows.data
            engine.addRows(len(upper), lower, upper, rows.nnz, *entries)
            names += found
    return columns, names


def canonical(problem: UserProblem, pushes: list[tuple[int, int]], columns: cuts.Columns):
    """Return a plan's canonical point, by the definition alone: pushes are (slot, content)."""
    x, slots, pushes = columns.claims, columns.num_slots, list(pushes)
    while True:
        lives = lifetimes(pushes, problem.cache_size)
        ends = {}
        for f, (first, end) in lives.items():
            served = np.flatnonzero(problem.weight[f, first : int(min(end, slots))])
            if len(served):
                ends[first, f] = first + int(served[-1])
        if len(ends) == len(pushes):
            break
        pushes = list(ends)
    claim, kept, reach = np.zeros(len(x.start)), [], []
    numbers = {
        key: j
        for j, key in enumerate(
            zip(x.start.tolist(), x.content.tolist(), x.end.tolist(), strict=True)
        )
    }
    for (s, f), e in ends.items():
        claim[numbers[s, f, e]] = 1
    last = [
        max((e for p, e in ends.items() if p <= (s, f)), default=-1)
        for s, f in zip(x.slot.tolist(), x.item.tolist(), strict=True)
    ]
    found = np.zeros(int(columns.latest.max()) + 1)
    pair = 0
    for p, (s, f) in enumerate(zip(x.slot.tolist(), x.item.tolist(), strict=True)):
        for k in range(s + 1, int(x.horizon[p]) + 1):
            end = ends.get((s, f), -1)
            kept.append(float(end >= 0 and last[p] >= k > end))
            reach.append((columns.latest[pair], float(last[p] >= k)))
            pair += 1
    for number, value in reach:
        found[number] = value  # all positions that share the variable agree on it
    assert all(found[number] == value for number, value in reach)
    return np.concatenate([claim, kept, found])


def plans(
    problem: UserProblem, rng: np.random.Generator, count: int
) -> list[list[tuple[int, int]]]:
    """Draw plans: every content in a random slot of its own, or never."""
    drawn_plans = []
    for _ in range(count):
        share, plan = rng.random(), []
        for f in range(len(problem.content)):
            options = np.flatnonzero(problem.pushable[f])
            if len(options) and rng.random() < share:
                plan.append((int(rng.choice(options)), f))
        drawn_plans.append(plan)
    return drawn_plans


@pytest.mark.parametrize("block", range(6))
def test_no_plan_violates_a_separated_row(block: int) -> None:
    """Canonical points of random plans satisfy every row that is separated, and some are tight."""
    rows = tight = 0
    for seed in range(10 * block, 10 * block + 10):
        problem = drawn(seed).user(0)
        columns, names = separated(problem)
        if not names:
            continue
        table, upper = columns.rows(names)
        program, rng = matrix.profile(problem), np.random.default_rng(seed)
        for plan in plans(problem, rng, 40):
            point = canonical(problem, plan, columns)
            assert (program.matrix @ point <= program.upper).all()  # the rows of the formulation
            slack = upper - table @ point
            assert slack.min() >= 0, [names[i] for i in np.flatnonzero(slack < 0)]
            tight += int((slack == 0).sum())
        rows += len(names)
    assert rows > 20
    assert tight > 200


def test_rows_are_those_that_the_verifier_builds() -> None:
    """Name by name the verifier's row has the same coefficients; what it adds is 0 in all plans."""
    seen = set()
    for seed in range(12):
        instance = drawn(seed)
        problem, document = instance.user(0), json.loads(json.dumps(instance.document()))
        user = verifier.User(document, 0, verifier.requests_by_user(document)[0])
        columns, names = separated(problem)
        x, number = columns.claims, problem.content.tolist()
        label = [
            ("z", s, number[f], e)
            for s, f, e in zip(x.start.tolist(), x.content.tolist(), x.end.tolist(), strict=True)
        ]
        pairs = [
            (p, k)
            for p in range(len(x.slot))
            for k in range(int(x.slot[p]) + 1, int(x.horizon[p]) + 1)
        ]
        label += [("kept", int(x.slot[p]), number[x.item[p]], k) for p, k in pairs]
        reach = {}
        for i, (p, k) in enumerate(pairs):
            (variable,) = user.reach((int(x.slot[p]), number[x.item[p]]), k)
            assert reach.setdefault(int(columns.latest[i]), variable) == variable
        label += [reach[i] for i in range(len(reach))]
        beyond = {
            ("kept", int(x.slot[p]), number[x.item[p]], k)
            for p in range(len(x.slot))
            for k in range(int(x.horizon[p]) + 1, columns.num_slots)
        }
        table, upper = columns.rows(names) if names else (None, None)
        for i, name in enumerate(names):
            row = dict(user.row(list(cuts.renamed(name, number))))
            constant = row.pop(verifier.ONE, 0)
            found = {label[j]: v for j, v in zip(table[i].indices, table[i].data, strict=True) if v}
            assert {k: v for k, v in row.items() if v and k not in beyond} == found
            assert -constant == upper[i]
            seen.add(name[0])
    assert seen == {"LEAVE", "COVER_GIVEN"}


def test_tightening_keeps_every_plan_as_good_as_the_known_one() -> None:
    """The root's bound is above the optimum, and the optimum is inside the columns it leaves."""
    fixed = closed = 0
    for seed in range(20):
        problem = drawn(seed).user(0)
        program, columns = matrix.profile(problem), matrix.columns_of(problem)
        full = highs.load(program)
        full.run()
        best = round(-full.getInfo().objective_function_value)
        engine = highs.load(program, integer=False)
        root = tighten(engine, program, columns, best, Budget().start())
        assert root.saved_us is not None
        assert root.saved_us >= best
        left = highs.load(root.program, binary_reach=True)
        left.run()
        assert round(-left.getInfo().objective_function_value) == best
        fixed += int((root.program.most == 0).sum())
        closed += root.saved_us == best
    assert fixed > 500
    assert closed > 2


def test_columns_are_fixed_only_where_the_bound_says_so() -> None:
    """A column is fixed if its other end lowers the bound below what is known, and not before."""
    reduced = np.array([5, 4, 0, -4, -5])
    least, most = known_columns(reduced, 100, 96)
    assert least.tolist() == [1, 0, 0, 0, 0]
    assert most.tolist() == [1, 1, 1, 1, 0]


@pytest.mark.parametrize("scale", [0, 1, 1000])
def test_any_prices_bound(scale: int) -> None:
    """Random prices of all rows, separated ones too, prove a bound that no plan is above."""
    for seed in (0, 1, 2, 3, 4, 5):
        problem = drawn(seed).user(0)
        columns, names = separated(problem)
        if not names:
            continue
        program, rng = matrix.profile(problem), np.random.default_rng(seed)
        extra, upper = columns.rows(names)
        gain = np.zeros(columns.width, dtype=np.int64)
        gain[: len(columns.claims.gain)] = columns.claims.gain
        table = matrix.sparse.vstack([program.matrix, extra]).tocsc()
        prices = rng.integers(0, scale + 1, table.shape[0]).astype(float)
        bound, _ = certified(table, np.append(program.upper, upper), gain, prices)
        best = max(gain @ canonical(problem, plan, columns) for plan in plans(problem, rng, 20))
        assert bound >= best


def test_pyomo_shows_the_rows_of_the_matrix() -> None:
    """Each named row of the Pyomo model is the matrix's: same columns, factors and right side."""
    seen = set()
    for seed in range(6):
        problem = drawn(seed).user(0)
        columns, names = separated(problem)
        x, number = columns.claims, problem.content.tolist()
        if not names:
            continue
        model = interval.build_user(problem, None, [cuts.renamed(name, number) for name in names])
        assert all(variable.is_binary() for variable in model.reach.values())
        label = [
            model.z[number[f], s, e]
            for f, s, e in zip(x.content.tolist(), x.start.tolist(), x.end.tolist(), strict=True)
        ]
        label += list(model.kept.values())
        label += list(model.reach.values())
        table, upper = columns.rows(names)
        for i, name in enumerate(names):
            row = getattr(model, name[0])[cuts.renamed(name, number)[1:]]
            written = generate_standard_repn(row.body - row.upper)
            pairs = zip(written.linear_vars, written.linear_coefs, strict=True)
            entries = zip(table[i].indices, table[i].data, strict=True)
            assert {id(v): c for v, c in pairs if c} == {id(label[j]): v for j, v in entries if v}
            assert -written.constant == upper[i]
            seen.add(name[0])
    assert seen == {"LEAVE", "COVER_GIVEN"}


def agree(seed: int) -> int:
    """Compare `highs` with the rows to `labels` on a middle instance; return the nodes it took."""
    given = {"num_contents": 25, "num_slots": 10, "num_requests": 120, "cache_sizes": (2, 6)}
    instance = drawn(10_000 + seed, **given, delays_us=(1, 1_000_000))
    expected = Labels().solve(instance, Budget(), 0)
    found = Highs().solve(instance, Budget(), 0)
    assert expected.status == found.status == Status.OPTIMAL
    assert expected.cost == expected.bound == found.cost == found.bound
    return int(found.detail["work"])


def test_rows_keep_the_optimum_of_labels() -> None:
    """`highs` with separated rows proves what `labels` proves, on middle instances."""
    for seed in range(3):
        agree(seed)


@pytest.mark.slow
def test_rows_keep_the_optimum_of_labels_on_300_instances() -> None:
    """The same on three hundred, of which many need a search."""
    assert sum(agree(seed) > 1 for seed in range(3, 303)) > 20
