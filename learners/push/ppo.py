"""Advantages and losses of multi-agent PPO, as in its reference implementation on-policy."""

import torch
from torch import Tensor, nn


def advantages(reward: Tensor, value: Tensor, gamma: float, lam: float) -> Tensor:
    """Return generalised advantages, shape (T, B), of episodes that end after T steps.

    A_t = sum_k (gamma lambda)^k delta_{t+k}, delta_t = r_t + gamma V_{t+1} - V_t, V_T = 0
    (Schulman et al. 2016, arXiv:1506.02438).

    Parameters
    ----------
    reward, value
        Rewards and values, shape (T, B).
    """
    result, last = torch.zeros_like(reward), torch.zeros_like(reward[0])
    following = torch.zeros_like(reward[0])
    for t in range(len(reward) - 1, -1, -1):
        delta = reward[t] + gamma * following - value[t]
        last = delta + gamma * lam * last
        result[t], following = last, value[t]
    return result


def policy_loss(log_ratio: Tensor, advantage: Tensor, clip: float, agent_of: Tensor) -> Tensor:
    """Return minus the clipped surrogate: summed over an agent's heads, averaged over agents.

    Parameters
    ----------
    log_ratio, advantage
        Of every head, shape (n,).
    agent_of
        Number of the decision that a head belongs to, 0..B-1, shape (n,).
    """
    ratio = log_ratio.exp()
    clipped = ratio.clamp(1 - clip, 1 + clip)
    surrogate = torch.minimum(ratio * advantage, clipped * advantage)
    return -surrogate.sum() / max(int(agent_of.max()) + 1, 1)


def joint(values: Tensor, agent_of: Tensor, mean: bool = False) -> Tensor:
    """Return sums or means of heads' values over an agent's heads, shape (B,)."""
    total = values.new_zeros(int(agent_of.max()) + 1).index_add(0, agent_of, values)
    return total / torch.bincount(agent_of) if mean else total


def value_loss(value: Tensor, old: Tensor, target: Tensor, clip: float, huber: float) -> Tensor:
    """Return on-policy's value loss: of value and value clipped to `old`, the worse Huber loss."""
    moved = old + (value - old).clamp(-clip, clip)
    losses = [
        nn.functional.huber_loss(x, target, delta=huber, reduction="none") for x in (value, moved)
    ]
    return torch.maximum(*losses).mean()
