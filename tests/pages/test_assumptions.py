"""docs/assumptions.md: its numbers are those of bench/assumptions.json, and can be had again."""

import json
import re
from itertools import permutations, product

import numpy as np
import pytest

from bench.readings import assumptions, free_order
from bench.readings.assumptions import PAGE, ROWS
from opt_istn.problems import of_preset
from opt_istn.push.evaluate import evaluate
from opt_istn.push.instance import Instance
from opt_istn.push.plan import Plan
from opt_istn.push.random import random_push

NUMBERS = json.loads(assumptions.NUMBERS.read_text())
CHEAP = ("energy", "geo-band", "hole-to-geo")


def test_every_row_is_measured_and_on_the_page() -> None:
    """Rows, measured numbers and places on the page are the same, in the same order."""
    places = re.findall(r"<!-- effect: (\S+) -->", PAGE.read_text())
    assert places == list(ROWS)
    assert list(NUMBERS) == list(ROWS)


@pytest.mark.parametrize("name", ROWS)
def test_tables_are_the_measured_numbers(name: str) -> None:
    """Putting the measured table on the page changes nothing."""
    assert list(NUMBERS[name]) == list(ROWS[name].variants)
    page = PAGE.read_text()
    assert assumptions.with_table(page, name, assumptions.table(NUMBERS[name])) == page


def test_the_presets_of_push_are_those_rows() -> None:
    """docs/push.md prints of its presets what the rows `access` and `links` measured."""
    page = (PAGE.parent / "push.md").read_text()
    single, _, old = NUMBERS["access"].values()
    links = list(NUMBERS["links"].values())[-1]
    for preset, row in (("", old), ("-v2", single), ("-links-v2", links)):
        cells = " | ".join(f"{row[column]:.4g}" for column in assumptions.DELIVERY)
        assert f"| `push-paper{preset}` | {cells} |" in page


@pytest.mark.parametrize("name", CHEAP)
def test_numbers_can_be_had_again(name: str) -> None:
    """Measuring a row again gives the same numbers."""
    assert assumptions.measured(name) == NUMBERS[name]


@pytest.mark.parametrize("name", ROWS)
def test_variants_are_parameters(name: str) -> None:
    """Every variant is a scenario that `generate` takes, and differs from the first one."""
    row = ROWS[name]
    made = list(assumptions.scenarios(name).values())
    assert made[0] == of_preset(row.preset).scenario(row.preset, {})
    assert len({json.dumps(vars(scenario), sort_keys=True) for scenario in made}) == len(made)


def test_unknown_rows_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    """A row that does not exist is refused in one line, exit code 2."""
    with pytest.raises(SystemExit, match="2"):
        assumptions.main(["carier"])
    assert "found carier" in capsys.readouterr().err


def _least_us(instance: Instance, user: int) -> int:
    """Return the least delay of a user over all pushes and all orders inside slots."""
    slots, never = range(instance.num_slots), instance.num_slots
    rows = instance.requests[instance.requests[:, 0] == user]
    miss = {
        (int(f), int(t)): min(int(d) for d in delays if d >= 0)
        for _, f, t, *delays in rows.tolist()
    }
    choices = [
        [s for s in slots if s >= instance.release[f] and instance.link_up[user, s]] + [never]
        if instance.roi[user, f]
        else [never]
        for f in range(instance.num_contents)
    ]
    return min(
        _replay_us(miss, [[f for f, s in enumerate(plan) if s == t] for t in slots], user, instance)
        for plan in product(*choices)
    )


def _replay_us(
    miss: dict[tuple[int, int], int], pushes: list[list[int]], user: int, x: Instance
) -> int:
    """Return the least delay over the orders in which each slot's pushes may enter."""
    caches = {(): 0}
    for t, pushed in enumerate(pushes):
        after: dict[tuple[int, ...], int] = {}
        for cache, cost in caches.items():
            for order in permutations(pushed):
                kept = (*cache, *order)[-int(x.cache_size[user]) :]
                paid = cost + sum(
                    us for (f, slot), us in miss.items() if slot == t and f not in kept
                )
                after[kept] = min(paid, after.get(kept, paid))
        caches = after
    return min(caches.values())


@pytest.mark.parametrize("seed", range(12))
def test_free_order_is_exact(seed: int) -> None:
    """The optimum with a free order is that of trying all pushes in all orders."""
    rng = np.random.default_rng(seed)
    x = random_push(rng, num_users=1, num_contents=4, num_slots=3, freshness=0.5)
    assert free_order.optimum_us(x) == _least_us(x, 0)


def test_free_order_is_no_worse() -> None:
    """No plan of the problem itself costs less than the optimum with a free order."""
    x = random_push(np.random.default_rng(3))
    assert free_order.optimum_us(x) <= evaluate(x, Plan(x.sha256, ())).cost
