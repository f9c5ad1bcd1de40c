"""Tables of outside origin: what is read, and the one line that names what is wrong."""

import gzip
from pathlib import Path

import pytest

from opt_istn.files import InputError, sheets

PLAIN = "a,b\n1,x\n2,y\n"


def _read(path: Path, data: bytes) -> list[tuple[int, str, str]]:
    path.write_bytes(data)
    return [(row.line, row.cells["a"], row.cells["b"]) for row in sheets.read(path, ("a", "b"))]


@pytest.mark.parametrize(
    "data",
    [
        PLAIN.encode(),
        b"\xef\xbb\xbf" + PLAIN.encode(),
        PLAIN.replace("\n", "\r\n").encode(),
        PLAIN.rstrip().encode(),
        b" a , b \n 1 , x \n2,y\n",
        b"b,a\nx,1\ny,2\n",
        b'"a","b"\n1,"x"\n2,y\n',
        gzip.compress(PLAIN.encode(), mtime=0),
    ],
    ids=["plain", "bom", "crlf", "no-end", "spaces", "order", "quotes", "gzip"],
)
def test_one_table_in_many_coats(tmp_path: Path, data: bytes) -> None:
    """Marks, line ends, spaces, quotes, order and compression do not change what is read."""
    assert _read(tmp_path / "t.csv", data) == [(2, "1", "x"), (3, "2", "y")]


def test_lines_are_numbered_as_an_editor_does(tmp_path: Path) -> None:
    """Comments and blank lines are skipped, and counted."""
    assert _read(tmp_path / "t.csv", b"# note\n\na,b\n  # note\n1,x\n") == [(5, "1", "x")]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "line 1: expected a header with the columns a, b, found nothing"),
        (b"# only\n", "line 1: expected a header"),
        (b"a,b\n", "expected at least one line below the header"),
        (b"a\n1\n", "line 1: expected a header with the column b, found a"),
        (b"a;b\n1;2\n", "line 1: expected a header with the column a, found a;b"),
        (b"a,b,c\n1,2,3\n", "line 1: expected columns of a, b, each once, found 'c'"),
        (b"a,b,b\n1,2,3\n", "line 1: expected columns of a, b, each once, found 'b'"),
        (b"a,b\n1\n", "line 2: expected 2 columns (a, b), found 1"),
        (b"a,b\n1,2,3\n", "line 2: expected 2 columns (a, b), found 3"),
        (b'a,b\n1,"2\n', "line 2: expected a line of CSV"),
        (b"a,b\n1,\xff\n", "expected text in UTF-8"),
        ("a,b\n1,2\n".encode("utf-16"), "expected text in UTF-8, found UTF-16"),
        (gzip.compress(b"a,b\n", mtime=0)[:-4], "expected a complete gzip file"),
    ],
)
def test_what_is_no_table_is_told_by_its_line(tmp_path: Path, data: bytes, told: str) -> None:
    """File, line and expectation stand in one line."""
    with pytest.raises(InputError) as caught:
        _read(tmp_path / "t.csv", data)
    assert str(caught.value).startswith(f"{tmp_path / 't.csv'}: {told}")


@pytest.mark.parametrize("text", ["", "x", "nan", "inf", "-inf", "1e999", "-1", "91", "0x10"])
def test_numbers_are_finite_and_of_their_range(text: str) -> None:
    """What is no number of the range is refused with the range."""
    row = sheets.Row("t.csv", 7, {"lat": text})
    with pytest.raises(InputError, match=r"^t\.csv: line 7, lat: expected a number 0\.\.90, found"):
        row.number("lat", 0.0, 90.0)


@pytest.mark.parametrize("text", ["", "-1", "+1", "1.0", "1e3", "9", "٣", "1" * 30])
def test_whole_numbers_are_digits(text: str) -> None:
    """Signs, points, exponents and digits of other scripts make no whole number."""
    with pytest.raises(InputError, match=r"n: expected a whole number 0\.\.8, found"):
        sheets.Row("t.csv", 7, {"n": text}).whole("n", 0, 8)


def test_a_table_without_header_has_its_columns_in_order(tmp_path: Path) -> None:
    """Where a first line of numbers may stand, it is a line like the others."""
    path = tmp_path / "t.csv"
    path.write_text("1.5,x\n2,y\n")
    rows = list(sheets.iterate(path, ("a",), ("b", "c"), ("a", "b", "c")))
    assert [(row.line, row.cells) for row in rows] == [
        (1, {"a": "1.5", "b": "x"}),
        (2, {"a": "2", "b": "y"}),
    ]
