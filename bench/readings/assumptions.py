"""`python -m bench.readings.assumptions [ROW...]`: the effects in numbers of `docs/assumptions.md`.

A row is a place where a paper is silent or contradicts itself; its variants are the reading that
the presets take (``{}``) and others, as parameters for ``--set``. The command measures the named
rows (all by default), keeps the numbers in `bench/assumptions.json` and writes each table into the
page between its two comments. All rows take about ten minutes on one core.
"""

import argparse
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.readings import effects
from bench.readings.effects import Numbers
from opt_istn import files
from opt_istn.problems import of_preset

HERE = Path(__file__).parents[1]
NUMBERS = HERE / "assumptions.json"
PAGE = HERE.parent / "docs" / "assumptions.md"
PUSH, JUTAP = "push-paper-v2", "jutap-paper-v2"
Overrides = Mapping[str, str]
DELIVERY = ("miss, s", "access %", "collab. %", "ground %")
BEST = (*DELIVERY, "optimum, s", "hit ratio")
FLIGHT = ("cost", "length, m", "handover", "holes", "GEO cells")


@dataclass(frozen=True)
class Row:
    """One open point of a paper.

    Parameters
    ----------
    preset
        Whose readings hold in everything else.
    columns
        Which of the measured numbers the page shows.
    variants
        Parameters by their names on the page; the first is the reading that is taken.
    measure
        Of `bench.readings.effects`.
    """

    preset: str
    columns: tuple[str, ...]
    variants: Mapping[str, Overrides]
    measure: Callable[[Any], Numbers]


def _over(key: str, *values: object, **more: str) -> dict[str, Overrides]:
    """Return a variant for each value of one parameter."""
    return {f"`{key}={value}`": {key: str(value), **more} for value in values}


ROWS: dict[str, Row] = {
    "carrier": Row(
        PUSH,
        DELIVERY,
        _over("frequency_hz", "20e9", "12e9", "60e9") | _over("max_bps_hz", 8),
        effects.delivery,
    ),
    "distance": Row(PUSH, DELIVERY, _over("slant", "altitude", "geometric"), effects.delivery),
    "rain": Row(
        PUSH,
        DELIVERY,
        _over("rain", "constant", "rainy", "beijing-20ghz") | _over("rain_mean_db", 0),
        effects.delivery,
    ),
    "slots": Row(
        PUSH,
        ("requests", *BEST),
        {
            "18 slots of 10 s": {},
            "`num_slots=180`, `slot_s=1`": {"num_slots": "180", "slot_s": "1"},
        },
        effects.pushes,
    ),
    "ground": Row(PUSH, DELIVERY, _over("ground_s", "1.0", "2.0", "1000"), effects.delivery),
    "clusters": Row(
        PUSH, ("clusters", *DELIVERY), _over("num_clusters", 15, 5, 60), effects.delivery
    ),
    "satellites": Row(
        PUSH,
        DELIVERY,
        {
            "300 + 650 satellites, 3 contents each": {},
            "`satellite_items=1`": {"satellite_items": "1"},
            "`satellite_items=10`": {"satellite_items": "10"},
            "60 + 70 satellites": {
                "remote_planes": "10",
                "remote_per_plane": "6",
                "remote_phasing": "1",
                "comm_planes": "7",
                "comm_per_plane": "10",
            },
        },
        effects.delivery,
    ),
    "shells": Row(
        PUSH,
        DELIVERY,
        {
            "as said": {},
            **_over("cross_links", 4),
            **_over("remote_mask_deg", 25),
            "`remote_raan_span_deg=360`, `remote_phasing=4`": {
                "remote_raan_span_deg": "360",
                "remote_phasing": "4",
            },
        },
        effects.delivery,
    ),
    "placement": Row(
        PUSH, DELIVERY, _over("placement", "nearest", "origin", "random"), effects.delivery
    ),
    "access": Row(
        PUSH,
        BEST,
        {
            **_over("access", "single", "any"),
            "`push-paper`: any, all payloads": {
                "access": "any",
                "payloads": "all",
                "miss_draws": "1",
                "randomness": "numpy",
            },
        },
        effects.pushes,
    ),
    "payloads": Row(PUSH, BEST, _over("payloads", "visible-sar", "all"), effects.pushes),
    "links": Row(
        PUSH,
        BEST,
        {
            "`link_up_share=1`, `outage=0.02`": {},
            "`outage=0`": {"outage": "0"},
            "`link_up_share=0.8`, `link_down_slots=2`, `outage=0.1`": {
                "link_up_share": "0.8",
                "link_down_slots": "2",
                "outage": "0.1",
            },
        },
        effects.pushes,
    ),
    "demand": Row(
        PUSH,
        ("requests", "miss, s", "optimum, s", "hit ratio", "cut %"),
        {
            "freshness 0.85, lag 1, bursts": {},
            "`push-paper-flat-v2`'s": {"freshness": "0.7", "lag_slots": "0", "burst": "0"},
            "`beta=0`: no preferences": {"beta": "0"},
            "`beta=3`": {"beta": "3"},
            "`image_share=0`": {"image_share": "0"},
            "`roi_fraction=1`": {"roi_fraction": "1"},
        },
        effects.pushes,
    ),
    "law": Row(
        PUSH,
        tuple(f"age {age}, s" for age in effects.AGES),
        _over("miss_draws", 12, 1),
        effects.law,
    ),
    "order": Row(
        PUSH,
        ("optimum, s", "with a free order, s", "less %"),
        {"increasing f, seeds 0 to 2": {}},
        effects.order,
    ),
    "geo-band": Row(
        JUTAP,
        ("GEO SNR, dB", *FLIGHT),
        _over("geo_bandwidth_hz", "180e3", "360e3", "1e6"),
        effects.jutap,
    ),
    "beam": Row(
        JUTAP,
        ("GEO SNR, dB", *FLIGHT),
        {
            **_over("geo_half_width_deg", 0.4, 0.2, 0.3, 0.5, 0.8),
            "`user_gain_dbi=3`": {"user_gain_dbi": "3"},
            "`user_gain_dbi=3.1`, `geo_bandwidth_hz=1e6`": {
                "user_gain_dbi": "3.1",
                "geo_bandwidth_hz": "1e6",
            },
        },
        effects.jutap,
    ),
    "interference": Row(
        JUTAP,
        ("holes of the map %", *FLIGHT),
        _over("interference", "facing", "all"),
        effects.jutap,
    ),
    "line-of-sight": Row(
        JUTAP,
        ("holes of the map %", *FLIGHT),
        {
            "150 m": {},
            "150 m, `sampled_los=false`": {"sampled_los": "false"},
            "`altitude_m=80`": {"altitude_m": "80"},
            "`altitude_m=80`, `sampled_los=false`": {"altitude_m": "80", "sampled_los": "false"},
        },
        effects.jutap,
    ),
    "layout": Row(
        JUTAP,
        ("holes of the map %", *FLIGHT),
        _over("separation_m", 500, 0, 700),
        effects.jutap,
    ),
    "hole-to-geo": Row(JUTAP, FLIGHT, _over("hole_to_geo", "reconnect", "handover"), effects.jutap),
    "energy": Row(
        JUTAP,
        ("P d / v, straight", "diagonal", "(P / d) v, straight", "diagonal as printed"),
        {"30 m/s, 120 m, in J": {}},
        effects.energy,
    ),
    "battery": Row(
        JUTAP,
        ("budget, kJ", "energy, kJ", *FLIGHT),
        {
            "`battery_j=321000`, `reserve_j=64200`": {},
            "`battery_j=none`": {"battery_j": "none"},
            "`kappa=1.05`": {"kappa": "1.05"},
            "`kappa=1.02`": {"kappa": "1.02"},
        },
        effects.jutap,
    ),
    "association": Row(JUTAP, FLIGHT, _over("association", "full", "strongest"), effects.jutap),
    "eta": Row(
        JUTAP,
        FLIGHT,
        {
            "as printed in (8)": {},
            "`eta_mbs_to_geo=1`": {"eta_mbs_to_geo": "1"},
            "`eta_geo_stay=0`": {"eta_geo_stay": "0"},
            "`eta_reconnect=0`": {"eta_reconnect": "0"},
        },
        effects.jutap,
    ),
    "holes": Row(
        JUTAP,
        FLIGHT,
        {
            f"`hole_bonus={bonus}` at {weights}": {
                "hole_bonus": bonus,
                **dict(zip(("w1", "w2", "w3"), weights.strip("()").split(", "), strict=True)),
            }
            for weights in ("(0.4, 0.2, 0.4)", "(0.2, 0.6, 0.2)", "(0.6, 0.2, 0.2)")
            for bonus in ("printed", "once", "none")
        },
        effects.jutap,
    ),
    "reward": Row(
        JUTAP,
        ("cost under (4)", "above the optimum %", *FLIGHT[1:]),
        _over("reward", "objective", "paper"),
        effects.reward,
    ),
}


def scenarios(name: str) -> dict[str, Any]:
    """Return the scenario of each variant of a row."""
    row = ROWS[name]
    made = of_preset(row.preset).scenario
    return {label: made(row.preset, dict(x)) for label, x in row.variants.items()}


def measured(name: str) -> dict[str, Numbers]:
    """Return the numbers of a row's variants, as the page shows them: four digits."""
    row = ROWS[name]
    found = {label: row.measure(scenario) for label, scenario in scenarios(name).items()}
    return {
        label: {column: _rounded(numbers[column]) for column in row.columns}
        for label, numbers in found.items()
    }


def table(numbers: Mapping[str, Numbers]) -> str:
    """Return the numbers of a row as a markdown table."""
    columns = list(next(iter(numbers.values())))
    lines = [_line("", *columns), "|---" * (len(columns) + 1) + "|"]
    lines += [_line(label, *map(_shown, row.values())) for label, row in numbers.items()]
    return "\n".join(lines)


def with_table(page: str, name: str, text: str) -> str:
    """Return `page` with the table of a row put between its comments.

    Raises
    ------
    ValueError
        If the page has no place for it.
    """
    place = re.compile(rf"(<!-- effect: {name} -->\n).*?(<!-- end -->)", re.S)
    if not place.search(page):
        raise ValueError(f"expected `<!-- effect: {name} -->` on the page")
    return place.sub(lambda found: f"{found[1]}\n{text}\n\n{found[2]}", page)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure rows and write them down, one by one."""
    parser = argparse.ArgumentParser(prog="python -m bench.readings.assumptions")
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(ROWS))
    names = parser.parse_args(arguments).rows or list(ROWS)
    unknown = sorted(set(names) - set(ROWS))
    if unknown:
        parser.error(f"expected rows of {', '.join(ROWS)}; found {', '.join(unknown)}")
    for name in names:
        numbers = measured(name)
        known = {**(json.loads(NUMBERS.read_text()) if NUMBERS.exists() else {}), name: numbers}
        ordered = {key: known[key] for key in ROWS if key in known}
        files.write_bytes(NUMBERS, (json.dumps(ordered, indent=1) + "\n").encode())
        PAGE.write_text(with_table(PAGE.read_text(), name, table(numbers)))
        print(f"{name}\n{table(numbers)}\n", flush=True)
    return 0


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


def _shown(value: float | None) -> str:
    return "none" if value is None else f"{value:.4g}"


def _line(*cells: object) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


if __name__ == "__main__":
    raise SystemExit(main())
