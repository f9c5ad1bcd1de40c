"""The figure of the README, from committed runs: ``python -m bench.first_page``.

Above the first instance with the optimum and a rule's flight, below what every method leaves of the
saving on all ten.
"""

import io
from pathlib import Path

import msgspec
from matplotlib.figure import Figure
from PIL import Image

from opt_istn import files, problems
from opt_istn.pictures import canvas
from opt_istn.report import charts, groups
from opt_istn.report.numbers.aggregates import Series
from opt_istn.runs import compare, ledger

ROOT = Path(__file__).parents[1]
RECORDS = ROOT / "bench/records/jutap-paper-v2.jsonl"
OUT = ROOT / "docs/figures/first-page.png"
SHOWN = {"jutap.labels": "optimum", "jutap.blind": "a rule: blind"}
WIDTH_PX = 1600


def main() -> None:
    """Write the figure."""
    every = groups.every_series(ledger.read(RECORDS))
    parts = [_map(every), charts.gap_chart(every)]
    images = [Image.open(io.BytesIO(canvas.encode(part, ".png"))).convert("RGB") for part in parts]
    scaled = [x.resize((WIDTH_PX, round(x.height * WIDTH_PX / x.width))) for x in images]
    sheet = Image.new("RGB", (WIDTH_PX, sum(x.height for x in scaled)), "white")
    top = 0
    for image in scaled:
        sheet.paste(image, (0, top))
        top += image.height
    stream = io.BytesIO()
    sheet.quantize(128).save(stream, format="png", optimize=True)
    OUT.parent.mkdir(exist_ok=True)
    files.write_bytes(OUT, stream.getvalue())


def _map(every: list[Series]) -> Figure:
    """Return the map of seed 0 with the plans of `SHOWN`."""
    problem = problems.get("jutap")
    runs = {
        run.solver: run
        for series in every
        for run in series.runs
        if run.source.seed == 0 and run.solver in SHOWN
    }
    instance = compare.load(next(iter(runs.values())).source)
    plans = [
        (title, problem.plan(msgspec.json.encode(runs[solver].plan)))
        for solver, title in SHOWN.items()
    ]
    pictures = problem.pictures()
    if pictures is None:
        raise RuntimeError("JUTAP's pictures are not installed")
    figure: Figure = pictures.figure(instance, plans)
    return figure


if __name__ == "__main__":
    main()
