"""What mkdocs is told beyond its settings: pages that lie outside docs/ belong to the site as well.

README becomes the first page. A link to a page of the site leads there, a link to another file of
the repository becomes its bare name: the site is read without the repository.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
PAGES = ("CONTRIBUTING.md", "CODE_OF_CONDUCT.md", "CHANGELOG.md")
FOLDERS = ("bench/*.md", "bench/*.png", "bench/*.svg", "docs/figures/*")
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


def on_config(config: Any) -> Any:
    """Add the pages in docs/ that the navigation does not name, so that none is out of reach."""
    named = re.findall(r"[\w./-]+\.md", str(config.nav))
    found = sorted(p.relative_to(ROOT / "docs").as_posix() for p in (ROOT / "docs").rglob("*.md"))
    left = [page for page in found if page not in named]
    if left:
        config.nav.append({"More": left})
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add README as the first page, and the pages and pictures beside docs/."""
    found = [*PAGES, *(p.relative_to(ROOT).as_posix() for x in FOLDERS for p in ROOT.glob(x))]
    places = {"README.md": "index.md"} | {path: path for path in found}
    for path, place in places.items():
        if place.startswith("docs/"):
            continue  # mkdocs finds these itself
        source = str(ROOT / path)
        files.append(File.generated(config, place, abs_src_path=source))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:  # noqa: ARG001
    """Turn links between files of the repository into links between pages of the site."""
    here = _in_repository(page.file.src_uri)

    def linked(match: re.Match[str]) -> str:
        mark, text, target = match.groups()
        path, hash_, anchor = target.partition("#")
        if ":" in target or not path:
            return match[0]
        aim = posixpath.normpath(posixpath.join(posixpath.dirname(here), path))
        place = "index.md" if aim == "README.md" else aim.removeprefix("docs/")
        if files.get_file_from_path(place) is None:
            if (ROOT / aim).exists():
                return text  # a file of the repository that is no page
            return match[0]  # broken: mkdocs says so
        near = posixpath.relpath(place, posixpath.dirname(page.file.src_uri) or ".")
        return f"{mark}[{text}]({near}{hash_}{anchor})"

    return LINK.sub(linked, markdown)


def _in_repository(place: str) -> str:
    """Return where a page of the site lies in the repository."""
    if place == "index.md":
        return "README.md"
    return place if (ROOT / place).is_file() else f"docs/{place}"
