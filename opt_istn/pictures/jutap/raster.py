"""The coverage map of a JUTAP instance as an image: strongest MBS by colour, holes in red."""

from collections.abc import Sequence

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from opt_istn.jutap.instance import Instance, IntArray

Image = NDArray[np.uint8]

# Twelve colours whose smallest distance in CIELAB, over normal, protan, deutan and tritan vision
# (Machado et al. 2009), was maximised by exchange, apart from HOLE by at least 29; in an order in
# which each is as far as possible from those before it.
PALETTE = (
    "#eedd77",
    "#77ffff",
    "#446688",
    "#aa88ff",
    "#88ccaa",
    "#666655",
    "#cceeaa",
    "#8844bb",
    "#ffbb33",
    "#88aa66",
    "#cc99dd",
    "#339999",
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

    Beyond the palette, MBSs whose areas touch are coloured apart greedily (DSATUR); if even that
    takes more colours than there are, colours repeat.
    """
    if instance.num_mbs <= len(PALETTE):
        return list(PALETTE[: instance.num_mbs])
    best = instance.strongest.reshape(instance.grid, instance.grid)
    sides = (best[:, :-1], best[:, 1:]), (best[:-1], best[1:])
    pairs = np.concatenate([np.stack([a.ravel(), b.ravel()], axis=1) for a, b in sides])
    pairs = np.unique(pairs[(pairs != instance.hole).all(axis=1)], axis=0)
    touching: nx.Graph[int] = nx.Graph()
    touching.add_nodes_from(range(instance.num_mbs))
    touching.add_edges_from((a, b) for a, b in pairs.tolist() if a != b)
    shade = nx.greedy_color(touching, strategy="saturation_largest_first")
    return [PALETTE[shade[mbs] % len(PALETTE)] for mbs in range(instance.num_mbs)]


def raster(instance: Instance, colours: Sequence[str]) -> Image:
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
