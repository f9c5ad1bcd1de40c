"""A pretended device: it computes on the CPU, but refuses what a real one refuses.

Tensors moved to `DEVICE` while `Elsewhere` is active carry their numbers along. As on an
accelerator, an operation on tensors of two places fails (but for numbers, tensors without
dimensions, and for indices), so does a generator of the CPU's, and numpy sees none of it. torch's
own name of the device, ``meta``, is that of tensors without numbers, which need no driver.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter, tree_map

DEVICE = "meta"
_UNFILLED = {torch.ops.aten.empty.memory_format}  # modules made without storage stay without
_INDEXING = ("aten::index.", "aten::index_put", "aten::_index_put_impl_")  # by argument 1


class There(torch.Tensor):
    """A tensor on the pretended device; `near` holds its numbers."""

    near: torch.Tensor

    @staticmethod
    def __new__(cls, near: torch.Tensor) -> "There":
        """Wrap a tensor."""
        made: There = torch.Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls, near.shape, near.stride(), near.storage_offset(), dtype=near.dtype, device=DEVICE
        )
        made.near = near
        return made

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run an operation."""
        return _run(func, args, dict(kwargs or {}))

    def __tensor_flatten__(self) -> tuple[list[str], None]:
        """Name what is wrapped: lets modules swap their parameters."""
        return ["near"], None


class Elsewhere(TorchDispatchMode):
    """While active, `DEVICE` computes."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run an operation."""
        return _run(func, args, dict(kwargs or {}))


def _run(func: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
    given = [x for x in tree_iter((args, kwargs)) if isinstance(x, torch.Tensor)]
    there = {id(x.near): x for x in given if isinstance(x, There)}
    asked = kwargs.get("device")
    arrives = bool(there) if asked is None else torch.device(asked).type == DEVICE
    if not there and (not arrives or func in _UNFILLED):
        return func(*args, **kwargs)
    if there:
        _check(func, args, kwargs)
    if asked is not None:
        kwargs["device"] = torch.device("cpu")
    near = tree_map(lambda x: x.near if isinstance(x, There) else x, (args, kwargs))
    result = func(*near[0], **near[1])

    def placed(x: Any) -> Any:
        if not (isinstance(x, torch.Tensor) and arrives):
            return x
        return there[id(x)] if id(x) in there else There(x)

    return tree_map(placed, result)


def _check(func: Any, args: Any, kwargs: dict[str, Any]) -> None:
    """Refuse what an accelerator would refuse."""
    name = func.name()
    given = (args[0], *args[2:]) if name.startswith(_INDEXING) else args
    tensors = [x for x in tree_iter((given, kwargs)) if isinstance(x, torch.Tensor)]
    if name != "aten::copy_" and any(x.dim() and not isinstance(x, There) for x in tensors):
        raise RuntimeError(f"{name}: expected all tensors to be on the same device")
    if isinstance(kwargs.get("generator"), torch.Generator):
        raise RuntimeError(f"{name}: expected a generator of the device")
