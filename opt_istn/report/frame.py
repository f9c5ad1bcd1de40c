"""Records as a pandas data frame: one row a run, read together with the others.

| column | |
|---|---|
| `problem`, `instance`, `sha256` | the instance: problem, printable name, hash |
| `solver`, `parameters`, `seed` | what ran; parameters as JSON text |
| `kind`, `knows` | what the solver declares |
| `status`, `failure`, `error` | outcome; a run that another one refutes is `failed` |
| `cost`, `bound` | integers in the problem's unit, missing where there is none |
| `best_cost`, `best_bound`, `standing` | what all runs say of the instance |
| `gap` | (cost - best_bound) / max(abs(best_bound), 1) |
| `seconds`, `wall_s`, `cpu_s`, `startup_s`, `peak_memory_mb` | what it took |
| `core`, `certificate` | what stands behind the bound |
| `time`, `cpu`, `commit`, `folder_commit` | when and where |
| `term.NAME` | the problem's own terms, such as `term.length_m` |
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from opt_istn.files import InputError
from opt_istn.runs import audit
from opt_istn.runs.ledger import Record

_FIRST = ("problem", "instance", "sha256", "solver")
_THEN = ("seed", "kind", "knows", "status", "failure", "error", "cost", "bound")
_LAST = ("seconds", "wall_s", "cpu_s", "startup_s", "peak_memory_mb", "core", "certificate")
_WHERE = ("time", "cpu", "commit", "folder_commit")
_INTEGERS = ("cost", "bound", "best_cost", "best_bound")


def frame_of(records: Sequence[Record]) -> Any:
    """Return a pandas data frame of records; its columns are listed above.

    Raises
    ------
    InputError
        If pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError:
        rule = 'expected pandas to be installed: pip install "opt-istn[pandas]"'
        raise InputError("to_frame", rule) from None
    known = {summary.sha256: summary for summary in audit.summarise(records)}
    rows = [_row(run, known[run.sha256]) for run in audit.audited(records)]
    made = pd.DataFrame(rows)
    for name in _INTEGERS:
        if name in made:
            made[name] = made[name].astype("Int64")  # integers, some of them missing
    return made


def _row(run: Record, known: audit.InstanceSummary) -> dict[str, Any]:
    """Return the row of a run."""
    row: dict[str, Any] = {name: _plain(getattr(run, name)) for name in _FIRST}
    row["parameters"] = msgspec.json.encode(run.parameters, order="sorted").decode()
    row |= {name: _plain(getattr(run, name)) for name in _THEN}
    row |= {"best_cost": known.best_cost, "best_bound": known.best_bound}
    row |= {"standing": str(known.standing), "gap": audit.gap(run.cost, known.best_bound)}
    row |= {name: _plain(getattr(run, name)) for name in (*_LAST, *_WHERE)}
    return row | {f"term.{name}": value for name, value in run.terms.items()}


def _plain(value: Any) -> Any:
    """Return the text of an enumeration's member, and everything else as it is."""
    return str(value) if isinstance(value, str) else value
