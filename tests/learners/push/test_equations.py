"""MAPPO's and MAAC's equations against values by hand, brute force, and loops over agents."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from learners.push.maac import score_loss, soft_targets, straight_loss
from learners.push.mappo import advantages, joint, policy_loss, value_loss
from learners.push.networks.attention import AttentionCritic, Crowd
from learners.push.networks.nets import ValueNorm


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Return normal random numbers."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_generalised_advantages_by_hand() -> None:
    """Three steps, gamma 0.5, lambda 0.5: A_2 = d_2, A_1 = d_1 + A_2 / 4, A_0 = d_0 + A_1 / 4."""
    reward = torch.tensor([[1.0], [2.0], [3.0]])
    value = torch.tensor([[4.0], [6.0], [8.0]])
    d0, d1, d2 = 1 + 0.5 * 6 - 4, 2 + 0.5 * 8 - 6, 3 - 8
    expected = [d0 + (d1 + d2 / 4) / 4, d1 + d2 / 4, d2]
    found = advantages(reward, value, 0.5, 0.5)[:, 0]
    assert found.tolist() == pytest.approx(expected)


def test_advantages_are_returns_less_values_when_lambda_is_1() -> None:
    """With lambda 1, advantages are discounted sums of rewards less the values."""
    reward, value = noise(7, 3), noise(7, 3, seed=1)
    found = advantages(reward, value, 0.9, 1.0)
    for t in range(7):
        tail = sum(0.9 ** (k - t) * reward[k] for k in range(t, 7))
        assert torch.allclose(found[t], tail - value[t], atol=1e-5)


def test_policy_loss_by_hand() -> None:
    """Ratios are clipped where that is worse; heads add up, agents average."""
    ratio = torch.tensor([1.5, 0.5, 1.1, 0.5])
    advantage = torch.tensor([1.0, 1.0, -2.0, -1.0])
    per_head = [1.2 * 1, 0.5 * 1, 1.1 * -2, 0.8 * -1]
    agents = torch.tensor([0, 0, 0, 1])
    found = policy_loss(ratio.log(), advantage, 0.2, agents)
    assert float(found) == pytest.approx(-sum(per_head) / 2)


def test_a_joint_ratio_is_the_product() -> None:
    """The joint form clips the product of an agent's ratios."""
    log_ratio = torch.tensor([0.1, 0.15, -0.3])
    agents = torch.tensor([0, 0, 1])
    found = joint(log_ratio, agents)
    assert found.tolist() == pytest.approx([0.25, -0.3])
    mean = joint(torch.tensor([1.0, 3.0, 5.0]), agents, mean=True)
    assert mean.tolist() == [2, 5]
    loss = policy_loss(found, mean, 0.2, torch.arange(2))
    expected = -(1.2 * 2 + math.exp(-0.3) * 5) / 2
    assert float(loss) == pytest.approx(expected)


def test_value_loss_by_hand() -> None:
    """The worse of the plain and the clipped value counts, quadratic up to delta, then linear."""
    value, old = torch.tensor([1.0, 5.0]), torch.tensor([0.0, 5.0])
    target = torch.tensor([2.0, 20.0])
    first = max(0.5 * 1.0**2, 0.5 * 1.8**2)
    second = 10 * (15 - 0.5 * 10)
    assert float(value_loss(value, old, target, 0.2, 10)) == pytest.approx((first + second) / 2)


def test_value_norm_is_the_debiased_running_moments() -> None:
    """After batches x, mean and deviation are weighted averages with weights that sum to 1."""
    norm, batches = ValueNorm(0.9), [noise(50, seed=k) * 3 + k for k in range(3)]
    for batch in batches:
        norm.update(batch)
    weight = np.array([0.81, 0.9, 1.0]) * 0.1
    weight /= weight.sum()
    mean = sum(w * float(b.mean()) for w, b in zip(weight, batches, strict=True))
    square = sum(w * float(b.square().mean()) for w, b in zip(weight, batches, strict=True))
    found = [float(x) for x in norm.moments()]
    assert found == pytest.approx([mean, math.sqrt(square - mean**2)], rel=1e-5)
    assert torch.allclose(norm.denormalize(norm.normalize(batches[0])), batches[0], atol=1e-5)


def reference(critic: AttentionCritic, obs: Tensor, action: Tensor, scores: list[Tensor]) -> Tensor:
    """Return Q_i(o, .) of MAAC for one observation and action an agent, in loops over agents.

    Equations (5) to (7) of Iqbal and Sha 2019, with the critic's own matrices.

    Parameters
    ----------
    obs, action
        Of the agents in one step, shapes (K, inputs) and (K,).
    scores
        Where all scores of attention are added.
    """

    def leaky(x: Tensor) -> Tensor:
        return torch.where(x > 0, x, 0.01 * x)

    choices = torch.eye(critic.choices)[action]
    state = [leaky(critic.encode.weight @ o + critic.encode.bias) for o in obs]
    both = [torch.cat(pair) for pair in zip(obs, choices, strict=True)]
    act = [leaky(critic.encode_action.weight @ x + critic.encode_action.bias) for x in both]
    size, values = len(state[0]) // critic.attend, []
    for i in range(len(obs)):
        parts = []
        for head in range(critic.attend):
            rows = slice(head * size, (head + 1) * size)
            query = critic.query.weight[rows] @ state[i]
            others = [j for j in range(len(obs)) if j != i]
            if not others:
                parts.append(torch.zeros(size))
                continue
            score = [query @ (critic.key.weight[rows] @ act[j]) / math.sqrt(size) for j in others]
            weight = torch.stack(score).exp()
            scores += score
            value = [
                leaky(critic.value.weight[rows] @ act[j] + critic.value.bias[rows]) for j in others
            ]
            parts.append((weight / weight.sum()) @ torch.stack(value))
        first, _, last = critic.table
        hidden = leaky(first.weight @ torch.cat([state[i], *parts]) + first.bias)
        values.append(last.weight @ hidden + last.bias)
    return torch.stack(values)


@pytest.mark.parametrize("agents", [1, 2, 3, 5])
def test_one_head_an_agent_is_maac(agents: int) -> None:
    """With one head an agent the critic's values are those of the reference's equations."""
    steps, inputs, choices = 4, 6, 3
    critic = AttentionCritic(inputs, choices, 8, 2, 0, torch.Generator().manual_seed(0))
    obs = noise(steps * agents, inputs)
    action = torch.randint(choices, (len(obs),), generator=torch.Generator().manual_seed(1))
    crowd = Crowd(torch.arange(len(obs)), steps, agents)
    valued = critic(obs, action, crowd, torch.zeros(steps, 0))
    scores: list[Tensor] = []
    turns = zip(obs.split(agents), action.split(agents), strict=True)
    expected = torch.cat([reference(critic, o, a, scores) for o, a in turns])
    assert torch.allclose(valued.table, expected, atol=1e-5)
    assert (valued.base == 0).all()
    assert len(scores) == steps * 2 * agents * (agents - 1)
    strain = torch.stack(scores).square().mean() if scores else torch.zeros(())
    assert torch.allclose(valued.strain, strain, rtol=1e-5)
    valued.table.sum().backward()  # type: ignore[no-untyped-call]
    assert all(torch.isfinite(x.grad).all() for x in critic.parameters() if x.grad is not None)


def test_an_absent_agent_is_not_attended_to() -> None:
    """Values do not change when places for agents without heads are added."""
    critic = AttentionCritic(4, 3, 8, 2, 5, torch.Generator().manual_seed(0))
    obs, action, context = noise(5, 4), torch.tensor([0, 1, 2, 0, 1]), noise(1, 5, seed=2)
    few = critic(obs, action, Crowd(torch.tensor([0, 0, 1, 1, 1]), 1, 2), context)
    more = critic(obs, action, Crowd(torch.tensor([0, 0, 3, 3, 3]), 1, 5), context)
    assert torch.allclose(few.table, more.table, atol=1e-6)
    assert torch.allclose(few.base[0], more.base[0, [0, 3]], atol=1e-6)


def test_the_factored_expectation_is_that_over_joint_actions() -> None:
    """Summed over an agent's heads, expected tables are the mean over all joint actions."""
    log_probs = noise(2, 3).log_softmax(-1)
    table = noise(2, 3, seed=1)
    factored = (log_probs.exp() * table).sum()
    whole = sum(
        math.exp(float(log_probs[0, a] + log_probs[1, b])) * float(table[0, a] + table[1, b])
        for a, b in itertools.product(range(3), repeat=2)
    )
    assert float(factored) == pytest.approx(whole, rel=1e-5)


def test_the_score_function_on_average_is_the_gradient_of_the_soft_value() -> None:
    """Over all actions, both estimators' mean gradients are the exact one's."""
    logits, table, scale = noise(1, 4), noise(1, 4, seed=1), 5.0

    def exact(x: Tensor) -> Tensor:
        log_probs = x.log_softmax(-1)
        return -(log_probs.exp() * (table - log_probs / scale)).sum()

    wanted = torch.func.grad(exact)(logits)
    found = torch.zeros_like(logits)
    for a in range(4):
        x = logits.clone().requires_grad_()
        log_probs = x.log_softmax(-1)
        loss = score_loss(log_probs, torch.tensor([a]), table, scale).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        found += log_probs.detach().exp()[0, a] * x.grad
    assert torch.allclose(found, wanted, atol=1e-5)


def test_a_straight_through_sample_follows_the_table() -> None:
    """The straight-through gradient is that of the expected soft value, for any sample."""
    logits, table, scale = noise(1, 4), noise(1, 4, seed=1), 5.0

    def exact(x: Tensor) -> Tensor:
        log_probs = x.log_softmax(-1)
        return -(log_probs.exp() * (table - log_probs / scale)).sum()

    expected = torch.func.grad(exact)(logits)
    x = logits.clone().requires_grad_()
    loss = straight_loss(x.log_softmax(-1), torch.tensor([2]), table, scale).sum()
    loss.backward()  # type: ignore[no-untyped-call]
    assert torch.allclose(x.grad, expected, atol=1e-6)


def test_soft_targets_by_hand() -> None:
    """y_t = r_t + gamma (Q_{t+1} - log pi_{t+1} / scale); nothing follows the last step."""
    reward = torch.tensor([[1.0], [2.0]])
    following = torch.tensor([[[9.0, 9.0]], [[3.0, 4.0]]])
    log_prob = torch.tensor([[[0.0, 0.0]], [[-1.0, -2.0]]])
    found = soft_targets(reward, following, log_prob, 0.5, 10.0)
    assert torch.allclose(found[0, 0], torch.tensor([1 + 0.5 * 3.1, 1 + 0.5 * 4.2]))
    assert found[1, 0].tolist() == [2, 2]
