"""Files of pytest-benchmark become a table, group by group."""

import json
from pathlib import Path

import pytest

from opt_istn.cli import main
from opt_istn.report import benchmarks


def _file(tmp_path: Path) -> str:
    def one(name: str, group: str | None, median: float, **info: object) -> dict[str, object]:
        stats = {"median": median, "min": median / 2, "rounds": 3, "iqr": 0.0}
        return {"name": name, "group": group, "stats": stats, "extra_info": info, "fullname": name}

    marks = [
        one("test_solver[a-cpsat]", "a-0", 0.3, method="cpsat", status="optimal", cost=7),
        one("test_solver[b-labels]", "b-0", 0.5, method="labels"),
        one("test_solver[a-labels]", "a-0", 0.1, problem="push", method="labels", cost=7),
        one("test_updates[ours]", None, 1.0),
    ]
    path = tmp_path / "bench.json"
    path.write_text(json.dumps({"machine_info": {}, "version": "5", "benchmarks": marks}))
    return str(path)


def test_groups_are_together_and_the_fastest_first(tmp_path: Path) -> None:
    """`times` is the median over the fastest of the group alone."""
    rows = benchmarks.rows_of(_file(tmp_path))
    assert [(row["group"], row["method"], row["times"]) for row in rows] == [
        ("a-0", "labels", 1.0),
        ("a-0", "cpsat", pytest.approx(3.0)),
        ("b-0", "labels", 1.0),
        ("test_updates", None, 1.0),
    ]


def test_table_reads_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`opt-istn table` takes the file as it takes records; other formats are refused."""
    path = _file(tmp_path)
    assert main(["table", path]) == 0
    said = capsys.readouterr().out
    assert "test_solver[a-cpsat]" in said
    assert "7 (0.000007 s)" in said
    assert main(["table", path, "--format", "json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 4
    assert main(["table", path, "--format", "latex"]) == 2
    (tmp_path / "bench.json").write_text('{"machine_info": {}, "benchmarks": [{"name": 1}]}')
    assert main(["table", path]) == 2
    assert "benchmarks[0]" in capsys.readouterr().err
