"""The law of requests: its formula, its calibration, and who can know what of it."""

import math
from dataclasses import replace

import numpy as np
import pytest

from opt_istn.files import InputError
from opt_istn.push.scenario import PRESETS, generate
from opt_istn.push.world import demand, law
from opt_istn.push.world.demand import Features, request_probability
from opt_istn.push.world.users import inside, users_of

PAPER = PRESETS["push-paper"]


def one_user(**changes):
    """Return the law of one user who has a taste in everything."""
    fields = {
        "payload": np.array([[1.0, -1, 0, 0, 0]]),
        "resolution": np.array([[0.0, 2, -2, 0, 0]]),
        "level": np.array([[0.5, 0, 0, -0.5]]),
        "image": np.array([[1.0, -1]]),
        "beta": 1.5,
        "image_share": 0.5,
        "freshness": 0.8,
        "lag_slots": 1,
        "pre_lag": 0.1,
        "base": 0.7,
    }
    return demand.Demand(**(fields | changes))


def traits(payload=0, resolution=1, level=2, image=0):
    """Return the features of one content."""
    return Features(*(np.array([x]) for x in (payload, resolution, level, image)))


SEEN = np.ones((1, 1), dtype=bool)


def test_probability_by_hand():
    """The formula, term by term, for one user and one content."""
    found = request_probability(one_user(), traits(), np.array([1]), SEEN, 6)[0, 0]
    affinity = math.sqrt(0.5 / 3) * (1 + 2 + 0) + math.sqrt(0.5) * 1
    timing = [0, 0.1, 0.1, 1, 0.8, 0.64]  # born in slot 1, peak two slots of processing later
    rates = [0.7 * math.exp(1.5 * affinity) * 0.2 * part for part in timing]
    assert found == pytest.approx([1 - math.exp(-rate) for rate in rates])


def test_nothing_outside_the_region():
    """A content outside the region of interest is never requested."""
    found = request_probability(one_user(), traits(), np.array([0]), ~SEEN, 6)
    assert not found.any()


def test_unknown_image_is_an_average():
    """Without the image, the probability is the mean over the classes."""
    release = np.array([0])
    known = [request_probability(one_user(), traits(image=c), release, SEEN, 6) for c in (0, 1)]
    blind = request_probability(one_user(), traits().without_images(), release, SEEN, 6)
    assert np.allclose(blind, (known[0] + known[1]) / 2)
    assert not np.allclose(known[0], known[1])


@pytest.mark.parametrize(("share", "image", "attributes"), [(0.0, False, True), (1.0, True, False)])
def test_image_share(share, image, attributes):
    """At share 0 the image does not matter, at share 1 nothing else does."""
    law_ = one_user(image_share=share)

    def rate(**which):
        return request_probability(law_, traits(**which), np.array([0]), SEEN, 9)[0, 0, 8]

    assert (rate(image=0) != rate(image=1)) == image
    assert (rate(payload=0) != rate(payload=1)) == attributes


def test_timing_adds_up():
    """Without lag, a content's demand over all slots is its base rate."""
    timing = demand.timing(one_user(lag_slots=0), np.array([3]), np.array([0]), 400)
    assert timing.sum() == pytest.approx(1)
    assert np.all(np.diff(timing[0]) < 0)


def test_base_for():
    """The calibrated base gives the expected number of requests, and too many are refused."""
    exposures = [np.array([0.5, 1.0, 0.0]), np.array([2.0, 0.1, 0.3])]
    base = demand.base_for(exposures, 1.2)
    totals = [(1 - np.exp(-base * x)).sum() for x in exposures]
    assert np.mean(totals) == pytest.approx(1.2, abs=1e-3)
    with pytest.raises(InputError, match="requests_per_user: expected at most"):
        demand.base_for(exposures, 2.6)


def test_preferences_are_standardised():
    """Every user's tables have mean 0 and variance 1."""
    users = users_of(PAPER)
    for table in (users.payload, users.resolution, users.level, users.image):
        assert np.allclose(table.mean(axis=1), 0)
        assert np.allclose(table.std(axis=1), 1)


def test_users_belong_to_the_world():
    """More users extend the same ones; another world has others."""
    six, nine = users_of(PAPER), users_of(replace(PAPER, num_users=9))
    assert np.array_equal(six.image, nine.image[:6])
    assert np.array_equal(six.box_deg, nine.box_deg[:6])
    assert not np.array_equal(six.image, users_of(replace(PAPER, world_seed=1)).image)


def test_regions_of_interest():
    """Regions lie in the scenario's region, take the asked share of it, and wrap at 180 degrees."""
    users = users_of(PAPER)
    south, north, west, east = users.box_deg.T
    assert np.all((south >= 5) & (north <= 55) & (west >= 65) & (east <= 145))
    assert np.allclose((north - south) * (east - west), 0.5 * 50 * 80)
    pacific = users_of(replace(PAPER, west_deg=160.0, east_deg=240.0, roi_fraction=1.0))
    found = inside(pacific, np.full(4, 30.0), np.array([-170.0, 190.0, 100.0, -119.6]), 0.5)
    assert found[0].tolist() == [True, True, False, True]


def test_law_round_trip():
    """Policies get the generator's probabilities back from the instance's documents."""
    instance = generate(PRESETS["push-tiny"], 3, "")
    known = demand.from_document(instance.scenario["law"])
    seen = demand.features(instance.contents)
    ours = law.expectation(instance).probability
    found = request_probability(known, seen, instance.release, instance.roi, 4)
    assert np.array_equal(found, ours)
    newborn = request_probability(known, seen, instance.release, instance.roi, 4)[:, :3]
    assert np.array_equal(newborn, ours[:, :3])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"base": 0.0}, "scenario.law.base: Expected float > 0.0"),
        ({"image": [[0.0]]}, "scenario.law.image: expected a row of 1 numbers for each of 2"),
        ({"level": [[0.0] * 3] * 2}, "scenario.law.level: expected a row of 4 numbers"),
        ({"payload": "x"}, "scenario.law.payload: Expected array"),
    ],
)
def test_wrong_laws_are_named(change, message):
    """A law that is not one names the table."""
    document = generate(PRESETS["push-tiny"], 3, "").scenario["law"] | change
    with pytest.raises(InputError, match=message):
        demand.from_document(document)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"payload": "radar"}, r"contents\[0\].payload: expected one of"),
        ({"resolution_m": 7.0}, r"contents\[0\].resolution_m: expected one of"),
        ({"product_level": 4}, r"contents\[0\].product_level"),
        ({"image": {"seed": 1}}, r"contents\[0\].image"),
    ],
)
def test_wrong_contents_are_named(change, message):
    """Contents that the law does not know name the attribute."""
    first = generate(PRESETS["push-tiny"], 3, "").contents[0]
    with pytest.raises(InputError, match=message):
        demand.features([first | change])


def test_image_codes_tell_the_class():
    """The nearest class code names the class of nearly every image at the default noise."""
    contents = generate(PAPER, 1, "").contents
    codes = demand.image_codes(contents, 16, 0.6)
    classes = np.array([x["image"]["class"] for x in contents])
    book = demand.image_codes(
        [{**contents[0], "image": {"class": c, "seed": 0}} for c in range(16)], 16, 0.0
    )
    apart = np.linalg.norm(codes[:, None] - book[None], axis=2)
    assert np.mean(apart.argmin(axis=1) == classes) > 0.97
    assert np.array_equal(codes, demand.image_codes(contents, 16, 0.6))


def test_class_is_not_an_attribute():
    """No attribute depends on the class: the nine attributes are drawn apart from it."""
    instance = generate(PAPER, 1, "")
    attributes = set(instance.contents[0]) - {"image"}
    assert len(attributes) == 9
    seen = demand.features(instance.contents)
    for column in (seen.payload, seen.resolution, seen.level):
        assert abs(np.corrcoef(column, seen.image_class)[0, 1]) < 0.25
