"""Speed of the agents: JUTAP's beside stable-baselines3, and rollouts of the paper's for PUSH."""

import time
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from stable_baselines3 import DQN
from stable_baselines3.common.callbacks import BaseCallback

from bench.speed.subjects import instance
from learners.jutap.dqn import Dqn, DqnCourse
from learners.jutap.env import Flights, JutapEnv
from learners.jutap.qlearning import QLearning
from learners.push.mappo import Mappo, MappoCourse
from opt_istn.jutap.flights.table import Table, features_of, strongest, table_of
from opt_istn.jutap.starts import judge
from opt_istn.training import Task

PRESET = "jutap-paper"
UPDATES = 500
STEPS = 2_000  # of all flights
# Equal network, batch and updates a step; the replay buffer holds what is flown.
EQUAL = Dqn(profile="paper", updates=UPDATES, warm_up=64)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def table() -> Table:
    return table_of(strongest(instance(PRESET)))


def peer(features: str = "raw", **options: Any) -> DQN:
    """Return stable-baselines3's DQN on the same environment, with the paper's network."""
    env = gymnasium.make("opt-istn/Jutap-v0", instance=instance(PRESET), features=features)
    policy = {"net_arch": [128, 128]}
    settings = {"batch_size": 64, "train_freq": 1, "target_update_interval": 1, "tau": 0.005}
    settings |= {"gamma": 1.0, "learning_starts": 64, "learning_rate": 1e-3}
    return DQN("MlpPolicy", env, policy_kwargs=policy, seed=0, **(settings | options))


def ours() -> Callable[[], None]:
    run = DqnCourse(EQUAL, table(), 0)
    while run.replay.size < run.config.warm_up:
        run._fly()

    def train() -> None:
        goal = run.updates + UPDATES
        while run.updates < goal:
            run._fly()
            run._learn(1.0)

    return train


def theirs() -> Callable[[], None]:
    model = peer()
    model.learn(64 + 10)
    return lambda: (model.learn(UPDATES, reset_num_timesteps=False), None)[1]


@pytest.mark.parametrize("who", ["ours", "stable-baselines3"])
def test_updates(benchmark: Any, who: str) -> None:
    """One environment step and one update of a batch of 64, 500 times."""
    train = ours() if who == "ours" else theirs()
    benchmark.group = f"{PRESET}-0 updates"
    benchmark.extra_info |= {"updates": UPDATES, "method": who, "problem": "dqn"}
    benchmark.pedantic(train, rounds=5, warmup_rounds=1)


@pytest.mark.parametrize("number", [64, 1024, 4096])
def test_flights(benchmark: Any, number: int) -> None:
    """Batched steps of the environment with random actions."""
    rng = np.random.default_rng(0)
    flights = Flights(table(), number, rng)
    action = rng.integers(0, 16, number)

    def fly() -> None:
        for _ in range(100):
            flights.step(action)

    benchmark.group = f"{PRESET}-0 flights"
    benchmark.extra_info |= {"steps": 100 * number, "method": "flights", "problem": "dqn"}
    benchmark(fly)


class _Until(BaseCallback):
    """Stops once the greedy policy is within 1 % of the optimum over all STARTs."""

    def __init__(self, process: Table, limit_s: float) -> None:
        super().__init__()
        self.process, self.limit_s, self.gap = process, limit_s, float("nan")
        self.seen = torch.from_numpy(features_of(process, "fourier"))
        self.end = time.perf_counter() + limit_s

    def _on_step(self) -> bool:
        if self.n_calls % 1000 == 0:
            with torch.no_grad():
                values = self.model.q_net(self.seen)  # type: ignore[attr-defined]
            shut = torch.from_numpy(self.process.next < 0)
            action = values.masked_fill(shut, -torch.inf).argmax(1).numpy()
            self.gap = judge(self.process, action).mean_gap
        return not self.gap <= 0.01 and time.perf_counter() < self.end


@pytest.mark.parametrize("who", ["dqn", "qlearning", "stable-baselines3"])
def test_seconds_to_one_percent(benchmark: Any, who: str, request: Any) -> None:
    """Training until the mean gap over all STARTs is at most 1 %, checks included."""
    process, limit_s = table(), 240.0 if request.config.getoption("--large") else 2.0
    reached: dict[str, float] = {}

    def dqn() -> None:
        run, end = DqnCourse(Dqn(), process, 0), time.perf_counter() + limit_s
        for _ in run.run():
            if run.history and (run.history[-1]["gap"] <= 0.01 or time.perf_counter() > end):
                break
        reached["gap"] = run.history[-1]["gap"] if run.history else float("nan")

    def qlearning() -> None:
        for steps in (200_000, 400_000, 800_000, 1_600_000, 3_200_000):
            _, curve = QLearning(steps=steps).learn(process, process, 0, lambda *_: None)
            reached["gap"] = curve[-1]["gap"]
            if reached["gap"] <= 0.01:
                break

    def sb3() -> None:
        until = _Until(process, limit_s)
        peer("fourier").learn(10**7, callback=until)
        reached["gap"] = until.gap

    benchmark.group = f"{PRESET}-0 seconds to 1 %"
    train = {"dqn": dqn, "qlearning": qlearning, "stable-baselines3": sb3}[who]
    benchmark.pedantic(train, rounds=1)
    benchmark.extra_info |= {"gap": reached["gap"], "method": who, "problem": "dqn"}


def test_peer_trains_unchanged() -> None:
    """stable-baselines3's DQN accepts the environment as it is, and acts in it."""
    model = peer()
    model.learn(300)
    env = JutapEnv(instance(PRESET))
    seen, _ = env.reset(seed=0)
    action, _ = model.predict(seen)
    assert env.action_space.contains(np.int64(action))


@pytest.mark.parametrize("minibatches", [1, 16])
def test_rollout_of_the_papers_profile(benchmark: Any, minibatches: int, request: Any) -> None:
    """One rollout and its five epochs, `memorise`: steps of the optimiser a second.

    With networks that concatenate whole rows and one step an epoch, as before, a
    rollout on push-paper-wide cost 7.1 s of processor time: 0.70 steps a second.
    """
    preset = "push-paper-wide-v2" if request.config.getoption("--large") else "push-tiny-v2"
    task = Task("push", preset, instance=instance(preset))
    course = MappoCourse(Mappo(profile="paper", steps=9, minibatches=minibatches), task, 0)
    benchmark.group = f"{preset} rollout"
    benchmark.pedantic(lambda: course.improve(1.0), rounds=2, warmup_rounds=1)
    steps = course.counts["gradient_steps"] // course.counts["rollouts"]
    benchmark.extra_info |= {"steps": steps, "minibatches": minibatches, "problem": "mappo"}
