"""A proof that is killed goes on: what is kept is whole at any moment, and nothing is proven twice.

`KILLED` proves a user in a process that dies while it writes the search down.
"""

import json
import os
import signal
import subprocess
import sys
import time
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from formulations.push.proof import prove as prove_module
from formulations.push.proof import written
from formulations.push.proof.leaves import SCALE
from formulations.push.proof.prove import prove_task, tasks_of
from formulations.push.proof.tree import Search
from opt_istn import files, registry, verifier
from opt_istn.cli import main
from opt_istn.evidence import certificates
from opt_istn.files import InputError
from opt_istn.push.instance import Instance
from opt_istn.push.random import random_push
from opt_istn.push.scenario import PRESETS, generate
from opt_istn.runs import ledger
from opt_istn.solver import Status

HARD = 1  # the user with a tree
KILLED = """
import os, signal, sys
from pathlib import Path
from formulations.push.proof import prove
from opt_istn.files import placing
from opt_istn.push.instance import read

instance, folder, writes = read(sys.argv[1]), sys.argv[2], int(sys.argv[3])
real, count = placing.become, 0

def become(temporary, target):
    global count
    count += 1
    if count == writes:
        Path(temporary).write_bytes(Path(temporary).read_bytes()[:50])  # torn
        os.kill(os.getpid(), signal.SIGKILL)
    real(temporary, target)

placing.become = become
prove._WRITING = 0
prove.prove_task(prove.tasks_of(instance, None, folder)[int(sys.argv[4])], lambda: False)
"""


def small() -> Instance:
    return random_push(
        np.random.default_rng(2), num_users=2, num_contents=20, num_slots=8, num_requests=110
    )


def killed(instance: Instance, tmp_path: Path, writes: int) -> None:
    """Prove the hard user until it is killed at its n-th writing."""
    instance.write(tmp_path / "i.json")
    command = [sys.executable, "-c", KILLED, "i.json", "kept", str(writes), str(HARD)]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert answer.returncode == -signal.SIGKILL, answer.stderr.decode()


@pytest.mark.parametrize("writes", [2, 4])
def test_a_killed_proof_goes_on_where_it_was(tmp_path: Path, writes: int) -> None:
    """Torn while it writes, the search has the tree before; started again it completes that."""
    instance = small()
    killed(instance, tmp_path, writes)
    kept = written.read(written.path_of(tmp_path / "kept", HARD), instance.sha256, HARD)
    assert kept is not None
    assert kept.bound < kept.cost
    task = tasks_of(instance, None, tmp_path / "kept")[HARD]
    proof = prove_task(task, lambda: False)
    assert proof.bound_us == proof.cost_us
    assert proof.relaxations > kept.relaxations
    assert proof.tree[0] == "ask"
    assert kept.tree[0] == "least" or kept.tree[1] == proof.tree[1]  # the first question stays
    user = verifier.User(task.fields, 0, task.requests)
    assert verifier.user_bound(user, proof.tree, proof.denominator) == proof.bound_us
    assert prove_task(task, lambda: True) == proof  # done: nothing is solved again


def test_what_is_closed_stays_closed(tmp_path: Path) -> None:
    """An open tree is kept with all its digits: leaves prove afterwards what they proved before."""
    task = tasks_of(small(), None, tmp_path)[HARD]
    assert task.path is not None
    for last in range(2, 20):  # until the root has been split, and no further
        asked = count()
        proof = prove_task(task, lambda asked=asked, last=last: next(asked) >= last)
        if proof.tree[0] == "ask":
            break
        task.path.unlink()
    assert proof.bound_us < proof.cost_us
    kept = written.read(task.path, task.instance, task.user)
    assert kept is not None
    assert kept.tree[0] == "ask"
    assert (kept.bound, kept.denominator) == (proof.bound_us, SCALE)
    user = verifier.User(task.fields, 0, task.requests)
    search = Search(user, kept.cost)
    written.resume(search, kept, task.path)
    again = written.proof_of(search, proof.pushes, (SCALE,))
    assert (again.bound_us, again.tree) == (kept.bound, kept.tree)


def test_rows_that_were_let_go_come_back_with_the_leaves(tmp_path: Path) -> None:
    """A search that went on once has rows in its leaves that its relaxation no longer holds."""
    task = tasks_of(small(), None, tmp_path)[HARD]
    assert task.path is not None
    done = prove_task(task, lambda: False)
    named = list(written._separated(done.tree))
    assert named
    search = Search(verifier.User(task.fields, 0, task.requests), done.cost_us)
    written.write(task.path, task.instance, task.user, done, [])
    kept = written.read(task.path, task.instance, task.user)
    assert kept is not None
    written.resume(search, kept, task.path)
    assert search.root is not None
    assert search.root.bound == done.bound_us
    assert set(named) <= set(search.relaxation.added())


def test_kept_searches_of_something_else_are_refused(tmp_path: Path) -> None:
    """A file of another instance or user, and one whose tree is none, are named."""
    instance = small()
    killed(instance, tmp_path, 2)
    folder = tmp_path / "kept"
    path = written.path_of(folder, HARD)
    other = random_push(np.random.default_rng(4), num_users=2, num_requests=40)
    with pytest.raises(InputError, match=r"user-1.json.gz: instance: expected"):
        prove_task(tasks_of(other, None, folder)[HARD], lambda: False)
    kept = written.read(path, instance.sha256, HARD)
    assert kept is not None
    document = {name: getattr(kept, name) for name in kept.__struct_fields__}
    for tree in (["ask", ["served", 0, 99], 1], ["least", [["ONCE", 99], 1]], ["most"], []):
        files.write_document(path, {**document, "tree": tree})
        with pytest.raises(InputError, match="tree: expected one of this user's"):
            prove_task(tasks_of(instance, None, folder)[HARD], lambda: False)
    path.rename(written.path_of(folder, 0))
    with pytest.raises(InputError, match="user: expected 0, found 1"):
        prove_task(tasks_of(instance, None, folder)[0], lambda: False)


def test_a_proof_out_of_time_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """`prove -o CERT` keeps CERT.search until the bound meets the plan, and no longer."""
    monkeypatch.chdir(tmp_path)
    small().write("i.json")
    assert main(["prove", "i.json", "-o", "c.json", "--time-limit", "1e-9"]) == 0
    assert "wrote c.json.search" in capfd.readouterr().err
    first = json.loads(Path("c.json").read_text())["claim"]["bound"]
    assert main(["prove", "i.json", "-o", "c.json", "--json"]) == 0
    said = json.loads(capfd.readouterr().out)
    assert said["optimal"]
    assert said["bound"] > first
    assert not Path("c.json.search").exists()


def test_a_kept_search_that_says_more_than_it_proves_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The verifier stands before the file, and the folder that was changed is named."""
    monkeypatch.chdir(tmp_path)
    small().write("i.json")
    assert main(["prove", "i.json", "-o", "c.json", "--time-limit", "1e-9"]) == 0
    before = Path("c.json").read_bytes()
    for path in Path("c.json.search").iterdir():
        kept = json.loads(files.read_bytes(path))
        files.write_document(path, {**kept, "bound": kept["cost"]})
    capfd.readouterr()
    assert main(["prove", "i.json", "-o", "c.json"]) == 2
    said = capfd.readouterr().err
    assert said.startswith("opt-istn: c.json.search: expected searches that prove what they say: ")
    assert Path("c.json").read_bytes() == before


def test_an_open_certificate_is_gone_on_with_when_there_is_more_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """`certify` says that the optimum is open; with as much time it rests, with more it goes on."""
    monkeypatch.chdir(tmp_path)
    small().write("i.json")
    assert main(["compare", "i.json", "--solvers", "greedy", "-o", "r.jsonl"]) == 0
    certify = ["certify", "r.jsonl", "--certificates", "certs"]
    told = "i.json: bound proven, optimum not; the same command with twice the time goes on"
    told = told.replace("i.json", small().name)
    assert main([*certify, "--time-limit", "1e-9"]) == 0
    assert told in capfd.readouterr().err
    (search,) = Path("certs").glob("*.search")
    before = Path("r.jsonl").read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(registry, "prover", lambda _: pytest.fail("it was proven again"))
        assert main([*certify, "--time-limit", "1e-9"]) == 0
    assert told in capfd.readouterr().err
    assert Path("r.jsonl").read_bytes() == before
    assert main(certify) == 0
    assert "optimum not" not in capfd.readouterr().err
    assert ledger.read("r.jsonl")[-1].status == Status.OPTIMAL
    assert not search.exists()


@pytest.mark.parametrize("kept", [True, False])
def test_an_interrupt_says_what_is_kept(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    kept: bool,
) -> None:
    """`prove` says that the same command goes on, if a search has been written down."""

    def interrupted(*given: Any) -> Any:
        if kept:
            prove_task(tasks_of(given[0], None, given[3])[HARD], lambda: True)
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    small().write("i.json")
    monkeypatch.setattr(registry, "prover", lambda _: interrupted)
    assert main(["prove", "i.json", "-o", "c.json"]) == 130
    said = capfd.readouterr().err
    assert ("kept in c.json.search; the same command goes on" in said) == kept
    assert said.endswith("opt-istn: interrupted\n")


def test_an_interrupt_waits_for_no_worker() -> None:
    """A proof that is given up ends its processes, whatever they are at."""

    def given_up() -> None:
        with prove_module._workers(1) as pool:
            pool.submit(time.sleep, 600)
            raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        given_up()
    assert time.monotonic() - began < 300


def test_workers_do_not_hear_of_interrupts() -> None:
    """Who started them ends them: a Ctrl-C that reaches all prints nothing of theirs."""
    with prove_module._workers(1) as pool:
        with prove_module._unheard():
            mask = pool.submit(signal.pthread_sigmask, signal.SIG_BLOCK, [])
        assert signal.SIGINT in mask.result()
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_a_finished_search_leaves_no_torn_file(tmp_path: Path) -> None:
    """What was being written when a search was killed goes with it; other files stay."""
    torn, other = tmp_path / ".user-0.json.gz.abc", tmp_path / "notes.txt"
    for path in (torn, other, tmp_path / "user-0.json.gz"):
        path.write_bytes(b"")
    certificates.forget(tmp_path)
    assert [*tmp_path.iterdir()] == [other]


def test_processes_of_a_proof_end_with_the_one_that_is_killed() -> None:
    """Nobody searches on for whoever is gone, not even if it was killed without a word."""
    program = (
        "import os, signal, time; from formulations.push.proof.prove import _workers\n"
        "with _workers(1) as pool:\n"
        "    print(pool.submit(os.getpid).result(), flush=True); pool.submit(time.sleep, 100)\n"
        "    time.sleep(0.2); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    command = [sys.executable, "-c", program]
    killed = subprocess.run(command, stdout=subprocess.PIPE, check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    worker = int(killed.stdout)
    for _ in range(100):
        if not psutil.pid_exists(worker) or psutil.Process(worker).status() == "zombie":
            return
        time.sleep(0.05)
    os.kill(worker, signal.SIGKILL)
    pytest.fail("it outlived who was killed")


@pytest.mark.slow
def test_the_command_is_killed_and_goes_on(tmp_path: Path) -> None:
    """Users that are done stay as they are; the one that was open is gone on with."""
    generate(PRESETS["push-paper"], 0, "paper").write(tmp_path / "i.json")
    program = (
        "from opt_istn.library import lookup; lookup.given = lambda _: None; "  # it has this proof
        "from opt_istn.cli import main; raise SystemExit(main(['prove', 'i.json', '-o', 'c.json']))"
    )
    command = [sys.executable, "-c", program]
    folder = tmp_path / "c.json.search"
    process = subprocess.Popen(command, cwd=tmp_path, start_new_session=True)
    while not (folder / "user-2.json.gz").exists():
        time.sleep(0.05)
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = folder / "user-0.json.gz"
    before = done.stat().st_mtime_ns, done.read_bytes()
    again = subprocess.Popen(command, cwd=tmp_path, start_new_session=True)
    while not (folder / "user-3.json.gz").exists() and again.poll() is None:
        time.sleep(0.05)
    assert (done.stat().st_mtime_ns, done.read_bytes()) == before
    assert again.wait() == 0
    assert not folder.exists()
    claim = json.loads((tmp_path / "c.json").read_text())["claim"]
    assert claim == {"bound": 160_163_037}  # the optimum, which other engines prove as well
    checked = [sys.executable, str(verifier.__file__), "i.json", "c.json"]
    assert subprocess.run(checked, cwd=tmp_path, check=False).returncode == 0
