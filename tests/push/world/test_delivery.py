"""Delays of deliveries: by hand, against another shortest-path code, and in the right order."""

from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
from scipy.sparse import csr_array

from opt_istn.push.instance import ABSENT
from opt_istn.push.scenario import PRESETS
from opt_istn.push.world.delivery import SlotNetwork, slot_delays_s
from opt_istn.push.world.draw import draw_world

PAPER = PRESETS["push-paper"]


def row(links):
    """Return a network of four satellites from {(a, b): delay}."""
    dense = np.zeros((4, 4))
    for (a, b), delay in links.items():
        dense[a, b] = dense[b, a] = delay
    return csr_array(dense)


def test_by_hand():
    """Satellites 0-1-2 in a row, 3 alone; one user sees 0 and 2, one sees nothing."""
    seen = (np.array([0, 2]), np.array([], dtype=int))
    network = SlotNetwork(
        row({(0, 1): 0.1, (1, 2): 0.2}), seen, (np.array([0.5, 0.3]), np.array([]))
    )
    access, collab = slot_delays_s(network, np.array([0, 1, 3]), 10.0)
    assert access.tolist() == [[0.5, np.inf, np.inf], [np.inf] * 3]
    assert collab[0] == pytest.approx([0.3 + 0.3, 0.2 + 0.3, np.inf])
    assert np.all(np.isinf(collab[1]))


def test_limit():
    """Paths longer than the limit are not offered."""
    network = SlotNetwork(row({(0, 1): 0.1, (1, 2): 0.2}), (np.array([0]),), (np.array([0.5]),))
    assert np.isinf(slot_delays_s(network, np.array([2]), 0.25)[1]).all()
    assert slot_delays_s(network, np.array([2]), 0.35)[1][0, 0] == pytest.approx(0.8)


def test_no_holders():
    """Nobody stores anything: empty tables."""
    network = SlotNetwork(row({(0, 1): 0.1}), (np.array([0]),), (np.array([0.5]),))
    assert slot_delays_s(network, np.array([], dtype=int), 1.0)[0].shape == (1, 0)


def test_against_networkx():
    """Collaborative delays are networkx's shortest paths that do not begin with the holder."""
    network = draw_world(PAPER, (3, 0)).networks[5]
    graph = nx.from_scipy_sparse_array(network.between_s)
    holders = np.array([10, 77, 150, 299, *network.seen[0][:2]])
    _, collab = slot_delays_s(network, np.unique(holders), 5.0)
    for i, holder in enumerate(np.unique(holders)):
        reach = nx.single_source_dijkstra_path_length(graph, int(holder))
        for user, (seen, down) in enumerate(zip(network.seen, network.down_s, strict=True)):
            relays = zip(seen.tolist(), down.tolist(), strict=True)
            paths = [reach[s] + delay for s, delay in relays if s != holder and s in reach]
            assert collab[user, i] == pytest.approx(min(paths))


def test_delays_of_links():
    """A user link takes 2 to 7 ms to cross and 84.5 to 253.6 ms to carry a content."""
    network = draw_world(PAPER, (3, 0)).networks[0]
    for down in network.down_s:
        assert np.all((down > 0.0845 + 0.0018) & (down < 0.2537 + 0.0072))


def test_ordering():
    """With rates at their means: direct 0 < access < collaborative < ground."""
    steady = replace(PAPER, outage=0.0)
    for delay in draw_world(steady, (3, 0)).delays_us(np.ones((18, 280), dtype=bool)):
        access, collab, ground = np.moveaxis(delay, 2, 0)
        assert np.all(ground == 1_000_000)
        assert np.all(access[access != ABSENT] > 0)
        assert np.all(np.maximum(access, collab) <= ground)
        both = (access != ABSENT) & (collab != ABSENT)
        assert np.mean(access[both]) < np.mean(collab[both])


def test_geometry_of_a_slot():
    """Links of a slot are symmetric, never longer than sight allows, and number about 2200."""
    drawn = draw_world(replace(PAPER, outage=0.0), (3, 0))
    between = drawn.networks[0].between_s
    assert abs(between - between.T).max() == 0
    assert between.nnz // 2 == 1300 + 585 + 300
    assert between.max() < 5_300e3 / 3e8 + 3 * 8e8 / 8e9
