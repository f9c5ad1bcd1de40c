"""Agent files and checkpoints from strangers: whatever is wrong is named by its field."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

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


@pytest.mark.parametrize("state", [None, 3, [1]])
def test_a_checkpoint_without_a_state_is_named(tmp_path: Path, state: Any) -> None:
    """A checkpoint whose state is missing, or none, is refused by that field."""
    out = tmp_path / "a.pt"
    agent.save_checkpoint(out, {"seed": 0}, {"x": 1})
    assert agent.load_checkpoint(out, {"seed": 0}) == {"x": 1}
    path = agent.checkpoint_of(out)
    document = torch.load(path, weights_only=True)
    del document["state"]
    torch.save(document if state is None else document | {"state": state}, path)
    with pytest.raises(InputError, match="checkpoint: state: expected the state"):
        agent.load_checkpoint(out, {"seed": 0})


@pytest.mark.parametrize("kind", ["sparse", "nan", "infinite"])
def test_tensors_that_no_network_has_are_named(kind: str) -> None:
    """Sparse, undefined and infinite weights are refused by name."""
    module = torch.nn.Linear(2, 2)
    state = dict(module.state_dict())
    wrong = {"nan": state["weight"] * torch.nan, "infinite": state["weight"] / 0}
    state["weight"] = wrong.get(kind, state["weight"].to_sparse())
    with pytest.raises(InputError, match=r"a\.pt: state\.weight: expected (finite|a dense)"):
        agent.load_state(module, state, "a.pt")
