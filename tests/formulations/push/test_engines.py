"""The exact PUSH engines against brute force and against each other, in integers."""

from dataclasses import replace

import highspy
import numpy as np
import pyomo.environ as pyo
import pytest

from formulations.push import users
from formulations.push.mip import highs, interval, literal, matrix
from opt_istn import registry
from opt_istn.files import InputError
from opt_istn.push.evaluate import evaluate
from opt_istn.push.instance import Instance
from opt_istn.push.random import random_push
from opt_istn.solver import Budget, Status
from tests import oracles_push

MODELS = ("push.interval", "push.highs", "push.cpsat")
# registered methods that claim optimality; each is checked against brute force
EXACT = ["push.labels", "push.forward", *MODELS, "push.literal"]
LONG = ("push.interval", "push.highs", "push.literal")  # tens of milliseconds an instance
# the same methods with other formulations, and SCIP, on the files that are exported
VARIANTS = [
    ("push.highs", {"fifo": "big-m"}),
    ("push.cpsat", {"fifo": "big-m"}),
    ("push.cpsat", {"presolve": "true"}),
    ("push.scip", {}),
]
MAX_PLANS = 3000  # assignments of one user that brute force tries


def tiny(seed: int) -> Instance:
    """Return a random instance that brute force can enumerate."""
    rng = np.random.default_rng(seed)
    while True:
        instance = random_push(
            rng,
            num_users=int(rng.integers(1, 3)),
            num_contents=int(rng.integers(1, 9)),
            num_slots=int(rng.integers(1, 7)),
            cache_sizes=(1, int(rng.integers(1, 6))),
            num_requests=int(rng.integers(1, 14)),
            freshness=float(rng.uniform(0.2, 0.9)),
            link_up=float(rng.choice([0.6, 0.9, 1.0])),
            delays_us=(1, 20) if seed % 2 else (140_000, 1_000_000),
        )
        document = instance.document()
        if sum(oracles_push.plans(document, u) for u in range(instance.num_users)) <= MAX_PLANS:
            return instance


def crowded(seed: int) -> Instance:
    """Return an instance where most pushes share few slots, so that the order in a slot decides."""
    rng = np.random.default_rng(seed)
    instance = random_push(
        rng,
        num_users=1,
        num_contents=6,
        num_slots=4,
        cache_sizes=(1, 3),
        num_requests=16,
        freshness=0.3,
        link_up=1.0,
        in_roi=1.0,
    )
    up = np.zeros(4, dtype=bool)
    up[rng.choice(4, 2, replace=False)] = True
    return replace(instance, link_up=up[None, :])


def solve(name, instance, **parameters):
    solver = registry.make(name, "push", parameters)
    assert solver.supports(instance) is None
    return solver.solve(instance, Budget(), 0)


def check(name, instance, expected, **parameters):
    claims = solve(name, instance, **parameters)
    assert (claims.status, claims.cost, claims.bound) == (Status.OPTIMAL, expected, expected)
    judged = evaluate(instance, claims.plan)
    assert judged.violations == ()
    assert judged.cost == expected


def against_brute_force(make, seeds, every):
    """Check the fast engines on every instance, and those that take long on one of `every`."""
    for seed in seeds:
        instance = make(seed)
        expected = oracles_push.optimum(instance.document())
        for i, name in enumerate(EXACT):
            if name not in LONG or (seed + i) % every == 0:
                check(name, instance, expected)


@pytest.mark.parametrize("make", [tiny, crowded])
@pytest.mark.parametrize("block", range(3))
def test_all_engines_equal_brute_force(make, block):
    """Every exact engine returns the integer that enumerating all plans returns."""
    against_brute_force(make, range(block * 30, block * 30 + 30), every=3)


@pytest.mark.slow
@pytest.mark.parametrize("make", [tiny, crowded])
def test_engines_equal_brute_force_on_more(make):
    """So they do on more than three times as many instances, those that take long on each."""
    against_brute_force(make, range(300), every=1)


@pytest.mark.parametrize(("name", "parameters"), VARIANTS)
def test_variants_equal_brute_force(name, parameters):
    """An engine's other formulations return the same integer."""
    for seed in range(60):
        instance = crowded(1000 + seed) if seed % 2 else tiny(1000 + seed)
        check(name, instance, oracles_push.optimum(instance.document()), **parameters)


def middling(seed: int) -> Instance:
    """Return an instance beyond brute force."""
    return random_push(
        np.random.default_rng(seed),
        num_users=2,
        num_contents=25,
        num_slots=10,
        cache_sizes=(2, 4),
        num_requests=90,
        delays_us=(140_000, 1_000_000),
    )


@pytest.mark.parametrize("seed", [0, *(pytest.param(x, marks=pytest.mark.slow) for x in (1, 2))])
def test_strong_engines_agree_beyond_brute_force(seed):
    """Interval models in Pyomo, as matrices and on CP-SAT prove the same integer."""
    instance = middling(seed)
    expected = solve("push.cpsat", instance).cost
    for name in set(EXACT) - {"push.literal"}:
        check(name, instance, expected)
    for name, parameters in VARIANTS:
        check(name, instance, expected, **parameters)


def test_profile_relaxation_is_tighter():
    """The LP relaxation of the profile formulation is never below that of big-M rows."""
    tighter = 0
    for seed in range(10):
        problem = middling(seed).user(0)
        relaxed = []
        for program in (matrix.big_m(problem), matrix.profile(problem)):
            engine = highs.load(program, integer=False)
            engine.run()
            relaxed.append(engine.getInfo().objective_function_value)
        assert relaxed[1] >= relaxed[0] - 1e-3
        tighter += relaxed[1] > relaxed[0] + 1
    assert tighter >= 5


def test_pyomo_and_matrix_are_the_same_model():
    """Both have the same columns and, written out in Pyomo, no row of the matrix is missing."""
    problem = middling(0).user(0)
    program, model = matrix.profile(problem), interval.build_user(problem)
    requests = program.served.shape[0]
    assert model.nvariables() == program.matrix.shape[1] + requests
    assert model.nconstraints() >= program.matrix.shape[0] + requests


def test_trivial_bound_and_replay():
    """The trivial bound is below every optimum, and replaying a plan costs what the judge says."""
    for seed in range(40):
        instance = tiny(seed)
        claims = solve("push.highs", instance)
        problems = [instance.user(u) for u in range(instance.num_users)]
        assert sum(map(users.relaxed_bound, problems)) <= claims.cost
        for u, problem in enumerate(problems):
            index = {f: i for i, f in enumerate(problem.content.tolist())}
            pushes = tuple((index[f], slot) for v, f, slot in claims.plan.push if v == u)
            alone = replace(instance, requests=instance.requests[instance.requests[:, 0] == u])
            plan = replace(claims.plan, instance=alone.sha256)
            assert users.delay_us(problem, pushes) == evaluate(alone, plan).cost


@pytest.mark.parametrize("name", [*MODELS, "push.scip"])
def test_spent_budget_leaves_a_valid_bound(name):
    """Without time, users are skipped or unproven; plan and bound stay valid."""
    instance = middling(0)
    best = solve("push.highs", instance).cost
    claims = registry.make(name, "push", {}).solve(instance, Budget(time_s=1e-6), 0)
    assert claims.status == Status.FEASIBLE
    assert claims.bound <= best <= claims.cost == evaluate(instance, claims.plan).cost
    assert claims.detail["users_proven"] == 0


def test_partial_results_are_kept():
    """Users proven before the work ran out count, the others are listed with their gaps."""
    instance = middling(0)

    def first_only(task):
        if task.user == 0:
            return highs.Highs()._user(task)
        return users.UserResult()

    full = solve("push.highs", instance)
    claims = users.solve(instance, first_only, Budget(), 0, "test")
    assert claims.status == Status.FEASIBLE
    assert claims.detail["users_proven"] == 1
    problem = instance.user(1)
    gap = problem.base_us - users.relaxed_bound(problem)
    assert claims.detail["unproven"] == f"1:{gap}"
    assert claims.bound <= full.cost <= claims.cost


def test_work_is_shared_and_carried_on():
    """Each user may use an equal share of the work that is left."""
    instance = middling(0)
    shares = []

    def counting(task):
        shares.append(task.budget.work)
        return users.UserResult(work=2 if task.user == 0 else task.budget.work)

    users.solve(instance, counting, Budget(work=10), 0, "test")
    assert shares == [5, 8]


def test_no_users_and_no_requests():
    """Without anything to decide the empty plan is optimal."""
    for num_users in (0, 2):
        instance = random_push(np.random.default_rng(0), num_users=num_users, num_requests=0)
        for name in EXACT:
            check(name, instance, 0)


@pytest.mark.parametrize("model", [literal, interval])
@pytest.mark.parametrize("suffix", [".mps", ".lp"])
def test_exported_model_has_the_same_optimum(model, suffix, tmp_path):
    """HiGHS reads the written file, all users in one model, and finds the same optimum."""
    instance = tiny(7)
    path = tmp_path / f"model{suffix}"
    model.export(instance, path)
    engine = highspy.Highs()
    engine.silent()
    engine.readModel(str(path))
    engine.run()
    assert round(engine.getInfo().objective_function_value) == solve("push.highs", instance).cost


def test_export_refuses_other_suffixes(tmp_path):
    """A suffix that is neither MPS nor LP is named as the mistake."""
    with pytest.raises(InputError, match=r"\.mps or \.lp"):
        literal.export(tiny(7), tmp_path / "model.txt")


def test_literal_model_names_the_constraints():
    """Each user's block carries the paper's constraint names."""
    model = literal.build(middling(0))
    names = {row.local_name for row in model.user[1].component_objects(pyo.Constraint)}
    fifo = {"FIFO_COUNT", "FIFO_INSERTED", "FIFO_EVICTED"}
    assert names == {"C1", "C2", "C3", "MODE_AVAILABLE", "DIRECT_NEEDS_CACHE", *fifo}


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("push.literal", "max_rows"),
        ("push.interval", "max_columns"),
        ("push.highs", "max_columns"),
        ("push.cpsat", "max_columns"),
        ("push.scip", "max_columns"),
    ],
)
def test_models_that_are_too_large_are_refused(name, limit):
    """The refusal says how large the model would be."""
    solver = registry.make(name, "push", {limit: "10"})
    assert "more than 10" in solver.supports(middling(0))
