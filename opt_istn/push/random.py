"""Random PUSH instances for tests: small, and full of the cases that go wrong."""

import numpy as np

from opt_istn.push.instance import ABSENT, Instance


def random_push(
    rng: np.random.Generator,
    *,
    num_users: int = 2,
    num_contents: int = 6,
    num_slots: int = 5,
    cache_sizes: tuple[int, int] = (1, 3),
    num_requests: int = 10,
    freshness: float = 0.4,
    link_up: float = 0.8,
    in_roi: float = 0.9,
    delays_us: tuple[int, int] = (1, 20),
) -> Instance:
    """Draw an instance: uniform releases, requests at geometric ages, modes missing at random.

    With the defaults several contents are born in a slot, links fail, requests fall into the
    release slot, contents lie outside the region of interest though they are requested, some are
    never requested, and a user may have no request at all.

    Parameters
    ----------
    cache_sizes, delays_us
        Smallest and largest value.
    num_requests
        Draws of a request; those past the last slot and doubles are dropped.
    freshness
        Parameter of the geometric distribution of a request's age in slots.
    link_up, in_roi
        Probability that a link is up in a slot, and that a content concerns a user.
    """
    release = np.sort(rng.integers(0, num_slots, num_contents))
    drawn: dict[tuple[int, int, int], tuple[int, int, int]] = {}
    for _ in range(num_requests if num_users and num_contents else 0):
        user, content = int(rng.integers(num_users)), int(rng.integers(num_contents))
        slot = int(release[content] + rng.geometric(freshness) - 1)
        modes = rng.integers(delays_us[0], delays_us[1] + 1, 3)
        modes[:2][rng.random(2) < 0.4] = ABSENT
        if slot < num_slots:
            drawn[user, content, slot] = tuple(modes.tolist())
    rows = [(*key, *delays) for key, delays in drawn.items()]
    return Instance(
        name="random",
        num_slots=num_slots,
        slot_s=10.0,
        cache_size=rng.integers(cache_sizes[0], cache_sizes[1] + 1, num_users),
        release=release,
        cluster=np.zeros(num_contents, dtype=np.int64),
        roi=rng.random((num_users, num_contents)) < in_roi,
        link_up=rng.random((num_users, num_slots)) < link_up,
        requests=np.array(rows, dtype=np.int64).reshape(-1, 6),
    )
