"""What all figures share: sizes, text made harmless, and writing them without pyplot's state."""

import base64
import io
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font

from opt_istn import files
from opt_istn.files import InputError

COLUMN_IN, PAGE_IN = 3.5, 7.16  # widths of one column and of both, IEEE
SMALL, NORMAL = 7, 8  # font sizes in points, at these widths
DPI = 300
MIME = {".png": "image/png", ".svg": "image/svg+xml", ".pdf": "application/pdf"}

# No time stamps: equal figures give equal files.
_METADATA = {".png": {"Software": None}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
_SETTINGS: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so figures are equal everywhere
    "pdf.fonttype": 42,  # embedded as TrueType: publishers refuse Type 3
    "svg.hashsalt": "opt-istn",
}


def label(text: str, limit: int = 60) -> str:
    """Return `text` as a figure may show it: one line, not too long, no formulas, known glyphs."""
    flat = " ".join(text.split())
    known = _glyphs()
    shown = "".join(char if ord(char) in known else "?" for char in flat)
    cut = shown if len(shown) <= limit else shown[: limit - 1] + "\N{HORIZONTAL ELLIPSIS}"
    return cut.replace("$", r"\$")


def suffix(path: str | Path) -> str:
    """Return the ending of a figure's file name, which decides its format.

    Raises
    ------
    InputError
        If it is none of ``.png``, ``.svg``, ``.pdf``.
    """
    ending = Path(path).suffix.lower()
    if ending not in MIME:
        expected = f"expected a name ending in {', '.join(MIME)}, found {ending or 'no ending'!r}"
        raise InputError("", expected, str(path))
    return ending


def encode(figure: Figure, ending: str, dpi: int = DPI) -> bytes:
    """Return `figure` as the bytes of a file with this ending."""
    stream = io.BytesIO()
    with matplotlib.rc_context(_SETTINGS):  # read while saving; everything else is set on objects
        figure.savefig(stream, format=ending[1:], dpi=dpi, metadata=_METADATA[ending])
    return stream.getvalue()


def save(figure: Figure, path: str | Path) -> None:
    """Write `figure` to `path`, atomically."""
    files.write_bytes(path, encode(figure, suffix(path)))


def data_uri(figure: Figure, ending: str, dpi: int = DPI) -> str:
    """Return `figure` as a ``data:`` address."""
    return f"data:{MIME[ending]};base64,{base64.b64encode(encode(figure, ending, dpi)).decode()}"


@cache
def _glyphs() -> frozenset[int]:
    return frozenset(get_font(findfont("DejaVu Sans")).get_charmap())
