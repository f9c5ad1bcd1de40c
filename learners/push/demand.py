"""A model of demand that is learned from requests, for agents that are not told the law.

    log rate(u, f, age) = w_u . [attributes of f; net(code of f's image)] + g(level of f, age)
    P(u asks for f)     = 1 - exp(-rate)

Every user has weights of its own: products of user and feature, without which a network takes very
long to find out that tastes differ. Maximum likelihood on the requests of drawn instances. Delays
are no part of demand: their mean by age is given.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from learners import nets
from learners.push.stage.draws import Drawer, DrawnBirths
from opt_istn.physics.frames import Array
from opt_istn.push.world.demand import CODE_LENGTH, Features, request_probability
from opt_istn.push.world.users import NUM_LEVELS, PAYLOADS, RESOLUTIONS_M

_HIDDEN, _LOOKS = 64, 32  # hidden layer and output of the network on codes
_BATCH = 4  # instances a step, of the same births
_RATE = 1e-2  # of Adam at the start; it falls linearly to 0
_FIRST = -4.0  # log rate at the start


class DemandModel(nn.Module):
    """P(request) by user, content and age.

    Parameters
    ----------
    num_users
        M.
    miss_us
        Mean delay of a miss by age, microseconds, shape (T,).
    """

    miss_us: Tensor

    def __init__(self, num_users: int, miss_us: Sequence[int]) -> None:
        super().__init__()
        rng = torch.Generator().manual_seed(0)
        self.look = nn.Sequential(
            nets.linear(CODE_LENGTH, _HIDDEN, rng, nets.GAIN_RELU),
            nn.ReLU(),
            nets.linear(_HIDDEN, _LOOKS, rng, nets.GAIN_RELU),
            nn.ReLU(),
        )
        traits = len(PAYLOADS) + len(RESOLUTIONS_M) + NUM_LEVELS
        self.taste = nn.Parameter(torch.zeros(num_users, traits + _LOOKS))
        self.timing = nn.Parameter(torch.full((NUM_LEVELS, len(miss_us)), _FIRST))
        self.register_buffer("miss_us", torch.tensor(miss_us, dtype=torch.float64))

    def forward(self, traits: Features, codes: Array) -> Tensor:
        """Return the rate of requests by age, shape (M, n, T)."""
        sizes = (len(PAYLOADS), len(RESOLUTIONS_M), NUM_LEVELS)
        columns = (traits.payload, traits.resolution, traits.level)
        pairs = zip(sizes, columns, strict=True)
        visible = np.concatenate([np.eye(n, dtype=np.float32)[x] for n, x in pairs], axis=1)
        look = self.look(torch.from_numpy(codes.astype(np.float32)))
        content = torch.cat([torch.from_numpy(visible), look], dim=1)
        liking = self.taste @ content.T
        return (liking[:, :, None] + self.timing[torch.from_numpy(traits.level)]).exp()

    @torch.no_grad()
    def saving(self, traits: Features, codes: Array) -> Array:
        """Return what caching contents saves by age, microseconds, shape (M, n, T)."""
        asked = -torch.expm1(-self.forward(traits, codes).double())
        saving: Array = (asked * self.miss_us).numpy()
        return saving

    def state(self) -> dict[str, Any]:
        """Return what `restored` needs."""
        return {"num_users": len(self.taste), "tensors": self.state_dict()}

    @staticmethod
    def restored(state: Mapping[str, Any]) -> "DemandModel":
        """Return the model of a state."""
        model = DemandModel(state["num_users"], state["tensors"]["miss_us"].tolist())
        model.load_state_dict(state["tensors"])
        return model


def fit(model: DemandModel, drawer: Drawer, steps: int, rng: np.random.Generator) -> None:
    """Learn from requests of drawn instances in some steps of the optimiser."""
    optimizer = torch.optim.Adam(model.parameters(), _RATE)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = _RATE * (1 - step / steps)
        drawn = drawer.draw(rng)
        births = [drawn, *(drawer.redrawn(drawn, rng) for _ in range(_BATCH - 1))]
        loss = torch.stack([_surprise(model, drawer, x, rng) for x in births]).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch ships it untyped
        optimizer.step()


def _surprise(
    model: DemandModel, drawer: Drawer, drawn: DrawnBirths, rng: np.random.Generator
) -> Tensor:
    """Return -log P(requests) of an instance, per possible request."""
    slots, law = drawer.scenario.num_slots, drawer.world.law.demand
    chance = request_probability(law, drawn.traits, drawn.release, drawn.roi, slots)
    age = np.arange(slots) - drawn.release[:, None]
    possible = drawn.roi[:, :, None] & (age >= 0)
    asked = torch.from_numpy((rng.random(chance.shape) < chance)[possible])
    rate = model(drawn.traits, drawn.codes)
    index = torch.from_numpy(np.broadcast_to(np.maximum(age, 0), possible.shape).copy())
    now = rate.gather(2, index)[torch.from_numpy(possible)]
    return torch.where(asked, -torch.log(-torch.expm1(-now.clamp_min(1e-7))), now).mean()
