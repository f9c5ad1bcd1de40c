"""Instances x solvers x seeds to records: every plan is judged, every run is kept, none is lost.

A comparison appends to one file and can be interrupted at any point: what is there is not run
again. A record says what is judged of its run alone; what runs say of each other is derived from
all of them by `opt_istn.runs.audit`.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from opt_istn import files, hashing, problems, registry
from opt_istn.files import InputError
from opt_istn.problems import Instance
from opt_istn.runs import appender, environment, ledger, worker
from opt_istn.runs.appender import Appender
from opt_istn.runs.child import Description
from opt_istn.runs.cores import core_of
from opt_istn.runs.judge import judge
from opt_istn.runs.ledger import Failure, Limits, Record, Source
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
    startup_s: float | None = None,
) -> Record:
    """Run a solver on an instance in a child process and judge what it returns.

    Whatever the solver does ends in the record.

    Parameters
    ----------
    startup_s
        Start-up allowed (imports, compiling), by default `worker.STARTUP_S`.

    Raises
    ------
    InputError
        If there is no such solver, or a parameter is unknown or has the wrong type.
    """
    _check_source(source)
    solver = describe(solver_id, instance.problem, parameters, startup_s)
    started = datetime.now(UTC).isoformat(timespec="seconds")
    outcome = _outcome(instance, solver, seed, budget, startup_s)
    distribution = registry.distribution(solver.solver)
    blank = Record(
        problem=instance.problem,
        instance=instance.name,
        sha256=instance.sha256,
        source=source,
        solver=solver.solver,
        parameters=solver.parameters,
        kind=solver.kind,
        knows=solver.knows,
        seed=seed,
        limits=_limits(budget),
        status=Status.FAILED,
        wall_s=outcome.wall_s,
        cpu_s=outcome.cpu_s,
        startup_s=outcome.startup_s,
        peak_memory_mb=outcome.peak_memory_mb,
        time=started,
        core=core_of(solver.solver, distribution),
        steps=outcome.steps,
        extra={"load": environment.load()},
        **environment.capture(*distribution, *solver.distributions),
    )
    return judged(blank, instance, outcome)


def _check_source(source: Source) -> None:
    """Raise `InputError` for what a record cannot hold, before anything runs."""
    files.check_text("source", source.file or "", *source.overrides.values())


def describe(
    solver_id: str, problem: str, parameters: Mapping[str, Any], startup_s: float | None = None
) -> Description:
    """Return id, parameters and stochasticity of a solver; asked of a child process once."""
    full = registry.complete(solver_id, problem)
    files.check_text(
        "solver", full, *(text for text in parameters.values() if isinstance(text, str))
    )
    text = msgspec.json.encode(dict(parameters), order="sorted", enc_hook=str)
    return _describe(full, problem, text, startup_s, hashing.stamps(parameters))


@lru_cache(maxsize=256)
def _describe(
    full: str,
    problem: str,
    parameters: bytes,
    startup_s: float | None,
    stamps: object,  # noqa: ARG001 - another file of the same name is another description
) -> Description:
    return worker.describe(full, problem, msgspec.json.decode(parameters), startup_s)


def _outcome(
    instance: Instance, solver: Description, seed: int, budget: Budget, startup_s: float | None
) -> Outcome:
    """Run a solver, unless it has shown already that it does not get ready in time."""
    if solver.late:
        return Outcome(failure=Failure.TIME, error=solver.late)
    parts = worker.packed(instance)
    return worker.run(
        solver.solver, instance.problem, solver.parameters, seed, budget, parts, startup_s
    )


def judged(blank: Record, instance: Instance, outcome: Outcome) -> Record:
    """Return `blank` with what the judge says of an outcome."""
    change = msgspec.structs.replace
    if outcome.unsupported is not None:
        error = f"not supported: {outcome.unsupported}"
        return change(blank, status=Status.NO_PLAN, error=error)
    claims = outcome.claims
    if claims is None:
        return change(blank, failure=outcome.failure, error=outcome.error)
    return judge(blank, instance, claims)


class Comparison:
    """All runs of a comparison; its length is their number.

    Parameters
    ----------
    sources
        Files, or presets without a seed.
    choices
        Solvers.
    seeds
        Number of seeds. Seed s generates instance s of a preset and is the solver's seed there. On
        a file, a solver in which the seed does not matter runs once, with seed 0.
    solver_seeds
        Number of seeds of every solver in which the seed matters, on every instance; then `seeds`
        only tells the instances of a preset, and other solvers run once on each, with seed 0.
    budget
        Work allowed to each run.
    startup_s
        Start-up allowed to each run, by default `worker.STARTUP_S`.

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
        startup_s: float | None = None,
        solver_seeds: int | None = None,
    ) -> None:
        self.budget, self.startup_s = budget or Budget(), startup_s
        worker.warm_up(self.budget.threads)
        for source in sources:
            _check_source(source)
        self._sources = [(source, _problem_name(source)) for source in sources]
        names = sorted({problem for _, problem in self._sources})
        self._solvers = _describe_all(choices, names, startup_s)
        self._seeds, self._solver_seeds = seeds, solver_seeds

    def __len__(self) -> int:
        return sum(
            len(self._seeds_of(next(self._seeded(source)), solver))
            * (1 if source.file else self._seeds)
            for source, problem in self._sources
            for solver in self._solvers[problem]
        )

    def tasks(self) -> Iterator[Task]:
        """Yield the runs, instance by instance; there may be more than fit into memory."""
        for source, problem in self._sources:
            for one in self._seeded(source):
                for solver in self._solvers[problem]:
                    for seed in self._seeds_of(one, solver):
                        yield Task(one, solver, seed)

    def _seeded(self, source: Source) -> Iterator[Source]:
        """Yield the instances of a source: the file, or the preset's with each seed."""
        if source.file is not None:
            yield source
            return
        for seed in range(self._seeds):
            yield msgspec.structs.replace(source, seed=seed)

    def _seeds_of(self, source: Source, solver: Description) -> range:
        """Return the seeds of a solver on an instance."""
        if self._solver_seeds is None and source.seed is not None:
            return range(source.seed, source.seed + 1)
        number = self._seeds if self._solver_seeds is None else self._solver_seeds
        return range(number if solver.stochastic else 1)

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
            One per run, also of those that were there already. What runs say of each other is not
            in them: see `opt_istn.runs.audit`.

        Raises
        ------
        InputError
            If the file holds something else, another process is appending to it, or it is deleted
            or replaced meanwhile; names where the records are kept then.
        """
        with appender.appending(path) as file:
            pool = executor or ThreadPoolExecutor(jobs)
            pending: set[Future[Record]] = set()
            try:
                for instance, task in self._new_tasks():
                    known = file.find(self._key(instance, task))
                    if known and not (retry_failed and known.status == Status.FAILED):
                        yield known
                        continue
                    while len(pending) >= jobs:
                        done, pending = wait(pending, return_when=FIRST_COMPLETED)
                        yield from _kept(file, done)
                    limits = (self.budget, self.startup_s)
                    pending.add(pool.submit(_run_task, instance, task, *limits))
                while pending:
                    done, pending = wait(pending, return_when=FIRST_COMPLETED)
                    yield from _kept(file, done)
            finally:
                _give_up(pending)
                if executor is None:
                    pool.shutdown(cancel_futures=True)

    def _new_tasks(self) -> Iterator[tuple[Instance, Task]]:
        """Yield tasks with their instances; the same run asked for twice comes once."""
        begun: set[bytes] = set()
        source, instance = None, None
        for task in self.tasks():
            if instance is None or task.source != source:
                source, instance = task.source, load(task.source)
            key = ledger.digest(self._key(instance, task))
            if key not in begun:
                begun.add(key)
                yield instance, task

    def _key(self, instance: Instance, task: Task) -> str:
        solver = task.solver
        limits = _limits(self.budget)
        return ledger.run_key(instance.sha256, solver.solver, solver.parameters, task.seed, limits)


def compare(
    sources: Sequence[Source],
    choices: Sequence[Choice],
    path: str | Path,
    *,
    seeds: int = 1,
    solver_seeds: int | None = None,
    budget: Budget | None = None,
    jobs: int = 1,
    executor: Executor | None = None,
    retry_failed: bool = False,
) -> Iterator[Record]:
    """Run a `Comparison`; see there and `Comparison.run`."""
    comparison = Comparison(sources, choices, seeds, budget, solver_seeds=solver_seeds)
    return comparison.run(path, jobs, executor, retry_failed=retry_failed)


def _kept(file: Appender, done: set[Future[Record]]) -> Iterator[Record]:
    """Append the records of finished runs, all at once so that none is lost if that fails."""
    runs = [future.result() for future in done]
    file.append(*runs)
    yield from runs


def _run_task(instance: Instance, task: Task, budget: Budget, startup_s: float | None) -> Record:
    name, parameters = task.solver.solver, task.solver.parameters
    return run_one(instance, task.source, name, parameters, task.seed, budget, startup_s)


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


def _describe_all(
    choices: Sequence[Choice], names: Sequence[str], startup_s: float | None
) -> dict[str, list[Description]]:
    """Return the solvers for each problem; every choice has to apply to one of them."""
    described: dict[str, list[Description]] = {name: [] for name in names}
    for choice in choices:
        fits = [name for name in names if registry.applies(choice.solver, name)]
        for name in fits or names:
            described[name].append(describe(choice.solver, name, choice.parameters, startup_s))
    return described


def _limits(budget: Budget) -> Limits:
    return Limits(budget.time_s, budget.work, budget.memory_mb, budget.threads)
