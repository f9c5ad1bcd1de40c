"""Check a bundle again: ``python check.py``, with Python and numpy alone, offline.

A copy of this file lies in every bundle of `opt-istn bundle` as ``check.py``, beside
``verifier.py``. It recomputes the hash of each instance, the cost of each plan and, where there is
one, what each certificate proves. Exit code 1 if anything is not as it is recorded, or a plan costs
less than a record says is possible.
"""

import hashlib
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

try:
    from opt_istn import verifier
except ImportError as missing:
    if __name__ != "__main__":
        raise
    print(f"check.py needs verifier.py beside it, and numpy ({missing})", file=sys.stderr)
    sys.exit(2)


def said(run: dict[str, Any], folder: Path) -> list[str]:
    """Return what was checked of a record.

    Raises
    ------
    ValueError
        If something is not as it is recorded; says what.
    """
    words = []
    instance = verifier.read(folder / run["source"]["file"])
    if verifier.sha256(instance) != run["sha256"]:
        raise ValueError("its instance has another hash")
    if run.get("plan") is not None:
        cost = _cost(instance, run["plan"])
        if cost != run.get("cost"):
            raise ValueError(f"its plan costs {cost}, recorded {run.get('cost')}")
        words.append("plan recomputed" if cost is not None else "plan recomputed, infeasible")
    elif run.get("cost") is not None:
        words.append("cost not recomputed")
    if run["status"] == "optimal" and run.get("cost") != run.get("bound"):
        raise ValueError(f"recorded optimal, of cost {run.get('cost')}, bound {run.get('bound')}")
    if run.get("certificate"):
        words.append(_proven(run, instance, folder))
    elif run.get("bound") is not None or run["status"] in ("infeasible", "unbounded"):
        what = "status" if run.get("bound") is None else "bound"
        words.append(f"{what} not recomputed")
    return words


def _cost(instance: Any, plan: Any) -> int | None:
    try:
        return verifier.cost_of(instance, plan)
    except verifier.Refused:
        return None


def _proven(run: dict[str, Any], instance: Any, folder: Path) -> str:
    path = folder / "certificates" / f"{run['sha256']}.cert.json.gz"
    if not path.is_file():
        return "bound not recomputed (its certificate is not in the bundle)"
    if hashlib.sha256(path.read_bytes()).hexdigest() != run["certificate"]:
        raise ValueError("its certificate is another file")
    try:
        found = verifier.check(instance, verifier.read(path))
    except verifier.Refused as refused:
        raise ValueError(f"its certificate is refused: {refused}") from None
    if run.get("bound") is None:
        if not found.get(run["status"]):
            raise ValueError(f"its certificate does not prove {run['status']}")
        return "status proven by certificate"
    if found.get("bound") is None or found["bound"] < run["bound"]:
        raise ValueError(f"its certificate proves {found.get('bound')}, not {run['bound']}")
    return "bound proven by certificate"


def refuted(run: dict[str, Any], costs: dict[str, int]) -> str:
    """Return what a plan of another record says against this one; `costs` are the least by hash."""
    least = costs.get(run["sha256"])
    if least is None or run["status"] == "failed":
        return ""
    if run["status"] == "infeasible":
        return f"recorded infeasible, but a plan costs {least}"
    if run.get("bound") is not None and run["bound"] > least:
        return f"recorded the bound {run['bound']}, but a plan costs {least}"
    return ""


def _say(line: str) -> None:
    """Print one line, whatever the names and certificates of a bundle hold."""
    print(repr(line)[1:-1])


def main() -> int:
    """Check the records beside this file and print a line for each, and one for all."""
    folder, counted, wrong = Path(__file__).parent, Counter[str](), 0
    runs = [*map(json.loads, (folder / "runs.jsonl").read_text(encoding="utf-8").splitlines())]
    found, costs = [], dict[str, int]()
    for run in runs:
        try:
            words, error = said(run, folder), ""
        except (ValueError, KeyError, OSError, verifier.Refused) as refused:
            words, error = [], str(refused)
        found.append((words, error))
        if "plan recomputed" in words:
            costs[run["sha256"]] = min(run["cost"], costs.get(run["sha256"], run["cost"]))
    for run, (words, error) in zip(runs, found, strict=True):
        name = f"{run['solver']}  seed {run['seed']}  on {run['instance']}"
        if error := error or refuted(run, costs):
            wrong += 1
            _say(f"WRONG  {name}: {error}")
            continue
        counted.update(words)
        _say(f"ok  {name}: {', '.join(words) or 'nothing to check'}")
    checked = ", ".join(f"{number} x {word}" for word, number in sorted(counted.items()))
    print(f"{len(runs)} records, {wrong} wrong: {checked}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
