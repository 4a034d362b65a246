"""Short texts made by code: extracted, merged into each language's catalogue, compiled.

A text is a literal in `_("…")` or `N_("…")` in a package or notebook, a check's name or hint,
or an assert's message inside a check. Translators edit `beyond/locale/<language>/LC_MESSAGES/
beyond.po`; `build` adds what is new, drops what is gone, and compiles the `.mo` beside it.
"""

from __future__ import annotations

import ast
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from autograder.config import Course
from autograder.core import notebook_io
from autograder.errors import UserError

PROJECT = "Beyond Prompting"
_KEYWORDS = {"_": None, "N_": None}


def locale_folder(course: Course) -> Path:
    return course.root / "notebooks" / "beyond" / "locale"


def catalogue_files(course: Course) -> list[Path]:
    """The translators' files, one a language."""
    return sorted(locale_folder(course).glob("*/LC_MESSAGES/beyond.po"))


def check_texts(source: str) -> Iterator[str]:
    """The texts of a test cell that a student may read: names, hints and assert messages."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return  # cells with magics have no checks
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) == "check":
            texts = node.args[:1] + [word.value for word in node.keywords if word.arg == "hint"]
            yield from (text.value for text in texts if _is_text(text))
        elif isinstance(node, ast.Assert) and node.msg is not None and _is_text(node.msg):
            yield node.msg.value


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _extracted(method: str, content: bytes, options: dict | None = None) -> Iterator[str]:
    for _line, message, _comments, _context in extract(
        method, io.BytesIO(content), keywords=_KEYWORDS, options=options or {}
    ):
        if isinstance(message, str) and message:
            yield message


def messages(course: Course) -> dict[str, set[str]]:
    """Every text to translate, with the files it stands in (relative to the course)."""
    found: dict[str, set[str]] = {}

    def add(texts: Iterator[str], path: Path) -> None:
        for text in texts:
            found.setdefault(text, set()).add(path.relative_to(course.root).as_posix())

    for folder in (course.root / "notebooks" / "beyond", course.root / "autograder"):
        for path in sorted(folder.rglob("*.py")):
            add(_spoken(path.read_text(encoding="utf-8")), path)
        for path in sorted(folder.rglob("templates/*.html*")):
            add(_extracted("jinja2.ext:babel_extract", path.read_bytes()), path)
    for folder in (course.root / "notebooks" / "en", course.root / "source" / "en"):
        for path in sorted(folder.rglob("*.ipynb")):
            for cell in notebook_io.read(path).cells:
                if cell.cell_type == "code":
                    add(_spoken(_plain_python(cell.source)), path)
                    add(check_texts(cell.source), path)
    return found


def _plain_python(source: str) -> str:
    """A cell's source without the lines that only IPython understands."""
    lines = ["" if line.lstrip().startswith(("%", "!")) else line for line in source.splitlines()]
    return "\n".join(lines)


def _spoken(source: str) -> Iterator[str]:
    """The literals in `_("…")` and `N_("…")`; Babel's own reader misses those in f-strings."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args)
    for call in calls:
        if getattr(call.func, "id", None) in _KEYWORDS and _is_text(call.args[0]):
            yield call.args[0].value


def _merged(path: Path, texts: dict[str, set[str]]) -> Catalog:
    code = path.parent.parent.name
    try:
        old = read_po(io.BytesIO(path.read_bytes()), locale=code)
    except Exception as error:  # babel has no one class for what can be wrong in a .po
        raise UserError(f"{path} isn't a catalogue babel can read ({error}); mend it.") from error
    merged = Catalog(locale=code, project=PROJECT, fuzzy=False)
    merged.creation_date = merged.revision_date = _NO_DATE
    for text in sorted(texts):
        known = old.get(text)
        flags = set(known.flags) & {"fuzzy"} if known else set()
        if "{" in text and "}" in text:
            flags.add("python-brace-format")
        merged.add(
            text,
            known.string if known else "",
            locations=[(place, None) for place in sorted(texts[text])],
            flags=flags,
        )
    return merged


# A date in the header would make two builds of the same texts differ.
_NO_DATE = datetime(1970, 1, 1, tzinfo=UTC)


def _po_bytes(catalogue: Catalog) -> bytes:
    buffer = io.BytesIO()
    write_po(buffer, catalogue, width=100, omit_header=True, sort_output=True, include_lineno=False)
    header = (
        f"# {PROJECT}: texts made by code. Edit the msgstr lines; `autograder build` does the rest.\n"
        'msgid ""\nmsgstr ""\n'
        f'"Language: {catalogue.locale}\\n"\n'
        '"MIME-Version: 1.0\\n"\n"Content-Type: text/plain; charset=utf-8\\n"\n'
        '"Content-Transfer-Encoding: 8bit\\n"\n\n'
    )
    return header.encode("utf-8") + buffer.getvalue()


def _mo_bytes(po: bytes, code: str) -> bytes:
    """Compiled from the written text, so that a fuzzy or empty entry stays English."""
    catalogue = read_po(io.BytesIO(po), locale=code)
    catalogue.creation_date = catalogue.revision_date = _NO_DATE
    buffer = io.BytesIO()
    write_mo(buffer, catalogue)
    return buffer.getvalue()


def planned(course: Course) -> dict[Path, bytes]:
    """Each language's catalogue and its compiled form, as they should be."""
    files: dict[Path, bytes] = {}
    catalogue_paths = catalogue_files(course)
    if not catalogue_paths:
        return files
    texts = messages(course)
    for path in catalogue_paths:
        po = _po_bytes(_merged(path, texts))
        files[path] = po
        files[path.with_suffix(".mo")] = _mo_bytes(po, path.parent.parent.name)
    return files


def untranslated(course: Course) -> dict[Path, list[str]]:
    """The texts of each catalogue that have no translation, or an unsure one."""
    texts = messages(course)
    result = {}
    for path in catalogue_files(course):
        lacking = [m.id for m in _merged(path, texts) if m.id and (not m.string or m.fuzzy)]
        if lacking:
            result[path] = lacking
    return result
