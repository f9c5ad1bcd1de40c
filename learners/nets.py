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
from typing import Any, cast

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
        return outputs[-1].view(*history.shape[:-2], -1)

    @property
    def bias(self) -> Tensor:
        """What comes to the gates without input and memory, shape (4 width,)."""
        _, _, *biases = self.lstm.all_weights[0]
        return biases[0] + biases[1]

    def steps(self, rows: Tensor) -> Tensor:
        """Return what inputs (..., inputs) bring to the gates, shape (..., 4 width)."""
        return nn.functional.linear(rows, self.lstm.all_weights[0][0], self.bias)

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
        weight = self.lstm.all_weights[0][1]
        found: tuple[Tensor, Tensor] = Recurrence.apply(steps, weight, hidden)  # type: ignore[no-untyped-call]  # torch's
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
        first = cast("nn.Linear", self.score[0])
        parts = torch.split(first.weight, [x.shape[-1] for x in features], dim=1)
        hidden = nn.functional.linear(features[0], parts[0], first.bias)
        for feature, part in zip(features[1:], parts[1:], strict=True):
            hidden = hidden.add_(nn.functional.linear(feature, part))
        score: Tensor = self.score[2](self.score[1](hidden))
        return score.softmax(-1)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Return the weighted sum, shape (..., width), of one (..., width) per modality."""
        weights = torch.split(self.weights(features), 1, dim=-1)
        fused = weights[0] * features[0]
        for weight, feature in zip(weights[1:], features[1:], strict=True):
            fused = torch.addcmul(fused, weight, feature)
        return fused


class OfUser(nn.Module):
    """A linear layer for each user, zero at first.

    Parameters
    ----------
    users, inputs, outputs
        Number of layers, and numbers per row.
    """

    def __init__(self, users: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(users, inputs, outputs))

    def forward(self, common: Tensor, rows: Tensor, user: Tensor) -> Tensor:
        """Return `common` (n, outputs) plus what the layers make of `rows` (n, inputs)."""
        who = nn.functional.one_hot(user, len(self.weight)).to(rows.dtype)
        apart = (who.unsqueeze(-1) * rows.unsqueeze(-2)).flatten(-2)
        return torch.addmm(common, apart, self.weight.flatten(0, 1))


class Largest(torch.autograd.Function):
    """Maximum over equal groups, whose gradient is shared among equals; torch's own is slow."""

    @staticmethod
    def forward(ctx: Any, feature: Tensor, group: Tensor, number: int) -> Tensor:
        """Return shape (number, width), 0 for empty groups."""
        where = group.unsqueeze(1).expand_as(feature)
        blank = feature.new_zeros(number, feature.shape[1])
        largest = blank.scatter_reduce(0, where, feature, "amax", include_self=False)
        ctx.save_for_backward(feature, group, largest)
        return largest

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        """Return the gradient of the features."""
        feature, group, largest = ctx.saved_tensors
        there = (feature == largest.index_select(0, group)).to(gradient.dtype)
        equals = torch.zeros_like(largest).index_add(0, group, there)
        each = gradient / equals.clamp_min(1)
        return there.mul_(each.index_select(0, group)), None, None


def pooled(feature: Tensor, group: Tensor, number: int) -> Tensor:
    """Return mean and maximum over equal groups, shape (number, 2 width), 0 for empty ones."""
    count = torch.bincount(group, minlength=number).clamp_min(1).unsqueeze(1)
    total = feature.new_zeros(number, feature.shape[1]).index_add(0, group, feature)
    largest = Largest.apply(feature, group, number)  # type: ignore[no-untyped-call]  # torch's
    return torch.cat([total / count, largest], dim=1)


def beside(mlp: Mlp, feature: Tensor, company: Tensor, group: Tensor) -> Tensor:
    """Return ``mlp(cat([feature, company[group]], 1))``, the company's part done once a group.

    The first two layers are LayerNorm, y = g (x - mean) / sqrt(var + eps) + b, and Linear. Both
    are sums over the two parts of a row, and so are the mean and the mean of squares.

    Parameters
    ----------
    feature, company
        Of the rows, shape (n, w), and of the groups, shape (m, v).
    group
        Group of each row, shape (n,).
    """
    norm, first = cast("nn.LayerNorm", mlp[0]), cast("nn.Linear", mlp[1])
    split, total = feature.shape[1], first.in_features
    weight = first.weight * norm.weight
    weight = weight - weight.mean(1, keepdim=True)  # takes the mean away from whatever it is given
    (mean, square), (mean_g, square_g) = (
        (x.sum(1, keepdim=True) / total, x.square().sum(1, keepdim=True) / total)
        for x in (feature, company)
    )
    mean, square = mean + mean_g.index_select(0, group), square + square_g.index_select(0, group)
    spread = (square - mean.square()).clamp_min(0)
    theirs = nn.functional.linear(company, weight[:, split:]).index_select(0, group)
    mixed = torch.addmm(theirs, feature, weight[:, :split].T)
    bias = nn.functional.linear(norm.bias, first.weight, first.bias)
    result: Tensor = torch.addcmul(bias, mixed, (spread + norm.eps).rsqrt())
    for layer in list(mlp)[2:]:  # not a slice: that would be made as an Mlp
        result = layer(result)
    return result


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
