"""The judge of PUSH plans on cases small enough to work out by hand."""

import time
from dataclasses import replace

import numpy as np
import pytest

from opt_istn.files import InputError
from opt_istn.push.evaluate import evaluate, lifetimes
from opt_istn.push.expected import expected_instance
from opt_istn.push.instance import ABSENT, MAX_DELAY_US, Instance
from opt_istn.push.plan import Plan
from opt_istn.push.plan import read as read_plan
from opt_istn.push.scenario import PRESETS, generate

MISS = 1_000_000


def build(requests, num_contents=4, num_slots=6, **changes):
    """Return one user's instance; every miss takes one second from the ground."""
    fields = {
        "name": "hand",
        "num_slots": num_slots,
        "slot_s": 10.0,
        "cache_size": [2],
        "release": np.zeros(num_contents),
        "cluster": np.zeros(num_contents),
        "roi": np.ones((1, num_contents)),
        "link_up": np.ones((1, num_slots)),
        "requests": np.reshape([[0, f, t, ABSENT, ABSENT, MISS] for f, t in requests], (-1, 6)),
    }
    return Instance(**(fields | changes))


def cost(instance, *pushes):
    """Return the number of misses of the plan with these (content, slot)."""
    judged = evaluate(instance, Plan(instance.sha256, tuple((0, f, t) for f, t in pushes)))
    assert judged.feasible
    return judged.cost // MISS


def test_nothing_pushed():
    """Without pushes every request costs its fastest mode."""
    assert cost(build([(0, 0), (1, 3), (0, 5)])) == 3


def test_a_push_serves_from_its_slot_on():
    """Requests before the push miss; in its slot and after it they hit."""
    assert cost(build([(0, 1), (0, 2), (0, 5)]), (0, 2)) == 1


def test_the_oldest_goes_first():
    """With two places the third content evicts the first, although that was just used."""
    instance = build([(0, 2), (0, 3), (1, 3), (2, 3)])
    assert cost(instance, (0, 0), (1, 1), (2, 3)) == 1


def test_eviction_before_the_slot_is_served():
    """A push takes effect before the requests of its slot, and so does the eviction."""
    assert cost(build([(0, 2)], cache_size=[1]), (0, 0), (1, 2)) == 1
    assert cost(build([(0, 1)], cache_size=[1]), (0, 0), (1, 2)) == 0


def test_order_inside_a_slot():
    """Pushes of a slot enter by increasing content: of three in two places the least is lost."""
    instance = build([(0, 1), (1, 1), (2, 1)])
    assert cost(instance, (2, 1), (0, 1), (1, 1)) == 1
    assert cost(build([(1, 1), (2, 1)]), (2, 1), (0, 1), (1, 1)) == 0


def test_eviction_inside_a_slot_reaches_older_contents():
    """Several pushes in a slot first evict what is older, then each other."""
    instance = build([(3, 0), (3, 1), (0, 1), (1, 1), (2, 1)])
    assert cost(instance, (3, 0), (0, 1), (1, 1)) == 2
    assert cost(instance, (3, 0), (0, 1), (1, 1), (2, 1)) == 2


def test_lifetimes():
    """The (i + L)-th insertion ends the life of the i-th; the last ones stay."""
    lived = lifetimes([(0, 5), (3, 1), (3, 2), (4, 0)], 2)
    assert lived == {5: (0, 3), 1: (3, 4), 2: (3, float("inf")), 0: (4, float("inf"))}


def test_terms():
    """Delay, D, hit ratio and modes of a plan with hits and misses of each mode."""
    requests = [
        [0, 0, 0, 100, 50, MISS],
        [0, 1, 0, 100, 500, MISS],
        [0, 2, 1, ABSENT, ABSENT, MISS],
        [0, 3, 1, ABSENT, 700, MISS],
    ]
    instance = replace(build([]), requests=requests)
    judged = evaluate(instance, Plan(instance.sha256, ((0, 3, 0),)))
    assert judged.cost == 50 + 100 + MISS
    assert judged.modes == {"direct": 1, "access": 1, "collab": 1, "ground": 1}
    assert judged.hit_ratio == 0.25
    assert judged.mean_delay_s == pytest.approx(0.2500375)
    assert judged.d_log2 == pytest.approx(np.log2(1.2500375))
    assert judged.pushes == 1


def test_no_requests():
    """Without requests there is no mean, and nothing to pay."""
    instance = build([])
    judged = evaluate(instance, Plan(instance.sha256, ((0, 0, 0),)))
    assert (judged.cost, judged.mean_delay_s, judged.d_log2, judged.hit_ratio) == (
        0,
        None,
        None,
        None,
    )


@pytest.mark.parametrize(
    ("pushes", "reason"),
    [
        ([(0, 1, 0)], "before it exists"),
        ([(0, 2, 3)], "outside the region of interest"),
        ([(0, 0, 2)], "link of user 0 is down in slot 2"),
        ([(0, 0, 0), (0, 0, 1)], "content 0 is pushed twice to user 0 (C3)"),
        ([(1, 0, 0)], "outside (1, 4, 6)"),
        ([(0, 4, 0)], "outside (1, 4, 6)"),
        ([(0, 0, 6)], "outside (1, 4, 6)"),
        ([(0, 0, -1)], "outside (1, 4, 6)"),
    ],
)
def test_violations(pushes, reason):
    """An infeasible plan has a reason and no cost."""
    changes = {
        "release": [0, 1, 1, 1],
        "roi": [[1, 1, 0, 1]],
        "link_up": [[1, 1, 0, 1, 1, 1]],
    }
    instance = build([(0, 5)], **changes)
    judged = evaluate(instance, Plan(instance.sha256, tuple(pushes)))
    assert judged.cost is None
    assert any(reason in text for text in judged.violations)


def test_users_do_not_share_a_cache():
    """A push to one user neither serves nor evicts for another."""
    two = build([], cache_size=[1, 1], roi=np.ones((2, 4)), link_up=np.ones((2, 6)))
    requests = [[u, 0, 3, ABSENT, ABSENT, MISS] for u in (0, 1)]
    instance = replace(two, requests=requests)
    judged = evaluate(instance, Plan(instance.sha256, ((0, 0, 0), (1, 1, 1))))
    assert judged.cost == MISS


def test_plan_of_another_instance():
    """A plan made for another instance is refused."""
    with pytest.raises(InputError, match="expected a plan for"):
        evaluate(build([(0, 0)]), Plan(build([(0, 1)]).sha256, ()))


def test_plan_round_trip(tmp_path):
    """A written plan is read back; a push that is not a triple is named."""
    path = tmp_path / "plan.json"
    plan = Plan(build([]).sha256, ((0, 1, 2), (0, 0, 0)))
    plan.write(path)
    assert read_plan(path) == plan
    path.write_text(path.read_text().replace("[0,1,2]", "[0,1]"))
    with pytest.raises(InputError, match=r"push\[0\]"):
        read_plan(path)


def test_judging_is_linear_in_users():
    """Four thousand users with forty thousand pushes are judged in a second or two of CPU."""
    users, contents = 4000, 10
    rows = [[u, f, 1, ABSENT, ABSENT, 1000] for u in range(users) for f in range(contents)]
    instance = Instance(
        name="crowd",
        num_slots=2,
        slot_s=1.0,
        cache_size=np.full(users, 3),
        release=np.zeros(contents),
        cluster=np.zeros(contents),
        roi=np.ones((users, contents), dtype=bool),
        link_up=np.ones((users, 2), dtype=bool),
        requests=np.array(rows),
    )
    plan = Plan(instance.sha256, tuple((u, f, 0) for u in range(users) for f in range(contents)))
    begin = time.process_time()
    judged = evaluate(instance, plan)
    assert time.process_time() - begin < 4.0  # user by user over all pushes it took ten times that
    assert judged.cost == users * (contents - 3) * 1000


def test_expected_delay_is_a_term_of_feasible_plans_with_a_law():
    """`terms` has the expected delay, drawn once for an instance; None where no law is known."""
    instance = generate(PRESETS["push-tiny"], 2, "push-tiny")
    plan = Plan(instance.sha256, ())
    expected = evaluate(instance, plan).terms()["expected_us"]
    assert expected == expected_instance(instance).base_us
    assert expected_instance(instance) is expected_instance(instance)
    for scenario in ({}, {"law": {}, "seed": 1}, {**instance.scenario, "seed": None}):
        other = replace(instance, scenario=scenario)
        assert evaluate(other, plan).terms()["expected_us"] is None
    wrong = Plan(instance.sha256, ((0, 0, 0), (0, 0, 0)))
    assert evaluate(instance, wrong).terms()["expected_us"] is None


def test_a_slot_with_one_request_counts_like_any_other():
    """Hit ratios are means over slots: one of one, and none of two, make a half."""
    instance = build([(0, 1), (1, 2), (2, 2)])
    judged = evaluate(instance, Plan(instance.sha256, ((0, 0, 0),)))
    assert judged.hit_ratio == 0.5


def test_means_are_exact():
    """A million and 150 microseconds over four requests, to the last digit."""
    requests = [[0, f, f, ABSENT, ABSENT, us] for f, us in enumerate((50, 99, 1, MISS))]
    instance = replace(build([]), requests=requests)
    assert evaluate(instance, Plan(instance.sha256, ())).mean_delay_s == 1_000_150 / 4 / 1e6


def test_what_is_absent_is_never_the_fastest():
    """Not even where the ground takes as long as anything can."""
    instance = replace(build([]), requests=[[0, 0, 0, ABSENT, ABSENT, MAX_DELAY_US]])
    modes = evaluate(instance, Plan(instance.sha256, ())).modes
    assert modes == {"direct": 0, "access": 0, "collab": 0, "ground": 1}


def test_two_faults_are_told():
    """A second push of a content, and the first other fault; or the first two of those."""
    instance = build([], release=[0, 0, 2, 3], roi=[[1, 0, 1, 1]])
    told = [
        "content 0 is pushed twice to user 0 (C3)",
        "content 1 is outside the region of interest of user 0",
        "content 2 is pushed in slot 1, before it exists",
        "content 3 is pushed in slot 1, before it exists",
    ]
    other = ((0, 1, 1), (0, 2, 1), (0, 3, 1))
    for pushes, expected in (
        (((0, 0, 0), (0, 0, 1), *other), told[:2]),
        (other, told[1:3]),
        (((0, 0, 0), other[2]), told[3:]),
        (((0, 0, 0), (0, 0, 1)), told[:1]),
    ):
        judged = evaluate(instance, Plan(instance.sha256, pushes))
        assert list(judged.violations) == expected
        assert (judged.pushes, judged.no_push_us) == (len(pushes), 0)


def test_what_was_judged_is_no_part_of_the_verdict():
    """Two verdicts are equal if their numbers are, and printing one prints no instance."""
    one, other = build([(0, 1)]), build([(1, 1)])
    first, second = (evaluate(x, Plan(x.sha256, ((0, 2, 0),))) for x in (one, other))
    assert first == second
    assert (first.instance, first.plan) != (second.instance, second.plan)
    assert "Instance" not in repr(first)
    assert "Plan" not in repr(first)


def test_whose_plan_it_is_is_told():
    """By the first twelve digits of both hashes."""
    one, other = build([(0, 0)]), build([(0, 1)])
    with pytest.raises(InputError) as caught:
        evaluate(one, Plan(other.sha256, ()))
    rule = f"expected a plan for {one.sha256[:12]} (sha256), found one for {other.sha256[:12]}"
    assert str(caught.value) == f"instance: {rule}"
