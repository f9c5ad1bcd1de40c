"""Instances x solvers x seeds to records: every plan is judged, every run is kept, none is lost.

A comparison appends to one file and can be interrupted at any point: what is there is not run
again. Whatever runs contradict each other is settled by `opt_istn.runs.audit` after every run.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from opt_istn import problems, registry
from opt_istn.files import InputError
from opt_istn.problems import Instance
from opt_istn.runs import audit, environment, worker
from opt_istn.runs import ledger as record
from opt_istn.runs.child import Description
from opt_istn.runs.judge import judge
from opt_istn.runs.ledger import Claim, Failure, Limits, Record, Source
from opt_istn.runs.worker import Outcome
from opt_istn.solver import Budget, Status


@dataclass(frozen=True)
class Choice:
    """A solver to compare.

    Parameters
    ----------
    solver
        Its id; a short one is completed with each instance's problem.
    parameters
        Its parameters; strings are converted to the types of its fields.
    """

    solver: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Task:
    """One run of a comparison; its instance is loaded when its turn comes.

    Parameters
    ----------
    source
        Where the instance comes from.
    solver
        The described solver.
    seed
        The solver's seed.
    """

    source: Source
    solver: Description
    seed: int


def load(source: Source) -> Instance:
    """Read or generate the instance of a source."""
    if source.file is not None:
        return problems.read_instance(source.file)
    if source.preset is None or source.seed is None:
        raise InputError("source", "expected a file, or a preset and its seed")
    problem = problems.of_preset(source.preset)
    scenario = problem.scenario(source.preset, source.overrides)
    return problem.generate(scenario, source.seed, f"{source.preset}-{source.seed}")


def run_one(
    instance: Instance,
    source: Source,
    solver_id: str,
    parameters: Mapping[str, Any],
    seed: int,
    budget: Budget,
) -> Record:
    """Run a solver on an instance in a child process and judge what it returns.

    Whatever the solver does ends in the record.

    Raises
    ------
    InputError
        If there is no such solver, or a parameter is unknown or has the wrong type.
    """
    solver = describe(solver_id, instance.problem, parameters)
    started = datetime.now(UTC).isoformat(timespec="seconds")
    outcome = worker.run(
        solver.solver, instance.problem, solver.parameters, seed, budget, worker.pack(instance)
    )
    blank = Record(
        problem=instance.problem,
        instance=instance.name,
        sha256=instance.sha256,
        source=source,
        solver=solver.solver,
        parameters=solver.parameters,
        seed=seed,
        limits=_limits(budget),
        status=Status.FAILED,
        wall_s=outcome.wall_s,
        cpu_s=outcome.cpu_s,
        startup_s=outcome.startup_s,
        peak_memory_mb=outcome.peak_memory_mb,
        time=started,
        **environment.capture(*registry.distribution(solver.solver)),
    )
    return _judged(blank, instance, outcome)


def describe(solver_id: str, problem: str, parameters: Mapping[str, Any]) -> Description:
    """Return id, parameters and stochasticity of a solver; asked of a child process once."""
    full = registry.complete(solver_id, problem)
    text = msgspec.json.encode(dict(parameters), order="sorted", enc_hook=str)
    return _describe(full, problem, text)


@lru_cache(maxsize=256)
def _describe(full: str, problem: str, parameters: bytes) -> Description:
    return worker.describe(full, problem, msgspec.json.decode(parameters))


def _judged(blank: Record, instance: Instance, outcome: Outcome) -> Record:
    change = msgspec.structs.replace
    if outcome.unsupported is not None:
        error = f"not supported: {outcome.unsupported}"
        return change(blank, status=Status.NO_PLAN, error=error)
    claims = outcome.claims
    if claims is None:
        return change(blank, failure=outcome.failure, error=outcome.error)
    verdict = judge(instance, claims)
    judged = change(
        blank,
        status=verdict.status,
        cost=verdict.cost,
        bound=verdict.bound,
        violations=verdict.violations,
        terms=verdict.terms,
        plan=verdict.plan,
        claim=Claim(claims.status, claims.cost, claims.bound, claims.proof),
        trace=claims.trace,
        detail=claims.detail,
    )
    if verdict.refuted:
        return change(judged, failure=Failure.REFUTED, error=verdict.refuted)
    if claims.status == Status.FAILED:
        return change(judged, failure=Failure.CRASHED, error="it said that it failed")
    return judged


class Comparison:
    """All runs of a comparison.

    Parameters
    ----------
    sources
        Files, or presets without a seed.
    choices
        Solvers.
    seeds
        Number of seeds. Seed s generates instance s of a preset and is the solver's seed there. On
        a file, a solver in which the seed does not matter runs once, with seed 0.
    budget
        Work allowed to each run.

    Raises
    ------
    InputError
        If a source cannot be read, or a solver is unknown or applies to none of the instances.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        choices: Sequence[Choice],
        seeds: int = 1,
        budget: Budget | None = None,
    ) -> None:
        self.budget = budget or Budget()
        worker.warm_up(self.budget.threads)
        named = [(source, _problem_name(source)) for source in sources]
        solvers = _describe_all(choices, sorted({problem for _, problem in named}))
        self.tasks: list[Task] = []
        for source, problem in named:
            if source.file is not None:
                for solver in solvers[problem]:
                    chosen = range(seeds if solver.stochastic else 1)
                    self.tasks += [Task(source, solver, seed) for seed in chosen]
                continue
            for seed in range(seeds):
                seeded = msgspec.structs.replace(source, seed=seed)
                self.tasks += [Task(seeded, solver, seed) for solver in solvers[problem]]

    def run(
        self,
        path: str | Path,
        jobs: int = 1,
        executor: Executor | None = None,
        *,
        retry_failed: bool = False,
    ) -> Iterator[Record]:
        """Run what the file at `path` does not hold yet, appending each record as it comes.

        Parameters
        ----------
        jobs
            Runs at the same time.
        executor
            Where `run_one` is called; by default threads, each of which drives a child process.
        retry_failed
            Whether failed runs are run again.

        Yields
        ------
        Record
            One per run, also of those that were there already, and again those that are refuted
            by a later one.

        Raises
        ------
        InputError
            If the file holds something else, or another process is appending to it.
        """
        with record.lock(path):
            ledger = _Ledger(path)
            yield from ledger.settle()
            pool = executor or ThreadPoolExecutor(jobs)
            pending: set[Future[Record]] = set()
            try:
                for instance, task in self._loaded():
                    if not ledger.begin(instance, task, self.budget):
                        continue
                    known = ledger.find(instance, task, self.budget)
                    if known and not (retry_failed and known.status == Status.FAILED):
                        yield known
                        continue
                    while len(pending) >= jobs:
                        done, pending = wait(pending, return_when=FIRST_COMPLETED)
                        yield from ledger.add(done)
                    pending.add(pool.submit(_run_task, instance, task, self.budget))
                while pending:
                    done, pending = wait(pending, return_when=FIRST_COMPLETED)
                    yield from ledger.add(done)
            finally:
                _give_up(pending)
                if executor is None:
                    pool.shutdown(cancel_futures=True)

    def _loaded(self) -> Iterator[tuple[Instance, Task]]:
        source, instance = None, None
        for task in self.tasks:
            if instance is None or task.source != source:
                source, instance = task.source, load(task.source)
            yield instance, task


def compare(
    sources: Sequence[Source],
    choices: Sequence[Choice],
    path: str | Path,
    *,
    seeds: int = 1,
    budget: Budget | None = None,
    jobs: int = 1,
    executor: Executor | None = None,
    retry_failed: bool = False,
) -> Iterator[Record]:
    """Run a `Comparison`; see there and `Comparison.run`."""
    comparison = Comparison(sources, choices, seeds, budget)
    return comparison.run(path, jobs, executor, retry_failed=retry_failed)


class _Ledger:
    """The records of a file, kept in step with it and free of contradictions."""

    def __init__(self, path: str | Path) -> None:
        self._path = path
        self._runs: dict[str, dict[str, Record]] = {}
        self._begun: set[str] = set()
        for run in record.read(path) if Path(path).exists() else []:
            self._keep(run)

    def begin(self, instance: Instance, task: Task, budget: Budget) -> bool:
        """Return whether the task's turn has come for the first time."""
        key = _key(instance, task, budget)
        first = key not in self._begun
        self._begun.add(key)
        return first

    def find(self, instance: Instance, task: Task, budget: Budget) -> Record | None:
        """Return the record of the task, if there is one."""
        return self._runs.get(instance.sha256, {}).get(_key(instance, task, budget))

    def add(self, done: set[Future[Record]]) -> Iterator[Record]:
        """Append the records of finished runs, and what they refute."""
        for future in done:
            run = future.result()
            yield self._append(run)
            yield from self._refute(run.sha256)

    def settle(self) -> Iterator[Record]:
        """Append what the records of the file refute among themselves."""
        for sha256 in list(self._runs):
            yield from self._refute(sha256)

    def _refute(self, sha256: str) -> Iterator[Record]:
        for run in audit.audit(self._runs[sha256].values()):
            yield self._append(run)

    def _append(self, run: Record) -> Record:
        record.append(self._path, run)
        self._keep(run)
        return run

    def _keep(self, run: Record) -> None:
        self._runs.setdefault(run.sha256, {})[run.key] = run


def _key(instance: Instance, task: Task, budget: Budget) -> str:
    solver = task.solver
    return record.run_key(
        instance.sha256, solver.solver, solver.parameters, task.seed, _limits(budget)
    )


def _run_task(instance: Instance, task: Task, budget: Budget) -> Record:
    solver = task.solver
    return run_one(instance, task.source, solver.solver, solver.parameters, task.seed, budget)


def _give_up(pending: set[Future[Record]]) -> None:
    """End what still runs after an interrupt."""
    for future in pending:
        future.cancel()
    if pending:
        worker.cancel_all()


def _problem_name(source: Source) -> str:
    """Return the problem of a source, which is read or checked now rather than hours later."""
    if source.file is not None:
        return problems.read_instance(source.file).problem
    if source.preset is None:
        raise InputError("source", "expected a file or a preset")
    problem = problems.of_preset(source.preset)
    problem.scenario(source.preset, source.overrides)
    return problem.name


def _describe_all(choices: Sequence[Choice], names: Sequence[str]) -> dict[str, list[Description]]:
    """Return the solvers for each problem; every choice has to apply to one of them."""
    described: dict[str, list[Description]] = {name: [] for name in names}
    for choice in choices:
        fits = [name for name in names if registry.applies(choice.solver, name)]
        for name in fits or names:
            described[name].append(describe(choice.solver, name, choice.parameters))
    return described


def _limits(budget: Budget) -> Limits:
    return Limits(budget.time_s, budget.work, budget.memory_mb, budget.threads)
