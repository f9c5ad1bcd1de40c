"""A preset and a seed are one problem for ever, whatever numpy and scipy are installed.

Needs nothing but the core: `make identity` runs it with the lowest and the newest numpy and scipy.
"""

import pytest

from opt_istn import problems
from tests.identity.hashes import SEEDS, cases, golden, made

CASES = [
    pytest.param(preset, seed, marks=pytest.mark.slow if slow else ())
    for preset, seed, slow in cases()
]


@pytest.mark.parametrize(("preset", "seed"), CASES)
def test_presets_keep_their_hashes(preset: str, seed: int) -> None:
    """The instance of a preset and a seed has the hash that was committed for it."""
    expected = golden()[preset][seed]
    assert made(preset, seed) == expected, f"changed preset {preset}: bump its version"


def test_every_preset_has_golden_hashes() -> None:
    """Every preset has a hash for each seed, and no preset has disappeared."""
    known = golden()
    presets = {name for problem in problems.every() for name in problem.presets()}
    assert presets == set(known), "python tests/identity/hashes.py adds those of new presets"
    assert {len(hashes) for hashes in known.values()} == {len(SEEDS)}
