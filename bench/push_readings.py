"""What the readings of the push paper are worth: ``python -m bench.push_readings``.

A row is a preset with some parameters changed, over `SEEDS` seeds. Nothing is pushed: the columns
are the mean delay of a miss, and the shares of requests that the modes would serve.
"""

import sys
from collections.abc import Iterator, Mapping

import numpy as np

from formulations.push.labels.solver import Labels
from opt_istn.push.instance import ABSENT, Instance
from opt_istn.push.scenario import PRESETS, from_parameters, generate
from opt_istn.push.world.law import law_of
from opt_istn.push.world.parameters import Scenario
from opt_istn.solver import Budget

SEEDS = 10
READINGS: tuple[tuple[str, Mapping[str, str]], ...] = (
    ("push-paper", {}),
    ("push-paper-v2", {}),
    ("push-paper-links-v2", {}),
    ("push-paper", {"access": "single"}),
    ("push-paper-v2", {"access": "any"}),
    ("push-paper", {"payloads": "visible-sar"}),
    ("push-paper-v2", {"payloads": "all"}),
    ("push-paper-v2", {"ground_s": "1000"}),
    ("push-paper", {"ground_s": "1000"}),
    ("push-paper-v2", {"outage": "0"}),
    ("push-paper-v2", {"outage": "0.1"}),
    ("push-paper-v2", {"link_up_share": "0.8", "link_down_slots": "2"}),
    ("push-paper-v2", {"link_up_share": "0.6"}),
    ("push-paper-v2", {"rain": "rainy"}),
    ("push-paper-v2", {"rain": "beijing-20ghz"}),
    ("push-paper-v2", {"rain_mean_db": "0"}),
    ("push-paper-v2", {"slant": "geometric"}),
    ("push-paper-v2", {"placement": "origin"}),
    ("push-paper-v2", {"placement": "random"}),
    ("push-paper-v2", {"satellite_items": "10"}),
    ("push-paper-v2", {"cross_links": "4"}),
    ("push-paper-v2", {"num_clusters": "5"}),
    ("push-paper-v2", {"num_clusters": "60"}),
    ("push-paper-v2", {"frequency_hz": "12e9"}),
    ("push-paper-v2", {"frequency_hz": "60e9"}),
    ("push-paper-v2", {"max_bps_hz": "8"}),
    ("push-paper-v2", {"remote_mask_deg": "25"}),
    ("push-paper-v2", {"remote_raan_span_deg": "360", "remote_phasing": "4"}),
)


def main() -> None:
    """Print the readings, the laws of delays, and the order inside a slot."""
    names = ("preset", "changed", "miss, s", "access %", "collab %", "ground %", "link up %")
    print("| " + " | ".join((*names, "requests", "clusters")) + " |")
    print("|---" * (len(names) + 2) + "|")
    for preset, changes in READINGS:
        scenario = from_parameters(PRESETS[preset], changes)
        told = ", ".join(f"{key} = {value}" for key, value in changes.items())
        print(f"| {preset} | {told} | " + " | ".join(_row(scenario)) + " |")
        sys.stdout.flush()
    for preset in ("push-paper", "push-paper-v2"):
        for draws in ("1", "12"):
            law = law_of(from_parameters(PRESETS[preset], {"miss_draws": draws}))
            print(f"\n{preset}, miss_draws = {draws}, delay of a miss by age in ms: ", end="")
            print(*(round(x / 1000) for x in law.miss_us))
    for preset in ("push-paper", "push-paper-v2"):
        dearer = [100 * x for x in _reversed(PRESETS[preset])]
        print(f"\n{preset}: optimum if a slot's pushes enter in decreasing order, more by ", end="")
        print(f"{np.mean(dearer):+.2f} % ({min(dearer):+.2f} to {max(dearer):+.2f})")


def _row(scenario: Scenario) -> tuple[str, ...]:
    found = [generate(scenario, seed, "") for seed in range(SEEDS)]
    delays = np.concatenate([x.requests[:, 3:] for x in found])
    fastest = np.where(delays == ABSENT, np.iinfo(np.int64).max, delays)
    share = 100 * np.bincount(fastest.argmin(axis=1), minlength=3) / len(delays)
    up = 100 * np.mean([x.link_up.mean() for x in found])
    requests = np.mean([len(x.requests) for x in found])
    producing = np.mean([len(np.unique(x.cluster)) for x in found])
    numbers = (fastest.min(axis=1).mean() / 1e6, *share, up, requests, producing)
    texts = ("{:.3f}", "{:.1f}", "{:.1f}", "{:.1f}", "{:.1f}", "{:.0f}", "{:.1f}")
    return tuple(text.format(x) for text, x in zip(texts, numbers, strict=True))


def _reversed(scenario: Scenario) -> Iterator[float]:
    """Yield by how much the optimum rises if contents are numbered backwards inside a slot."""
    for seed in range(SEEDS):
        instance = generate(scenario, seed, "")
        plain, turned = (_optimum_us(x) for x in (instance, _turned(instance)))
        yield turned / plain - 1


def _turned(x: Instance) -> Instance:
    order = np.lexsort((-np.arange(x.num_contents), x.release))
    number = np.argsort(order)
    requests = x.requests.copy()
    requests[:, 1] = number[requests[:, 1]]
    return Instance(
        name="",
        num_slots=x.num_slots,
        slot_s=x.slot_s,
        cache_size=x.cache_size,
        release=x.release,
        cluster=x.cluster[order],
        roi=x.roi[:, order],
        link_up=x.link_up,
        requests=requests,
    )


def _optimum_us(x: Instance) -> int:
    claims = Labels().solve(x, Budget(time_s=60), 0)
    if claims.bound is None or claims.status.value != "optimal":
        raise ValueError("expected a proof from labels within a minute")
    return int(claims.bound)


if __name__ == "__main__":
    main()
