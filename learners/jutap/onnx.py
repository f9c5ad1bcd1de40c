"""Solver ``jutap.onnx``: a JUTAP agent in an ONNX file, whatever trained it.

The contract, version 1: one input of shape (n, D), the columns of n flights; the first output is
either scores (floating point, shape (n, A)), of which the best possible action is flown, or actions
(integers, shape (n,) or (n, 1)). The layout of the columns is the text ``opt_istn.observation`` of
the file's metadata, or the parameter ``observation``; the hash of the map it was trained on may
stand in ``opt_istn.instance``.
"""

from dataclasses import dataclass
from typing import ClassVar

from learners.agent import of_seed
from learners.jutap.foreign import AgentFile, check_map, check_widths
from learners.onnx_files import KEY, TRAINED_ON, OnnxFile
from opt_istn.files import InputError
from opt_istn.jutap.flights.observation import Layout, layout_of
from opt_istn.jutap.flights.table import Float, Mask
from opt_istn.jutap.instance import Instance, IntArray
from opt_istn.jutap.starts import Acts


@dataclass(frozen=True)
class OnnxAgent(AgentFile):
    """Flies an agent that is an ONNX file."""

    distributions: ClassVar[tuple[str, ...]] = ("gymnasium", "onnxruntime")

    def pilot(self, instance: Instance, seed: int) -> tuple[Layout, Acts]:
        """Return what the agent sees, and its action in each of many flights."""
        network = OnnxFile(of_seed(self.agent, seed))
        layout = layout_of(network.metadata.get(KEY), self.observation, network.path)
        trained_on = network.metadata.get(TRAINED_ON)
        check_map(trained_on, instance, elsewhere=self.elsewhere, source=network.path)
        if len(network.inputs) != 1:
            found = ", ".join(network.inputs)
            raise InputError("inputs", f"expected one, found {found}", network.path)
        ((name, shape),) = network.inputs.items()
        width = shape[-1] if shape else None
        check_widths(layout, instance, width if isinstance(width, int) else None, network.path)

        def acts(seen: Float, mask: Mask) -> IntArray:
            chosen, last = network.chosen({name: seen}, mask), mask.shape[1] - 1
            if len(chosen) and not 0 <= chosen.min() <= chosen.max() <= last:
                rule = f"expected actions 0..{last}, found {chosen.min()}..{chosen.max()}"
                raise InputError("output", rule, network.path)
            return chosen

        return layout, acts
