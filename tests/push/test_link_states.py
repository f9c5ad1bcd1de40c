"""Link states: complete, in range, those of the requests, and never shown ahead of their slot."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from opt_istn.files import InputError
from opt_istn.push import instance as push
from opt_istn.push import law, link_states
from opt_istn.push.expected import expected_cost
from opt_istn.push.instance import ABSENT, MAX_DELAY_US, Instance
from opt_istn.push.plan import Plan
from opt_istn.push.play import Game
from opt_istn.push.scenario import PRESETS, from_parameters, generate
from opt_istn.push.testing import random_push

TINY = from_parameters(PRESETS["push-tiny-v2"], {"link_states": "true", "outage": "0.2"})


def linked(seed: int) -> tuple[Instance, np.ndarray[Any, Any]]:
    """Return a random instance with link states, and these as a table of shape (M, F, T)."""
    rng = np.random.default_rng(seed)
    x = random_push(rng, num_requests=30)
    delay = rng.integers(1, 20, (x.num_users, x.num_contents, x.num_slots))
    delay[tuple(x.requests[:, :3].T)] = x.miss_us
    return replace(x, link_us=link_states.row(delay, x.roi, x.release)), delay


@pytest.mark.parametrize("seed", range(8))
def test_a_slot_shows_the_contents_born_by_then(seed: int) -> None:
    """Observed delays are the table's, of contents known and inside the region, else -1."""
    x, delay = linked(seed)
    game = Game(x)
    while not game.done:
        seen = game.observe()
        n = len(seen.release)
        assert seen.miss_us is not None
        wanted = np.where(x.roi[:, :n], delay[:, :n, game.slot], link_states.OUTSIDE)
        assert np.array_equal(seen.miss_us, wanted)
        game.step([])


@pytest.mark.parametrize("cut", range(5))
def test_later_slots_do_not_leak(cut: int) -> None:
    """Other link states from slot `cut` on change no observation before it, and those after."""
    x, delay = linked(cut)
    later = np.where(np.arange(x.num_slots) >= cut, delay + 1, delay)
    late = x.requests.copy()
    late[late[:, 2] >= cut, 3:] += (late[late[:, 2] >= cut, 3:] != ABSENT).astype(int)
    other = replace(x, requests=late, link_us=link_states.row(later, x.roi, x.release))
    ours, theirs = Game(x), Game(other)
    for slot in range(x.num_slots):
        a, b = ours.observe().miss_us, theirs.observe().miss_us
        assert a is not None
        assert b is not None
        shown = a != link_states.OUTSIDE
        assert np.array_equal(a[shown] == b[shown], np.full(shown.sum(), slot < cut))
        ours.step([])
        theirs.step([])


def test_without_link_states_nothing_is_shown() -> None:
    """An instance that does not say shows None, and no field in its file."""
    x = random_push(np.random.default_rng(1))
    assert Game(x).observe().miss_us is None
    assert "miss_us" not in x.document()


def test_files_carry_them(tmp_path) -> None:
    """Link states are part of the problem and of its file."""
    x, _ = linked(3)
    x.write(tmp_path / "linked.json")
    back = push.read(tmp_path / "linked.json")
    assert np.array_equal(back.link_us, x.link_us)
    assert back.document() == x.document()
    assert back.sha256 == x.sha256 != replace(x, link_us=None).sha256


def test_generated_ones_are_the_network_s() -> None:
    """A generated instance carries the delay of a miss of every content of a region."""
    for seed in range(4):
        x = generate(TINY, seed, "")
        every = law.expectation(x).miss_us
        assert np.array_equal(x.link_us, link_states.row(every, x.roi, x.release))
        plain = generate(replace(TINY, link_states=False), seed, "")
        assert plain.link_us is None
        assert plain.sha256 == replace(x, link_us=None).sha256
        assert expected_cost(x, Plan(x.sha256, ())) == expected_cost(plain, Plan(plain.sha256, ()))


def _cell(document: dict[str, Any]) -> list[int]:
    return next(delays for mine in document["miss_us"] for delays in mine if delays)


def _requested(document: dict[str, Any]) -> None:
    user, content, slot = next(r[:3] for r in document["requests"] if r[1] in document["roi"][r[0]])
    k = document["roi"][user].index(content)
    document["miss_us"][user][k][slot - document["release"][content]] += 1


@pytest.mark.parametrize(
    ("damage", "field"),
    [
        (lambda d: d["miss_us"].pop(), "miss_us"),
        (lambda d: d["miss_us"][0].pop(), "miss_us[0]"),
        (lambda d: d["miss_us"][0][0].append(5), "miss_us[0][0]"),
        (lambda d: _cell(d).__setitem__(0, 0), "miss_us[0][0][0]"),
        (lambda d: _cell(d).__setitem__(0, MAX_DELAY_US + 1), "miss_us[0][0][0]"),
        (lambda d: _cell(d).__setitem__(0, 1.5), "miss_us[0][0][0]"),
        (lambda d: d.__setitem__("miss_us", {}), "miss_us"),
        (_requested, "requests["),
    ],
)
def test_wrong_ones_are_named(damage: Callable[[dict[str, Any]], None], field: str) -> None:
    """Link states that are incomplete, out of range or not those of the requests are refused."""
    document = linked(3)[0].document()
    damage(document)
    with pytest.raises(InputError) as caught:
        push.from_bytes(json.dumps(document).encode(), "bad.json")
    assert caught.value.field.startswith(field)
    assert caught.value.source == "bad.json"


def test_wrong_ones_are_refused_without_a_file() -> None:
    """Also an instance built in Python has complete link states in range."""
    x, _ = linked(3)
    assert x.link_us is not None
    for wrong in (x.link_us[1:], np.where(np.arange(len(x.link_us)) == 0, 0, x.link_us)):
        with pytest.raises(InputError, match="miss_us"):
            replace(x, link_us=wrong)
