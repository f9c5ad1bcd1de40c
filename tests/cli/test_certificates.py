"""The commands about certificates: what they answer, and what they exit with."""

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opt_istn import problems, registry
from opt_istn.evidence import certificates
from opt_istn.evidence.search import Given
from opt_istn.library import cite, lookup
from opt_istn.version import full_version
from tests.planted import OPTIMUM, best_plan, long_plan, tiny

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(cli: Cli) -> Cli:
    """Return a runner of commands in a folder with an instance, its certificate and two plans."""
    tiny().write("tiny.json")
    best_plan(tiny()).write("best.json")
    long_plan(tiny()).write("long.json")
    assert cli("prove", "tiny.json", "-o", "tiny.cert.json.gz")[0] == 0
    return cli


def test_an_accepted_certificate_exits_with_0(cli: Cli) -> None:
    """`verify` says what a certificate proves, and whether a plan is optimal."""
    code, out, err = cli("verify", "tiny.json", "tiny.cert.json.gz", "best.json", "--json")
    said = json.loads(out)
    assert (code, err) == (0, "")
    assert (said["accepted"], said["bound"], said["cost"]) == (True, OPTIMUM, OPTIMUM)
    assert said["optimal"]
    said = json.loads(cli("verify", "tiny.json", "tiny.cert.json.gz", "long.json", "--json")[1])
    assert not said["optimal"]
    assert "accepted" in cli("verify", "tiny.json", "tiny.cert.json.gz")[1]


def test_a_refused_certificate_exits_with_4(cli: Cli) -> None:
    """A claim above what is proven, of another instance or beyond 64 bits is refused."""
    tiny(energy_mj=(1000, 1415)).write("other.json")
    certificate = json.loads(_text("tiny.cert.json.gz"))
    higher = {**certificate, "claim": {"bound": OPTIMUM + 1}}
    Path("higher.json").write_text(json.dumps(higher))
    Path("huge.json").write_text(json.dumps({**certificate, "claim": {"bound": -(10**40)}}))
    for files, reason in (
        (("tiny.json", "higher.json"), "above"),
        (("other.json", "tiny.cert.json.gz"), "another one"),
        (("tiny.json", "huge.json"), "2^62"),
    ):
        code, out, err = cli("verify", *files, "--json")
        assert (code, err) == (4, "")
        assert reason in json.loads(out)["reason"]


@pytest.mark.parametrize("name", ["tiny.json", "missing.json", "best.json"])
def test_what_is_no_certificate_exits_with_2(cli: Cli, name: str) -> None:
    """One line names the file and what was expected."""
    code, out, err = cli("verify", "tiny.json", name)
    assert (code, out) == (2, "")
    assert err.startswith(f"opt-istn: {name}: ")
    assert err.count("\n") == 1


def _text(path: str) -> bytes:
    return gzip.decompress(Path(path).read_bytes())


def test_certify_keeps_certificates_that_verify_reads(cli: Cli) -> None:
    """From a comparison to `certified`: compare, certify, verify with the folder."""
    cli("compare", "tiny.json", "--solvers", "tests.planted:Honest", "-o", "runs.jsonl")
    code, out, err = cli("certify", "runs.jsonl", "--certificates", "certs", "--json")
    assert (code, err) == (0, "")
    assert (json.loads(out)["bound"], json.loads(out)["reason"]) == (OPTIMUM, "")
    code, out, _ = cli("verify", "runs.jsonl", "--certificates", "certs")
    last = "2 records: 1 x bound not recomputed, 1 x bound proven by certificate, "
    assert (code, out.splitlines()[-1]) == (
        0,
        f"{last}2 x plan recomputed; instances: 1 certified",
    )
    code, out, _ = cli("verify", "runs.jsonl")
    assert (code, out.splitlines()[-1].endswith("instances: 1 claimed")) == (0, True)
    assert "1 certified" in cli("table", "runs.jsonl")[1]
    for file in Path("certs").iterdir():
        file.unlink()
    code, out, _ = cli("verify", "runs.jsonl", "--certificates", "certs", "--json")
    assert code == 4
    assert "cannot be read" in out


def test_costs_that_are_proven_have_a_unit(cli: Cli) -> None:
    """`certify` and `verify --prove` say what a cost and a bound count."""
    cli("compare", "tiny.json", "--solvers", "labels", "-o", "runs.jsonl")
    unit = r"\d+  \(\d+\.\d+ of the objective\)"
    code, out, _ = cli("certify", "runs.jsonl", "--certificates", "certs")
    assert code == 0
    assert re.search(f"cost {unit}  bound {unit}", out)
    code, _, err = cli("verify", "runs.jsonl", "--prove")
    assert code == 0
    assert re.search(r"optimal, bound \d+ \(\d+\.\d+ of the objective\)", err)


def test_what_cannot_be_certified_exits_with_3(cli: Cli) -> None:
    """An instance that is gone gets no certificate; no file of records is bad input."""
    cli("compare", "tiny.json", "--solvers", "tests.planted:Honest", "-o", "runs.jsonl")
    Path("tiny.json").unlink()
    code, out, _ = cli("certify", "runs.jsonl", "--certificates", "certs")
    assert code == 3
    assert "tiny.json: cannot be read" in out
    for file, folder in (("none.jsonl", "certs"), ("runs.jsonl", "best.json")):
        code, out, err = cli("certify", file, "--certificates", folder)
        assert (code, out, err.count("\n")) == (2, "", 1)
    assert not Path("none.jsonl").exists()


def test_no_time_at_all_exits_with_2(cli: Cli) -> None:
    """A limit of zero seconds is bad input for both commands that prove."""
    cli("compare", "tiny.json", "--solvers", "tests.planted:Honest", "-o", "runs.jsonl")
    for command in (("prove", "tiny.json"), ("certify", "runs.jsonl", "--certificates", "certs")):
        code, out, err = cli(*command, "--time-limit", "0")
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert "time_s" in err


def test_solve_writes_a_certificate_beside_its_plan(cli: Cli) -> None:
    """The certificate is proven off the solver's clock; verify accepts it."""
    words = ("solve", "tiny.json", "--solver", "tests.planted:Honest", "--certificate", "c.json.gz")
    code, out, err = cli(*words, "--json")
    said = json.loads(out)
    assert (code, err) == (0, "")
    assert (said["proven"], said["best_cost"], said["standing"]) == (OPTIMUM, OPTIMUM, "certified")
    assert said["certificate"] == certificates.file_sha256("c.json.gz")
    assert said["proof_s"] >= 0
    assert cli("verify", "tiny.json", "c.json.gz")[0] == 0


@pytest.mark.parametrize("solver", ["Overoptimal", "Denier"])
def test_solve_refutes_what_the_certificate_contradicts(cli: Cli, solver: str) -> None:
    """A false bound, or falsely no plan, exits with 4 once it is proven false."""
    words = ("solve", "tiny.json", "--solver", f"tests.planted:{solver}")
    assert cli(*words)[0] in (0, 3)
    code, out, err = cli(*words, "--certificate", "c.json", "--json")
    assert (code, json.loads(out)["status"]) == (4, "failed")
    assert "but the evaluated plan of jutap.certificate" in err


def test_solve_says_if_there_is_no_certificate(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a proof in time the plan is kept, and the exit code is 3."""
    monkeypatch.setattr(registry, "prover", lambda _: lambda *_: (None, None))
    words = ("solve", "tiny.json", "--solver", "tests.planted:Honest", "--certificate", "c.json")
    code, out, err = cli(*words, "--json")
    assert (code, json.loads(out)["cost"], json.loads(out)["certificate"]) == (3, OPTIMUM, None)
    assert "c.json: not written: no bound was found in time" in err
    assert not Path("c.json").exists()


def test_compare_keeps_certificates(cli: Cli) -> None:
    """As `certify` would; other instances in the file are left alone."""
    tiny(energy_mj=(1000, 1415)).write("other.json")
    honest = ("--solvers", "tests.planted:Honest", "-o", "runs.jsonl")
    cli("compare", "other.json", *honest)
    code, out, err = cli("compare", "tiny.json", *honest, "--certificates", "certs")
    assert (code, "1 instance: 1 certified" in out) == (0, True), err
    (path,) = Path("certs").glob("*.cert.json.gz")
    assert path == certificates.path_of("certs", tiny().sha256)
    assert cli("verify", "runs.jsonl", "--certificates", "certs")[0] == 0
    code, out, _ = cli("table", "runs.jsonl", "--cite", "--format", "json")
    rows = {row["group"]: row["certificate"] for row in json.loads(out)["rows"]}
    assert certificates.file_sha256(path) in rows.values()
    text = cli("table", "runs.jsonl", "--cite")[1]
    assert certificates.file_sha256(path)[:16] in text
    assert certificates.file_sha256(path)[:16] not in cli("table", "runs.jsonl")[1]


def test_compare_exits_with_3_if_a_certificate_is_lacking(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The runs are kept, and one line says why."""
    monkeypatch.setattr(registry, "prover", lambda _: lambda *_: (None, None))
    words = ("--solvers", "tests.planted:Honest", "-o", "runs.jsonl", "--certificates", "certs")
    code, out, err = cli("compare", "tiny.json", *words)
    assert (code, "1 instance: 0 certified" in out) == (3, True)
    assert "no certificate: no bound was found in time" in err


def test_an_installed_certificate_is_taken_instead_of_a_search(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What settles an instance of the library is found by hash; both commands say from where."""
    name = "jutap-tiny-0"
    monkeypatch.setattr(registry, "prover", lambda _: pytest.fail("it was proven again"))
    assert cli("library", "get", name, "-o", "got")[0] == 0
    cli("compare", "jutap-tiny", "--solvers", "jutap.straight", "-o", "runs.jsonl")
    code, out, _ = cli("certify", "runs.jsonl", "--certificates", "certs", "--json")
    said = json.loads(out)
    assert (code, said["status"], said["bound"]) == (0, "optimal", said["cost"])
    assert said["from"] == f"the installed library, entry {name}"
    assert said["certificate"] == certificates.file_sha256(f"got/{name}.cert.json.gz")
    assert cli("verify", "runs.jsonl", "--certificates", "certs")[0] == 0
    prove = ("prove", f"got/{name}.json.gz", "-o", "own.cert.json.gz", "--plan-output", "own.json")
    code, out, _ = cli(*prove, "--json")
    said = json.loads(out)
    assert (code, said["optimal"], said["from"]) == (
        0,
        True,
        f"the installed library, entry {name}",
    )
    assert cli("verify", f"got/{name}.json.gz", "own.cert.json.gz", "own.json")[0] == 0
    assert not Path("own.cert.json.gz.search").exists()


def _weaker(less: int) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(_text("tiny.cert.json.gz"))
    return {**document, "claim": {"bound": OPTIMUM - less}}


@pytest.mark.parametrize(("given", "proven"), [(5, 9), (5, 1), (5, None), (None, 9)])
def test_the_certificate_that_proves_more_is_taken(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, given: int | None, proven: int | None
) -> None:
    """A bound that is given and settles nothing is exchanged for a better one found in time."""
    kept = None if given is None else Given(_weaker(given), None, "a shelf")
    made = None if proven is None else _weaker(proven)
    monkeypatch.setattr(lookup, "given", lambda _: kept)
    monkeypatch.setattr(registry, "prover", lambda _: lambda *_: (made, None))
    best = min(less for less in (given, proven) if less is not None)
    whence = "a shelf" if best == given else ""
    code, out, _ = cli("prove", "tiny.json", "-o", "own.json", "--json")
    said = json.loads(out)
    assert (code, said["bound"], said.get("from", "")) == (0, OPTIMUM - best, whence)
    cli("compare", "tiny.json", "--solvers", "tests.planted:Honest", "-o", "runs.jsonl")
    certify = ("certify", "runs.jsonl", "--certificates", "certs", "--json")
    said = json.loads(cli(*certify)[1])
    assert (said["bound"], said["from"]) == (OPTIMUM - best, whence)
    monkeypatch.setattr(lookup, "given", lambda _: Given(_weaker(0), None, "another shelf"))
    said = json.loads(cli(*certify)[1])
    assert (said["bound"], said["from"]) == (OPTIMUM, "another shelf"), "what is kept proves less"


def test_a_bound_of_ones_own_is_cited(cli: Cli) -> None:
    """Alone, with the best plan, with a worse one; BibTeX and the sentence name one version."""
    files = ("tiny.json", "tiny.cert.json.gz")
    sha256 = certificates.file_sha256(files[1])
    value = f"${OPTIMUM / 1e6:.6f}$"
    for plan, said in (
        ((), f"has no plan that costs less than {value} (certificate"),
        (("best.json",), f"has the optimal cost {value} (certified: certificate"),
        (("long.json",), f"and none costs less than {value} (bounded: certificate"),
    ):
        code, out, err = cli("cite", *files, *plan)
        assert (code, err) == (0, "")
        bib, sentence = out.split("\n\n")
        assert said in sentence
        assert sha256 in bib
        assert sha256[:16] in sentence
        assert "author" not in bib, "nobody but its prover knows who that is"
        version = f"opt-istn {cite.tex(full_version())}"
        assert version in bib
        assert version in sentence
        assert f"\\cite{{{bib.partition('{')[2].partition(',')[0]}}}." in sentence
    Path("high.json").write_text(json.dumps(_weaker(-1)))
    assert cli("cite", "tiny.json", "high.json")[0] == 4
    code, out, err = cli("cite", "tiny.json")
    assert (code, out) == (2, "")
    assert err == "opt-istn: tiny.json: expected its certificate after an instance\n"


def test_an_instance_changed_by_hand_is_told_when_it_is_cited(cli: Cli) -> None:
    """Both hashes of a name, and the hash that preset and seed of its origin give."""
    cli("generate", "jutap-tiny", "--seed", "0", "-o", "a.json")
    document = json.loads(Path("a.json").read_text())
    document["cost"]["geo_stay"] += 1
    Path("b.json").write_text(json.dumps(document))
    cli("compare", "a.json", "b.json", "--solvers", "jutap.value-iteration", "-o", "runs.jsonl")
    code, out, err = cli("cite", "runs.jsonl")
    a, b = (problems.read_instance(path).sha256[:8] for path in ("a.json", "b.json"))
    assert (code, out.count("Instance "), "Over " in out) == (0, 2, False)
    assert f"2 instances have this name and are kept apart: sha256 {a}, {b}" in err
    assert (
        f"b.json: sha256 {b} is not what its origin, jutap-tiny with seed 0, generates: {a}" in err
    )
    assert "a.json: sha256" not in err
