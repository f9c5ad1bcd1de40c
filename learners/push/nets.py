"""Actor and critic of the paper's agents for PUSH (Remote Sens. 2025, 17(11), 1905, section 5).

The paper fuses four parts for every decision: an MLP over attributes and satellite caches, an LSTM
over a user's caches, added to it, and, in the multi-modal agent, features of the image through a
gated attention. It does not say how contents are told apart; here every head, a content for a
user, has features of its own by the same weights, and sees the mean and the maximum of those that
its agent decides on for the same user at the same time. A decision is independent of the order of
the contents, and no more parameters are needed for more of them.

Preferences differ between users, so the layers that read attributes and images have weights of
each user added to the common ones, zero at first.
"""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from learners import nets
from learners.push.scene import Sight, content_width, home_width
from learners.push.view import NUM_META
from opt_istn.push.demand import CODE_LENGTH


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
    """

    users: int
    slots: int
    places: int
    width: int
    images: bool
    own: int = 0
    code: int = CODE_LENGTH


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

    def forward(self, rows: Tensor, user: Tensor) -> Tensor:
        """Return shape (n, outputs) of `rows` (n, inputs) of users (n,)."""
        who = nn.functional.one_hot(user, len(self.weight)).to(rows.dtype)
        apart = (who.unsqueeze(-1) * rows.unsqueeze(-2)).flatten(-2)
        return apart @ self.weight.flatten(0, 1)


class Features(nn.Module):
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
        state = home_width(shape.slots, shape.users)
        self.attributes = nets.AttributeMlp(content_width(shape.slots) + state, shape.width, rng)
        self.taste = OfUser(shape.users, NUM_META, shape.width)
        self.caches = nets.CacheMemory(shape.places * NUM_META, shape.width, rng)
        self.fuse = nets.ResidualFusion(shape.width, shape.width, rng)
        if shape.images:
            self.image = nets.AttributeMlp(shape.code, shape.width, rng)
            self.image_taste = OfUser(shape.users, shape.code, shape.width)
            self.gate = nets.GatedFusion(shape.width, 2, rng)

    def forward(self, sight: Sight, remembered: Tensor) -> Tensor:
        """Return the features of the heads.

        Parameters
        ----------
        remembered
            Features of the homes' caches, see `memory`.
        """
        seen = torch.cat([sight.content, sight.state[sight.home]], dim=1)
        feature: Tensor = self.attributes(seen)
        feature = feature + self.taste(sight.content[:, :NUM_META], sight.user)
        feature = self.fuse(feature, remembered[sight.home])
        if self.shape.images:
            image = self.image(sight.code) + self.image_taste(sight.code, sight.user)
            feature = self.gate([image, feature])
        return feature

    def memory(self, sight: Sight) -> Tensor:
        """Return the features of the homes' caches, shape (U, width)."""
        remembered: Tensor = self.caches(sight.caches)
        return remembered


def pooled(feature: Tensor, group: Tensor, number: int) -> Tensor:
    """Return mean and maximum over equal groups, shape (number, 2 width), 0 for empty ones."""
    index = group.unsqueeze(1).expand_as(feature)
    blank = feature.new_zeros(number, feature.shape[1])
    mean = blank.scatter_reduce(0, index, feature, "mean", include_self=False)
    most = blank.scatter_reduce(0, index, feature, "amax", include_self=False)
    return torch.cat([mean, most], dim=1)


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
        self.features = Features(shape, rng)
        self.trunk = nets.Mlp(3 * shape.width, shape.width, 1, rng)
        self.head = nets.FactoredHead(shape.width, 1, choices, rng)
        self.own = nn.Parameter(torch.zeros(shape.users, shape.own, choices))

    def forward(self, sight: Sight) -> Tensor:
        """Return log-probabilities, shape (n, T + 1)."""
        return nets.masked_log_probs(self.logits(sight), ~sight.shut)

    def logits(self, sight: Sight) -> Tensor:
        """Return logits before the mask, shape (n, T + 1)."""
        feature = self.features(sight, self.features.memory(sight))
        number = int(sight.mine.max()) + 1 if len(sight.mine) else 0
        company = pooled(feature, sight.mine, number)[sight.mine]
        logits: Tensor = self.head(self.trunk(torch.cat([feature, company], dim=1)))[:, 0]
        if self.shape.own:
            logits = logits + self.own[sight.user, sight.own]
        return logits


class Critic(nn.Module):
    """Values under centralised training: it sees what all agents see of a user, and all births.

    Parameters
    ----------
    shape
        Sizes.
    rng
        Source of the weights.
    layers
        Of the MLP; the paper's has three.
    """

    def __init__(self, shape: Shape, rng: Generator, layers: int = 3) -> None:
        super().__init__()
        self.features = Features(shape, rng)
        state = home_width(shape.slots, shape.users)
        self.home = nets.Mlp(3 * shape.width + state, shape.width, layers, rng)
        self.home_value = nets.linear(shape.width, 1, rng)
        self.head = nets.Mlp(3 * shape.width, shape.width, layers, rng)
        self.head_value = nets.linear(shape.width, 1, rng)

    def of_homes(self, sight: Sight) -> Tensor:
        """Return the value of every user in every turn, shape (U,)."""
        remembered = self.features.memory(sight)
        company = pooled(self.features(sight, remembered), sight.home, len(sight.state))
        seen = torch.cat([remembered, company, sight.state], dim=1)
        value: Tensor = self.home_value(self.home(seen))[:, 0]
        return value

    def of_heads(self, sight: Sight) -> Tensor:
        """Return the value of every head, whatever it chooses, shape (n,)."""
        feature = self.features(sight, self.features.memory(sight))
        company = pooled(feature, sight.home, len(sight.state))[sight.home]
        value: Tensor = self.head_value(self.head(torch.cat([feature, company], dim=1)))[:, 0]
        return value
