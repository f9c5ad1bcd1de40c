"""PUSH scenarios: reproducible, valid, and with the statistics of their sources."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from opt_istn.files import InputError
from opt_istn.push import instance as push
from opt_istn.push.instance import ABSENT
from opt_istn.push.scenario import PRESETS, from_parameters, generate
from opt_istn.push.world import constellation, law
from opt_istn.push.world.births import draw_births
from opt_istn.push.world.draw import draw_world
from opt_istn.push.world.parameters import Scenario, from_document
from opt_istn.push.world.storage import NEVER

TINY, PAPER = PRESETS["push-tiny"], PRESETS["push-paper"]


@pytest.fixture(scope="module")
def several():
    return [generate(PAPER, seed, "") for seed in range(12)]


def test_presets():
    """The presets have the sizes they are named after."""
    assert len(PRESETS) == 37
    assert Scenario() == PAPER
    assert (PAPER.num_users, PAPER.num_contents, PAPER.num_slots, PAPER.cache_items) == (
        6,
        280,
        18,
        3,
    )
    assert PRESETS["push-paper-wide"].cache_items == 30
    assert PRESETS["push-cache-45"].cache_items == 45
    assert PRESETS["push-users-18"].num_users == 18
    assert PRESETS["push-day"].num_slots == 180
    assert (PRESETS["push-fleet"].num_users, PRESETS["push-fleet"].cache_items) == (600, 3)
    assert PRESETS["push-paper-flat"].lag_slots == 0


def test_same_seed_same_instance():
    """Scenario and seed determine the instance, also in another process."""
    code = (
        "from opt_istn.push.scenario import PRESETS, generate;"
        "print(generate(PRESETS['push-tiny'], 5, '').sha256)"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "3"}
    other = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert other.stdout.strip() == generate(TINY, 5, "name").sha256
    assert generate(TINY, 6, "").sha256 != generate(TINY, 5, "").sha256


def test_file_round_trip(tmp_path):
    """A generated instance survives its file, scenario included."""
    ours = generate(TINY, 5, "tiny-5")
    ours.write(tmp_path / "tiny.json.gz")
    back = push.read(tmp_path / "tiny.json.gz")
    assert back.sha256 == ours.sha256
    assert from_document(back.scenario) == TINY
    assert np.array_equal(law.expectation(back).miss_us, law.expectation(ours).miss_us)


def test_progress():
    """Progress is reported slot by slot."""
    calls = []
    generate(TINY, 1, "", calls.append)
    assert calls == [0.25, 0.5, 0.75, 1.0]


def test_paper_size(several):
    """The paper's instance: 280 contents, about 547 requests, half of the contents in a region."""
    assert {x.num_contents for x in several} == {280}
    requests = np.array([len(x.requests) for x in several])
    assert abs(requests.mean() - 547) < 3 * requests.std() / np.sqrt(12) + 10
    assert 0.4 < np.mean([x.roi.mean() for x in several]) < 0.65
    assert all(x.link_up.all() for x in several)
    assert all(set(x.cluster) <= set(range(15)) for x in several)


def test_modes_and_delays(several):
    """Access takes about 0.14 s, collaboration more, the ground a second; all three occur."""
    delays = np.concatenate([x.requests[:, 3:] for x in several])
    access, collab = (delays[delays[:, i] != ABSENT, i] / 1e6 for i in (0, 1))
    assert 0.13 < access.mean() < 0.16
    assert 0.3 < collab.mean() < 0.6
    assert np.all(delays[:, 2] == 1_000_000)
    assert access.min() > 0.08
    assert collab.min() > 2 * 0.08
    both = (delays[:, 0] != ABSENT) & (delays[:, 1] != ABSENT)
    assert np.mean(delays[both, 0] < delays[both, 1]) > 0.9
    fastest = np.where(delays == ABSENT, 10**9, delays).argmin(axis=1)
    shares = np.bincount(fastest, minlength=3) / len(delays)
    assert np.all(shares > [0.05, 0.5, 0.03])


def test_requests_follow_the_law(several):
    """Realised requests agree with their probabilities: total, and calibration by deciles."""
    probability, asked = [], []
    for instance in several:
        expected = law.expectation(instance).probability
        real = np.zeros(expected.shape, dtype=bool)
        real[tuple(instance.requests[:, :3].T)] = True
        probability.append(expected.ravel())
        asked.append(real.ravel())
    p, r = np.concatenate(probability), np.concatenate(asked)
    assert abs(r.sum() - p.sum()) < 4 * np.sqrt((p * (1 - p)).sum())
    assert not r[p == 0].any()
    order = np.argsort(p)[-len(p) // 10 :]
    for part in np.array_split(order, 10):
        spread = np.sqrt((p[part] * (1 - p[part])).sum())
        assert abs(r[part].sum() - p[part].sum()) < 5 * spread


def test_expected_delays_are_the_realised_ones(several):
    """The recomputed delay of a miss is the instance's, request by request."""
    instance = several[0]
    found = law.expectation(instance)
    assert np.array_equal(found.miss_us[tuple(instance.requests[:, :3].T)], instance.miss_us)
    assert found.miss_us.max() == 1_000_000
    assert found.weight_us.sum() > 0


def test_expectation_needs_a_generated_instance():
    """An instance of unknown origin has no law, and says so."""
    bare = replace(generate(TINY, 1, ""), scenario={})
    with pytest.raises(InputError, match="scenario: expected the seed and the law"):
        law.expectation(bare)


def test_users_and_law_do_not_depend_on_the_seed(several):
    """All instances of a scenario have the same users and the same law."""
    first = several[0].scenario
    assert all(x.scenario["users"] == first["users"] for x in several)
    assert all(x.scenario["law"] == first["law"] for x in several)
    assert len({x.scenario["start_utc"] for x in several}) == len(several)


def test_contents_are_born_over_the_region(several):
    """Contents are squares below their satellite, inside or at the border of the region."""
    for content in several[0].contents:
        assert 4 < content["lat_end"] < content["lat_start"] < 56
        assert content["lat_start"] - content["lat_end"] == pytest.approx(1, abs=2e-4)
        assert 64 < content["lon_start"] < content["lon_end"] < 146
    times = [x["shoot_time_s"] for x in several[0].contents]
    assert times == sorted(times)
    assert np.array_equal(several[0].release, np.array(times) // 10)


def test_bursts():
    """With bursts the slots' births vary as an exponential law, without them as a Poisson one."""
    drawn = draw_world(replace(PAPER, num_contents=2000), (1, 0))
    remote = drawn.position_m[:, :300]
    borders = np.concatenate([remote, remote[-1:]])

    def variation(burst):
        scenario = replace(drawn.scenario, burst=burst)
        counts = [
            np.bincount(
                draw_births(scenario, borders, np.random.default_rng(i)).release, minlength=18
            )
            for i in range(30)
        ]
        return (np.var(counts, axis=1) / np.mean(counts, axis=1) ** 2).mean()

    assert variation(0.0) < 0.02
    assert 0.6 < variation(1.0) < 1.3


@pytest.mark.parametrize("placement", ["origin", "nearest", "random"])
def test_storage_is_fifo(placement):
    """No satellite ever holds more than it can, contents stay in their cluster, oldest go first."""
    drawn = draw_world(replace(PAPER, placement=placement), (4, 0))
    storage, cluster = drawn.storage, drawn.constellation.cluster
    for slot in range(18):
        held = storage.held(slot)
        assert np.bincount(storage.satellite[held], minlength=300).max() <= 3
    assert np.array_equal(cluster[storage.satellite], cluster[drawn.births.satellite])
    for satellite in np.unique(storage.satellite):
        mine = np.flatnonzero(storage.satellite == satellite)
        ends = storage.evicted[mine]
        gone = ends[ends != NEVER]
        assert np.all(np.diff(gone) >= 0)
        assert np.all(ends[len(gone) :] == NEVER)
    if placement == "origin":
        assert np.array_equal(storage.satellite, drawn.births.satellite)


def test_nearest_fills_places_before_it_drops():
    """The rule ``nearest`` drops nothing while its cluster has a free place."""
    drawn = draw_world(PAPER, (4, 0))
    cluster = drawn.constellation.cluster
    counts = np.bincount(cluster[drawn.births.satellite], minlength=15)
    dropped = np.bincount(cluster[drawn.births.satellite], drawn.storage.evicted != NEVER, 15)
    assert np.array_equal(dropped, np.maximum(counts - 60, 0))


def test_nearest_keeps_close():
    """Where every satellite has room, ``nearest`` is the satellite that took the content."""
    roomy = replace(PAPER, satellite_items=280)
    drawn = draw_world(roomy, (4, 0))
    assert np.array_equal(drawn.storage.satellite, drawn.births.satellite)
    assert np.all(drawn.storage.evicted == NEVER)


def test_clusters_are_blocks():
    """300 satellites make 15 clusters of 4 planes by 5 places, each with a head of its own."""
    block = constellation.clusters(20, 15, 15).reshape(20, 15)
    assert np.bincount(block.ravel()).tolist() == [20] * 15
    assert np.all(block[:4, :5] == 0)
    built = constellation.constellation_of(PAPER)
    heads = constellation.heads(built)
    assert built.cluster[heads].tolist() == list(range(15))


def test_outages_of_the_access_link():
    """A link that is up 60 % of the time is, fails in runs, and leaves only the ground."""
    scenario = replace(PAPER, link_up_share=0.6, num_slots=120, num_users=12, num_contents=60)
    found = generate(scenario, 2, "")
    assert found.link_up.mean() == pytest.approx(0.6, abs=0.06)
    falls = (found.link_up[:, :-1] & ~found.link_up[:, 1:]).sum()
    assert (~found.link_up).sum() / falls == pytest.approx(3, abs=0.6)
    users, slots = found.requests[:, 0], found.requests[:, 2]
    down = ~found.link_up[users, slots]
    assert down.any()
    assert np.all(found.requests[down, 3:5] == ABSENT)


def test_no_satellite_in_sight():
    """Where no satellite rises high enough, links are down and the ground serves everything."""
    scenario = replace(TINY, remote_mask_deg=89.9, comm_mask_deg=89.9)
    found = generate(scenario, 2, "")
    assert not found.link_up.any()
    assert np.all(found.requests[:, 3:5] == ABSENT)


@pytest.mark.parametrize(
    ("changes", "slower"),
    [
        ({"slant": "geometric"}, True),
        ({"max_bps_hz": 8.0}, True),
        ({"rain_mean_db": 20.0}, True),
        ({"rain": "london-20ghz"}, False),
        ({"outage": 0.3}, True),
        ({"cross_links": 4}, False),
        ({"satellite_items": 10}, False),
    ],
)
def test_options_act_as_they_should(changes, slower, several):
    """What weakens links makes misses slower; more links and better weather make them faster."""
    changed = np.mean(
        [generate(replace(PAPER, **changes), s, "").miss_us.mean() for s in (0, 1, 2)]
    )
    usual = np.mean([x.miss_us.mean() for x in several[:3]])
    assert (changed > usual) == slower


def test_parameters_as_texts():
    """Parameters given as texts get the type of their field."""
    found = from_parameters(
        PAPER, {"cache_items": "7", "beta": "2", "max_bps_hz": "6", "slant": "geometric"}
    )
    assert (found.cache_items, found.beta, found.max_bps_hz) == (7, 2.0, 6.0)
    assert from_parameters(found, {"max_bps_hz": "null"}).max_bps_hz is None
    assert from_parameters(PAPER, {}) == PAPER


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("betta", "1", "betta: unknown parameter; did you mean 'beta'"),
        ("beta", "x", "beta: expected float"),
        ("beta", "-1", "beta: expected float >= 0"),
        ("beta", "nan", "beta: expected"),
        ("beta", "inf", "beta: expected a finite number"),
        ("num_users", "0", "num_users: expected int >= 1"),
        ("num_users", "1.5", "num_users: expected int"),
        ("freshness", "1.1", "freshness: expected float <= 1"),
        ("roi_fraction", "0", "roi_fraction: expected float > 0"),
        ("slant", "x", "slant: expected one of altitude, geometric, found 'x'"),
        ("remote_raan_span_deg", "90", "remote_raan_span_deg: expected one of 180, 360"),
        ("north_deg", "5", "north_deg: expected a value above south_deg"),
        ("east_deg", "65", "east_deg: expected up to 360 above west_deg"),
        ("comm_phasing", "25", "comm_phasing: expected a value below 25"),
        ("comm_phasing", "21", "comm_phasing: expected a phasing that keeps satellites 5 km apart"),
        ("num_clusters", "7", "num_clusters: expected a divisor of 20 times a divisor of 15"),
        ("epoch", "soon", "epoch: expected a moment such as"),
        ("constellation", "/nowhere.tle", "/nowhere.tle: cannot be read"),
        ("requests_per_user", "1e6", "requests_per_user: expected at most"),
        ("num_slots", "0", "num_slots: expected int >= 1"),
    ],
)
def test_wrong_parameters_are_named(name, value, message):
    """A parameter that makes no sense is named, with what was expected."""
    with pytest.raises(InputError) as caught:
        generate(from_parameters(TINY, {name: value}), 1, "")
    assert message in str(caught.value)


def test_a_region_without_satellites():
    """A region that nothing passes over is refused."""
    with pytest.raises(InputError, match="region that remote-sensing satellites pass over"):
        generate(replace(TINY, south_deg=-90.0, north_deg=-89.5), 1, "")


def test_direct_construction_is_checked():
    """A scenario cannot be built with a wrong value, however it is built."""
    with pytest.raises(InputError, match="num_users: expected int"):
        Scenario(num_users="6")
    with pytest.raises(InputError, match="scenario: expected the parameter"):
        from_document({"num_users": 6})
