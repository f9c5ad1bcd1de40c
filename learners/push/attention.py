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
from typing import NamedTuple

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
    scores
        Scores of attention that count, flat; they are kept small in training.
    """

    table: Tensor
    base: Tensor
    scores: Tensor


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

    def mean(self, rows: Tensor) -> Tensor:
        """Return the mean over each agent's heads, shape (B, K, width), 0 for agents without."""
        total = rows.new_zeros(self.steps * self.agents, rows.shape[1])
        total = total.index_add(0, self.cell, rows)
        number = torch.bincount(self.cell, minlength=len(total)).clamp_min(1)
        return (total / number.unsqueeze(1)).view(self.steps, self.agents, -1)

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum over each agent's heads, shape (B, K)."""
        total = values.new_zeros(self.steps * self.agents).index_add(0, self.cell, values)
        return total.view(self.steps, self.agents)

    @property
    def present(self) -> Tensor:
        """Whether an agent has heads, shape (B, K)."""
        there = torch.bincount(self.cell, minlength=self.steps * self.agents) > 0
        return there.view(self.steps, self.agents)


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
        leaky = nn.functional.leaky_relu
        head = leaky(self.encode(rows), _SLOPE)
        done = nn.functional.one_hot(action, self.choices).to(rows.dtype)
        act = leaky(self.encode_action(torch.cat([rows, done], dim=1)), _SLOPE)
        seen, others, scores = self._attend(crowd.mean(head), crowd.mean(act), crowd.present)
        table = self.table(torch.cat([head, others.flatten(0, 1)[crowd.cell]], dim=1))
        base = seen.new_zeros(seen.shape[:2])
        if self.base is not None:
            told = context.unsqueeze(1).expand(-1, crowd.agents, -1)
            base = self.base(torch.cat([seen, others, told], dim=-1))[..., 0]
        return Valued(table, base, scores)

    def _attend(self, seen: Tensor, act: Tensor, present: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return s, e, both shape (B, K, width), and the scores that count."""
        size = seen.shape[-1] // self.attend
        split = (*seen.shape[:2], self.attend, size)
        query, key = self.query(seen).view(split), self.key(act).view(split)
        value = nn.functional.leaky_relu(self.value(act), _SLOPE).view(split)
        score = torch.einsum("bihd,bjhd->bhij", query, key) / size**0.5
        agents = seen.shape[1]
        other = ~torch.eye(agents, dtype=torch.bool, device=seen.device)
        there = (present[:, None, :] & other)[:, None].expand_as(score)
        # with nobody to attend to, the weights are 0 instead of 0 / 0
        weight = score.masked_fill(~there, -torch.inf).softmax(-1).nan_to_num(0.0)
        others = torch.einsum("bhij,bjhd->bihd", weight, value).flatten(-2)
        return seen, others, score[there]
