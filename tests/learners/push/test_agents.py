"""MAPPO and MAAC for PUSH: they play as they train, learn what can be learned, and nothing else."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from learners import agent
from learners.images.aircraft import CHANNELS
from learners.images.mobilenet import MobileNet
from learners.push import maac, mappo
from learners.push.actor import ActorPolicy, Choosing, MaacAgent, MappoAgent, MultiModalAgent
from learners.push.counterfactual import Counterfactual
from learners.push.maac import Maac
from learners.push.mappo import Mappo, MultiModal
from learners.push.networks.backbone import BackboneTrainer
from learners.push.networks.nets import Actor, Shape
from learners.push.networks.vision import Images, Vision
from learners.push.sources import DrawnProblems, KnownProblems
from learners.push.stage import batch as push_batch
from learners.push.stage.draws import Drawer
from learners.push.stage.env import PushEnv
from learners.push.stage.scene import again, perform
from learners.push.stage.view import Sight
from opt_istn import Budget, InputError, Status, registry
from opt_istn.push.evaluate import evaluate
from opt_istn.push.instance import Instance
from opt_istn.push.play import play
from opt_istn.push.random import random_push
from opt_istn.push.scenario import PRESETS, generate
from opt_istn.push.world.users import PAYLOADS
from opt_istn.training import Task
from tests.learners.push.chance import choose_at_random

TINY, PAPER = PRESETS["push-tiny"], PRESETS["push-paper"]
BLIND, CODES = Vision("none", 16, None, ""), Vision("codes", 16, None, "")
SOLVERS = {"push.mappo": MappoAgent, "push.mmappo": MultiModalAgent, "push.maac": MaacAgent}
BUDGETS = {
    "shared": Mappo(steps=150, reward_credit="shared"),
    "user": Mappo(steps=60, reward_credit="user"),
    "head": Mappo(steps=60),
    "joint": Mappo(steps=60, ratio="joint", reward_credit="user"),
    "multi-modal": MultiModal(steps=60, reward_credit="user"),
    "maac": Maac(steps=60),
    "gumbel": Maac(steps=60, actor_grad="gumbel_st"),
}


MISLED = ("user", "multi-modal", "maac")  # those that learn from something else, too, to compare


def trained(config: Any, task: Task, out: Path) -> MappoAgent:
    """Train an agent quietly and return its solver."""
    config.train(task, 0, out, lambda *_: None)
    return SOLVERS[config.method](out)


def saving(instance: Instance, solver: MappoAgent) -> float:
    """Return what an agent saves of what an optimal plan saves."""
    claims = solver.solve(instance, Budget(), 0)
    judged = evaluate(instance, claims.plan)
    assert (claims.status, claims.cost) == (Status.FEASIBLE, judged.cost)
    optimum = registry.make("labels", "push", {}).solve(instance, Budget(), 0)
    assert optimum.status == Status.OPTIMAL
    return (instance.base_us - judged.cost) / (instance.base_us - optimum.cost)


def shuffled(instance: Instance) -> Instance:
    """Return the instance with all requests for its first content."""
    rows = instance.requests.copy()
    rows[:, 1] = 0
    _, first = np.unique(rows[:, :3], axis=0, return_index=True)
    return replace(instance, requests=rows[first])


LONG = ("maac", "gumbel", "multi-modal", "user", "joint")


@pytest.mark.parametrize(
    "name", [pytest.param(x, marks=pytest.mark.slow) if x in LONG else x for x in BUDGETS]
)
def test_memorises_an_instance(name: str, tmp_path: Path) -> None:
    """Every agent learns the tiny instance by heart; each kind not from other requests."""
    instance = generate(TINY, 0, "tiny")
    solver = trained(BUDGETS[name], Task("push", "tiny", instance=instance), tmp_path / "a.pt")
    assert solver.supports(instance) is None
    assert saving(instance, solver) >= 0.95
    if name not in MISLED:
        return
    other = Task("push", "tiny", instance=shuffled(instance))
    misled = replace(trained(BUDGETS[name], other, tmp_path / "b.pt"), elsewhere=True)
    assert saving(instance, misled) < 0.8


def biased(shape: Shape, seed: int) -> Actor:
    """Return a new actor with strong opinions."""
    rng = torch.Generator().manual_seed(seed)
    actor = Actor(shape, rng)
    with torch.no_grad():
        for value in actor.parameters():
            value.add_(0.3 * torch.randn(value.shape, generator=rng))
    return actor


def random_backbone(number: int = 3) -> dict[str, Any]:
    """Return the state of a backbone of networks that learned nothing; its answers are uneven."""
    rng = torch.Generator().manual_seed(0)
    state: dict[str, Any] = {"pixels": 32}
    for modality, channels in CHANNELS.items():
        net = MobileNet(16, channels, rng)
        answers = torch.rand(16, number, 16, generator=rng)
        state[modality] = {"net": net.state_dict(), "answers": answers}
    return state


@pytest.mark.parametrize("share", [1.0, 0.6])
@pytest.mark.parametrize("images", ["none", "codes", "label", "shuffled", "pixels"])
def test_plays_as_it_is_trained(images: Images, share: float) -> None:
    """Slot by slot, seeing no future, an actor decides what it decides on whole scenes."""
    scenario = replace(PAPER, link_up_share=share, num_contents=120)
    instance = generate(scenario, 3, "x")
    vision = Vision(images, 16, random_backbone() if images == "pixels" else None, "")
    scenes = KnownProblems(instance, vision)
    sizes = (scenes.num_users, scenes.num_slots, scenes.places, 16, images != "none")
    actor = biased(Shape(*sizes, code=scenes.code), 0)
    plan = play(instance, ActorPolicy(actor, 120, vision.of_instance(instance)), 0)
    played = perform(scenes.scene(1, np.random.default_rng(0)), Choosing(actor))
    batch = played.scene.problems.batch
    assert push_batch.plan_of(instance, push_batch.effective(batch, played.plan)) == plan
    assert len(plan.push) > 50
    assert played.delay.sum() == evaluate(instance, plan).cost


def test_scenes_are_served_as_the_evaluator_serves() -> None:
    """What random plans save on random instances is what the evaluator says."""
    for seed in range(20):
        instance = random_push(np.random.default_rng(seed), num_users=3, num_contents=12)
        rng = np.random.default_rng(seed)
        scene = KnownProblems(instance, BLIND).scene(1, rng)
        played = perform(scene, choose_at_random(rng))
        nothing = again(scene, np.full_like(played.plan, instance.num_slots))
        made = push_batch.effective(played.scene.problems.batch, played.plan)
        judged = evaluate(instance, push_batch.plan_of(instance, made))
        assert judged.feasible
        saved = judged.no_push_us - judged.cost  # requests from outside the regions cancel
        assert nothing.delay.sum() - played.delay.sum() == saved


@pytest.mark.parametrize("seed", range(5))
def test_scenes_are_the_environments_decision_process(seed: int) -> None:
    """The same choices are allowed, pushed and paid in scenes and in the PettingZoo environment."""
    instance = generate(replace(PAPER, num_contents=100, link_up_share=0.7), seed, "x")
    slots, rng = instance.num_slots, np.random.default_rng(seed)
    wanted = rng.random((*instance.roi.shape, slots + 1))
    env, allowed, delay = PushEnv(instance), {}, np.zeros(slots, dtype=np.int64)
    observations, infos = env.reset(seed=0)
    while env.agents:
        choices, group = {}, int(np.argmax(observations["head_0"]["group"]))
        for name in env.agents:
            mask = observations[name]["action_mask"].astype(bool)
            choices[name] = np.full(len(mask), slots)
            for row in np.flatnonzero(mask[:, :slots].any(axis=1)):
                content = int(infos[name]["contents"][row // 3])
                user = 3 * group + int(row % 3)
                allowed[user, content] = mask[row]
                choices[name][row] = np.argmax(np.where(mask[row], wanted[user, content], -1))
        now = int(np.argmax(observations["head_0"]["slot"]))
        observations, _, _, _, infos = env.step(choices)
        delay[now] += infos["head_0"]["delay_us"]
    seen = {}

    def choose(sight: Sight, heads: np.ndarray) -> np.ndarray:  # noqa: ARG001
        after = []
        for shut, user, content in zip(sight.shut.numpy(), sight.user, sight.own, strict=True):
            birth = instance.release[content]
            mask = np.concatenate([np.zeros(birth, bool), ~shut[: slots - birth], [True]])
            seen[int(user), int(content)] = mask
            choice = np.argmax(np.where(mask, wanted[user, content], -1))
            after.append(choice - birth if choice < slots else slots)
        return np.array(after, dtype=np.int64)

    played = perform(KnownProblems(instance, BLIND).scene(1, rng), choose)
    made = push_batch.effective(played.scene.problems.batch, played.plan)
    assert push_batch.plan_of(instance, made) == env.plan()
    assert played.delay.sum(axis=1).tolist() == delay.tolist()
    assert delay.sum() == evaluate(instance, env.plan()).cost
    assert set(allowed) == {key for key, mask in seen.items() if mask[:slots].any()}
    assert all((seen[key] == mask).all() for key, mask in allowed.items())


def test_an_episode_is_played_again_from_its_plan() -> None:
    """What is kept of an episode, its plan, gives back everything that was seen in it."""
    scene = DrawnProblems(PAPER, 2, CODES).scene(3, np.random.default_rng(0))
    first = perform(scene, choose_at_random(np.random.default_rng(1)))
    second = again(scene, first.plan)
    assert all(torch.equal(a, b) for a, b in zip(first.sight, second.sight, strict=True))
    for name in ("heads", "after", "opening", "plan", "delay"):
        assert np.array_equal(getattr(first, name), getattr(second, name)), name


def seen() -> tuple[Actor, Sight]:
    """Return an actor, and what is seen in a random episode."""
    scene = DrawnProblems(TINY, 1, CODES).scene(4, np.random.default_rng(0))
    sight = perform(scene, choose_at_random(np.random.default_rng(1))).sight
    return biased(Shape(TINY.num_users, TINY.num_slots, TINY.cache_items, 8, True), 2), sight


def test_forbidden_choices_have_no_probability() -> None:
    """Choices that are shut have probability exactly 0, and the others sum to 1."""
    actor, sight = seen()
    chance = actor(sight).exp()
    assert sight.shut.any()
    assert (chance[sight.shut] == 0).all()
    assert torch.allclose(chance.sum(1), torch.ones(len(chance)))


def test_agents_share_parameters_and_have_no_order() -> None:
    """Contents, users and agents in another order get the same decisions, row for row."""
    actor, sight = seen()
    rng = torch.Generator().manual_seed(0)
    order = torch.randperm(len(sight.user), generator=rng)
    number = int(sight.mine.max()) + 1
    renamed = torch.randperm(number, generator=rng)
    columns = {
        name: getattr(sight, name)[order]
        for name in ("content", "code", "what", "user", "own", "home", "agent", "shut")
    }
    mixed = sight._replace(**columns, mine=renamed[sight.mine[order]])
    assert torch.allclose(actor(mixed), actor(sight)[order], atol=1e-6)


def test_an_agent_sees_its_own_contents_alone() -> None:
    """What one agent decides does not depend on the newborn contents of another."""
    actor, sight = seen()
    mine = sight.mine == sight.mine[-1]
    content = torch.where(mine[:, None], sight.content, torch.zeros_like(sight.content))
    changed = sight._replace(content=content)
    assert not mine.all()
    assert torch.equal(actor(changed)[mine], actor(sight)[mine])


@pytest.mark.parametrize(
    "config",
    [MultiModal(steps=6, episodes=2), Maac(steps=6, episodes=2, updates=2, replay=3)],
    ids=["mappo", "maac"],
)
def test_goes_on_exactly_after_an_interruption(config: Any, tmp_path: Path) -> None:
    """The same seed gives the same weights, with a checkpoint in between too."""
    course = maac.MaacCourse if isinstance(config, Maac) else mappo.MappoCourse
    task = Task("push", "push-tiny", scenario=TINY)
    whole = course(config, task, 3)
    assert len(list(whole.run())) == 6
    for stop in (2, 5):
        broken = course(config, task, 3)
        for _ in zip(broken.run(), range(stop), strict=False):
            pass
        torch.save(broken.state(), tmp_path / "checkpoint")
        resumed = course(config, task, 3)
        resumed.restore(torch.load(tmp_path / "checkpoint", weights_only=True))
        list(resumed.run())
        for name, value in whole.actor.state_dict().items():
            assert torch.equal(value, resumed.actor.state_dict()[name]), name


PROFILED = [
    (kind, profiles, other, field)
    for kind, profiles in (
        (Mappo, mappo.PROFILES),
        (MultiModal, mappo.PROFILES),
        (Maac, maac.PROFILES),
    )
    for other in profiles
    for field in profiles["fair"]
]


@pytest.mark.parametrize(("kind", "profiles", "other", "field"), PROFILED)
def test_what_is_given_is_kept(kind: Any, profiles: Any, other: str, field: str) -> None:
    """A field keeps what it was given under every profile, other profiles' values too."""
    for named in profiles.values():
        given = {field: named[field]}
        if field == "minibatches":  # a part has an instance at least
            given["episodes"] = 16
        if named[field] == "head":  # goes with the linear reward alone
            given["reward_log"] = False
        if given.get("reward_log"):
            given |= {"reward_credit": "shared"} if "reward_credit" in named else {}
        found = kind(profile=other, **given).settled()
        assert {name: getattr(found, name) for name in given} == given
        tied = {*given, "reward_log", "minibatches"}  # these two follow credit and episodes
        blank = {name: getattr(found, name) for name in profiles[other] if name not in tied}
        assert blank == {k: v for k, v in profiles[other].items() if k not in tied}


@pytest.mark.parametrize("kind", [Mappo, MultiModal, Maac, Counterfactual])
def test_a_training_is_measured_in_one_thing(kind: Any) -> None:
    """Seconds and steps together are refused: one of them would be ignored."""
    with pytest.raises(InputError, match="steps: expected one of time_s and steps, not both"):
        kind(time_s=300.0, steps=1)


def test_unknown_combinations_are_refused() -> None:
    """A profile that there is not, and a logarithm of what a head saved."""
    with pytest.raises(InputError, match="profile: expected one of fair, paper"):
        Mappo(profile="papers")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="reward_log: expected reward_credit=shared or user"):
        Mappo(reward_log=True)


def test_other_instances_have_to_be_asked_for(tmp_path: Path) -> None:
    """Instances of another size or scenario are declined, with what was expected."""
    task = Task("push", "push-tiny", scenario=TINY)
    solver = trained(MultiModal(steps=1, episodes=1), task, tmp_path / "a.pt")
    solver.prepare()
    assert "users" in str(solver.supports(generate(PAPER, 0, "x")))
    assert "caches" in str(solver.supports(generate(replace(TINY, cache_items=1), 0, "x")))
    dull = generate(replace(TINY, beta=0.1), 0, "x")
    assert "elsewhere" in str(solver.supports(dull))
    everywhere = replace(solver, elsewhere=True)
    assert everywhere.supports(dull) is None
    assert everywhere.solve(dull, Budget(), 0).status == Status.FEASIBLE
    lawless = random_push(np.random.default_rng(0), num_users=2, num_slots=4, cache_sizes=(2, 2))
    assert "attributes" in str(everywhere.supports(lawless))


def test_the_seed_chooses_the_agent(tmp_path: Path) -> None:
    """With {seed} in the name every seed of the solver plays its own agent."""
    task, instance = Task("push", "push-tiny", scenario=TINY), generate(TINY, 5, "x")
    alone = []
    for seed in (0, 1):
        path = tmp_path / f"a-{seed}.pt"
        MultiModal(steps=1, episodes=1).train(task, seed, path, lambda *_: None)
        alone.append(MultiModalAgent(path).solve(instance, Budget(), 7).plan)
    solver = MultiModalAgent(tmp_path / "a-{seed}.pt")
    assert solver.stochastic
    assert not MultiModalAgent(tmp_path / "a-0.pt").stochastic
    assert solver.supports(instance) is None
    assert [solver.solve(instance, Budget(), seed).plan for seed in (0, 1)] == alone
    assert alone[0] != alone[1]


def test_an_instance_without_attributes_is_declined(tmp_path: Path) -> None:
    """Agents that see attributes do not play instances that name none; by heart they may."""
    bare = replace(generate(TINY, 5, "x"), contents=())
    task = Task("push", "push-tiny", scenario=TINY)
    solver = trained(Mappo(steps=1, episodes=1), task, tmp_path / "a.pt")
    assert "attributes" in str(replace(solver, elsewhere=True).supports(bare))
    own = trained(Mappo(steps=2), Task("push", "bare", instance=bare), tmp_path / "b.pt")
    assert own.supports(bare) is None
    assert own.solve(bare, Budget(), 0).status == Status.FEASIBLE


def test_drawn_contents_are_seen_through_the_backbone() -> None:
    """A training sees answers to images of a content's class and modality, all of them in turn."""
    state = random_backbone()
    drawn = Drawer(PAPER).draw(np.random.default_rng(0))
    vision = Vision("pixels", 16, state, "")
    seen = np.stack([vision.of_drawn(drawn, np.random.default_rng(k)) for k in range(12)])
    is_sar = drawn.traits.payload == PAYLOADS.index("sar")
    assert 0 < is_sar.sum() < len(is_sar)
    for f, number in enumerate(np.asarray(drawn.traits.image_class)):
        answers = state["sar" if is_sar[f] else "optical"]["answers"][number].numpy()
        found = {row.tobytes() for row in seen[:, f]}
        assert found <= {row.tobytes() for row in answers}
        assert len(found) > 1


def test_an_agent_that_sees_pixels_plays_from_its_own_file(tmp_path: Path) -> None:
    """The networks travel in the agent's file; another backbone makes another training."""
    backbone, out = tmp_path / "backbone.pt", tmp_path / "agent.pt"
    task = Task("push", "push-tiny", scenario=TINY)
    lines: list[str] = []
    small = BackboneTrainer(images=40, pixels=32, epochs=1, answers=2)
    told = small.train(task, 0, backbone, lambda _, text: lines.append(text))
    assert set(told) == {"optical accuracy", "sar accuracy"}
    assert [text.partition(":")[0] for text in lines] == ["optical", "sar"]
    config = MultiModal(steps=1, images="pixels", backbone=str(backbone))
    solver = trained(config, task, out)
    known = agent.load(out, "push.mmappo")
    assert known.config["backbone_sha256"] == agent.sha256(backbone, "")
    backbone.unlink()
    instance = generate(TINY, 0, "push-tiny")
    assert solver.supports(instance) is None
    plan = solver.solve(instance, Budget(), 0).plan
    actor, state, _ = solver.load(out)
    seen = Vision("pixels", 16, state["backbone"], "").of_instance(instance)
    assert seen is not None
    assert seen.sum(axis=1) == pytest.approx(np.ones(len(seen)), abs=1e-5)
    assert play(instance, ActorPolicy(actor, instance.num_contents, seen), 0) == plan


def test_a_killed_training_of_a_backbone_goes_on(tmp_path: Path) -> None:
    """A network that was finished is not trained again, and the file comes out the same."""
    task, small = Task("push", "push-tiny", scenario=TINY), {"images": 40, "pixels": 32}
    config = BackboneTrainer(**small, epochs=1, answers=2)
    config.train(task, 0, tmp_path / "whole.pt", lambda *_: None)

    def killed(_: float, text: str) -> None:
        if text.startswith("sar"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        config.train(task, 0, tmp_path / "x.pt", killed)
    lines: list[str] = []
    config.train(task, 0, tmp_path / "x.pt", lambda _, text: lines.append(text))
    assert len(lines) == 1
    whole, found = (agent.load(tmp_path / f"{x}.pt", "push.backbone") for x in ("whole", "x"))
    assert whole.history == found.history
    for modality in CHANNELS:
        assert torch.equal(whole.state[modality]["answers"], found.state[modality]["answers"])


def test_a_backbone_can_start_from_weights(tmp_path: Path) -> None:
    """Given weights, three layers stay as they are, the SAR stem is their mean, the head is new."""
    path = tmp_path / "imagenet.pth"
    given = MobileNet(1000, 3, torch.Generator().manual_seed(1))
    torch.save(given.state_dict(), path)
    small = BackboneTrainer(images=40, pixels=32, epochs=1, answers=1, weights=str(path))
    small.train(Task("push", "x", scenario=TINY), 0, tmp_path / "b.pt", lambda *_: None)
    state, stem = agent.load(tmp_path / "b.pt", "push.backbone").state, "features.0.0.weight"
    before = given.state_dict()[stem]
    assert torch.equal(state["optical"]["net"][stem], before)
    assert torch.equal(state["sar"]["net"][stem], before.mean(1, keepdim=True))
    assert state["sar"]["net"]["classifier.3.weight"].shape == (16, 1024)
    torch.save(MobileNet(1000, 1, torch.Generator()).state_dict(), path)
    with pytest.raises(InputError, match="weights: expected those of a network for colour"):
        small.train(Task("push", "x", scenario=TINY), 0, tmp_path / "c.pt", lambda *_: None)
