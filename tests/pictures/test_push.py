"""Pictures of PUSH instances: what they show is so, and what cannot be drawn is refused."""

from collections import deque
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from opt_istn import InputError
from opt_istn.cli import main
from opt_istn.physics.frames import geodetic_to_ecef
from opt_istn.pictures import draw
from opt_istn.pictures.push import caches, constellation, views
from opt_istn.pictures.push import world as push_world
from opt_istn.pictures.push.replay import DEAD, HIT, WAITING, Stay, follow
from opt_istn.push.evaluate import evaluate
from opt_istn.push.instance import Instance
from opt_istn.push.plan import Plan
from opt_istn.push.random import random_push
from opt_istn.push.scenario import PRESETS, generate

SIGNATURES = {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml"}


def _random(seed: int, **changes: Any) -> tuple[Instance, Plan]:
    """Return an instance and a feasible plan that pushes most of what it may, at random."""
    rng = np.random.default_rng(seed)
    sizes = {"num_contents": 14, "num_slots": 8, "num_requests": 60, "delays_us": (10, 10**6)}
    instance = random_push(rng, **(sizes | changes))
    pushes = []
    for user in range(instance.num_users):
        for f, slots in enumerate(instance.pushable(user)):
            if slots.any() and rng.random() < 0.8:
                pushes.append((user, f, int(rng.choice(np.flatnonzero(slots)))))
    return instance, Plan(instance.sha256, tuple(pushes))


def _caches(instance: Instance, plan: Plan, user: int) -> list[list[int]]:
    """Return the cache in each slot when requests are served, oldest first: a plain queue."""
    cache: deque[int] = deque(maxlen=int(instance.cache_size[user]))
    found = []
    for slot in range(instance.num_slots):
        cache.extend(sorted(f for u, f, t in plan.push if (u, t) == (user, slot)))
        found.append(list(cache))
    return found


@pytest.fixture(scope="module")
def tiny() -> Instance:
    return generate(PRESETS["push-tiny"], 0, "tiny")


@pytest.mark.parametrize("seed", range(12))
def test_stays_are_those_of_a_queue(seed: int) -> None:
    """In every slot the contents shown are those of a plain queue, each in a place of its own."""
    instance, plan = _random(seed)
    for user in range(instance.num_users):
        stays = follow(instance, plan, user).stays
        for slot, cache in enumerate(_caches(instance, plan, user)):
            there = [stay for stay in stays if stay.first <= slot < stay.end]
            assert [stay.content for stay in there] == cache  # in order of insertion
            places = [stay.place for stay in there]
            assert len(set(places)) == len(places)
            assert all(place < instance.cache_size[user] for place in places)


@pytest.mark.parametrize("seed", range(12))
def test_replay_adds_up_to_the_judge(seed: int) -> None:
    """Over the users, the numbers by mode, the delays and the pushes are those of the judge."""
    instance, plan = _random(seed, link_up=0.6)
    judged = evaluate(instance, plan)
    found = [follow(instance, plan, user) for user in range(instance.num_users)]
    served = sum(x.served.sum(axis=0) for x in found)
    assert dict(zip(judged.modes, served.tolist(), strict=True)) == judged.modes
    assert sum(x.delay_us for x in found) == judged.cost
    assert sum(x.no_push_us for x in found) == judged.no_push_us
    assert sum(int(x.pushed.sum()) for x in found) == judged.pushes
    assert sum(len(stay.hits) for x in found for stay in x.stays) == judged.modes["direct"]


def test_served_requests_are_counted_in_their_slots() -> None:
    """A slot's bar is as high as the user's requests in it; births count in the region only."""
    instance, plan = _random(3, in_roi=0.5)
    for user in range(instance.num_users):
        found = follow(instance, plan, user)
        slots = instance.requests[instance.requests[:, 0] == user, 2]
        assert found.served.sum(axis=1).tolist() == [(slots == t).sum() for t in range(8)]
        born = [int(instance.roi[user, instance.release == t].sum()) for t in range(8)]
        assert found.born.tolist() == born


def test_phases_tell_what_a_content_is_still_good_for() -> None:
    """Hits are hits, slots before the last hit wait, slots after it are dead; nothing is left."""
    stay = Stay(content=5, place=0, first=2, end=9, hits=(3, 4, 6))
    assert list(stay.phases()) == [
        (WAITING, 2, 3),
        (HIT, 3, 4),
        (HIT, 4, 5),
        (WAITING, 5, 6),
        (HIT, 6, 7),
        (DEAD, 7, 9),
    ]
    assert list(Stay(5, 0, 2, 2, ()).phases()) == []


def test_bars_are_the_stays() -> None:
    """The boxes drawn cover exactly the slots and places of the stays, in their states' colours."""
    instance, plan = _random(5)
    figure = caches.caches_figure(instance, [("p", plan)], 1)
    cache = figure.axes[1]
    drawn = {
        tuple(path.get_extents().extents.tolist())
        for collection in cache.collections[:3]
        for path in collection.get_paths()
    }
    stays = follow(instance, plan, 1).stays
    assert drawn == {(a, x.place, b, x.place + 1) for x in stays for _, a, b in x.phases()}
    numbers = [text.get_text() for text in cache.texts]
    assert numbers == [str(x.content) for x in stays if x.first < x.end]


def test_bars_of_requests_are_stacked() -> None:
    """The stacked bars end at the number of requests of each slot."""
    instance, plan = _random(6)
    axis = caches.caches_figure(instance, [("p", plan)], 0).axes[0]
    tops: dict[float, float] = {}
    for bar in axis.patches:
        x, top = bar.get_x(), bar.get_y() + bar.get_height()  # type: ignore[attr-defined]
        tops[x] = max(tops.get(x, 0), top)
    assert list(tops.values()) == follow(instance, plan, 0).served.sum(axis=1).tolist()


def test_titles_and_legend_tell_what_occurs() -> None:
    """A title tells delay, hits and pushes; faults are red; the legend has no idle entry."""
    instance, plan = _random(7, link_up=1.0)
    none = Plan(instance.sha256, ())
    wrong = Plan(instance.sha256, ((0, 99, 0),))
    figure = caches.caches_figure(instance, [("a", plan), ("n", none), ("w", wrong)], 0)
    titles = [axis.title for axis in figure.axes[::3]]
    found = follow(instance, plan, 0)
    hits, asked = found.served[:, 0].sum(), found.served.sum()
    assert f"delay {found.delay_us / 1e6:.2f} s" in titles[0].get_text()
    assert f"{hits} of {asked} requests hit, {len(found.stays)} pushes" in titles[0].get_text()
    assert "0 % below no push" in titles[1].get_text()
    assert "infeasible: push (0, 99, 0)" in titles[2].get_text()
    assert [title.get_color() for title in titles] == ["black", "black", "#aa0000"]
    bare = caches.caches_figure(instance, [("n", none)], 0)
    entries = {text.get_text() for text in bare.legends[0].get_texts()}
    assert not entries & {"hit", "pushed", "link down"}
    assert "pushed" in {text.get_text() for text in figure.legends[0].get_texts()}


@pytest.mark.parametrize(
    ("slots", "cache"),
    [
        (18, 3),
        (18, 45),
        (3, 1),
        *(pytest.param(*x, marks=pytest.mark.slow) for x in ((180, 3), (60, 500))),
    ],
)
def test_nothing_overlaps(slots: int, cache: int) -> None:
    """Axes, titles and legend stay on the sheet and apart, and numbers stay inside their bars."""
    sizes = {"num_slots": slots, "cache_sizes": (cache, cache), "num_contents": 4 * slots}
    instance, plan = _random(1, num_users=1, num_requests=300, **sizes)
    for panels in (1, 3):
        figure = caches.caches_figure(instance, [("p", plan)] * panels, 0)
        figure.set_dpi(300)
        figure.draw_without_rendering()  # type: ignore[no-untyped-call]
        boxes = [axis.get_tightbbox() for axis in figure.axes]
        boxes.append(figure.legends[0].get_window_extent())
        sheet = figure.bbox
        for i, box in enumerate(boxes):
            assert box is not None
            assert sheet.x0 <= box.x0
            assert box.x1 <= sheet.x1
            assert sheet.y0 <= box.y0
            assert box.y1 <= sheet.y1
            assert not any(_area(box, other) > 1 for other in boxes[:i])
        labels = [text.get_window_extent() for text in figure.axes[2].get_xticklabels()]
        assert all(a.x1 < b.x0 for a, b in pairwise(labels))
        _check_numbers(figure.axes[1], follow(instance, plan, 0).stays)


def _area(a: Any, b: Any) -> float:
    """Return by how many square points two boxes overlap."""
    wide = min(a.x1, b.x1) - max(a.x0, b.x0)
    high = min(a.y1, b.y1) - max(a.y0, b.y0)
    return float(wide * high * (72 / 300) ** 2) if min(wide, high) > 0 else 0.0


def _check_numbers(axis: Any, stays: tuple[Stay, ...]) -> None:
    ends = {str(stay.content): stay.end for stay in stays}
    for text in axis.texts:
        right = axis.transData.inverted().transform(text.get_window_extent().max)[0]
        assert right <= ends[text.get_text()] + 0.05


def test_lines_are_cut_at_the_date_line() -> None:
    """A line over 180 degrees leaves the map at one edge and comes back at the other."""
    line = np.array([[170.0, 10.0], [-170.0, 20.0], [-160.0, 25.0]])
    first, second = push_world.cut(line)
    assert first.tolist() == [[170, 10], [180, 15]]
    assert second.tolist() == [[-180, 15], [-170, 20], [-160, 25]]
    back, forth = push_world.cut(line[1::-1])
    assert [back.tolist(), forth.tolist()] == [[[-170, 20], [-180, 15]], [[180, 15], [170, 10]]]
    (whole,) = push_world.cut(line[1:])
    assert whole.tolist() == line[1:].tolist()
    assert len(push_world.cut(np.array([[179.0, 0], [-179, 0], [179, 2]]))) == 3


def test_links_follow_the_ground_below_them() -> None:
    """A link's line begins and ends below its satellites and never jumps across the map."""
    ends = [geodetic_to_ecef([50.0, 0.0], [175.0, -30.0], 6e5)]
    ends.append(geodetic_to_ecef([50.0, 5.0], [-150.0, -20.0], 6e5))
    lines = push_world.lines_of(*ends)
    assert len(lines) == 3
    assert np.allclose(lines[0][0], [175, 50])
    assert np.allclose(lines[1][-1], [-150, 50])
    assert np.allclose(lines[2][[0, -1]], [[-30, 0], [-20, 5]])
    assert lines[1][:, 1].max() > 51  # the great circle passes north of both
    assert all(np.abs(np.diff(line[:, 0])).max() < 30 for line in lines)


def _covered(shapes: list[NDArray[Any]], lon: float, lat: float) -> bool:
    lows, highs = [x.min(axis=0) for x in shapes], [x.max(axis=0) for x in shapes]
    inside = zip(lows, highs, strict=True)
    return any(bool((a <= [lon, lat]).all() and ([lon, lat] <= b).all()) for a, b in inside)


@pytest.mark.parametrize(("west", "east"), [(65, 145), (150, 230), (-200, -150), (170, 180)])
def test_boxes_are_cut_at_the_date_line(west: float, east: float) -> None:
    """A box covers what it should whatever longitudes tell it, and its outline has no cut edge."""
    box = np.array([5.0, 55.0, west, east])
    shapes = push_world.rectangles([box])
    for lon in np.arange(-179.0, 180.0, 2.0):
        assert _covered(shapes, lon, 30.0) == ((lon - west) % 360 <= east - west)
    assert not _covered(shapes, (west + east) / 2, 56.0)
    edges = push_world.outlines([box])
    assert all(np.abs(line[:, 0]).max() <= 180 for line in edges)
    lengths = [np.abs(np.diff(line, axis=0)).sum() for line in edges]
    assert sum(lengths) == pytest.approx(2 * (east - west) + 2 * 50)


def test_world_is_the_instances(tiny: Instance) -> None:
    """The map has all satellites, the slot's links, and each footprint where the contents say."""
    drawn = push_world.redrawn(tiny)
    world = push_world.world_of(drawn, 2, np.arange(2))
    scenario, network = drawn.scenario, drawn.networks[2]
    assert len(world.remote) == scenario.remote_shell().num_satellites
    assert len(world.comm) == scenario.comm_shell().num_satellites
    starts = [line for sort in world.links.values() for line in sort]
    pieces = sum(abs(line[-1, 0]) == 180 for line in starts)  # one more piece each
    assert len(starts) - pieces == network.between_s.nnz / 2
    assert len(world.access) == sum(map(len, network.seen))
    told = [[c["lat_end"], c["lat_start"], c["lon_start"], c["lon_end"]] for c in tiny.contents]
    assert np.allclose(world.footprints, told, atol=1e-4)
    assert world.moment > tiny.scenario["start_utc"]
    centres = world.footprints.reshape(-1, 2, 2).mean(axis=2)[:, ::-1]
    track = np.concatenate(world.tracks)
    apart = np.linalg.norm(centres[:, None] - track, axis=2).min(axis=1)
    assert apart.max() < 1  # contents lie on the tracks of the satellites that made them


def test_users_without_link_have_no_access_links() -> None:
    """While a user's link is down no access link of it is drawn."""
    scenario = replace(PRESETS["push-tiny"], link_up_share=0.3)
    instance = generate(scenario, 1, "down")
    drawn = push_world.redrawn(instance)
    assert not instance.link_up.all()
    for user, slot in np.argwhere(~instance.link_up).tolist():
        assert push_world.world_of(drawn, slot, np.array([user])).access == []


def test_maps_tell_contents_by_slot_and_plan(tiny: Instance) -> None:
    """Contents are to come, there, or pushed by the slot; the legend names the sorts that occur."""
    f = int(np.flatnonzero(tiny.roi[0])[0])
    slot = int(tiny.release[f])
    plan = Plan(tiny.sha256, ((0, f, slot),))
    expected = {
        "content to come": tiny.release > slot,
        "content": (tiny.release <= slot) & (np.arange(6) != f),
        "content, pushed by now": np.arange(6) == f,
    }
    found = constellation._contents(tiny, [("p", plan)], np.array([0]), slot)
    assert {k: v.tolist() for k, v in found.items()} == {k: v.tolist() for k, v in expected.items()}
    other = constellation._contents(tiny, [("p", plan)], np.array([1]), slot)
    assert not other["content, pushed by now"].any()
    figure = views.figure(tiny, [("p", plan)], user=0, slot=slot, view="constellation")
    legend = figure.axes[1].get_legend()
    assert legend is not None
    assert "content, pushed by now" in [text.get_text() for text in legend.get_texts()]


def test_a_map_names_the_plans_whose_pushes_it_marks(tiny: Instance) -> None:
    """Pushes of several plans are marked alike, so the title says whose; without one, no line."""
    plan = Plan(tiny.sha256, ())
    titles = []
    for plans in ([], [("best", plan), ("mine", plan)]):
        figure = views.figure(tiny, plans, user=None, slot=0, view="constellation")
        titles.append(figure.axes[0].get_title())
    assert titles[1] == f"{titles[0]}\npushes of best and mine"


def test_the_axis_of_slots_says_how_long_one_is(tiny: Instance) -> None:
    """A slot is a unit of time, so its seconds stand at the axis."""
    figure = views.figure(tiny, [("p", Plan(tiny.sha256, ()))], user=0, slot=None, view="cache")
    assert f"slot of {tiny.slot_s:g} s" in [axis.get_xlabel() for axis in figure.axes]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"user": 2}, r"user: expected a number 0\.\.1, found 2"),
        ({"user": -1}, r"user: expected a number 0\.\.1"),
        ({"slot": 4}, r"slot: expected a number 0\.\.3, found 4"),
        ({"view": "map"}, "view: expected cache or constellation, found 'map'"),
        ({"view": "cache"}, "view: expected at least one plan"),
    ],
)
def test_options_out_of_range_are_refused(
    tiny: Instance, tmp_path: Path, options: dict[str, Any], expected: str
) -> None:
    """A user, slot or view that is not there is refused by its option's name."""
    with pytest.raises(InputError, match=expected):
        draw.draw(tiny, [], tmp_path / "x.png", **options)
    assert not list(tmp_path.iterdir())


def test_slots_are_the_maps_alone(tiny: Instance, tmp_path: Path) -> None:
    """A slot with the picture of a cache is refused."""
    with pytest.raises(InputError, match="slot: expected none"):
        draw.draw(tiny, [Plan(tiny.sha256, ())], tmp_path / "x.png", slot=1)


@pytest.mark.parametrize("view", ["cache", "constellation"])
def test_plans_of_other_instances_are_refused(tiny: Instance, tmp_path: Path, view: str) -> None:
    """A plan made for another instance is refused in both views."""
    with pytest.raises(InputError, match="expected a plan for"):
        draw.draw(tiny, [Plan("0" * 64, ())], tmp_path / "x.png", view=view)


def test_instances_of_no_scenario_have_no_map(tiny: Instance) -> None:
    """Without a scenario, or with one that gives another world, the map is refused."""
    lost = {key: value for key, value in tiny.scenario.items() if key != "num_slots"}
    changes: list[dict[str, Any]] = [{"seed": "x"}, {"seed": -1}, {"seed": 1}, {"beta": "x"}]
    scenarios = [{}, lost, *(tiny.scenario | change for change in changes)]
    for scenario in scenarios:
        changed = replace(tiny, scenario=scenario, origin=None)
        with pytest.raises(InputError, match=r"scenario|beta"):
            views.figure(changed, [])
    none, plan = _random(0, num_users=0)
    with pytest.raises(InputError, match="num_users"):
        views.figure(none, [("p", plan)])


@pytest.mark.parametrize("ending", SIGNATURES)
def test_files_are_what_their_names_say(tiny: Instance, tmp_path: Path, ending: str) -> None:
    """Both pictures have their format's signature and are equal byte by byte when redrawn."""
    for plans in ([], [Plan(tiny.sha256, ())]):
        paths = [tmp_path / f"{name}{ending}" for name in "ab"]
        for path in paths:
            draw.draw(tiny, plans, path)
        data = [path.read_bytes() for path in paths]
        assert data[0].startswith(SIGNATURES[ending])
        assert data[0] == data[1]


def test_show_draws_both_views(
    tiny: Instance, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`show` draws a cache with a plan, the constellation without; bad options end with code 2."""
    instance, plan, out = (str(tmp_path / name) for name in ("i.json", "p.json", "x.png"))
    tiny.write(instance)
    Plan(tiny.sha256, ()).write(plan)
    for options in (["--user", "1"], ["--view", "constellation", "--slot", "3"]):
        assert main(["show", instance, plan, *options, "-o", out]) == 0
    assert main(["show", instance, "--slot", "1", "--user", "0", "-o", out]) == 0
    assert Path(out).read_bytes().startswith(SIGNATURES[".png"])
    assert main(["show", instance, plan, "--user", "2", "-o", out]) == 2
    assert "user: expected a number 0..1, found 2" in capsys.readouterr().err


def test_jutap_takes_no_options_of_push(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A JUTAP instance has one picture: a user, slot or view is refused by its name."""
    instance, out = str(tmp_path / "i.json"), str(tmp_path / "x.png")
    assert main(["generate", "jutap-tiny", "--seed", "0", "-o", instance]) == 0
    for name, value in (("user", "0"), ("slot", "0"), ("view", "cache")):
        assert main(["show", instance, f"--{name}", value, "-o", out]) == 2
        assert f"{name}: expected none: a jutap instance" in capsys.readouterr().err
