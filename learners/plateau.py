"""How far a training got: the plateau rule, and the status of an agent derived from its files.

A training has come to its *plateau* when the last third of its curve brings less than 1 %: its best
smoothed saving less that of the two thirds before. Before a minimum of steps (of the optimiser, or
of the environment where a table is learned) a flat line is no plateau. Curves are measured on
instances that are neither trained nor judged on, those of JUTAP on STARTs of the one map that is
learned.

An agent's status follows from the files of its seeds:

``undertrained``
    a seed has not come to its plateau;
``no gain``
    all have, and the interval of what they save more than untrained includes 0;
``trained``
    all have, and it lies above 0.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from learners.agent import Agent, FromFile, of_seed, sha256
from learners.training import COUNTED
from opt_istn.report.numbers.intervals import student

# Steps of the optimiser before which nothing counts as a plateau. The paper prints no length of
# training: these are 300 rollouts of its profile, and the reference's 50,000 episodes of MAAC in
# rounds of 4 with 3 steps each. Half of the strong profile's 20,000 for a DQN, less than a tenth of
# what the paper's 10,000 episodes come to; for a table 50 visits of each of its 20,000 entries.
MINIMUM = {
    "push.mappo": 24_000,
    "push.mmappo": 24_000,
    "push.maac": 37_500,
    "jutap.dqn": 10_000,
    "jutap.qlearning": 1_000_000,
}
OTHERS = 1_000
TABLES = frozenset({"jutap.qlearning"})  # methods without an optimiser
GAIN = 0.01
_SMOOTH = 3  # rows of a curve that are averaged

Status = Literal["undertrained", "no gain", "trained"]
Weights = Literal["last", "best"]


@dataclass(frozen=True)
class Plateau:
    """Whether a training has come to its plateau, and why or why not in a sentence."""

    reached: bool
    why: str


def find_plateau(method: str, history: Sequence[Mapping[str, Any]]) -> Plateau:
    """Apply the rule to a training curve.

    Parameters
    ----------
    method
        Id of the solver, which says the minimum.
    history
        Rows with ``gradient_steps`` (``environment_steps`` of `TABLES`) and ``saving``, the first
        one of the untrained agent. Rows that do not tell them, of older files, do not count.
    """
    least = MINIMUM.get(method, OTHERS)
    unit = "environment" if method in TABLES else "optimiser"
    counted = "environment_steps" if method in TABLES else "gradient_steps"
    curve = [(x[counted], x["saving"]) for x in history if counted in x and "saving" in x]
    done = curve[-1][0] if curve else 0
    if done < least:
        return Plateau(False, f"{done} of at least {least} steps of the {unit}")
    late = [saving for n, saving in curve if 3 * n >= 2 * done]
    early = [saving for n, saving in curve if 3 * n < 2 * done]
    if len(late) < _SMOOTH or len(early) < _SMOOTH:
        return Plateau(False, f"the curve has {len(curve)} rows, too few to tell")
    gain = max(_smoothed(late)) - max(_smoothed(early))
    told = f"the last third of {done} steps of the {unit} brought {gain:+.3f} of the saving"
    return Plateau(gain < GAIN, told)


def steps_of(agent: Agent, weights: str) -> dict[str, Any]:
    """Return what records of its runs say of an agent's training; see `runs.ledger.Steps`.

    Parameters
    ----------
    weights
        Which of its weights played.
    """
    if weights == "untrained":
        return dict.fromkeys(COUNTED, 0) | {"status": "untrained"}
    found = find_plateau(agent.method, agent.history)
    counts = {name: agent.counts[name] for name in COUNTED if name in agent.counts}
    return counts | {"status": "plateau" if found.reached else found.why}


@dataclass(frozen=True)
class Trained(FromFile):
    """A solver that plays an agent file, and tells records how far the agent was trained.

    Parameters
    ----------
    agent
        Its file, written by ``opt-istn train``; ``{seed}`` in its name is filled in with the
        solver's seed.
    elsewhere
        Whether it may play what it was not trained on.
    sha256
        Hash of the file (of all of them); by default taken from it. It makes a run with another
        agent of the same name another run.

    Raises
    ------
    InputError
        If the file cannot be read, or has another hash.
    """

    agent: Path
    elsewhere: bool = False
    sha256: str = ""

    kind: ClassVar[str] = "agent"

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha256", sha256(self.agent, self.sha256))

    def path(self, seed: int | None = None) -> Path:
        """Return the agent file of a seed; without a seed, the first file there is."""
        if seed is None and self.stochastic:
            pattern = of_seed(self.agent, "*")
            return min(pattern.parent.glob(pattern.name))
        return of_seed(self.agent, 0 if seed is None else seed)

    @property
    def steps(self) -> dict[str, Any] | None:
        """How far the agent that was loaded last was trained; None before one was."""
        found: dict[str, Any] | None = vars(self).get("_steps")
        return found

    def remember(self, found: Agent, weights: str) -> None:
        """Keep how far an agent was trained whose weights are to play."""
        object.__setattr__(self, "_steps", steps_of(found, weights))


@dataclass(frozen=True)
class Progress:
    """What training an agent with several seeds came to.

    Parameters
    ----------
    status
        See the module.
    gain
        Mean of what it saves more than its own untrained network on the curve's instances.
    low, high
        95 % interval of that over seeds, or with one seed over instances; NaN if there is but one
        number.
    why
        Of each seed, why it has or has not come to its plateau.
    """

    status: Status
    gain: float
    low: float
    high: float
    why: tuple[str, ...]


def progress(agents: Sequence[Agent], weights: Weights = "last") -> Progress:
    """Derive an agent's status from the files of its seeds.

    Files of version 1 say nothing of what the untrained network saved: they are `undertrained`.
    A single number, of one seed on one instance, has no interval; less than 1 % counts as no gain.

    Parameters
    ----------
    weights
        Which weights are compared with the untrained ones.
    """
    found = [find_plateau(x.method, x.history) for x in agents]
    why = tuple(x.why for x in found)
    if not agents or not all(weights in x.measured for x in agents):
        return Progress("undertrained", math.nan, math.nan, math.nan, why)
    pairs = [zip(x.measured[weights], x.measured["untrained"], strict=True) for x in agents]
    by_seed = [[a - b for a, b in pair] for pair in pairs]
    numbers = [sum(x) / len(x) for x in by_seed] if len(by_seed) > 1 else by_seed[0]
    gain, low, high = student(numbers)
    if not all(x.reached for x in found):
        return Progress("undertrained", gain, low, high, why)
    better = gain >= GAIN if math.isnan(low) else low > 0
    return Progress("trained" if better else "no gain", gain, low, high, why)


def _smoothed(values: Sequence[float]) -> list[float]:
    return [sum(values[k : k + _SMOOTH]) / _SMOOTH for k in range(len(values) - _SMOOTH + 1)]
