"""docs/own-agent.md is run from top to bottom, as a new user would, with short trainings."""

import re
import runpy
import shlex
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from opt_istn import cli
from opt_istn.runs import ledger

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/own-agent.md"
EXAMPLES = ROOT / "examples/agents"
SHORT = {  # what the page takes minutes for, the test does in seconds
    "python train_sb3.py dqn 100000": "python train_sb3.py dqn 200",
    "python train_pettingzoo.py 20000": "python train_pettingzoo.py 1",
    "opt-istn generate push-paper-v2": "opt-istn generate push-tiny-v2",
    "opt-istn compare push-paper-v2 --seeds 5": "opt-istn compare push-tiny-v2 --seeds 2",
}
BLOCK = re.compile(r"(?:<!-- file: (\S+) -->\n)?```(\w*)\n(.*?)```", re.DOTALL)


def _blocks() -> Iterator[tuple[str, str, str]]:
    yield from BLOCK.findall(PAGE.read_text(encoding="utf-8"))


def _lines() -> Iterator[str]:
    """Yield the page's commands in order; files come to be where they stand on the page."""
    for name, language, text in _blocks():
        if name:
            Path(name).write_text(text, encoding="utf-8")
        elif not language:
            yield from (line for line in text.splitlines() if not line.startswith("pip "))


def _run(line: str) -> int:
    """Run a command or a script of the page within this process, and return its exit code."""
    program, *words = shlex.split(line)
    if program == "opt-istn":
        return cli.main(words)
    assert program == "python", line
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of libraries, to which a script of the page may speak
        patch.setattr(sys, "argv", words)
        runpy.run_path(words[0], run_name="__main__")
    return 0


def test_the_page_shows_the_examples() -> None:
    """The files on the page are those in examples/agents, word for word, but for its script."""
    shown = {name: text for name, language, text in _blocks() if name and language == "python"}
    del shown["script.py"]
    assert shown == {path.name: path.read_text() for path in EXAMPLES.glob("*.py")}


@pytest.mark.usefixtures("indoors")
def test_every_command_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From top to bottom no command fails, and at the end all three journeys have their gap."""
    monkeypatch.chdir(tmp_path)
    for line in _lines():
        for long, short in SHORT.items():
            line = line.replace(long, short)
        code = _run(line)
        # An agent trained for seconds may miss END: then `solve` has no plan, exit code 3.
        if "jutap.sb3" in line and "solve" in line and code == 3:
            (tmp_path / "mine.json").write_bytes((tmp_path / "best.json").read_bytes())
            continue
        assert code == 0, line
    runs = {run.solver: run for run in ledger.read("runs.jsonl")}
    ours = {"jutap.labels", "jutap.straight", "jutap.sb3", "jutap.certificate"}
    assert set(runs) == {*ours, "external:matlab"}
    assert runs["external:matlab"].cost == runs["jutap.straight"].cost
    assert runs["external:matlab"].wall_s == 1.3
    assert "stable-baselines3" in runs["jutap.sb3"].packages
    first = next(run for run in ledger.read("runs.jsonl") if run.solver == "jutap.sb3")
    exported = next(run for run in ledger.read("onnx.jsonl") if run.solver == "jutap.onnx")
    assert (exported.status, exported.cost) == (first.status, first.cost)
    assert (first.seed, exported.error) == (0, first.error)
    played = {run.solver: run for run in ledger.read("push.jsonl")}
    optimum = played["push.labels"].cost
    assert optimum is not None
    for run in ledger.read("push.jsonl"):
        assert run.cost is not None
        assert run.cost >= optimum
    with zipfile.ZipFile("paper.zip") as archive:
        archive.extractall("unpacked")
    command = [sys.executable, "unpacked/bundle/check.py"]
    judged = subprocess.run(command, capture_output=True, text=True, check=False)
    assert judged.returncode == 0, judged.stdout
    assert "7 records, 0 wrong" in judged.stdout
    assert "bound proven by certificate" in judged.stdout


def test_the_layouts_on_the_page_are_those_of_the_environment() -> None:
    """The table of columns says how many there are."""
    from learners.jutap.env import JutapEnv
    from opt_istn import generate
    from opt_istn.jutap.flights.observation import LAYOUTS

    instance = generate("jutap-tiny", seed=0)
    rows = re.findall(r"^\| `(jutap\.\w+\.1)` \|.*\| ([\dN +]+) \|$", PAGE.read_text(), re.M)
    assert {name for name, _ in rows} == {name for name in LAYOUTS if "+" not in name}
    for name, said in rows:
        env = JutapEnv(instance, features=LAYOUTS[name].features)
        wide = 2 * instance.grid + 2 if "N" in said else int(said)
        assert env.observation_space.shape == (wide,)
        assert env.layout.name == name


def test_parts_on_the_page_are_those_of_the_environment() -> None:
    """The table of a PUSH agent's observation names every part and no other."""
    from learners.push.foreign import observation_of
    from learners.push.stage.env import PushEnv
    from learners.push.stage.view import META
    from opt_istn import generate

    section = PAGE.read_text().partition("## What a PUSH agent sees")[2]
    named = re.findall(r"^\| (`.+?) \|", section, re.M)
    parts = {name for cell in named for name in re.findall(r"`(\w+)`", cell)}
    env = PushEnv(generate("push-tiny-v2", seed=0))
    assert set(observation_of(env)) == parts
    attributes = " ".join(section.partition("Attributes: ")[2].split()).rstrip(".")
    assert attributes == ", ".join(META)
    known = observation_of(env)
    sizes = {"C": 15, "G": 3, "L": 2, "H": 45, "T": env.sizes.slots, "T + 1": env.sizes.slots + 1}
    for names, shape in re.findall(r"^\| (`[^|]+) \| \(([^)]*)\) \|", section, re.M):
        for name in re.findall(r"`(\w+)`", names):
            said = [x.strip() for x in shape.split(",") if x.strip()]
            assert len(said) == len(known[name]), name
            for text, size in zip(said, known[name], strict=True):
                if text in sizes or text.isdigit():
                    assert size == (int(text) if text.isdigit() else sizes[text]), name
