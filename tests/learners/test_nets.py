"""Networks of the agents: their formulas, their initial weights, and masked distributions."""

import math

import pytest
import torch

from learners import nets
from learners.push.networks.nets import ValueNorm

FORBID_ALL = torch.zeros(1, 1, 3, dtype=torch.bool)


def seeded(seed=0):
    """Return a generator."""
    return torch.Generator().manual_seed(seed)


def numbers(*shape, seed=1):
    """Return normal numbers."""
    return torch.randn(*shape, generator=seeded(seed))


def test_linear_is_orthogonal():
    """Rows of a wide matrix are orthogonal and of length `gain`; the bias is 0."""
    layer = nets.linear(7, 4, seeded(), gain=3.0)
    product = layer.weight @ layer.weight.T
    assert torch.allclose(product, 9 * torch.eye(4), atol=1e-5)
    assert not layer.bias.any()


@pytest.mark.parametrize(
    "build",
    [
        lambda rng: nets.Mlp(5, 8, 2, rng),
        lambda rng: nets.AttributeMlp(5, 8, rng),
        lambda rng: nets.CacheMemory(5, 8, rng),
        lambda rng: nets.GatedFusion(8, 2, rng),
    ],
)
def test_weights_come_from_the_generator_alone(build):
    """Equal seeds give equal weights, other seeds others, and torch's own state is not touched."""
    before = torch.random.get_rng_state()
    a, b, c = (
        torch.nn.utils.parameters_to_vector(build(seeded(s)).parameters()) for s in (1, 1, 2)
    )
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    assert torch.isfinite(a).all()
    assert torch.equal(before, torch.random.get_rng_state())


def test_mlp_layers():
    """A body of 1 + layer_N blocks: norm of the input, then linear, ReLU and norm in each."""
    names = [type(part).__name__ for part in nets.Mlp(5, 8, 3, seeded())]
    assert names == ["LayerNorm", *["Linear", "ReLU", "LayerNorm"] * 3]


def test_mlp_ignores_scale_of_input():
    """With the norm of the input, a tenfold input gives the same output; without it, another."""
    x, body = numbers(4, 5), nets.Mlp(5, 8, 1, seeded())
    body[-1] = torch.nn.Identity()  # the last norm would hide the scale as well
    assert torch.allclose(body(x), body(10 * x), atol=1e-3)
    bare = torch.nn.Sequential(*list(body)[1:])
    assert not torch.allclose(bare(x), bare(10 * x), atol=1e-3)


def test_attribute_mlp_by_hand():
    """W3 ReLU(W2 ReLU(W1 x + b1) + b2) + b3, and no ReLU at the end."""
    net = nets.AttributeMlp(3, 6, seeded())
    for layer in (net[0], net[2], net[4]):
        torch.nn.init.constant_(layer.bias, 0.1)
    x = numbers(5, 3)
    hidden = (x @ net[0].weight.T + 0.1).clamp_min(0)
    hidden = (hidden @ net[2].weight.T + 0.1).clamp_min(0)
    found = net(x)
    assert torch.allclose(found, hidden @ net[4].weight.T + 0.1, atol=1e-6)
    assert (found < 0).any()


def test_cache_memory_by_hand():
    """The feature is the last hidden state of the LSTM's recurrence, oldest step first."""
    memory = nets.CacheMemory(3, 4, seeded())
    lstm = memory.lstm
    history = numbers(2, 5, 6, 3)  # two dimensions of batch, six steps
    h = c = torch.zeros(2, 5, 4)
    for step in range(6):
        gates = history[:, :, step] @ lstm.weight_ih_l0.T + h @ lstm.weight_hh_l0.T
        i, f, g, o = gates.chunk(4, -1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
    assert torch.allclose(memory(history), h, atol=1e-6)


def test_gated_fusion_by_hand():
    """Softmax weights of the two modalities add up to 1 and weigh the sum."""
    fusion = nets.GatedFusion(3, 2, seeded())
    with torch.no_grad():
        fusion.score[2].bias.copy_(torch.tensor([math.log(3.0), 0.0]))
        fusion.score[2].weight.zero_()
    image, attributes = numbers(4, 3), numbers(4, 3, seed=2)
    assert torch.allclose(fusion.weights((image, attributes)), torch.tensor([0.75, 0.25]))
    found = fusion((image, attributes))
    assert torch.allclose(found, 0.75 * image + 0.25 * attributes, atol=1e-6)


def test_gates_start_without_preference():
    """At first both modalities weigh nearly the same, whatever they hold."""
    fusion = nets.GatedFusion(16, 2, seeded())
    weights = fusion.weights((numbers(50, 16), numbers(50, 16, seed=2)))
    assert (weights - 0.5).abs().max() < 0.05


def test_gates_see_both_modalities():
    """The weights change with either feature."""
    fusion = nets.GatedFusion(3, 2, seeded())
    image, attributes = numbers(1, 3), numbers(1, 3, seed=2)
    base = fusion.weights((image, attributes))
    assert not torch.equal(base, fusion.weights((image + 5, attributes)))
    assert not torch.equal(base, fusion.weights((image, attributes + 5)))


def test_masked_probabilities_by_hand():
    """Allowed choices share the probability as their logits say; the forbidden have none."""
    logits = torch.tensor([[[1.0, 50.0, 2.0]]])
    mask = torch.tensor([[[True, False, True]]])
    found = nets.masked_log_probs(logits, mask).exp()
    weight = 1 / (1 + math.e)
    assert found[0, 0].tolist() == pytest.approx([weight, 0, 1 - weight])
    assert found[0, 0, 1] == 0


def test_last_choice_is_always_allowed():
    """A head whose choices are all forbidden takes its last one, with entropy 0."""
    mask = FORBID_ALL.clone()
    log_probs = nets.masked_log_probs(torch.tensor([[[9.0, 8.0, -9.0]]]), mask)
    assert log_probs.exp().tolist() == [[[0, 0, 1]]]
    assert nets.entropy(log_probs).item() == 0
    assert nets.sample(log_probs, seeded()).item() == nets.greedy(log_probs).item() == 2
    assert torch.equal(mask, FORBID_ALL)  # the caller's mask is not changed


def test_no_mask_allows_everything():
    """Without a mask the distribution is the plain softmax."""
    logits = numbers(2, 3, 4)
    assert torch.allclose(nets.masked_log_probs(logits).exp(), logits.softmax(-1))


def test_log_prob_and_entropy_per_head():
    """Both are per head: nothing is summed over heads."""
    p = torch.tensor([[[0.5, 0.25, 0.25], [0.2, 0.8, 0.0]]])
    log_probs = p.log()
    found = nets.log_prob(log_probs, torch.tensor([[1, 0]]))
    assert found[0].tolist() == pytest.approx([math.log(0.25), math.log(0.2)])
    expected = [1.5 * math.log(2), -(0.2 * math.log(0.2) + 0.8 * math.log(0.8))]
    assert nets.entropy(log_probs)[0].tolist() == pytest.approx(expected)


def test_gradients_stop_at_the_mask():
    """Losses have finite gradients, and exactly none at forbidden choices."""
    logits = numbers(6, 5, 4).requires_grad_()
    mask = numbers(6, 5, 4, seed=3) > 0
    log_probs = nets.masked_log_probs(logits, mask)
    action = nets.sample(log_probs, seeded())
    (nets.log_prob(log_probs, action).sum() + nets.entropy(log_probs).sum()).backward()
    allowed = mask.clone()
    allowed[..., -1] = True
    assert torch.isfinite(logits.grad).all()
    assert not logits.grad[~allowed].any()
    assert logits.grad[allowed].any()


def test_samples_follow_the_distribution():
    """Of 20,000 draws every choice gets its share within five standard errors, forbidden ones 0."""
    p = torch.tensor([0.6, 0.3, 0.0, 0.1])
    draws = nets.sample(p.log().expand(20_000, 1, 4), seeded())
    share = torch.bincount(draws.flatten(), minlength=4) / 20_000
    assert share[2] == 0
    assert ((share - p).abs() <= 5 * (p * (1 - p) / 20_000).sqrt()).all()


def test_sample_depends_on_its_generator():
    """Equal generators draw equal actions, and torch's own state is not touched."""
    log_probs = nets.masked_log_probs(numbers(8, 5, 4))
    before = torch.random.get_rng_state()
    assert torch.equal(nets.sample(log_probs, seeded(4)), nets.sample(log_probs, seeded(4)))
    assert not torch.equal(nets.sample(log_probs, seeded(4)), nets.sample(log_probs, seeded(5)))
    assert torch.equal(before, torch.random.get_rng_state())


def test_greedy_is_the_likeliest():
    """Greedy actions take the greatest logit among the allowed."""
    logits = torch.tensor([[[3.0, 2.0, 1.0]]])
    mask = torch.tensor([[[False, True, True]]])
    assert nets.greedy(nets.masked_log_probs(logits, mask)).item() == 1


def test_value_norm_by_hand():
    """Two updates give the debiased averages: weights beta and 1 over their sum 1 + beta."""
    norm = ValueNorm(beta=0.9)
    norm.update(torch.tensor([1.0, 3.0]))  # mean 2, mean square 5
    mean, deviation = norm.moments()
    assert (mean.item(), deviation.item()) == pytest.approx((2, 1))
    norm.update(torch.tensor([10.0, 10.0]))  # mean 10, mean square 100
    mean, deviation = norm.moments()
    expected = (0.9 * 2 + 10) / 1.9
    variance = (0.9 * 5 + 100) / 1.9 - expected**2
    assert (mean.item(), deviation.item()) == pytest.approx((expected, math.sqrt(variance)))


def test_value_norm_inverts():
    """Denormalising undoes normalising, in the dtype of the values."""
    norm = ValueNorm()
    returns = 1e4 + 50 * numbers(32, 3)
    norm.update(returns)
    scaled = norm.normalize(returns)
    assert scaled.dtype == torch.float32
    assert (scaled.mean().item(), scaled.std(correction=0).item()) == pytest.approx(
        (0, 1), abs=2e-3
    )
    assert torch.allclose(norm.denormalize(scaled), returns, rtol=1e-6)


def test_value_norm_floor():
    """Constant returns count as having a variance of 0.01; before any, the mean is 0."""
    norm = ValueNorm()
    assert norm.normalize(torch.tensor(3.0)).item() == pytest.approx(30)
    norm.update(torch.full((9,), 7.0))
    assert norm.normalize(torch.tensor(7.5)).item() == pytest.approx(5, rel=1e-4)


def test_value_norm_is_saved():
    """Its state is part of a network's state."""
    norm, other = ValueNorm(), ValueNorm()
    norm.update(numbers(9))
    other.load_state_dict(norm.state_dict())
    assert other.moments() == norm.moments()
