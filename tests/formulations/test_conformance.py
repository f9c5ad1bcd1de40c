"""Every installed JUTAP solver passes the public conformance kit."""

import pytest

from opt_istn import registry
from opt_istn.testing import check_solver


@pytest.mark.parametrize("name", [n for n in registry.names() if n.startswith("jutap.")])
def test_solver_conforms(name: str) -> None:
    """The solver keeps every rule of the kit on a varied family of small instances."""
    supported = check_solver(registry.make(name, "jutap", {}), "jutap", seed=1, count=66)
    assert supported >= 50
