"""Building HTML as a tree, so that text from strangers can only ever become text."""

import base64
import hashlib
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files

Node = ET.Element
Content = Node | str


@dataclass(frozen=True)
class Row:
    """A row of a table: its cells, the first a heading; its class; its address, if it has one."""

    cells: Sequence[Content]
    kind: str = ""
    id: str = ""


STYLE, SCRIPT = (
    files("opt_istn.report.page").joinpath(name).read_text(encoding="utf-8")
    for name in ("page.css", "page.js")
)


def _policy() -> str:
    """Return what a browser may do: nothing is loaded and only our script runs, by its hash."""
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    allowed = f"img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    return f"default-src 'none'; base-uri 'none'; form-action 'none'; {allowed}"


def node(name: str, *content: Content, **attributes: str) -> Node:
    """Return an element; a trailing underscore in an attribute's name is dropped (``class_``)."""
    made = ET.Element(name, {key.rstrip("_"): _clean(x) for key, x in attributes.items()})
    for part in content:
        if isinstance(part, str):
            _append_text(made, _clean(part))
        else:
            made.append(part)
    return made


def table(
    name: str,
    heads: Sequence[str],
    rows: Iterable[Row],
    class_: str = "",
    caption: str = "",
) -> Node:
    """Return a sortable table that scrolls in a region of its own, reached by the keyboard.

    Parameters
    ----------
    name
        Of the region, unlike that of any other on the page.
    """
    head = node("thead", node("tr", *(node("th", text, scope="col") for text in heads)))
    body = node("tbody")
    for number, row in enumerate(rows):
        first, *others = row.cells
        cells = [node("th", first, scope="row"), *(node("td", cell) for cell in others)]
        told = {"id": row.id} if row.id else {}
        body.append(node("tr", *cells, class_=row.kind, **{"data-row": str(number)}, **told))
    parts = [node("caption", caption)] if caption else []
    grid = node("table", *parts, head, body, class_=f"sortable {class_}".rstrip())
    region = {"role": "region", "tabindex": "0", "aria-label": name}
    return node("div", grid, class_="scroll", **region)


def section(id_: str, title: str, *content: Content) -> Node:
    """Return a section with its heading, which has an address."""
    return node("section", node("h2", title, id=id_), *content)


def link(id_: str, text: str) -> Node:
    """Return a link to an element of the page."""
    return node("a", text, href=f"#{id_}")


def listing(items: Iterable[Content]) -> Node:
    """Return an unordered list."""
    return node("ul", *(node("li", item) for item in items))


def document(title: str, *content: Node) -> str:
    """Return a whole page."""
    head = node(
        "head",
        node("meta", charset="utf-8"),
        node("meta", **{"http-equiv": "Content-Security-Policy", "content": _policy()}),
        node("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        node("title", title),
        node("style", STYLE),
    )
    page = node(
        "html", head, node("body", node("main", *content), node("script", SCRIPT)), lang="en"
    )
    return "<!DOCTYPE html>\n" + ET.tostring(page, encoding="unicode", method="html") + "\n"


def _append_text(parent: Node, text: str) -> None:
    if len(parent):
        parent[-1].tail = (parent[-1].tail or "") + text
    else:
        parent.text = (parent.text or "") + text


def _clean(text: str) -> str:
    """Return `text` without control characters, which no HTML text may hold."""
    return "".join(char if char.isprintable() or char == "\n" else "\ufffd" for char in text)
