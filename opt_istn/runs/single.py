"""One run: a solver on an instance in a child process, and what the judge says of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

from opt_istn import files, problems, registry
from opt_istn.files import InputError, hashing
from opt_istn.problems import Instance
from opt_istn.runs import environment
from opt_istn.runs.cores import core_of
from opt_istn.runs.judge import examine
from opt_istn.runs.ledger import Failure, Limits, Record, Source
from opt_istn.runs.nursery import packing, worker
from opt_istn.runs.nursery.child import Description
from opt_istn.runs.nursery.worker import Outcome
from opt_istn.solver import Budget, Status


@dataclass(frozen=True)
class RunTask:
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
    """Read or generate the instance of a source; a file has to be one that can be read again."""
    if source.file is not None:
        hashing.check_kept(source.file)
        return problems.read_instance(source.file)
    if source.preset is None or source.seed is None:
        raise InputError("source", "expected a file, or a preset and its seed")
    problem = problems.of_preset(source.preset)
    scenario = problem.scenario(source.preset, source.overrides)
    name = problems.name_of(source.preset, source.seed, source.overrides)
    return problem.generate(scenario, source.seed, name)


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
        Allowed for imports and then for compiling; see `worker.run`.

    Raises
    ------
    InputError
        If there is no such solver, or a parameter is unknown or has the wrong type.
    """
    check_source(source)
    solver = describe(solver_id, instance.problem, parameters, startup_s)
    return run_task(instance, RunTask(source, solver, seed), budget, startup_s)


def run_task(
    instance: Instance, task: RunTask, budget: Budget, startup_s: float | None = None
) -> Record:
    """Run a solver that is described already; see `run_one`."""
    started = _now()
    outcome = _outcome(instance, task.solver, task.seed, budget, startup_s)
    return judged(_blank(instance, task, budget, outcome, started), instance, outcome)


def lost(instance: Instance, task: RunTask, budget: Budget, error: str) -> Record:
    """Return the record of a run of which nothing came back, from a machine that is not ours."""
    outcome = Outcome(failure=Failure.CRASHED, error=error)
    return judged(_blank(instance, task, budget, outcome, _now()), instance, outcome)


def _blank(
    instance: Instance, task: RunTask, budget: Budget, outcome: Outcome, started: str
) -> Record:
    """Return the record of a run before anything is judged."""
    solver = task.solver
    distribution = registry.distribution(solver.solver)
    return Record(
        problem=instance.problem,
        instance=instance.name,
        sha256=instance.sha256,
        source=task.source,
        solver=solver.solver,
        parameters=solver.parameters,
        kind=solver.kind,
        knows=solver.knows,
        seed=task.seed,
        limits=limits(budget),
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


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def check_source(source: Source) -> None:
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
    parts = packing.packed(instance)
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
    if claims is not None:
        return examine(blank, instance, claims)
    failed = {"failure": outcome.failure, "error": outcome.error}
    if outcome.reported is None:
        return change(blank, **failed)
    kept = examine(blank, instance, outcome.reported)  # the last plan and bound, unless refuted
    return kept if kept.failure else change(kept, status=Status.FAILED, **failed)


def limits(budget: Budget) -> Limits:
    """Return the limits of a budget, as records keep them."""
    return Limits(budget.time_s, budget.work, budget.memory_mb, budget.threads)
