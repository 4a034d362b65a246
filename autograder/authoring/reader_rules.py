"""Find what a reader would miss: lessons without a link, alt texts, labels in their language."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from nbformat import NotebookNode

from autograder.authoring.problem import CellProblem
from autograder.config import Course
from autograder.core import notebook_io
from autograder.core.plain_python import plain_python
from autograder.errors import UserError

_LINKED = re.compile(r"""(?:\]\(\s*<?|href\s*=\s*["'])([^)\s"'>#?]+\.ipynb)""")
_PICTURE = re.compile(r"!\[(?P<alt>[^\]]*)\]\(\s*(?P<place>[^)\s]+)")
_IMG = re.compile(r"<img\b(?P<attributes>[^>]*)>", re.IGNORECASE | re.DOTALL)
_FENCE = re.compile(r"^(```|~~~).*?^\1\s*$|`[^`\n]+`", re.MULTILINE | re.DOTALL)

_LABELLING = {
    "annotate", "set_label", "set_title", "set_xlabel", "set_xticklabels", "set_ylabel",
    "set_yticklabels", "set_zlabel", "suptitle", "supxlabel", "supylabel", "title", "xlabel",
    "ylabel",
}  # fmt: skip  # one name per line would fill half a page
"""Methods of Matplotlib's whose first argument readers see."""
_TEXT = ("text", "figtext")
"""Those whose third argument it is."""
_WITH_LABEL = {
    "Line2D", "Patch", "axhline", "axhspan", "axvline", "axvspan", "bar", "barh", "boxplot",
    "colorbar", "errorbar", "fill_between", "hist", "imshow", "legend", "loglog", "pie", "plot",
    "scatter", "semilogx", "semilogy", "set", "stackplot", "stairs", "step",
}  # fmt: skip  # as above
"""Those that take words by name."""
_NAMED = ("label", "labels", "title", "xlabel", "ylabel")
_FORMULA = re.compile(r"\$[^$]*\$")
_WORD = re.compile(r"(?<![\w])[a-z]{2,}|[^\W\d_a-zA-Z]{2,}")
"""A word that isn't a name: in small letters, or in another script."""


def unlinked_lessons(course: Course) -> Iterator[Path]:
    """Yield the lessons of the source language that no page of the lessons links to.

    The first is where readers begin, and needs no link.
    """
    lessons = course.root / course.settings.lessons
    own = lessons / course.source_language
    found = sorted(path for path in own.glob("*.ipynb") if not path.name.startswith("."))
    if len(found) < 2:
        return
    linked = {name for page in _pages(lessons, own) for name in _links(page)}
    yield from (path for path in found[1:] if path.name not in linked)


def _pages(lessons: Path, own: Path) -> Iterator[Path]:
    """Yield the pages that a reader of the source language may be on."""
    places = dict.fromkeys([lessons, own])
    yield from (path for place in places for path in sorted(place.glob("*.md")))
    yield from sorted(own.glob("*.ipynb"))


def _links(page: Path) -> Iterator[str]:
    """Yield the names of the notebooks that a page links to, its own apart."""
    if page.suffix == ".ipynb":
        try:
            cells = notebook_io.read(page).cells
        except UserError:  # told elsewhere
            return
        text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    else:
        text = page.read_text(encoding="utf-8", errors="replace")
    names = (link.rsplit("/", 1)[-1] for link in _LINKED.findall(text))
    yield from (name for name in names if name != page.name)


def pictures_without_alt_text(notebook: NotebookNode) -> list[CellProblem]:
    """Return the pictures in a notebook's prose that a screen reader can't tell anything of.

    HTML's `alt=""` says that a picture is decoration, and is fine.
    """
    found = []
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            continue
        prose = _FENCE.sub(" ", cell.source)
        places = [one["place"] for one in _PICTURE.finditer(prose) if not one["alt"].strip()]
        for one in _IMG.finditer(prose):
            if not re.search(r"(?<![\w-])alt\s*=", one["attributes"]):
                source = re.search(r"""src\s*=\s*["']?([^"'\s>]+)""", one["attributes"])
                places.append(source[1] if source else "img")
        for place in places:
            text = f"shows {place[:60]} without alt text; say in it what the picture shows"
            found.append(CellProblem(cell.id, text))
    return found


def labels_in_one_language(code: str) -> list[str]:
    """Return what is wrong with the words that code puts into plots, in whatever language.

    Args:
        code: of a module or a cell, magics included.
    """
    try:
        tree = ast.parse(plain_python(code))
    except (SyntaxError, ValueError):
        return []
    return [
        f'puts {text[:50]!r} into a plot in every language; write _("…") around it'
        for text in dict.fromkeys(_labels(tree))
    ]


def _labels(tree: ast.Module) -> Iterator[str]:
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        name = getattr(call.func, "attr", None) or getattr(call.func, "id", "")
        shown: list[ast.expr] = []
        if name in _LABELLING and isinstance(call.func, ast.Attribute):
            shown += call.args[:1]
        if name in _TEXT:
            shown += call.args[2:3]
        if name in _WITH_LABEL or name in _LABELLING:
            shown += [word.value for word in call.keywords if word.arg in _NAMED]
        if name == "legend":
            shown += call.args[-1:]
        for node in shown:
            yield from _words_in(node)


def _words_in(node: ast.expr) -> Iterator[str]:
    """Yield the literals of an argument that have words, also in a list or an f-string."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        if _WORD.search(_FORMULA.sub(" ", node.value)):
            yield node.value
    elif isinstance(node, ast.JoinedStr):
        for part in node.values:
            yield from _words_in(part)
    elif isinstance(node, ast.List | ast.Tuple):
        for part in node.elts:
            yield from _words_in(part)
    elif isinstance(node, ast.BinOp):
        yield from _words_in(node.left)
        yield from _words_in(node.right)
    elif isinstance(node, ast.IfExp):
        yield from _words_in(node.body)
        yield from _words_in(node.orelse)
