"""Every installed JUTAP solver passes the public conformance kit."""

import pytest

from opt_istn import InputError, registry
from opt_istn.testing import check_solver


def plain(name: str) -> bool:
    """Return whether a solver can be made as it is; agents need an agent file, of one map."""
    try:
        registry.make(name, "jutap", {})
    except InputError as error:
        return error.field not in ("agent", "module")
    return True


NAMES = [name for name in registry.names() if name.startswith("jutap.")]


@pytest.mark.parametrize("name", [name for name in NAMES if plain(name)])
def test_solver_conforms(name: str) -> None:
    """The solver keeps every rule of the kit on a varied family of small instances."""
    assert check_solver(registry.make(name, "jutap", {}), "jutap", seed=1, count=66) >= 50


def test_only_agents_are_left_out() -> None:
    """The solvers that cannot be made without a parameter are those that fly an agent's file."""
    agents = ("dqn", "qlearning", "valuenet", "sb3", "onnx", "policy")
    assert {name for name in NAMES if not plain(name)} == {f"jutap.{name}" for name in agents}
