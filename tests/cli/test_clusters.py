"""Comparisons and trainings in parts, from the command line; how they stand, seen from outside."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from opt_istn.cli import main, train
from opt_istn.runs import ledger
from opt_istn.runs.fleet import shards, status
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


def _recipe(name: str, *also: tuple[str, str]) -> str:
    """Return a block of docs/scale.md for a small comparison, as the test's own command."""
    text = (ROOT / "docs/scale.md").read_text(encoding="utf-8")
    found = re.search(rf"```\w+ title={name}\n(.*?)```", text, re.DOTALL)
    assert found is not None
    command = shlex.join([sys.executable, "-m", "opt_istn"])
    script = found[1]
    for old, new in (
        ("opt-istn compare jutap-paper-v2", f"{command} compare tiny.json"),
        ("opt-istn table", f"{command} table"),
        ("labels,pyomo", SOLVERS),
        ("--seeds 100", "--seeds 4"),
        *also,
    ):
        assert old in script or old == "opt-istn table"
        script = script.replace(old, new)
    return script


def _shell(script: str, *words: str, **env: str) -> int:
    path = os.pathsep.join([str(ROOT), *sys.path])
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script, "script", *words],
        env=os.environ | env | {"PYTHONPATH": path},
        capture_output=True,
    )
    return done.returncode


def _is_whole(folder: str = "runs") -> bool:
    found = ledger.read_all([folder])
    return len(found) == 5 and not shards.missing(found)


@pytest.mark.slow
def test_a_recipe_for_an_array_of_jobs() -> None:
    """The script does the shard that its environment names; some of them can be sent again."""
    script = _recipe("array.sh", ("N=100", "N=2"))
    for tasks in (["1", "2"], ["2"]):  # the second array has one task
        for index in tasks:
            count = {"SLURM_ARRAY_TASK_ID": index, "SLURM_ARRAY_TASK_COUNT": str(len(tasks))}
            assert _shell(script, SLURM_CPUS_PER_TASK="1", **count) == 0
        assert _is_whole()


@pytest.mark.slow
def test_a_recipe_for_jobs_that_count_from_0() -> None:
    """The script does shard 1 where the queue says 0, and so on."""
    script = _recipe("shard.sh", ("/100", "/2"))
    for process in ("0", "1"):
        assert _shell(script, process) == 0
    assert _is_whole(".")


PARALLEL = """
rest=0; words=()
for word in "$@"; do
  case $word in --resume-failed) ;; --joblog) skip=1 ;; jobs.log) ;; :::) rest=1 ;;
  *) [ $rest = 1 ] && items="$items $word" || words+=("$word") ;; esac
done
for item in $items; do eval "${words[*]//\\{\\}/$item}" || exit 1; done
"""


@pytest.mark.slow
def test_a_recipe_for_gnu_parallel() -> None:
    """What it calls for each of its items, in a folder that is not there yet, is a shard."""
    script = _recipe("parallel.sh", ("/8", "/2"), ("seq 8", "seq 2"))
    assert "--resume-failed --joblog" in script
    assert _shell(f"items=; skip=; parallel() {{ {PARALLEL} }}\n{script}") == 0
    assert _is_whole()


@pytest.mark.slow
def test_a_recipe_for_snakemake() -> None:
    """The rule's command accepts every exit code with which all records are written, no other."""
    rule = _recipe("Snakefile").partition("rule shard:")[2]
    command = "".join(re.findall(r'^ +(?:shell: )?"(.*)"$', rule, re.MULTILINE))
    assert command.startswith(shlex.quote(sys.executable))
    for index in ("1", "2"):
        shard = command.replace("{wildcards.i}", index).replace("{params.n}", "2")
        Path("runs").mkdir(exist_ok=True)
        assert _shell(shard) == 0
    assert _is_whole()
    after = command[command.index(" || ") :]
    codes = {code: _shell(f"(exit {code}){after}") for code in (0, 1, 2, 3, 4, 130, 137, 143)}
    assert [code for code, found in codes.items() if found == 0] == [0, 1, 3, 4]


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
    Path("runs.jsonl.status").write_bytes(msgspec.json.encode(notice))
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


def _endless() -> subprocess.Popen[str]:
    """Start a comparison that does not end, and wait until it is at its endless run."""
    command = [sys.executable, "-m", "opt_istn", "compare", "tiny.json"]
    command += ["--solvers", "tests.planted:Endless,tests.planted:Honest", "-o", "runs.jsonl"]
    path = os.pathsep.join([str(ROOT), *sys.path])
    process = subprocess.Popen(
        [*command, "--jobs", "2", "--time-limit", "600"],
        env=os.environ | {"PYTHONPATH": path},
        stderr=subprocess.PIPE,
        text=True,
    )
    end = time.monotonic() + 60
    while time.monotonic() < end:
        view = status.look(["runs.jsonl"])[0]
        if view.notice and view.notice.running and view.records:
            break
        time.sleep(0.2)
    return process


def test_a_comparison_that_runs_can_be_watched(capsys: pytest.CaptureFixture[str]) -> None:
    """While a comparison runs, status says so from another process; of a dead one it does not."""
    process = _endless()
    try:
        (view,) = status.look(["runs.jsonl"])
        assert view.notice is not None
        assert (view.notice.pid, view.notice.alive) == (process.pid, True)
        assert "tests.planted:Endless" in [one.solver for one in view.notice.running]
    finally:
        process.kill()
        process.communicate()
    (view,) = status.look(["runs.jsonl"])
    assert view.notice is not None
    assert view.notice.alive is False
    assert main(["status", "runs.jsonl"]) == 0
    assert "out for" not in capsys.readouterr().out


def test_a_word_to_end_is_an_interrupt() -> None:
    """SIGTERM ends the runs, takes the board away and leaves a file to go on in: exit code 143."""
    process = _endless()
    try:
        tree = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 143
    assert err.splitlines()[-2].endswith(
        "kept in runs.jsonl; the same command goes on with the others"
    )
    assert err.splitlines()[-1] == "opt-istn: terminated"
    assert psutil.wait_procs(tree, timeout=20)[1] == []
    assert sorted(path.name for path in Path().glob("runs*")) == ["runs.jsonl"]
    assert [run.status for run in ledger.read("runs.jsonl")] == ["optimal"]


def test_what_is_not_there_yet_has_no_records(capsys: pytest.CaptureFixture[str]) -> None:
    """Status of a file that is to come says nothing done; a table of empty files says so."""
    assert main(["status", "runs.jsonl", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["files"][0]["done"], told["best gap so far"]) == (0, None)
    Path("runs").mkdir()
    for name in ("1.jsonl", "2.jsonl"):
        Path("runs", name).touch()
    assert main(["table", "runs"]) == 0
    said = capsys.readouterr()
    assert "no records: nothing has ended yet, or the files are empty" in said.err
    assert not said.out
    assert main(["table", "runs", "--format", "json"]) == 0
    assert json.loads(told := capsys.readouterr().out)["rows"] == []
    assert "None" not in told


def test_records_of_different_versions_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    """What reads records says in one line that they are not of one version."""
    assert _compare("-o", "new.jsonl") == 0
    runs = ledger.read("new.jsonl")
    old = [
        msgspec.structs.replace(run, seed=99, packages=run.packages | {"opt-istn": "0.0.1"})
        for run in runs[:1]
    ]
    Path("old.jsonl").write_bytes(b"".join(ledger.encode(run) + b"\n" for run in old))
    for command in ("table", "status", "verify", "report"):
        capsys.readouterr()
        more = ["-o", "page.html"] if command == "report" else []
        assert main([command, "new.jsonl", "old.jsonl", *more]) == 0
        found = [line for line in capsys.readouterr().err.splitlines() if "versions" in line]
        (line,) = found
        assert line.startswith(
            "opt-istn: the records are of different versions of opt-istn: 0.0.1,"
        )
        assert main([command, "new.jsonl", *more]) == 0
        assert "versions" not in capsys.readouterr().err


def test_what_was_rescued_is_read_with_its_folder() -> None:
    """The file that keeps what would have been lost is one of its folder's files of records."""
    Path("runs").mkdir()
    assert _compare("-o", "runs/1.jsonl") == 0
    Path("runs/1.jsonl").rename("runs/1.jsonl.ab_c1.rescued")
    assert len(ledger.read_all(["runs"])) == 13


def test_an_interrupt_while_it_is_imported_is_one_line() -> None:
    """Ctrl-C before the command line is there is no traceback."""
    code = (
        "import sys, signal, os; from opt_istn.__main__ import main\n"
        "class Finder:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'typer': os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Finder())\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "sys.exit(main())"
    )
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "opt-istn: interrupted\n")


def test_agents_by_pattern(capsys: pytest.CaptureFixture[str]) -> None:
    """A pattern of agent files is each of them; one that none matches is refused."""
    from opt_istn.cli.terminal.asked import choices

    for seed in (2, 0, 1):
        Path(f"dqn-{seed}.pt").touch()
    found = [choice.parameters for choice in choices("dqn@agent=dqn-*.pt@elsewhere=true")]
    assert found == [{"agent": f"dqn-{seed}.pt", "elsewhere": "true"} for seed in range(3)]
    (absolute, *_) = choices(f"dqn@agent={Path.cwd()}/dqn-*.pt")
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
