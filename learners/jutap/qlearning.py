"""Tabular Q-learning for JUTAP: agent ``jutap.qlearning``.

A 25 x 25 grid with two kinds of link has 1,250 states and 16 actions: a table of 20,000 numbers.
Flights are sampled in parallel; moves are deterministic, so a learning rate of 1 is right
(Watkins & Dayan, Machine Learning 8, 1992).
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from learners import agent
from learners.agent import Agent
from learners.jutap.curve import Measure, measured
from learners.jutap.env import Flights
from learners.jutap.solver import AgentSolver, BudgetKind, process_of
from learners.training import COUNT, SHARE, check_ranges, check_trained
from opt_istn.files import InputError
from opt_istn.jutap.flights.table import (
    LOST,
    Reward,
    Table,
    not_strongest,
    rewarded,
)
from opt_istn.jutap.instance import IntArray
from opt_istn.jutap.starts import STRONGEST
from opt_istn.training import Report, Task

METHOD = "jutap.qlearning"


@dataclass(frozen=True)
class QLearning:
    """Trains tabular Q-learning.

    Parameters
    ----------
    steps
        Steps of all flights together.
    flights
        Flights at a time.
    epsilon
        Share of random moves.
    reward
        What is minimised; see `opt_istn.jutap.flights.table.rewarded`.
    budget
        ``known``: the energy that is left is part of the states, see `process_of`.
    """

    steps: int = 4_000_000
    flights: int = 4096
    epsilon: float = 0.5
    reward: Reward = "objective"
    budget: BudgetKind = "ignored"

    def __post_init__(self) -> None:
        check_ranges(self, steps=(1, 1e12), flights=COUNT, epsilon=SHARE)

    def supports(self, task: Task) -> str | None:
        """One instance of JUTAP is supported."""
        return single_map(task)

    def train(self, task: Task, seed: int, out: Path, report: Report) -> dict[str, Any]:
        """Learn the table and write the agent file."""
        table = process_of(task.instance, self.budget)
        trained = rewarded(table, self.reward)
        q, history = self.learn(table, trained, seed, report)
        state = {"q": torch.from_numpy(q)}
        described, config = agent.described(task), dataclasses.asdict(self)
        counts = {"environment_steps": history[-1]["environment_steps"]}
        known = (METHOD, config, described, seed, state, history)
        made = agent.Agent(*known, counts=counts, measured=measured(history))
        check_trained(made)
        agent.save(out, made)
        return history[-1]

    def learn(
        self, table: Table, trained: Table, seed: int, report: Report
    ) -> tuple[IntArray, list[dict[str, Any]]]:
        """Return the costs to go that were learned, shape (S, A), and the training curve.

        Parameters
        ----------
        table, trained
            The process with the costs to judge by, and with those to learn from.
        """
        rng = np.random.default_rng(seed)
        flights = Flights(trained, self.flights, rng)
        q = untaught(trained)
        measure = Measure(table, np.random.default_rng([seed, 1]))
        history: list[dict[str, Any]] = [{"environment_steps": 0, **measure.row(q.argmin(axis=1))}]
        rounds = max(self.steps // self.flights, 1)
        for i in range(rounds):
            state = flights.state.copy()
            action = explore(q[state], self.epsilon, rng)
            to, cost, ended, _ = flights.step(action)
            q[state, action] = cost + np.where(ended, 0, q[to].min(axis=1))
            if (i + 1) % max(rounds // 20, 1) == 0 or i + 1 == rounds:
                row = measure.row(q.argmin(axis=1))
                history.append({"environment_steps": (i + 1) * self.flights, **row})
                done = f"{(i + 1) * self.flights} of {rounds * self.flights} steps"
                reached = f"{row['success']:.1%} reach END, gap {row['gap']:.2%} to {STRONGEST}"
                report((i + 1) / rounds, f"{done}; {reached}")
        return q, history


def untaught(table: Table) -> IntArray:
    """Return the costs to go that learning begins with, shape (S, A): 0 where there is a move."""
    q: IntArray = np.where(table.next >= 0, 0, LOST)
    return q


def explore(cost: IntArray, epsilon: float, rng: np.random.Generator) -> IntArray:
    """Return epsilon-greedy actions among those possible, shape (n,).

    Parameters
    ----------
    cost
        Costs to go, shape (n, A); `LOST` where an action is not possible.
    """
    possible = cost < LOST
    noise = rng.random(cost.shape)
    any_ = np.where(possible, noise, -1.0).argmax(axis=1)
    chosen: IntArray = np.where(rng.random(len(cost)) < epsilon, any_, cost.argmin(axis=1))
    return chosen


@dataclass(frozen=True)
class QAgent(AgentSolver):
    """Solver ``jutap.qlearning``: flies the actions of least learned cost."""

    weights: Literal["last", "untrained"] = "last"
    method = METHOD

    def actions(self, table: Table, loaded: Agent) -> IntArray:
        """Return the action of every state, shape (S,)."""
        q = loaded.state.get("q")
        if not isinstance(q, torch.Tensor) or q.shape != table.next.shape:
            rule = f"expected a table of shape {table.next.shape}"
            raise InputError("state.q", rule, str(self.agent))
        learned = untaught(table) if self.weights == "untrained" else q.numpy()
        possible = np.where(table.next >= 0, learned, LOST)
        chosen: IntArray = possible.argmin(axis=1)
        return chosen


def single_map(task: Task) -> str | None:
    """Return why a JUTAP agent cannot be trained on a task: it learns one map."""
    if task.problem != "jutap":
        return "expected a JUTAP instance"
    if task.instance is None:
        return "a JUTAP agent learns one map: give an instance file, or --instance-seed"
    return not_strongest(task.instance)
