"""A layout of observations means for ever what it meant: its numbers are pinned by their hash."""

import hashlib
from typing import Any

import numpy as np
import pytest

from opt_istn import InputError, generate
from opt_istn.jutap.flights.observation import LAYOUTS, layout_of
from opt_istn.jutap.flights.table import strongest, table_of

PINNED = {  # of the columns of every state of a map, in ten-thousandths; a change needs a new name
    "jutap.raw.1": "cf9f256b51b5c1fe",
    "jutap.raw+spent.1": "b42487bbd4b55074",
    "jutap.fourier.1": "e39a86f57e7fb4db",
    "jutap.fourier+spent.1": "845d573d7f19de72",
    "jutap.onehot.1": "0f5d1a1862bf102b",
    "jutap.onehot+spent.1": "f82f3f047490c6b2",
}


def test_no_layout_changes_its_meaning() -> None:
    """Whoever changes a column, or their order, has to give it another version."""
    instance: Any = generate("jutap-tiny", seed=0, kappa="1.25")
    table = table_of(strongest(instance))
    found = {}
    for name, layout in LAYOUTS.items():
        scaled = np.rint(layout.of(table).astype(float) * 1e4).astype(np.int64)
        found[name] = hashlib.sha256(scaled.tobytes()).hexdigest()[:16]
    assert found == PINNED


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_name_leads_to_its_layout(name: str) -> None:
    """A file's word and its user's word are one; two different ones are refused."""
    assert layout_of(name, "", "a").name == layout_of(None, name, "a").name == name
    assert layout_of(name, name, "a").name == name
    with pytest.raises(InputError, match="as the file says"):
        layout_of(name, "jutap.raw.9", "a")
