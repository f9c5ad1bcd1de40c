"""Parameters whose types say what they may be: checked as a whole, refused by name."""

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, get_args, get_type_hints

import msgspec
import numpy as np

from opt_istn.files import InputError, explain

Positive = Annotated[float, msgspec.Meta(gt=0)]
AtLeast0 = Annotated[float, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Latitude = Annotated[float, msgspec.Meta(ge=-90, le=90)]


def checked(kind: type, values: Mapping[str, Any], *, strict: bool = True) -> dict[str, Any]:
    """Return the values of all fields of a class.

    Parameters
    ----------
    kind
        Its annotations say what fields may be.
    strict
        If not, values may be texts, such as ``"0.5"``. Numbers of numpy are as good as Python's.

    Raises
    ------
    InputError
        Names a field that cannot have its value.
    """
    plain = {k: v.item() if isinstance(v, np.generic) else v for k, v in values.items()}
    try:
        made = msgspec.convert(plain, _schema(kind), strict=strict)
    except msgspec.ValidationError as error:
        path, expected = explain(error)
        expected = expected[0].lower() + expected[1:]
        if path in values:
            choices = ", ".join(map(str, get_args(hints(kind)[path])))
            is_choice = expected.startswith("invalid enum")
            expected = f"expected one of {choices}" if is_choice else expected.partition(", got")[0]
            expected = f"{expected}, found {values[path]!r}"
        raise InputError(path, expected) from None
    return msgspec.structs.asdict(made)


@cache
def hints(kind: type) -> dict[str, Any]:
    """Return the types of a class's fields, with what they are annotated with."""
    return get_type_hints(kind, include_extras=True)


@cache
def _schema(kind: type) -> type[msgspec.Struct]:
    return msgspec.defstruct("Parameters", list(hints(kind).items()))
