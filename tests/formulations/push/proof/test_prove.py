"""Proofs of PUSH: the relaxation is that of the other engines, and leaves prove what it says."""

import json

import numpy as np
import pytest

from formulations.push.mip import highs, matrix
from formulations.push.proof.leaves import SCALE, Leaf
from formulations.push.proof.prove import prove
from formulations.push.proof.relaxation import Relaxation
from formulations.push.proof.tree import Search, leaves
from opt_istn import Budget, verifier
from opt_istn.push import evaluate
from opt_istn.push.instance import Instance
from opt_istn.push.random import random_push
from opt_istn.push.scenario import PRESETS, generate
from opt_istn.testing import push
from tests.proving import prove_user


def users_of(instance: Instance) -> list[verifier.User]:
    document = json.loads(json.dumps(instance.document()))
    rows = verifier.requests_by_user(document)
    return [verifier.User(document, u, rows[u]) for u in range(instance.num_users)]


@pytest.mark.parametrize("seed", range(8))
def test_relaxation_equals_the_matrix_of_the_profile_formulation(seed: int) -> None:
    """Two descriptions of the program, written apart, have the same optimum over the reals."""
    instance = random_push(
        np.random.default_rng(seed), num_users=2, num_contents=12, num_slots=8, num_requests=60
    )
    for u, user in enumerate(users_of(instance)):
        if not user.positions:
            continue
        relaxation = Relaxation(user)
        assert relaxation.solve() == "optimal"
        engine = highs.load(matrix.profile(instance.user(u)), integer=False)
        engine.run()
        expected = engine.getInfo().objective_function_value
        assert relaxation.value() == pytest.approx(expected, abs=1e-3)


def test_a_user_of_the_paper_is_proven() -> None:
    """From a plan that pushes nothing, the optimum of a user is found and proven."""
    instance = generate(PRESETS["push-paper"], 0, "paper")
    user = users_of(instance)[4]
    proof = prove_user(user, user.base)
    assert proof.bound_us == 26_891_595
    assert proof.cost_us == proof.bound_us
    assert proof.pushes
    assert proof.bound_us == verifier.user_bound(user, proof.tree, proof.denominator)


def test_a_stopped_proof_proves_less() -> None:
    """Without time the certificate is one of the relaxation: weaker, and still accepted."""
    for index in range(3):
        instance = push.draw(17, index)
        certificate, plan = prove(instance, Budget(time_s=1e-9))
        document = json.loads(json.dumps(instance.document()))
        bound = verifier.check(document, json.loads(json.dumps(certificate)))["bound"]
        judged = evaluate(instance, plan)
        assert judged.cost is not None
        assert bound <= push.truth(instance).cost <= judged.cost


def test_an_empty_leaf_shows_that_it_is_empty() -> None:
    """Answers that contradict each other leave no point, and the ray that says so is checked."""
    user = next(x for x in users_of(generate(PRESETS["push-paper"], 0, "paper")) if x.positions)
    relaxation = Relaxation(user)
    first = next(i for i, name in enumerate(relaxation.questions) if name[0] == "pushed")
    _, _, content = relaxation.questions[first]
    twins = [i for i, name in enumerate(relaxation.questions) if name[::2] == ("pushed", content)]
    assert len(twins) > 1
    answers = tuple((number, 1) for number in twins[:2])  # pushed twice: against ONCE
    relaxation.fix(answers)
    assert relaxation.solve() == "infeasible"
    leaf, bound = relaxation.leaf(answers, infeasible=True)
    assert np.isinf(bound)
    path = [(a, user.question(list(relaxation.questions[number]))) for number, a in answers]
    assert verifier.leaf_bound(user, relaxation.rows.tree(leaf, answers), path, 1) is None


def test_leaves_prove_what_the_verifier_says() -> None:
    """One product of integers, and beyond 64 bits none, says of every leaf what the verifier does.

    So it does with multipliers rounded to any denominator.
    """
    instance = random_push(
        np.random.default_rng(3), num_users=2, num_contents=12, num_slots=8, num_requests=60
    )
    for user in users_of(instance):
        search = Search(user, user.base)
        search.run(lambda: False)
        assert search.root is not None
        rows, names = search.relaxation.rows, search.relaxation.questions
        for node in leaves(search.root):
            path = [(answer, user.question(list(names[i]))) for i, answer in node.answers]
            times = 2**61 // int(max(node.leaf.y.max(), *node.leaf.answered, 1))
            answered = tuple(y * times for y in node.leaf.answered)
            huge = Leaf(node.leaf.empty, node.leaf.rows, node.leaf.y * times, answered)
            some = [(node.leaf.scaled(scale), scale) for scale in (1, 64, 4096, SCALE)]
            for leaf, scale in [*some, (huge, SCALE)]:
                tree = rows.tree(leaf, node.answers)
                expected = verifier.leaf_bound(user, tree, path, scale)
                assert rows.bound(leaf, node.answers, scale) == expected
