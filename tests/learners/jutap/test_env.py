"""The JUTAP environments against the evaluator, Gymnasium's checker and each other."""

from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from formulations.jutap.labels import Labels
from learners.jutap.env import Flights, JutapEnv
from opt_istn import Budget, InputError
from opt_istn.jutap.evaluate import evaluate
from opt_istn.jutap.flights.table import (
    FREQUENCIES,
    features_of,
    greedy,
    rewarded,
    strongest,
    table_of,
    value_iteration,
)
from opt_istn.jutap.graph import start_state
from opt_istn.jutap.instance import HoleBonus, Instance
from opt_istn.jutap.plan import Plan
from opt_istn.jutap.scenario import MILLION, PRESETS, generate
from opt_istn.jutap.starts import judge
from opt_istn.testing.jutap import CostKind, random_jutap


@pytest.fixture(scope="module")
def tiny() -> Instance:
    return generate(replace(PRESETS["jutap-tiny"], kappa=1.25), 1)


@pytest.fixture(scope="module")
def paper() -> Instance:
    return generate(PRESETS["jutap-paper"], 0)


def fly(env: JutapEnv, rng: np.random.Generator) -> tuple[Plan, int, float, bool]:
    """Fly at random from START; return plan, summed cost, summed reward, and whether it ended."""
    x = env.table.instance
    _, info = env.reset(options={"cell": x.start})
    cells, links, cost, reward, over = [info["cell"]], [info["link"]], 0, 0.0, False
    ended = False
    while not over:
        action = rng.choice(np.flatnonzero(info["action_mask"]))
        _, earned, ended, cut, info = env.step(action)
        cells, links = [*cells, info["cell"]], [*links, info["link"]]
        cost, reward, over = cost + info["cost"], reward + earned, ended or cut
    return Plan(x.sha256, tuple(cells), tuple(links)), cost, reward, ended


@pytest.mark.parametrize("seed", range(40))
def test_rollouts_cost_what_the_evaluator_says(seed: int) -> None:
    """Minus the summed objective reward of a random flight is the evaluator's integer cost."""
    rng = np.random.default_rng(seed)
    bonus: HoleBonus = "once" if seed % 2 else "printed"
    costs: CostKind = "cyclic" if seed % 4 == 1 else "paper"
    options: dict[str, Any] = {"costs": costs, "hole_bonus": bonus, "start_in_hole": seed % 3 == 1}
    for _ in range(100):  # draws until there is something to fly
        x = random_jutap(rng, budget="none", no_fly=0.1, association="strongest", **options)
        x = replace(x, start_link=int(x.strongest[x.start]))
        env = JutapEnv(x, max_steps=60)
        if x.start != x.end and x.start in env.table.cell[env.table.starts]:
            break
    plan, cost, reward, ended = fly(env, rng)
    assert len(plan.cells) > 1
    judged = evaluate(env.table.instance, plan)
    assert judged.cost == cost == round(-reward * MILLION)
    assert (not judged.violations) == ended


def test_values_know_a_bonus_that_counts_once() -> None:
    """Value iteration and labels, which share no code, agree where a bonus counts once."""
    for seed in range(3):
        x = generate(replace(PRESETS["jutap-paper"], hole_bonus="once", w2=0.6, w1=0.2), seed)
        table = table_of(strongest(x))
        assert table.num_actions == 16
        exact = Labels().solve(table.instance, Budget())
        assert value_iteration(table)[start_state(table.instance)] == exact.cost
        seen = features_of(table, "raw")
        assert seen.shape[1] == 4  # place, GEO, and whether the bonus is spent
        assert set(seen[:, 3].tolist()) == {-1.0, 1.0}


def test_shaping_moves_every_return_by_the_same_amount(paper: Instance) -> None:
    """From one START, shaped and plain returns of flights that end differ by one constant."""
    table = table_of(strongest(paper))
    shaped = rewarded(table, "shaped")
    straight = rewarded(table, "paper")  # another way to fly
    one, other = (greedy(x, value_iteration(x)) for x in (table, straight))
    ways = [judge(table, one), judge(table, other)]
    moved = [judge(shaped, way).cost - x.cost for way, x in zip((one, other), ways, strict=True)]
    assert all(x.success == 1.0 for x in ways)
    assert (ways[0].cost < ways[1].cost).mean() > 0.5
    assert np.array_equal(*moved)
    assert (moved[0] != 0).any()
    assert np.array_equal(judge(table, greedy(shaped, value_iteration(shaped))).cost, ways[0].cost)


def test_paper_reward_is_the_scenario_of_that_name() -> None:
    """Deriving the paper's reward from an instance gives what its scenario generates."""
    scenario = replace(PRESETS["jutap-paper"], association="strongest")
    plain = generate(scenario, 3)
    table = rewarded(table_of(plain), "paper")
    assert table.instance.sha256 == generate(replace(scenario, reward="paper"), 3).sha256


@pytest.mark.parametrize("features", ["raw", "fourier", "onehot"])
@pytest.mark.parametrize("reward", ["objective", "paper", "shaped"])
def test_environment_passes_gymnasiums_checker(tiny: Instance, features: str, reward: str) -> None:
    """`check_env` accepts every variant, with and without the energy penalty."""
    for penalty in (0.0, 2.0):
        env = gymnasium.make(
            "opt-istn/Jutap-v0",
            instance=tiny,
            features=features,
            reward=reward,
            energy_penalty=penalty,
        )
        check_env(env.unwrapped, skip_render_check=True)


def test_seeding_repeats_an_episode(paper: Instance) -> None:
    """The same seed begins in the same cell, and seeds differ."""
    env = JutapEnv(paper)
    cells = [env.reset(seed=seed)[1]["cell"] for seed in (1, 1, 2, 3, 4)]
    assert cells[0] == cells[1]
    assert len(set(cells)) > 2


def test_energy_penalty_is_charged_beyond_the_budget_only(tiny: Instance) -> None:
    """Penalties of a flight sum to the energy over budget, in diagonal moves, times the price."""
    rng = np.random.default_rng(5)
    plain, priced = JutapEnv(tiny), JutapEnv(tiny, energy_penalty=3.0)
    beyond = []
    for _ in range(20):
        plan, cost, reward, _ = fly(priced, rng)
        energy = evaluate(plain.table.instance, plan).energy_mj
        assert energy is not None
        assert tiny.energy_budget_mj is not None
        over = max(energy - tiny.energy_budget_mj, 0)
        assert -reward - cost / MILLION == pytest.approx(3.0 * over / tiny.energy_mj[1])
        beyond.append(over)
    assert max(beyond) > 0


def test_impossible_actions_keep_the_uav_in_place(paper: Instance) -> None:
    """Flying over the border costs the stall price and moves nothing."""
    env = JutapEnv(paper)
    _, info = env.reset(options={"cell": 0})
    shut = np.flatnonzero(info["action_mask"] == 0)
    assert len(shut) >= 10
    _, reward, ended, _, after = env.step(shut[0])
    assert (reward, ended, after["cell"]) == (-env.stall, False, 0)


def test_features_tell_states_apart(paper: Instance) -> None:
    """No two states look the same, and each kind of features has its width."""
    table = table_of(strongest(paper))
    widths = {"raw": 3, "fourier": 3 + 4 * FREQUENCIES, "onehot": 52}
    for kind, width in widths.items():
        seen = features_of(table, kind)  # type: ignore[arg-type]
        assert seen.shape == (table.num_states, width)
        assert len(np.unique(seen, axis=0)) == table.num_states


def test_flights_agree_with_single_episodes(paper: Instance) -> None:
    """A thousand flights at once go where the table says, end at END, and begin anew elsewhere."""
    table = table_of(strongest(paper))
    rng = np.random.default_rng(0)
    flights = Flights(table, 1000, rng, max_steps=40)
    age = np.zeros(1000, dtype=int)
    ends = cuts = 0
    for _ in range(200):
        before = flights.state.copy()
        action = rng.integers(0, table.num_actions, 1000)
        to, cost, ended, cut = flights.step(action)
        valid = table.next[before, action] >= 0
        assert np.array_equal(to, np.where(valid, table.next[before, action], before))
        assert np.array_equal(cost, np.where(valid, table.cost[before, action], 0))
        assert np.array_equal(ended, table.done[to])
        age += 1
        assert np.array_equal(cut, (age >= 40) & ~ended)
        over = ended | cut
        assert np.array_equal(flights.state[~over], to[~over])
        assert np.isin(flights.state[over], table.starts).all()
        age[over] = 0
        ends, cuts = ends + ended.sum(), cuts + cut.sum()
    assert ends > 0
    assert cuts > 0


def test_clear_errors(paper: Instance) -> None:
    """A penalty without a budget, and an unknown first cell, are refused by name."""
    with pytest.raises(InputError, match="energy_budget_mj"):
        JutapEnv(paper, energy_penalty=1.0)
    with pytest.raises(InputError, match="cell"):
        JutapEnv(paper).reset(options={"cell": paper.end})
