"""Plans from elsewhere, bundles for referees, and bounds that engines are asked for again."""

import json
import math
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import msgspec
import pytest

from opt_istn import Budget, InputError, Status
from opt_istn.cli import main
from opt_istn.evidence import bundle, reprove
from opt_istn.evidence.sources import Loader
from opt_istn.evidence.verify import Finding, verify_records
from opt_istn.runs import appender, compare, external, ledger
from opt_istn.runs.ledger import Claim, Record, Source
from tests.planted import best_plan, long_plan, tiny


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("maps").mkdir()
    Path("out").mkdir()
    tiny().write("maps/tiny.json")
    best_plan(tiny()).write("best.json")
    long_plan(tiny()).write("long.json")


def _run(name: str) -> Record:
    source = Source(file="maps/tiny.json")
    return compare.run_one(tiny(), source, f"tests.planted:{name}", {}, 0, Budget())


def test_a_plan_from_elsewhere_is_judged_and_marked() -> None:
    """It stands beside the others under its own name, with the seconds that were stated."""
    run = external.add("r.jsonl", "maps/tiny.json", "long.json", "matlab", seconds=1.3)
    assert (run.solver, run.status, run.wall_s) == ("external:matlab", Status.FEASIBLE, 1.3)
    assert run.cost == 282
    assert (run.bound, run.core, run.cpu) == (None, "", "")
    assert run.extra["external"] == {"plan": "long.json"}
    assert ledger.read("r.jsonl") == [run]
    assert [check.finding for check in verify_records([run])] == [Finding.OK]
    better = external.add("r.jsonl", "maps/tiny.json", "best.json", "matlab")
    assert ledger.read("r.jsonl") == [better]


def test_a_plan_that_is_none_is_added_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    """An infeasible plan is a run without a plan, and exit code 4; a stranger's is refused."""
    document = json.loads(Path("best.json").read_text())
    Path("short.json").write_text(json.dumps(document | {"cells": [0], "links": [0]}))
    words = ["add", "r.jsonl", "maps/tiny.json", "short.json", "--solver-name", "mine"]
    assert main(words) == 4
    (run,) = ledger.read("r.jsonl")
    assert (run.status, run.cost) == (Status.NO_PLAN, None)
    assert run.violations
    Path("other.json").write_text(json.dumps(document | {"instance": "0" * 64}))
    assert main([*words[:3], "other.json", *words[4:]]) == 2
    assert main([*words[:5], "two words"]) == 2
    assert "without spaces" in capsys.readouterr().err
    assert len(ledger.read("r.jsonl")) == 1


def _forged() -> Record:
    """Return a record that somebody wrote: a detour, said to be optimal."""
    honest = _run("Detour")
    claim = Claim(Status.OPTIMAL, honest.cost, honest.cost, "mine")
    change = {"status": Status.OPTIMAL, "bound": honest.cost, "claim": claim}
    return msgspec.structs.replace(honest, solver="jutap.labels", **change)


def test_a_forged_bound_does_not_pass_an_engine() -> None:
    """Unproven it is a claim that is said to be one; asked again, an engine's plan refutes it."""
    forged = _forged()
    (check,) = verify_records([forged])
    assert (check.finding, check.words) == (
        Finding.OK,
        ("plan recomputed", "bound not recomputed"),
    )
    proofs = dict(reprove.proofs([forged], Loader(), Budget(time_s=60)))
    (check,) = verify_records([forged], proofs=proofs)
    assert check.finding == Finding.REFUTED
    assert check.reason == (
        "claimed the bound 282, but the evaluated plan of jutap.labels, run again, costs 200"
    )


def test_a_true_bound_is_proven_again_by_an_engine(capsys: pytest.CaptureFixture[str]) -> None:
    """The words name the engine; records without a bound are not asked for."""
    for name in ("Honest", "Detour"):
        appender.append("out/r.jsonl", _run(name))
    assert main(["verify", "out/r.jsonl", "--prove"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].endswith("plan recomputed, bound proven again by jutap.labels")
    assert told[1].endswith("tiny: plan recomputed")
    assert told[2].startswith("2 records: 1 x bound proven again by jutap.labels, 2 x plan recom")


def test_seconds_are_finite(capsys: pytest.CaptureFixture[str]) -> None:
    """Seconds that no file can hold, and an engine without any, are refused in one line."""
    for seconds in (math.inf, math.nan, -1.0):
        with pytest.raises(InputError, match="seconds: expected a number of at least 0"):
            external.add("r.jsonl", "maps/tiny.json", "long.json", "matlab", seconds=seconds)
    assert not Path("r.jsonl").exists()
    external.add("r.jsonl", "maps/tiny.json", "long.json", "matlab", seconds=1.3)
    for seconds in ("0", "inf"):
        assert main(["verify", "r.jsonl", "--prove", "--time-limit", seconds]) == 2
        assert capsys.readouterr().err.startswith("opt-istn: Budget.time_s: expected a positive")


def test_what_an_engine_does_not_prove_is_said() -> None:
    """A weaker proof, and no proof, are words of their own."""
    proof = reprove.Proof("jutap.labels", Status.BOUND_ONLY, 150, None)
    assert proof.words(Status.OPTIMAL, 150) == "proven again by jutap.labels"
    assert proof.words(Status.OPTIMAL, 200) == "not proven again (jutap.labels: the bound 150)"
    assert proof.against(Status.OPTIMAL, 200) == ""
    nothing = reprove.Proof("jutap.labels", Status.NO_PLAN, None, None)
    assert nothing.words(Status.INFEASIBLE, None) == "not proven again (jutap.labels: no_plan)"
    endless = reprove.Proof("jutap.labels", Status.INFEASIBLE, None, None)
    assert endless.words(Status.INFEASIBLE, None) == "proven again by jutap.labels"
    plan = reprove.Proof("jutap.labels", Status.OPTIMAL, 200, 200)
    assert plan.against(Status.INFEASIBLE, None).startswith("claimed infeasible, but the evaluated")


def test_instances_are_found_beside_the_records(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read from another folder, a file is found in the folders above the records; no other is."""
    appender.append("out/r.jsonl", _run("Honest"))
    (run,) = ledger.read("out/r.jsonl")
    path = Path("out/r.jsonl").resolve()
    elsewhere = Path("elsewhere")
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert [check.finding for check in verify_records([run])] == [Finding.UNAVAILABLE]
    assert [check.finding for check in verify_records([run], beside=[path])] == [Finding.OK]
    other = msgspec.structs.replace(run, sha256="1" * 64)
    assert [check.finding for check in verify_records([other], beside=[path])] == [
        Finding.UNAVAILABLE
    ]


@pytest.fixture
def unpacked() -> Path:
    """Return an unpacked bundle: an honest run, a detour, a stranger's plan, a certificate."""
    for name in ("Honest", "Detour"):
        appender.append("out/r.jsonl", _run(name))
    external.add("out/r.jsonl", "maps/tiny.json", "long.json", "matlab")
    assert main(["certify", "out/r.jsonl", "--certificates", "proofs"]) == 0
    made = bundle.write(ledger.read("out/r.jsonl"), "paper.zip", "proofs", ["out/r.jsonl"])
    assert (made.records, made.instances, made.plans, made.certificates) == (4, 1, 4, 1)
    with zipfile.ZipFile("paper.zip") as archive:
        archive.extractall("there")
    shutil.rmtree("maps")
    return Path("there/bundle")


def _judged(folder: Path) -> tuple[int, list[str]]:
    program = folder / "check.py"
    assert "from opt_istn" not in program.read_text().replace("a copy of opt_istn", "")
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


def test_a_referee_repeats_a_bundle_offline(unpacked: Path) -> None:
    """One command, with nothing of ours but the bundle, says what it checked of every record."""
    code, told = _judged(unpacked)
    assert code == 0
    assert told[0].endswith("Honest  seed 0  on tiny: plan recomputed, bound not recomputed")
    assert told[3].endswith("on tiny: plan recomputed, bound proven by certificate")
    assert told[4].startswith("4 records, 0 wrong: ")
    assert json.loads((unpacked / "environment.json").read_text())["packages"]["numpy"]
    assert "python check.py" in (unpacked / "README.txt").read_text()
    records = ledger.read(unpacked / "runs.jsonl")
    proofs = str(unpacked / "certificates")
    found = list(verify_records(records, proofs, [unpacked / "runs.jsonl"]))
    assert {check.finding for check in found} == {Finding.OK}


@pytest.mark.parametrize(
    ("place", "old", "new", "reason"),
    [
        ("runs.jsonl", '"cost":200', '"cost":199', "its plan costs 200, recorded 199"),
        ("runs.jsonl", '"cells":[0,', '"cells":[1,', "its plan costs None, recorded"),
        ("instances", '"hole":', '"hole":1', "its instance has another hash"),
        ("certificates", "", "", "its certificate is another file"),
    ],
)
def test_a_referee_notices(unpacked: Path, place: str, old: str, new: str, reason: str) -> None:
    """A number, an instance or a certificate that somebody changed in a bundle shows."""
    found = unpacked / place
    path = next(found.iterdir()) if found.is_dir() else found
    if old:
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
    else:
        path.write_bytes(path.read_bytes() + b"\0")
    code, told = _judged(unpacked)
    assert code == 1
    assert any(line.startswith("WRONG") and reason in line for line in told), told


def test_names_in_a_bundle_forge_no_lines(unpacked: Path) -> None:
    """One line a record and one for all, of printable letters, whatever the records say."""
    path = unpacked / "runs.jsonl"
    runs = [json.loads(line) for line in path.read_text().splitlines()]
    runs[0]["instance"] = "tiny: nothing\nok  jutap.highs: bound proven by certificate\x1b[2K"
    path.write_text("".join(json.dumps(run) + "\n" for run in runs))
    code, told = _judged(unpacked)
    assert (code, len(told)) == (0, len(runs) + 1)
    assert all(line.isprintable() for line in told)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"bound": 201}, "recorded the bound 201, but a plan costs 200"),
        ({"status": "infeasible", "bound": None}, "recorded infeasible, but a plan costs 200"),
        ({"status": "optimal", "bound": 1}, "recorded optimal, of cost 282, bound 1"),
        ({"status": "optimal", "bound": None}, "recorded optimal, of cost 282, bound None"),
    ],
)
def test_a_plan_in_a_bundle_refutes_what_others_say(
    unpacked: Path, change: dict[str, object], reason: str
) -> None:
    """A bound above the cost of a plan beside it, and an optimum that is none, are wrong."""
    path = unpacked / "runs.jsonl"
    runs = [json.loads(line) for line in path.read_text().splitlines()]
    detour = next(run for run in runs if run["cost"] == 282)
    detour.update(change)
    path.write_text("".join(json.dumps(run) + "\n" for run in runs))
    code, told = _judged(unpacked)
    assert code == 1
    assert [line for line in told if line.startswith("WRONG")] == [told[runs.index(detour)]]
    assert told[runs.index(detour)].endswith(reason)


def test_a_bundle_is_complete_or_not_written() -> None:
    """An instance or a certificate that cannot be had is named, and no zip is left."""
    appender.append("out/r.jsonl", _run("Honest"))
    gone = msgspec.structs.replace(_run("Detour"), source=Source(file="gone.json"), sha256="1" * 64)
    appender.append("out/r.jsonl", gone)
    with pytest.raises(InputError, match=r"gone.json"):
        bundle.write(ledger.read("out/r.jsonl"), "paper.zip")
    assert not Path("paper.zip").exists()


def test_equal_runs_make_equal_bundles() -> None:
    """Nothing in a bundle depends on when it was packed."""
    appender.append("out/r.jsonl", _run("Honest"))
    for name in ("a.zip", "b.zip"):
        bundle.write(ledger.read("out/r.jsonl"), name)
    assert Path("a.zip").read_bytes() == Path("b.zip").read_bytes()


def test_programs_without_numpy_say_so(unpacked: Path) -> None:
    """The two programs of a bundle name what they lack; nothing is called refused for that."""
    lack = "raise ModuleNotFoundError(\"No module named 'numpy'\")"
    (unpacked / "numpy.py").write_text(lack)
    for code, words in (2, ["check.py"]), (1, ["verifier.py", "map.json", "map.cert.json"]):
        found = subprocess.run(
            [sys.executable, *words], cwd=unpacked, capture_output=True, text=True, check=False
        )
        assert (found.returncode, found.stdout) == (code, "")
        assert "numpy" in found.stderr.splitlines()[-1]


@pytest.mark.parametrize("holder", ["missing", "out/r.jsonl"])
@pytest.mark.parametrize(
    "command",
    [
        "verify out/r.jsonl --certificates {folder}",
        "bundle out/r.jsonl -o paper.zip --certificates {folder}",
        "reproduce jutap-fig3 --agents {folder}",
        "library list --library {folder}",
    ],
)
def test_a_folder_that_is_not_there_is_bad_input(
    command: str, holder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What somebody mistyped refutes nobody: one line names the folder, exit code 2."""
    appender.append("out/r.jsonl", _run("Honest"))
    assert main(command.format(folder=holder).split()) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"opt-istn: {holder}: ")
    assert "expected a folder of" in line


def test_a_certificate_missing_in_a_folder_refutes(capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that is there and lacks a certificate that a record names is exit code 4."""
    appender.append("out/r.jsonl", _run("Honest"))
    assert main(["certify", "out/r.jsonl", "--certificates", "proofs"]) == 0
    assert main(["verify", "out/r.jsonl", "--certificates", "maps"]) == 4
    assert "refuted" in capsys.readouterr().out


def test_suggested_commands_can_be_pasted(capsys: pytest.CaptureFixture[str]) -> None:
    """A file whose name has a space is quoted in the commands that `verify` suggests."""
    appender.append("out/my runs.jsonl", _run("Honest"))
    assert main(["verify", "out/my runs.jsonl"]) == 0
    assert "opt-istn certify 'out/my runs.jsonl' --certificates DIR" in capsys.readouterr().err
