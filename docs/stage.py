"""Assemble what Sphinx reads: for each language a folder with the lessons and the guides.

Nothing but the files named here gets onto the site. Assignments, the notes for assistants in
`teaching/`, and the tests stay off it.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import api
import lesson_pages
import nbformat

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
LANGUAGES = ("en", "ko")


@dataclass(frozen=True)
class Guide:
    """A guide on the site, which is a file of the repository or one section of it.

    Attributes:
        page: its path on the site, without a suffix.
        source: the file, relative to the repository.
        section: the heading of the section; the whole file if empty.
        is_bilingual: the file has the page in both languages, one after the other.
    """

    page: str
    source: str
    section: str = ""
    is_bilingual: bool = False


GUIDES = (
    Guide("guides/students", "README.md", "For students"),
    Guide("guides/elsewhere", "notebooks/ELSEWHERE.md", is_bilingual=True),
    Guide("guides/instructors", "README.md", "For instructors"),
    Guide("guides/engineers", "README.md", "For teaching engineers"),
    Guide("guides/grader", "autograder/README.md"),
    Guide("guides/coming-from-nbgrader", "autograder/COMING-FROM-NBGRADER.md"),
    Guide("guides/what-counts", "autograder/WHAT-COUNTS.md"),
    Guide("guides/security", "SECURITY.md"),
    Guide("guides/lessons", "notebooks/README.md"),
    Guide("guides/environment", "env/README.md"),
    Guide("guides/hub", "env/hub/README.md"),
)
"""The guides, most of them in English only."""

_CODE_OR_LINK = re.compile(
    r"(?P<fence>^ *(?P<marks>`{3,}|~{3,}).*?^ *(?P=marks)[`~]*$)"
    r"|(?P<code>(?P<ticks>`+)(?!`).*?(?<!`)(?P=ticks)(?!`))"
    r"|(?P<image>!)?\[(?P<text>(?:[^\[\]]|\[[^\[\]]*\])*)\]\((?P<target>[^()\s]+)\)",
    re.DOTALL | re.MULTILINE,
)
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*:|#")


def stage(folder: Path, language: str, lessons: Sequence[str], executed: Path) -> None:
    """Write the sources of the site in one language.

    Args:
        folder: where to; what it has is replaced.
        language: "en" or "ko".
        lessons: the lessons to show, by name.
        executed: the folder with the executed lessons, in a folder for each language.
    """
    pages = {f"notebooks/{language}/glossary.md": "lessons/glossary", "notebooks/START.md": "index"}
    pages |= {f"notebooks/{language}/{name}.ipynb": f"lessons/{name}" for name in lessons}
    guides = [one for one in GUIDES if language == "en" or one.is_bilingual]
    for guide in guides:
        pages.setdefault(guide.source, guide.page)
    pages["README.md"] = "guides/index"
    made: dict[str, str] = {}
    for origin, page in pages.items():
        if not page.startswith("lessons/"):
            continue
        links = _Links(origin, page, pages, lessons)
        if origin.endswith(".md"):
            made[f"{page}.md"] = links.follow((ROOT / origin).read_text("utf-8"))
            continue
        notebook = nbformat.read(executed / language / Path(origin).name, as_version=4)
        lesson_pages.prepare(notebook, language, links.follow)
        made[f"{page}.ipynb"] = nbformat.writes(notebook) + "\n"
    for guide in guides:
        text = (ROOT / guide.source).read_text("utf-8")
        text = section(text, guide.section) if guide.section else text
        text = in_language(text, language) if guide.is_bilingual else text
        made[f"{guide.page}.md"] = _Links(guide.source, guide.page, pages, lessons).follow(text)
    for path in sorted((DOCS / "pages" / language).rglob("*.md")):
        text = path.read_text("utf-8").replace("{{ lessons }}", "\n".join(_in_order(lessons)))
        made[path.relative_to(DOCS / "pages" / language).as_posix()] = text
    if language == "en":
        made |= {f"api/{name}.md": text for name, text in api.pages(ROOT / "autograder").items()}
    _write(folder, made)


def section(text: str, heading: str) -> str:
    """Return a section of a Markdown file as a page of its own.

    Raises:
        ValueError: there is no such section.
    """
    found = re.search(
        rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE
    )
    if not found:
        raise ValueError(f"There is no section {heading!r}.")
    return f"# {heading}\n{found[1]}"


def in_language(text: str, language: str) -> str:
    """Return one language's half of a Markdown file that has both, with a title of its own.

    Its title is "# English · 한국어", the next line leads to the second half, and that begins with
    the heading "# 한국어".

    Raises:
        ValueError: the file isn't made so.
    """
    found = re.fullmatch(
        r"# (?P<en>.+?) · (?P<ko>.+)\n\n.*#한국어\)\n(?P<english>.*)^# 한국어\n(?P<korean>.*)",
        text,
        re.DOTALL | re.MULTILINE,
    )
    if not found:
        raise ValueError("The file doesn't have a half in each language.")
    return f"# {found[language]}\n{found['english' if language == 'en' else 'korean']}"


def _in_order(lessons: Sequence[str]) -> list[str]:
    """Return the lessons as lines of a table of contents, the appendices last."""
    return [f"lessons/{name}" for name in sorted(lessons)]


class _Links:
    """The links of one page, which led through the repository and lead through the site.

    Args:
        origin: the file's path in the repository.
        page: its path on the site.
        pages: the site's path of each file that is on it.
        lessons: the lessons that are shown.
    """

    def __init__(
        self, origin: str, page: str, pages: dict[str, str], lessons: Sequence[str]
    ) -> None:
        self._folder = posixpath.dirname(origin)
        self._here = posixpath.dirname(page)
        self._pages = pages
        self._lessons = lessons

    def follow(self, text: str) -> str:
        """Return Markdown with its links changed; one to a file that isn't here becomes text."""
        return _CODE_OR_LINK.sub(self._followed, text)

    def _followed(self, match: re.Match[str]) -> str:
        target = match["target"]
        if target is None or _ADDRESS.match(target):
            return match[0]
        if match["image"]:
            raise ValueError(f"The site has no pictures but those in lessons' outputs: {target}")
        path, _hash, fragment = target.partition("#")
        wanted = posixpath.normpath(posixpath.join(self._folder, unquote(path)))
        if wanted in self._pages:
            suffix = ".ipynb" if wanted.endswith(".ipynb") else ".md"
            way = posixpath.relpath(self._pages[wanted] + suffix, self._here or ".")
            return f"[{match['text']}]({way}{'#' + fragment if fragment else ''})"
        other = re.fullmatch(r"notebooks/(\w+)/([\w-]+)\.(?:ipynb|md)", wanted)
        if other and other[1] in LANGUAGES and other[2] in (*self._lessons, "glossary"):
            site = posixpath.relpath(f"../{other[1]}/lessons/{other[2]}.html", self._here or ".")
            return f'<a href="{site}" hreflang="{other[1]}" lang="{other[1]}">{match["text"]}</a>'
        return match["text"]


def _write(folder: Path, made: dict[str, str]) -> None:
    """Write files, touching none that is as it should be, and delete the others.

    Sphinx reads again what changed.
    """
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        name = path.relative_to(folder).as_posix()
        if name not in made:
            path.unlink()
    for name, text in made.items():
        path = folder / name
        if path.is_file() and path.read_text("utf-8") == text:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
