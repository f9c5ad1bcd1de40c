"""Where a figure is made: its folder, what it may cost, and what is there already.

Runs are records in ``NAME.jsonl``, certificates lie in ``certificates``, agents in ``agents``. What
is there is not done again, so that an interrupted command goes on where it was.
"""

import platform
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from opt_istn import files, registry
from opt_istn.evidence import certify
from opt_istn.files import InputError
from opt_istn.pictures import canvas
from opt_istn.runs import environment, ledger
from opt_istn.runs.compare import Choice, Comparison, load
from opt_istn.runs.ledger import Record, Source
from opt_istn.solver import Budget
from opt_istn.training import Task
from opt_istn.version import full_version

Row = Sequence[Any]


@dataclass
class Finding:
    """What is told of a figure: pictures, a table and sentences.

    Parameters
    ----------
    title
        Heading of the page.
    header, rows
        The table: what is printed, what is proven and ours side by side.
    agrees, cannot
        Sentences on what agrees, and on what cannot be compared and why.
    pictures
        Pictures by the rest of their file names.
    """

    title: str
    header: Sequence[str] = ()
    rows: list[Row] = field(default_factory=list)
    agrees: list[str] = field(default_factory=list)
    cannot: list[str] = field(default_factory=list)
    pictures: dict[str, Figure] = field(default_factory=dict)


@dataclass(frozen=True)
class Work:
    """A folder, and what may be spent in it.

    Parameters
    ----------
    folder
        Where all files go.
    quick
        Minutes instead of hours: fewer maps, shorter limits, no long training.
    agents
        Folder with agents that are trained already, None for none.
    jobs
        Runs at the same time.
    maps, trainings
        Instances of a distribution, and how many of them get an agent of their own.
    say
        Told what is being done.
    """

    folder: Path
    quick: bool
    agents: Path | None
    jobs: int
    maps: int
    trainings: int
    say: Callable[[str], None]

    def compared(
        self,
        name: str,
        sources: Sequence[Source],
        choices: Sequence[Choice],
        seeds: int,
        limit_s: float,
    ) -> list[Record]:
        """Return the records of solvers on instances, run where they are not there yet."""
        comparison = Comparison(sources, choices, seeds, Budget(limit_s))
        self.say(f"{name}: {len(comparison)} runs of {', '.join(c.solver for c in choices)}")
        return list(comparison.run(self.folder / f"{name}.jsonl", self.jobs))

    def proven(self, name: str, limit_s: float) -> dict[str, Record]:
        """Return the record of the certificate of each instance of ``NAME.jsonl`` that has one."""
        self.say(f"{name}: certificates")
        budget = Budget(limit_s, threads=self.jobs)
        found = {}
        path, folder = self.folder / f"{name}.jsonl", self.folder / "certificates"
        for one in certify.certify_records(path, folder, budget):
            if one.record is None:
                self.say(f"{name}: {one.instance}: no certificate: {one.reason}")
            else:
                found[one.sha256] = one.record
        return found

    def records(self, name: str) -> list[Record]:
        """Return all records of ``NAME.jsonl``."""
        path = self.folder / f"{name}.jsonl"
        return list(ledger.read(path)) if path.is_file() else []

    def given(self, name: str) -> Path | None:
        """Return the agent file of this name that is there, None if there is none."""
        folders = [self.folder / "agents", *([self.agents] if self.agents else [])]
        return next((f / f"{name}.pt" for f in folders if (f / f"{name}.pt").is_file()), None)

    def pattern(self, name: str) -> Path:
        """Return the agent files ``NAME-{seed}.pt``, in the folder that holds the first one."""
        first = self.given(f"{name}-0")
        folder = self.folder / "agents" if first is None else first.parent
        return folder / f"{name}-{{seed}}.pt"

    def trained(
        self, name: str, agent: str, settings: Mapping[str, Any], source: Source, seed: int
    ) -> Path:
        """Return an agent that learned one instance by heart, trained now if it is not there."""
        known = self.given(name)
        if known is not None:
            return known
        instance = load(source)
        path = self.folder / "agents" / f"{name}.pt"
        path.parent.mkdir(parents=True, exist_ok=True)
        self.say(f"{name}: training {agent} with seed {seed} {dict(settings)}")
        trainer = registry.trainer(agent, instance.problem, settings)
        task = Task(instance.problem, instance.name, instance=instance)
        if reason := trainer.supports(task):
            raise InputError("", reason)
        trainer.train(task, seed, path, lambda share, text: None)  # noqa: ARG005 - the protocol's
        return path

    def command(self, name: str) -> str:
        """Return the command that makes a figure."""
        quick = " --quick" if self.quick else ""
        return f"opt-istn reproduce {name}{quick} --maps {self.maps} --trainings {self.trainings}"

    def write(self, name: str, finding: Finding) -> list[Path]:
        """Write ``NAME.md`` and the pictures; return the files."""
        written = []
        for rest, figure in finding.pictures.items():
            written.append(self.folder / f"{name}{rest}.png")
            canvas.save(figure, written[-1])
        pictures = [path.name for path in written]
        written.append(self.folder / f"{name}.md")
        files.write_bytes(written[-1], page(self.command(name), finding, pictures).encode())
        return written


def page(command: str, finding: Finding, pictures: Iterable[str]) -> str:
    """Return the page of a figure in Markdown."""
    seen = environment.capture()
    state = seen["commit"][:10] or full_version()
    made = datetime.now(UTC).date().isoformat()
    lines = [f"# {finding.title}", ""]
    dirty = ", with changes that are not committed" if seen["dirty"] else ""
    lines += [
        f"`{command}`, commit {state}{dirty}, {made}, Python {platform.python_version()}.",
        "",
    ]
    shown = [f"![{picture}]({picture})" for picture in pictures]
    lines += [*shown, ""] if shown else []
    if finding.rows:
        lines += [_line(finding.header), _line(["---"] * len(finding.header))]
        lines += [_line(row) for row in finding.rows]
    for heading, said in (("What agrees", finding.agrees), ("What cannot", finding.cannot)):
        if said:
            lines += ["", f"**{heading}.** {' '.join(said)}"]
    return re.sub("\n{3,}", "\n\n", "\n".join(lines)) + "\n"


def _line(cells: Sequence[Any]) -> str:
    shown = ("" if cell is None else str(cell) for cell in cells)
    return "| " + " | ".join(re.sub(r"\|", r"\\|", cell) for cell in shown) + " |"
