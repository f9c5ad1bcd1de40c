"""Instances x solvers x seeds to records: every plan is judged, every run is kept, none is lost.

A comparison appends to one file and can be interrupted at any point: what is there is not run
again. A record says what is judged of its run alone; what runs say of each other is derived from
all of them by `opt_istn.runs.audit`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from opt_istn import problems, registry
from opt_istn.files import InputError
from opt_istn.problems import Instance
from opt_istn.runs import appender, ledger, names, stamps
from opt_istn.runs.fleet import executors
from opt_istn.runs.fleet.shards import Shard
from opt_istn.runs.fleet.status import Board
from opt_istn.runs.ledger import Record, Source
from opt_istn.runs.nursery import worker
from opt_istn.runs.nursery.child import Description
from opt_istn.runs.single import RunTask, check_source, describe, judged, limits, load, run_one
from opt_istn.runs.stamps import Stamp
from opt_istn.solver import Budget, Status

__all__ = ["Choice", "Comparison", "RunTask", "compare", "describe", "judged", "load", "run_one"]

MAX_SEEDS, MAX_RUNS = 10**9, 10**15
_TOGETHER = 256  # records that are written at once where they were in the file before


def _unheard(_: str, __: str) -> None:
    """Tell nobody of a run."""


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
        Allowed to each run for imports and then for compiling; see `worker.run`.

    Raises
    ------
    InputError
        If a source cannot be read, a solver is unknown or applies to none of the instances, or
        there are more seeds than `MAX_SEEDS`, or more runs than `MAX_RUNS`.
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
            check_source(source)
        self._places = _places(sources)
        self._sources = [(place.source, place.problem) for place in self._places]
        names = sorted({problem for _, problem in self._sources})
        self._solvers = _describe_all(choices, names, startup_s)
        self._seeds, self._solver_seeds = seeds, solver_seeds
        if max(seeds, solver_seeds or 1) > MAX_SEEDS:
            raise InputError("seeds", f"expected at most {MAX_SEEDS}")
        if (total := self._counted()) > MAX_RUNS:
            raise InputError("seeds", f"expected at most {MAX_RUNS} runs, found {total}")

    def __len__(self) -> int:
        return self._counted()

    def _counted(self) -> int:
        return sum(
            len(self._seeds_of(next(self._seeded(source)), solver))
            * (1 if source.file else self._seeds)
            for source, problem in self._sources
            for solver in self._solvers[problem]
        )

    def tasks(self) -> Iterator[RunTask]:
        """Yield the runs, instance by instance; there may be more than fit into memory."""
        for source, problem in self._sources:
            for one in self._seeded(source):
                for solver in self._solvers[problem]:
                    for seed in self._seeds_of(one, solver):
                        yield RunTask(one, solver, seed)

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
        executor: Executor | Callable[[], Executor] | None = None,
        *,
        shard: Shard | None = None,
        retry_failed: bool = False,
        begun: Callable[[str, str], None] = _unheard,
    ) -> Iterator[Record]:
        """Run what the file at `path` does not hold yet, appending each record as it comes.

        Parameters
        ----------
        jobs
            Runs at the same time; an executor keeps its own count.
        executor
            Where runs are done, or what makes it; by default threads, each of which drives a child
            process. The package has to be installed there.
        shard
            Which of the runs to do; all of them by default.
        retry_failed
            Whether failed runs are run again.
        begun
            Is told of every run that is handed out: its key, and what it is in words.

        Yields
        ------
        Record
            One per run, also of those that were there already. What runs say of each other is not
            in them: see `opt_istn.runs.audit`.

        Raises
        ------
        InputError
            If the file holds something else, another process is appending to it, or it is deleted
            or replaced meanwhile; names where the records are kept then. If an executor takes no
            more runs.
        """
        stamp = () if shard is None else (shard.stamp(self._identity(), self._wanted()),)
        with appender.appending(path) as file:
            site = executors.site(executor, jobs, self.budget, self.startup_s)
            later: list[Record] = []  # what was there already, and is of this comparison, too
            with closing(site), Board(path, shard.of(len(self)) if shard else len(self)) as board:

                def kept() -> list[Record]:
                    runs = [_stamped(run, stamp) for run in site.finished()]
                    file.append(*runs, *later)
                    later.clear()
                    board.note(runs, site.out)
                    return runs

                for instance, task in self._new_tasks(shard):
                    known = file.find(self._key(instance, task))
                    if known and not (retry_failed and known.status == Status.FAILED):
                        board.reused()
                        if (marked := _stamped(known, stamp)).extra != known.extra:
                            later.append(marked)
                        if len(later) >= _TOGETHER:
                            file.append(*later)
                            later.clear()
                        yield marked
                        continue
                    while site.full:
                        yield from kept()
                    site.submit(instance, task)
                    begun(self._key(instance, task), _words(instance, task))
                    board.note([], site.out)
                while len(site):
                    yield from kept()
                file.append(*later)

    def _new_tasks(self, shard: Shard | None) -> Iterator[tuple[Instance, RunTask]]:
        """Yield the tasks of a shard with their instances; a run asked for twice comes once."""
        begun: set[bytes] = set()
        source, instance = None, None
        for task in self.tasks():
            if instance is None or task.source != source:
                source, instance = task.source, load(task.source)
            key = ledger.digest(self._key(instance, task))
            if key not in begun and (shard is None or shard.has(key)):
                begun.add(key)
                yield instance, task

    def _key(self, instance: Instance, task: RunTask) -> str:
        solver = task.solver
        allowed = limits(self.budget)
        return ledger.run_key(instance.sha256, solver.solver, solver.parameters, task.seed, allowed)

    def _wanted(self) -> int:
        """Return the number of runs, each counted once even if a file holds a preset's instance."""
        files = {place.problem for place in self._places if place.source.file}
        presets = {place.problem for place in self._places if not place.source.file}
        return sum(1 for _ in self._new_tasks(None)) if files & presets else len(self)

    def _identity(self) -> str:
        """Return what tells this comparison from others: a hash of its runs, however written."""
        own = self._solver_seeds is None
        asked = {
            _canonical(
                place.identity,
                1 if place.source.file else self._seeds,
                solver.solver,
                solver.parameters,
                None
                if own and not place.source.file
                else len(self._seeds_of(place.source, solver)),
            )
            for place in self._places
            for solver in self._solvers[place.problem]
        }
        return ledger.digest(_canonical(sorted(asked), limits(self.budget))).hex()


def compare(
    sources: Sequence[Source],
    choices: Sequence[Choice],
    path: str | Path,
    *,
    seeds: int = 1,
    solver_seeds: int | None = None,
    budget: Budget | None = None,
    jobs: int = 1,
    executor: Executor | Callable[[], Executor] | None = None,
    shard: Shard | None = None,
    retry_failed: bool = False,
) -> Iterator[Record]:
    """Run a `Comparison`; see there and `Comparison.run`."""
    comparison = Comparison(sources, choices, seeds, budget, solver_seeds=solver_seeds)
    return comparison.run(path, jobs, executor, shard=shard, retry_failed=retry_failed)


def _words(instance: Instance, task: RunTask) -> str:
    """Return what a run is, as a line about it begins."""
    solver = names.called(task.solver.solver, task.solver.parameters)
    return f"{solver} seed {task.seed} on {instance.name}"


def _stamped(run: Record, stamp: Sequence[Stamp]) -> Record:
    extra = stamps.united(run.extra, stamp) if stamp else run.extra
    return run if extra == run.extra else msgspec.structs.replace(run, extra=extra)


def _canonical(*parts: Any) -> str:
    """Return the same text for the same values."""
    return msgspec.json.encode(parts, order="sorted", enc_hook=str).decode()


class _Place(NamedTuple):
    """A source, its problem, and what tells its instances from others, whatever they are called."""

    source: Source
    problem: str
    identity: str


def _places(sources: Sequence[Source]) -> list[_Place]:
    """Return the sources that are not the same as an earlier one."""
    found: dict[str, _Place] = {}
    for source in sources:
        place = _place(source)
        found.setdefault(place.identity, place)
    return list(found.values())


def _place(source: Source) -> _Place:
    """Return a source with its problem; it is read or checked now rather than hours later."""
    if source.file is not None:
        instance = load(source)
        return _Place(source, instance.problem, instance.sha256)
    if source.preset is None:
        raise InputError("source", "expected a file or a preset")
    problem = problems.of_preset(source.preset)
    scenario = problem.scenario(source.preset, source.overrides)
    return _Place(source, problem.name, _canonical(source.preset, scenario))


def _describe_all(
    choices: Sequence[Choice], names: Sequence[str], startup_s: float | None
) -> dict[str, list[Description]]:
    """Return the solvers for each problem; every choice has to apply to one of them."""
    described: dict[str, list[Description]] = {name: [] for name in names}
    for choice in choices:
        fits = [name for name in names if registry.applies(choice.solver, name)]
        for name in fits or names:
            solver = describe(choice.solver, name, choice.parameters, startup_s)
            if solver not in described[name]:
                described[name].append(solver)
    return described
