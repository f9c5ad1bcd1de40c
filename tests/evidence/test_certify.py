"""Certificates beside records: proven once, checked again, and believed no further."""

import gzip
import json
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from opt_istn import Budget, Status, registry
from opt_istn.evidence import certificates
from opt_istn.evidence.certify import certify_records, keep
from opt_istn.evidence.verify import Finding, outcomes, verify_records
from opt_istn.runs import audit, compare, ledger
from opt_istn.runs.audit import Standing
from opt_istn.runs.ledger import Claim, Record, Source
from opt_istn.testing import jutap, push
from tests.planted import OPTIMUM, tiny

change = msgspec.structs.replace


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a file with one honest run, in whose folder certificates go to ``certs``."""
    monkeypatch.chdir(tmp_path)
    tiny().write("tiny.json")
    choices = [compare.Choice("tests.planted:Honest")]
    list(compare.Comparison([Source(file="tiny.json")], choices).run("runs.jsonl"))
    return tmp_path / "runs.jsonl"


def certified(runs: Path) -> Record:
    (found,) = certify_records(runs, "certs", Budget())
    assert found.record is not None
    return found.record


def findings(*records: Record, folder: str | None = "certs") -> list[tuple[str, str]]:
    return [(check.finding, check.reason) for check in verify_records(records, folder)]


def standing(records: list[Record]) -> Standing:
    (known,) = audit.summarise(records)
    return known.standing


def test_a_record_names_the_certificate_behind_its_bound(runs: Path) -> None:
    """Bound, best plan and the file's hash are recorded; the instance is certified then."""
    assert standing(ledger.read(runs)) == Standing.CLAIMED
    run = certified(runs)
    path = certificates.path_of("certs", run.sha256)
    assert (run.solver, run.kind, run.status) == ("jutap.certificate", "exact", Status.OPTIMAL)
    assert (run.cost, run.bound) == (OPTIMUM, OPTIMUM)
    assert run.certificate == certificates.file_sha256(path)
    assert ledger.read(runs)[-1] == run
    assert standing(ledger.read(runs)) == Standing.CERTIFIED


def test_nothing_is_proven_twice(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An accepted certificate is read again, in other files of records too; no line is added."""
    run = certified(runs)
    before = runs.read_bytes()
    monkeypatch.setattr(registry, "prover", lambda _: pytest.fail("it was proven again"))
    assert certified(runs) == run
    assert runs.read_bytes() == before
    other = runs.with_name("other.jsonl")
    other.write_bytes(before.splitlines(keepends=True)[0])
    assert certified(other).certificate == run.certificate


def test_seconds_are_those_of_the_search(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record of a certificate that was there tells how long it took to prove, or nothing."""
    real = registry.prover("jutap")

    def slow(*arguments: Any) -> Any:
        time.sleep(0.2)
        return real(*arguments)

    monkeypatch.setattr(registry, "prover", lambda _: slow)
    run = certified(runs)
    assert run.wall_s is not None
    assert run.wall_s >= 0.2
    line = runs.read_bytes().splitlines(keepends=True)[0]
    other = runs.with_name("other.jsonl")
    other.write_bytes(line)
    again = certified(other)
    assert (again.wall_s, again.time, again.cpu) == (run.wall_s, run.time, run.cpu)
    path = certificates.made_path_of("certs", run.sha256)
    for text in ("{}", path.read_text().replace(run.certificate or "", "0" * 64)):
        path.write_text(text)
        other.write_bytes(line)
        assert certified(other).wall_s is None


@pytest.mark.parametrize("content", [b"", b"{}", gzip.compress(b"[1]", mtime=0), b"\x1f\x8b\x08"])
def test_what_is_not_accepted_is_proven_again(runs: Path, content: bytes) -> None:
    """A torn or foreign file in the folder is replaced."""
    run = certified(runs)
    certificates.path_of("certs", run.sha256).write_bytes(content)
    assert findings(run)[0][0] == Finding.REFUTED
    again = certified(runs)
    assert again.certificate == run.certificate
    assert findings(again) == [(Finding.OK, "")]


def test_the_words_say_what_was_checked(runs: Path) -> None:
    """A bound is *proven by certificate* only if the folder is given and holds the file."""
    certified(runs)
    honest, run = ledger.read(runs)
    assert [check.words for check in verify_records([honest, run], "certs")] == [
        ("plan recomputed", "bound not recomputed"),
        ("plan recomputed", "bound proven by certificate"),
    ]
    (check,) = verify_records([run])
    assert check.words == ("plan recomputed", "bound not recomputed")
    for folder, expected in (("certs", Standing.CERTIFIED), (None, Standing.CLAIMED)):
        (known,) = outcomes(list(verify_records([honest, run], folder)))
        assert known.standing == expected


def weaken(run: Record, by: int = 1) -> Record:
    """Replace a record's certificate by one of a weaker bound, which is accepted, too."""
    path = certificates.path_of("certs", run.sha256)
    document = certificates.read(path)
    document["claim"]["bound"] -= by
    path.write_bytes(gzip.compress(json.dumps(document).encode()))
    return change(run, certificate=certificates.file_sha256(path))


def test_a_claim_above_the_certificate_is_refuted(runs: Path) -> None:
    """A record may claim what its certificate proves, and less, but not more."""
    forged = weaken(certified(runs))
    ((finding, reason),) = findings(forged)
    assert finding == Finding.REFUTED
    assert reason == f"it claims the bound {OPTIMUM}, its certificate proves {OPTIMUM - 1}"
    assert findings(certified(runs)) == [(Finding.OK, "")]
    run = ledger.read(runs)[-1]
    assert (run.status, run.cost, run.bound) == (Status.FEASIBLE, OPTIMUM, OPTIMUM - 1)


def test_a_certificate_of_another_instance_proves_nothing(runs: Path) -> None:
    """It lies where it should, its hash is right, and the verifier refuses it."""
    run = certified(runs)
    tiny(energy_mj=(999, 1414)).write("tiny2.json")
    choices = [compare.Choice("tests.planted:Honest")]
    list(compare.Comparison([Source(file="tiny2.json")], choices).run("two.jsonl"))
    other = certified(runs.with_name("two.jsonl"))
    path = certificates.path_of("certs", run.sha256)
    path.write_bytes(certificates.path_of("certs", other.sha256).read_bytes())
    ((finding, reason),) = findings(change(run, certificate=other.certificate))
    assert finding == Finding.REFUTED
    assert "another one" in reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"certificate": "0" * 64}, "is not certs"),
        ({"status": Status.INFEASIBLE, "bound": None}, "it claims infeasible"),
        ({"status": Status.UNBOUNDED, "bound": None}, "it claims unbounded"),
        ({"bound": OPTIMUM + 1}, f"it claims the bound {OPTIMUM + 1}"),
    ],
)
def test_forged_records_are_refuted(runs: Path, changes: dict[str, Any], reason: str) -> None:
    """A record is held against its own certificate, even where no plan contradicts."""
    run = change(certified(runs), **changes, plan=None, cost=None, terms={})
    claim = Claim(run.status, None, run.bound, "certificate (potential)")
    bare = Status.BOUND_ONLY if run.status == Status.OPTIMAL else run.status
    forged = change(run, status=bare, claim=change(claim, status=bare))
    ((finding, said),) = findings(forged)
    assert finding == Finding.REFUTED
    if bare != Status.UNBOUNDED:  # the judge refutes that itself
        assert reason in said


def test_a_forged_certificate_harms_no_other_run(runs: Path) -> None:
    """What it says against others counts only while it is accepted, in `claim` as elsewhere."""
    true = certified(runs)
    lie = Claim(Status.UNBOUNDED, None, None, "x")
    forged = change(true, seed=1, claim=lie, plan=None, cost=None, bound=None, terms={})
    for status in (Status.UNBOUNDED, Status.NO_PLAN):
        for folder in ("certs", None):
            honest, liar = verify_records([true, change(forged, status=status)], folder)
            assert liar.finding == Finding.REFUTED
            assert honest.finding != Finding.REFUTED
            assert honest.proven == (folder is not None)
        honest, _ = verify_records([true, change(forged, status=status)], "certs")
        assert honest.finding == Finding.OK


def test_a_missing_file_is_refuted_and_never_counts(runs: Path) -> None:
    """A hash without its file does not certify; the record is refuted if the folder is given."""
    run = certified(runs)
    certificates.path_of("certs", run.sha256).unlink()
    ((finding, reason),) = findings(run)
    assert finding == Finding.REFUTED
    assert "cannot be read" in reason
    assert findings(run, folder=None) == [(Finding.OK, "")]
    checks = list(verify_records([run]))
    assert outcomes(checks)[0].standing == Standing.CLAIMED


def test_an_instance_that_is_gone_is_named(runs: Path) -> None:
    """Without its instance nothing is proven and nothing recorded."""
    Path("tiny.json").unlink()
    (found,) = certify_records(runs, "certs", Budget())
    assert found.record is None
    assert "tiny.json" in found.reason
    assert len(ledger.read(runs)) == 1


def test_a_prover_that_fails_is_named(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that gives up, or a certificate that is refused, leaves no record and no file."""

    def fails(*_: Any) -> Any:
        raise RuntimeError("it gave up")

    def lies(instance: Any, *_: Any) -> Any:
        head = {"format": "opt-istn/certificate", "version": 1, "instance": instance.sha256}
        return {**head, "kind": "potential", "claim": {"bound": 10**9}, "h": []}, None

    for prover, reason in ((fails, "it gave up"), (lies, "h: "), (lambda *_: (None, None), "time")):
        monkeypatch.setattr(registry, "prover", lambda _, prover=prover: prover)
        (found,) = certify_records(runs, "certs", Budget())
        assert found.record is None
        assert reason in found.reason
    assert not list(Path("certs").iterdir())
    assert len(ledger.read(runs)) == 1


def test_every_outcome_is_certified(tmp_path: Path) -> None:
    """Optima, instances without a plan and without an optimum: what is kept is the truth."""
    seen = set()
    for index in range(30):
        instance = jutap.draw(7, index)
        truth = jutap.truth(instance)
        kept = keep(instance, tmp_path, Budget())
        assert kept is not None
        outcome = kept.proven.outcome(kept.cost)
        assert outcome == truth.status
        assert outcome == Status.UNBOUNDED or kept.cost == truth.cost
        seen.add(outcome)
    assert seen == {Status.OPTIMAL, Status.INFEASIBLE, Status.UNBOUNDED}


def test_what_time_leaves_open_is_bounded(tmp_path: Path) -> None:
    """Without time a certificate of a weaker bound is kept, and later read again."""
    instance = push.draw(11, 3)
    kept = keep(instance, tmp_path, Budget(time_s=1e-9))
    assert kept is not None
    assert kept.proven.bound is not None
    assert kept.cost is not None
    assert kept.proven.bound <= push.truth(instance).cost <= kept.cost
    assert keep(instance, tmp_path, Budget()) == kept
