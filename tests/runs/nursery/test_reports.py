"""What a run reports while it runs is kept, judged, when it does not live to answer."""

import time

import msgspec
import pytest

from opt_istn import Budget, Status
from opt_istn.evidence import verify
from opt_istn.evidence.verify import Finding
from opt_istn.runs import audit, compare
from opt_istn.runs.ledger import Failure, Record, Source
from opt_istn.runs.nursery import messages, worker
from opt_istn.runs.nursery.messages import ANSWER, READY, Ear, News, news, said
from tests.planted import OPTIMUM, tiny


def _run(how: str, source: str = "x") -> Record:
    budget = Budget(time_s=0.2)
    return compare.run_one(
        tiny(), Source(file=source), "tests.planted:Reporter", {"how": how}, 0, budget
    )


@pytest.fixture(autouse=True)
def _short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "GRACE_S", 0.3)


@pytest.mark.parametrize(
    ("how", "failure", "error"),
    [
        ("hang", Failure.TIME, "it ignored the time limit"),
        ("crash", Failure.CRASHED, "killed by SIGSEGV"),
        ("raise", Failure.CRASHED, "RuntimeError: no luck"),
    ],
)
def test_a_failed_run_keeps_its_last_plan_and_bound(how: str, failure: str, error: str) -> None:
    """Killed or crashed, a run keeps the judged incumbent and the bound that it reported last."""
    run = _run(how)
    assert (run.status, run.failure) == (Status.FAILED, failure)
    assert error in run.error
    assert (run.cost, run.bound) == (OPTIMUM, 150)
    assert run.plan is not None
    assert run.plan["cells"] == [0, 1, 2]
    assert [row[1:] for row in run.trace] == [(None, 100), (282, 100), (OPTIMUM, 150)]
    assert [row[0] for row in run.trace] == sorted(row[0] for row in run.trace)
    assert (run.proof, run.core) == ("reported", "")


def test_what_was_reported_first_is_kept_too() -> None:
    """A run that reported a plan and hangs keeps that plan, though it is not the best."""
    run = _run("early")
    assert (run.failure, run.cost, run.bound) == (Failure.TIME, 282, 100)


def test_the_bound_of_a_failed_run_settles_nothing() -> None:
    """The plan of a failed run is a fact; its bound, which no proof stands behind, is not used."""
    (known,) = audit.summarise([_run("hang")])
    assert (known.best_cost, known.best_bound) == (OPTIMUM, None)


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("lie", "claimed the bound 201, but its own plan costs 200"),
        ("foreign", "its plan: instance: expected a plan for"),
    ],
)
def test_reports_are_judged(how: str, reason: str) -> None:
    """A reported bound above the plan, or a plan of another instance, is refuted."""
    run = _run(how)
    assert (run.status, run.failure, run.bound) == (Status.FAILED, Failure.REFUTED, None)
    assert run.error.startswith(reason)


def test_an_answer_counts_more_than_reports() -> None:
    """What a run that ends claims is what is judged; its reports are forgotten."""
    run = _run("end")
    assert (run.status, run.proof, run.error) == (Status.OPTIMAL, "planted", "")
    assert run.trace == ((0.0, OPTIMUM, OPTIMUM),)


def test_kept_plans_are_verified(tmp_path: object) -> None:
    """`verify` evaluates the plan of a failed run again, and refutes a cost that is not its own."""
    source = f"{tmp_path}/tiny.json"
    tiny().write(source)
    run = _run("hang", source)
    forged = msgspec.structs.replace(run, cost=199)
    assert [check.finding for check in verify.verify_records([run])] == [Finding.FAILED]
    assert [check.finding for check in verify.verify_records([forged])] == [Finding.REFUTED]


def test_noise_is_no_report() -> None:
    """What is not of the form of a report, a broken one or one cut short, changes nothing."""
    ear = Ear(lambda: 1.0)
    whole = news(News(5, 3), b'{"plan": 1}')
    for piece in (said(READY), whole, said(messages.NEWS, b'{"cost": "x"}\n'), whole[:-3]):
        for byte in piece:
            ear.take(bytes([byte]))
    assert (ear.ready, ear.plan, ear.rows) == (True, b'{"plan": 1}', [(1.0, 5, 3)])
    assert ear.answer == b""
    ear = Ear(lambda: 1.0)
    ear.take(said(ANSWER, b"{}"))
    assert ear.answer == b"{}"
    ear.take(b"more")
    assert ear.answer == b""


def test_reports_are_bounded() -> None:
    """A run may report for ever: the last report is kept, and not more than so many of them."""
    ear = Ear(lambda: 1.0)
    for bound in range(messages._MAX_ROWS + 5):
        ear.take(news(News(None, bound), b""))
    assert len(ear.rows) == messages._MAX_ROWS
    assert ear.rows[-1] == (1.0, None, messages._MAX_ROWS + 4)


def test_reporting_takes_a_small_part_of_the_time() -> None:
    """Reports that take long are held back, and the latest comes with the next one in time."""
    from opt_istn.runs.nursery.child import BURST_S, _Reporter

    told: list[bytes] = []

    def say(data: bytes) -> None:
        told.append(data)
        time.sleep(2 * BURST_S)

    reporter = _Reporter(say)
    for bound in range(1000):
        reporter(None, bound, None)
    assert len(told) == 1
    reporter._began -= 100.0
    reporter(None, 1, None)  # a worse bound than the one that was held back
    assert told[-1] == news(News(None, 999), b"")
