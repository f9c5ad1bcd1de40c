"""How the paper's agents for PUSH play, in training and as solvers."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from learners import agent, nets
from learners.push.networks.nets import Actor, Shape
from learners.push.networks.vision import Vision, classes_of
from learners.push.solver import PushAgent
from learners.push.stage.draws import problems_of
from learners.push.stage.scene import Scene, Stage, scene_of
from learners.push.stage.view import (
    Float,
    Sight,
    columns,
    contents_of,
    members,
    satellites_in,
    slot_of,
)
from opt_istn.files import InputError
from opt_istn.push.instance import Instance, IntArray
from opt_istn.push.play import Context, Observation, Pushes, play
from opt_istn.push.policies import claims_of, unlinked
from opt_istn.push.scenario import PRESETS, generate
from opt_istn.solver import Budget, Claims

LIMITS = {"users": 4096, "slots": 4096, "places": 4096, "width": agent.MAX_WIDTH, "code": 4096}
LIMITS |= {"chunk": 4096, "satellites": 4096, "satellite_items": 4096}


class Choosing:
    """The policy of an actor over one episode, slot after slot: a `stage.scene.Choose`.

    It takes the likeliest choices, or with `rng` a sample of them.

    Attributes
    ----------
    hidden
        What a recurrent actor remembered before each slot so far, shape (2, P, width) each.
    """

    def __init__(self, actor: Actor, rng: torch.Generator | None = None) -> None:
        self._actor, self._rng = actor, rng
        self._device = next(actor.parameters()).device
        self.hidden: list[Tensor] = []
        self._after: Tensor | None = None  # what is remembered after the slot at hand
        self._output = torch.zeros(0)

    @torch.no_grad()
    def __call__(self, sight: Sight, heads: IntArray) -> IntArray:
        """Return slots after birth, T for never, of heads."""
        actor, recurrent = self._actor, self._actor.shape.chunk > 0
        if len(heads) == 0 and not recurrent:
            return np.zeros(0, dtype=np.int64)
        seen = Sight(*(x.to(self._device) for x in sight))
        remembered = self._remember(seen) if recurrent else None
        if len(heads) == 0:
            return np.zeros(0, dtype=np.int64)
        log_probs = actor(seen, remembered).cpu()
        drawn = nets.greedy(log_probs) if self._rng is None else nets.sample(log_probs, self._rng)
        after: IntArray = drawn.numpy()
        return after

    def _remember(self, seen: Sight) -> Tensor:
        """Return the features of the homes' caches; a slot's later turns see those of its first."""
        if slot_of(seen, self._actor.shape.slots) == len(self.hidden) - 1:
            return self._output
        before = self._actor.blank(len(seen.state)) if self._after is None else self._after
        self.hidden.append(before)
        caches = self._actor.features.caches
        output, self._after = caches.follow(caches.steps(seen.caches[None, :, 1]), before)
        self._output = output[0]
        return self._output


class ActorPolicy:
    """Plays an actor: decides on the newborn contents and pushes what is due.

    Parameters
    ----------
    actor
        The network.
    births
        Contents of an instance.
    codes
        Codes of all images where they replace those observed, shape (F, width).
    """

    def __init__(self, actor: Actor, births: int, codes: Float | None = None) -> None:
        self._actor, self._births, self._codes = actor, births, codes

    def start(self, context: Context) -> None:
        """Forget the last instance."""
        self._cache_size = context.cache_size
        self._link_up = np.ones((context.num_users, context.num_slots), dtype=bool)
        self._plan = np.zeros((context.num_users, 0), dtype=np.int64)
        self._choose = Choosing(self._actor)  # with nothing remembered of the last instance
        self._member = members(context.world if self._actor.shape.whole else None)
        self._miss_us = np.zeros((context.num_users, 0), dtype=np.int64)  # in the slots of birth

    def act(self, observation: Observation) -> Pushes:
        """Decide on the newborn contents, then push what is due."""
        slot = observation.slot
        self._link_up[:, slot] = observation.link_up
        users, slots = self._link_up.shape
        never = np.full((users, len(observation.newborn)), slots)
        self._plan = np.concatenate([self._plan, never], axis=1)
        if observation.miss_us is not None:
            fresh = observation.miss_us[:, list(observation.newborn)]
            self._miss_us = np.concatenate([self._miss_us, fresh], axis=1)
        stage = self._stage(observation)
        for heads in stage.turns(slot) or [np.zeros(0, dtype=np.int64)]:
            stage.enter(heads, self._choose(stage.sight(slot, heads), heads))
        self._plan[observation.roi] = stage.plan
        due = stage.due(slot)
        rows = zip(stage.problem[due], stage.scene.problems.content[due], strict=True)
        return [(int(u), int(f)) for u, f in rows]

    def _stage(self, observation: Observation) -> Stage:
        """Return the instance as it stands."""
        stage = Stage(self._scene(observation))
        stage.plan[:] = self._plan[observation.roi]
        head = np.zeros(observation.roi.shape, dtype=np.int64)
        head[observation.roi] = np.arange(len(stage.plan))
        for user, pushes in enumerate(observation.pushed):
            rows = [(made, int(head[user, f])) for made, f in pushes]
            stage.remember(user, rows, observation.slot)
        return stage

    def _scene(self, observation: Observation) -> Scene:
        roi, (users, slots) = observation.roi, self._link_up.shape
        contents = contents_of(observation, self._member)
        if self._codes is not None:
            contents = contents._replace(codes=self._codes[: len(contents.codes)])
        nothing, known = np.zeros((*roi.shape, slots), dtype=np.int64), self._births
        parts = (nothing, observation.release, roi, self._cache_size, self._link_up)
        problems = problems_of(*parts, births=known)
        shape, miss = self._actor.shape, None
        if shape.links:
            miss = (self._miss_us[roi] / 1e6).astype(np.float32)
        return scene_of(contents, problems, users, shape.held, miss)


@dataclass(frozen=True)
class MappoAgent(PushAgent):
    """Our reading of MAPPO.

    Parameters
    ----------
    weights
        ``last``, the ``best`` of the training curve, or ``untrained``: what the training began
        with, drawn once more from its seed.
    """

    weights: Literal["last", "best", "untrained"] = "last"

    method: ClassVar[str] = "push.mappo"

    @property
    def knows(self) -> str:
        """What it knows of an instance when it decides."""
        return "past, link states" if self.load(self.path())[0].shape.links else "past"

    def supports(self, instance: Any) -> str | None:
        """Instances that are like those of its training are supported."""
        if not isinstance(instance, Instance):
            return "expected a PUSH instance"
        actor, state, trained_on = self.load(self.path())
        x = actor.shape
        if refused := self.refusal(instance, trained_on, x.users, x.slots, x.places):
            return refused
        if x.own and instance.num_contents != x.own:
            return "expected the instance that the agent was trained on"
        if x.whole and satellites_in(instance) != x.held:
            return f"expected clusters of {x.satellites} satellites with {x.satellite_items} places"
        if x.links and (refused := unlinked(instance)):
            return refused
        if not x.own and len(instance.contents) != instance.num_contents:
            return "expected an instance that names the attributes of its contents"
        if state["images"] != "none" and not ("law" in instance.scenario and instance.contents):
            return "expected an instance that names its images"
        return None

    def prepare(self) -> None:
        """Play a tiny instance with a new actor: nothing is compiled, but torch wakes up."""
        tiny = generate(PRESETS["push-tiny"], 0, "push-tiny")
        shape = Shape(tiny.num_users, tiny.num_slots, int(tiny.cache_size.max()), 8, False)
        play(tiny, ActorPolicy(Actor(shape, torch.Generator()), tiny.num_contents), 0)

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:  # noqa: ARG002
        """Play the instance slot by slot."""
        path = self.path(seed)
        actor, state, _ = self.load(path)
        backbone = state.get("backbone")
        vision = Vision(state["images"], classes_of(instance), backbone, str(path))
        policy = ActorPolicy(actor, instance.num_contents, vision.of_instance(instance))
        return claims_of(instance, play(instance, policy, seed))

    def load(self, path: Path) -> tuple[Actor, Mapping[str, Any], dict[str, Any]]:
        """Return the actor of a file, what it needs to know, and what it was trained on."""
        found = agent.load(path, self.method)
        state = found.state
        if self.weights == "best" and not state.get("best"):
            rule = "expected best weights, found the last ones alone"
            raise InputError("state.best", rule, str(path))
        kept = (state["best"] if self.weights == "best" else state).get("actor", {})
        shape = agent.sizes(Shape, state.get("shape"), LIMITS, "state.shape", path)
        own = kept.get("own")
        if own is None or own.shape != (shape.users, shape.own, shape.slots + 1):
            raise InputError("state.actor.own", agent.ANNOUNCED, str(path))
        agent.check_contract(found, columns(shape.whole, shape.links), path)
        actor = Actor(shape, torch.Generator().manual_seed(found.seed))
        if self.weights != "untrained":
            agent.load_state(actor, kept, path)
        self.remember(found, self.weights)
        return actor, state, found.trained_on


@dataclass(frozen=True)
class MultiModalAgent(MappoAgent):
    """Solver ``push.mmappo``: MAPPO with images."""

    method: ClassVar[str] = "push.mmappo"


@dataclass(frozen=True)
class MaacAgent(MappoAgent):
    """Our reading of MAAC."""

    method: ClassVar[str] = "push.maac"
