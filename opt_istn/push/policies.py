"""Policies as solvers: `play` with the policy inside, and what its plan costs on average."""

from collections.abc import Callable
from typing import Any

from opt_istn.push.evaluate import evaluate
from opt_istn.push.expected import expected_cost
from opt_istn.push.instance import Instance
from opt_istn.push.plan import Plan
from opt_istn.push.play import Context, Policy, World, play
from opt_istn.push.scenario import PRESETS, generate
from opt_istn.solver import Budget, Claims, Status


class Online:
    """A solver that plays a policy. Deterministic, for every PUSH instance, unless it says so."""

    stochastic = False
    kind = "policy"
    knows = "past"
    make: Callable[[], Policy]  # the policy with the solver's parameters

    def supports(self, instance: Any) -> str | None:
        """Every PUSH instance is supported."""
        return None if isinstance(instance, Instance) else "expected a PUSH instance"

    def prepare(self) -> None:
        """Nothing to do."""

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:  # noqa: ARG002
        """Play the instance slot by slot."""
        return claims_of(instance, play(instance, self.make(), seed))


class Informed(Online):
    """A solver whose policy knows the law of requests, not the requests."""

    knows = "law"

    def supports(self, instance: Any) -> str | None:
        """Instances that were generated from a scenario are supported: they name their law."""
        return super().supports(instance) or lawless(instance)

    def prepare(self) -> None:
        """Compile the policy's kernels by playing a tiny instance."""
        self.solve(generate(PRESETS["push-tiny"], 0, "push-tiny"), Budget(), 0)


def lawless(instance: Instance) -> str | None:
    """Return why a method that knows the law cannot take an instance, None if it can."""
    if "law" in instance.scenario and len(instance.contents) == instance.num_contents:
        return None
    return "expected an instance that names its law of requests (scenario.law)"


def known_world(context: Context) -> World:
    """Return the scenario and law of an instance that `lawless` lets through."""
    if context.world is None:
        raise ValueError("this policy has to know the law of requests; the instance names none")
    return context.world


def claims_of(instance: Instance, plan: Plan) -> Claims:
    """Return a feasible plan's claims, with its expected delay where the law is known."""
    detail: dict[str, int | float | str] = {}
    if "law" in instance.scenario:
        detail["expected_us"] = expected_cost(instance, plan)
    return Claims(Status.FEASIBLE, plan, evaluate(instance, plan).cost, detail=detail)
