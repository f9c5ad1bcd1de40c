"""`python imported.py INSTANCES SOLVER[@agent=FILE]...`: what solvers import within `solve`.

Each solver runs in a process of its own, forked from one that has imported what the harness has
imported when it forks a run. Prints a JSON object of solver: modules.
"""

import json
import os
import pickle
import sys

from opt_istn import registry
from opt_istn.runs.nursery import child, supervisor
from opt_istn.solver import Budget, Claims, Status


def imported(name: str, packed: list[list[bytes]]) -> list[str]:
    """Return the modules that a solver imports while it solves the packed instances."""
    name, _, agent = name.partition("@agent=")
    solver = registry.make(name, name.partition(".")[0], {"agent": agent} if agent else {})
    solver.prepare()
    instances = [pickle.loads(head, buffers=buffers) for head, *buffers in packed]
    child._raw(Claims(Status.NO_PLAN))
    known = set(sys.modules)
    for instance in instances:
        if solver.supports(instance) is None:
            child._raw(solver.solve(instance, Budget(time_s=5.0), 0))
    return sorted(set(sys.modules) - known)


def in_a_fork(name: str, packed: list[list[bytes]]) -> list[str]:
    """Return `imported` of a forked process."""
    mine, theirs = os.pipe()
    if os.fork() == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.write(theirs, json.dumps(imported(name, packed)).encode())
        os._exit(0)
    os.close(theirs)
    with os.fdopen(mine, "rb") as answer:
        found: list[str] = json.loads(answer.read())
    os.wait()
    return found


if __name__ == "__main__":
    with open(sys.argv[1], "rb") as file:
        subjects = pickle.load(file)
    supervisor.preload(*supervisor.PRELOAD, *supervisor._own_problems())
    print(json.dumps({x: in_a_fork(x, subjects[x.partition(".")[0]]) for x in sys.argv[2:]}))
