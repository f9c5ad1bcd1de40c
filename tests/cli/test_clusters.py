"""Comparisons and trainings in parts, from the command line; how they stand, seen from outside."""

import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from opt_istn.cli import main, train
from opt_istn.runs import ledger
from opt_istn.runs.fleet import status
from opt_istn.runs.fleet.status import Notice, Running
from tests.planted import tiny

ROOT = Path(__file__).parents[2]
SOLVERS = "tests.planted:Detour,tests.planted:Honest"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny().write(tmp_path / "tiny.json")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(ROOT)


def _compare(*words: str) -> int:
    given = ["compare", "tiny.json", "--solvers", SOLVERS, "--seeds", "12", "--json"]
    return main([*given, *words])


def test_shards_and_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    """Tables of a folder say which shard is missing; when it is there, they are of the whole."""
    Path("runs").mkdir()
    for index in (1, 3):
        assert _compare("--shard", f"{index}/3", "-o", f"runs/{index}.jsonl") == 0
    written = (["report", "runs", "-o", "page.html"], ["bundle", "runs", "-o", "runs.zip"])
    for command in (["table", "runs"], ["verify", "runs"], *written):
        capsys.readouterr()
        assert main(command) == 0
        assert "no record of shard 2 of 3" in capsys.readouterr().err
    assert _compare("--shard", "2/3", "-o", "runs/2.jsonl") == 0
    assert _compare("-o", "whole.jsonl") == 0
    capsys.readouterr()
    assert main(["table", "runs"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert len(ledger.read_all(["runs"])) == len(ledger.read("whole.jsonl")) == 13


def test_a_recipe_for_an_array_of_jobs() -> None:
    """The script in docs/scale.md does the shard that its environment names, array by array."""
    text = (ROOT / "docs/scale.md").read_text(encoding="utf-8")
    script = text.partition("```bash title=array.sh\n")[2].partition("```")[0]
    assert "SLURM_ARRAY_TASK_ID" in script
    command = shlex.join([sys.executable, "-m", "opt_istn"])
    Path("array.sh").write_text(
        script.replace("opt-istn compare", f"{command} compare")
        .replace("jutap-paper-v2", "tiny.json")
        .replace("labels,pyomo", SOLVERS)
        .replace("--seeds 100", "--seeds 4")
    )
    for index in (1, 2):
        env = {"SLURM_ARRAY_TASK_ID": str(index), "SLURM_ARRAY_TASK_COUNT": "2"}
        path = os.pathsep.join([str(ROOT), *sys.path])
        env |= os.environ | env | {"PYTHONPATH": path, "SLURM_CPUS_PER_TASK": "1"}
        done = subprocess.run(["bash", "array.sh"], env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert sorted(os.listdir("runs")) == ["1.jsonl", "2.jsonl"]  # noqa: PTH208 - names
    assert len(ledger.read_all(["runs"])) == 5


def test_runs_on_an_executor(capsys: pytest.CaptureFixture[str]) -> None:
    """--executor takes what makes any executor; what is none, or two at once, is refused."""
    assert _compare("--executor", "concurrent.futures:ThreadPoolExecutor", "-o", "a.jsonl") == 0
    assert len(ledger.read("a.jsonl")) == 13
    assert _compare("--executor", "nothing", "-o", "b.jsonl") == 2
    assert "--executor: expected module:factory" in capsys.readouterr().err
    assert _compare("--executor", "a:b", "--dask", "tcp://c", "-o", "b.jsonl") == 2
    assert "not both" in capsys.readouterr().err


def test_status_reads_only(capsys: pytest.CaptureFixture[str]) -> None:
    """Status tells of files and of a comparison that goes on, and leaves everything as it was."""
    assert _compare("-o", "runs.jsonl") == 0
    assert [one.name for one in Path().iterdir() if "status" in one.name] == []
    notice = Notice(
        host="elsewhere",
        pid=7,
        began=time.time() - 50,
        seen=time.time(),
        total=15,
        reused=0,
        done=5,
        out=1,
        running=(Running("tiny", "push.labels", 3, time.time() - 9),),
    )
    Path("runs.jsonl.status").write_bytes(status.msgspec.json.encode(notice))
    for one in ("runs.jsonl", "runs.jsonl.status"):
        Path(one).chmod(0o444)
    before = {one.name: (one.stat().st_mtime_ns, one.read_bytes()) for one in Path().iterdir()}
    capsys.readouterr()
    assert main(["status", "runs.jsonl", "--json"]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    (row,) = told["files"]
    assert (row["done"], row["of"], row["running"], row["failed"]) == (13, 15, 1, 0)
    assert row["process"] == "7 on elsewhere"
    assert row["left s"] == pytest.approx(100, abs=3)
    assert told["instances"] == told["closed"] == 1
    assert len(told["slowest"]) == 3
    assert main(["status", "runs.jsonl"]) == 0
    assert "push.labels, seed 3, on tiny: out for" in capsys.readouterr().out
    after = {one.name: (one.stat().st_mtime_ns, one.read_bytes()) for one in Path().iterdir()}
    assert after == before


def test_a_comparison_that_runs_can_be_watched() -> None:
    """While a comparison runs and holds its file, status says so from another process."""
    command = [sys.executable, "-m", "opt_istn", "compare", "tiny.json"]
    command += ["--solvers", "tests.planted:Endless,tests.planted:Honest", "-o", "runs.jsonl"]
    path = os.pathsep.join([str(ROOT), *sys.path])
    process = subprocess.Popen(
        [*command, "--jobs", "2", "--time-limit", "600"],
        env=os.environ | {"PYTHONPATH": path},
        stderr=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            view = status.look(["runs.jsonl"])[0] if Path("runs.jsonl").exists() else None
            if view and view.notice and view.notice.running and view.records:
                break
            time.sleep(0.2)
        assert view is not None
        assert view.notice is not None
        assert (view.notice.pid, view.notice.alive) == (process.pid, True)
        assert "tests.planted:Endless" in [one.solver for one in view.notice.running]
    finally:
        process.kill()
        process.wait()
    (view,) = status.look(["runs.jsonl"])
    assert view.notice is not None
    assert view.notice.alive is False


def test_agents_by_pattern(capsys: pytest.CaptureFixture[str]) -> None:
    """A pattern of agent files is each of them; one that none matches is refused."""
    from opt_istn.cli.runs import _choices

    for seed in (2, 0, 1):
        Path(f"dqn-{seed}.pt").touch()
    found = [choice.parameters for choice in _choices("dqn@agent=dqn-*.pt@elsewhere=true")]
    assert found == [{"agent": f"dqn-{seed}.pt", "elsewhere": "true"} for seed in range(3)]
    (absolute, *_) = _choices(f"dqn@agent={Path.cwd()}/dqn-*.pt")
    assert absolute.parameters["agent"] == f"{Path.cwd()}/dqn-0.pt"
    assert main(["compare", "tiny.json", "--solvers", "dqn@agent=no-*.pt", "-o", "r.jsonl"]) == 2
    assert "none is called no-*.pt" in capsys.readouterr().err


def test_a_shard_trains_its_seeds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Together, shards train every seed once."""
    trained = []

    def course(_: Any, targets: dict[int, Path], *__: Any, **___: Any) -> Any:
        trained.append(sorted(targets))
        return iter(())

    monkeypatch.setattr(train, "_trained", course)
    for index in (1, 2, 3):
        words = ["train", "jutap.qlearning", "tiny.json", "--seed", "5", "--seeds", "7"]
        assert main([*words, "--shard", f"{index}/3", "-o", "a{seed}.pt"]) == 0
    assert trained == [[5, 8, 11], [6, 9], [7, 10]]
    assert main([*words, "--shard", "4/3", "-o", "a{seed}.pt"]) == 2
    assert "--shard: expected i/n" in capsys.readouterr().err


def test_every_worker_gets_its_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """{worker} in a device is the number of the process that trains."""
    asked = []

    def trainer(name: str, problem: str, parameters: dict[str, str]) -> None:
        asked.append((name, problem, parameters["device"]))

    monkeypatch.setattr("opt_istn.registry.trainer", trainer)
    task = train._task("tiny.json", {}, None)
    course = train._Course("push.mappo", task, {"device": "cuda:{worker}"})
    for number in (0, 3):
        course.trainer(number)
    assert asked == [("push.mappo", "jutap", "cuda:0"), ("push.mappo", "jutap", "cuda:3")]
