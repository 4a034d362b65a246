"""Short texts made by code: extracted, merged into each language's catalog, compiled.

A text is a literal in `_("…")` or `N_("…")` in a package or notebook, a literal that a notebook
gives to a function which looks it up itself (the setting `text-functions`), a check's name or
hint, or an assert's message inside a check. Translators edit `<language>/LC_MESSAGES/<domain>.po`;
`build` adds what is new, drops what is gone, and compiles the `.mo` beside it. There are three
domains: the course's own texts; those that stand in hidden tests only, whose catalogs lie in
`source/` and reach no student; and, in a repository that holds the grader too, the grader's.
"""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Container, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

import autograder
from autograder.config import Course
from autograder.core import notebook_io
from autograder.core.bindings import parsed
from autograder.core.hidden_tests import hidden_lines, released_source
from autograder.errors import UserError

_KEYWORDS = {"_": None, "N_": None}
_EVERY_LINE = range(1, 1_000_000)
_WORDS = re.compile(r"[^_]*[a-z]{2}[^_]*")
_HIDING = (ast.Attribute, ast.Compare, ast.JoinedStr, ast.Lambda, ast.Subscript)
_PASSING_ON = frozenset(["dict", "enumerate", "list", "reversed", "sorted", "tqdm", "tuple", "zip"])


@dataclass(frozen=True)
class TextDomain:
    """Texts that are translated together.

    Attributes:
        name: the base name of its catalogs' files.
        folder: where they lie.
        title: what they are texts of, for translators.
        code: folders of modules and templates with texts.
        notebooks: folders of notebooks with texts and checks.
        is_hidden: whether it has the texts of hidden tests that stand nowhere else, or all others.
    """

    name: str
    folder: Path
    title: str
    code: tuple[Path, ...]
    notebooks: tuple[Path, ...] = ()
    is_hidden: bool = False

    def files(self) -> list[Path]:
        """Return the translators' files, one a language."""
        return sorted(self.folder.glob(f"*/LC_MESSAGES/{self.name}.po"))


def domains(course: Course) -> list[TextDomain]:
    """Return the domains whose catalogs lie in the course's folder."""
    settings, language = course.settings, course.source_language
    own = TextDomain(
        settings.text_domain,
        course.catalogs,
        course.title,
        tuple(course.root / folder for folder in settings.code_folders),
        tuple(course.root / folder / language for folder in (settings.lessons, "source")),
    )
    hidden = replace(
        own, name=course.hidden_text_domain, folder=course.hidden_catalogs, is_hidden=True
    )
    package = Path(autograder.__file__).resolve().parent
    if package.parent != course.root.resolve():
        return [own, hidden]
    grader = TextDomain("autograder", package / "locale", "The grader", (package,))
    return [own, hidden, grader]


def check_texts(source: str, lines: Container[int] = _EVERY_LINE) -> Iterator[str]:
    """Yield the texts of a test cell that a student may read: names, hints, assert messages.

    Args:
        source: the cell's code.
        lines: where a text has to begin, counted from 1.
    """
    try:
        tree = parsed(source)
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if getattr(node, "lineno", 0) not in lines:
            continue
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) == "check":
            texts = node.args[:1] + [word.value for word in node.keywords if word.arg == "hint"]
            yield from filter(None, map(_literal, texts))
        elif isinstance(node, ast.Call) and getattr(node.func, "id", None) == "expect":
            yield from filter(None, map(_literal, hint_texts(node)))
        elif isinstance(node, ast.Assert) and node.msg is not None:
            yield from filter(None, [_literal(node.msg)])


def hint_texts(call: ast.Call) -> list[ast.expr]:
    """Return what a call of `expect` says for each wrong result that it names."""
    written = [word.value for word in call.keywords if word.arg == "hints"]
    pairs = [pair for hints in written for pair in getattr(hints, "elts", ())]
    return [pair.elts[1] for pair in pairs if len(getattr(pair, "elts", ())) == 2]


def _literal(node: ast.expr) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return None


def _extracted(method: str, content: bytes, options: dict[str, Any] | None = None) -> Iterator[str]:
    for _line, message, _comments, _context in extract(
        method, io.BytesIO(content), keywords=_KEYWORDS, options=options or {}
    ):
        if isinstance(message, str) and message:
            yield message


def messages(course: Course, domain: TextDomain) -> dict[str, set[str]]:
    """Return every text to translate, with the files it stands in (relative to the course)."""
    if domain.is_hidden:
        elsewhere = messages(course, replace(domain, is_hidden=False))
        found = _hidden_texts(course, domain)
        return {text: files for text, files in found.items() if text not in elsewhere}
    return _open_texts(course, domain)


def hidden_texts(course: Course) -> set[str]:
    """Return the texts that only hidden tests have, in every language that they are in."""
    found: set[str] = set()
    for domain in domains(course):
        if domain.is_hidden:
            texts = messages(course, domain)
            found |= texts.keys()
            for path in domain.files():
                catalog = read_po(io.BytesIO(path.read_bytes()))
                found |= {str(one.string) for one in catalog if one.id in texts and one.string}
    return found


def _hidden_texts(course: Course, domain: TextDomain) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for path, source in _code_cells(domain):
        lines = hidden_lines(source)
        for text in (*_spoken(_plain_python(source), lines), *check_texts(source, lines)):
            found.setdefault(text, set()).add(path.relative_to(course.root).as_posix())
    return found


def _code_cells(domain: TextDomain) -> Iterator[tuple[Path, str]]:
    for folder in domain.notebooks:
        for path in sorted(folder.rglob("*.ipynb")):
            for cell in notebook_io.read(path).cells:
                if cell.cell_type == "code":
                    yield path, cell.source


def _open_texts(course: Course, domain: TextDomain) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    functions = frozenset(course.settings.text_functions)

    def add(texts: Iterator[str], path: Path) -> None:
        for text in texts:
            found.setdefault(text, set()).add(path.relative_to(course.root).as_posix())

    for folder in domain.code:
        for path in sorted(folder.rglob("*.py")):
            add(_spoken(path.read_text(encoding="utf-8")), path)
        for path in sorted(folder.rglob("templates/*.html*")):
            add(_extracted("jinja2.ext:babel_extract", path.read_bytes()), path)
    cells: dict[Path, list[str]] = {}
    for path, source in _code_cells(domain):
        cells.setdefault(path, []).append(released_source(source))
    for path, sources in cells.items():
        for source in sources:
            add(_spoken(_plain_python(source)), path)
            add(check_texts(source), path)
        add(_given_texts(map(_plain_python, sources), functions), path)
    return found


def _plain_python(source: str) -> str:
    """A cell's source without the lines that only IPython understands."""
    lines = ["" if line.lstrip().startswith(("%", "!")) else line for line in source.splitlines()]
    return "\n".join(lines)


def _spoken(source: str, lines: Container[int] = _EVERY_LINE) -> Iterator[str]:
    """The literals in `_("…")` and `N_("…")`; Babel's own reader misses those in f-strings."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args)
    for call in calls:
        if getattr(call.func, "id", None) in _KEYWORDS and call.lineno in lines:
            yield from filter(None, [_literal(call.args[0])])


def _given_texts(cells: Iterable[str], functions: frozenset[str]) -> Iterator[str]:
    """Yield the literals that a notebook's cells give to these functions.

    A literal also counts where it comes by way of a variable, a loop or another call, in the same
    cell or in an earlier one.
    """
    nodes: list[ast.AST] = []
    for source in cells:
        with suppress(SyntaxError, ValueError):  # cells with magics give nothing
            nodes.extend(ast.walk(ast.parse(source)))
    bound: dict[str, list[ast.expr]] = {}

    def bind(target: ast.expr, *values: ast.expr) -> None:
        for name in _names(target):
            bound.setdefault(name, []).extend(values)

    for node in nodes:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                bind(target, node.value)
                if isinstance(target, ast.Subscript):
                    bind(target.value, target.slice)
        elif isinstance(node, ast.For | ast.comprehension):
            bind(node.target, node.iter)
        elif isinstance(node, ast.Call) and _called(node) in ("append", "extend"):
            bind(getattr(node.func, "value", node.func), *node.args)
    given: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Call) and _called(node) in functions:
            for argument in _arguments(node):
                yield from _texts_in(argument, bound, given)


def _called(call: ast.Call) -> str | None:
    name = getattr(call.func, "id", None) or getattr(call.func, "attr", None)
    return name if isinstance(name, str) else None


def _arguments(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(word.value for word in call.keywords)]


def _names(target: ast.expr) -> Iterator[str]:
    if isinstance(target, ast.Name):
        yield target.id
    elif isinstance(target, ast.Subscript):
        yield from _names(target.value)
    elif isinstance(target, ast.Tuple | ast.List):
        for element in target.elts:
            yield from _names(element)


def _texts_in(node: ast.AST, bound: dict[str, list[ast.expr]], given: set[str]) -> Iterator[str]:
    """Yield the literals in an argument that are words, not names of formats or models."""
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str) and _WORDS.fullmatch(node.value):
            yield node.value
    elif isinstance(node, ast.Name):
        if node.id not in given:
            given.add(node.id)
            for value in bound.get(node.id, ()):
                # A text of its own is data that the lesson works on; labels come in collections.
                if not isinstance(value, ast.Constant):
                    yield from _texts_in(value, bound, given)
    elif isinstance(node, ast.Call):
        # What a method is called on, as in `names.items()`, and what passes through `zip`.
        if isinstance(node.func, ast.Attribute):
            yield from _texts_in(node.func.value, bound, given)
        elif _called(node) in _PASSING_ON:
            for argument in _arguments(node):
                yield from _texts_in(argument, bound, given)
    elif not isinstance(
        node, ast.Lambda | ast.JoinedStr | ast.Compare | ast.Subscript | ast.Attribute
    ):
        for child in ast.iter_child_nodes(node):
            yield from _texts_in(child, bound, given)


def _merged(domain: TextDomain, path: Path, texts: dict[str, set[str]]) -> Catalog:
    code = path.parent.parent.name
    try:
        old = read_po(io.BytesIO(path.read_bytes() if path.exists() else b""), locale=code)
    except Exception as error:  # babel has no one class for what can be wrong in a .po
        raise UserError(f"{path} isn't a catalog babel can read ({error}); mend it.") from error
    merged = Catalog(locale=code, project=domain.title, fuzzy=False)
    merged.creation_date = merged.revision_date = _NO_DATE
    for text in sorted(texts):
        known = old.get(text)
        flags = set(known.flags) & {"fuzzy"} if known else set()
        if "{" in text and "}" in text:
            flags.add("python-brace-format")
        merged.add(
            text,
            known.string if known else "",
            locations=[(place, 0) for place in sorted(texts[text])],
            flags=flags,
        )
    return merged


# A date in the header would make two builds of the same texts differ.
_NO_DATE = datetime(1970, 1, 1, tzinfo=UTC)


def _po_bytes(catalog: Catalog) -> bytes:
    buffer = io.BytesIO()
    write_po(buffer, catalog, width=100, omit_header=True, sort_output=True, include_lineno=False)
    header = (
        f"# {catalog.project}: texts made by code. "
        "Edit the msgstr lines; `autograder build` does the rest.\n"
        'msgid ""\nmsgstr ""\n'
        f'"Language: {catalog.locale}\\n"\n'
        '"MIME-Version: 1.0\\n"\n"Content-Type: text/plain; charset=utf-8\\n"\n'
        '"Content-Transfer-Encoding: 8bit\\n"\n\n'
    )
    return header.encode("utf-8") + buffer.getvalue()


def _mo_bytes(po: bytes, code: str) -> bytes:
    """Compiled from the written text, so that a fuzzy or empty entry stays English."""
    catalog = read_po(io.BytesIO(po), locale=code)
    catalog.creation_date = catalog.revision_date = _NO_DATE
    buffer = io.BytesIO()
    write_mo(buffer, catalog)
    return buffer.getvalue()


def planned(course: Course) -> dict[Path, bytes]:
    """Each language's catalog and its compiled form, as they should be."""
    files: dict[Path, bytes] = {}
    for domain in domains(course):
        paths = [*domain.files(), *_new_files(course, domain)]
        texts = messages(course, domain) if paths else {}
        for path in paths:
            po = _po_bytes(_merged(domain, path, texts))
            files[path] = po
            files[path.with_suffix(".mo")] = _mo_bytes(po, path.parent.parent.name)
    return files


def _new_files(course: Course, domain: TextDomain) -> list[Path]:
    """Return the catalogs to begin: of languages that have notebooks, where others have one."""
    own = domains(course)[0]
    if domain.name not in (own.name, course.hidden_text_domain) or not own.files():
        return []
    known = domain.files()
    wanted = [
        domain.folder / code / "LC_MESSAGES" / f"{domain.name}.po" for code in course.translations()
    ]
    return [path for path in wanted if path not in known]


def untranslated(course: Course) -> dict[Path, list[str]]:
    """The texts of each catalog that have no translation, or an unsure one.

    In a language that has only some notebooks, those texts count that stand in one of them.
    """
    result = {}
    for domain in domains(course):
        paths = domain.files()
        texts = messages(course, domain) if paths else {}
        for path in paths:
            code = path.parent.parent.name
            needed = {text for text in texts if _is_needed(course, texts[text], code)}
            merged = _merged(domain, path, texts)
            lacking = [str(m.id) for m in merged if m.id in needed and (not m.string or m.fuzzy)]
            if lacking:
                result[path] = lacking
    return result


def _is_needed(course: Course, files: set[str], code: str) -> bool:
    if code not in dict(course.settings.partial_languages):
        return True
    notebooks = (_below_its_language(course, file) for file in files if file.endswith(".ipynb"))
    return any(course.is_translated(notebook, code) for notebook in notebooks)


def _below_its_language(course: Course, file: str) -> PurePosixPath:
    parts = PurePosixPath(file).parts
    top = PurePosixPath("source" if parts[0] == "source" else course.settings.lessons)
    return PurePosixPath(*parts[len(top.parts) + 1 :])
