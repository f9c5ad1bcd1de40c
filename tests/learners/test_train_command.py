"""The command `train`: agents from the command line, several seeds, and clear errors."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from learners import agent
from opt_istn.cli import main
from opt_istn.jutap.scenario import PRESETS, generate

SHORT = "jutap.dqn@updates=10"


@pytest.fixture
def tiny(tmp_path: Path) -> str:
    path = tmp_path / "tiny.json"
    generate(PRESETS["jutap-tiny"], 1, "tiny").write(path)
    return str(path)


@pytest.mark.usefixtures("indoors")
def test_a_trained_agent_is_a_solver(
    tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`train` writes an agent file that `solve` flies; an untrained one may find no plan."""
    out = tmp_path / "q.pt"
    assert (
        main(
            ["train", "jutap.qlearning@steps=60000", tiny, "--seed", "0", "-o", str(out), "--json"]
        )
        == 0
    )
    printed = json.loads(capsys.readouterr().out)
    assert printed["agent"] == str(out)
    assert printed["gap"] == 0
    code = main(["solve", tiny, "--solver", "qlearning", "--set", f"agent={out}", "--json"])
    solved = json.loads(capsys.readouterr().out)
    assert (code, solved["status"]) == (0, "feasible")


def test_seeds_are_trained_side_by_side(tiny: str, tmp_path: Path) -> None:
    """Two jobs give the agents that one job gives."""
    for jobs in ("1", "2"):
        out = str(tmp_path / f"{jobs}-{{seed}}.pt")
        seeds = ["--seed", "4", "--seeds", "2", "--jobs", jobs]
        assert main(["train", SHORT, tiny, *seeds, "-o", out]) == 0
    for seed in (4, 5):
        one, two = (agent.load(tmp_path / f"{jobs}-{seed}.pt", "jutap.dqn") for jobs in (1, 2))
        assert one.seed == seed
        assert all((one.state["last"][k] == two.state["last"][k]).all() for k in one.state["last"])


def test_one_instance_of_a_preset(tmp_path: Path) -> None:
    """--instance-seed trains on that instance of the preset, with --set changing it."""
    out = tmp_path / "a.pt"
    given = ["jutap-tiny", "--instance-seed", "1", "--set", "geo=false", "--seed", "0"]
    assert main(["train", SHORT, *given, "-o", str(out)]) == 0
    loaded = agent.load(out, "jutap.dqn")
    expected = generate(replace(PRESETS["jutap-tiny"], geo=False), 1)
    described = {"name": "jutap-tiny-1", "protocol": "memorise", "instance": expected.sha256}
    assert loaded.trained_on == described


def test_what_a_training_reached_is_told_with_units(
    tiny: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Shares are in %, the cost says what it counts, and the file that was written is named."""
    monkeypatch.chdir(tmp_path)
    out = "q.npz"  # a longer name would not fit beside its heading
    given = ["train", "jutap.qlearning@steps=60000", tiny, "--seed", "0", "-o", out]
    assert main(given) == 0
    said = capsys.readouterr()
    told = dict(line.split(None, 1) for line in said.out.splitlines() if line.strip())
    assert all(told[name].rstrip().endswith("%") for name in ("success", "gap", "saving"))
    assert "of the objective" in told["validation"]
    assert f"wrote {out}" in said.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["jutap.dqm", "TINY"], "did you mean 'jutap.dqn'"),
        (["jutap.dqn@profil=paper", "TINY"], "profile"),
        (["jutap.dqn@profile=weak", "TINY"], "profile"),
        (["jutap.dqn", "jutap-tiny"], "--instance-seed"),
        (["jutap.dqn", "push-tiny", "--instance-seed", "0"], "jutap.dqn"),
        (["jutap.dqn", "TINY", "--seeds", "2"], "{seed}"),
        (["jutap.dqn", "TINY", "--set", "geo=false"], "--set"),
        (["jutap.dqn", "missing.json"], "missing.json"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str],
    words: str,
    tiny: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit code 2, one line on stderr that names what is wrong, and no agent file."""
    out = tmp_path / "a.pt"
    given = [tiny if text == "TINY" else text for text in arguments]
    assert main(["train", *given, "--seed", "0", "-o", str(out)]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert not out.exists()


@pytest.mark.usefixtures("indoors")
def test_a_bad_agent_file_is_named(
    tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`solve` and an agent file that is none: exit code 2, and a line that names the file."""
    path = tmp_path / "text.pt"
    path.write_text("hello")
    assert main(["solve", tiny, "--solver", "dqn", "--set", f"agent={path}"]) == 2
    error = capsys.readouterr().err
    assert "text.pt" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("agent_", "told"),
    [
        ("push.mappo@episodes=0", "episodes: expected 1"),
        ("push.mmappo@gamma=2", "gamma: expected 0 to 1, found 2"),
        ("push.mmappo@images=photos", "codes"),
        ("push.mmappo@images=pixels", "backbone: expected a file of push.backbone"),
        ("push.mappo@backbone=x.pt", "backbone: it is for images=pixels, found images=none"),
        ("push.backbone@pixels=8", "pixels: expected 32 to 512, found 8"),
        ("push.maac@attend=5", "hidden: expected a multiple of attend, 5, found 64"),
        ("push.maac@time_s=nan", "time_s: expected"),
        ("push.counterfactual@imitation=-1", "imitation: expected 0 to 1, found -1"),
        ("jutap.dqn@batch=0", "batch: expected 1"),
        ("jutap.qlearning@epsilon=7", "epsilon: expected 0 to 1, found 7"),
        ("push.mappo@device=nowhere", "device: expected one that torch can use"),
    ],
)
def test_parameters_out_of_range_are_told(
    agent_: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A parameter that makes no sense costs one line and exit code 2, not a traceback."""
    preset = agent_.partition(".")[0] + "-tiny"
    assert main(["train", agent_, preset, "--seed", "0", "-o", str(tmp_path / "a.pt")]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1
