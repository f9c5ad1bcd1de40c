"""Reading, checking, hashing and writing the project's JSON files.

Every file is UTF-8 JSON, plain or gzip-compressed, with the fields ``format`` and ``version``.
Whatever is wrong with one is reported as an `InputError` whose text is a single line naming the
file, the field and what was expected there.
"""

import codecs
import gzip
import hashlib
import json
import os
import re
import stat
import tempfile
import warnings
import zlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from io import BufferedReader
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from opt_istn.files import dialects, placing
from opt_istn.files.dialects import DialectWarning as DialectWarning

B = TypeVar("B")
T = TypeVar("T")

_FOREIGN = {  # what it is: how it begins
    "UTF-32": (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE),
    "UTF-16": (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, b"{\0", b"\0{", b"1\0 \0", b"\0001\0 "),
    "a pointer of Git LFS (`git lfs pull` fetches the file)": (b"version https://git-lfs.",),
}
_STRING = re.compile(rb'"([^"\\]*(?:\\.[^"\\]*)*)"(\s*:)?', re.DOTALL)
MAX_LINE = 600  # characters of each part of an error
MAX_DEPTH = 64  # levels of a free object, such as `extra`
MAX_BYTES = 1 << 30  # of a decompressed file; beyond it is refused rather than read into memory
MAX_STREAM_BYTES = 1 << 28  # of a pipe, whose end is not known before it comes
_DEFLATE = 1032  # gzip makes at most so many bytes of one


class InputError(ValueError):
    """Input that cannot be used.

    Parameters
    ----------
    field
        Path of the offending field, such as ``links[3][0]``; empty for the input as a whole.
    expected
        What was expected there and, where it helps, what was found.
    source
        File (or other origin) of the input; filled in by the reader.
    """

    def __init__(self, field: str, expected: str, source: str = "") -> None:
        self.field, self.expected, self.source = field, expected, source
        super().__init__(field, expected, source)

    def __str__(self) -> str:
        return ": ".join(map(_short, filter(None, (self.source, self.field, self.expected))))


def _short(text: str) -> str:
    """Return `text` on one line, without its middle if it is damaged input of great length."""
    line = " ".join(text.split())
    return line if len(line) <= MAX_LINE else f"{line[: MAX_LINE // 2]}...{line[-MAX_LINE // 2 :]}"


class _Header(msgspec.Struct):
    format: str
    version: int


def read_bytes(path: str | Path) -> bytes:
    """Return the content of `path`, decompressed if it is gzip (recognised by its magic number).

    What is too large is refused before it takes memory.

    Raises
    ------
    InputError
        If the file cannot be read, is not valid gzip, is larger than `MAX_BYTES`, or, where it
        is a pipe, than `MAX_STREAM_BYTES`.
    """
    try:
        with open(path, "rb") as raw:  # opened once: it may be a pipe
            return _read(raw, str(path))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError("", f"expected a complete gzip file ({error})", str(path)) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        if isinstance(error, InputError):
            raise
        raise unusable("cannot be read", error, path) from None


def _read(raw: BufferedReader, source: str) -> bytes:
    there = os.fstat(raw.fileno())
    if stat.S_ISCHR(there.st_mode) and not raw.isatty():
        raise InputError("", "expected a file or a pipe, found a device", source)
    regular = stat.S_ISREG(there.st_mode)
    limit = MAX_BYTES if regular else MAX_STREAM_BYTES
    too_large = InputError("", f"expected at most {limit} bytes, decompressed", source)
    if there.st_size > limit:
        raise too_large
    compressed = raw.peek(2)[:2] == b"\x1f\x8b"
    stream = gzip.GzipFile(fileobj=raw) if compressed else raw
    if compressed and regular and there.st_size * _DEFLATE > limit:
        if stream.seek(limit + 1) > limit:  # reads on without keeping anything
            raise too_large
        raw.seek(0)
        stream = gzip.GzipFile(fileobj=raw)
    data = stream.read(limit + 1)
    if len(data) > limit:
        raise too_large
    return data


def text_of(data: bytes, source: str = "") -> bytes:
    """Return `data` without the mark that some editors put before UTF-8.

    Raises
    ------
    InputError
        If its first bytes say that it is something else, such as UTF-16; names it.
    """
    if data.startswith(codecs.BOM_UTF8):
        return data[len(codecs.BOM_UTF8) :]
    for found, marks in _FOREIGN.items():
        if data.startswith(marks):
            raise InputError("", f"expected text in UTF-8, found {found}", source)
    return data


def decode(data: bytes, schema: type[T], source: str = "") -> T:
    """Decode JSON `data` strictly into the msgspec type `schema`.

    Raises
    ------
    InputError
        If the text is not JSON or does not match the schema; names the field.
    """
    try:
        return msgspec.json.decode(text_of(data, source), type=schema)
    except msgspec.ValidationError as error:
        raise InputError(*explain(error), source) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError("", f"expected a JSON object ({error})", source) from None


def explain(error: msgspec.ValidationError) -> tuple[str, str]:
    """Return the field that msgspec refuses, such as ``links[3]``, and what it expects there."""
    expected, _, path = str(error).replace("`", "").partition(" - at $")
    return path.lstrip("."), expected


def decode_document(
    data: bytes, schema: type[T], file_format: str, version: int, source: str = ""
) -> T:
    """Decode a document of a format that has one version; see `decode_versions`."""
    return decode_versions(data, {version: schema}, file_format, source)


def decode_versions(
    data: bytes, schemas: Mapping[int, type[T]], file_format: str, source: str = ""
) -> T:
    """Decode a versioned document: header first, so a foreign file is named as such.

    Parameters
    ----------
    schemas
        The schema of every version that can be read.

    Raises
    ------
    InputError
        If the header is missing, names another format or an unknown version, or a field is wrong.
    """
    header = decode(data, _Header, source)
    _check_header(header, schemas, file_format, source)
    document = decode(data, schemas[header.version], source)
    _refuse_duplicates(data, source)
    _refuse_depth(document, source)
    return document


def build(
    data: bytes,
    schemas: Mapping[int, type[T]],
    file_format: str,
    source: str,
    make: Callable[[T], B],
) -> B:
    """Return what `make` makes of a versioned document; see `decode_versions`.

    A document in a dialect of JSON (`opt_istn.files.dialects`) is read, too, with one warning.

    Raises
    ------
    InputError
        If the document is wrong, or `make` refuses it; names `source`.
    """
    try:
        document = decode_versions(data, schemas, file_format, source)
    except InputError as error:
        refused = [error]
    else:
        return _made(document, make, source)
    for rows in (False, True):
        try:
            made = _made(_of_dialect(data, schemas, file_format, source, rows=rows), make, source)
        except InputError as error:
            refused.append(error)
        except msgspec.ValidationError as error:
            refused.append(InputError(*explain(error), source))
        except dialects.UnclearError:
            continue
        else:
            text = f"{source}: numbers or lists are as MATLAB or pandas write them; read so"
            warnings.warn(text, DialectWarning, stacklevel=3)
            return made
    raise refused[:2][-1]


def _of_dialect(
    data: bytes, schemas: Mapping[int, type[T]], file_format: str, source: str, *, rows: bool
) -> T:
    text = text_of(data, source)
    header = dialects.read(text, _Header, rows=rows)
    _check_header(header, schemas, file_format, source)
    document: T = dialects.read(text, schemas[header.version], rows=rows)
    _refuse_duplicates(text, source)
    _refuse_depth(document, source)
    return document


def _made(document: T, make: Callable[[T], B], source: str) -> B:
    try:
        return make(document)
    except InputError as error:
        raise InputError(error.field, error.expected, source) from None


def _check_header(
    header: _Header, schemas: Mapping[int, type], file_format: str, source: str
) -> None:
    if header.format != file_format:
        raise InputError("format", f"expected {file_format!r}, found {header.format!r}", source)
    if header.version not in schemas:
        hint = "; a newer opt-istn wrote this file" if header.version > max(schemas) else ""
        known = " or ".join(map(str, schemas))
        raise InputError("version", f"expected {known}, found {header.version}{hint}", source)


def _refuse_depth(document: Any, source: str) -> None:
    """Refuse free objects nested so deeply that Python cannot hand them on."""
    for name in getattr(document, "__struct_fields__", ()):
        level, depth = [getattr(document, name)], 0
        if isinstance(level[0], list):  # what is typed throughout is as deep as its type
            continue
        while level:
            depth += 1
            if depth > MAX_DEPTH:
                raise InputError(name, f"expected at most {MAX_DEPTH} levels of nesting", source)
            level = [x for one in level for x in _inside(one) if isinstance(x, dict | list)]


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list | tuple) else ()


def _refuse_duplicates(data: bytes, source: str) -> None:
    """Refuse an object with two equal keys: readers differ in which of the two they believe."""
    keys = [match[1] for match in _STRING.finditer(data) if match[2]]
    if len(set(keys)) == len(keys) and not any(b"\\" in key for key in keys):
        return  # no key occurs twice in the whole file, which is nearly always so

    def check(pairs: list[tuple[str, Any]]) -> None:
        seen = set[str]()
        for name, _ in pairs:
            if name in seen:
                raise InputError(name, "expected once, found more than once", source)
            seen.add(name)

    try:
        json.loads(data, object_pairs_hook=check)
    except RecursionError:
        raise InputError("", "expected a JSON object that is less deeply nested", source) from None


def document_format(data: bytes, source: str = "") -> str:
    """Return the ``format`` field of a document."""
    try:
        return decode(data, _Header, source).format
    except InputError as refused:
        with suppress(dialects.UnclearError, msgspec.ValidationError):
            return str(dialects.read(text_of(data, source), _Header, rows=False).format)
        raise refused from None


def canonical_sha256(document: dict[str, Any]) -> str:
    """Return the SHA-256 of the canonical JSON text of `document`.

    Canonical: keys sorted, no white space, ASCII escapes, floats in Python's shortest form.
    """
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def check_text(field: str, *texts: str) -> None:
    """Raise `InputError` for a text, such as a file's name, that no file in UTF-8 can hold."""
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InputError(field, f"expected text in UTF-8, found {text!r}") from None


def current_folder() -> str:
    """Return the folder one works in.

    Raises
    ------
    InputError
        If it was deleted.
    """
    try:
        return str(Path.cwd())
    except OSError as error:
        raise unusable("cannot be used", error, "the current folder") from None


def unusable(what: str, error: OSError | ValueError, path: str | Path) -> InputError:
    """Return the `InputError` for a file that the operating system refuses."""
    return InputError("", f"{what} ({getattr(error, 'strerror', None) or error})", str(path))


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write `data` to `path` atomically: the old file or the whole new one, never a part.

    A path ending in ``.gz`` is compressed (with a zero time stamp, so equal content gives equal
    bytes).

    Raises
    ------
    InputError
        If the folder does not exist or cannot be written to.
    """
    payload = gzip.compress(data, 6, mtime=0) if Path(path).suffix.lower() == ".gz" else data

    def write(temporary: Path) -> None:
        with open(temporary, "wb") as stream:
            stream.write(payload)

    write_through(path, write)


def write_through(path: str | Path, write: Callable[[Path], None], suffix: str = "") -> None:
    """Have `write` fill a temporary file, ending in `suffix`, that then becomes `path`.

    Where `path` is a link, the file that it leads to is replaced. What is no regular file, such as
    a device or a pipe, is written into and stays what it is.

    Raises
    ------
    InputError
        If the folder does not exist or cannot be written to.
    """
    temporary = None
    try:
        target = placing.end_of_links(Path(path))
        replaced = placing.is_replaced(target)
        folder = target.parent if replaced else Path(tempfile.gettempdir())
        handle, name = tempfile.mkstemp(suffix, f".{target.name}.", folder)
        temporary = Path(name)
        os.close(handle)
        write(temporary)
        placing.become(temporary, target) if replaced else placing.copy(temporary, target)
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise unusable("cannot be written", error, path) from None
    finally:
        if temporary:
            temporary.unlink(missing_ok=True)  # gone already if it became the target


def write_document(path: str | Path, document: dict[str, Any]) -> None:
    """Write `document` as JSON to `path`, atomically."""
    try:
        data = msgspec.json.encode(document) + b"\n"
    except UnicodeEncodeError as error:
        raise InputError(
            "", f"expected texts in UTF-8, found {error.object!r}", str(path)
        ) from None
    write_bytes(path, data)
