"""Policies as solvers: `play` with the policy inside."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from opt_istn.files import InputError
from opt_istn.push.evaluate import evaluate
from opt_istn.push.expected import lawless
from opt_istn.push.instance import Instance
from opt_istn.push.plan import Plan
from opt_istn.push.play import Context, Game, Observation, Policy, Pushes, World, play
from opt_istn.push.scenario import PRESETS, generate
from opt_istn.solver import Budget, Claims, Status


class Online:
    """A solver that plays a policy. Deterministic unless it says so."""

    stochastic = False
    kind = "policy"
    knows = "past"
    make: Callable[[], Policy]  # the policy with the solver's parameters

    def supports(self, instance: Any) -> str | None:
        """Refuse an instance that cannot be played, for what its ``scenario`` says."""
        return unplayable(instance)

    def prepare(self) -> None:
        """Nothing to do."""

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        """Play the instance slot by slot; once the time is up nothing is pushed any more."""
        return claims_of(instance, play(instance, _InTime(self.make(), budget.start()), seed))


class _InTime:
    """A policy until the time is up, and no pushes after that."""

    def __init__(self, policy: Policy, budget: Budget) -> None:
        self._policy, self._budget = policy, budget

    def start(self, context: Context) -> None:
        """Begin a new instance."""
        self._policy.start(context)

    def act(self, observation: Observation) -> Pushes:
        """Return the policy's pushes."""
        return [] if self._budget.expired() else self._policy.act(observation)


class Informed(Online):
    """A solver whose policy knows the law of requests, not the requests."""

    knows = "law"

    def supports(self, instance: Any) -> str | None:
        """Instances that were generated from a scenario are supported: they name their law."""
        return super().supports(instance) or lawless(instance)

    def prepare(self) -> None:
        """Compile the policy's kernels by playing a tiny instance."""
        self.solve(generate(PRESETS["push-tiny"], 0, "push-tiny"), Budget(), 0)


class Linked(Informed):
    """A solver whose policy also looks at this slot's link states, if `links` says so."""

    links: bool

    @property
    def knows(self) -> str:  # type: ignore[override]  # as classes say it that never look
        """What it knows of an instance when it decides."""
        return "law, link states" if self.links else "law"

    def supports(self, instance: Any) -> str | None:
        """Instances that name their law, and show their link states where these are looked at."""
        refused = super().supports(instance)
        return refused or (unlinked(instance) if self.links else None)

    def prepare(self) -> None:
        """Compile the policy's kernels by playing a tiny instance."""
        tiny = replace(PRESETS["push-tiny-v2"], link_states=True)
        self.solve(generate(tiny, 0, "push-tiny-v2"), Budget(), 0)


def unlinked(instance: Instance) -> str | None:
    """Return why an instance's link states are not known, None if it shows them."""
    return (
        None if instance.link_us is not None else "expected an instance with link states (miss_us)"
    )


def unplayable(instance: Any) -> str | None:
    """Return why an instance cannot be played, None if it can: the one guard of all policies."""
    if not isinstance(instance, Instance):
        return "expected a PUSH instance"
    try:
        Game(instance)
    except InputError as error:
        return str(error)
    return None


def known_world(context: Context) -> World:
    """Return the scenario and law of an instance that `lawless` lets through."""
    if context.world is None:
        raise ValueError("this policy has to know the law of requests; the instance names none")
    return context.world


def claims_of(instance: Instance, plan: Plan) -> Claims:
    """Return a feasible plan's claims."""
    return Claims(Status.FEASIBLE, plan, evaluate(instance, plan).cost)
