"""The command `train`."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from opt_istn import files, platforms
from opt_istn.cli import clusters
from opt_istn.cli.instances import Json, Settings
from opt_istn.cli.terminal import asked, completing, output, targets
from opt_istn.files import InputError, placing

if TYPE_CHECKING:
    from multiprocessing.queues import Queue

    from opt_istn.training import Report, Task, Trainer

_SHARES = ("success", "gap", "total_gap", "saving")  # of a training curve's row
_LINE_S = 15.0  # between two lines of progress where no bar can be drawn

Agent = Annotated[
    str,
    typer.Argument(help="Agent; parameters as id@key=value@...", autocompletion=completing.agents),
]
TaskSource = Annotated[
    str,
    typer.Argument(
        metavar="INSTANCE|PRESET", help="What to train on.", autocompletion=completing.presets
    ),
]
Device = Annotated[
    str | None,
    typer.Option(help="Where to train, such as cuda or cuda:{worker}; agents that can say so."),
]


def register(app: typer.Typer) -> None:
    """Add the command of this module to `app`."""
    app.command()(train)


def train(
    agent: Agent,
    source: TaskSource,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the training, the first one.")],
    out: Annotated[
        str, typer.Option("-o", "--output", metavar="AGENT_FILE", help="{seed} is filled in.")
    ],
    seeds: Annotated[int, typer.Option(min=1, max=10**6, help="Number of seeds.")] = 1,
    jobs: Annotated[
        int, typer.Option(min=1, max=platforms.MAX_JOBS, help="Seeds trained at the same time.")
    ] = 1,
    instance_seed: Annotated[
        int | None, typer.Option(min=0, help="Train on this one instance of the preset.")
    ] = None,
    device: Device = None,
    shard: clusters.Part = "",
    set_: Settings = None,
    *,
    json: Json = False,
) -> None:
    """Train an agent on one instance, or on instances drawn from a preset.

    --set changes the preset. A training that was interrupted goes on where it stopped. A shard
    trains its part of the seeds; {worker} is filled in with the number of the process, from 0 to
    the number of jobs less 1.
    """
    own = _own(out, seed, seeds, shard)
    _check(out, own, [source, *targets.named(agent, *(set_ or []))])
    name, *parameters = agent.split("@")
    task = _task(source, output.settings(set_ or []), instance_seed)
    if device is not None:
        parameters.append(f"device={device}")
    course = _Course(name, task, output.settings(parameters))
    if reason := course.trainer(0).supports(task):
        raise InputError("", reason)
    for s, result in _trained(course, own, jobs, quiet=json):
        row = {"agent": output.printable(str(own[s])), "seed": s, **result}
        if json:
            output.as_json(row)
        else:
            output.as_table(output.pairs(_shown(row)))
            output.wrote(str(own[s]))


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """Return the last row of a training curve for reading: shares in %, costs with their unit."""
    shown = {k: f"{100 * row[k]:.4g} %" for k in _SHARES if isinstance(row.get(k), int | float)}
    if "validation" in row:
        shown["validation"] = f"{row['validation']:.6g} of the objective, the mean"
    return row | shown


def _own(out: str, seed: int, seeds: int, shard: str) -> dict[int, Path]:
    """Return where the agent of each seed goes that is trained here."""
    if seeds > 1 and "{seed}" not in out:
        raise InputError("--output", "expected {seed} in the file name, for more than one seed")
    part, every = clusters.part(shard), range(seed, seed + seeds)
    mine = every if part is None else every[part.index - 1 :: part.count]
    return {s: Path(out.replace("{seed}", str(s))) for s in mine}


def _check(out: str, own: dict[int, Path], read: list[str]) -> None:
    """Check that agent files can be written, their checkpoint too, and are none that are read."""
    if placing.is_there(out) and not placing.is_file(out):
        raise InputError("--output", "expected a regular file: a checkpoint lies beside it", out)
    goals = [targets.Target("--output", str(path), targets.ARCHIVE) for path in own.values()]
    targets.check(*goals, inputs=read)
    _expect_room(f"{out}.checkpoint")


def _expect_room(path: str) -> None:
    """Refuse a place that cannot be written, before hours are spent on what goes there."""
    there = placing.is_there(path)
    try:
        with open(path, "ab"):
            pass
        if not there:
            Path(path).unlink()
    except (OSError, ValueError) as error:
        raise files.unusable("cannot be written", error, path) from None


def _task(source: str, overrides: dict[str, str], instance_seed: int | None) -> "Task":
    from opt_istn import problems
    from opt_istn.training import Task

    if asked.is_file(source):
        if overrides or instance_seed is not None:
            option = "--set" if overrides else "--instance-seed"
            raise InputError(option, "it is for presets, but an instance file is given")
        instance = problems.read_instance(source)
        return Task(instance.problem, instance.name, instance=instance)
    problem = problems.of_preset(source)
    scenario = problem.scenario(source, overrides)
    if instance_seed is None:
        return Task(problem.name, source, scenario=scenario)
    name = f"{source}-{instance_seed}"
    made = problem.generate(scenario, instance_seed, name)
    return Task(problem.name, name, instance=made)


@dataclass(frozen=True)
class _Course:
    """What is trained: an agent with its parameters, on a task."""

    agent: str
    task: "Task"
    parameters: dict[str, str]

    def trainer(self, worker: int) -> "Trainer":
        """Return the trainer of a worker, whose number stands for ``{worker}``."""
        from opt_istn import registry

        filled = {
            key: text.replace("{worker}", str(worker)) for key, text in self.parameters.items()
        }
        return registry.trainer(self.agent, self.task.problem, filled)

    def train(self, seed: int, path: Path, report: "Report") -> dict[str, Any]:
        """Train one seed as the worker that this process is."""
        return self.trainer(_Worker.number).train(self.task, seed, path, report)


class _Worker:
    """Which of the processes that train this one is."""

    number = 0


def _begin(numbers: "Queue[int]") -> None:
    from opt_istn.runs.nursery import processes

    processes.die_with_parent()
    _Worker.number = numbers.get()


def _trained(
    course: _Course, targets: dict[int, Path], jobs: int, *, quiet: bool
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the result of every seed as it ends; several seeds run in processes of their own."""
    with _progress(list(targets), quiet=quiet) as report:
        if jobs == 1 or len(targets) == 1:
            for s, path in targets.items():
                yield s, course.train(s, path, partial(report, s))
            return
        from concurrent.futures import ProcessPoolExecutor, as_completed
        from multiprocessing import active_children, get_context  # an eighth of any start

        context = get_context("spawn")
        numbers = context.Queue()
        for number in range(jobs):
            numbers.put(number)
        with ProcessPoolExecutor(jobs, context, _begin, (numbers,)) as pool:
            futures = {
                pool.submit(course.train, s, path, _silent): s for s, path in targets.items()
            }
            try:
                for future in as_completed(futures):
                    result = future.result()
                    report(futures[future], 1.0, "done")
                    yield futures[future], result
            except (KeyboardInterrupt, GeneratorExit):  # SIGTERM reaches this process alone
                for child in active_children():
                    child.terminate()
                raise


def _silent(share: float, text: str) -> None:
    """Report nothing: a seed trained in another process."""


@contextmanager
def _progress(seeds: list[int], *, quiet: bool) -> Iterator[Any]:
    """Show a bar for each seed; where no bar can be drawn, a line now and then."""
    from rich import progress as bars
    from rich.console import Console

    console = Console(stderr=True)
    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.TaskProgressColumn(),
        bars.TextColumn("{task.fields[text]}"),
        bars.TimeElapsedColumn(),
    )
    drawn = console.is_terminal and not quiet
    last = {s: time.monotonic() for s in seeds}
    with bars.Progress(*columns, console=console, disable=not drawn) as shown:
        rows = {s: shown.add_task(f"seed {s}", total=1.0, text="") for s in seeds}

        def report(s: int, share: float, text: str) -> None:
            shown.update(rows[s], completed=share, text=text)
            if not drawn and not quiet and time.monotonic() - last[s] > _LINE_S:
                last[s] = time.monotonic()
                console.print(f"seed {s}: {share:4.0%}  {text}", highlight=False)

        yield report
