"""Parts of the agents' networks, and distributions over factored actions.

The action of an agent is a vector of H heads, each with A choices, of which the last means "never".
Tensors of logits have shape (..., H, A); masks are boolean, True where a choice is allowed. The
last choice of every head is always allowed, whatever its mask says, so that a distribution always
exists; a choice that is not allowed has probability exactly 0 and receives no gradient.

Weights are orthogonal and biases zero, as in the reference implementation of MAPPO
(github.com/marlbenchmark/on-policy); they are drawn from the generator of the caller, never from
torch's global one.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Generator, Tensor, nn

GAIN_RELU = math.sqrt(2)  # keeps the variance of activations through a ReLU
GAIN_POLICY = 0.01  # nearly uniform policies to start with
_TINY = torch.finfo(torch.float32).tiny


def linear(inputs: int, outputs: int, rng: Generator, gain: float = 1.0) -> nn.Linear:
    """Return a linear layer with an orthogonal matrix times `gain`, and bias 0."""
    # Built without storage, a layer draws no initial weights from torch's global generator.
    layer = nn.Linear(inputs, outputs, device="meta").to_empty(device="cpu")
    nn.init.orthogonal_(layer.weight, gain, generator=rng)
    nn.init.zeros_(layer.bias)
    return layer


class Mlp(nn.Sequential):
    """LayerNorm of the input, then `layers` times Linear, ReLU, LayerNorm.

    The body of actors and critics in on-policy, whose ``layer_N`` is ``layers - 1``.

    Parameters
    ----------
    inputs, width
        Numbers per row, of the input and of every layer.
    layers
        Hidden layers.
    rng
        Source of the weights.
    """

    def __init__(self, inputs: int, width: int, layers: int, rng: Generator) -> None:
        parts: list[nn.Module] = [nn.LayerNorm(inputs)]
        for k in range(layers):
            parts.append(linear(inputs if k == 0 else width, width, rng, GAIN_RELU))
            parts += [nn.ReLU(), nn.LayerNorm(width)]
        super().__init__(*parts)


class AttributeMlp(nn.Sequential):
    """The three-layer MLP of the push paper (section 5.1) for attributes and satellite caches.

    f = W3 ReLU(W2 ReLU(W1 [x_meta; x_cache] + b1) + b2) + b3; the paper prints W1 twice.

    Parameters
    ----------
    inputs, width
        Numbers per row, of the input and of every layer.
    rng
        Source of the weights.
    """

    def __init__(self, inputs: int, width: int, rng: Generator) -> None:
        super().__init__(
            linear(inputs, width, rng, GAIN_RELU),
            nn.ReLU(),
            linear(width, width, rng, GAIN_RELU),
            nn.ReLU(),
            linear(width, width, rng),
        )


class CacheMemory(nn.Module):
    """LSTM over the caches of users (push paper, section 5.1): its last output is the feature.

    Parameters
    ----------
    inputs, width
        Numbers per time step, and numbers of the feature.
    rng
        Source of the weights.
    """

    def __init__(self, inputs: int, width: int, rng: Generator) -> None:
        super().__init__()
        lstm = nn.LSTM(inputs, width, batch_first=True, device="meta")
        self.lstm = lstm.to_empty(device="cpu")
        for name, value in self.lstm.named_parameters():
            if name.startswith("bias"):
                nn.init.zeros_(value)
            else:
                nn.init.orthogonal_(value, generator=rng)

    def forward(self, history: Tensor) -> Tensor:
        """Return the feature, shape (..., width), of a history (..., steps, inputs).

        The oldest step comes first.
        """
        outputs, _ = self.follow(self.steps(history.flatten(0, -3).transpose(0, 1)))
        return outputs[-1].unflatten(0, history.shape[:-2])

    def steps(self, rows: Tensor) -> Tensor:
        """Return what inputs (..., inputs) bring to the gates, shape (..., 4 width)."""
        of_input, _, *biases = self.lstm.all_weights[0]
        return nn.functional.linear(rows, of_input, biases[0] + biases[1])

    def follow(self, steps: Tensor, hidden: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the output after every step, shape (steps, n, width), and what is left after it.

        Parameters
        ----------
        steps
            What inputs bring to the gates, the oldest first, shape (steps, n, 4 width).
        hidden
            Output and cell before the first step, shape (2, n, width), to which no gradient goes;
            None for zeros.
        """
        found: tuple[Tensor, Tensor] = Recurrence.apply(steps, self.lstm.weight_hh_l0, hidden)  # type: ignore[no-untyped-call]  # torch's
        return found


class Recurrence(torch.autograd.Function):
    """The steps of an LSTM one after the other, all sums over steps in one product each.

    i, f, o = sigmoid and g = tanh of z_t = x_t + W h_{t-1};  c_t = f c_{t-1} + i g;
    h_t = o tanh(c_t). Torch's own multiplies and adds up W's gradient step by step.
    """

    @staticmethod
    def forward(
        ctx: Any, steps: Tensor, weight: Tensor, hidden: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Return the outputs, and the last one with the last cell; see `CacheMemory.follow`."""
        width = weight.shape[1]
        gates, shape = torch.empty_like(steps), (*steps.shape[:2], width)
        outputs, cells = steps.new_empty(shape), steps.new_empty(shape)
        for t, step in enumerate(steps):
            before = hidden if t == 0 else (outputs[t - 1], cells[t - 1])
            raw = step if before is None else torch.addmm(step, before[0], weight.T)
            torch.sigmoid(raw, out=gates[t])
            gates[t, :, 2 * width : 3 * width] = raw[:, 2 * width : 3 * width].tanh()
            enter, forget, offer, show = gates[t].chunk(4, -1)
            torch.mul(enter, offer, out=cells[t])
            if before is not None:
                cells[t].addcmul_(forget, before[1])
            torch.mul(show, cells[t].tanh(), out=outputs[t])
        ctx.save_for_backward(gates, outputs, cells, weight, hidden)
        left = torch.stack([outputs[-1], cells[-1]])
        ctx.mark_non_differentiable(left)
        return outputs, left

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor, Tensor, None]:
        """Return the gradients of `steps` and of the weights."""
        gates, outputs, cells, weight, hidden = ctx.saved_tensors
        first = torch.zeros_like(cells[:1]) if hidden is None else hidden[1:]
        before = torch.cat([first, cells[:-1]])
        enter, forget, offer, show = gates.chunk(4, -1)
        curve = cells.tanh()
        to_cell = show * (1 - curve.square())
        slope = gates * (1 - gates)
        parts = slope.unflatten(-1, (4, -1))
        parts[:, :, 2] = 1 - offer.square()
        parts.mul_(torch.stack([offer, before, enter, curve], dim=2))
        later, later_cell = torch.zeros_like(curve[0]), torch.zeros_like(curve[0])
        for t in range(len(gates) - 1, -1, -1):
            of_output = gradient[t] + later
            of_cell = torch.addcmul(later_cell, of_output, to_cell[t])
            parts[t, :, :3] *= of_cell.unsqueeze(1)
            parts[t, :, 3] *= of_output
            if t:
                later, later_cell = slope[t] @ weight, of_cell * forget[t]
        said = slope[1:].flatten(0, 1).T @ outputs[:-1].flatten(0, 1)
        if hidden is not None:
            said.addmm_(slope[0].T, hidden[0])
        return slope, said, None


class GatedFusion(nn.Module):
    """Gated attention over modalities (push paper, section 5.2).

        c = [f_image; f_attr]
        a = softmax(W2 ReLU(W1 c + b1) + b2),   a_1 + a_2 = 1
        f = a_1 f_image + a_2 f_attr

    Parameters
    ----------
    width
        Numbers per feature, the same in all modalities; also of the hidden layer.
    modalities
        Number of features, 2 in the paper.
    rng
        Source of the weights.
    """

    def __init__(self, width: int, modalities: int, rng: Generator) -> None:
        super().__init__()
        self.score = nn.Sequential(
            linear(modalities * width, width, rng, GAIN_RELU),
            nn.ReLU(),
            linear(width, modalities, rng, GAIN_POLICY),  # no preference to start with
        )

    def weights(self, features: Sequence[Tensor]) -> Tensor:
        """Return the weight of each modality, shape (..., modalities)."""
        first, *others = self.score
        parts = first.weight.split([x.shape[-1] for x in features], dim=1)
        score = nn.functional.linear(features[0], parts[0], first.bias)
        for feature, part in zip(features[1:], parts[1:], strict=True):
            score = score.add_(nn.functional.linear(feature, part))
        for layer in others:
            score = layer(score)
        return score.softmax(-1)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Return the weighted sum, shape (..., width), of one (..., width) per modality."""
        weights = self.weights(features).split(1, dim=-1)
        fused = weights[0] * features[0]
        for weight, feature in zip(weights[1:], features[1:], strict=True):
            fused = torch.addcmul(fused, weight, feature)
        return fused


class FactoredHead(nn.Module):
    """Logits of all heads by one matrix product: many times faster than one layer per head.

    Each head's block is orthogonal by itself, as if it were a layer of its own.

    Parameters
    ----------
    inputs
        Numbers per row.
    heads, choices
        H and A.
    rng
        Source of the weights.
    gain
        Scale of the weights.
    """

    def __init__(
        self, inputs: int, heads: int, choices: int, rng: Generator, gain: float = GAIN_POLICY
    ) -> None:
        super().__init__()
        self.shape = (heads, choices)
        self.layer = linear(inputs, heads * choices, rng)
        for block in self.layer.weight.detach().view(heads, choices, inputs):
            nn.init.orthogonal_(block, gain, generator=rng)

    def forward(self, feature: Tensor) -> Tensor:
        """Return logits, shape (..., H, A), of a feature (..., inputs)."""
        logits: Tensor = self.layer(feature)
        return logits.view(*logits.shape[:-1], *self.shape)


def masked_log_probs(logits: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return log-probabilities, shape (..., H, A): -inf where `mask` forbids.

    The last choice of a head is allowed even where the mask forbids it.
    """
    if mask is not None:
        forbidden = ~mask
        forbidden[..., -1] = False
        logits = logits.masked_fill(forbidden, -torch.inf)
    return logits.log_softmax(-1)


def log_prob(log_probs: Tensor, action: Tensor) -> Tensor:
    """Return the log-probability of each head's choice, shape (..., H), of `action` (..., H)."""
    return log_probs.gather(-1, action.unsqueeze(-1)).squeeze(-1)


def entropy(log_probs: Tensor) -> Tensor:
    """Return the entropy of each head in nats, shape (..., H); 0 log 0 counts as 0."""
    finite = log_probs.masked_fill(log_probs == -torch.inf, 0.0)
    return -(log_probs.exp() * finite).sum(-1)


def sample(log_probs: Tensor, rng: Generator) -> Tensor:
    """Draw a choice for every head, shape (..., H), by the Gumbel-max trick.

    A forbidden choice cannot be drawn: noise is finite, and its log-probability is not.
    """
    noise = torch.empty_like(log_probs).exponential_(generator=rng).clamp_min_(_TINY).log_()
    return (log_probs.detach() - noise).argmax(-1)


def greedy(log_probs: Tensor) -> Tensor:
    """Return the likeliest choice of every head, shape (..., H), the first among equals."""
    return log_probs.argmax(-1)


class ValueNorm(nn.Module):
    """Running mean and variance of returns, by which a critic's targets are normalised.

    Exponential averages from 0, divided by the weight they have gathered (on-policy's
    ``utils/valuenorm.py``), in double precision, for E[x^2] - E[x]^2 cancels. A variance below
    `MIN_VARIANCE` counts as that much. Before the first update the mean is 0.

    Parameters
    ----------
    beta
        Weight of the past in one update.
    """

    MIN_VARIANCE = 1e-2

    mean: Tensor
    mean_square: Tensor
    weight: Tensor

    def __init__(self, beta: float = 0.99999) -> None:
        super().__init__()
        self.beta = beta
        for name in ("mean", "mean_square", "weight"):
            self.register_buffer(name, torch.zeros((), dtype=torch.float64))

    @torch.no_grad()
    def update(self, returns: Tensor) -> None:
        """Take in a batch of returns of any shape."""
        batch = returns.detach().double()
        self.mean.lerp_(batch.mean(), 1 - self.beta)
        self.mean_square.lerp_(batch.square().mean(), 1 - self.beta)
        self.weight.lerp_(torch.ones_like(self.weight), 1 - self.beta)

    def moments(self) -> tuple[Tensor, Tensor]:
        """Return the mean and the standard deviation, in the unit of returns."""
        weight = self.weight.clamp_min(1e-12)
        mean = self.mean / weight
        variance = (self.mean_square / weight - mean.square()).clamp_min(self.MIN_VARIANCE)
        return mean, variance.sqrt()

    def normalize(self, returns: Tensor) -> Tensor:
        """Return (returns - mean) / standard deviation."""
        mean, deviation = self.moments()
        return ((returns - mean) / deviation).to(returns.dtype)

    def denormalize(self, values: Tensor) -> Tensor:
        """Return normalised values in the unit of returns."""
        mean, deviation = self.moments()
        return (values * deviation + mean).to(values.dtype)
