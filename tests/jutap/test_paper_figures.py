"""Numbers that arXiv:2603.22127 reports, as arithmetic of the judge on maps made for them."""

from dataclasses import replace

import numpy as np
import pytest

from opt_istn.jutap import Cost, Instance, Plan, evaluate
from opt_istn.jutap.scenario import PRESETS, generate

GRID = 25
MOVES = {"N": (1, 0), "E": (0, 1), "D": (1, 1)}


def _walk(moves: str) -> tuple[int, ...]:
    """Cells of a walk from the south-west corner."""
    row, column, cells = 0, 0, [0]
    for move in moves:
        row, column = row + MOVES[move][0], column + MOVES[move][1]
        cells.append(row * GRID + column)
    return tuple(cells)


def _everywhere(links: tuple[int, ...], cells: tuple[int, ...], num_mbs: int) -> Instance:
    """Return a 25 x 25 map of 120 m cells on which the walk may hold just these links."""
    rows = [[num_mbs - 1, num_mbs + 1] for _ in range(GRID**2)]
    strongest = np.full(GRID**2, num_mbs - 1)
    for cell, link in zip(cells, links, strict=True):
        rows[cell] = [link] if link == num_mbs else sorted({min(link, num_mbs - 1), link})
        strongest[cell] = num_mbs if link == num_mbs else min(link, num_mbs - 1)
    paper = generate(PRESETS["jutap-paper"], 0)
    ptr = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    return replace(
        paper,
        num_mbs=num_mbs,
        start_link=links[0],
        link_ptr=ptr,
        link_ids=np.concatenate(rows),
        strongest=strongest,
    )


@pytest.mark.parametrize(
    ("diagonals", "straights", "metres"), [(24, 0, 4072.94), (20, 8, 4354.1), (18, 12, 4494.7)]
)
def test_path_lengths(diagonals: int, straights: int, metres: float) -> None:
    """The three reported lengths are 24 + 0, 20 + 8 and 18 + 12 diagonal and straight moves."""
    cells = _walk("D" * diagonals + "N" * (straights // 2) + "E" * (straights // 2))
    links = (0,) * len(cells)
    instance = _everywhere(links, cells, 1)
    judged = evaluate(instance, Plan(instance.sha256, cells, links))
    assert judged.feasible
    assert judged.length_m == pytest.approx(metres, abs=0.06)
    assert round(judged.length_m, 2 if straights == 0 else 1) == metres


def test_handover_sum_of_figure_4a() -> None:
    """6.5 = seven handovers between MBSs and one reconnection after one coverage hole."""
    cells = _walk("D" * 18 + "N" * 6 + "E" * 6)
    hole = 8
    links = (0, 1, 2, 3, 4, 5, hole, 5, 6, *(7,) * (len(cells) - 9))
    instance = _everywhere(links, cells, 8)
    judged = evaluate(instance, Plan(instance.sha256, cells, links))
    assert judged.feasible
    assert (judged.handover, judged.holes) == (6.5, 1)
    assert round(judged.length_m or 0, 1) == 4494.7


def test_handover_sum_of_figure_4b() -> None:
    """10.5 with one hole on the shortest path holds the 5 of one switch from an MBS to GEO."""
    cells = _walk("D" * 24)
    hole, geo = 3, 4
    # to GEO 5, ten stays 5, back 1, into the hole 0, reconnect -0.5
    links = (0, *(geo,) * 11, 0, hole, *(1,) * 11)
    instance = _everywhere(links, cells, 3)
    judged = evaluate(instance, Plan(instance.sha256, cells, links))
    assert judged.feasible
    assert (judged.handover, judged.holes) == (10.5, 1)
    assert round(judged.length_m or 0, 2) == 4072.94


def test_geo_pays_against_long_holes_only() -> None:
    """Under `handover` GEO beats k holes in a row from k = 5, from 13, or never, by weights."""
    weights = {(0.4, 0.2, 0.4): 5, (0.6, 0.2, 0.2): 13, (0.2, 0.6, 0.2): None}
    for (w1, w2, w3), least in weights.items():
        scenario = replace(PRESETS["jutap-paper"], w1=w1, w2=w2, w3=w3, hole_to_geo="handover")
        cost: Cost = generate(scenario, 0).cost
        excursion = [
            cost.mbs_to_geo + (k - 1) * cost.geo_stay + cost.geo_to_mbs for k in range(1, 99)
        ]
        holes = [k * cost.hole + cost.hole_to_mbs for k in range(1, 99)]
        better = [k for k, (a, b) in enumerate(zip(excursion, holes, strict=True), 1) if a < b]
        assert next(iter(better), None) == least
