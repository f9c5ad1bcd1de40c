"""What the JUTAP agents share as solvers: an agent file, followed greedily, is a plan."""

from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, get_args

from learners import agent
from learners.agent import Agent
from learners.plateau import Trained
from opt_istn.files import InputError
from opt_istn.jutap import graph
from opt_istn.jutap.evaluate import evaluate
from opt_istn.jutap.flights.remaining import with_energy
from opt_istn.jutap.flights.table import Table, flown, not_strongest, strongest, table_of
from opt_istn.jutap.instance import Instance, IntArray
from opt_istn.jutap.plan import Plan
from opt_istn.solver import Budget, Claims, Status

BudgetKind = Literal["ignored", "known"]


def process_of(instance: Instance, budget: BudgetKind) -> Table:
    """Return the process that an agent learns and flies, of the strongest association.

    Parameters
    ----------
    budget
        ``known``: the energy that is left is part of the states, so no flight breaks the budget.

    Raises
    ------
    InputError
        If there is no such kind; if the energy left is to be known, and the instance has no budget,
        or one that leaves too many states.
    """
    if budget not in get_args(BudgetKind):
        rule = f"expected one of {', '.join(get_args(BudgetKind))}, found {budget!r}"
        raise InputError("budget", rule)
    table = table_of(strongest(instance))
    return with_energy(table) if budget == "known" else table


class Flyer:
    """A solver that flies an agent, whatever it is made of."""

    kind: ClassVar[str] = "agent"
    knows: ClassVar[str] = "link states"

    def supports(self, instance: Instance) -> str | None:
        """Instances whose START holds its strongest link are supported."""
        return not_strongest(instance)

    def prepare(self) -> None:
        """Import what the table is made with."""
        graph.prepare()

    @abstractmethod
    def fly(self, instance: Instance, seed: int) -> Plan:
        """Return the flight from START."""

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:  # noqa: ARG002
        """Fly from START; what misses END or the energy budget is no plan, and shown as it is."""
        plan = self.fly(instance, seed)
        judged = evaluate(instance, plan)
        if judged.violations:
            return Claims(Status.NO_PLAN, plan)
        return Claims(Status.FEASIBLE, plan, judged.cost)


@dataclass(frozen=True)
class AgentSolver(Flyer, Trained):
    """A solver that flies what an agent file says.

    Parameters
    ----------
    weights
        Which weights of the file fly: the ``last`` ones, the ``best`` on the STARTs used for
        validation, or ``untrained``: what the training began with.
    """

    weights: Literal["last", "best", "untrained"] = "last"

    method: ClassVar[str]

    @abstractmethod
    def actions(self, table: Table, loaded: Agent) -> IntArray:
        """Return the action of every state, shape (S,)."""

    def policy(self, instance: Instance, seed: int) -> tuple[Table, IntArray]:
        """Return the process of the strongest association and the agent's action in every state.

        Raises
        ------
        InputError
            If the agent file is not one, or of another map and that was not asked for.
        """
        path = self.path(seed)
        loaded = agent.load(path, self.method)
        if not self.elsewhere and not agent.is_of(instance, loaded.trained_on, {}):
            rule = f"trained on {loaded.trained_on.get('name')!r}, not on this map"
            raise InputError(
                "trained_on", f"{rule}; elsewhere=true flies it all the same", str(path)
            )
        table = process_of(instance, loaded.config.get("budget", "ignored"))
        self.remember(loaded, self.weights)
        return table, self.actions(table, loaded)

    def fly(self, instance: Instance, seed: int) -> Plan:
        """Return the agent's flight from START."""
        table, action = self.policy(instance, seed)
        plan = flown(table, action, table.start)
        return Plan(instance.sha256, plan.cells, plan.links)


def returns_of(path: Path) -> list[float]:
    """Return the return of each episode of a DQN's training, in objective units of its reward.

    Raises
    ------
    InputError
        If the file is not an agent of this kind.
    """
    found: list[float] = agent.load(path, "jutap.dqn").state["returns"].tolist()
    return found
