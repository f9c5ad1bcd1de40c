"""Agent ``push.counterfactual``: learns each push from what every other choice would have cost.

The project's own agent for PUSH, trained in two stages on births drawn from the scenario.

1. Imitation. With births known, annealing gives good plans (`learners.push.stage.batch`). The
   network is shown each head, a content for a user, as it would see it online, and learns the
   plan's slot by cross entropy: L = -sum_i log pi(a*_i | x_i).
2. Counterfactual gradient. The network plays; then the saving of every choice of every head is
   computed exactly, all other heads being as they were (`learners.push.stage.batch`), and
   L = -sum_i sum_a pi(a | x_i) gain_i(a): the policy gradient of the difference reward, with all
   actions summed instead of sampled. Requests do not react to pushes, so nothing is estimated but
   the mean over births and over the other heads' choices. All heads move at once, each as if the
   others stayed; alone this overshoots at first (everybody stops pushing), so the loss of imitation
   is added with a weight that falls to 0.

Heads of a user are decided in sequence, so a decision sees the earlier ones of its slot, and what
the contents already pushed are still worth (`learners.push.features`). Choices are slots after
birth.

Trained on a scenario, contents save what the law expects of their attributes and images (``demand =
law``), or what a model of demand expects that is learned from requests first (``demand = learned``,
see `learners.push.demand`). Trained on one instance, they save its requests as they fell, and every
head has logits of its own beside the network's: a plan may be learned by heart.
"""

import copy
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from learners import agent
from learners.push.features import CURVES, SCALARS, ChooseSlot, Decided, decide
from learners.push.planner import (
    METHOD,
    Planner,
    PlannerInput,
    after_birth,
    chooser,
    new_weights,
    sight,
)
from learners.push.sources import DrawnProblems, KnownProblems, Source
from learners.push.stage.batch import HEAT, Yardstick, anneal, counterfactuals
from learners.push.stage.draws import Problems
from learners.push.training import CHECKED, PushTrainer
from learners.training import BY_PROFILE, Rounds, timed
from opt_istn.training import Task

_IMITATE, _PLAY, _CHECK, _WEIGHTS = range(4)  # independent streams of a training's seed
_WINDOW = 32  # labelled batches that are kept for imitation
_CLIP = 5.0  # of the gradient's norm
_OWN_RATE = 25.0  # learning rate of a head's own logits over that of the network


@dataclass(frozen=True)
class Counterfactual(PushTrainer):
    """Trains the agent.

    Parameters
    ----------
    time_s
        Seconds of training, drawing and annealing included; 300 if `steps` are not given.
    steps
        Steps of the optimiser instead of seconds: a training that repeats exactly.
    imitation
        Part of the training spent on imitation, 0..1.
    batch
        Instances a step.
    hidden
        Width of the two hidden layers.
    learning_rate, play_rate
        Of Adam at the start of imitation and of the second stage; each falls linearly to 0.
    anchor
        Weight of imitation at the start of the second stage; it falls linearly to 0.
    sweeps
        Of the annealing that makes the plans to imitate.
    reuse
        Steps of imitation for each batch that is labelled.
    redraws
        How often births get other attributes and images before new ones are drawn.
    demand
        Whether savings follow the known law, or a model learned from requests.
    demand_steps
        Steps of learning that model.
    device
        Where the network is trained, as torch names it; instances are played on the CPU.
    """

    time_s: float = BY_PROFILE
    steps: int | None = None
    imitation: float = 0.3
    batch: int = 8
    hidden: int = 128
    learning_rate: float = 2e-3
    play_rate: float = 1e-3
    anchor: float = 0.3
    sweeps: int = 60
    reuse: int = 4
    redraws: int = 4
    demand: Literal["law", "learned"] = "law"
    demand_steps: int = 600
    device: str = "cpu"

    def course(self, task: Task, seed: int) -> "CounterfactualCourse":
        """Return the training that `train` carries out."""
        return CounterfactualCourse(self, task, seed)


class Labelled(NamedTuple):
    """Heads as the network sees them, and their choices: slots after birth, T for never, (n,)."""

    seen: PlannerInput
    choice: Tensor


class CounterfactualCourse(Rounds):
    """A training. What is drawn depends on the seed and the number of the round alone."""

    def __init__(self, config: Counterfactual, task: Task, seed: int) -> None:
        config = timed(config)
        super().__init__(config, task, seed)
        self.config, self.source = config, _source(config, task)
        x, rng = self.source, new_weights(seed)
        planner = Planner(x.num_users, x.num_slots, config.hidden, x.num_own, rng)
        self.planner = planner.to(config.device)
        self.learned = {"planner": self.planner}
        self.optimizers, self._playing = [self._new_optimizer()], False
        self._num_labelled = 0
        self._recent: dict[int, Labelled] = {}

    def prepare(self) -> None:
        """Learn demand, draw the instances of the training curve, and anneal plans for them."""
        self.source.learn(np.random.default_rng([self.seed, _WEIGHTS]))
        rng = self.rng(_CHECK, 0)
        self._checked = self.source.problems(CHECKED, rng)
        sweeps = 2 * self.config.sweeps
        self._yardstick = Yardstick(self._checked.batch, self.source.num_users, sweeps, rng)

    def improve(self, left: float) -> None:
        """Take a step of imitation, or later of play."""
        part = self.config.imitation
        if 1 - left < part:
            self._imitate(1 - (1 - left) / part)
        else:
            if not self._playing:
                self._playing, self.optimizers = True, [self._new_optimizer()]
            self._play(left / (1 - part))

    def measure(self) -> list[float]:
        """Return the agent's saving over that of annealed plans that know all births."""
        choose = chooser(self.planner, self._checked)
        return self._yardstick.savings(self._decide(self._checked, choose).plan)

    def weights(self) -> dict[str, Any]:
        """Return the network's tensors."""
        return {"planner": self.planner.state_dict()}

    def agent(self) -> agent.Agent:
        """Return the trained agent."""
        x = self.source
        sizes = {"num_users": x.num_users, "num_slots": x.num_slots, "num_own": x.num_own}
        sizes |= {"hidden": self.config.hidden}
        planner = copy.deepcopy(self.planner).cpu()
        state = {"planner": planner.state_dict(), "sizes": sizes, "best": self.best, **x.state()}
        config, about = dataclasses.asdict(self.config), agent.described(self.task)
        told: dict[str, Any] = {"counts": self.counts, "measured": self.measured}
        told["contract"] = agent.contract([*CURVES, *SCALARS, "slot", "user"])
        return agent.Agent(METHOD, config, about, self.seed, state, self.history, **told)

    def state(self) -> dict[str, Any]:
        """Return what is needed to go on."""
        more = {"source": self.source.state(), "playing": self._playing}
        return super().state() | more | {"num_labelled": self._num_labelled}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        super().restore(state)
        self._playing, self._num_labelled = state["playing"], state["num_labelled"]
        self.source.restore(state["source"])

    def _new_optimizer(self) -> torch.optim.Optimizer:
        """Return Adam without moments: those of one stage's gradients mislead the other's."""
        named = self.planner.named_parameters()
        groups = [{"params": [value], "own": name == "own"} for name, value in named]
        return torch.optim.Adam(groups, self.config.learning_rate)

    def _imitate(self, left: float) -> None:
        """Take a step of imitation on a batch of the window; `left` 1..0 scales the rate."""
        self._num_labelled = self.step // self.config.reuse + 1
        self._descend(self._imitation(), self.config.learning_rate * left)

    def _imitation(self) -> Tensor:
        """Return the loss of imitation on one of the latest labelled batches."""
        window = range(max(0, self._num_labelled - _WINDOW), self._num_labelled)
        self._recent = {k: self._recent.get(k) or self._label(k) for k in window}
        x = self._recent[int(self.rng(_IMITATE, self.step).choice(window))]
        return nn.functional.nll_loss(self.planner(*x.seen), x.choice)

    def _label(self, number: int) -> Labelled:
        """Return heads of newly drawn instances as seen in an annealed plan, and its choices."""
        rng = self.rng(_IMITATE, number, 1)
        problems = self.source.problems(self.config.batch, rng)
        plan = anneal(problems.batch, self.config.sweeps, HEAT, rng)
        seen = self._decide(problems, lambda heads, *_: plan[heads])
        slots, release = problems.batch.num_slots, problems.batch.release
        choice = np.where(plan < slots, plan - release, slots)
        chosen = torch.from_numpy(choice).to(self.config.device)
        return Labelled(self._sight(problems, seen), chosen)

    def _play(self, left: float) -> None:
        """Take a step on the counterfactuals of the network's own play; `left` as before."""
        rng = self.rng(_PLAY, self.step)
        problems = self.source.problems(self.config.batch, rng)
        self.counts["rollouts"] += 1
        self.counts["environment_steps"] += self.config.batch * self.source.num_slots
        batch, noise = problems.batch, torch.Generator().manual_seed(int(rng.integers(2**62)))
        seen = self._decide(problems, chooser(self.planner, problems, noise))
        saved = counterfactuals(batch, seen.plan) / self.source.unit_us
        gain = torch.from_numpy(after_birth(saved, batch.release).astype(np.float32))
        gain = gain.to(self.config.device)
        chance = self.planner(*self._sight(problems, seen)).exp()
        loss = -(chance * gain).sum(-1).mean()
        if self._num_labelled and self.config.anchor > 0:
            loss = loss + self.config.anchor * left * self._imitation()
        self._descend(loss, self.config.play_rate * left)

    def _descend(self, loss: Tensor, rate: float) -> None:
        optimizer = self.optimizers[0]
        for group in optimizer.param_groups:
            group["lr"] = rate * (_OWN_RATE if group["own"] else 1.0)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch ships it untyped
        nn.utils.clip_grad_norm_(self.planner.parameters(), _CLIP)
        optimizer.step()
        self.counts["gradient_steps"] += 1

    def _decide(self, problems: Problems, choose: ChooseSlot) -> Decided:
        never = np.full(len(problems.batch.release), problems.batch.num_slots)
        return decide(problems, self.source.unit_us, self.source.num_users, choose, 0, never)

    def _sight(self, problems: Problems, seen: Decided) -> PlannerInput:
        heads, device = np.arange(len(seen.plan)), self.planner.trust.device
        return sight(problems, heads, seen.rows, seen.gain, device)


def _source(config: Counterfactual, task: Task) -> Source:
    """Return where the training problems of a task come from."""
    if task.scenario is None:
        return KnownProblems(task.instance)
    demand_steps = config.demand_steps if config.demand == "learned" else 0
    return DrawnProblems(task.scenario, config.redraws, demand_steps=demand_steps)
