"""Actor and critic of the paper's agents for PUSH (Remote Sens. 2025, 17(11), 1905, section 5).

The paper fuses four parts for every decision: an MLP over attributes and satellite caches, an LSTM
over a user's caches, added to it, and, in the multi-modal agent, features of the image through a
gated attention. It does not say how contents are told apart. Here every head, a content for a
user, has features of its own, made by the same weights. It also sees their mean and maximum over
the heads that its agent decides on for the same user at the same time. So a decision does not
depend on the order of the contents, and more contents need no more parameters.

With ``recurrent`` the LSTM goes through the episode slot by slot, from zeros, and its output in a
slot is the feature of the user's cache. It is trained in chunks of some slots, each from the hidden
state that it had when it was played. Without it, the LSTM sees two snapshots, of one slot before
and of now.

Preferences differ between users, so the layers that read attributes and images have weights of
each user added to the common ones, zero at first.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import cast

import torch
from torch import Generator, Tensor, nn

from learners import nets
from learners.push.stage.view import NUM_META, Sight, content_width, home_width
from opt_istn.push.world.demand import CODE_LENGTH


@dataclass(frozen=True)
class Shape:
    """What the networks depend on.

    Parameters
    ----------
    users, slots, places
        M, T and the largest cache.
    width
        Numbers in every hidden layer.
    images
        Whether images are looked at.
    own
        Contents that have logits of their own, 0 unless one instance is learned by heart.
    code
        Numbers in the features of an image.
    chunk
        Slots of a chunk through which gradients of the recurrent memory go; 0 for a memory of two
        snapshots, which is not recurrent.
    whole, satellites, satellite_items
        Whether the paper's whole state is seen, and then the most satellites of a cluster and the
        places on each.
    links
        Whether link states are seen.
    """

    users: int
    slots: int
    places: int
    width: int
    images: bool
    own: int = 0
    code: int = CODE_LENGTH
    chunk: int = 0
    whole: bool = False
    satellites: int = 0
    satellite_items: int = 0
    links: bool = False

    @property
    def held(self) -> tuple[int, int] | None:
        """See `learners.push.stage.scene.Scene.whole`."""
        return (self.satellites, self.satellite_items) if self.whole else None


class HeadEncoder(nn.Module):
    """Features of heads, shape (n, width), of what is seen of them.

    Parameters
    ----------
    shape
        Sizes.
    rng
        Source of the weights.
    """

    def __init__(self, shape: Shape, rng: Generator) -> None:
        super().__init__()
        self.shape = shape
        seen = (shape.slots, shape.held, shape.links)
        inputs = content_width(*seen) + home_width(shape.slots, shape.users)
        self.attributes = nets.AttributeMlp(inputs, shape.width, rng)
        self.taste = nets.OfUser(shape.users, NUM_META, shape.width)
        self.caches = nets.CacheMemory(shape.places * NUM_META, shape.width, rng)
        if shape.images:
            self.image = nets.AttributeMlp(shape.code, shape.width, rng)
            self.image_taste = nets.OfUser(shape.users, shape.code, shape.width)
            self.gate = nets.GatedFusion(shape.width, 2, rng)

    def forward(self, sight: Sight, remembered: Tensor) -> Tensor:
        """Return the features of the heads.

        Parameters
        ----------
        remembered
            Features of the homes' caches, see `memory`.
        """
        first, second, third = (cast("nn.Linear", self.attributes[k]) for k in (0, 2, 4))
        width, home = sight.content.shape[1], sight.home
        # W [content; state of its home], with the latter's part computed once a home
        state = nn.functional.linear(sight.state, first.weight[:, width:], first.bias)
        own = first.weight[:, :width].T
        hidden = torch.addmm(state.index_select(0, home), sight.content, own).relu_()
        hidden = second(hidden).relu_()
        remembered = (remembered + third.bias).index_select(0, home)
        feature = torch.addmm(remembered, hidden, third.weight.T)
        feature = cast("Tensor", self.taste(feature, sight.content[:, :NUM_META], sight.user))
        if self.shape.images:
            image = self._images(sight).index_select(0, sight.what)
            image = self.image_taste(image, sight.code, sight.user)
            feature = self.gate([image, feature])
        return feature

    def _images(self, sight: Sight) -> Tensor:
        """Return what is common to all users in the images of the contents seen."""
        head = torch.arange(len(sight.what), device=sight.what.device)
        number = int(sight.what.max()) + 1 if len(head) else 0
        any_head = torch.zeros_like(head[:number]).scatter_(0, sight.what, head)
        image: Tensor = self.image(sight.code.index_select(0, any_head))
        return image

    def memory(self, sight: Sight, opening: Tensor | None = None) -> Tensor:
        """Return the features of the homes' caches, shape (U, width).

        Parameters
        ----------
        opening
            Homes of whole episodes as in `Actor.recall`: then what a cache held a slot before is
            what it held in the last slot, a slot older.
        """
        if opening is None:
            return cast("Tensor", self.caches(sight.caches))
        now, problems = sight.caches[:, 1][opening.flatten()], opening.shape[1]
        steps = self.caches.steps(now)
        nothing = self.caches.bias.expand(problems, -1)  # in the first slot
        aged = self.caches.lstm.all_weights[0][0][:, 1::NUM_META] / self.shape.slots
        older = torch.addmm(steps[:-problems], now[:-problems, ::NUM_META], aged.T)
        outputs, _ = self.caches.follow(torch.stack([torch.cat([nothing, older]), steps]))
        return outputs[1].index_select(0, places_of(sight, opening))


def places_of(sight: Sight, opening: Tensor) -> Tensor:
    """Return slot and problem of each home as their place in `opening`, flat, shape (U,)."""
    home, problems = torch.arange(len(sight.state), device=opening.device), opening.shape[1]
    slot = torch.searchsorted(opening[:, 0].contiguous(), home, right=True) - 1
    return (slot * problems + home % problems).to(sight.state.device)


class Actor(nn.Module):
    """Log-probabilities of every head's choices: a slot 0..T-1 after birth, or never.

    Parameters
    ----------
    shape
        Sizes.
    rng
        Source of the weights.
    """

    def __init__(self, shape: Shape, rng: Generator) -> None:
        super().__init__()
        self.shape, choices = shape, shape.slots + 1
        self.features = HeadEncoder(shape, rng)
        self.trunk = nets.Mlp(3 * shape.width, shape.width, 1, rng)
        last = nets.linear(shape.width, choices, rng)
        nn.init.orthogonal_(last.weight, nets.GAIN_POLICY, generator=rng)  # a second time: seeds
        self.head = nn.Sequential(OrderedDict(layer=last))  # and files keep what they stand for
        self.own = nn.Parameter(torch.zeros(shape.users, shape.own, choices))

    def forward(self, sight: Sight, remembered: Tensor | None = None) -> Tensor:
        """Return log-probabilities, shape (n, T + 1).

        Parameters
        ----------
        remembered
            Features of the homes' caches, see `recall`; those of two snapshots if not given.
        """
        return nets.masked_log_probs(self.logits(sight, remembered), ~sight.shut)

    def blank(self, problems: int) -> Tensor:
        """Return what is remembered before the first slot, shape (2, P, width)."""
        return self.own.new_zeros(2, problems, self.shape.width)

    def recall(self, sight: Sight, opening: Tensor, hidden: Tensor | None = None) -> Tensor:
        """Return the features of all homes' caches, shape (U, width).

        The recurrent memory goes through the slots in chunks, each from what was remembered when
        it was played; a memory of two snapshots needs neither.

        Parameters
        ----------
        opening
            Home of each problem when a slot began, shape (T, P).
        hidden
            What was remembered before each slot, shape (T, 2, P, width).
        """
        if hidden is None or not self.shape.chunk:
            return self.features.memory(sight, opening)
        now, slots = sight.caches[:, 1][opening], len(opening)
        chunk = min(self.shape.chunk, slots)  # all chunks side by side, the last one filled up
        now = nn.functional.pad(now, (0, 0, 0, 0, 0, -slots % chunk))
        steps = now.view(-1, chunk, *now.shape[1:]).transpose(0, 1).flatten(1, 2)
        before = hidden[::chunk].transpose(0, 1).flatten(1, 2)
        caches = self.features.caches
        outputs = caches.follow(caches.steps(steps), before)[0]
        outputs = outputs.view(chunk, -1, opening.shape[1], outputs.shape[2])
        outputs = outputs.transpose(0, 1).flatten(0, 2)
        return outputs.index_select(0, places_of(sight, opening))

    def logits(self, sight: Sight, remembered: Tensor | None = None) -> Tensor:
        """Return logits before the mask, shape (n, T + 1); see `forward`."""
        if remembered is None:
            remembered = self.features.memory(sight)
        feature = self.features(sight, remembered)
        number = int(sight.mine.max()) + 1 if len(sight.mine) else 0
        company = nets.pooled(feature, sight.mine, number)
        logits: Tensor = self.head(nets.beside(self.trunk, feature, company, sight.mine))
        if self.shape.own:
            row = sight.user * self.shape.own + sight.own
            logits = logits + self.own.flatten(0, 1).index_select(0, row)
        return logits


class Critic(nn.Module):
    """Values under centralised training: it sees what all agents see of a user, and all births.

    Parameters
    ----------
    shape
        Sizes.
    rng
        Source of the weights.
    """

    layers = 3  # of its MLPs, as in the paper

    def __init__(self, shape: Shape, rng: Generator) -> None:
        super().__init__()
        self.features = HeadEncoder(shape, rng)
        state = home_width(shape.slots, shape.users)
        self.home = nets.Mlp(3 * shape.width + state, shape.width, self.layers, rng)
        self.home_value = nets.linear(shape.width, 1, rng)
        self.head = nets.Mlp(3 * shape.width, shape.width, self.layers, rng)
        self.head_value = nets.linear(shape.width, 1, rng)

    def of_homes(self, sight: Sight, opening: Tensor) -> Tensor:
        """Return the value of all users when a slot began, of the shape of `opening`, (T, P)."""
        remembered = self.features.memory(sight, opening)
        company = nets.pooled(self.features(sight, remembered), sight.home, len(sight.state))
        seen = torch.cat([x[opening] for x in (remembered, company, sight.state)], dim=-1)
        value: Tensor = self.home_value(self.home(seen))[..., 0]
        return value

    def of_heads(self, sight: Sight) -> Tensor:
        """Return the value of every head, whatever it chooses, shape (n,)."""
        feature = self.features(sight, self.features.memory(sight))
        company = nets.pooled(feature, sight.home, len(sight.state))
        value: Tensor = self.head_value(nets.beside(self.head, feature, company, sight.home))[:, 0]
        return value


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
