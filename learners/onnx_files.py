"""Policies as ONNX: opened with one thread on the processor, their inputs and outputs checked."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as state

from opt_istn import files
from opt_istn.files import InputError

KEY = "opt_istn.observation"  # where the metadata keep the name of what the policy sees
TRAINED_ON = "opt_istn.instance"  # and the hash of the instance that it was trained on
_BROKEN = (
    state.Fail,
    state.InvalidArgument,
    state.InvalidGraph,
    state.InvalidProtobuf,
    state.NoSuchFile,
    state.NotImplemented,
    state.RuntimeException,
)
_KINDS = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int8)": np.int8}


class OnnxFile:
    """A policy in an ONNX file.

    Parameters
    ----------
    path
        The file; without data outside of it.

    Raises
    ------
    InputError
        If it is none, or takes something else than numbers.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        data = files.read_bytes(path)
        try:
            self._session = onnxruntime.InferenceSession(
                data, options, providers=["CPUExecutionProvider"]
            )
        except _BROKEN as error:
            reason = str(error).partition("\n")[0]
            raise InputError("", f"expected an ONNX file ({reason})", self.path) from None
        self.inputs = {one.name: list(one.shape) for one in self._session.get_inputs()}
        self._types = {}
        for one in self._session.get_inputs():
            if one.type not in _KINDS:
                rule = f"expected one of {', '.join(_KINDS)}, found {one.type}"
                raise InputError(f"input {one.name}", rule, self.path)
            self._types[one.name] = _KINDS[one.type]

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the file says of itself, its ``metadata_props``."""
        found: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        return found

    def check(self, name: str, shape: tuple[int, ...]) -> None:
        """Check the sizes of an input without its first dimension, as far as the file fixes them.

        Raises
        ------
        InputError
            If the file wants others.
        """
        found = self.inputs[name][1:]
        fits = len(found) == len(shape) and all(
            not isinstance(size, int) or size == wanted
            for size, wanted in zip(found, shape, strict=True)
        )
        if not fits:
            rule = f"expected {list(shape)} after the first dimension, found {found}"
            raise InputError(f"input {name}", rule, self.path)

    def chosen(self, values: Mapping[str, NDArray[Any]], mask: NDArray[Any]) -> NDArray[np.int64]:
        """Return the choices in the first output, or the best possible ones by its scores.

        Parameters
        ----------
        mask
            What is possible (not 0), shape (..., A). Choices have all of its dimensions but the
            last, or but the last and one of size 1 more; scores have its shape.

        Raises
        ------
        InputError
            If the file cannot be run on these inputs, or its output is neither.
        """
        found, shape = self(values), mask.shape[:-1]
        if found.dtype.kind in "iu" and found.shape in (shape, (*shape, 1)):
            return found.reshape(shape).astype(np.int64)
        if found.dtype.kind != "f" or found.shape != mask.shape:
            rule = f"expected scores {mask.shape} or choices {shape}"
            rule = f"{rule}, found {found.dtype} {found.shape}"
            raise InputError("output", rule, self.path)
        best: NDArray[np.int64] = np.where(mask > 0, found, -np.inf).argmax(axis=-1)
        return best

    def __call__(self, values: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """Return the first output.

        Raises
        ------
        InputError
            If the file cannot be run on these inputs.
        """
        given = {name: np.asarray(values[name], kind) for name, kind in self._types.items()}
        try:
            found: NDArray[Any] = self._session.run(None, given)[0]
        except _BROKEN as error:
            reason = str(error).partition("\n")[0]
            raise InputError("", f"it cannot be run: {reason}", self.path) from None
        return found
