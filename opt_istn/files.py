"""Reading, checking, hashing and writing the project's JSON files.

Every file is UTF-8 JSON, plain or gzip-compressed, with the fields ``format`` and ``version``.
Whatever is wrong with one is reported as an `InputError` whose text is a single line naming the
file, the field and what was expected there.
"""

import errno
import gzip
import hashlib
import json
import os
import re
import shutil
import stat
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_STRING = re.compile(rb'"([^"\\]*(?:\\.[^"\\]*)*)"(\s*:)?', re.DOTALL)
MAX_LINE = 600  # characters of each part of an error
MAX_DEPTH = 64  # levels of a free object, such as `extra`
MAX_BYTES = 2 << 30  # a decompressed file beyond this is refused rather than read into memory


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
        self.field = field
        self.expected = expected
        self.source = source
        super().__init__(field, expected, source)

    def __str__(self) -> str:
        return ": ".join(map(_short, filter(None, (self.source, self.field, self.expected))))


def _short(text: str) -> str:
    """Return `text` on one line, without its middle if it is damaged input of great length."""
    line = " ".join(text.split())
    half = MAX_LINE // 2
    return line if len(line) <= MAX_LINE else f"{line[:half]}...{line[-half:]}"


class _Header(msgspec.Struct):
    format: str
    version: int


def read_bytes(path: str | Path) -> bytes:
    """Return the content of `path`, decompressed if it is gzip (recognised by its magic number).

    Raises
    ------
    InputError
        If the file cannot be read, is not valid gzip, or is larger than `MAX_BYTES`.
    """
    try:
        with open(path, "rb") as raw:  # opened once: it may be a pipe
            compressed = raw.peek(2)[:2] == b"\x1f\x8b"
            stream = gzip.GzipFile(fileobj=raw) if compressed else raw
            data = stream.read(MAX_BYTES + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError("", f"expected a complete gzip file ({error})", str(path)) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise unusable("cannot be read", error, path) from None
    if len(data) > MAX_BYTES:
        raise InputError("", f"expected at most {MAX_BYTES} bytes", str(path))
    return data


def decode(data: bytes, schema: type[T], source: str = "") -> T:
    """Decode JSON `data` strictly into the msgspec type `schema`.

    Raises
    ------
    InputError
        If the text is not JSON or does not match the schema; names the field.
    """
    try:
        return msgspec.json.decode(data, type=schema)
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
    if header.format != file_format:
        raise InputError("format", f"expected {file_format!r}, found {header.format!r}", source)
    if header.version not in schemas:
        hint = "; a newer opt-istn wrote this file" if header.version > max(schemas) else ""
        known = " or ".join(map(str, schemas))
        raise InputError("version", f"expected {known}, found {header.version}{hint}", source)
    document = decode(data, schemas[header.version], source)
    _refuse_duplicates(data, source)
    _refuse_depth(document, source)
    return document


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
        names = [name for name, _ in pairs]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise InputError(twice, "expected once, found more than once", source)

    try:
        json.loads(data, object_pairs_hook=check)
    except RecursionError:
        raise InputError("", "expected a JSON object that is less deeply nested", source) from None


def document_format(data: bytes, source: str = "") -> str:
    """Return the ``format`` field of a document."""
    return decode(data, _Header, source).format


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
    reason = error.strerror if isinstance(error, OSError) else None
    return InputError("", f"{what} ({reason or error})", str(path))


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
        there = Path(path).stat() if Path(path).exists() else None
        into = there is not None and (not stat.S_ISREG(there.st_mode) or _is_output(there))
        target = _end_of_links(Path(path))
        folder = Path(tempfile.gettempdir()) if into else target.parent
        handle, name = tempfile.mkstemp(suffix, f".{target.name}.", folder)
        temporary = Path(name)
        os.close(handle)
        write(temporary)
        _copy(temporary, path, there) if into and there else _become(temporary, target)
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise unusable("cannot be written", error, path) from None
    finally:
        if temporary:
            temporary.unlink(missing_ok=True)  # gone already if it became the target


def _end_of_links(path: Path) -> Path:
    target = Path(os.path.realpath(path)) if path.is_symlink() else path
    if target.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return target


def _is_output(there: os.stat_result) -> bool:
    """Whether this is the file that stdout goes to, as ``/dev/stdout`` may be."""
    with suppress(OSError):  # stdout is closed
        return os.path.samestat(there, os.fstat(1))
    return False


def _copy(source: Path, path: str | Path, there: os.stat_result) -> None:
    """Write the content of `source` into what is at `path`; stdout goes on after it."""
    sys.stdout.flush()
    handle = os.dup(1) if _is_output(there) else os.open(path, os.O_WRONLY)
    with open(source, "rb") as read, open(handle, "wb") as stream:
        shutil.copyfileobj(read, stream)


def _become(temporary: Path, target: Path) -> None:
    """Replace `target` by a whole file with the old one's mode, or the usual one."""
    with open(temporary, "rb") as stream:
        os.fsync(stream.fileno())
    mode = target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask()
    temporary.chmod(mode)
    temporary.replace(target)


def write_document(path: str | Path, document: dict[str, Any]) -> None:
    """Write `document` as JSON to `path`, atomically."""
    try:
        data = msgspec.json.encode(document) + b"\n"
    except UnicodeEncodeError as error:
        raise InputError(
            "", f"expected texts in UTF-8, found {error.object!r}", str(path)
        ) from None
    write_bytes(path, data)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
