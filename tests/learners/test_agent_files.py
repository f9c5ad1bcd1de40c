"""Agent files: what is wrong in them is said of the field, in words that name no library."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from learners import agent
from opt_istn import InputError


@dataclass(frozen=True)
class Widths:
    """Sizes of a network."""

    hidden: int
    layers: list[int]


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"hidden": "x", "layers": []}, "a.pt: state.sizes.hidden: Expected int, got str"),
        ({"hidden": 1, "layers": [2, None]}, "a.pt: state.sizes.layers[1]: Expected int, got null"),
        ({"hidden": 1}, "a.pt: state.sizes: Object missing required field layers"),
        (7, "a.pt: state.sizes: Expected object, got int"),
    ],
)
def test_a_wrong_size_names_its_field(found: object, said: str) -> None:
    with pytest.raises(InputError) as raised:
        agent.sizes(Widths, found, {}, "state.sizes", Path("a.pt"))
    assert str(raised.value) == said
