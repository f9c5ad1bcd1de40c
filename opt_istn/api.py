"""What a script needs, under the names that ``from opt_istn import ...`` gives.

Instances, plans and solvers of all problems go through the same eight functions; each dispatches
to the problem's own modules, whose types (such as `opt_istn.jutap.Instance`) come back.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from opt_istn import files, problems, registry
from opt_istn.files import InputError
from opt_istn.problems import Document, Evaluation, Instance
from opt_istn.runs import compare as comparing
from opt_istn.runs import ledger
from opt_istn.runs.ledger import Record, Source
from opt_istn.solver import Budget, Solver


def generate(preset: str, seed: int = 0, name: str = "", **changes: Any) -> Instance:
    """Return an instance of a preset.

    Parameters
    ----------
    preset
        One of ``opt-istn presets``.
    seed
        Seed of all randomness in the scenario.
    name
        Printable name; by default preset and seed.
    changes
        Parameters of the scenario to be replaced.

    Raises
    ------
    InputError
        If there is no such preset or parameter, or a value cannot be.

    Examples
    --------
    >>> from opt_istn import generate
    >>> generate("jutap-tiny", seed=0).name
    'jutap-tiny-0'
    >>> generate("push-tiny", seed=0, num_users=3).num_users
    3
    """
    problem = problems.of_preset(preset)
    texts = {key: _text(value) for key, value in changes.items()}
    scenario = problem.scenario(preset, texts)
    return problem.generate(scenario, seed, name or problems.name_of(preset, seed, changes))


def read_instance(path: str | Path) -> Instance:
    """Read an instance file of any problem.

    Raises
    ------
    InputError
        If the file is none; names file, field and expectation.

    Examples
    --------
    >>> from opt_istn import generate, read_instance
    >>> generate("jutap-tiny", seed=0).write("map.json")
    >>> read_instance("map.json").problem
    'jutap'
    """
    return problems.read_instance(path)


def read_plan(path: str | Path) -> Document:
    """Read a plan file of any problem.

    Raises
    ------
    InputError
        If the file is none; names file, field and expectation.

    Examples
    --------
    >>> from opt_istn import generate, make, read_plan, Budget
    >>> instance = generate("jutap-tiny", seed=0)
    >>> make("jutap.labels").solve(instance, Budget(), seed=0).plan.write("best.json")
    >>> read_plan("best.json").cells
    (0, 5, 10, 15)
    """
    data = files.read_bytes(path)
    found = files.document_format(data, str(path))
    kinds = {problem.formats()[1]: problem for problem in problems.every()}
    if found not in kinds:
        expected = " or ".join(map(repr, kinds))
        raise InputError("format", f"expected {expected}, found {found!r}", str(path))
    return kinds[found].plan(data, str(path))


def evaluate(instance: Instance, plan: Document) -> Evaluation:
    """Judge a plan: its cost in the instance's integer unit, its terms and its violations.

    Raises
    ------
    InputError
        If the plan was made for another instance.

    Examples
    --------
    >>> from opt_istn import evaluate, generate
    >>> from opt_istn.jutap import Plan
    >>> instance = generate("jutap-tiny", seed=0)
    >>> judged = evaluate(instance, Plan(instance.sha256, (0, 5, 10, 15), (1, 1, 2, 2)))
    >>> judged.cost, judged.violations
    (1400000, ())
    """
    return problems.get(instance.problem).evaluate(instance, plan)


def make(solver_id: str, **parameters: Any) -> Solver:
    """Return a solver by its full id, such as ``push.labels``, or ``module:Class``.

    Raises
    ------
    InputError
        If there is no such solver or parameter, or a package it needs is not installed.

    Examples
    --------
    >>> from opt_istn import Budget, generate, make
    >>> solver = make("jutap.cpsat", guided=False)
    >>> claims = solver.solve(generate("jutap-tiny", seed=0), Budget(time_s=10), seed=0)
    >>> claims.status, claims.cost, claims.bound
    (<Status.OPTIMAL: 'optimal'>, 1400000, 1400000)
    """
    if ":" not in solver_id and "." not in solver_id:
        raise InputError("solver", f"expected its problem first, as in problem.{solver_id}")
    return registry.make(solver_id, solver_id.partition(".")[0], parameters)


def compare(
    instances: Iterable[str | Path],
    solvers: Iterable[str | type | tuple[str | type, Mapping[str, Any]]],
    path: str | Path,
    *,
    seeds: int = 1,
    budget: Budget | None = None,
    jobs: int = 1,
) -> Iterator[Record]:
    """Run solvers on instances, each run in a process of its own; yield the judged records.

    Parameters
    ----------
    instances
        Instance files, as paths or names ending in ``.json`` or ``.gz``, and presets.
    solvers
        Ids or classes, or pairs of one and parameters.
    path
        File of records; a run that it holds already is not run again.
    seeds
        Seeds 0 to `seeds` - 1, of the instances of presets and of the solvers.
    budget
        Work allowed to each run.
    jobs
        Runs at the same time.

    Raises
    ------
    InputError
        If an instance cannot be read, or a solver is unknown or applies to none of them.

    Examples
    --------
    >>> from opt_istn import compare
    >>> runs = compare(["jutap-tiny"], ["labels", ("cpsat", {"guided": False})], "runs.jsonl")
    >>> for run in runs:
    ...     print(run.solver, run.status, run.cost)
    jutap.labels optimal 1400000
    jutap.cpsat optimal 1400000
    """
    sources = [_source(instance) for instance in instances]
    pairs = [(one, {}) if isinstance(one, str | type) else one for one in solvers]
    choices = [comparing.Choice(_id(one), dict(parameters)) for one, parameters in pairs]
    return comparing.compare(sources, choices, path, seeds=seeds, budget=budget, jobs=jobs)


class Runs(list[Record]):
    """Records in a list that pandas can have, too."""

    def to_frame(self) -> Any:
        """Return them as a pandas data frame, one row a run; see `opt_istn.report.frame`.

        Raises
        ------
        InputError
            If pandas is not installed.
        """
        from opt_istn.report.frame import frame_of

        return frame_of(self)


def read_runs(*paths: str | Path) -> Runs:
    """Read the records of comparisons, the last one of each run.

    Raises
    ------
    InputError
        If a file cannot be read; names file, line and field.

    Examples
    --------
    >>> from opt_istn import compare, read_runs
    >>> for run in compare(["jutap-tiny"], ["labels"], "labels.jsonl"):
    ...     pass
    >>> [(run.instance, run.terms["moves"]) for run in read_runs("labels.jsonl")]
    [('jutap-tiny-0', 3)]
    >>> read_runs("labels.jsonl").to_frame()[["solver", "cost", "gap"]].values.tolist()
    [['jutap.labels', 1400000, 0.0]]
    """
    return Runs(ledger.read_all(paths))


def _id(solver: str | type) -> str:
    return solver if isinstance(solver, str) else registry.name_of(solver)


def _source(instance: str | Path) -> Source:
    text = str(instance)
    named = isinstance(instance, Path) or text.endswith((".json", ".gz"))
    return Source(file=text) if named else Source(preset=text)


def _text(value: Any) -> str:
    """Return a parameter as on the command line."""
    return str(value).lower() if isinstance(value, bool) else str(value)
