"""A long campaign against the harness: ``make torture``.

Comparisons are killed at any moment, files are damaged at random, and solvers claim what their
seeds make up. ``KILLS``, ``INPUTS``, ``LIARS`` and ``SEED`` in the environment say how much of it
and where the randomness begins. The last line sums up; the exit code is 1 if anything was lost,
wrong or left behind.
"""

import gzip
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import msgspec
import psutil

from opt_istn import Budget, InputError, Status
from opt_istn.jutap import evaluate
from opt_istn.jutap import instance as instances
from opt_istn.jutap import plan as plans
from opt_istn.runs import audit, compare, ledger
from opt_istn.runs.compare import Choice
from opt_istn.runs.fleet import shards as cut
from opt_istn.runs.ledger import Source
from tests.planted import OPTIMUM, best_plan, tiny
from tests.test_fuzz import _damaged, _instance, drive, drive_streams, prepare_folder

ROOT = Path(__file__).parents[1]
RUNS_TO_KILL = 400
SCRIPT = """
import sys
from opt_istn.runs import compare
from opt_istn.runs.ledger import Source
source, path, number = Source(file=sys.argv[1]), sys.argv[2], int(sys.argv[3])
for run in compare.compare([source], [compare.Choice("tests.planted:Detour")], path, seeds=number,
                           jobs=2):
    pass
"""

SHARD = """
import sys
from opt_istn.runs import compare
from opt_istn.runs.ledger import Source
from opt_istn.runs.fleet.shards import Shard
_, file, folder, number, index, count = sys.argv
shard = Shard(int(index), int(count))
choices, path = [compare.Choice("tests.planted:Detour")], f"{folder}/{index}.jsonl"
for run in compare.compare([Source(file=file)], choices, path, seeds=int(number), jobs=2,
                           shard=shard):
    pass
"""


def kills(number: int, rng: random.Random, folder: Path) -> str:
    """Kill a comparison again and again, then let it finish: every record is there once."""
    tiny().write(folder / "tiny.json")
    path = folder / "killed.jsonl"
    command = [sys.executable, "-c", SCRIPT, str(folder / "tiny.json"), str(path)]
    before, lost, torn = b"", 0, 0
    for i in range(number):
        more = [str(RUNS_TO_KILL * (1 + i // 50))]
        process = subprocess.Popen([*command, *more], cwd=ROOT, stderr=subprocess.DEVNULL)
        _wait_for_records(path, len(before), early=rng.random() < 0.2)
        time.sleep(rng.uniform(0.0, 0.5))
        victims = [process.pid, *(one.pid for one in psutil.Process(process.pid).children())]
        os.kill(rng.choice([process.pid, victims[-1]]), signal.SIGKILL)
        process.kill()
        process.wait()
        data = path.read_bytes() if path.exists() else b""
        torn += not data.endswith(b"\n") and bool(data)
        whole = before[: before.rfind(b"\n") + 1]
        lost += not data.startswith(whole)
        before = data
        if data:
            ledger.read(path)
    recorded = len(ledger.read(path)) if path.exists() else 0
    subprocess.run([*command, str(recorded + 5)], cwd=ROOT, check=True)
    lines, runs = path.read_bytes().count(b"\n"), ledger.read(path)
    twice = lines - len(runs)
    wrong = sum(run.cost != 282 for run in runs)
    _require(lost == twice == wrong == 0 and len(runs) >= recorded, f"{lost=} {twice=} {wrong=}")
    return f"{number} kills ({torn} torn lines): {len(runs)} records, 0 lost, 0 twice, 0 wrong"


def shards(number: int, rng: random.Random, folder: Path) -> str:
    """Kill shards of a comparison at random, until all may end: together they are the whole."""
    tiny().write(folder / "tiny.json")
    runs, count = folder / "shards", rng.randint(2, 7)
    runs.mkdir()
    size = RUNS_TO_KILL * (1 + number // 50)
    command = [sys.executable, "-c", SHARD, str(folder / "tiny.json"), str(runs), str(size)]
    before: dict[Path, bytes] = {}
    killed = lost = 0
    while killed < number:
        parts = [[*command, str(i), str(count)] for i in range(1, count + 1)]
        going = [
            subprocess.Popen(part, cwd=ROOT, stderr=subprocess.DEVNULL)
            for part in rng.sample(parts, 2)
        ]
        time.sleep(rng.uniform(0.5, 4.0))
        for process in going:
            process.kill()
            process.wait()
            killed += 1
        for path, data in before.items():
            lost += not path.read_bytes().startswith(data[: data.rfind(b"\n") + 1])
        before = {path: path.read_bytes() for path in runs.glob("*.jsonl")}
    for i in range(1, count + 1):
        subprocess.run([*command, str(i), str(count)], cwd=ROOT, check=True)
    files = list(runs.glob("*.jsonl"))
    lines, found = sum(path.read_bytes().count(b"\n") for path in files), ledger.read_all([runs])
    whole = {run.seed for run in found} == set(range(size)) and len(found) == size
    twice, wrong = lines - len(found), sum(run.cost != 282 for run in found)
    missing = cut.missing(found)
    _require(whole and lost == twice == wrong == 0 and not missing, f"{lost=} {twice=} {wrong=}")
    return f"{killed} kills of {count} shards: {size} records, 0 lost, 0 twice, 0 wrong"


def _wait_for_records(path: Path, size: int, *, early: bool) -> None:
    """Wait until the file has grown, unless the kill is to come before that."""
    end = time.monotonic() + (0.5 if early else 20.0)
    while time.monotonic() < end and (not path.exists() or path.stat().st_size <= size):
        time.sleep(0.05)


def inputs(number: int, rng: random.Random, folder: Path) -> str:
    """Damage instances, plans and files of records: each is read, or refused in one line."""
    whole = _instance()
    plan = best_plan(whole)
    run = msgspec.structs.replace(
        compare.run_one(tiny(), Source(file="it.json"), "tests.planted:Honest", {}, 0, Budget())
    )
    line = ledger.encode(run)
    outcomes: Counter[str] = Counter()
    for i in range(number):
        document = (whole.document(), plan.document(), msgspec.json.decode(line))[i % 3]
        data = _damaged(document, rng)
        file = folder / "damaged"
        file.write_bytes(gzip.compress(data) if rng.random() < 0.1 else data)
        try:
            if i % 3 == 0:
                instances.from_bytes(data, "it")
            elif i % 3 == 1:
                evaluate(whole, plans.from_bytes(data, "it"))
            else:
                file.write_bytes(data + b"\n" + line + b"\n")
                _require(run in ledger.read(file), "a whole record was not read")
            outcomes["read"] += 1
        except InputError as error:
            _require("\n" not in str(error) and bool(str(error)), f"not one line: {error!r}")
            outcomes["refused"] += 1
    return f"{number} inputs: {outcomes['read']} read, {outcomes['refused']} refused, 0 tracebacks"


def commands(number: int, rng: random.Random, folder: Path) -> str:
    """Drive the command line with drawn words, streams and environments."""
    with chdir(folder), redirect_stdout(StringIO()), redirect_stderr(StringIO()) as told:
        prepare_folder()

        def captured() -> tuple[str, str]:
            text = told.getvalue()
            told.truncate(0)
            told.seek(0)
            return "", text

        codes = drive(number, rng, captured) + drive_streams(max(1, number // 20), rng)
    return f"{sum(codes.values())} commands: exit codes {dict(sorted(codes.items()))}"


def liars(number: int, folder: Path) -> str:
    """Run solvers that make their claims up beside honest ones, which must not be harmed."""
    tiny().write(folder / "tiny.json")
    source, path = Source(file=str(folder / "tiny.json")), folder / "liars.jsonl"
    own = [Choice("labels"), Choice("jutap.pyomo")]
    fabricator = Choice("tests.planted:Fabricator")
    budget = Budget(time_s=20.0, memory_mb=2000)
    for _ in compare.compare(
        [source], [*own, fabricator], path, seeds=number, jobs=2, budget=budget
    ):
        pass
    runs = audit.audited(ledger.read(path))
    (known,) = audit.summarise(runs)
    honest = [run for run in runs if run.core]
    _require(all(run.status == Status.OPTIMAL for run in honest), "an honest run was harmed")
    _require((known.best_cost, known.best_bound) == (OPTIMUM, OPTIMUM), f"{known}")
    _require(known.standing == "agreed" and len(known.cores) == 2, f"{known}")
    lies = [run for run in runs if not run.core]
    for run in lies:
        false = (run.bound or 0) > OPTIMUM or run.status in (Status.INFEASIBLE, Status.UNBOUNDED)
        _require(run.status == Status.FAILED or not false, f"a lie was believed: {run}")
    count = Counter(run.failure or "consistent" for run in lies)
    told = ", ".join(f"{number} {kind}" for kind, number in sorted(count.items()))
    return f"{len(lies)} liars: {told}; 0 believed, 0 honest runs harmed"


def _require(holds: bool, reason: str) -> None:
    if not holds:
        raise SystemExit(f"torture: {reason}")


def _no_process_is_left() -> None:
    time.sleep(1.0)
    left = [one for one in psutil.Process().children(recursive=True) if one.status() != "zombie"]
    nurseries = [
        one for one in left if "opt_istn.runs.nursery.supervisor" in " ".join(one.cmdline())
    ]
    _require(len(left) == len(nurseries), f"processes are left: {left}")


def main() -> None:
    """Run the campaign."""
    given = {name: int(os.environ.get(name, default)) for name, default in _DEFAULTS.items()}
    start = time.monotonic()
    parts = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rng = random.Random(given["SEED"])
        for part in (
            lambda: liars(given["LIARS"], folder),
            lambda: inputs(given["INPUTS"], rng, folder),
            lambda: commands(given["INPUTS"] // 10, rng, folder),
            lambda: kills(given["KILLS"], rng, folder),
            lambda: shards(given["KILLS"] // 4, rng, folder),
        ):
            parts.append(part())
            print(parts[-1], flush=True)
    _no_process_is_left()
    print(f"torture, seed {given['SEED']}: {'; '.join(parts)}; {time.monotonic() - start:.0f} s")


_DEFAULTS = {"KILLS": 200, "INPUTS": 20_000, "LIARS": 100, "SEED": 0}

if __name__ == "__main__":
    main()
