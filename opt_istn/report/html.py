"""Building HTML as a tree, so that text from strangers can only ever become text."""

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence

Node = ET.Element
Content = Node | str

STYLE = """
:root { color-scheme: light dark; --ink: #1a1a1a; --paper: #fff; --soft: #f3f4f6; --line: #c9ced6;
  --dim: #5b6470; --link: #0b5cad; --bad: #b00020; --badsoft: #fdecee; --warn: #8a5a00;
  --warnsoft: #fff6e0; --good: #17663a; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --paper: #15181c; --soft: #20252b;
  --line: #3b434d; --dim: #9aa5b1; --link: #7ab8f5; --bad: #ff8a94; --badsoft: #3a1a1e;
  --warn: #f0c060; --warnsoft: #33290f; --good: #7fd6a0; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 86rem; padding: 1.5rem 1rem 4rem; background: var(--paper);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.7rem; margin: 0 0 .5rem; } h2 { font-size: 1.25rem; margin: 2.2rem 0 .5rem; }
h3 { font-size: 1.05rem; margin: 1.4rem 0 .3rem; }
p, ul { margin: .4rem 0; } .lead { font-size: 1.1rem; } .dim { color: var(--dim); }
.scroll { overflow-x: auto; margin: .6rem 0; }
table { border-collapse: collapse; font-size: .8rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--dim); padding: .2rem 0; }
th, td { padding: .25rem .45rem; border-bottom: 1px solid var(--line); text-align: right;
  white-space: nowrap; vertical-align: top; }
thead th { border-bottom: 2px solid var(--line); background: var(--soft); }
th:first-child, td:first-child, .text td, .text th { text-align: left; }
.text td { white-space: normal; }
tr.failed td, tr.failed th { color: var(--bad); } tbody th { font-weight: 600; }
.failures, .empty { border-left: .35rem solid var(--bad); background: var(--badsoft);
  padding: .6rem 1rem; margin: 1rem 0; border-radius: .3rem; overflow-wrap: anywhere; }
.failures h2, .empty h2 { margin: 0; color: var(--bad); }
.empty { border-color: var(--warn); background: var(--warnsoft); } .empty h2 { color: var(--warn); }
.certified { color: var(--good); font-weight: 600; }
figure { margin: 1rem 0; } figcaption { color: var(--dim); font-size: .9rem; }
img { max-width: 100%; height: auto; background: #fff; border: 1px solid var(--line);
  border-radius: .3rem; padding: .5rem; width: 62rem; }
code { font-size: .9em; word-break: break-all; } summary { cursor: pointer; color: var(--link); }
blockquote { border-left: .25rem solid var(--line); margin: .6rem 0; padding: .2rem 1rem; }
"""
# Nothing is loaded or run, whatever a record holds: the browser is told so as well.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


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
    heads: Sequence[str],
    rows: Iterable[tuple[str, Sequence[Content]]],
    class_: str = "",
    caption: str = "",
) -> Node:
    """Return a scrollable table; each row has a class and its cells, the first a heading."""
    head = node("thead", node("tr", *(node("th", text, scope="col") for text in heads)))
    body = node("tbody")
    for kind, (first, *others) in rows:
        cells = [node("th", first, scope="row"), *(node("td", cell) for cell in others)]
        body.append(node("tr", *cells, class_=kind))
    parts = [node("caption", caption)] if caption else []
    return node("div", node("table", *parts, head, body, class_=class_), class_="scroll")


def listing(items: Iterable[Content]) -> Node:
    """Return an unordered list."""
    return node("ul", *(node("li", item) for item in items))


def document(title: str, *content: Node) -> str:
    """Return a whole page."""
    head = node(
        "head",
        node("meta", charset="utf-8"),
        node("meta", **{"http-equiv": "Content-Security-Policy", "content": POLICY}),
        node("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        node("title", title),
        node("style", STYLE),
    )
    page = node("html", head, node("body", node("main", *content)), lang="en")
    return "<!DOCTYPE html>\n" + ET.tostring(page, encoding="unicode", method="html") + "\n"


def _append_text(parent: Node, text: str) -> None:
    if len(parent):
        parent[-1].tail = (parent[-1].tail or "") + text
    else:
        parent.text = (parent.text or "") + text


def _clean(text: str) -> str:
    """Return `text` without control characters, which no HTML text may hold."""
    return "".join(char if char.isprintable() or char == "\n" else "\ufffd" for char in text)
