"""Solvers that lie, crash or misbehave, and honest ones to compare them with.

They are addressed as ``tests.planted:Name`` and run in child processes like any other solver. The
lies presuppose `tiny`: a row of three cells, whose optimum costs 200.
"""
# ruff: noqa: ARG002, D102 - they ignore their arguments, and their classes say what they do

import ctypes
import math
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from opt_istn import Budget, Claims, InputError, Status
from opt_istn.jutap.instance import Cost, Instance
from opt_istn.jutap.plan import Plan

if TYPE_CHECKING:
    import pytest  # not in the child processes: it takes longer than a run

OPTIMUM = 200  # of `tiny`


def tiny(name: str = "tiny", **changes: Any) -> Instance:
    """Return a 3 x 3 grid with one MBS everywhere; START and END are two straight moves apart."""
    fields: dict[str, Any] = {
        "name": name,
        "grid": 3,
        "num_mbs": 1,
        "start": 0,
        "end": 2,
        "start_link": 0,
        "link_ptr": np.arange(10),
        "link_ids": np.zeros(9, dtype=np.int64),
        "strongest": np.zeros(9, dtype=np.int64),
        "cost": Cost((100, 141), 100, 100, 500, 50, -50, -50, 200),
        "energy_mj": (1000, 1414),
        "energy_budget_mj": 10_000,
        "cell_m": 100.0,
    }
    return Instance(**(fields | changes))


def best_plan(instance: Instance) -> Plan:
    return Plan(instance.sha256, (0, 1, 2), (0, 0, 0))


def long_plan(instance: Instance) -> Plan:
    """Return a feasible plan of cost 282."""
    return Plan(instance.sha256, (0, 4, 2), (0, 0, 0))


@dataclass(frozen=True)
class Planted:
    """Base: supports everything, prepares nothing, and finds the optimum honestly."""

    stochastic = False

    def supports(self, instance: Any) -> str | None:
        return None

    def prepare(self) -> None:
        return None

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        plan = best_plan(instance)
        return Claims(Status.OPTIMAL, plan, OPTIMUM, OPTIMUM, "planted", ((0.0, OPTIMUM, OPTIMUM),))


@dataclass(frozen=True)
class Honest(Planted):
    """The optimum, with parameters of several types."""

    level: int = 1
    share: float = 0.5
    mode: Literal["fast", "slow"] = "fast"
    deep: bool = False
    file: Path | None = None
    layers: tuple[int, ...] = ()


class Distributed(Planted):
    """Says what it runs on, of which one part is not installed."""

    distributions = ("msgspec", "no-such-distribution")


class OddDistributions(Planted):
    """Says what it runs on in a wrong way."""

    distributions = "msgspec"


class Late(Planted):
    """Works on for .7 s of the processor after its limit."""

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        budget = budget.start()
        while not budget.expired():
            pass
        end = time.process_time() + 0.7
        while time.process_time() < end:
            pass
        return super().solve(instance, budget, seed)


class HonestToo(Planted):
    """The optimum, by another proof."""

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        return Claims(Status.OPTIMAL, best_plan(instance), OPTIMUM, OPTIMUM, "planted-too")


class Detour(Planted):
    """A feasible plan that is not optimal, and depends on the seed."""

    stochastic = True

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        return Claims(Status.FEASIBLE, long_plan(instance), detail={"seed": seed})


class NoPlan(Planted):
    """Nothing found."""

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        return Claims(Status.NO_PLAN)


class Liar(Planted):
    """A cost cheaper than the plan's."""

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        return Claims(Status.OPTIMAL, best_plan(instance), 150, 150, "wish")


class Trespasser(Planted):
    """An infeasible plan as a feasible one."""

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        plan = Plan(instance.sha256, (0, 2), (0, 0))
        return Claims(Status.FEASIBLE, plan, 100)


class Overbound(Planted):
    """A bound above the optimum, without a plan of its own."""

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        return Claims(Status.BOUND_ONLY, bound=201, proof="hope")


class Overoptimal(Planted):
    """An optimum that is none."""

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        return Claims(Status.OPTIMAL, long_plan(instance), 282, 282, "hope")


class Denier(Planted):
    """Infeasible, although there are plans."""

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        return Claims(Status.INFEASIBLE, proof="despair")


class Boundless(Planted):
    """Unbounded, although it is not."""

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        return Claims(Status.UNBOUNDED, proof="euphoria")


class Endless(Planted):
    """Never returns."""

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        while True:
            time.sleep(0.01)


class Unmade(Planted):
    """Cannot be made."""

    def __init__(self) -> None:
        raise RuntimeError("no")


class Unready(Planted):
    """Never gets ready."""

    def prepare(self) -> None:
        time.sleep(60)


class Eater(Planted):
    """Eats memory."""

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        eaten = []
        while len(eaten) < 200:  # 2 GB, should nobody stop it
            eaten.append(np.ones(1_250_000))
            time.sleep(0.001)
        return Claims(Status.NO_PLAN)


class ChildEater(Planted):
    """Eats memory in a child process of its own."""

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        code = "import time; x = bytearray(2**20) * 700; time.sleep(30)"
        subprocess.run([sys.executable, "-c", code], check=False)
        return Claims(Status.NO_PLAN)


class Segfault(Planted):
    """Dereferences a null pointer."""

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        print("about to read address 0")
        ctypes.string_at(0)
        return Claims(Status.NO_PLAN)


class Exit(Planted):
    """Ends the process without a word."""

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        os._exit(0)


class SystemExits(Planted):
    """Asks the interpreter to exit."""

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        sys.exit(3)


class Raises(Planted):
    """Raises an exception whose text spans lines."""

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        raise RuntimeError("no\nluck")


class Unprintable(Planted):
    """Raises an exception that cannot be printed."""

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        class BrokenError(Exception):
            def __str__(self) -> str:
                raise ValueError("no text")

        raise BrokenError


class BadInput(Planted):
    """Raises the frame's own input error while it solves."""

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        raise InputError("agent", "expected a trained agent")


class Murderer(Planted):
    """Kills the process above it."""

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        os.kill(os.getppid(), 9)
        time.sleep(60)
        return Claims(Status.NO_PLAN)


class Stopper(Planted):
    """Stops the process above it, so that nobody watches the time."""

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        os.kill(os.getppid(), signal.SIGSTOP)
        time.sleep(60)
        return Claims(Status.NO_PLAN)


class Orphaner(Planted):
    """Detaches a process, then kills the process above it."""

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        supervisor = os.getppid()
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                time.sleep(60)
            os._exit(0)
        os.wait()
        os.kill(supervisor, signal.SIGKILL)
        time.sleep(60)
        return Claims(Status.NO_PLAN)


class Watchmaker(Planted):
    """Works for 0.4 s of CPU time, then stops all its clocks."""

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        end = time.process_time() + 0.4
        while time.process_time() < end:
            pass
        for clock in ("perf_counter", "monotonic", "time", "process_time"):
            setattr(time, clock, lambda: 0.0)
        return Planted.solve(self, instance, budget, seed)


class Early(Planted):
    """Solves while it is asked whether it can."""

    def supports(self, instance: Any) -> str | None:
        time.sleep(0.4)
        return None


@dataclass(frozen=True)
class Compiling(Planted):
    """Takes 2 s to get ready the first time, and keeps a file for the next."""

    kept: str = ""

    def prepare(self) -> None:
        if not Path(self.kept).exists():
            time.sleep(2)
            with suppress(OSError):
                Path(self.kept).touch()


class Trained(Planted):
    """Says how it was trained, and what it is."""

    kind, knows = "agent", "past"
    steps: ClassVar[dict[str, Any]] = {"environment_steps": 1000, "status": "plateau"}


class Fabricator(Planted):
    """Claims whatever its seed makes up; nothing of it has to fit together."""

    stochastic = True

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        rng = random.Random(seed)
        plans = [None, best_plan(instance), long_plan(instance), _Odd(), _Huge()]
        plans += [Plan(instance.sha256, (0, 2), (0, 0)), Plan("0" * 64, (0, 1, 2), (0, 0, 0))]
        values = [None, OPTIMUM, OPTIMUM - 1, OPTIMUM + 1, 282, 0, -(2**62), 2**62, 2**70]
        how = rng.randrange(12)
        if how == 0:
            os.kill(os.getpid(), rng.choice([signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM]))
        if how == 1:
            os.kill(os.getppid(), rng.choice([signal.SIGKILL, signal.SIGSTOP]))
        if how == 2:
            raise rng.choice([MemoryError, RecursionError, KeyboardInterrupt])
        if how == 3:
            return rng.choice([None, 0, "optimal", {}, [], Claims])  # type: ignore[return-value]
        return Claims(
            rng.choice(list(Status)),
            rng.choices(plans, [3, 3, 3, 1, 0.2, 1, 1])[0],
            rng.choices(values, [9] * 8 + [1])[0],
            rng.choices(values, [9] * 8 + [1])[0],
            rng.choice(["", "labels", "HiGHS", "wish"]),
            rng.choices([(), ((0.0, 1, 1),), ((-1.0, None, None),)], [9, 9, 1])[0],
        )


class Crowd(Planted):
    """Holds 150 MiB and has eight forks that do nothing."""

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        held = np.ones(150 << 17)
        forks = []
        for _ in range(8):
            forks.append(os.fork())
            if forks[-1] == 0:
                time.sleep(5)
                os._exit(0)
        time.sleep(1.0)
        for fork in forks:
            os.kill(fork, signal.SIGKILL)
            os.wait()
        return Claims(Status.NO_PLAN, detail={"held": int(held[0])})


class MemoryFile(Planted):
    """Keeps 400 MiB in a memory file."""

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        file = os.memfd_create("hidden")
        for _ in range(400):
            os.write(file, bytes(1 << 20))
        time.sleep(0.5)
        return Claims(Status.NO_PLAN)


class Verbose(Planted):
    """Returns 100,000 entries of detail."""

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        return Claims(Status.NO_PLAN, detail={str(i): i for i in range(100_000)})


class Parent(Planted):
    """Leaves a process behind that survives it, detached as a daemon would be."""

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                time.sleep(60)
            os._exit(0)
        os.wait()
        return Planted.solve(self, instance, budget, seed)


class Twin(Planted):
    """Returns twice, because it forked."""

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        os.fork()
        return Planted.solve(self, instance, budget, seed)


class Chatter(Planted):
    """Prints a great deal, then returns the optimum."""

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        for _ in range(20_000):
            print("x" * 1000)
        os.write(1, b"\xff\xfe not text\n")
        print("{}", file=sys.stderr)
        return Planted.solve(self, instance, budget, seed)


class Gossip(Planted):
    """Returns an answer too large to be read."""

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        return Claims(Status.FEASIBLE, _Huge())


class Writer(Planted):
    """Tries to write into the instance."""

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        instance.link_ids[0] = 5
        return Claims(Status.NO_PLAN)


class Picky(Planted):
    """Takes no instance."""

    def supports(self, instance: Any) -> str | None:
        return "the instance has a Tuesday in it"


@dataclass(frozen=True)
class Wrong(Planted):
    """Returns values of wrong types; `what` says which."""

    what: str = "claims"

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Any:
        plan, cost = best_plan(instance), OPTIMUM
        answers: dict[str, Any] = {
            "claims": lambda: {"status": "optimal"},
            "none": lambda: None,
            "status": lambda: Claims("perfect", plan, cost),  # type: ignore[arg-type]
            "plan": lambda: Claims(Status.FEASIBLE, [0, 1, 2], cost),
            "nan": lambda: Claims(Status.FEASIBLE, plan, float("nan")),  # type: ignore[arg-type]
            "float": lambda: Claims(Status.FEASIBLE, plan, 200.0),  # type: ignore[arg-type]
            "bool": lambda: Claims(Status.FEASIBLE, plan, True),
            "huge": lambda: Claims(Status.FEASIBLE, plan, 10**400),
            "trace": lambda: Claims(Status.FEASIBLE, plan, cost, trace=((-1.0, 0, 0),)),
            "detail": lambda: Claims(Status.FEASIBLE, plan, cost, detail={"a": [1]}),  # type: ignore[dict-item]
            "surrogate": lambda: Claims(Status.FEASIBLE, plan, cost, detail={"a": "\ud800"}),
            "foreign": lambda: Claims(Status.FEASIBLE, Plan("0" * 64, (0,), (0,)), cost),
            "document": lambda: Claims(Status.FEASIBLE, _Odd(), cost),
            "noproof": lambda: Claims(Status.BOUND_ONLY, bound=1),
            "noplan": lambda: Claims(Status.OPTIMAL, None, cost, cost, "wish"),
            "gap": lambda: Claims(Status.OPTIMAL, plan, cost, cost - 1, "wish"),
            "empty": lambda: Claims(Status.FEASIBLE),
            "above": lambda: Claims(Status.FEASIBLE, plan, cost, cost + 1, "wish"),
            "hidden": lambda: Claims(Status.NO_PLAN, plan),
            "denied": lambda: Claims(Status.INFEASIBLE, plan, proof="despair"),
            "boundless": lambda: Claims(Status.BOUND_ONLY, proof="wish"),
            "both": lambda: Claims(Status.UNBOUNDED, bound=1, proof="wish"),
            "numpy": lambda: Claims(Status.OPTIMAL, plan, np.int64(200), np.int64(200), "numpy"),  # type: ignore[arg-type]
        }
        return answers[self.what]()


class _Huge:
    def document(self) -> dict[str, Any]:
        return {"words": "x" * (70 << 20)}


class _Odd:
    def document(self) -> dict[str, Any]:
        return {"format": "opt-istn/jutap-plan", "version": 1, "cells": [float("nan")]}


class NotASolver:
    """Has none of a solver's methods."""


@dataclass(frozen=True)
class Reader(Planted):
    """Tells whether somebody imported a package that it never does."""

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        return Claims(Status.NO_PLAN, detail={"mailbox": int("mailbox" in sys.modules)})


@dataclass(frozen=True)
class Slow(Planted):
    """The optimum, after a while."""

    number: int = 0

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        time.sleep(0.2)
        return Planted.solve(self, instance, budget, seed)


class Closer(Planted):
    """Closes its output and every file that is open."""

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        sys.stdout.close()
        os.closerange(3, 256)
        return Planted.solve(self, instance, budget, seed)


class Threads(Planted):
    """Tells how many threads the libraries are allowed."""

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
        return Claims(Status.NO_PLAN, detail={name: os.environ[name] for name in names})


def plant_presets(monkeypatch: "pytest.MonkeyPatch") -> None:
    """Replace the presets by ``jutap-planted``, whose instance s costs 200 and has hash s."""
    module = ModuleType("opt_istn.jutap.scenario")

    def from_parameters(base: dict[str, int], overrides: dict[str, str]) -> dict[str, int]:
        for name in overrides:
            if name not in base:
                raise InputError(name, "unknown parameter")
        return base | {name: int(value) for name, value in overrides.items()}

    def generate(scenario: dict[str, int], seed: int, name: str, progress: Any) -> Instance:
        if progress:
            progress(1.0)
        return tiny(name, cell_m=scenario["cell_m"] + seed)

    vars(module).update(
        PRESETS={"jutap-planted": {"cell_m": 100}},
        from_parameters=from_parameters,
        generate=generate,
    )
    monkeypatch.setitem(sys.modules, "opt_istn.jutap.scenario", module)


@dataclass(frozen=True)
class Reporter(Planted):
    """Reports a detour, then the optimum, and ends in the way it is told to."""

    how: str = "hang"

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        budget.report(None, 100)
        budget.report(long_plan(instance), None, 282)
        for bound in range(30_000 if self.how == "flood" else 0):
            budget.report(None, 100 + bound // 1000)
        if self.how == "numbers":
            for odd in (math.nan, math.inf, -math.inf, 2**63, 10**400):
                budget.report(None, odd)
                budget.report(long_plan(instance), odd, odd)
        if self.how != "early":
            budget.report(best_plan(instance), 201 if self.how == "lie" else 150, OPTIMUM)
        if self.how == "foreign":
            budget.report(Plan("0" * 64, (0, 1, 2), (0, 0, 0)), None)
        if self.how == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        if self.how == "flood":
            time.sleep(0.5)
            os.kill(os.getpid(), signal.SIGKILL)
        if self.how == "word":
            budget.report("a plan", None)
        if self.how == "raise":
            raise RuntimeError("no luck")
        while self.how != "end":
            time.sleep(0.01)
        return Planted.solve(self, instance, budget, seed)
