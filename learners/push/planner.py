"""The network of agent ``push.counterfactual``, what it knows of savings, and how it plays."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from learners import agent, nets
from learners.agent import Agent
from learners.push.demand import DemandModel
from learners.push.features import ChooseSlot, Float, decide, width
from learners.push.solver import PushAgent
from learners.push.stage.draws import LawSaving, Problems, Saving, by_slot, problems_of
from opt_istn.files import InputError
from opt_istn.push.belief import see
from opt_istn.push.expected import lawless
from opt_istn.push.instance import Instance, IntArray
from opt_istn.push.play import Context, Observation, Pushes, play
from opt_istn.push.policies import claims_of, known_world
from opt_istn.push.world.demand import features
from opt_istn.solver import Budget, Claims

METHOD = "push.counterfactual"
LIMITS = {"num_users": 4096, "num_slots": 4096, "hidden": agent.MAX_WIDTH}


@dataclass(frozen=True)
class PlannerSizes:
    """Sizes of a network, as its file tells them; see `Planner`."""

    num_users: int
    num_slots: int
    num_own: int
    hidden: int


class Planner(nn.Module):
    """Log-probabilities of a head's choices: a slot 0..T-1 after birth, or never.

    Parameters
    ----------
    num_users, num_slots, hidden
        M, T and the width of the two hidden layers.
    num_own
        Number of contents whose heads have logits of their own; 0 unless one instance is learned
        by heart.
    rng
        Source of the weights.
    """

    def __init__(
        self, num_users: int, num_slots: int, hidden: int, num_own: int, rng: torch.Generator
    ) -> None:
        super().__init__()
        self.num_users, self.num_slots = num_users, num_slots
        self.body = nn.Sequential(
            nets.linear(width(num_users, num_slots), hidden, rng, nets.GAIN_RELU),
            nn.ReLU(),
            nets.linear(hidden, hidden, rng, nets.GAIN_RELU),
            nn.ReLU(),
            nets.linear(hidden, num_slots + 1, rng, nets.GAIN_POLICY),
        )
        self.trust = nn.Parameter(torch.tensor(2.0))  # weight of `gain` in the logits
        self.own = nn.Parameter(torch.zeros(num_users, num_own, num_slots + 1))

    def forward(
        self, rows: Tensor, gain: Tensor, shut: Tensor, user: Tensor, content: Tensor
    ) -> Tensor:
        """Return log-probabilities, shape (n, T + 1).

        Parameters
        ----------
        rows, gain
            As in `Decided`, of n heads.
        shut
            Whether a choice is not allowed, shape (n, T + 1).
        user, content
            Of the heads, shape (n,).
        """
        logits: Tensor = self.body(rows) + self.trust * gain
        if self.own.shape[1]:
            logits = logits + self.own[user, content]
        return logits.masked_fill(shut, -torch.inf).log_softmax(-1)


class PlannerInput(NamedTuple):
    """The input of the network for n heads; see `Planner.forward`."""

    rows: Tensor
    gain: Tensor
    shut: Tensor
    user: Tensor
    content: Tensor


def sight(
    problems: Problems, heads: IntArray, rows: Float, gain: Float, device: torch.device
) -> PlannerInput:
    """Return the input of the network for some heads of problems."""
    owner = np.searchsorted(problems.batch.start, heads, side="right") - 1
    who = (problems.user[owner], problems.content[heads])
    arrays = (rows, gain, problems.shut(heads, owner), *who)
    return PlannerInput(*(torch.from_numpy(x).to(device) for x in arrays))


def chooser(planner: Planner, problems: Problems, rng: torch.Generator | None = None) -> ChooseSlot:
    """Return the policy of a network: its likeliest choices, or with `rng` a sample of them."""
    slots, release = problems.batch.num_slots, problems.batch.release
    device = planner.trust.device

    @torch.no_grad()
    def choose(heads: IntArray, rows: Float, gain: Float) -> IntArray:
        log_probs = planner(*sight(problems, heads, rows, gain, device)).cpu()
        drawn = nets.greedy(log_probs) if rng is None else nets.sample(log_probs, rng)
        choice = drawn.numpy()
        slot: IntArray = np.where(choice < slots, release[heads] + choice, slots)
        return slot

    return choose


def after_birth(gain: NDArray[Any], release: IntArray) -> NDArray[Any]:
    """Return gains by slots after birth, 0 past the horizon and for never, shape (N, T + 1)."""
    never = gain.shape[1] - 1
    after = np.arange(never + 1)
    slot = np.minimum(release[:, None] + after, never)
    relative: NDArray[Any] = np.where(after < never, np.take_along_axis(gain, slot, axis=1), 0)
    return relative


class Knowledge(ABC):
    """What an agent knows of savings when it plays.

    Parameters
    ----------
    state
        Of the agent: ``unit_us``, savings that count as 1 in microseconds, ``births``, the contents
        of an instance, and more.
    """

    def __init__(self, state: Mapping[str, Any]) -> None:
        self.unit_us, self.births = float(state["unit_us"]), int(state["births"])

    @abstractmethod
    def supports(self, instance: Instance) -> str | None:
        """Return None if the agent can play an instance, else one sentence saying why not."""

    def start(self, context: Context) -> None:  # noqa: B027 - most know all from the start
        """Begin an instance."""

    @abstractmethod
    def weight_us(self, observation: Observation, contents: IntArray) -> IntArray:
        """Return what contents save by slot, whole microseconds, shape (M, n, T)."""


class _ByLaw(Knowledge):
    """Savings that the law of the instance's world expects."""

    _saving: Saving

    def supports(self, instance: Instance) -> str | None:
        """Instances that name their law are supported."""
        return lawless(instance)

    def start(self, context: Context) -> None:
        """Tabulate the law."""
        self._world = known_world(context)
        self._saving = LawSaving(self._world)

    def weight_us(self, observation: Observation, contents: IntArray) -> IntArray:
        """Return the savings expected of attributes and images."""
        traits = see(self._world, observation, contents.tolist()).traits
        saving = self._saving(traits, observation.codes[contents])
        return by_slot(saving, observation.release[contents])


class _ByModel(_ByLaw):
    """Savings that a learned model of demand expects; of the law nothing is used."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        super().__init__(state)
        self._saving = DemandModel.restored(state["demand"]).saving

    def start(self, context: Context) -> None:
        """All is known."""

    def weight_us(self, observation: Observation, contents: IntArray) -> IntArray:
        """Return the savings expected of attributes and images."""
        anything = {"image": {"class": 0, "seed": 0}}  # images show in their codes alone
        rows = [{**observation.attributes[f], **anything} for f in contents]
        saving = self._saving(features(rows), observation.codes[contents])
        return by_slot(saving, observation.release[contents])


class _ByHeart(Knowledge):
    """Savings that were noted when an instance was served."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        super().__init__(state)
        self._weight = state["weight"].numpy()

    def supports(self, instance: Instance) -> str | None:
        """Return a reason unless it can be the instance that the agent learned."""
        same = instance.num_contents == self.births
        return None if same else "expected the instance that the agent was trained on"

    def weight_us(self, observation: Observation, contents: IntArray) -> IntArray:  # noqa: ARG002
        """Return what was noted."""
        weight: IntArray = self._weight[:, contents]
        return weight


def knowledge_of(state: Mapping[str, Any]) -> Knowledge:
    """Return what the agent with a state knows."""
    if "weight" in state:
        return _ByHeart(state)
    return _ByModel(state) if "demand" in state else _ByLaw(state)


class PlannerPolicy:
    """Plays a network: decides on the newborn contents and pushes what is due.

    Parameters
    ----------
    planner
        The network.
    knowledge
        What the agent knows of savings.
    """

    def __init__(self, planner: Planner, knowledge: Knowledge) -> None:
        self._planner, self._knowledge = planner, knowledge

    def start(self, context: Context) -> None:
        """Forget the last instance."""
        users, slots = context.num_users, context.num_slots
        self._cache_size = context.cache_size
        self._weight = np.zeros((users, 0, slots), dtype=np.int64)
        self._plan = np.zeros((users, 0), dtype=np.int64)
        self._link_up = np.ones((users, slots), dtype=bool)  # slots to come are never looked at
        self._knowledge.start(context)

    def act(self, observation: Observation) -> Pushes:
        """Decide on the newborn contents, then push what is due."""
        now, roi, users = observation.slot, observation.roi, len(self._plan)
        self._link_up[:, now] = observation.link_up
        new = np.array(observation.newborn, dtype=np.int64)
        fresh = self._knowledge.weight_us(observation, new)
        never = np.full((users, len(new)), self._link_up.shape[1])
        self._weight = np.concatenate([self._weight, fresh], axis=1)
        self._plan = np.concatenate([self._plan, never], axis=1)
        parts = (self._weight, observation.release, roi, self._cache_size, self._link_up)
        problems = problems_of(*parts, births=self._knowledge.births)
        choose = chooser(self._planner, problems)
        unit_us, plan = self._knowledge.unit_us, self._plan[roi]
        self._plan[roi] = decide(problems, unit_us, users, choose, now, plan).plan
        due = (self._plan <= now) & observation.pushable
        return [(int(u), int(f)) for u, f in np.argwhere(due)]


@dataclass(frozen=True)
class CounterfactualAgent(PushAgent):
    """Our agent: imitated plans, then what each other choice would have saved.

    Parameters
    ----------
    weights
        ``last``, or ``untrained``: what the training began with, drawn once more from its seed.
    """

    weights: Literal["last", "untrained"] = "last"

    @property
    def knows(self) -> str:
        """Where the savings it expects come from."""
        state = agent.load(self.path(), METHOD).state
        return "requests" if "weight" in state else "past" if "demand" in state else "law"

    def supports(self, instance: Any) -> str | None:
        """Instances that are like those of its training are supported."""
        if not isinstance(instance, Instance):
            return "expected a PUSH instance"
        planner, knowledge, found = load(self.path())
        refused = self.refusal(instance, found.trained_on, planner.num_users, planner.num_slots)
        return refused or knowledge.supports(instance)

    def prepare(self) -> None:
        """Compile the kernels by deciding on one content."""
        planner = load(self.path())[0]
        release, weight = np.zeros(1, dtype=np.int64), np.ones((1, 1, planner.num_slots), np.int64)
        link_up = np.ones((1, planner.num_slots), dtype=bool)
        problems = problems_of(weight, release, link_up[:, :1], release + 1, link_up)
        decide(problems, 1.0, planner.num_users, chooser(planner, problems), 0, release)

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:  # noqa: ARG002
        """Play the instance slot by slot."""
        planner, knowledge, found = load(self.path(seed), self.weights)
        self.remember(found, self.weights)
        return claims_of(instance, play(instance, PlannerPolicy(planner, knowledge), seed))


def new_weights(seed: int) -> torch.Generator:
    """Return the source of the weights that a training begins with."""
    return torch.Generator().manual_seed(seed * 4 + 3)  # apart from the training's other streams


def load(path: Path, weights: str = "last") -> tuple[Planner, Knowledge, Agent]:
    """Return a network as trained or untrained, what it knows of savings, and its file."""
    found = agent.load(path, METHOD)
    knowledge = knowledge_of(found.state)
    x = agent.sizes(PlannerSizes, found.state.get("sizes"), LIMITS, "state.sizes", path)
    kept = found.state.get("planner", {})
    own = kept.get("own")
    if own is None or own.shape != (x.num_users, x.num_own, x.num_slots + 1):
        raise InputError("state.planner.own", agent.ANNOUNCED, str(path))
    rng = new_weights(found.seed)
    planner = Planner(x.num_users, x.num_slots, x.hidden, x.num_own, rng)
    if weights != "untrained":
        agent.load_state(planner, kept, path)
    return planner, knowledge, found
