"""The command line: results on stdout, one line for every error, documented exit codes."""

import gzip
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import psutil
import pytest

from opt_istn.cli import app, main
from opt_istn.runs import ledger
from opt_istn.runs.nursery import worker
from opt_istn.version import full_version
from tests.planted import best_plan, long_plan, plant_presets, tiny

ROOT = Path(__file__).parents[1]
Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder with an instance, two plans and planted presets."""
    monkeypatch.setattr(worker, "GRACE_S", 0.3)
    plant_presets(monkeypatch)
    monkeypatch.chdir(tmp_path)
    tiny().write("tiny.json")
    best_plan(tiny()).write("best.json")
    long_plan(tiny()).write("long.json")


def _fails(result: tuple[int, str, str], code: int, reason: str) -> None:
    """Check for an exit code and one line on stderr."""
    assert result[0] == code
    assert re.fullmatch(r"opt-istn: [^\n]+\n", result[2])
    assert re.search(reason, result[2])


PLANTED = "tests.planted:"


def test_solve_prints_one_object(cli: Cli) -> None:
    """`solve --json` prints a single object with the result, the plan and the problem's terms."""
    code, out, err = cli("solve", "tiny.json", "--solver", f"{PLANTED}Honest", "--json")
    result = json.loads(out)
    assert (code, err, out.count("\n")) == (0, "", 1)
    assert result["instance"] == tiny().sha256
    assert result["plan"] == best_plan(tiny()).document()
    assert {"solver", "seconds", "energy_mj", "length_m", "handover", "holes", "moves"} <= set(
        result
    )
    known = {"status": "optimal", "cost": 200, "bound": 200, "gap": 0.0}
    assert {key: result[key] for key in known} == known


def test_solve_prints_a_table_and_writes_the_plan(cli: Cli) -> None:
    """`solve` prints a table and writes the plan where it is told to."""
    code, out, _ = cli("solve", "tiny.json", "--solver", f"{PLANTED}Honest", "-o", "plan.json")
    assert code == 0
    assert re.search(r"status +optimal", out)
    assert json.loads(Path("plan.json").read_text()) == best_plan(tiny()).document()


@pytest.mark.parametrize(
    ("name", "code", "reason"),
    [
        ("Liar", 4, "claimed the cost 150"),
        ("Segfault", 1, "killed by SIGSEGV"),
        ("Raises", 1, "RuntimeError: no luck"),
        ("Endless", 3, "it ignored the time limit"),
        ("BadInput", 2, "agent: expected a trained agent"),
        ("Picky", 2, "not supported: the instance has a Tuesday in it"),
    ],
)
def test_failures_have_exit_codes(cli: Cli, name: str, code: int, reason: str) -> None:
    """Every kind of failure has its exit code and one line, and no plan is written."""
    arguments = ["--time-limit", "0.2", "-o", "plan.json", "--json"]
    result = cli("solve", "tiny.json", "--solver", PLANTED + name, *arguments)
    _fails(result, code, reason)
    assert json.loads(result[1])["error"]
    assert not Path("plan.json").exists()


def test_no_plan_has_an_exit_code(cli: Cli) -> None:
    """A run that ends without a plan exits with 3."""
    assert cli("solve", "tiny.json", "--solver", f"{PLANTED}NoPlan", "--json")[0] == 3


ADD = ["add", "x", "tiny.json", "best.json", "--solver-name", "mine"]
COMPARE = ["compare", "jutap-planted", "--solvers", f"{PLANTED}Detour", "-o", "x"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["solve", "missing.json", "--solver", "labels"], "missing.json: cannot be read"),
        (["solve", "best.json", "--solver", "labels"], "best.json: format: expected"),
        (["solve", "tiny.json", "--solver", "lables"], "did you mean 'labels'"),
        (["solve", "tiny.json", "--solver", "labels", "--set", "a"], "key=value"),
        (["solve", "tiny.json", "--solver", "labels", "--set", "a=1"], "unknown"),
        (["solve", "tiny.json", "--solver", "labels", "--seed", "x"], "--seed"),
        (["solve", "tiny.json", "--solver", "labels", "--time-limit", "nan"], "--time-limit"),
        (["solve", "tiny.json", "--solver", "labels", "--time-limit", "0"], "time_s"),
        (["solve", "tiny.json", "--solver", "labels", "--memory", "0"], "--memory"),
        (["solve", "tiny.json"], "--solver"),
        (["sovle"], "solve"),
        (["solve", "tiny.json", "--slover", "labels"], "--slover"),
        (["evaluate", "tiny.json", "tiny.json"], "tiny.json: format: expected"),
        (["evaluate", "tiny.json", "foreign.json"], "foreign.json: instance: expected a plan"),
        (["generate", "jutap-planned", "--seed", "0", "-o", "x"], "did you mean 'jutap-planted'"),
        (["generate", "jutap-planted", "-o", "x"], "--seed"),
        (["generate", "jutap-planted", "--seed", "-1", "-o", "x"], "--seed"),
        (["generate", "jutap-planted", "--seed", "0", "-o", "no/x"], "no/x: cannot be written"),
        (["generate", "jutap-planted", "--seed", "0", "-o", "x", "--set", "b=1"], "b: unknown"),
        (["compare", "tiny.json", "--solvers", "labels,", "-o", "x"], "--solvers"),
        (
            ["compare", "tiny.json", "--solvers", "labels", "-o", "tiny.json"],
            "the input tiny.json, which would be lost",
        ),
        (["compare", "tiny.json", "--solvers", "labels", "-o", "x", "--set", "a=1"], "--set"),
        (["compare", "a.json", "--solvers", "labels", "-o", "x"], "a.json: cannot be read"),
        ([*COMPARE, "--seeds", "9" * 20], "seeds: expected at most 1000000000"),
        ([*COMPARE, "--seeds", "1000000000", "--solver-seeds", "1000000000"], "seeds: expected at"),
        ([*COMPARE, "--jobs", "1000000000"], "--jobs"),
        ([*COMPARE, "--threads", "1000000000"], "--threads"),
        ([*COMPARE, "--time-limit", "inf"], "time_s: expected a positive number, found inf"),
        ([*COMPARE, "--startup-limit", "inf"], "--startup-limit"),
        ([*ADD, "--seconds", "inf"], "--seconds"),
        (["verify", "tiny.json", "--prove", "--time-limit", "0"], "tiny.json:1: format"),
        (["starts", "tiny.json", "--solvers", "labels", "-o", "x.gif"], "ending in .png"),
        (["train", "jutap.dqn", "tiny.json", "--seed", "0", "-o", "/dev/null"], "regular file"),
        (["table", "missing.jsonl"], "missing.jsonl"),
        (["table", "tiny.json", "--format", "word"], "--format"),
        (["report", "tiny.json", "-o", "x.html"], "tiny.json:1: format"),
        (["verify", "tiny.json"], "tiny.json:1: format"),
        (["export", "tiny.json", "--model", "arcflow", "-o", "x.mps"], "did you mean 'arc-flow'"),
        (["export", "tiny.json", "--model", "arc-flow", "-o", "x.txt"], "ending in .mps or .lp"),
        (["export", "tiny.json", "--model", "arc-flow", "-o", "no/x.lp"], "cannot be written"),
    ],
)
def test_bad_input_is_one_line(cli: Cli, arguments: list[str], reason: str) -> None:
    """Whatever is wrong with the input, one line names it and the exit code is 2."""
    plan = best_plan(tiny(cell_m=7.0))
    plan.write("foreign.json")
    before = {file: file.read_bytes() for file in Path().iterdir()}
    _fails(cli(*arguments), 2, reason)
    assert {file: file.read_bytes() for file in Path().iterdir()} == before


def test_generate(cli: Cli) -> None:
    """`generate` writes the instance of a preset and a seed, and prints its hash."""
    arguments = ["--seed", "5", "--set", "cell_m=50", "-o", "new.json.gz", "--json"]
    code, out, _ = cli("generate", "jutap-planted", *arguments)
    expected = {
        "name": "jutap-planted-changed-5",
        "instance": tiny(cell_m=55.0).sha256,
        "file": "new.json.gz",
    }
    assert (code, json.loads(out)) == (0, expected)
    assert cli("solve", "new.json.gz", "--solver", f"{PLANTED}Honest")[0] == 0


def test_evaluate(cli: Cli) -> None:
    """`evaluate` prints the cost of a plan; an infeasible one exits with 4."""
    code, out, _ = cli("evaluate", "tiny.json", "long.json", "--json")
    assert (code, json.loads(out)["cost"], json.loads(out)["feasible"]) == (0, 282, True)
    tiny(energy_budget_mj=1).write("poor.json")
    document = best_plan(tiny(energy_budget_mj=1)).document()
    Path("plan.json").write_text(json.dumps(document))
    code, out, _ = cli("evaluate", "poor.json", "plan.json")
    assert code == 4
    assert "exceeds the budget" in out


def test_lists(cli: Cli) -> None:
    """`solvers` and `presets` list what there is, as a table and as JSON."""
    rows = {row["solver"]: row for row in json.loads(cli("solvers", "--json")[1])}
    assert rows["jutap.labels"]["package"] == "opt-istn"
    assert rows["jutap.labels"]["kind"] == "exact"
    assert "jutap.labels" in cli("solvers")[1]
    presets = {row["preset"]: row for row in json.loads(cli("presets", "--json")[1])}
    assert presets["jutap-planted"]["problem"] == "jutap"
    assert "jutap-planted" in cli("presets")[1]


def test_costs_have_their_unit_and_files_are_named(cli: Cli) -> None:
    """A cost is told in the objective's own unit beside the integer; what is written is named."""
    _, out, err = cli("solve", "tiny.json", "--solver", f"{PLANTED}Honest", "-o", "p.json")
    assert "200 (0.000200 of the objective)" in out
    assert "wrote p.json" in err
    assert "200 (0.000200 of the objective)" in cli("evaluate", "tiny.json", "p.json")[1]


def test_compare_table_and_verify(cli: Cli) -> None:
    """A comparison with a liar exits with 4, as does its verification; without it with 0."""
    honest = f"{PLANTED}Honest@level=2,{PLANTED}Detour"
    inputs = ["tiny.json", "jutap-planted", "--set", "cell_m=50", "-o", "runs.jsonl"]
    code, out, err = cli("compare", *inputs, "--solvers", honest, "--seeds", "2")
    beginning, *said = err.splitlines()
    assert beginning.startswith("opt-istn: 7 runs into runs.jsonl; ")
    assert (code, len(said)) == (0, 7)
    assert "Honest@level=2 seed 0 on tiny: optimal, gap 0 %" in said[0]
    assert said[-1].endswith("(7 of 7)")
    assert "Honest" in out
    runs = ledger.read("runs.jsonl")
    assert len(runs) == 1 + 2 + 2 * 2
    assert {run.parameters.get("level") for run in runs} == {2, None}
    code, out, _ = cli("verify", "runs.jsonl")
    assert (code, out.count("ok  ")) == (0, 7)
    assert cli("compare", *inputs, "--solvers", f"{PLANTED}Liar", "--json")[0] == 4
    code, out, _ = cli("verify", "runs.jsonl", "--json")
    found = [json.loads(line) for line in out.splitlines()]
    assert code == 4
    assert sum(line["finding"] == "refuted" for line in found) == 2
    assert ": 2 refuted, " in cli("verify", "runs.jsonl")[1].splitlines()[-1]
    for form in ("text", "markdown", "latex", "csv", "json"):
        code, out, _ = cli("table", "runs.jsonl", "--format", form)
        assert code == 0
        assert "Liar" in out


def test_failed_runs_come_first(cli: Cli) -> None:
    """The table at the end of a comparison shows failed runs before all others."""
    names = ",".join(PLANTED + name for name in ("Honest", "Detour", "Liar"))
    _, out, _ = cli("compare", "tiny.json", "--solvers", names, "-o", "runs.jsonl")
    assert out.index("Liar") < min(out.index("Honest"), out.index("Detour"))
    assert "claimed the cost 150" in out


def test_lost_instances_cannot_be_verified(cli: Cli) -> None:
    """Records whose instance is gone cannot be verified, which is bad input."""
    cli("compare", "tiny.json", "--solvers", f"{PLANTED}Honest", "-o", "runs.jsonl")
    Path("tiny.json").unlink()
    code, out, err = cli("verify", "runs.jsonl")
    assert (code, err.count("\n")) == (2, 1)
    assert "tiny.json: cannot be read" in out


def test_report_and_show(cli: Cli) -> None:
    """`report` writes a page, `show` a figure."""
    cli("compare", "tiny.json", "--solvers", f"{PLANTED}Honest", "-o", "runs.jsonl")
    assert cli("report", "runs.jsonl", "-o", "page.html")[0] == 0
    assert "<html" in Path("page.html").read_text()[:500]
    assert cli("show", "tiny.json", "best.json", "long.json", "-o", "map.png")[0] == 0
    assert Path("map.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("ending", ["mps", "lp"])
def test_export(cli: Cli, ending: str) -> None:
    """`export` writes a model; the format may also be given."""
    assert cli("export", "tiny.json", "--model", "arc-flow", "-o", f"model.{ending}")[0] == 0
    assert "ENERGY" in Path(f"model.{ending}").read_text()
    options = ["--model", "arc-flow", "--format", ending, "-o", "model"]
    assert cli("export", "tiny.json", *options)[0] == 0
    assert Path("model").read_bytes() == Path(f"model.{ending}").read_bytes()


@pytest.mark.parametrize("name", ["m.mps.gz", "m.LP.GZ", "m.MPS", "m.lp"])
def test_models_are_written_by_their_endings(cli: Cli, name: str) -> None:
    """An exported model is compressed if its name says so, and case does not matter."""
    assert cli("export", "tiny.json", "--model", "arc-flow", "-o", name)[0] == 0
    data = Path(name).read_bytes()
    text = gzip.decompress(data) if name.lower().endswith(".gz") else data
    assert b"ENERGY" in text
    assert (b"ROWS" in text) == ("mps" in name.lower())


@pytest.mark.parametrize("module", ["opt_istn", "opt_istn.cli"])
def test_the_package_can_be_run(module: str) -> None:
    """`python -m` runs the command line, with its exit codes."""
    command = [sys.executable, "-m", module]
    done = subprocess.run([*command, "evaluate", "a", "b"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("opt-istn: a: cannot be read")


def test_every_writer_writes_into_pipes(cli: Cli) -> None:
    """Whatever a command writes with -o reaches the reader of a pipe, and the pipe stays one."""
    cli("compare", "tiny.json", "--solvers", f"{PLANTED}Honest", "-o", "runs.jsonl")
    writers = {
        "instance.json": ["generate", "jutap-planted", "--seed", "0"],
        "plan.json": ["solve", "tiny.json", "--solver", f"{PLANTED}Honest"],
        "map.svg": ["show", "tiny.json"],
        "model.lp": ["export", "tiny.json", "--model", "arc-flow"],
        "page.html": ["report", "runs.jsonl"],
        "certificate.json": ["prove", "tiny.json"],
    }
    for name, arguments in writers.items():
        got = list[bytes]()
        os.mkfifo(name)
        reader = Thread(target=lambda: got.append(Path(name).read_bytes()), daemon=True)  # noqa: B023 - joined in this turn
        reader.start()
        assert cli(*arguments, "-o", name)[0] == 0
        reader.join(20)
        assert len(got[0]) > 100
        assert Path(name).is_fifo()


def _command(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    code = "import sys; from opt_istn.cli import main; sys.exit(main())"
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def test_an_interrupt_is_one_line() -> None:
    """Ctrl-C ends a run with one line and exit code 130."""
    process = _command("solve", "tiny.json", "--solver", f"{PLANTED}Endless")
    end = time.monotonic() + 30
    try:
        while len(psutil.Process(process.pid).children(recursive=True)) < 3:  # until the run runs
            assert time.monotonic() < end
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert (process.returncode, err) == (130, "opt-istn: interrupted\n")


def test_a_closed_pipe_is_no_error() -> None:
    """Output into a pipe that nobody reads ends quietly."""
    reading, writing = os.pipe()
    os.close(reading)
    code = "import sys; from opt_istn.cli import main; sys.exit(main(['solvers', '--json']))"
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=writing, stderr=subprocess.PIPE, cwd=ROOT
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_any_file_name_can_be_printed() -> None:
    """A file name that is no valid text is shown escaped."""
    process = _command("evaluate", b"\xff.json".decode(errors="surrogateescape"), "x")
    _, err = process.communicate(timeout=20)
    assert process.returncode == 2
    assert err.endswith("cannot be read (No such file or directory)\n")


def test_no_command_is_a_question(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a command, the commands are listed; the version can be asked for."""
    assert main(["--help"]) == 0
    listed = capsys.readouterr().out
    assert main([]) == 0
    assert capsys.readouterr().out == listed
    assert "Commands:" in listed
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"opt-istn {full_version()}\n"


def test_help_is_fast() -> None:
    """Asking for help imports nothing heavy."""
    code = (
        "import sys; from opt_istn.cli import main; main(['--help']); "
        "print([m for m in ('numpy', 'numba', 'matplotlib', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.endswith("[]\n")
    for command in ("presets", "generate", "solve", "compare", "verify", "export"):
        assert command in done.stdout


def test_no_command_hides_another() -> None:
    """Every name of a command is registered once: the later one would silently win."""
    names = [x.name or x.callback.__name__ for x in app.registered_commands if x.callback]
    assert sorted(names) == sorted(set(names))
