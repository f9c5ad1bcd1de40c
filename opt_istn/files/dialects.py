"""JSON as MATLAB and pandas write it, turned into the types that a document should have.

Both write what they hold as floats: 3 as ``3.0`` or ``1e1``, and nothing as ``null``, ``NaN`` or
``[]``. MATLAB writes a list of one entry as that entry, and a matrix of one row as a list.
"""

import json
from typing import Any

import msgspec
from msgspec import inspect

_EXACT = 2**53  # floats below it are the integers they look like


class DialectWarning(UserWarning):
    """A document is in a dialect of JSON, and read all the same."""


class UnclearError(ValueError):
    """A value that can mean more than one thing, or nothing."""


def read(data: bytes, schema: type, *, rows: bool) -> Any:
    """Return the JSON text `data` as the msgspec type `schema`.

    Parameters
    ----------
    rows
        How to read a list of numbers where a list of lists should be: as its one row, or as rows
        of one number. The counts in the document tell which is right.

    Raises
    ------
    msgspec.ValidationError
        If a field is wrong in this dialect, too.
    UnclearError
        If it is not unambiguous what is meant.
    """
    try:
        value = canonical(json.loads(data.decode()), inspect.type_info(schema), rows=rows)
    except (ValueError, RecursionError) as error:
        raise UnclearError(str(error)) from None
    return msgspec.convert(value, schema)


def canonical(value: Any, kind: inspect.Type, *, rows: bool) -> Any:
    """Return `value` as JSON of its type; what does not fit is left to the validation."""
    if isinstance(kind, inspect.Metadata):
        return canonical(value, kind.type, rows=rows)
    if isinstance(kind, inspect.UnionType):
        return _choice(value, kind, rows=rows)
    if isinstance(kind, inspect.StructType) and isinstance(value, dict):
        types = {field.encode_name: field.type for field in kind.fields}
        return {
            key: canonical(x, types[key], rows=rows) if key in types else x
            for key, x in value.items()
        }
    if isinstance(kind, inspect.ListType | inspect.VarTupleType):
        return [canonical(x, kind.item_type, rows=rows) for x in _listed(value, kind, rows=rows)]
    if isinstance(kind, inspect.TupleType) and isinstance(value, list):
        types_ = (*kind.item_types, *[inspect.AnyType()] * len(value))
        return [canonical(x, type_, rows=rows) for x, type_ in zip(value, types_, strict=False)]
    if isinstance(kind, inspect.IntType) and isinstance(value, float):
        if value.is_integer() and abs(value) < _EXACT:
            return int(value)
    elif isinstance(kind, inspect.AnyType | inspect.DictType):
        json.dumps(value, allow_nan=False)  # a ValueError: what NaN means there nobody knows
    return value


def _choice(value: Any, kind: inspect.UnionType, *, rows: bool) -> Any:
    others = [one for one in kind.types if not isinstance(one, inspect.NoneType)]
    lists = any(isinstance(one, inspect.ListType | inspect.VarTupleType) for one in others)
    if len(others) < len(kind.types):
        missing = value is None or value != value or (value == [] and not lists)
        if missing:
            return None
    return canonical(value, others[0], rows=rows) if len(others) == 1 else value


def _listed(value: Any, kind: inspect.ListType | inspect.VarTupleType, *, rows: bool) -> list[Any]:
    if not isinstance(value, list):
        return [value]
    item = kind.item_type.type if isinstance(kind.item_type, inspect.Metadata) else kind.item_type
    flat = value and not any(isinstance(x, list) for x in value)
    fixed = isinstance(item, inspect.TupleType) and len(item.item_types) == len(value)
    inner = isinstance(item, inspect.ListType | inspect.VarTupleType)
    return [value] if flat and (fixed or (inner and rows)) else value
