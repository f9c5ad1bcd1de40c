"""Agents from elsewhere: what they see is checked, and what they fly is what their network says."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from stable_baselines3 import DQN, PPO

from learners.jutap.env import JutapEnv
from learners.jutap.foreign import PolicyFile as JutapPolicy
from learners.jutap.onnx import OnnxAgent
from learners.jutap.sb3 import Sb3Agent
from learners.push.foreign import PolicyFile as PushPolicy
from learners.push.onnx import OnnxAgent as PushOnnx
from learners.push.stage.env import PushEnv
from opt_istn import Budget, InputError, Status, evaluate, generate
from opt_istn.jutap import plan_from_env
from opt_istn.jutap.flights.observation import LAYOUTS
from opt_istn.jutap.flights.table import strongest, table_of
from opt_istn.jutap.instance import Instance
from opt_istn.jutap.starts import best_of, judge_pilot, judge_solver
from opt_istn.push import plan_from_env as push_plan

BUDGET = Budget(time_s=60)


@pytest.fixture(scope="module")
def instance() -> Instance:
    made: Any = generate("jutap-tiny", seed=0)
    return made


@pytest.fixture(scope="module")
def saved(instance: Instance, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Any], Path]:
    """Return what trains an algorithm for a few steps and saves it."""
    folder = tmp_path_factory.mktemp("sb3")

    def save(kind: Any) -> Path:
        path = folder / f"{kind.__name__}.zip"
        if not path.exists():
            env = gymnasium.make("opt-istn/Jutap-v0", instance=instance, features="fourier")
            short = (
                {"n_steps": 32, "batch_size": 32, "n_epochs": 1}
                if kind is PPO
                else {"learning_starts": 10}
            )
            kind("MlpPolicy", env, seed=0, device="cpu", **short).learn(32).save(path)
        return path

    return save


@pytest.mark.parametrize("kind", [PPO, DQN])
def test_an_sb3_agent_flies_its_own_scores(
    kind: Any, instance: Instance, saved: Callable[[Any], Path]
) -> None:
    """Without masks the plan is that of `predict`; with them no action is impossible."""
    path = saved(kind)
    model = kind.load(path)
    env = JutapEnv(instance, features="fourier")
    plan = plan_from_env(env, lambda seen, _: model.predict(seen, deterministic=True)[0])
    bare = Sb3Agent(path, masked=False).solve(instance, BUDGET, 0)
    assert bare.plan == plan
    layout, acts = Sb3Agent(path).pilot(instance, 0)
    assert layout.name == "jutap.fourier.1"
    table = table_of(strongest(instance))
    mask = table.next >= 0
    mask[table.done] = True
    chosen = acts(layout.of(table), mask)
    assert mask[np.arange(len(mask)), chosen].all()


def test_an_sb3_agent_is_refused_where_it_does_not_belong(
    instance: Instance, saved: Callable[[Any], Path]
) -> None:
    """Another map, other columns and a file that is none are refused in a line."""
    path = saved(DQN)
    other = replace(instance, cost=replace(instance.cost, hole=7))
    with pytest.raises(InputError, match="not on this map; elsewhere=true"):
        Sb3Agent(path).pilot(other, 0)
    assert Sb3Agent(path, elsewhere=True).pilot(other, 0)
    with pytest.raises(InputError, match=r"expected 'jutap.fourier.1', as the file says"):
        Sb3Agent(path, observation="jutap.raw.1").pilot(instance, 0)
    with pytest.raises(InputError, match="expected an agent as stable-baselines3 saves it"):
        Sb3Agent(Path(__file__)).pilot(instance, 0)
    with pytest.raises(InputError, match="cannot be read"):
        Sb3Agent(path.with_name("none.zip")).pilot(instance, 0)


def test_an_sb3_agent_of_a_wrapped_space_has_to_say_what_it_sees(
    instance: Instance, tmp_path: Path
) -> None:
    """A wrapper that makes a space anew forgets the layout; then its user names it."""
    env = gymnasium.make("opt-istn/Jutap-v0", instance=instance)
    flat = gymnasium.wrappers.FlattenObservation(env)
    model = PPO("MlpPolicy", flat, n_steps=32, batch_size=32, device="cpu")
    model.observation_space = gymnasium.spaces.Box(-1, 1, (3,), np.float32)
    model.save(tmp_path / "a.zip")
    with pytest.raises(InputError, match="expected observation="):
        Sb3Agent(tmp_path / "a.zip").pilot(instance, 0)
    with pytest.raises(InputError, match=r"jutap.fourier.1 has 51 columns here, the agent takes 3"):
        Sb3Agent(tmp_path / "a.zip", observation="jutap.fourier.1").pilot(instance, 0)
    assert Sb3Agent(tmp_path / "a.zip", observation="jutap.raw.1").pilot(instance, 0)


def _linear(path: Path, weights: np.ndarray, **metadata: str) -> Path:
    """Write the ONNX file of scores that are linear in the columns."""
    rows, columns = weights.shape
    made = helper.make_graph(
        [helper.make_node("MatMul", ["seen", "w"], ["scores"])],
        "linear",
        [helper.make_tensor_value_info("seen", TensorProto.FLOAT, ["n", rows])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", columns])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, metadata)
    onnx.save(model, path)
    return path


def test_an_onnx_agent_flies_what_its_matrix_says(instance: Instance, tmp_path: Path) -> None:
    """Its plan is that of the same scores in numpy, from START and from every START."""
    weights = np.random.default_rng(3).normal(size=(51, 16)).astype(np.float32)
    path = _linear(tmp_path / "a.onnx", weights)
    solver = OnnxAgent(path, observation="jutap.fourier.1")
    env = JutapEnv(instance, features="fourier")

    def act(seen: np.ndarray, mask: np.ndarray) -> int:
        return int(best_of(seen[None] @ weights, mask[None], masked=True)[0])

    assert solver.solve(instance, BUDGET, 0).plan == plan_from_env(env, act)
    judged = judge_solver(instance, solver, 0, BUDGET)
    table = table_of(strongest(instance))
    alone = judge_pilot(
        table, LAYOUTS["jutap.fourier.1"], lambda s, m: best_of(s @ weights, m, masked=True)
    )
    assert (judged.cost == alone.cost).all()
    assert (judged.reached == alone.reached).all()


def test_an_onnx_file_is_checked_when_it_is_loaded(instance: Instance, tmp_path: Path) -> None:
    """What it sees has to be said, by it or for it, alike, and to be as wide as it takes."""
    weights = np.zeros((3, 16), dtype=np.float32)
    silent = _linear(tmp_path / "silent.onnx", weights)
    with pytest.raises(InputError, match="expected observation="):
        OnnxAgent(silent).pilot(instance, 0)
    with pytest.raises(InputError, match="has 51 columns here, the agent takes 3"):
        OnnxAgent(silent, observation="jutap.fourier.1").pilot(instance, 0)
    with pytest.raises(InputError, match=r"expected one of jutap.raw.1"):
        OnnxAgent(silent, observation="jutap.raw.2").pilot(instance, 0)
    told = {"opt_istn.observation": "jutap.raw.1", "opt_istn.instance": "0" * 64}
    elsewhere = _linear(tmp_path / "told.onnx", weights, **told)
    with pytest.raises(InputError, match="not on this map"):
        OnnxAgent(elsewhere).pilot(instance, 0)
    assert OnnxAgent(elsewhere, elsewhere=True).pilot(instance, 0)
    (tmp_path / "broken.onnx").write_bytes(silent.read_bytes()[:40])
    with pytest.raises(InputError, match="expected an ONNX file"):
        OnnxAgent(tmp_path / "broken.onnx", observation="jutap.raw.1").pilot(instance, 0)
    narrow = _linear(tmp_path / "narrow.onnx", weights[:, :7])
    with pytest.raises(InputError, match="expected scores"):
        OnnxAgent(narrow, observation="jutap.raw.1").solve(instance, BUDGET, 0)


def test_a_policy_may_see_what_of_the_budget_is_spent(tmp_path: Path) -> None:
    """``+spent`` shows the share of the energy budget, move by move, also from every START."""
    tight: Any = generate("jutap-tiny", seed=0, kappa="1.25")
    path = tmp_path / "greedy.py"
    path.write_text(
        "import numpy as np\nSEEN = []\n"
        "def act(seen, mask):\n"
        "    SEEN.append(float(seen[-1]))\n"
        "    return np.flatnonzero(mask)[-1]\n"
    )
    solver = JutapPolicy(f"{path}:act", "jutap.raw+spent.1")
    claims = solver.solve(tight, BUDGET, 0)
    assert claims.status == Status.FEASIBLE
    layout, acts = solver.pilot(tight, 0)
    table = table_of(strongest(tight))
    seen: list[float] = []

    def spying(columns: np.ndarray, mask: np.ndarray) -> Any:
        seen.extend(columns[:, -1].tolist())
        return acts(columns, mask)

    judge_pilot(table, layout, spying)
    assert min(seen) == 0
    move = max(tight.energy_mj) / tight.energy_budget_mj
    assert any(share == pytest.approx(move) for share in seen)


def test_a_plan_begins_as_the_instance_does(instance: Instance) -> None:
    """Where START holds GEO at first, so does the plan, whatever episodes begin with."""
    geo = replace(instance, start_link=instance.geo)
    plan = plan_from_env(JutapEnv(geo), lambda _, mask: np.flatnonzero(mask)[-1])
    assert (plan.cells[0], plan.links[0]) == (geo.start, geo.geo)
    assert evaluate(geo, plan).violations == ()


def test_other_environments_are_refused(instance: Instance) -> None:
    """A plan is made of our environments only; each refuses the other's and a stranger's."""
    stranger = gymnasium.make("CartPole-v1")
    for env in (stranger, PushEnv(generate("push-tiny-v2", seed=0))):
        with pytest.raises(InputError, match="expected opt-istn/Jutap-v0"):
            plan_from_env(env, lambda *_: 0)
    for env in (stranger, JutapEnv(instance)):
        with pytest.raises(InputError, match="expected a PushEnv"):
            push_plan(env, lambda *_: 0)


def _masks(path: Path, heads: int, choices: int, **metadata: str) -> Path:
    """Write the ONNX file of an agent that takes the first choice its mask allows."""
    shape = ["n", heads, choices]
    made = helper.make_graph(
        [helper.make_node("Cast", ["action_mask"], ["scores"], to=TensorProto.FLOAT)],
        "first",
        [helper.make_tensor_value_info("action_mask", TensorProto.INT8, shape)],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, shape)],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, metadata)
    onnx.save(model, path)
    return path


def test_push_policies_and_onnx_files_play_what_they_say(tmp_path: Path) -> None:
    """One rule as a function, in a Python file and as ONNX makes one feasible plan."""
    tiny: Any = generate("push-tiny-v2", seed=0)
    plan = push_plan(PushEnv(tiny), lambda seen, _: seen["action_mask"].argmax(axis=1))
    (tmp_path / "first.py").write_text(
        "def act(observation, agent):\n    return observation['action_mask'].argmax(axis=1)\n"
    )
    sizes = PushEnv(tiny).sizes
    told = {"opt_istn.observation": "push.heads.1"}
    path = _masks(tmp_path / "a.onnx", sizes.heads, sizes.slots + 1, **told)
    for solver in (PushPolicy(f"{tmp_path / 'first.py'}:act"), PushOnnx(path)):
        claims = solver.solve(tiny, BUDGET, 0)
        assert claims.plan == plan
        assert evaluate(tiny, plan).violations == ()
    assert plan.push


def test_a_push_onnx_file_is_checked_when_it_is_loaded(tmp_path: Path) -> None:
    """Its contract has to be said, its inputs to be parts of the observation, of their shapes."""
    tiny: Any = generate("push-tiny-v2", seed=0)
    sizes = PushEnv(tiny).sizes
    silent = _masks(tmp_path / "silent.onnx", sizes.heads, sizes.slots + 1)
    with pytest.raises(InputError, match="found neither"):
        PushOnnx(silent).solve(tiny, BUDGET, 0)
    with pytest.raises(InputError, match=r"expected push.heads.1"):
        PushOnnx(silent, observation="push.heads.2").solve(tiny, BUDGET, 0)
    wide = _masks(tmp_path / "wide.onnx", sizes.heads + 1, sizes.slots + 1)
    with pytest.raises(InputError, match="input action_mask: expected"):
        PushOnnx(wide, observation="push.heads.1").solve(tiny, BUDGET, 0)
    other = _linear(tmp_path / "other.onnx", np.zeros((3, 16), dtype=np.float32))
    with pytest.raises(InputError, match="input seen: expected one of"):
        PushOnnx(other, observation="push.heads.1").solve(tiny, BUDGET, 0)


def test_a_policy_that_draws_gets_the_seed(tmp_path: Path) -> None:
    """``random=true`` makes the class with a generator of the run's seed, anew for each run."""
    tiny: Any = generate("push-tiny-v2", seed=0)
    (tmp_path / "dice.py").write_text(
        "class Dice:\n"
        "    def __init__(self, rng):\n        self.rng = rng\n"
        "    def __call__(self, seen, agent):\n"
        "        mask = seen['action_mask'] * self.rng.random(seen['action_mask'].shape)\n"
        "        return mask.argmax(axis=1)\n"
    )
    solver = PushPolicy(f"{tmp_path / 'dice.py'}:Dice", random=True)
    assert solver.stochastic
    plans = [solver.solve(tiny, BUDGET, seed).plan for seed in (0, 0, 1)]
    assert plans[0] == plans[1] != plans[2]
    with pytest.raises(InputError, match="or random=true: Dice"):
        PushPolicy(f"{tmp_path / 'dice.py'}:Dice").solve(tiny, BUDGET, 0)
