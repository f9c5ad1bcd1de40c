"""Commands of the reference pages run in the order of their page, with less to do than they say."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from opt_istn import cli

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What a command says, and what is run: the same with a smaller instance, or for fewer steps.
LESS = {
    "agents": [
        (r"jutap-paper-v2", "jutap-tiny"),
        (r"jutap-paper-k1.02", "jutap-tiny --set kappa=1.1"),
        (r"push-paper-v2", "push-tiny-v2"),
        (r"train jutap\.qlearning(\S*)", r"train jutap.qlearning\1@steps=20000"),
        (r"train jutap\.dqn(\S*)", r"train jutap.dqn\1@episodes=5000"),
        (r"steps=4000", "steps=20"),
        (r"--user 2", "--user 1"),
        (r"time_s=\d+", "time_s=1"),
        (r"train push.backbone", "train push.backbone@images=400@epochs=1@answers=5"),
        (r"--seeds 10", "--seeds 2"),
        (r"train push.mmappo@images=pixels(\S*)", r"train push.mmappo@images=pixels\1@time_s=1"),
    ],
    "certificates": [
        (r"push-paper-v2 --solvers", "push-tiny-v2 --solvers"),
        (r"\[(NAME|PLAN)\]", ""),
        (r"library check", "library check jutap-cut-off"),
        (r"--seeds 10", "--seeds 2"),
    ],
    "jutap": [],
    "push": [(r"--user 2", "--user 1"), (r"--slot 5", "--slot 3")],
}
BEFORE = {
    "certificates": [
        "generate jutap-tiny --seed 0 -o map.json",
        "prove map.json -o c.json",
        "solve map.json --solver labels -o best.json",
        "solve map.json --solver labels -o p.json",
    ],
    "jutap": ["generate jutap-tiny --seed 0 -o map.json"],
    "push": [
        "generate push-tiny-v2 --seed 0 -o push.json",
        "solve push.json --solver labels -o optimum.json",
        "solve push.json --solver match -o match.json",
    ],
}


LONG = ("agents", "certificates")


def _commands(page: str) -> list[list[str]]:
    """Return the words of a page's commands; what is optional is given."""
    text = (ROOT / f"docs/{page}.md").read_text(encoding="utf-8")
    lines = [line for block in BLOCK.findall(text) for line in block.splitlines()]
    commands = []
    for line in lines:
        if line.startswith(("opt-istn ", "python ")):
            for found, less in LESS[page]:
                line = re.sub(found, less, line)
            commands.append(shlex.split(re.sub(r"[][]", "", line), comments=True))
    return commands


def _run(words: list[str]) -> None:
    program, *rest = words
    if program == "python":
        ran = subprocess.run([sys.executable, *rest], capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
    else:
        assert cli.main(rest) == 0, shlex.join(words)


@pytest.mark.usefixtures("indoors")
@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=pytest.mark.slow) if page in LONG else page for page in LESS]
)
def test_the_commands_of_a_page_run(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each ends with 0 and finds what those before it wrote."""
    monkeypatch.chdir(tmp_path)
    for line in BEFORE.get(page, []):
        _run(["opt-istn", *shlex.split(line)])
    commands = _commands(page)
    assert len(commands) > 1
    for words in commands:
        _run(words)
