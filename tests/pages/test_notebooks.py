"""The notebooks in examples/ run from top to bottom in a kernel, whose event loop runs already."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[2] / "examples/notebooks"
SAID = {  # what the outputs have to tell, in this order
    "lesson": (
        *("diagonal           0.60", "around the hole    0.76", "through the hole   3.46"),
        *("optimum 600000 bound 600000", "certified bound 600000", "refused: "),
        *("100 episodes: 10 of 10 seeds arrive, mean gap 0.0 %", "20 plans; the best pushes"),
        *("and costs 1.0 s", "solver: 1.0 s", "pays 2 s, the optimum 1 s, without pushes 3 s"),
    ),
    "preset_to_figure": (
        *("jutap-tiny-0", "jutap.labels optimal", "labels", "'jutap.greedy': ", "image/png"),
        "image/png",
    ),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the kernel's client
@pytest.mark.parametrize("name", [path.stem for path in sorted(FOLDER.glob("*.ipynb"))])
def test_a_notebook_runs_and_says_what_it_should(name: str, tmp_path: Path) -> None:
    """No cell fails, and the outputs tell the known results; the file itself has no outputs."""
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    context = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=context).execute()
    text = "".join(  # one line of a cell may come in several outputs
        output.get("text", "") + "".join(f"{line}\n" for line in output.get("data", {}).items())
        for cell in notebook.cells
        for output in cell.get("outputs", [])
    )
    place = 0
    for said in SAID[name]:
        assert said in text[place:], f"{said!r} is not among the outputs: {text}"
        place = text.index(said, place) + 1
