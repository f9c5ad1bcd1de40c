"""Old import paths: they work for one release, with a `DeprecationWarning` that names the new one.

To end them, delete this file and what imports it.
"""

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType
from typing import Any

MOVED = {
    "learners.attention": "learners.push.attention",
    "learners.backbone": "learners.push.backbone",
    "learners.counterfactual": "learners.push.counterfactual",
    "learners.dqn": "learners.jutap.dqn",
    "learners.dqn_run": "learners.jutap.dqn",
    "learners.envs": "learners",
    "learners.envs.jutap": "learners.jutap.env",
    "learners.envs.push": "learners.push.env",
    "learners.image_features": "learners.images.features",
    "learners.image_folders": "learners.images.folders",
    "learners.image_training": "learners.images.training",
    "learners.maac": "learners.push.maac",
    "learners.mappo": "learners.push.mappo",
    "learners.mobilenet": "learners.images.mobilenet",
    "learners.pictures": "learners.jutap.pictures",
    "learners.push_batch": "learners.push.batch",
    "learners.push_nets": "learners.push.nets",
    "learners.push_scene": "learners.push.scene",
    "learners.qlearning": "learners.jutap.qlearning",
    "learners.starts": "learners.jutap.starts",
}
# Names that are no longer where their module went: where they are, and what they are called now.
_NAMES = {
    ("learners.dqn", "Training"): ("learners.jutap.dqn", "Dqn"),
    ("learners.dqn_run", "Settings"): ("learners.jutap.dqn", "Dqn"),
    ("learners.image_training", "Training"): ("learners.images.training", "Schedule"),
    ("learners.qlearning", "Training"): ("learners.jutap.qlearning", "QLearning"),
    ("learners.qlearning", "ValueIteration"): (
        "formulations.jutap.value_iteration",
        "ValueIteration",
    ),
}
_TABLE = ("learners.envs.jutap", "learners.starts")  # whose contents went to the table in part


class _Forward(MetaPathFinder, Loader):
    """Finds modules under their old names; what is asked of them is looked up in the new ones."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a module that has moved."""
        del path, target
        return ModuleSpec(name, self, is_package=name == "learners.envs") if name in MOVED else None

    def exec_module(self, module: ModuleType) -> None:
        """Tell where the module went, and look its names up there."""
        old, new = module.__name__, MOVED[module.__name__]
        warnings.warn(f"{old} is now {new}", DeprecationWarning, stacklevel=2)

        def look_up(name: str) -> Any:
            if name.startswith("__"):
                raise AttributeError(name)
            place, now = _NAMES.get((old, name), (new, name))
            found = import_module(place)
            if not hasattr(found, now) and old in _TABLE:
                found = import_module("opt_istn.jutap.table")
            return getattr(found, now)

        module.__dict__["__getattr__"] = look_up

    def get_code(self, name: str) -> CodeType:
        """Return what ``python -m`` runs."""
        told = f"{name} is now {MOVED[name]}"
        text = f"import warnings\nwarnings.warn({told!r}, DeprecationWarning, stacklevel=1)\n"
        text += f"from {MOVED[name]} import main\nraise SystemExit(main())\n"
        return compile(text, name, "exec")


def forward() -> None:
    """Make the old names known."""
    if not any(isinstance(finder, _Forward) for finder in sys.meta_path):
        sys.meta_path.append(_Forward())
