"""Import paths of the last release: they still work, with a warning, until the next one.

A finder at the end of `sys.meta_path` is asked only for modules that do not exist. It answers for
the old names in the tables given to `serve` and hands out the module under its new name: one
object, whichever name it is imported by.
"""

import sys
import warnings
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType
from typing import Any, cast

_ROOMS = (  # old package, new one, and the modules that moved there
    ("opt_istn.runs", "opt_istn.runs.fleet", "clusters executors remote shards status"),
    ("opt_istn.runs", "opt_istn.runs.nursery", "child messages processes supervisor worker"),
    ("opt_istn.runs", "opt_istn.evidence", "bundle certificates certify referee reprove"),
    ("opt_istn.runs", "opt_istn.evidence", "sources studies verify"),
    ("opt_istn.report", "opt_istn.report.page", "html sketches"),
    ("formulations.jutap", "formulations.jutap.mip", "arc_flow cpsat cycles flow scip"),
    ("formulations.jutap", "formulations.jutap.passes", "levels multipliers potentials ranges"),
    ("formulations.jutap", "formulations.jutap.passes", "search"),
    ("opt_istn", "opt_istn.files", "dialects hashing placing sheets"),
    ("opt_istn.jutap", "opt_istn.jutap.world", "parameters measured"),
    ("opt_istn.jutap", "opt_istn.jutap.flights", "observation table"),
    ("opt_istn.cli", "opt_istn.cli.terminal", "ending output speaking streams"),
    ("opt_istn.report", "opt_istn.report.numbers", "aggregates intervals profiles statistics"),
    ("formulations.push.mip", "formulations.push.proof", "prove tree leaves relaxation written"),
    ("learners.push", "learners.push.stage", "batch draws view scene env"),
    ("learners.push", "learners.push.networks", "nets attention vision backbone"),
)
_MOVED = {f"{old}.{name}": f"{new}.{name}" for old, new, names in _ROOMS for name in names.split()}
CORE = {
    "opt_istn.audit": "opt_istn.runs.audit",
    "opt_istn.child": "opt_istn.runs.nursery.child",
    "opt_istn.environment": "opt_istn.runs.environment",
    "opt_istn.harness": "opt_istn.runs.compare",
    "opt_istn.judge": "opt_istn.runs.judge",
    "opt_istn.record": "opt_istn.runs.ledger",
    "opt_istn.supervisor": "opt_istn.runs.nursery.supervisor",
    "opt_istn.verify": "opt_istn.evidence.verify",
    "opt_istn.worker": "opt_istn.runs.nursery.worker",
    "opt_istn.push.births": "opt_istn.push.world.births",
    "opt_istn.push.constellation": "opt_istn.push.world.constellation",
    "opt_istn.push.delivery": "opt_istn.push.world.delivery",
    "opt_istn.push.demand": "opt_istn.push.world.demand",
    "opt_istn.push.draw": "opt_istn.push.world.draw",
    "opt_istn.push.hypatia": "opt_istn.push.world.hypatia",
    "opt_istn.push.law": "opt_istn.push.world.law",
    "opt_istn.push.parameters": "opt_istn.push.world.parameters",
    "opt_istn.push.storage": "opt_istn.push.world.storage",
    "opt_istn.push.tle": "opt_istn.push.world.tle",
    "opt_istn.push.users": "opt_istn.push.world.users",
    "opt_istn.push.testing": "opt_istn.push.random",
    "opt_istn.report.canvas": "opt_istn.pictures.canvas",
    "opt_istn.report.figures": "opt_istn.pictures.draw",
    "opt_istn.report.maps": "opt_istn.pictures.jutap.maps",
    "opt_istn.report.raster": "opt_istn.pictures.jutap.raster",
    "opt_istn.report.push_caches": "opt_istn.pictures.push.caches",
    "opt_istn.report.push_figures": "opt_istn.pictures.push.views",
    "opt_istn.report.push_map": "opt_istn.pictures.push.constellation",
    "opt_istn.report.push_replay": "opt_istn.pictures.push.replay",
    "opt_istn.report.push_world": "opt_istn.pictures.push.world",
    **{old: new for old, new in _MOVED.items() if old.startswith("opt_istn.")},
}
_SOLVERS = "formulations.push"
FORMULATIONS = {
    f"{_SOLVERS}.policies": "opt_istn.push.policies",
    f"{_SOLVERS}.cpsat": f"{_SOLVERS}.mip.cpsat",
    f"{_SOLVERS}.highs": f"{_SOLVERS}.mip.highs",
    f"{_SOLVERS}.interval": f"{_SOLVERS}.mip.interval",
    f"{_SOLVERS}.intervals": f"{_SOLVERS}.mip.intervals",
    f"{_SOLVERS}.literal": f"{_SOLVERS}.mip.literal",
    f"{_SOLVERS}.matrix": f"{_SOLVERS}.mip.matrix",
    f"{_SOLVERS}.modelling": f"{_SOLVERS}.mip.modelling",
    f"{_SOLVERS}.lp": f"{_SOLVERS}.mip.lp",
    f"{_SOLVERS}.dense": f"{_SOLVERS}.labels.dense",
    f"{_SOLVERS}.diagram": f"{_SOLVERS}.labels.diagram",
    f"{_SOLVERS}.profile": f"{_SOLVERS}.labels.profile",
    f"{_SOLVERS}.tuples": f"{_SOLVERS}.labels.tuples",
    f"{_SOLVERS}.heuristics": f"{_SOLVERS}.online.heuristics",
    f"{_SOLVERS}.rolling": f"{_SOLVERS}.online.rolling",
    f"{_SOLVERS}.futures": f"{_SOLVERS}.online.futures",
    **{old: new for old, new in _MOVED.items() if old.startswith("formulations.")},
}

LEARNERS = {
    "learners.attention": "learners.push.networks.attention",
    "learners.backbone": "learners.push.networks.backbone",
    "learners.counterfactual": "learners.push.counterfactual",
    "learners.dqn": "learners.jutap.dqn",
    "learners.dqn_run": "learners.jutap.dqn",
    "learners.envs.jutap": "learners.jutap.env",
    "learners.envs.push": "learners.push.stage.env",
    "learners.image_features": "learners.images.features",
    "learners.image_folders": "learners.images.folders",
    "learners.image_training": "learners.images.training",
    "learners.maac": "learners.push.maac",
    "learners.mappo": "learners.push.mappo",
    "learners.mobilenet": "learners.images.mobilenet",
    "learners.pictures": "learners.jutap.pictures",
    "learners.push_batch": "learners.push.stage.batch",
    "learners.push_nets": "learners.push.networks.nets",
    "learners.push_scene": "learners.push.stage.scene",
    "learners.push.episodes": "learners.push.stage.scene",
    "learners.qlearning": "learners.jutap.qlearning",
    "learners.starts": "opt_istn.jutap.starts",
    "learners.jutap.starts": "opt_istn.jutap.starts",
    **{old: new for old, new in _MOVED.items() if old.startswith("learners.")},
}
_RENAMED = {  # names that are called otherwise at the new place, or are at another one
    "learners.dqn": {"Training": "learners.jutap.dqn.Dqn"},
    "learners.dqn_run": {"Settings": "learners.jutap.dqn.Dqn"},
    "learners.image_training": {"Training": "learners.images.training.Schedule"},
    "learners.qlearning": {
        "Training": "learners.jutap.qlearning.QLearning",
        "ValueIteration": "formulations.jutap.value_iteration.ValueIteration",
    },
    "learners.starts": {"value_iteration": "opt_istn.jutap.flights.table.value_iteration"},
}


class _Moved:  # importlib.abc would cost every start of the command line 90 imports
    """Find and load modules by their old names.

    Parameters
    ----------
    places
        New dotted name by old one.
    """

    def __init__(self, places: Mapping[str, str]) -> None:
        self.places = dict(places)

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        """Return a spec for an old name, None for any other."""
        return ModuleSpec(fullname, cast("Any", self)) if fullname in self.places else None

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave it to importlib to create a module."""

    def exec_module(self, module: ModuleType) -> None:
        """Put the module at its new place into `sys.modules` under the old name, too."""
        old = module.__name__
        new = self.places[old]
        warnings.warn(self._told(old), DeprecationWarning, stacklevel=2)  # importlib's don't count
        sys.modules[old] = found = import_module(new)
        for name, now in _RENAMED.get(old, {}).items():
            place, _, called = now.rpartition(".")
            setattr(found, name, getattr(import_module(place), called))

    def get_code(self, fullname: str) -> CodeType:
        """Return what ``python -m`` runs under an old name: the module at its new place."""
        lines = (
            "import runpy, warnings",
            f"warnings.warn({self._told(fullname)!r}, DeprecationWarning)",
            f"runpy.run_module({self.places[fullname]!r}, run_name='__main__', alter_sys=True)",
        )
        return compile("\n".join(lines), fullname, "exec")

    def _told(self, old: str) -> str:
        return f"{old} is {self.places[old]} now; the old name goes with the next release"


_FINDER = _Moved({})


def serve(places: Mapping[str, str]) -> None:
    """Let the old names of `places` be imported from now on."""
    _FINDER.places.update(places)
    if _FINDER not in sys.meta_path:
        sys.meta_path.append(_FINDER)
