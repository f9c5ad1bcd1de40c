"""The library: every entry holds, every planted falsehood is refused, additions are judged."""

import gzip
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bench.proven import library as building
from opt_istn import InputError, problems, verifier
from opt_istn.library import cite, contribute, shelf
from opt_istn.library.shelf import INSTALLED, Entry, Library
from opt_istn.problems import Instance
from opt_istn.runs.audit import Standing
from opt_istn.solver import Status
from tests.planted import OPTIMUM, best_plan, long_plan, tiny
from tests.verifier import second_verifier

INDEX = Library().entries()
LARGE = Library(Path(__file__).parents[2] / "library")
OPEN = {"push-paper-one-30-547-0"}  # of LARGE: a bound below the best plan
SMALL = [entry for entry in INDEX if sum(entry.bytes.values()) < 60_000]


@pytest.mark.parametrize("entry", SMALL, ids=lambda entry: entry.name)
def test_every_small_entry_is_what_the_index_says(entry: Entry) -> None:
    """Verifier and evaluator find what the index says, and the ledger knows who gave it."""
    found, wrong = shelf.check(Library(), entry)
    assert wrong == ""
    assert found.standing in (Standing.CERTIFIED, Standing.BOUNDED)
    assert found.standing == Standing.CERTIFIED
    assert contribute.unbacked(Library(), entry) == ""


@pytest.mark.parametrize("entry", LARGE.entries(), ids=lambda entry: entry.name)
def test_what_is_too_large_for_the_package_holds(entry: Entry) -> None:
    """In the repository's own library, of which nothing is installed."""
    found, wrong = shelf.check(LARGE, entry)
    expected = Standing.BOUNDED if entry.name in OPEN else Standing.CERTIFIED
    assert (wrong, found.standing) == ("", expected)
    assert contribute.unbacked(LARGE, entry) == ""
    assert entry.sha256 not in {known.sha256 for known in INDEX}


@pytest.mark.slow
def test_every_entry_is_what_the_index_says() -> None:
    """The large ones, too."""
    assert {shelf.check(Library(), entry)[1] for entry in INDEX} == {""}


def test_the_library_is_small_and_wide() -> None:
    """Under 2 MB, with all kinds of certificates and outcomes, and the entries of `bench`."""
    files = [path for path in INSTALLED.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert sum(path.stat().st_size for path in files) < 2_000_000
    assert {entry.kind for entry in INDEX} == {"potential", "labels", "walk", "dual-tree"}
    outcomes = {entry.status for entry in (*INDEX, *LARGE.entries())}  # what is open is large
    assert outcomes == {"optimal", "feasible", "infeasible", "unbounded"}
    assert [entry.name for entry in INDEX] == sorted(name for name, _, _ in building.subjects())
    listed = {path for entry in INDEX for path in Library().paths(entry.name).values()}
    there = [
        path
        for what in ("instances", "plans", "certificates")
        for path in (INSTALLED / what).iterdir()
    ]
    assert listed == set(there)


@pytest.mark.parametrize("lie", Library().wrong(), ids=lambda lie: lie.name)
def test_every_planted_falsehood_is_refused(lie: shelf.Wrong) -> None:
    """By a sentence, never by a traceback."""
    assert shelf.refute(Library(), lie)


def test_what_holds_is_no_falsehood() -> None:
    """The check of planted falsehoods would notice one that is true."""
    name = "jutap-tiny-0"
    files = {"certificate": Library().certificate_path(name), "plan": Library().plan_path(name)}
    true = {what: str(path) for what, path in files.items()}
    assert shelf.refute(Library(), shelf.Wrong(name="x", instance=name, reason="", **true)) == ""
    lie = shelf.Wrong(name="x", instance=name, plan=true["plan"], cost=1, reason="")
    assert "not 1" in shelf.refute(Library(), lie)


@pytest.mark.parametrize("name", ["jutap-tiny-0", "push-tiny-v2-1"])
def test_entries_are_made_from_their_presets(name: str) -> None:
    """What `bench.proven.library` would generate has the hash of what is kept."""
    make = next(make for known, _, make in building.subjects() if known == name)
    assert make().sha256 == Library().find(name).sha256


@pytest.fixture
def mine(tmp_path: Path) -> Library:
    """Return a library with one entry, `tiny`, of a plan that is not the best."""
    library = Library(tmp_path / "mine")
    library.folder.mkdir()
    long_plan(tiny()).write(tmp_path / "long.json")
    (line,) = contribute.add(library, tiny(), "me", tmp_path / "long.json", note="of mine")
    assert (line.verdict, line.value) == ("accepted", 282)
    return library


def certificate(instance: Instance, folder: Path, change: int = 0) -> Path:
    from formulations.jutap.prove import prove
    from opt_istn.jutap.instance import Instance as Jutap
    from opt_istn.solver import Budget

    assert isinstance(instance, Jutap)
    document, _ = prove(instance, Budget())
    assert document is not None
    document["claim"]["bound"] += change
    path = folder / f"{change}.cert.json"
    path.write_text(json.dumps(document))
    return path


def one(library: Library) -> Entry:
    (entry,) = library.entries()
    assert shelf.check(library, entry)[1] == ""
    assert contribute.unbacked(library, entry) == ""
    return entry


def test_an_entry_grows_from_open_to_certified(mine: Library, tmp_path: Path) -> None:
    """A plan, a weak certificate, a better one, the best plan: each step is derived and kept."""
    assert (one(mine).standing, one(mine).status) == (Standing.OPEN, Status.FEASIBLE)
    steps: list[tuple[dict[str, Path], Standing, Status]] = [
        ({"certificate": certificate(tiny(), tmp_path, -5)}, Standing.BOUNDED, Status.FEASIBLE),
        ({"certificate": certificate(tiny(), tmp_path)}, Standing.BOUNDED, Status.FEASIBLE),
        ({"plan": tmp_path / "best.json"}, Standing.CERTIFIED, Status.OPTIMAL),
    ]
    best_plan(tiny()).write(tmp_path / "best.json")
    for given, standing, status in steps:
        (line,) = contribute.add(mine, tiny(), "you", **given)
        assert line.verdict == "accepted"
        assert (one(mine).standing, one(mine).status) == (standing, status)
    entry = one(mine)
    assert (entry.cost, entry.bound, entry.note) == (OPTIMUM, OPTIMUM, "of mine")
    said = [(line.by, line.what, line.value) for line in contribute.ledger(mine)]
    assert said == [
        ("me", "plan", 282),
        ("you", "certificate", OPTIMUM - 5),
        ("you", "certificate", OPTIMUM),
        ("you", "plan", OPTIMUM),
    ]


def test_what_is_no_better_or_wrong_changes_nothing(mine: Library, tmp_path: Path) -> None:
    """The ledger keeps it with the reason; index and files stay as they are."""
    contribute.add(mine, tiny(), "me", certificate=certificate(tiny(), tmp_path))
    before = (mine.folder / "index.json").read_bytes()
    bad = best_plan(tiny()).document() | {"cells": [0, 2], "links": [0, 0]}
    (tmp_path / "bad.json").write_text(json.dumps(bad))
    given: list[tuple[dict[str, Path], str, str]] = [
        ({"plan": tmp_path / "long.json"}, "no better", "282 is known"),
        ({"certificate": certificate(tiny(), tmp_path, -1)}, "no better", "200 is proven"),
        ({"certificate": certificate(tiny(), tmp_path, 1)}, "refused", "above"),
        ({"plan": tmp_path / "bad.json"}, "refused", "plan: "),
    ]
    for files, verdict, reason in given:
        (line,) = contribute.add(mine, tiny(), "you", **files)
        assert line.verdict == verdict
        assert reason in line.reason
        assert contribute.ledger(mine)[-1] == line
    assert (mine.folder / "index.json").read_bytes() == before


def test_proofs_and_plans_that_contradict_each_other_are_refused(
    mine: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were a verifier's acceptance false, a cheaper plan would keep it out of the library."""
    for said in ({"bound": 283}, {"infeasible": True}):
        monkeypatch.setattr(verifier, "check", lambda *_, said=said: {"kind": "potential", **said})
        given = certificate(tiny(), tmp_path)
        (line,) = contribute.add(mine, tiny(), "you", certificate=given)
        assert line.verdict == "refused"
        assert "plan" in line.reason


@pytest.mark.parametrize("name", ["../up", "A", "", "-x", "a/b", "x" * 101])
def test_names_are_names(mine: Library, tmp_path: Path, name: str) -> None:
    """A name cannot lead out of the folder, and belongs to one instance."""
    other = tiny("tiny", energy_mj=(999, 1414))
    best_plan(other).write(tmp_path / "other.json")
    with pytest.raises(InputError, match="--name"):
        contribute.add(mine, other, "me", tmp_path / "other.json", name=name)
    assert len(mine.entries()) == 1


def test_tampering_is_found(mine: Library, tmp_path: Path) -> None:
    """An index, a plan or a certificate that was changed by hand is not what it says."""
    contribute.add(mine, tiny(), "me", certificate=certificate(tiny(), tmp_path))
    entry = one(mine)
    fields: list[dict[str, Any]] = [
        {"standing": Standing.CERTIFIED}, {"status": Status.OPTIMAL}, {"cost": 200}, {"bound": 201},
        {"certificate": "0" * 64}, {"sha256": "0" * 64}, {"size": {}},
    ]  # fmt: skip
    for change in fields:
        wrong = shelf.check(mine, msgspec.structs.replace(entry, **change))[1]
        assert wrong.startswith(next(iter(change)))
    best_plan(tiny()).write(mine.plan_path(entry.name))
    assert shelf.check(mine, entry)[1].startswith("standing: ")
    path = mine.certificate_path(entry.name)
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()).replace(b"200", b"201")))
    assert shelf.check(mine, entry)[1].startswith("refused: ")
    (mine.folder / "ledger.jsonl").unlink()
    assert "who gave" in contribute.unbacked(mine, entry)


def test_an_entry_is_cited_with_its_unit_and_hashes() -> None:
    """BibTeX and LaTeX name value, unit, standing, verifier and both hashes."""
    entry = Library().find("push-tiny-v2-0")
    latex, bib = cite.sentence(entry), cite.bibtex(entry, "2026")
    assert entry.cost is not None
    assert f"${entry.cost / 1e6:.6f}$\\,s" in latex
    assert "certified" in latex
    assert "dual-tree" in latex
    for text in (entry.sha256[:16], (entry.certificate or "")[:16]):
        assert text in latex
        assert text in bib
    assert bib.count("{") == bib.count("}")
    assert "has no feasible plan" in cite.sentence(Library().find("jutap-cut-off"))
    assert "arbitrarily low" in cite.sentence(Library().find("jutap-unbounded"))
    bounded = msgspec.structs.replace(entry, status=Status.FEASIBLE, standing=Standing.BOUNDED)
    assert "none costs less than" in cite.sentence(bounded)
    with pytest.raises(InputError, match="nothing to cite"):
        cite.sentence(msgspec.structs.replace(bounded, bound=None))


def test_entries_are_found_by_hash() -> None:
    """By name, hash or eight digits of it; not by fewer."""
    entry = INDEX[0]
    for name in (entry.name, entry.sha256, entry.sha256[:8]):
        assert Library().find(name) == entry
    for name in (entry.sha256[:7], "", "0" * 64):
        with pytest.raises(InputError, match="unknown entry"):
            Library().find(name)


def test_miplib_tags() -> None:
    """Every outcome has its tag."""
    lines = dict(reversed(line.split()[:2]) for line in shelf.solu(INDEX))
    assert lines["jutap-cut-off"] == "=inf="
    assert lines["jutap-unbounded"] == "=unbd="
    assert lines["push-tiny-v2-0"] == "=opt="
    entry = Library().find("push-tiny-v2-0")
    bounded = msgspec.structs.replace(entry, status=Status.FEASIBLE)
    nothing = msgspec.structs.replace(entry, status=Status.NO_PLAN, cost=None)
    assert list(shelf.solu([bounded, nothing])) == [
        f"=best= push-tiny-v2-0 {entry.cost}",
        "=unkn= push-tiny-v2-0",
    ]


def test_what_get_copies_checks_itself(tmp_path: Path) -> None:
    """In a foreign folder the copied verifier accepts the copied files."""
    from opt_istn.cli import main

    assert main(["library", "get", "jutap-cycle-budget", "-o", str(tmp_path / "got")]) == 0
    names = [f"jutap-cycle-budget.{end}" for end in ("json.gz", "cert.json.gz", "plan.json")]
    command = [sys.executable, "-I", "verifier.py", *names]
    cwd = tmp_path / "got"
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("optimal\n")


def test_the_commands_exit_as_documented(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """0 if all holds, 4 if something is refused, 2 for bad input."""
    from opt_istn.cli import main

    monkeypatch.chdir(tmp_path)
    Path("mine").mkdir()
    tiny().write("tiny.json")
    best_plan(tiny()).write("best.json")
    proof = str(certificate(tiny(), tmp_path))
    add = ["library", "add", "tiny.json", "--by", "me", "--library", "mine"]
    assert main([*add, "--plan", "best.json"]) == 2  # without --cc0
    assert main([*add, "--cc0"]) == 2  # nothing given
    assert main([*add, "--cc0", "--plan", "best.json", "--certificate", proof]) == 0
    high = str(certificate(tiny(), tmp_path, 1))
    assert main([*add, "--cc0", "--certificate", high, "--json"]) == 4
    assert main(["library", "list", "--library", "mine"]) == 0
    assert main(["library", "list", "--library", "mine", "--solu"]) == 0
    assert main(["library", "check", "--library", "mine"]) == 0
    assert main(["cite", "tiny", "--library", "mine"]) == 0
    out = capsys.readouterr().out
    assert "=opt= tiny 200" in out
    assert "@misc{opt-istn:tiny," in out
    shutil.copyfile("mine/instances/tiny.json.gz", "mine/certificates/tiny.cert.json.gz")
    assert main(["library", "check", "--library", "mine"]) == 4
    assert main(["cite", "tiny", "--library", "mine"]) == 4
    assert main(["library", "check", "no", "--library", "mine"]) == 2
    assert main(["library", "list", "--library", "none"]) == 2


def test_every_format_of_the_library_is_read_back() -> None:
    """Instances and plans are files of their problems, in today's versions."""
    for entry in SMALL:
        path = Library().instance_path(entry.name)
        instance = problems.read_instance(path)
        assert json.loads(gzip.decompress(path.read_bytes())) == json.loads(
            json.dumps(instance.document())
        )


@pytest.mark.parametrize("entry", SMALL, ids=lambda entry: entry.name)
def test_the_second_verifier_agrees(entry: Entry) -> None:
    """Written from the documentation alone, it proves the same of every entry."""
    instance = second_verifier.read(_text(Library().instance_path(entry.name)))
    proof = second_verifier.read(_text(Library().certificate_path(entry.name)))
    said = second_verifier.check(instance, proof)
    assert said == (str(entry.status) if entry.bound is None else entry.bound)


def _text(path: Path) -> str:
    return gzip.decompress(path.read_bytes()).decode()
