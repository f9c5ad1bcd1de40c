"""What is measured: instances by name, and peers outside this project that solve the same."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import networkx as nx
import numpy as np
from cspy import BiDirectional
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from opt_istn.jutap.graph import start_state, state_arcs, state_cells, to_networkx
from opt_istn.jutap.instance import Instance
from opt_istn.problems import of_preset


@cache
def instance(preset: str, seed: int = 0) -> Any:
    """Return a generated instance with its hash already computed."""
    problem = of_preset(preset)
    made = problem.generate(problem.scenario(preset, {}), seed, f"{preset}-{seed}")
    _ = made.sha256
    return made


@dataclass(frozen=True)
class Peer:
    """Code from elsewhere that computes the optimum of some instances.

    Parameters
    ----------
    build
        Untimed: turns an instance into the peer's own data structure.
    run
        Timed: returns the optimal cost.
    constrained
        Whether it can take an energy budget.
    max_cells
        Largest instance it is asked to do.
    """

    build: Callable[[Instance], Any]
    run: Callable[[Any], int]
    constrained: bool
    max_cells: int


def _cspy_graph(subject: Instance) -> tuple[Any, float]:
    graph = nx.DiGraph(directed=True, n_res=1)
    made = to_networkx(subject)
    names = {made.graph["source"]: "Source", "END": "Sink"}
    for a, b, arc in made.edges(data=True):
        if b != made.graph["source"]:  # cspy allows no arc into its source
            cost, energy = float(arc["cost"]), float(arc["energy"])
            graph.add_edge(
                names.get(a, str(a)), names.get(b, str(b)), weight=cost, res_cost=[energy]
            )
    budget = subject.energy_budget_mj
    return graph, float(2**40 if budget is None else budget)


def _cspy(data: tuple[Any, float]) -> int:
    graph, budget = data
    search = BiDirectional(graph, [budget], [0.0], direction="forward")
    search.run()
    return round(search.total_cost)


def _networkx(graph: Any) -> int:
    return int(nx.dijkstra_path_length(graph, graph.graph["source"], "END", "cost"))


def _csgraph_matrix(subject: Instance) -> tuple[Any, int, Any]:
    arcs, cells = state_arcs(subject), state_cells(subject)
    matrix = csr_array((arcs.cost.astype(float), (arcs.tail, arcs.head)), shape=(len(cells),) * 2)
    return matrix, start_state(subject), np.flatnonzero(cells == subject.end)


def _csgraph(data: tuple[Any, int, Any]) -> int:
    matrix, start, ends = data
    return int(dijkstra(matrix, indices=start)[ends].min())


PEERS = {
    "cspy": Peer(_cspy_graph, _cspy, constrained=True, max_cells=2_500),
    "networkx": Peer(to_networkx, _networkx, constrained=False, max_cells=50_000),
    "csgraph": Peer(_csgraph_matrix, _csgraph, constrained=False, max_cells=50_000),
}
