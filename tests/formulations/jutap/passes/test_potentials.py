"""The cells that compiled passes look at."""

import numpy as np
import pytest

from formulations.jutap.passes.potentials import grid_of, restrict_to_end
from opt_istn.jutap.graph import reachable_cells, reaching_cells
from opt_istn.testing.jutap import draw


@pytest.mark.parametrize("index", range(27))
def test_passes_look_at_the_cells_that_walks_visit(index: int) -> None:
    """The compiled search for cells finds those of the graph, from START and back from END."""
    instance = draw(5, index)
    np.testing.assert_array_equal(grid_of(instance).active, reachable_cells(instance))
    np.testing.assert_array_equal(restrict_to_end(instance).active, reaching_cells(instance))
