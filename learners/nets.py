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
        of_input, of_output, *biases = self.lstm.all_weights[0]
        inputs = nn.functional.linear(history, of_input, biases[0] + biases[1])
        enter, forget, offer, show = inputs[..., 0, :].chunk(4, -1)  # of memory there is none yet
        memory = enter.sigmoid() * offer.tanh()
        output = show.sigmoid() * memory.tanh()
        for step in range(1, history.shape[-2]):
            gates = inputs[..., step, :] + nn.functional.linear(output, of_output)
            enter, forget, offer, show = gates.chunk(4, -1)
            memory = forget.sigmoid() * memory + enter.sigmoid() * offer.tanh()
            output = show.sigmoid() * memory.tanh()
        return output

    def unroll(self, history: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Return the output after every step, shape (steps, n, width), and what is left after it.

        Parameters
        ----------
        history
            Inputs, the oldest step first, shape (steps, n, inputs).
        hidden
            Output and cell before the first step, shape (2, n, width); zeros in the beginning.
        """
        of_input, of_output, *biases = self.lstm.all_weights[0]
        inputs = nn.functional.linear(history, of_input, biases[0] + biases[1])
        output, memory = hidden
        outputs = []
        for step in inputs:
            gates = step + nn.functional.linear(output, of_output)
            enter, forget, offer, show = gates.chunk(4, -1)
            memory = forget.sigmoid() * memory + enter.sigmoid() * offer.tanh()
            output = show.sigmoid() * memory.tanh()
            outputs.append(output)
        return torch.stack(outputs), torch.stack([output, memory])


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
        score: Tensor = self.score(torch.cat(tuple(features), dim=-1))
        return score.softmax(-1)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Return the weighted sum, shape (..., width), of one (..., width) per modality."""
        weights = self.weights(features).unsqueeze(-1)
        return (weights * torch.stack(tuple(features), dim=-2)).sum(-2)


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
