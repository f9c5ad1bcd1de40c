"""The lists of arcs: whoever reads them alone finds the values that the index tells."""

import gzip
import hashlib
import heapq
from collections import defaultdict
from pathlib import Path

import networkx as nx
import pytest

from opt_istn.cli import main
from opt_istn.library import edges
from opt_istn.library.shelf import Library
from opt_istn.solver import Status

SMALL = 5000  # arcs


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """Return the table of the graphs that are small enough, each with the text of its file."""
    folder = tmp_path_factory.mktemp("arcs")
    entries = [e for e in Library().entries() if e.problem != "jutap" or e.size["grid"] <= 25]
    written = list(edges.write(Library(), entries, folder))
    assert {path.name for path in written} == {path.name for path in folder.iterdir()}
    head, *lines = (folder / "index.tsv").read_text().splitlines()
    table = [dict(zip(head.split("\t"), line.split("\t"), strict=True)) for line in lines]
    for row in table:
        row["text"] = gzip.decompress((folder / f"{row['name']}.arcs.gz").read_bytes()).decode()
    return [row for row in table if int(row["arcs"]) <= SMALL]


@pytest.mark.parametrize("name", [edges.INDEX, edges.HOW])
def test_files_of_somebody_else_are_not_written_over(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A README or table of the folder's owner stays; ours is replaced by ours."""
    words = ["library", "arcs", "jutap-tiny-0", "-o", str(tmp_path)]
    (tmp_path / name).write_text("mine\n")
    assert main(words) == 2
    assert f"{name}: expected a folder without one" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine\n"
    (tmp_path / name).unlink()
    assert [main(words), main(words)] == [0, 0]


def parse(text: str) -> tuple[dict[str, str], list[tuple[int, int, int, int]]]:
    """Read a file as its README says."""
    lines = [line.split() for line in text.splitlines() if not line.startswith("#")]
    head = {line[0]: line[1] for line in lines if len(line) == 2}
    arcs = [(int(a), int(b), int(c), int(e)) for a, b, c, e in (x for x in lines if len(x) == 4)]
    assert len(head) + len(arcs) == len(lines)
    return head, arcs


def limited(head: dict[str, str], arcs: list[tuple[int, int, int, int]]) -> int | None:
    """Return the least cost of a walk within the limit: labels in order of their energy."""
    leaving = defaultdict(list)
    for tail, *arc in arcs:
        leaving[tail].append(arc)
    queue, best = [(0, 0, int(head["source"]))], dict[int, int]()
    while queue:
        energy, cost, node = heapq.heappop(queue)
        if node in best and best[node] <= cost:
            continue
        best[node] = cost
        for to, more, used in leaving[node]:
            if energy + used <= int(head["limit"]):
                heapq.heappush(queue, (energy + used, cost + more, to))
    return best.get(int(head["target"]))


def unlimited(head: dict[str, str], arcs: list[tuple[int, int, int, int]]) -> int | str:
    graph = nx.DiGraph()
    graph.add_weighted_edges_from((a, b, c) for a, b, c, _ in arcs)
    source, target = int(head["source"]), int(head["target"])
    if not nx.has_path(graph, source, target):
        return "infeasible"
    between = nx.descendants(graph, source) & nx.ancestors(graph, target) | {source, target}
    try:
        found: int = nx.bellman_ford_path_length(graph.subgraph(between), source, target)
    except nx.NetworkXUnbounded:
        return "unbounded"
    return found


def test_a_stranger_finds_the_values(rows: list[dict[str, str]]) -> None:
    """Bellman and Ford, or labels, on the file alone give status and value of the table."""
    for row in rows:
        head, arcs = parse(row["text"])
        found: int | str
        if head["limit"] == "none":
            found = unlimited(head, arcs)
        else:
            best = limited(head, arcs)
            found = "infeasible" if best is None else best
        expected = row["value"] if row["status"] == Status.OPTIMAL else row["status"]
        assert str(found) == expected, row["name"]


def test_files_are_what_their_heads_say(rows: list[dict[str, str]]) -> None:
    """Counts, hash and signs hold; two nodes have one arc, energies are positive but at the end."""
    assert len(rows) >= 12
    assert {row["negative"] for row in rows} == {"yes", "no"}
    for row in rows:
        head, arcs = parse(row["text"])
        assert hashlib.sha256(row["text"].encode()).hexdigest() == row["sha256"]
        assert (head["nodes"], head["arcs"], head["limit"]) == (
            *(row["nodes"], row["arcs"]),
            row["limit"],
        )
        assert len(arcs) == int(row["arcs"]) == len({arc[:2] for arc in arcs})
        assert {a[0] for a in arcs} | {a[1] for a in arcs} <= set(range(int(row["nodes"])))
        assert ("yes" if min(arc[2] for arc in arcs) < 0 else "no") == row["negative"]
        assert all(arc[3] > 0 or arc[1] == int(head["target"]) for arc in arcs)


def test_the_command_writes_one_entry_or_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Paths are printed; an entry of another problem exits with 2."""
    words = ("library", "arcs", "jutap-tiny-0", "-o", str(tmp_path / "out"))
    assert main(words) == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"jutap-tiny-0.arcs.gz", "index.tsv", "README.md"}
    assert capsys.readouterr().out.count("\n") == 3
    assert main(("library", "arcs", "push-tiny-v2-0", "-o", str(tmp_path))) == 2
    assert main(("library", "arcs", "jutap-tiny-0", "-o", str(tmp_path / "out" / "README.md"))) == 2
