"""Agent ``jutap.valuenet``: one network for maps that it was not trained on.

A convolutional network (a small U-Net: Ronneberger, Fischer & Brox, MICCAI 2015) looks at a whole
map and says of every cell and link what the flight to END costs from there; the agent takes the
move with the least cost and cost to go. It learns from the exact costs to go of maps drawn from the
scenario; in flight it sees none of them. What it sees is in `learners.jutap.views`.

The network says how much less a flight costs than the cheapest of three straight walks. Before
training that is 0: the untrained agent is the rule that looks one move ahead along these walks.
Energy budgets are ignored.
"""

from collections import deque
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from learners import agent, training
from learners.agent import Agent
from learners.jutap import views
from learners.jutap.curve import Measure
from learners.jutap.solver import AgentSolver
from learners.jutap.views import COLUMNS, KINDS, View, chosen, view_of
from learners.training import COUNT, POSITIVE, RATE, SECONDS, WIDTH, check_one, check_ranges
from opt_istn.jutap.flights.table import Table, strongest, table_of
from opt_istn.jutap.instance import IntArray
from opt_istn.jutap.scenario import Scenario, generate
from opt_istn.training import Report, Task

METHOD = "jutap.valuenet"
DRAWN = 10**12  # seeds of drawn maps begin here, far above those that instances are numbered with
APART = 10**11  # between the seeds of two trainings
VALIDATION = 10**15  # seeds of the maps of the curve, the same for all trainings
VALIDATED = 8
ROWS = 24  # of the curve, where updates are counted
_BATCHES = 1  # stream of randomness


@dataclass(frozen=True)
class ValueNet:
    """Trains the agent on maps drawn from a scenario.

    Parameters
    ----------
    time_s, steps
        Length of the training: seconds, or updates.
    width
        Channels of the network at the map's own resolution.
    learning_rate
        Of Adam at first; it falls linearly to 0.
    batch, fresh, pool
        Maps of an update, maps drawn anew before each, and those kept to choose from.
    temperature
        Of the choice among moves whose expected regret is part of the loss, objective units.
    regret
        Weight of that regret beside the error of the costs to go.
    """

    time_s: float | None = None
    steps: int | None = None
    width: int = 16
    learning_rate: float = 3e-3
    batch: int = 12
    fresh: int = 2
    pool: int = 1024
    temperature: float = 0.03
    regret: float = 5.0

    def __post_init__(self) -> None:
        counts = dict.fromkeys(("steps", "batch", "fresh", "pool"), COUNT)
        more = {"time_s": SECONDS, "width": WIDTH, "learning_rate": RATE}
        check_ranges(self, **counts, **more, temperature=POSITIVE, regret=(0.0, 1e9))
        check_one(self, "time_s", "steps")

    def supports(self, task: Task) -> str | None:
        """Scenarios of JUTAP are supported, for it learns from many maps."""
        if task.problem != "jutap":
            return "expected a JUTAP preset"
        if task.scenario is None:
            return "it learns from many maps: give a preset, without --instance-seed"
        return None

    def train(self, task: Task, seed: int, out: Path, report: Report) -> dict[str, Any]:
        """Train on one thread and write the agent file."""
        torch.set_num_threads(1)
        return training.train(ValueNetCourse(self, task, seed), out, report)


class Block(nn.Sequential):
    """Two 3 x 3 convolutions with ReLU units, shape (n, I, N, N) to (n, O, N, N)."""

    def __init__(self, inputs: int, outputs: int, rng: torch.Generator) -> None:
        first, second = convolution(inputs, outputs, 3, rng), convolution(outputs, outputs, 3, rng)
        super().__init__(first, nn.ReLU(), second, nn.ReLU())


def convolution(inputs: int, outputs: int, side: int, rng: torch.Generator) -> nn.Conv2d:
    """Return a convolution that keeps the map's size; He's initial weights, bias 0."""
    layer = nn.Conv2d(inputs, outputs, side, padding=side // 2, device="meta").to_empty(
        device="cpu"
    )
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=rng)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]  # there is a bias
    return layer


class Network(nn.Module):
    """A U-Net of four resolutions; its last layer begins with zeros.

    Parameters
    ----------
    width
        Channels at the map's own resolution; two and three times as many below.
    rng
        Source of the weights.
    """

    def __init__(self, width: int, rng: torch.Generator) -> None:
        super().__init__()
        sizes = [width, 2 * width, 3 * width, 3 * width]
        inputs = [len(COLUMNS), *sizes[:-1]]
        self.down = nn.ModuleList(Block(i, o, rng) for i, o in zip(inputs, sizes, strict=True))
        below = pairwise(sizes)
        self.up = nn.ModuleList(Block(a + b, a, rng) for a, b in below)
        self.head = convolution(width, KINDS, 1, rng)
        nn.init.zeros_(self.head.weight)

    def forward(self, seen: Tensor) -> Tensor:
        """Return cost of the cheapest walk less that of a flight, (n, C, N, N) to (n, 2 N*N)."""
        levels = [self.down[0](seen)]
        for block in list(self.down)[1:]:
            levels.append(block(nn.functional.max_pool2d(levels[-1], 2, ceil_mode=True)))
        found = levels.pop()
        for block, level in zip(reversed(self.up), reversed(levels), strict=True):
            size = level.shape[-2:]
            above = nn.functional.interpolate(found, size=size, mode="bilinear")
            found = block(torch.cat([level, above], dim=1))
        result: Tensor = self.head(found).flatten(1)
        return result


class Lesson(NamedTuple):
    """Maps to learn from, one or many: arrays as in `View`, and the exact costs to go."""

    seen: Any
    walks: Any
    onward: Any
    cost: Any
    closer: Any
    exact: Any


def lesson_of(table: Table) -> Lesson:
    """Return what is learned from a map."""
    view = view_of(table)
    known = (view.seen, view.walks, view.onward, view.cost, view.closer)
    return Lesson(*known, views.exact(table, view))


def values(net: Network, seen: Tensor, walks: Tensor) -> Tensor:
    """Return the cost to go of every place, 0 at END, shape (n, 2 N*N)."""
    alive = 1 - seen[:, 0].flatten(1)
    said: Tensor = (walks.repeat(1, KINDS) - net(seen)) * alive.repeat(1, KINDS)
    return said


def loss_of(config: ValueNet, value: Tensor, lesson: Lesson) -> Tensor:
    """Return the Huber error of costs to go, and the expected regret of moves chosen by them."""
    known = ~torch.isnan(lesson.exact)
    error = nn.functional.huber_loss(value[known], lesson.exact[known])
    least, flat = torch.nan_to_num(lesson.exact), lesson.onward.flatten(1)
    said, true = (lesson.cost + x.gather(1, flat).view_as(lesson.cost) for x in (value, least))
    some = lesson.closer.any(dim=-1) & known
    said = said[some].masked_fill(~lesson.closer[some], torch.inf)
    lost = (true - least[..., None])[some].masked_fill(~lesson.closer[some], 0.0)
    regret = (torch.softmax(-said / config.temperature, dim=-1) * lost).sum(dim=-1).mean()
    loss: Tensor = error + config.regret * regret
    return loss


class ValueNetCourse(training.Rounds):
    """A training, as `Rounds` says."""

    def __init__(self, config: ValueNet, task: Task, seed: int) -> None:
        self.config = config = training.timed(config)
        super().__init__(config, task, seed)
        self.net = Network(config.width, torch.Generator().manual_seed(seed))
        self.learned = {"net": self.net}
        self.optimizer = torch.optim.Adam(self.net.parameters(), config.learning_rate)
        self.optimizers = [self.optimizer]
        self.every = None if config.steps is None else max(config.steps // ROWS, 1)
        self.kept: deque[Lesson] = deque(maxlen=config.pool)
        self.measures: list[tuple[Measure, View]] = []

    def prepare(self) -> None:
        """Draw the maps of the curve, and those that were drawn before an interruption."""
        for k in range(VALIDATED):
            table = self._map(VALIDATION + k)
            self.measures.append((Measure(table, np.random.default_rng(k)), view_of(table)))
        done = self.counts["rollouts"]
        self._draw(range(max(done - self.config.pool, 0), max(done, self.config.batch)))

    def improve(self, left: float) -> None:
        """Draw maps, and learn from some of those that are kept."""
        c, done = self.config, self.counts["rollouts"]
        self._draw(range(done, done + c.fresh))
        rng = self.rng(_BATCHES, self.step)
        picked = [self.kept[i] for i in rng.integers(len(self.kept), size=c.batch)]
        stacks = (torch.from_numpy(np.stack(x)) for x in zip(*picked, strict=True))
        lesson = Lesson(*stacks)
        loss = loss_of(c, values(self.net, lesson.seen, lesson.walks), lesson)
        self.optimizer.param_groups[0]["lr"] = c.learning_rate * left
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch ships it untyped
        self.optimizer.step()
        self.counts["gradient_steps"] += 1

    def measure(self) -> list[float]:
        """Return the saving on each of the curve's maps, see `Measure.row`."""
        return [measure.row(flown(self.net, view))["saving"] for measure, view in self.measures]

    def summary(self) -> str:
        """Return how training stands."""
        saving = f"{self.history[-1]['saving']:.3f}" if self.history else "?"
        done = f"update {self.step}, {self.spent_s:.0f} s, {self.counts['rollouts']} maps"
        return f"{done}; saves {saving} on other maps (0: straight walks, 1: optima)"

    def weights(self) -> dict[str, Any]:
        """Return the tensors that the agent flies with."""
        return self.net.state_dict()

    def agent(self) -> Agent:
        """Return the trained agent."""
        state = {"last": self.net.state_dict(), "best": self.best}
        about = (METHOD, asdict(self.config), agent.described(self.task), self.seed)
        return Agent(
            *about,
            state,
            self.history,
            counts=dict(self.counts),
            measured=self.measured,
            contract=agent.contract(COLUMNS),
        )

    def _draw(self, numbers: range) -> None:
        """Add the maps of these numbers to those that are kept."""
        for number in numbers:
            self.kept.append(lesson_of(self._map(DRAWN + APART * self.seed + number)))
        self.counts["rollouts"] = max(self.counts["rollouts"], numbers.stop)

    def _map(self, seed: int) -> Table:
        scenario: Scenario = self.task.scenario
        return table_of(strongest(generate(scenario, seed)))


@torch.no_grad()
def flown(net: Network, view: View, lookahead: int = 1) -> IntArray:
    """Return the action of every state, shape (S,); see `chosen`."""
    seen, walks = torch.from_numpy(view.seen)[None], torch.from_numpy(view.walks)[None]
    return chosen(view, values(net, seen, walks)[0].numpy(), lookahead)


@dataclass(frozen=True)
class ValueNetAgent(AgentSolver):
    """Solver ``jutap.valuenet``: flies by the costs to go that the network of a file says.

    The untrained network is drawn once more from the seed in the file.

    Parameters
    ----------
    lookahead
        Moves whose prices are looked up in the map before the network is asked, at least 1. With
        as many as a flight has, it is not asked at all.
    """

    lookahead: int = 1

    method = METHOD

    def __post_init__(self) -> None:
        super().__post_init__()
        check_ranges(self, lookahead=(1, 1000))

    def actions(self, table: Table, loaded: Agent) -> IntArray:
        """Return the action of every state, shape (S,)."""
        path = str(self.agent)
        agent.check_contract(loaded, COLUMNS, path)
        agent.check_width(width := loaded.config.get("width", ""), "config.width", path)
        net = Network(width, torch.Generator().manual_seed(loaded.seed))
        if self.weights != "untrained":
            agent.load_state(net, loaded.state.get(self.weights, {}), path)
        return flown(net, view_of(table), self.lookahead)
