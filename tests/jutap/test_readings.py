"""The readings of the paper that are parameters, and the final presets."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from formulations.jutap.labels import Labels
from opt_istn import Budget, InputError
from opt_istn.jutap.evaluate import Evaluation, evaluate
from opt_istn.jutap.instance import Battery, Cost, HoleBonus, Instance
from opt_istn.jutap.plan import Plan
from opt_istn.jutap.scenario import PRESETS, generate
from opt_istn.physics.propulsion import energy_j
from opt_istn.physics.radio import Downlink, Stations, received_dbm, sectors_over_facing, sinr_db

HOLE, GEO = 1, 2
PAPER = PRESETS["jutap-paper-v2"]


def lane(bonus: HoleBonus, to_geo: int = -5) -> Instance:
    """Return a lane of seven cells in a 7 x 7 grid: MBS 0 and HOLE in turn, GEO in the holes."""
    rows = [[0] if cell % 2 == 0 else [HOLE, GEO] for cell in range(7)] + [[]] * 42
    return Instance(
        name="lane",
        grid=7,
        num_mbs=1,
        start=0,
        end=6,
        start_link=0,
        link_ptr=np.cumsum([0, *map(len, rows)]),
        link_ids=np.array([link for row in rows for link in row]),
        strongest=np.array([0 if row == [0] else HOLE for row in rows]),
        cost=Cost((1000, 1000), 20, 21, 100, 11, -10, to_geo, 40, hole_bonus=bonus),
        energy_mj=(10, 10),
        energy_budget_mj=None,
        cell_m=1.0,
    )


def flown(instance: Instance, *links: int) -> Evaluation:
    cells = tuple(range(len(links)))
    return evaluate(instance, Plan(instance.sha256, cells, links))


def test_a_bonus_counts_each_time_or_once() -> None:
    """Three holes left for an MBS pay three times as printed, and the first of them only once."""
    walk = (0, HOLE, 0, HOLE, 0, HOLE, 0)
    assert flown(lane("printed"), *walk).cost == 6 * 1000 + 3 * 40 - 3 * 10
    assert flown(lane("once"), *walk).cost == 6 * 1000 + 3 * 40 - 10
    assert flown(lane("once"), *walk).handover == -10 / 20


def test_only_a_gain_uses_the_bonus_up() -> None:
    """A hole left for GEO at a price leaves the bonus for the next; left at a gain, it does not."""
    doc = lane("once").document()["links"]
    doc[2] = [0, GEO]
    rows = [np.array(row, dtype=np.int64) for row in doc]
    changes = {"link_ptr": np.cumsum([0, *map(len, rows)]), "link_ids": np.concatenate(rows)}
    walk = (0, HOLE, GEO, HOLE, 0, GEO, 0)
    rest = 6 * 1000 + 2 * 40 + 100 + 21
    assert flown(replace(lane("once", to_geo=7), **changes), *walk).cost == rest + 7 - 10
    assert flown(replace(lane("once", to_geo=-5), **changes), *walk).cost == rest - 5
    assert flown(replace(lane("printed", to_geo=-5), **changes), *walk).cost == rest - 5 - 10


def test_once_without_a_gain_is_printed() -> None:
    """Where leaving a hole never pays, counting once changes no cost and doubles no state."""
    made = generate(replace(PAPER, eta_reconnect=0.25, hole_bonus="once"), 0)
    printed = generate(replace(PAPER, eta_reconnect=0.25), 0)
    assert not made.layered
    assert len(made.states[1]) == len(made.usable[1])
    assert Labels().solve(made, Budget()).cost == Labels().solve(printed, Budget()).cost


def test_readings_are_ordered() -> None:
    """The optimum is cheapest where every hole pays, then where one does, then where none does."""
    for seed in range(3):
        made = [generate(replace(PAPER, hole_bonus=x), seed) for x in ("printed", "once", "none")]
        costs = [Labels().solve(x, Budget()).cost or 0 for x in made]
        assert costs == sorted(costs)
        assert costs[2] - costs[1] <= 100_000  # one bonus, w2 / 2


@pytest.mark.parametrize(
    ("changed", "costs"),
    [
        ({}, (200_000, 200_000, 1_000_000, 100_000, -100_000, -100_000)),
        ({"hole_bonus": "none"}, (200_000, 200_000, 1_000_000, 100_000, 0, 0)),
        ({"hole_to_geo": "handover"}, (200_000, 200_000, 1_000_000, 100_000, -100_000, 1_000_000)),
        (
            {"hole_to_geo": "handover", "hole_bonus": "none", "eta_mbs_to_geo": 3.0},
            (200_000, 200_000, 600_000, 100_000, 0, 600_000),
        ),
        (
            {
                "eta_mbs_to_mbs": 2.0,
                "eta_geo_to_mbs": 3.0,
                "eta_geo_stay": 0.25,
                "eta_reconnect": -1.5,
                "hole_bonus": "once",
            },
            (400_000, 600_000, 1_000_000, 50_000, -300_000, -300_000),
        ),
    ],
)
def test_every_eta_is_a_parameter(changed: dict[str, Any], costs: tuple[int, ...]) -> None:
    """w2 times every eta, in millionths; which of them leaving HOLE is depends on the readings."""
    c = generate(replace(PAPER, **changed), 0).cost
    found = (c.mbs_to_mbs, c.geo_to_mbs, c.mbs_to_geo, c.geo_stay, c.hole_to_mbs, c.hole_to_geo)
    assert found == costs
    assert c.hole_bonus == ("once" if changed.get("hole_bonus") == "once" else "printed")


def test_a_battery_leaves_what_the_paper_prints() -> None:
    """E_A = E_C - E_S - 2 E(v, h_UAV) in millijoules; the parts are in the instance."""
    made = generate(PAPER, 0)
    climb = float(energy_j(30.0, 150.0))
    assert 2 * climb == pytest.approx(3562.84, abs=0.005)
    assert made.energy_budget_mj == int(1000 * (321_000 - 64_200 - 2 * climb))
    battery = made.battery
    assert isinstance(battery, Battery)
    left = battery.capacity_mj - battery.reserve_mj - battery.vertical_mj
    assert left == made.energy_budget_mj


def test_kappa_and_battery_the_smaller_counts() -> None:
    """With both, the budget is the smaller one; so the kappa presets need no second version."""
    for kappa in (1.02, 1.25):
        one = generate(replace(PAPER, kappa=kappa), 1)
        assert one.sha256 == generate(PRESETS[f"jutap-paper-k{kappa:.2f}"], 1).sha256
    assert generate(replace(PAPER, kappa=9.0), 1).sha256 == generate(PAPER, 1).sha256


def test_a_battery_has_to_lift_the_uav() -> None:
    """A battery that does not last for reserve, climb and descent is refused."""
    with pytest.raises(InputError, match=r"battery_j: expected at least 67762.84 J"):
        generate(replace(PAPER, battery_j=67_762.0), 0)


@pytest.mark.parametrize("name", ["jutap-paper", "jutap-paper-terrestrial"])
def test_version_two_differs_by_its_budget(name: str) -> None:
    """The final presets are the old ones with the paper's budget, which never binds."""
    for seed in range(10):
        old, new = generate(PRESETS[name], seed), generate(PRESETS[f"{name}-v2"], seed)
        assert replace(new, energy_budget_mj=None).sha256 == old.sha256
        solved = Labels().solve(new, Budget())
        assert solved.cost == Labels().solve(old, Budget()).cost
        assert isinstance(solved.plan, Plan)
        assert 4 * (evaluate(new, solved.plan).energy_mj or 0) < (new.energy_budget_mj or 0)


def test_an_instance_says_what_generated_it() -> None:
    """The origin names the preset and the seed; with changed parameters there is no preset."""
    made, changed = generate(PAPER, 3), generate(replace(PAPER, w1=0.3), 3)
    assert made.origin is not None
    assert (made.origin.preset, made.origin.seed) == ("jutap-paper-v2", 3)
    assert changed.origin is not None
    assert (changed.origin.preset, changed.origin.seed) == (None, 3)


def test_all_sectors_interfere() -> None:
    """Against a sum over the three sectors written out, the serving one left out of it."""
    rng = np.random.default_rng(5)
    stations = Stations(rng.uniform(0, 3000, (4, 2)), np.arange(4) % 2 == 0, rng.uniform(0, 360, 4))
    cells, link = rng.uniform(0, 3000, (50, 2)), Downlink(interference="all")
    facing = received_dbm(stations, cells, link, rng)
    sectors = sectors_over_facing(stations, cells, link)
    assert (sectors >= 1).all()
    turned = [replace(stations, boresight_deg=stations.boresight_deg + 120 * k) for k in range(3)]
    for other in turned:  # which sector is called the first makes no difference
        assert sectors_over_facing(other, cells, link) == pytest.approx(sectors)
    power = 10 ** (facing / 10)
    for cell in range(50):
        for b in range(4):
            others = sum(power[cell, k] * sectors[cell, k] for k in range(4)) - power[cell, b]
            expected = 10 * np.log10(power[cell, b] / (others + link.noise_mw))
            assert sinr_db(facing, link, sectors)[cell, b] == pytest.approx(expected)


def test_sectors_and_holes() -> None:
    """Shares of holes of seeds 0-2, by the facing sectors and by all 30."""
    shares = [
        [generate(replace(PAPER, interference=x), seed).scenario["hole_share"] for seed in range(3)]
        for x in ("facing", "all")
    ]
    assert shares == [[0.1616, 0.1232, 0.1152], [0.2112, 0.1568, 0.1664]]


def test_a_wide_beam_band_loses_geo() -> None:
    """At 1 MHz GEO falls below beta, and the map is the terrestrial one."""
    wide = generate(replace(PAPER, geo_bandwidth_hz=1e6), 0)
    assert wide.scenario["geo_snr_db"] == pytest.approx(-4.09, abs=0.005)
    assert wide.sha256 == generate(PRESETS["jutap-paper-terrestrial-v2"], 0).sha256
