"""The coverage map of a JUTAP instance as an image: strongest MBS by colour, holes in red."""

from collections.abc import Sequence
from itertools import combinations

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from opt_istn.jutap.instance import Instance, IntArray

Image = NDArray[np.uint8]

# Twelve steps of cividis (Nuñez et al. 2018), which has nearly the same colours in every kind of
# colour vision and grows lighter evenly, mixed with 22 % white: calmer than a path in black.
PALETTE = (
    "#385a85",
    "#4f658e",
    "#67728c",
    "#787d8d",
    "#878990",
    "#969695",
    "#a6a296",
    "#b7b093",
    "#c8be8d",
    "#dacc84",
    "#eddc75",
    "#feed63",
)
HOLE_COLOUR = "#cc1111"
STRIPE = "#ffdddd"
CLOSED = "#222222"
PIXELS = 900  # along a side: 300 dpi on a column's width


def rgb(colour: str) -> tuple[int, int, int]:
    """Return the three bytes of a ``#rrggbb`` colour."""
    red, green, blue = bytes.fromhex(colour[1:])
    return red, green, blue


def mbs_colours(instance: Instance) -> list[str]:
    """Return a colour per MBS: its own while the palette lasts, else unlike its neighbours'.

    MBSs with long common borders get shades far apart. Beyond the palette, MBSs whose areas touch
    are coloured apart greedily (DSATUR); if that takes more colours than there are, they repeat.
    """
    border = _borders(instance)
    count = instance.num_mbs
    if count <= len(PALETTE):
        places = _spread(border)
        step = (len(PALETTE) - 1) / max(count - 1, 1)
        return [PALETTE[round(place * step)] for place in places]
    touching: nx.Graph[int] = nx.from_numpy_array(border)
    shade = nx.greedy_color(touching, strategy="saturation_largest_first")
    apart = [PALETTE[i] for i in (0, 11, 5, 8, 2, 10, 4, 7, 1, 9, 3, 6)]
    return [apart[shade[mbs] % len(apart)] for mbs in range(count)]


def _borders(instance: Instance) -> IntArray:
    """Return how many sides of cells two MBSs' areas share, symmetric of shape (B, B)."""
    best = instance.strongest.reshape(instance.grid, instance.grid)
    sides = (best[:, :-1], best[:, 1:]), (best[:-1], best[1:])
    pairs = np.concatenate([np.stack([a.ravel(), b.ravel()], axis=1) for a, b in sides])
    pairs = pairs[(pairs != instance.hole).all(axis=1) & (pairs[:, 0] != pairs[:, 1])]
    border = np.zeros((instance.num_mbs, instance.num_mbs), dtype=np.int64)
    np.add.at(border, tuple(pairs.T), 1)
    total: IntArray = border + border.T
    return total


def _spread(border: IntArray) -> list[int]:
    """Return the places 0..B-1 of MBSs on a scale, neighbours far apart.

    Pairs are swapped as long as that lowers the sum of border / distance^2 on the scale.
    """
    place = np.arange(len(border))

    def nearness(places: IntArray) -> float:
        distance = np.abs(np.subtract.outer(places, places)).astype(np.float64)
        np.fill_diagonal(distance, np.inf)
        return float(np.sum(border / distance**2))

    best, better = nearness(place), True
    while better:
        better = False
        for pair in combinations(range(len(place)), 2):
            tried = place.copy()
            tried[list(pair)] = tried[list(pair[::-1])]
            value = nearness(tried)
            if value < best - 1e-9:
                place, best, better = tried, value, True
    return [int(x) for x in place]


def paint(instance: Instance, colours: Sequence[str]) -> Image:
    """Return the map with row 0 in the south, shape (P, P, 3), P a multiple of N.

    Holes are hatched, so that they are seen in grey too; cells that cannot be flown are dark.
    """
    scale = max(1, round(PIXELS / instance.grid))
    table = np.array([*map(rgb, colours), rgb(HOLE_COLOUR), rgb(CLOSED)], dtype=np.uint8)
    shown = _shown(instance).reshape(instance.grid, instance.grid)
    large = np.repeat(np.repeat(shown, scale, axis=0), scale, axis=1)
    image: Image = table[large]
    side = len(large)
    diagonal = np.add.outer(np.arange(side), np.arange(side))
    period = max(side // 80, 4)  # pixels from stripe to stripe
    stripe = diagonal % period < max(period // 4, 1)
    image[stripe & (large == instance.num_mbs)] = rgb(STRIPE)
    return image


def closed_cells(instance: Instance) -> NDArray[np.bool]:
    """Return which cells have no usable link and so cannot be flown, shape (N*N,)."""
    ptr, _ = instance.usable
    closed: NDArray[np.bool] = np.diff(ptr) == 0
    return closed


def _shown(instance: Instance) -> IntArray:
    """Return for each cell its strongest MBS, B for a hole, B + 1 where it cannot be flown."""
    shown: IntArray = np.where(closed_cells(instance), instance.num_mbs + 1, instance.strongest)
    return shown
