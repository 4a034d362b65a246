"""Every relative link in what learners read leads to a file that is there."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest
from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ROOT / "notebooks"
LESSONS = (
    "00-start-here",
    "01-prompting",
    "02-retrieval",
    "03-fine-tuning",
    "04-the-cost-formula",
    "05-small-language-models",
    "06-mixture-of-experts-the-layer",
    "07-mixture-of-experts-balance-and-training",
    "08-multimodal-llama-3-2",
    "09-edge-deployment",
)
PAGES = sorted(
    path
    for pattern in ("*.md", "??/*.md", "??/*.ipynb")
    for path in NOTEBOOKS.glob(pattern)
    if ".ipynb_checkpoints" not in path.parts
)


def markdown(path: Path) -> list[str]:
    if path.suffix == ".md":
        return [path.read_text(encoding="utf-8")]
    cells = nbformat.read(path, as_version=4).cells
    return [cell.source for cell in cells if cell.cell_type == "markdown"]


def links(text: str) -> list[str]:
    """The targets of links and images, those in HTML too."""
    found = []
    parser = MarkdownIt("commonmark").enable("table")
    for token in parser.parse(text):
        for inner in token.children or ():
            found += [str(inner.attrs[name]) for name in ("href", "src") if name in inner.attrs]
            if inner.type == "html_inline":
                found += re.findall(r"""(?:href|src)=["']([^"']+)""", inner.content)
        if token.type == "html_block":
            found += re.findall(r"""(?:href|src)=["']([^"']+)""", token.content)
    return found


@pytest.mark.parametrize("path", PAGES, ids=[str(path.relative_to(NOTEBOOKS)) for path in PAGES])
def test_relative_links_lead_somewhere(path):
    lacking = []
    for link in (link for text in markdown(path) for link in links(text)):
        if re.match(r"[a-z][a-z0-9+.-]*:|#|/", link):
            continue
        target = (path.parent / unquote(link.split("#")[0])).resolve()
        is_lesson = target.suffix == ".ipynb" and target.parent.parent == NOTEBOOKS
        there = target.exists() or (is_lesson and target.stem in LESSONS)
        # What a build or the launcher makes for a learner isn't in the repository.
        if not there and not {"work", "release"} & set(target.parts):
            lacking.append(link)
    assert lacking == []


@pytest.mark.parametrize("code", ["en", "ko"])
def test_the_lessons_have_these_names_and_no_others(code):
    names = {path.stem for path in (NOTEBOOKS / code).glob("*.ipynb")}
    assert {name for name in names if not name.startswith("appendix-")} <= set(LESSONS)


def test_links_are_found():
    text = (
        "[a](b.ipynb#c) ![d](e.png) <https://x.org>\n\n<a href='f.md'>g</a>\n\n"
        '| h |\n|---|\n| [i](j.md) |\n\n<details><a href="k.md">l</a></details>'
    )
    assert links(text) == ["b.ipynb#c", "e.png", "https://x.org", "f.md", "j.md", "k.md"]
