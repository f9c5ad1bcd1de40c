"""Policies that look at link states: only this slot's, faded towards the law, and never ahead."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from opt_istn import registry
from opt_istn.push.belief import PERSISTENCE, link_factor
from opt_istn.push.evaluate import evaluate
from opt_istn.push.expected import expected_cost, expected_instance
from opt_istn.push.instance import ABSENT, Instance
from opt_istn.push.link_states import OUTSIDE
from opt_istn.push.play import Game, world_of
from opt_istn.push.scenario import PRESETS, generate
from opt_istn.solver import Budget, Claims

LOOKING = ("push.match", "push.greedy", "push.rolling")
PAPER = replace(PRESETS["push-paper-v2"], link_states=True, num_contents=120)


@cache
def instance() -> Instance:
    """Return an instance that shows its link states."""
    return generate(PAPER, 0, "x")


def with_links(x: Instance, link_us: np.ndarray) -> Instance:
    """Return the instance with other link states, and without requests, which go with them."""
    return replace(x, link_us=link_us, requests=x.requests[:0])


def claims(name: str, x: Instance, **parameters: object) -> Claims:
    solver = registry.make(name, "push", parameters)
    assert solver.supports(x) is None
    return solver.solve(x, Budget(), 0)


def usual(x: Instance) -> np.ndarray:
    """Return link states that are the law's means."""
    world = world_of(x)
    assert world is not None
    ages = [np.arange(x.num_slots - x.release[f]) for mine in x.roi for f in np.flatnonzero(mine)]
    return np.array(world.law.miss_us)[np.concatenate(ages)]


def test_what_is_seen_fades_towards_the_law() -> None:
    """The factor is what is observed now, fades slot by slot, and is 1 where nothing is seen."""
    game = Game(instance())
    for _ in range(6):
        game.step([])
    seen, world = game.observe(), world_of(instance())
    assert world is not None
    assert seen.miss_us is not None
    factor = link_factor(world, seen)
    law = np.array(world.law.miss_us)[6 - seen.release]
    inside = seen.miss_us != OUTSIDE
    np.testing.assert_allclose((factor[:, :, 6] * law)[inside], seen.miss_us[inside])
    np.testing.assert_allclose(factor[:, :, 9] - 1, PERSISTENCE**3 * (factor[:, :, 6] - 1))
    assert (factor[:, :, :6] == 1).all()
    assert (factor[~inside] == 1).all()
    with pytest.raises(ValueError, match="link states"):
        link_factor(world, replace(seen, miss_us=None))


@pytest.mark.parametrize("name", LOOKING)
def test_links_that_are_as_usual_change_nothing(name: str) -> None:
    """Where every miss costs the law's mean, who looks decides like who does not."""
    x = with_links(instance(), usual(instance()))
    plans = [claims(name, x, links=links).plan for links in (False, True)]
    assert plans[0] == plans[1]
    assert len(plans[0].push) > 20


@pytest.mark.parametrize("name", LOOKING)
def test_looking_changes_plans(name: str) -> None:
    """Plans differ from those of the blind, are feasible, and those of planners cost less.

    Cost is expected over requests. `match` scores preferences, not delays: of it nothing is said.
    """
    x = instance()
    blind, looking = (claims(name, x, links=links).plan for links in (False, True))
    assert blind != looking
    assert evaluate(x, looking).feasible
    if name != "push.match":
        assert expected_cost(x, looking) < expected_cost(x, blind)


@pytest.mark.parametrize("name", LOOKING)
def test_links_to_come_are_not_seen(name: str) -> None:
    """Other link states from slot 9 on move no push before it."""
    x = with_links(instance(), instance().link_us)
    slots = np.concatenate(
        [np.arange(x.release[f], x.num_slots) for mine in x.roi for f in np.flatnonzero(mine)]
    )
    other = with_links(x, np.where(slots >= 9, 3 * x.link_us, x.link_us))
    plans = [claims(name, y, links=True).plan.push for y in (x, other)]
    early = [[push for push in plan if push[2] < 9] for plan in plans]
    assert early[0] == early[1]
    assert plans[0] != plans[1]


@pytest.mark.parametrize("name", LOOKING)
def test_instances_without_link_states_are_refused(name: str) -> None:
    """In a sentence, and only if they are to be looked at."""
    x = generate(PRESETS["push-tiny-v2"], 0, "x")
    solvers = {links: registry.make(name, "push", {"links": links}) for links in (False, True)}
    assert solvers[False].supports(x) is None
    assert solvers[False].knows == "law"
    assert "link states" in str(solvers[True].supports(x))
    assert solvers[True].knows == "law, link states"
    solvers[True].prepare()


def test_foresight_of_delays_is_told_apart() -> None:
    """Plans on the law's delays are best by the law, and those that know the actual ones by them.

    The delays of the expected requests are those means and those delays, request by request.
    """
    x = generate(replace(PRESETS["push-tiny-v2"], num_contents=20), 3, "x")
    plans = {d: claims("push.expected", x, delays=d).plan for d in ("actual", "law")}
    for own, other in (("actual", "law"), ("law", "actual")):
        priced = replace(expected_instance(x, own), name="y")
        costs = [evaluate(priced, replace(plans[d], instance=priced.sha256)).cost for d in plans]
        mine = costs[list(plans).index(own)]
        assert mine == min(costs), (own, other)
    world = world_of(x)
    assert world is not None
    found = expected_instance(x, "law").requests
    age = found[:, 2] - x.release[found[:, 1]]
    probability = found[:, -1] / np.array(world.law.miss_us)[age]
    assert (found[:, 3:5] == ABSENT).all()
    assert (probability <= 1).all()
