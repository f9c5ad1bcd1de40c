"""Comparisons: every lie is caught, every run is kept, none is lost or repeated."""

import gc
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest

from opt_istn import Budget, InputError, Status, problems
from opt_istn.runs import appender, audit, compare, ledger, single
from opt_istn.runs.audit import Standing
from opt_istn.runs.compare import Choice, Comparison
from opt_istn.runs.ledger import Failure, Record, Source, Steps
from opt_istn.runs.nursery import worker
from tests.planted import OPTIMUM, plant_presets, tiny


@pytest.fixture(autouse=True)
def _short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "GRACE_S", 0.3)


@pytest.fixture
def source(tmp_path: Path) -> Source:
    tiny().write(tmp_path / "tiny.json")
    return Source(file=str(tmp_path / "tiny.json"))


def _choices(*names: str) -> list[Choice]:
    return [Choice(f"tests.planted:{name}") for name in names]


def _compare(
    sources: Sequence[Source], names: Sequence[str], path: Path, **options: Any
) -> dict[tuple[str, int], Record]:
    """Run a comparison and return its last word on each solver and seed."""
    runs = compare.compare(sources, _choices(*names), path, **options)
    return {(run.solver.partition(":")[2], run.seed): run for run in runs}


LIES = {
    "Liar": "claimed the cost 150, but its plan costs 200",
    "Trespasser": "claimed a feasible plan, but: step 0 .* is not a move",
    "Overbound": "claimed the bound 201, but the evaluated plan of .* costs 200",
    "Overoptimal": "claimed the bound 282, but the evaluated plan of .* costs 200",
    "Denier": "claimed infeasible, but the evaluated plan of .* costs 200",
    "Endless": "it ignored the time limit",
    "Eater": "where 300 MiB were allowed",
    "Segfault": "killed by SIGSEGV",
    "Exit": "ended without an answer",
    "Parent": "left . process",
    "Raises": "RuntimeError: no luck",
    "BadInput": "expected a trained agent",
}


def test_every_lie_is_caught_and_the_rest_goes_on(source: Source, tmp_path: Path) -> None:
    """Liars and crashes are recorded as failed with the reason; the honest runs are not touched."""
    path = tmp_path / "runs.jsonl"
    names = [*LIES, "Honest", "HonestToo", "Detour"]
    budget = Budget(time_s=3.0, memory_mb=300)
    _compare([source], names, path, budget=budget, jobs=2)
    runs = {
        (run.solver.partition(":")[2], run.seed): run for run in audit.audited(ledger.read(path))
    }
    for name, reason in LIES.items():
        assert runs[name, 0].status == Status.FAILED, name
        assert re.search(reason, runs[name, 0].error), name
        assert runs[name, 0].bound is None
    assert runs["Honest", 0].status == runs["HonestToo", 0].status == Status.OPTIMAL
    assert runs["Detour", 0].cost == 282
    (known,) = audit.summarise(ledger.read(path))
    assert (known.best_cost, known.best_bound) == (OPTIMUM, OPTIMUM)
    assert known.standing == Standing.CLAIMED  # two proofs, but of strangers


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("foreign", "its plan: instance: expected a plan for"),
        ("document", "its plan: "),
        ("noproof", "claimed a bound without naming its proof"),
        ("noplan", "claimed optimal, but returned no plan"),
        ("gap", "claimed optimal with the bound 199 and a plan of cost 200"),
        ("empty", "claimed feasible, but returned no plan"),
        ("above", "claimed the bound 201, but its own plan costs 200"),
        ("hidden", "claimed no_plan, but its plan is feasible and costs 200"),
        ("denied", "claimed infeasible, but its plan is feasible and costs 200"),
        ("boundless", "claimed bound_only, but returned no bound"),
        ("both", "claimed unbounded and yet the bound 1"),
    ],
)
def test_claims_that_refute_themselves(what: str, reason: str) -> None:
    """A claim that contradicts itself or the evaluator makes the run fail with the reason."""
    solver = "tests.planted:Wrong"
    run = compare.run_one(tiny(), Source(file="x"), solver, {"what": what}, 0, Budget())
    assert (run.status, run.failure) == (Status.FAILED, Failure.REFUTED)
    assert run.error.startswith(reason)
    assert run.bound is None


def test_unbounded_needs_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where plans evidently cannot be arbitrarily cheap, `unbounded` is refuted at once."""
    solver, source = "tests.planted:Boundless", Source(file="x")
    monkeypatch.setattr(problems.Problem, "bounded", lambda *_: False)
    assert compare.run_one(tiny(), source, solver, {}, 0, Budget()).status == Status.UNBOUNDED
    monkeypatch.setattr(problems.Problem, "bounded", lambda *_: True)
    run = compare.run_one(tiny(), source, solver, {}, 0, Budget())
    assert run.failure == Failure.REFUTED
    assert run.error.startswith("claimed unbounded, but no plan")


def test_a_record_is_complete(source: Source) -> None:
    """A record tells what was run, where, what came out and what was claimed."""
    run = compare.run_one(
        tiny(), source, "tests.planted:Honest", {"mode": "slow", "level": "1"}, 3, Budget(time_s=9)
    )
    assert (run.sha256, run.solver, run.seed) == (tiny().sha256, "tests.planted:Honest", 3)
    assert (run.parameters, run.limits.time_s) == ({"mode": "slow"}, 9)
    assert (run.status, run.cost, run.bound, run.proof) == ("optimal", 200, 200, "planted")
    assert run.terms["moves"] == 2
    assert run.plan is not None
    assert run.plan["cells"] == [0, 1, 2]
    assert {"python", "numpy", "opt-istn"} <= set(run.packages)
    assert run.cpu
    assert run.time
    assert (run.wall_s or 0) > 0
    assert (run.peak_memory_mb or 0) > 10


def test_a_solver_that_cannot_be_made_leaves_a_record(tmp_path: Path) -> None:
    """A run that never gets ready counts no seconds, and its record can be read."""
    run = compare.run_one(tiny(), Source(file="x"), "tests.planted:Unmade", {}, 0, Budget())
    assert (run.status, run.failure, run.wall_s) == (Status.FAILED, Failure.CRASHED, 0.0)
    appender.append(tmp_path / "runs.jsonl", run)
    assert ledger.read(tmp_path / "runs.jsonl") == [run]


def test_unsupported_is_no_failure() -> None:
    """A solver that cannot take an instance leaves a record that says so."""
    run = compare.run_one(tiny(), Source(file="x"), "tests.planted:Picky", {}, 0, Budget())
    assert (run.status, run.failure) == (Status.NO_PLAN, None)
    assert run.error == "not supported: the instance has a Tuesday in it"


def test_nothing_runs_twice(source: Source, tmp_path: Path) -> None:
    """What the file holds is not run again, failures included, unless asked for."""
    path = tmp_path / "runs.jsonl"
    first = _compare([source, source], ["Honest", "Raises", "Detour"], path, seeds=2)
    assert set(first) == {("Honest", 0), ("Raises", 0), ("Detour", 0), ("Detour", 1)}
    size = path.stat().st_size
    assert _compare([source], ["Honest", "Raises", "Detour"], path, seeds=2) == first
    assert path.stat().st_size == size
    _compare([source], ["Honest", "Raises"], path, retry_failed=True)
    lines = path.read_text().splitlines()
    count = Counter(line.split('"solver":"')[1].split('"')[0] for line in lines)
    assert count == {
        "tests.planted:Honest": 1,
        "tests.planted:Raises": 2,
        "tests.planted:Detour": 2,
    }


def test_other_budgets_are_other_runs(source: Source, tmp_path: Path) -> None:
    """A run with another budget or other parameters is another run."""
    path = tmp_path / "runs.jsonl"
    _compare([source], ["Honest"], path)
    _compare([source], ["Honest"], path, budget=Budget(time_s=5))
    list(compare.compare([source], [Choice("tests.planted:Honest", {"level": 2})], path))
    assert len(ledger.read(path)) == 3


def test_seeds_of_presets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seed s of a preset generates instance s, and the solver gets seed s there."""
    plant_presets(monkeypatch)
    source = Source(preset="jutap-planted", overrides={"cell_m": "50"})
    runs = list(compare.compare([source], _choices("Honest", "Detour"), tmp_path / "r", seeds=3))
    assert [run.seed for run in runs] == [run.source.seed for run in runs]
    assert Counter(run.seed for run in runs) == {0: 2, 1: 2, 2: 2}
    assert len({run.sha256 for run in runs}) == 3
    assert compare.load(runs[-1].source).sha256 == runs[-1].sha256


def test_mistakes_are_found_before_anything_runs(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unknown solver, parameter, preset or file stops a comparison before its first run."""
    plant_presets(monkeypatch)
    missing = Source(file=str(tmp_path / "missing.json"))
    honest = _choices("Honest")
    for sources, choices in [
        ([source, missing], honest),
        ([source, Source(preset="jutap-tinny")], honest),
        ([source], [*honest, Choice("lables")]),
        ([source], [*honest, Choice("push.never")]),
        ([source], [*honest, Choice("tests.planted:Honest", {"depth": "1"})]),
    ]:
        with pytest.raises(InputError):
            compare.compare(sources, choices, tmp_path / "runs.jsonl")
    assert not (tmp_path / "runs.jsonl").exists()


def test_one_comparison_at_a_time(source: Source, tmp_path: Path) -> None:
    """Two comparisons do not append to one file at the same time."""
    path = tmp_path / "runs.jsonl"
    with appender.appending(path), pytest.raises(InputError, match="another process"):
        _compare([source], ["Honest"], path)


def test_another_file_is_not_touched(source: Source) -> None:
    """A comparison refuses to append to a file that holds something else."""
    assert source.file is not None
    before = Path(source.file).read_bytes()
    with pytest.raises(InputError, match="format"):
        _compare([source], ["Honest"], Path(source.file))
    assert Path(source.file).read_bytes() == before


def test_any_executor_will_do(source: Source, tmp_path: Path) -> None:
    """Runs can be handed to an executor of the caller's, which stays open."""
    with ThreadPoolExecutor(3) as pool:
        runs = _compare(
            [source], ["Honest", "Segfault", "Detour"], tmp_path / "r", jobs=3, executor=pool
        )
        assert pool.submit(int).result() == 0
    assert len(runs) == 3


def test_a_consumer_may_stop_early(source: Source, tmp_path: Path) -> None:
    """Stopping early ends what still runs, keeps what is done and frees the file."""
    path = tmp_path / "runs.jsonl"
    comparison = Comparison([source], _choices("Honest", "Endless", "Detour"))
    runs = comparison.run(path, jobs=2)
    assert next(runs).solver == "tests.planted:Honest"
    start = time.monotonic()
    runs.close()  # type: ignore[attr-defined]
    assert time.monotonic() - start < 5
    assert [run.solver for run in ledger.read(path)] == ["tests.planted:Honest"]
    with appender.appending(path):
        pass


def test_own_engines_agree_and_strangers_only_claim(tmp_path: Path) -> None:
    """Two cores of ours agree on an instance; proofs that strangers invent certify nothing."""
    tiny(energy_budget_mj=None).write(tmp_path / "tiny.json")
    source, path = Source(file=str(tmp_path / "tiny.json")), tmp_path / "runs.jsonl"
    own = [Choice("labels"), Choice("value-iteration")]
    for choices, standing, cores in [
        (_choices("Honest", "HonestToo"), Standing.CLAIMED, ()),
        (own, Standing.AGREED, ("jutap passes", "value iteration")),
    ]:
        list(compare.compare([source], choices, path))
        (known,) = audit.summarise(ledger.read(path))
        assert (known.standing, known.cores) == (standing, cores)


def test_verdicts_across_runs_are_not_stored(source: Source, tmp_path: Path) -> None:
    """The file keeps what is judged of a run alone, so a liar leaves no trace when it is gone."""
    path = tmp_path / "runs.jsonl"
    _compare([source], ["Overbound", "Honest"], path)
    stored = {run.solver: run.status for run in ledger.read(path)}
    assert stored == {"tests.planted:Overbound": "bound_only", "tests.planted:Honest": "optimal"}
    assert audit.audited(ledger.read(path))[0].failure == Failure.REFUTED


def test_tasks_are_made_when_their_turn_comes(source: Source, tmp_path: Path) -> None:
    """A thousand million seeds take no memory, and the first runs come at once."""
    comparison = Comparison([source], _choices("Detour", "Honest"), seeds=10**9)
    assert len(comparison) == 10**9 + 1
    runs = comparison.run(tmp_path / "runs.jsonl")
    assert [next(runs).seed for _ in range(2)] == [0, 1]
    runs.close()  # type: ignore[attr-defined]


def test_the_parent_s_effort_grows_with_the_runs(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recording 2,000 runs on one instance, and reading them together, takes 2 s of CPU."""
    told = compare.run_one(tiny(), source, "tests.planted:Detour", {}, 0, Budget())

    def run_task(_: Any, task: compare.RunTask, *__: Any) -> Record:
        return msgspec.structs.replace(told, seed=task.seed)

    monkeypatch.setattr(single, "run_task", run_task)
    comparison = Comparison([source], _choices("Detour"), seeds=2000)
    gc.collect()  # what other tests left is not to be collected on this clock
    start = time.process_time()
    (known,) = audit.summarise(comparison.run(tmp_path / "runs.jsonl"))
    assert known.best_cost == 282
    assert time.process_time() - start < 2


@pytest.mark.parametrize("how", ["delete", "replace", "cut"])
def test_a_lost_file_is_noticed(how: str, source: Source, tmp_path: Path) -> None:
    """If the file is deleted, replaced or cut meanwhile, that is said, and nothing more is lost."""
    path = tmp_path / "runs.jsonl"
    runs = Comparison([source], _choices("Detour"), seeds=3).run(path)
    first = next(runs)
    if how == "cut":
        path.write_bytes(b"")
    else:
        path.unlink()
    if how == "replace":
        path.write_bytes(b"")
    with pytest.raises(InputError, match="while runs were added to it; the records so far are in"):
        list(runs)
    (kept,) = tmp_path.glob("*.rescued")
    found = ledger.read(kept)
    assert [run.seed for run in found] == ([1] if how == "cut" else [0, 1])
    assert how == "cut" or found[0] == first
    assert not path.exists() or path.read_bytes() == b""


def test_what_a_solver_declares_is_recorded(source: Source) -> None:
    """Kind, knowledge and training of an agent are in its record; a stranger has no core."""
    run = compare.run_one(tiny(), source, "tests.planted:Trained", {}, 0, Budget())
    assert (run.kind, run.knows, run.core) == ("agent", "past", "")
    assert run.steps == Steps(environment_steps=1000, status="plateau")
    run = compare.run_one(tiny(), source, "jutap.labels", {}, 0, Budget())
    assert run.core == "jutap passes"


def test_records_do_not_depend_on_the_jobs(source: Source, tmp_path: Path) -> None:
    """One run at a time or three: the same runs, judged alike."""
    told = []
    for jobs in (1, 3):
        _compare([source], ["Detour", "Liar"], tmp_path / str(jobs), jobs=jobs, seeds=3)
        runs = ledger.read(tmp_path / str(jobs))
        told.append(sorted((run.key, run.status, run.cost or 0, run.error) for run in runs))
    assert told[0] == told[1]
    assert len(told[0]) == 4


SCRIPT = """
import sys
from opt_istn.runs import compare
from opt_istn.runs.ledger import Source
choices = [compare.Choice("tests.planted:Slow", {"number": n}) for n in range(6)]
source = Source(file=sys.argv[1])
for run in compare.compare([source], choices, sys.argv[2], jobs=2):
    print(run.parameters, flush=True)
"""


def test_a_killed_comparison_goes_on(source: Source, tmp_path: Path) -> None:
    """Killed with SIGKILL again and again, a comparison loses and repeats no recorded run."""
    path, root = tmp_path / "runs.jsonl", Path(__file__).parents[1]
    assert source.file is not None
    command = [sys.executable, "-c", SCRIPT, source.file, str(path)]
    for _ in range(2):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root)
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.communicate()
    before = path.read_bytes()
    assert 0 < len(ledger.read(path)) < 6
    subprocess.run(command, check=True, capture_output=True, cwd=root)
    assert path.read_bytes().startswith(before)
    assert len(ledger.read(path)) == 6
    assert path.read_bytes().count(b"\n") == 6


def test_an_interrupted_comparison_leaves_a_valid_file(source: Source, tmp_path: Path) -> None:
    """An interrupt from the keyboard ends the runs in progress and leaves a valid file."""
    path, root = tmp_path / "runs.jsonl", Path(__file__).parents[1]
    assert source.file is not None
    command = [sys.executable, "-c", SCRIPT, source.file, str(path)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=root, start_new_session=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode != 0
    assert 0 < len(ledger.read(path)) < 6


def test_solver_seeds_are_apart_from_instance_seeds() -> None:
    """Two instances and three seeds make six runs of a stochastic solver, two of another."""
    choices = [Choice("random"), Choice("labels")]
    made = Comparison([Source(preset="jutap-tiny")], choices, seeds=2, solver_seeds=3)
    tasks = [(task.source.seed, task.solver.solver, task.seed) for task in made.tasks()]
    assert len(made) == len(tasks) == 8
    for instance in (0, 1):
        own = [(solver, seed) for number, solver, seed in tasks if number == instance]
        assert own == [*(("jutap.random", seed) for seed in range(3)), ("jutap.labels", 0)]


def test_scripts_count_solver_seeds_too(source: Source, tmp_path: Path) -> None:
    """`compare` of the package runs a stochastic solver with each of the solver's seeds."""
    path = tmp_path / "runs.jsonl"
    runs = compare.compare([source], [Choice("jutap.random")], path, solver_seeds=3)
    assert [run.seed for run in runs] == [0, 1, 2]
