"""The second reading of the paper: what the presets of version 2 change, and how it acts."""

from dataclasses import replace

import numpy as np
import pytest

from opt_istn.files import InputError
from opt_istn.physics.frames import distance_m, geodetic_to_ecef
from opt_istn.push import belief
from opt_istn.push.play import world_of
from opt_istn.push.scenario import PRESETS, from_parameters, generate
from opt_istn.push.world import demand, law
from opt_istn.push.world.delivery import slot_delays_s
from opt_istn.push.world.draw import draw_world
from opt_istn.push.world.parameters import REFERENCE_DRAWS, Scenario
from opt_istn.push.world.users import PAYLOADS, users_of

PAPER, SECOND = PRESETS["push-paper"], PRESETS["push-paper-v2"]
NEW = {
    "access": "single",
    "payloads": "visible-sar",
    "miss_draws": REFERENCE_DRAWS,
    "randomness": "pinned",
}


@pytest.mark.parametrize("name", [name for name in PRESETS if not name.endswith("-v2")])
def test_a_second_preset_differs_in_the_readings_alone(name: str) -> None:
    """Every preset has a second version, the same but for the four readings."""
    assert replace(PRESETS[name], **NEW) == PRESETS[f"{name}-v2"]


def test_links_are_the_paper_with_intermittent_links() -> None:
    """The preset of intermittent links shows link states and takes links down."""
    links = PRESETS["push-paper-links-v2"]
    told = {name for name, value in links.document().items() if value != SECOND.document()[name]}
    assert told == {"link_states", "outage", "link_up_share", "link_down_slots"}
    found = [generate(links, seed, "") for seed in range(6)]
    assert all(x.link_us is not None for x in found)
    assert np.mean([x.link_up.mean() for x in found]) == pytest.approx(0.8, abs=0.1)


def test_defaults_are_the_first_reading() -> None:
    """What files of version 1 leave out holds by default."""
    assert Scenario() == PAPER
    assert (PAPER.access, PAPER.payloads, PAPER.miss_draws) == ("any", "all", 1)
    assert (PAPER.link_states, PAPER.randomness) == (False, "numpy")


def test_the_access_satellite_is_the_nearest_one_that_works() -> None:
    """With one access satellite a user sees the nearest remote-sensing one with a working link."""
    for outage in (0.0, 0.4):
        scenario = replace(SECOND, outage=outage)
        single, every = (
            draw_world(scenario, (3, 0)),
            draw_world(replace(scenario, access="any"), (3, 0)),
        )
        users = single.users
        place = geodetic_to_ecef(users.lat_deg, users.lon_deg)
        further = 0
        for slot in range(4):
            apart = distance_m(place, single.position_m[slot, :300])
            for u, seen in enumerate(single.networks[slot].seen):
                sight = every.networks[slot].seen[u]
                assert len(seen) == 1 or outage > 0
                if len(seen) == 0:
                    continue
                if outage == 0:
                    nearest = sight[sight < 300][apart[u, sight[sight < 300]].argmin()]
                    assert seen[0] == nearest
                further += int(apart[u, seen[0]] > apart[u].min())
        assert (further > 0) == (outage > 0)


def test_delays_through_one_satellite_are_those_of_the_paper() -> None:
    """Searching from the users' satellites finds the paths that searching from holders finds."""
    network = draw_world(SECOND, (5, 0)).networks[7]
    holders = np.unique(np.concatenate([[4, 90, 200, 299], *network.seen]))
    ours = slot_delays_s(network, holders, 2.0)
    theirs = slot_delays_s(replace(network, single=False), holders, 2.0)
    for a, b in zip(ours, theirs, strict=True):
        assert a == pytest.approx(b, rel=1e-12)
    own = np.array([seen[0] for seen in network.seen])
    assert np.array_equal(np.isfinite(ours[0]), holders == own[:, None])
    assert np.array_equal(np.isinf(ours[1]), holders == own[:, None])


def test_one_access_satellite_serves_less_directly() -> None:
    """With one access satellite fewer requests are served by it, and misses take longer."""
    one, many = (
        [generate(replace(PAPER, access=access), seed, "") for seed in range(6)]
        for access in ("single", "any")
    )
    delay = [np.mean([x.miss_us.mean() for x in found]) for found in (one, many)]
    direct = [
        np.mean([(x.miss_us == x.requests[:, 3]).mean() for x in found]) for found in (one, many)
    ]
    assert delay[0] > 1.2 * delay[1]
    assert direct[0] < 0.5 * direct[1]


def test_payloads_are_the_paper_s_two() -> None:
    """Contents are visible or SAR, both as often; preferences are about these two."""
    found = [generate(SECOND, seed, "") for seed in range(4)]
    kinds = [x["payload"] for instance in found for x in instance.contents]
    assert set(kinds) == set(PAYLOADS[:2]) == {"visible", "sar"}
    assert np.mean([kind == "sar" for kind in kinds]) == pytest.approx(0.5, abs=0.06)
    table = users_of(SECOND).payload
    assert table.shape == (6, 2)
    assert np.allclose(np.abs(table), 1)
    assert np.allclose(table.sum(axis=1), 0)
    world = world_of(found[0])
    assert world is not None
    assert set(belief.every_kind(world).traits.payload) == {0, 1}


def test_a_law_of_two_payloads_refuses_a_third() -> None:
    """Requests for payloads that the law does not know are an error that names them."""
    x = generate(PRESETS["push-tiny-v2"], 1, "")
    known = demand.from_document(x.scenario["law"])
    other = [{**content, "payload": "infrared"} for content in x.contents]
    traits = demand.features(other)
    with pytest.raises(InputError, match="visible, sar"):
        demand.request_probability(known, traits, x.release, x.roi, x.num_slots)


def test_the_law_of_delays_is_the_mean_over_draws() -> None:
    """The law's delay of a miss is nearer to what instances show when more draws are averaged."""
    second = replace(PRESETS["push-tiny-v2"], num_contents=60, num_slots=8)
    found = [law.expectation(generate(second, seed, "")) for seed in range(40)]
    shown, number = np.zeros(8), np.zeros(8)
    for seed, expectation in enumerate(found):
        drawn = draw_world(second, law.entropy_of(seed))
        age = np.arange(8) - drawn.births.release[:, None]
        counted = drawn.roi[:, :, None] & (age >= 0)
        ages = np.broadcast_to(age, counted.shape)[counted]
        shown += np.bincount(ages, expectation.miss_us[counted], minlength=8)
        number += np.bincount(ages, minlength=8)
    error = [
        np.abs(law.law_of(replace(second, miss_draws=n)).miss_us - shown / number).mean()
        for n in (1, REFERENCE_DRAWS)
    ]
    assert error[1] < 0.6 * error[0]


def test_images_may_be_files() -> None:
    """Images named by path and hash are accepted; they show no class, and no code."""
    x = generate(PRESETS["push-tiny-v2"], 2, "")
    image = {"path": "a.png", "sha256": "0" * 64}
    contents = tuple({**content, "image": image} for content in x.contents)
    filed = replace(x, contents=contents)
    assert demand.features(contents).image_class is None
    assert demand.image_codes(contents, 16, 0.6).shape == (x.num_contents, 0)
    world = world_of(filed)
    assert world is not None
    even = belief.class_probability(world, np.zeros((3, 0)))
    assert np.allclose(even, 1 / 16)
    assert filed.sha256 != x.sha256


@pytest.mark.parametrize(
    "image",
    [
        {},
        {"class": 1},
        {"path": "a.png"},
        {"path": "a.png", "sha256": "0" * 63},
        {"class": 1, "seed": 2, "path": "a.png", "sha256": "0" * 64},
    ],
)
def test_an_image_is_drawn_or_a_file(image: dict[str, object]) -> None:
    """An image is class and seed, or path and hash: nothing else, and nothing by halves."""
    x = generate(PRESETS["push-tiny"], 2, "")
    with pytest.raises(InputError, match=r"contents\[0\]\.image"):
        demand.features([{**x.contents[0], "image": image}])


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("access", "some", "access: expected one of any, single"),
        ("payloads", "sar", "payloads: expected one of all, visible-sar"),
        ("miss_draws", "13", "miss_draws: expected int <= 12"),
        ("miss_draws", "0", "miss_draws: expected int >= 1"),
        ("link_states", "2", "link_states: expected bool"),
        ("randomness", "mt", "randomness: expected one of numpy, pinned"),
    ],
)
def test_wrong_readings_are_named(name: str, value: str, message: str) -> None:
    """A reading that does not exist is named, with what there is."""
    with pytest.raises(InputError) as caught:
        from_parameters(PAPER, {name: value})
    assert message in str(caught.value)
