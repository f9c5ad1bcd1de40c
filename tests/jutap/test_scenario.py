"""From parameters and a seed to an instance."""

from dataclasses import fields, replace
from typing import Any

import msgspec
import numpy as np
import pytest

from opt_istn.files import InputError
from opt_istn.jutap.instance import GEO, from_bytes
from opt_istn.jutap.scenario import KAPPAS, PRESETS, Scenario, from_parameters, generate
from opt_istn.jutap.world.measured import FILES


def test_same_seed_same_instance() -> None:
    """A preset and a seed determine the instance; another seed gives another one."""
    hashes = [generate(PRESETS["jutap-paper"], seed).sha256 for seed in (3, 3, 4)]
    assert hashes[0] == hashes[1] != hashes[2]


def test_paper_map_statistics() -> None:
    """Over 30 maps about 12.6 % of the cells are holes, the median best SINR is about 4 dB."""
    facts = [generate(PRESETS["jutap-paper"], seed).scenario for seed in range(30)]
    holes = [fact["hole_share"] for fact in facts]
    assert np.mean(holes) == pytest.approx(0.126, abs=0.01)
    assert 0.06 < min(holes) < max(holes) < 0.20
    assert np.mean([fact["median_best_sinr_db"] for fact in facts]) == pytest.approx(3.95, abs=0.25)


@pytest.mark.parametrize(
    ("changed", "share"),
    [
        ({"load": 0.5}, 0.008),
        ({"load": 0.25}, 0.0),
        ({"mbs_floor_dbi": -20.0}, 0.143),
        ({"mbs_floor_dbi": -10.0}, 0.236),
        ({"mbs_columns": 1}, 0.229),
    ],
)
def test_what_holes_depend_on(changed: dict[str, Any], share: float) -> None:
    """Interference and the array's nulls make the holes: shares known from other seeds."""
    scenario = replace(PRESETS["jutap-paper"], **changed)
    holes = [generate(scenario, seed).scenario["hole_share"] for seed in range(30)]
    assert np.mean(holes) == pytest.approx(share, abs=0.01)


def test_file_keeps_the_instance() -> None:
    """What is generated survives its file format, with every parameter it was drawn from."""
    made = generate(PRESETS["jutap-paper-k1.05"], 2, "kept")
    again = from_bytes(msgspec.json.encode(made.document()))
    assert again.sha256 == made.sha256
    assert again.scenario == made.scenario
    assert {item.name for item in fields(Scenario)} - set(FILES) < set(again.scenario)


def test_share_beyond_the_model() -> None:
    """The recorded share is that of cell-station pairs beyond 4 km (urban) or 10 km (rural)."""
    made = generate(replace(PRESETS["jutap-city"], grid=50, cell_m=300.0, num_mbs=8), 0)
    xy = np.array(made.scenario["mbs_xy_m"])
    reach = np.where(np.array(made.scenario["mbs_height_m"]) == 35, 10_000, 4_000)
    row, column = np.divmod(np.arange(2500), 50)
    cells = (np.stack([column, row], axis=1) + 0.5) * 300.0
    far = np.hypot(*(cells[:, None] - xy).transpose(2, 0, 1)) > reach
    assert 0.1 < far.mean() < 0.9
    assert made.scenario["extrapolated_share"] == pytest.approx(far.mean(), abs=1e-4)


def test_city_holes() -> None:
    """The load of the city keeps its share of holes near the paper's; full load would drown it."""
    city = PRESETS["jutap-city"]
    assert generate(city, 0).scenario["hole_share"] == pytest.approx(0.126, abs=0.03)
    assert generate(replace(city, load=1.0), 0).scenario["hole_share"] > 0.4


def test_at_most_two_stations_qualify() -> None:
    """At beta = -1 dB no cell lists more than two MBSs, because their SINRs exclude each other."""
    for seed in range(5):
        made = generate(PRESETS["jutap-paper-terrestrial"], seed)
        assert np.diff(made.link_ptr).max() <= 2


def test_geo() -> None:
    """With GEO every cell offers it at 3.36 dB; without, or below the threshold, none does."""
    paper = PRESETS["jutap-paper"]
    with_geo = generate(paper, 0)
    assert with_geo.scenario["geo_snr_db"] == pytest.approx(3.36, abs=0.005)
    assert np.count_nonzero(with_geo.link_ids == with_geo.geo) == with_geo.num_cells
    for other in (PRESETS["jutap-paper-terrestrial"], replace(paper, geo_bandwidth_hz=10e6)):
        assert not (generate(other, 0).link_ids == with_geo.geo).any()
    assert generate(PRESETS["jutap-paper-terrestrial"], 0).sha256 == with_geo.without_geo().sha256


def test_weighted_costs() -> None:
    """Each term of problem (4) is weighted and rounded to millionths on its own."""
    cost = generate(PRESETS["jutap-paper"], 0).cost
    assert cost.move == (282843, 400000)
    handover = (cost.mbs_to_mbs, cost.geo_to_mbs, cost.mbs_to_geo, cost.geo_stay)
    assert handover == (200000, 200000, 1000000, 100000)
    assert (cost.hole_to_mbs, cost.hole_to_geo, cost.hole) == (-100000, -100000, 400000)
    assert (
        generate(replace(PRESETS["jutap-paper"], hole_to_geo="handover"), 0).cost.hole_to_geo
        == 1000000
    )


def test_paper_reward() -> None:
    """(6)-(7): w1 straight, w1 / sqrt(2) diagonal, plus w1 times the distance that is left."""
    made = generate(replace(PRESETS["jutap-paper"], reward="paper"), 0)
    assert made.cost.move == (400000, 282843)
    assert made.enter[0] == 400000
    assert made.enter[made.end] == 0
    assert made.enter[25 * 12 + 12] == 200000


def test_energy_and_budgets() -> None:
    """A move costs 1425.1 or 2015.4 J; budgets are kappa times 24 diagonal moves, rounded down."""
    plain = generate(PRESETS["jutap-paper"], 0)
    assert plain.energy_mj == (1425136, 2015446)
    assert plain.energy_budget_mj is None
    for kappa in KAPPAS:
        made = generate(PRESETS[f"jutap-paper-k{kappa:.2f}"], 0)
        assert made.energy_budget_mj == int(kappa * 24 * 2015446)


def test_presets_share_the_density() -> None:
    """City and region keep the paper's 1.11 stations a square kilometre."""
    for name in ("jutap-paper", "jutap-city", "jutap-region"):
        scenario = PRESETS[name]
        area = (scenario.grid * scenario.cell_m / 1000) ** 2
        assert scenario.num_mbs / area == pytest.approx(10 / 9, rel=0.01)


def test_low_flight_draws_line_of_sight() -> None:
    """Below 100 m line of sight is random: the same stations, but links depend on the draws."""
    low = replace(PRESETS["jutap-paper"], altitude_m=60.0)
    assert generate(low, 0).sha256 == generate(low, 0).sha256
    assert generate(low, 0).sha256 != generate(replace(low, sampled_los=False), 0).sha256


def test_start_link_is_terrestrial() -> None:
    """The flight starts with the strongest MBS of START, or in HOLE, never with GEO."""
    for seed in range(20):
        made = generate(PRESETS["jutap-paper"], seed)
        assert made.kind(made.start_link) != GEO
        assert made.start_link == made.strongest[made.start]


def test_progress_reaches_the_end() -> None:
    """Progress is reported in rising shares up to 1."""
    seen: list[float] = []
    many = replace(PRESETS["jutap-paper"], grid=100, num_mbs=150, separation_m=50.0)
    generate(many, 0, progress=seen.append)
    assert seen == sorted(seen)
    assert len(seen) > 10
    assert seen[-1] == 1.0


def test_parameters_from_texts() -> None:
    """``--set`` texts become values of the parameter's type."""
    texts = {"kappa": "1.05", "geo": "false", "grid": "10", "reward": "paper", "start": "none"}
    made = from_parameters(Scenario(), texts)
    expected = Scenario(kappa=1.05, geo=False, grid=10, reward="paper", start=None)
    assert made == expected


@pytest.mark.parametrize(
    ("key", "text", "message"),
    [
        ("kapa", "1", "did you mean 'kappa'"),
        ("grid", "many", "expected int, found 'many'"),
        ("geo", "perhaps", "expected bool, found 'perhaps'"),
        ("kappa", "nan", "expected float > 0.0, found 'nan'"),
        ("kappa", "-1", "expected float > 0.0, found '-1'"),
        ("cell_m", "inf", "expected a finite number"),
        ("w1", "-0.1", "expected float >= 0.0"),
        ("reward", "shaped", "expected one of objective, paper"),
        ("altitude_m", "400", "at most 300 m"),
        ("grid", "0", "expected int >= 1"),
        ("start", "625", "expected a cell 0..624"),
        ("load", "2", "expected float <= 1.0"),
        ("num_mbs", "10001", "expected int <= 10000"),
        ("num_mbs", "0", "expected int >= 1"),
        ("mbs_rows", "0", "expected int >= 1"),
        ("site_lat_deg", "91", "expected float <= 90.0"),
        ("geo_longitude_deg", "100", "expected a satellite above the site's horizon"),
    ],
)
def test_wrong_parameters(key: str, text: str, message: str) -> None:
    """A wrong parameter is refused by name with what was expected."""
    with pytest.raises(InputError, match=message) as caught:
        from_parameters(Scenario(), {key: text})
    assert caught.value.field == key


def test_parameters_may_be_numbers_of_numpy() -> None:
    """A sweep by numpy gives the scenario that Python's numbers give."""
    assert Scenario(kappa=np.float64(1.02), start=np.int64(3)) == Scenario(kappa=1.02, start=3)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="expected float > 0"):
        Scenario(cell_m=np.float64(-1))


def test_negative_seed() -> None:
    """A negative seed is an input error, not a crash of the random generator."""
    with pytest.raises(InputError, match="seed: expected a number >= 0, found -1"):
        generate(Scenario(), -1)


def test_stations_that_do_not_fit() -> None:
    """A separation that leaves no room is an input error that names the parameter."""
    crowded: dict[str, Any] = {"num_mbs": 40, "separation_m": 2000.0}
    with pytest.raises(InputError, match="separation_m: no room for 40 points"):
        generate(replace(Scenario(), **crowded), 0)
