"""The attention critic of MAAC (Iqbal and Sha 2019, arXiv:1810.02912), for factored actions.

Agent i's critic encodes what i sees, s_i, attends to what the others see and do, sa_j, and gives a
value for every action of i; its own action is no input, so the counterfactual baseline
sum_a pi(a) Q_i(a) is exact:

    e_i  = sum_j softmax_j(q(s_i) . k(sa_j) / sqrt(d)) v(sa_j),   j != i
    Q_i(a) = f(s_i, e_i)[a]

An action of many heads has too many values for one output each. As in value decomposition, they
add up over the heads:

    Q_i(a) = b_i(c, s_i, e_i) + sum_h f(x_h, e_i)[a_h]

with x_h the encoding of what head h is about and s_i the mean over an agent's heads, so
expectations under a factored policy and each head's own counterfactual advantage are exact too.
With one head an agent and no base b this is MAAC. Encoders are shared by all agents.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, cast

import torch
from torch import Generator, Tensor, nn

from learners import nets

_SLOPE = 0.01  # of leaky rectifiers below 0


class Valued(NamedTuple):
    """What the critic says of n heads of agents in B steps with K places for agents.

    Parameters
    ----------
    table
        Part of each choice in the agent's value, shape (n, A).
    base
        Part that no choice of the agent changes, shape (B, K); 0 without a base.
    strain
        Mean square of the scores of attention between agents that are there; training penalises it.
    """

    table: Tensor
    base: Tensor
    strain: Tensor


@dataclass(frozen=True)
class Crowd:
    """Which agents the heads belong to.

    Parameters
    ----------
    cell
        b K + k of each head's step b and agent k, shape (n,).
    steps, agents
        B and K.
    """

    cell: Tensor
    steps: int
    agents: int

    @cached_property
    def number(self) -> Tensor:
        """Heads of each agent, shape (B, K)."""
        number = torch.bincount(self.cell, minlength=self.steps * self.agents)
        return number.view(self.steps, self.agents)

    def mean(self, rows: Tensor) -> Tensor:
        """Return the mean over each agent's heads, shape (B, K, width), 0 for agents without."""
        total = rows.new_zeros(self.steps * self.agents, rows.shape[1])
        total = total.index_add(0, self.cell, rows).view(self.steps, self.agents, -1)
        return total / self.number.clamp_min(1).unsqueeze(-1)

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum over each agent's heads, shape (B, K)."""
        total = values.new_zeros(self.steps * self.agents).index_add(0, self.cell, values)
        return total.view(self.steps, self.agents)


class AttentionCritic(nn.Module):
    """See the module.

    Parameters
    ----------
    inputs, choices
        Numbers that describe a head, and A.
    width, attend
        Numbers in every layer, and attention heads; the former is a multiple of the latter.
    context
        Numbers that describe a step to all agents, for the base; 0 for no base.
    rng
        Source of the weights.
    """

    def __init__(
        self, inputs: int, choices: int, width: int, attend: int, context: int, rng: Generator
    ) -> None:
        super().__init__()
        self.choices, self.attend = choices, attend
        relu = nets.GAIN_RELU
        self.encode = nets.linear(inputs, width, rng, relu)
        self.encode_action = nets.linear(inputs + choices, width, rng, relu)
        self.query = nn.Linear(width, width, bias=False, device="meta").to_empty(device="cpu")
        self.key = nn.Linear(width, width, bias=False, device="meta").to_empty(device="cpu")
        for layer in (self.query, self.key):
            nn.init.orthogonal_(layer.weight, generator=rng)
        self.value = nets.linear(width, width, rng, relu)
        self.table = nn.Sequential(
            nets.linear(2 * width, width, rng, relu),
            nn.LeakyReLU(_SLOPE),
            nets.linear(width, choices, rng),
        )
        self.base = None
        if context:
            self.base = nn.Sequential(
                nets.linear(2 * width + context, width, rng, relu),
                nn.LeakyReLU(_SLOPE),
                nets.linear(width, 1, rng),
            )

    def forward(self, rows: Tensor, action: Tensor, crowd: Crowd, context: Tensor) -> Valued:
        """Return values of all choices, given what the other agents do.

        Parameters
        ----------
        rows, action
            Of the heads, shapes (n, inputs) and (n,).
        crowd
            Whose heads they are.
        context
            Of the steps, shape (B, context).
        """
        head = _leaky(self.encode(rows))
        of_row, of_choice = _split(self.encode_action, rows.shape[1])
        done = (of_choice.T + self.encode_action.bias).index_select(0, action)
        act = _leaky(torch.addmm(done, rows, of_row.T))
        seen, acted = crowd.mean(head), crowd.mean(act)
        others, strain = self._attend(seen, acted, crowd.number > 0)
        first, last = cast("nn.Linear", self.table[0]), self.table[2]
        own, theirs = _split(first, head.shape[1])
        company = nn.functional.linear(others.flatten(0, 1), theirs, first.bias)
        hidden = _leaky(torch.addmm(company.index_select(0, crowd.cell), head, own.T))
        return Valued(last(hidden), self._base(seen, others, context), strain)

    def _base(self, seen: Tensor, others: Tensor, context: Tensor) -> Tensor:
        """Return the part of the values that agents do not change, shape (B, K)."""
        if self.base is None:
            return seen.new_zeros(seen.shape[:2])
        first, last = cast("nn.Linear", self.base[0]), self.base[2]
        own, theirs, common = _split(first, seen.shape[2], others.shape[2])
        told = nn.functional.linear(context, common, first.bias).unsqueeze(1)
        hidden = nn.functional.linear(seen, own) + nn.functional.linear(others, theirs) + told
        value: Tensor = last(_leaky(hidden))[..., 0]
        return value

    def _attend(self, seen: Tensor, act: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Return e, shape (B, K, width), and `Valued.strain`."""
        size = seen.shape[-1] // self.attend
        split, blank = (*seen.shape[:2], self.attend, size), torch.zeros_like(seen).flatten(0, 1)
        there = present.flatten().nonzero()[:, 0]  # few; scores of the others are 0 or unused
        seen, act = (x.flatten(0, 1).index_select(0, there) for x in (seen, act))
        told = (self.query(seen), self.key(act), _leaky(self.value(act)))
        query, key, value = (blank.index_copy(0, there, x).view(split) for x in told)
        score = torch.einsum("bihd,bjhd->bhij", query, key) / size**0.5
        other = ~torch.eye(split[1], dtype=torch.bool, device=seen.device)
        there = (present[:, None, :] & other)[:, None]
        number = there.sum() * self.attend
        strain = score.masked_fill(~there, 0.0).square().sum() / number.clamp_min(1)
        # A softmax whose weights are 0 with nobody to attend to; torch's is slow on short rows.
        score = score.masked_fill(~there, -torch.inf)
        most = score.detach().amax(-1, keepdim=True).clamp_min(torch.finfo(score.dtype).min)
        part = (score - most).exp()
        weight = part / part.sum(-1, keepdim=True).clamp_min(torch.finfo(score.dtype).tiny)
        return torch.einsum("bhij,bjhd->bihd", weight, value).flatten(-2), strain


def _leaky(rows: Tensor) -> Tensor:
    return nn.functional.leaky_relu(rows, _SLOPE, inplace=True)


def _split(layer: nn.Linear, *widths: int) -> tuple[Tensor, ...]:
    """Return the matrices by which a layer multiplies the parts of its input, the rest last."""
    return torch.split(layer.weight, [*widths, layer.in_features - sum(widths)], dim=1)
