"""JUTAP agents: value iteration, tabular Q-learning and DQN against the exact methods."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from formulations.jutap.labels import Labels
from formulations.jutap.value_iteration import ValueIteration
from learners import agent
from learners.agent import of_seed
from learners.jutap.dqn import PROFILES, Buffer, Dqn, DqnAgent, DqnCourse, network
from learners.jutap.qlearning import QAgent, QLearning
from opt_istn import Budget, InputError, Status, registry
from opt_istn.jutap.evaluate import evaluate
from opt_istn.jutap.flights.table import greedy, rewarded, strongest, table_of, value_iteration
from opt_istn.jutap.instance import Instance
from opt_istn.jutap.scenario import MILLION, PRESETS, generate
from opt_istn.jutap.starts import judge, split
from opt_istn.testing.jutap import draw, random_jutap
from opt_istn.training import Task


def ignore(share: float, text: str) -> None:
    """Report nothing."""


def task_of(instance: Instance) -> Task:
    return Task("jutap", instance.name, instance=instance)


@pytest.fixture(scope="module")
def tiny() -> Instance:
    return generate(PRESETS["jutap-tiny"], 1, "tiny")


@pytest.mark.parametrize("index", range(110))
def test_value_iteration_is_the_label_setter(index: int) -> None:
    """Without an energy budget both prove the same integer, or that there is no way to END."""
    x = replace(draw(7, index), energy_budget_mj=None)
    by_labels = Labels().solve(x, Budget(), 0)
    by_values = ValueIteration().solve(x, Budget(), 0)
    if by_labels.status == Status.UNBOUNDED:
        assert by_values.status == Status.NO_PLAN
        return
    assert (by_values.status, by_values.bound) == (by_labels.status, by_labels.bound)
    if by_values.plan is not None:
        judged = evaluate(x, by_values.plan)
        assert not judged.violations
        assert judged.cost == by_values.cost


@pytest.mark.parametrize("index", range(60))
def test_value_iteration_bounds_budgets(index: int) -> None:
    """With an energy budget its bound holds, and it is exact where its walk keeps the budget."""
    x = draw(7, index)
    by_labels = Labels().solve(x, Budget(), 0)
    by_values = ValueIteration().solve(x, Budget(), 0)
    if by_values.plan is not None:
        assert evaluate(x, by_values.plan).feasible
        assert (by_values.status, by_values.bound) == (by_labels.status, by_labels.bound)
    elif by_values.bound is not None and by_labels.bound is not None:
        assert by_values.status == Status.BOUND_ONLY
        assert by_values.bound <= by_labels.bound


@pytest.mark.parametrize("seed", range(40))
def test_converged_q_learning_is_exact(seed: int, tmp_path: Path) -> None:
    """Tabular Q-learning, the label setter and value iteration agree on random maps."""
    rng = np.random.default_rng(seed)
    for _ in range(100):  # draws until there is something to fly
        x = random_jutap(rng, budget="none", association="strongest", grid=3)
        x = replace(x, start_link=int(x.strongest[x.start]))
        exact = Labels().solve(x, Budget(), 0)
        if exact.status == Status.OPTIMAL and x.start != x.end:
            break
    assert exact.status == Status.OPTIMAL
    out = tmp_path / "q.pt"
    QLearning(steps=40_000, flights=200, epsilon=1.0).train(task_of(x), seed, out, ignore)
    flown = QAgent(out).solve(x, Budget(), seed)
    assert flown.cost == exact.cost == ValueIteration().solve(x, Budget(), 0).cost


def test_exact_policies_have_no_gap_over_all_starts() -> None:
    """Following value iteration greedily costs the optimum from every START."""
    table = table_of(strongest(generate(PRESETS["jutap-paper"], 2)))
    judged = judge(table, greedy(table, value_iteration(table)))
    assert judged.success == 1.0
    assert np.array_equal(judged.cost, judged.optimum)
    assert len(judged.cost) == 624


def test_failures_are_charged_and_counted(tiny: Instance) -> None:
    """A policy that never arrives reaches nothing and is charged every move it flew."""
    table = table_of(strongest(tiny))
    exact = greedy(table, value_iteration(table))
    back = np.array([np.flatnonzero(row >= 0)[0] if (row >= 0).any() else 0 for row in table.next])
    judged = judge(table, back, max_steps=50)
    assert judged.success < 1
    failed = ~judged.reached
    assert failed.any()
    assert (judged.cost[failed] > judge(table, exact).cost[failed]).all()
    longer = judge(table, back, max_steps=51)
    states = table.starts[failed].copy()
    for _ in range(50):
        states = table.next[states, back[states]]
    step = table.cost[states, back[states]]  # of the move that only the longer flight makes
    assert np.array_equal(longer.cost[failed] - judged.cost[failed], step)
    assert judged.mean_gap > 0


def test_the_split_adds_up() -> None:
    """The parts of the gap are not negative for an exact policy, and sum to the whole."""
    x = generate(PRESETS["jutap-paper"], 1)
    table = table_of(strongest(x))
    trained = rewarded(table, "paper")
    action = greedy(trained, value_iteration(trained))
    parts = split(x, action, "paper")
    assert parts.learning == 0
    assert parts.association >= 0
    assert parts.reward > 0
    whole = judge(table, action).cost.sum() / MILLION - parts.optimum
    assert parts.total == pytest.approx(whole)


def test_dqn_learns_a_small_map(tiny: Instance, tmp_path: Path) -> None:
    """On a 4 x 4 map the strong profile flies within 1 % of the optimum from every START."""
    out = tmp_path / "dqn.pt"
    Dqn(updates=1000, warm_up=500).train(task_of(tiny), 0, out, ignore)
    table, action = DqnAgent(out).policy(tiny, 0)
    judged = judge(table, action)
    assert judged.success == 1.0
    assert judged.mean_gap <= 0.01
    assert DqnAgent(out).solve(tiny, Budget(), 0).status == Status.FEASIBLE


def test_dqn_learns_from_the_rewards(tiny: Instance) -> None:
    """With the rewards of other moves it does not learn the map: the test above can fail."""
    run = DqnCourse(Dqn(profile="strong", updates=1000, warm_up=500), table_of(strongest(tiny)), 0)
    rng = np.random.default_rng(0)
    shuffled = rng.permutation(run.process.cost.ravel()).reshape(run.process.cost.shape)
    run.flights = type(run.flights)(replace(run.process, cost=shuffled), 64, rng)
    for _ in run.run():
        pass
    assert judge(run.table, run.actions()).mean_gap > 0.02


def test_relu_output_of_negative_values_learns_nothing(tiny: Instance) -> None:
    """Table I's output layer clips every value to 0: no state has a preferred action left."""
    settings = Dqn(profile="paper", output="relu", episodes=30)
    run = DqnCourse(settings, table_of(strongest(tiny)), 0)
    for _ in run.run():
        pass
    with torch.no_grad():
        dead = (run.online(run.seen) == 0).float().mean()
    assert dead > 0.8


def test_a_training_resumes_exactly(tiny: Instance, tmp_path: Path) -> None:
    """Interrupted and resumed, a training ends with the same weights, bit for bit."""
    settings = Dqn(profile="strong", updates=120, warm_up=500)
    table = table_of(strongest(tiny))
    whole, first, second = (DqnCourse(settings, table, 3) for _ in range(3))
    for _ in whole.run():
        pass
    for share in first.run():
        if share > 0.5:
            break
    out = tmp_path / "a.pt"
    agent.save_checkpoint(out, {"seed": 3}, first.state())
    found = agent.load_checkpoint(out, {"seed": 3})
    assert found is not None
    second.restore(found)
    for _ in second.run():
        pass
    for a, b in zip(whole.parameters, second.parameters, strict=True):
        assert torch.equal(a, b)
    assert whole.updates == second.updates


def test_an_agent_of_another_map_is_refused_unless_asked_for(
    tiny: Instance, tmp_path: Path
) -> None:
    """Elsewhere an agent flies only on request, and its plan is then one of that map."""
    out = tmp_path / "dqn.pt"
    Dqn(updates=20).train(task_of(tiny), 0, out, ignore)
    other = generate(PRESETS["jutap-tiny"], 2, "other")
    with pytest.raises(InputError, match="not on this map"):
        DqnAgent(out).solve(other, Budget(), 0)
    claims = DqnAgent(out, elsewhere=True).solve(other, Budget(), 0)
    assert claims.plan.instance == other.sha256


def test_another_agent_of_the_same_name_is_another_run(tiny: Instance, tmp_path: Path) -> None:
    """The hash of the agent file is a parameter of the solver, and is checked."""
    out = tmp_path / "dqn-{seed}.pt"
    for seed in (0, 1):
        Dqn(updates=5).train(task_of(tiny), seed, of_seed(out, seed), ignore)
    first = DqnAgent(out)
    assert first.sha256 == DqnAgent(out).sha256
    assert registry.changed_parameters(first)["sha256"] == first.sha256
    Dqn(updates=6).train(task_of(tiny), 1, of_seed(out, 1), ignore)
    assert DqnAgent(out).sha256 != first.sha256
    with pytest.raises(InputError, match="expected the agent with hash"):
        DqnAgent(out, sha256=first.sha256)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"method": "jutap.other"}, "method"),
        ({"state": {}}, "state"),
        ({"config": {"unknown": 1}}, "config"),
    ],
)
def test_damaged_agents_are_named(
    tiny: Instance, tmp_path: Path, change: dict[str, object], field: str
) -> None:
    """An agent file with wrong content is refused, naming the file and the field."""
    out = tmp_path / "dqn.pt"
    Dqn(updates=5).train(task_of(tiny), 0, out, ignore)
    document = torch.load(out, weights_only=True)
    torch.save({**document, **change}, out)
    with pytest.raises(InputError, match=rf"dqn\.pt: {field}"):
        DqnAgent(out).solve(tiny, Budget(), 0)


def test_other_files_are_no_agents(tiny: Instance, tmp_path: Path) -> None:
    """A missing file, a text, and an agent cut short are refused in one line."""
    out = tmp_path / "dqn.pt"
    Dqn(updates=5).train(task_of(tiny), 0, out, ignore)
    data = out.read_bytes()
    for name, content in (("text.pt", b"hello"), ("short.pt", data[: len(data) // 2])):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(InputError, match=name):
            DqnAgent(path).solve(tiny, Budget(), 0)
    with pytest.raises(InputError, match="missing"):
        DqnAgent(tmp_path / "missing.pt").solve(tiny, Budget(), 0)


def test_a_checkpoint_of_another_training_is_not_taken_up(tmp_path: Path) -> None:
    """A checkpoint whose key differs is an error, not silently another training's state."""
    out = tmp_path / "a.pt"
    agent.save_checkpoint(out, {"seed": 1}, {"x": torch.zeros(2)})
    with pytest.raises(InputError, match="another training"):
        agent.load_checkpoint(out, {"seed": 2})


def test_replay_keeps_the_latest() -> None:
    """Beyond its capacity the buffer holds the last transitions, and a sample only those."""
    replay = Buffer(10)
    for i in range(0, 25, 5):
        replay.add(torch.arange(i, i + 5)[:, None].repeat(1, 4))
    rows = replay.sample(500, torch.Generator().manual_seed(0))
    assert set(rows[:, 0].tolist()) == set(range(15, 25))
    assert (rows == rows[:, :1]).all()


def test_one_update_is_the_one_of_algorithm_1(tiny: Instance) -> None:
    """The first gradient step is that of the squared error to r + max_a Q_target(s', a)."""
    settings = Dqn(profile="paper", features="raw", reward="objective").settled()
    run = DqnCourse(settings, table_of(strongest(tiny)), 1)
    while run.replay.size < settings.warm_up:
        run._fly()
    clone = network(3, 128, run.table.num_actions, "linear", torch.Generator())
    clone.load_state_dict(run.online.state_dict())
    state = run.torch_rng.get_state()
    rows = run.replay.sample(settings.batch, run.torch_rng)
    run.torch_rng.set_state(state)
    run._learn(1.0)
    goals = []
    for s, a, to, cost in rows.tolist():
        assert to == run.table.next[s, a]
        values = clone(run.seen[to]).detach()[run.table.next[to] >= 0]
        future = 0.0 if run.table.done[to] else float(values.max())
        goals.append((s, a, -cost / MILLION + future))
    error = torch.stack([(clone(run.seen[s])[a] - goal) ** 2 for s, a, goal in goals]).mean()
    error.backward()
    for mine, theirs in zip(run.parameters, clone.parameters(), strict=True):
        assert theirs.grad is not None
        assert mine.grad is not None
        assert torch.allclose(mine.grad, theirs.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("other", PROFILES)
def test_what_is_given_is_kept(profile: str, other: str) -> None:
    """A field keeps what it was given under every profile, the other profile's value too."""
    for field, value in PROFILES[other].items():
        if value is None:
            continue
        assert getattr(Dqn(profile=profile, **{field: value}).settled(), field) == value


def test_the_length_of_a_training_is_what_is_given() -> None:
    """Updates replace the episodes that the paper's profile counts in; both are refused."""
    assert Dqn(profile="paper", updates=7).settled().episodes is None
    with pytest.raises(InputError, match="episodes: expected one of updates and episodes"):
        Dqn(profile="paper", updates=7, episodes=7)
    with pytest.raises(InputError, match="profile: expected one of strong, paper"):
        Dqn(profile="papers")


def test_epsilon_follows_its_schedule(tiny: Instance) -> None:
    """Epsilon decays per episode or per step down to its minimum, or linearly over half of it."""
    table = table_of(strongest(tiny))
    run = DqnCourse(Dqn(profile="paper"), table, 0)
    run.episodes, run.steps = 400, 10_000
    assert run._epsilon() == pytest.approx(0.999**400)
    run.episodes = 3000
    assert run._epsilon() == 0.1
    run = DqnCourse(Dqn(profile="paper", epsilon_by="step"), table, 0)
    run.steps = 700
    assert run._epsilon() == pytest.approx(0.999**700)
    run = DqnCourse(Dqn(), table, 0)
    run.updates = 5_000
    assert run._epsilon() == pytest.approx(0.6)
    run.updates = 15_000
    assert run._epsilon() == 0.2
