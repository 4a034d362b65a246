"""Find secrets of the source notebooks in what students get.

The secrets are answers (between the solution marks), hidden tests, mark schemes, and the
explanations released after the due date. Everything else in a source notebook is public. A
release, a bundle or the folders a bundle is made from are searched for

- *marks* that a release should have lost: BEGIN SOLUTION and the like, withheld explanations;
- *lines* of a secret: in a release, any one; elsewhere, where teaching code may well say the
  same, most lines of an answer, one long line of a hidden test or of an explanation;
- *texts* of hidden tests that stand nowhere else, such as the names of their checks, in every
  language;
- *answers* to short questions, written after the question's name: `q1 = "C"`;
- answer cells of a release that differ from their *stub*, and cells whose *checksum* was
  computed from something else, such as the test with its hidden part.

A line that is also public, or too common to mean anything (`return x`), is not a leak. Answers
in disguise (paraphrased, encoded, hashed) are not searched for: nothing in the build produces
any but nbgrader's checksums.
"""

from __future__ import annotations

import ast
import json
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from nbformat import NotebookNode

from autograder.authoring.catalogs import hidden_texts
from autograder.config import Course
from autograder.core import notebook_io
from autograder.core.notebook_io import (
    grade_id,
    grader_metadata,
    is_explanation,
    is_solution,
)

SOLUTION, HIDDEN, EXPLANATION = "an answer", "a hidden test", "an explanation"
_KINDS = {"SOLUTION": SOLUTION, "HIDDEN TESTS": HIDDEN, "MARK SCHEME": EXPLANATION}

_MARK = re.compile(rf"(?:BEGIN|END) (?:{'|'.join(_KINDS)})")
_BLOCK = re.compile(
    rf"^[^\n]*BEGIN ({'|'.join(_KINDS)})[^\n]*\n(.*?)^[^\n]*END \1[^\n]*$", re.MULTILINE | re.DOTALL
)
_CODE_FENCE = re.compile(r"^```\w*\n(.*?)^```\s*$", re.MULTILINE | re.DOTALL)
_COMMON = re.compile(
    r"""(?:return|yield|assert|del|raise|global|nonlocal|if|elif|while)?\s*(?:not\s+)?[\w.]*:?
    | for\s\w+\sin\s[\w.]+:
    | [\w.]+\s*[+*/-]?=\s*(?:[\w.]+|\[\]|\{\}|\(\)|""|'')
    | (?:import|from)\s.*
    | (?:print|report)\(\w*\)
    | ["'`#*\-=\s()\[\]{},:;.]*""",
    re.VERBOSE,
)
_HANGUL = re.compile("[가-힣]")
_MIN_CHARS = 12  # of a line that can be recognized
_MIN_SUBSTRING = 20  # of one that is recognized inside a longer line
_MIN_OUTSIDE_RELEASE = {HIDDEN: 30, EXPLANATION: 60}  # of one that is enough alone in a lesson
_IGNORED = {".ipynb_checkpoints", "__pycache__", ".git"}


@dataclass(frozen=True)
class Leak:
    """A secret in a public file.

    Attributes:
        file: the file's path, relative to what was searched.
        cell: the notebook cell's id, or "line N" in another file; empty for the whole file.
        kind: what it is, in words.
        part: how it begins.
    """

    file: str
    cell: str
    kind: str
    part: str

    @property
    def text(self) -> str:
        """What leaks, as part of a sentence about the place."""
        return f"has {self.kind} ({self.part})"

    def __str__(self) -> str:
        place = f"{self.file}, {self.cell}" if self.cell else self.file
        return f"{place} {self.text}"


def find_leaks(course: Course, target: Path | Mapping[str, bytes] | None = None) -> list[Leak]:
    """Search public files for the secrets of a course.

    Args:
        course: the course with its source notebooks; without any, nothing is secret.
        target: a folder (`release/` itself or an unpacked bundle), or files by their path;
            the course's `bundle-folders` by default.

    Returns:
        The leaks by file, each once.
    """
    secrets = Secrets.of(course)
    if target is None:
        files = {
            f"{folder}/{name}": content
            for folder in course.settings.bundle_folders
            for name, content in _read(course.root / folder).items()
        }
    else:
        files = _read(target) if isinstance(target, Path) else dict(target)
    # In `release/` itself the paths begin with the language; in a bundle, with "release/".
    is_release = isinstance(target, Path) and (
        target.resolve().is_relative_to((course.root / "release").resolve())
        or target.name == "release"
    )
    found: dict[Leak, None] = {}
    for name in sorted(files):
        released = is_release or "release" in PurePosixPath(name).parts[:2]
        found |= dict.fromkeys(secrets.in_file(name, files[name], released))
    return list(found)


def is_distinctive(line: str) -> bool:
    """Return whether a line that turns up elsewhere is unlikely to be there by chance."""
    # Hangul says about twice as much per character.
    least = _MIN_CHARS // 2 if _HANGUL.search(line) else _MIN_CHARS
    return len(line) >= least and not _COMMON.fullmatch(line)


class Secrets:
    """What the source notebooks of a course keep from students.

    Args:
        sources: the source notebooks by their path below `source/`.
        course: the course, whose nbgrader configuration makes the stubs.
        hidden_texts: what the hidden tests say, wherever students could read it.
    """

    def __init__(
        self,
        sources: Mapping[str, NotebookNode],
        course: Course,
        hidden_texts: Iterable[str] = (),
    ) -> None:
        self._sources = sources
        self._course = course
        parts = [_split(cell) for notebook in sources.values() for cell in notebook.cells]
        public = _one_line("\n".join(visible for visible, _secret in parts))
        secrets = dict.fromkeys(secret for _visible, secrets in parts for secret in secrets)
        self._secrets = [
            (kind, tuple(line for line in lines if line not in public)) for kind, lines in secrets
        ]
        self._enough_outside_release = [
            (kind, tuple(line for line in lines if _is_enough_outside_release(kind, line)))
            for kind, lines in self._secrets
        ]
        # Each by itself is a leak; a lesson may well have "other sentences" on a line of its own.
        said = [(HIDDEN, (line,)) for text in hidden_texts for line in _lines(_one_line(text))]
        self._secrets += said
        self._enough_outside_release += [
            (kind, lines) for kind, lines in said if _length(lines[0]) >= _MIN_SUBSTRING
        ]

    @classmethod
    def of(cls, course: Course) -> Secrets:
        """Read the secrets of a course.

        Raises:
            UserError: a source notebook can't be read, so its secrets can't be searched for.
        """
        base = course.root / "source"
        return cls(
            {
                path.relative_to(base).as_posix(): notebook_io.read(path)
                for path in sorted(base.rglob("*.ipynb"))
                if not _IGNORED & set(path.relative_to(base).parts)
            },
            course,
            hidden_texts(course),
        )

    def in_file(self, name: str, content: bytes, released: bool) -> Iterator[Leak]:
        """Yield the leaks in one file.

        Args:
            name: the file's path.
            content: its bytes.
            released: whether it is part of a release, where one line is enough.
        """
        if name.endswith(".ipynb"):
            try:
                notebook = notebook_io.parse(content, name)
            except notebook_io.BadNotebook:
                pass  # searched as text
            else:
                yield from self._in_notebook(name, notebook, released)
                return
        # The texts of a compiled catalog are separated by zero bytes.
        text = content.decode("utf-8", "replace").replace("\0", "\n")
        yield from self._in_text(name, "", text, released)
        if not released:
            yield from self._whole_answers(name, "", text)
        if released or name.endswith(".ipynb"):  # elsewhere, code and prose may mention the marks
            yield from _marks(name, "", text)

    def _in_notebook(self, name: str, notebook: NotebookNode, released: bool) -> Iterator[Leak]:
        metadata = {key: value for key, value in notebook.items() if key != "cells"}
        yield from self._in_text(name, "the notebook's metadata", _strings(metadata), released)
        for cell in notebook.cells:
            yield from _marks(name, cell.id, cell.source)
            if is_explanation(cell):
                yield Leak(name, cell.id, EXPLANATION, "withheld until after the due date")
            rest = {key: value for key, value in cell.items() if key not in ("source", "id")}
            yield from self._in_text(name, cell.id, f"{cell.source}\n{_strings(rest)}", released)
            if released:
                yield from self._in_released_cell(name, cell)
        if not released:
            code = "\n".join(cell.source for cell in notebook.cells)
            yield from self._whole_answers(name, "several cells", code)

    def _in_released_cell(self, name: str, cell: NotebookNode) -> Iterator[Leak]:
        from nbgrader.utils import compute_checksum

        graded = grade_id(cell)
        if graded is None:
            return
        path = "/".join(PurePosixPath(name).parts[-3:])  # language/assignment/notebook
        if is_solution(cell) and cell.source != self._stubs.get((path, graded), cell.source):
            kind = "an answer cell that differs from its stub"
            yield Leak(name, cell.id, kind, _start(cell.source))
        checksum = grader_metadata(cell).get("checksum")
        if checksum is not None:
            try:
                matches = checksum == compute_checksum(cell)
            except (KeyError, TypeError, ValueError):
                matches = False
            if not matches:
                kind = "a checksum that doesn't match the cell"
                yield Leak(name, cell.id, kind, str(checksum))

    def _in_text(self, name: str, cell: str, text: str, released: bool) -> Iterator[Leak]:
        flat, lines = _one_line(text), set(map(_one_line, text.splitlines()))
        for kind, secret in self._secrets if released else self._enough_outside_release:
            for line in secret:
                if line in lines or (len(line) >= _MIN_SUBSTRING and line in flat):
                    yield Leak(name, cell or _line(text, line), kind, _start(line))
                    break
        if self._answer_pattern and (match := self._answer_pattern.search(text)):
            place = cell or _line(text, match.group())
            yield Leak(name, place, "the answer to a question", _start(match.group()))

    def _whole_answers(self, name: str, cell: str, text: str) -> Iterator[Leak]:
        """Yield answers of which most lines are there, and three at least."""
        lines = set(map(_one_line, text.splitlines()))
        for kind, secret in self._secrets:
            there = [line for line in secret if line in lines]
            if kind == SOLUTION and len(there) >= max(3, 0.6 * len(secret)):
                yield Leak(name, cell or _line(text, there[0]), kind, _start(there[0]))

    @cached_property
    def _answer_pattern(self) -> re.Pattern[str] | None:
        """A question's name and its answer: assigned, compared or in a dict."""
        answers: dict[tuple[str, object], None] = {}
        for notebook in self._sources.values():
            for cell in filter(is_solution, notebook.cells):
                unset = {name for name, value in _assigned(_split(cell)[0]) if value is None}
                for block in _BLOCK.finditer(cell.source):
                    for name, value in _assigned(block.group(2)):
                        if name in unset and isinstance(value, (str, int, float)):
                            answers[name, value] = None
        patterns = []
        for name, value in answers:
            literal = re.escape(value if isinstance(value, str) else repr(value))
            quoted = rf"""["']{literal}["']""" if isinstance(value, str) else rf"{literal}(?![\w.])"
            patterns.append(rf"""{re.escape(name)}["']?\s*(?:==?|:)\s*\(?{quoted}""")
        return re.compile(rf"(?<![\w.])(?:{'|'.join(patterns)})") if patterns else None

    @cached_property
    def _stubs(self) -> dict[tuple[str, str], str]:
        """The released source of each answer cell, by (notebook, grade id)."""
        from nbconvert.exporters.exporter import ResourcesDict

        from autograder.core.stubs import LeaveStubs

        step = LeaveStubs(config=self._course.nbgrader_config())
        resources = ResourcesDict(language="python")
        stubs: dict[tuple[str, str], str] = {}
        for path, notebook in self._sources.items():
            for cell in notebook_io.copied(notebook).cells:
                graded = grade_id(cell)
                if is_solution(cell) and graded is not None:
                    cell, _resources = step.preprocess_cell(cell, resources, 0)
                    stubs[path, graded] = cell.source
                    # Without the language too, for searching the folder of one language.
                    stubs.setdefault((path.split("/", 1)[1], graded), cell.source)
        return stubs


def _split(cell: NotebookNode) -> tuple[str, list[tuple[str, tuple[str, ...]]]]:
    """Return the public text of a source cell, and its secrets as (kind, distinctive lines)."""
    source = cell.source
    if is_explanation(cell):
        # Code in an explanation is an answer, and as likely to resemble teaching code.
        code = [(SOLUTION, _lines(block.group(1))) for block in _CODE_FENCE.finditer(source)]
        prose = _CODE_FENCE.sub("\n\n", source)
        # A paragraph may have been wrapped differently, so its sentences count as well.
        paragraphs = map(_one_line, prose.split("\n\n"))
        sentences = [re.sub(r"(?<=[.!?])[*_)\"']*\s+", "\n", one) for one in paragraphs]
        return "", [(EXPLANATION, _lines("\n".join([prose, *sentences]))), *code]
    secrets = [
        (_KINDS[mark], _lines(content + "\n".join(["", *_assert_messages(content)])))
        for mark, content in _BLOCK.findall(source)
    ]
    if is_solution(cell) and not secrets:
        # Without marks, the whole cell is the answer, and nbgrader releases a stub in its place.
        return "", [(SOLUTION, _lines(source))]
    return _BLOCK.sub("", source), secrets


def _lines(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(is_distinctive, map(_one_line, text.splitlines()))))


def _statements(source: str) -> ast.Module:
    try:
        return ast.parse(textwrap.dedent(source))
    except (SyntaxError, ValueError):
        return ast.Module([], [])


def _assert_messages(source: str) -> Iterator[str]:
    """Yield what the asserts of a hidden test would say: students see only its checks' names."""
    for node in ast.walk(_statements(source)):
        if isinstance(node, ast.Assert) and isinstance(node.msg, ast.Constant):
            yield _one_line(str(node.msg.value))


def _assigned(source: str) -> Iterator[tuple[str, object]]:
    """Yield the names that top-level statements assign constants to, with the constants."""
    for node in _statements(source).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    yield target.id, node.value.value


def _is_enough_outside_release(kind: str, line: str) -> bool:
    least = _MIN_OUTSIDE_RELEASE.get(kind)
    return least is not None and _length(line) >= least


def _length(line: str) -> int:
    """Return how long a line is, with Hangul, which says about twice as much, counted twice."""
    return len(line) + len(_HANGUL.findall(line))


def _marks(name: str, cell: str, text: str) -> Iterator[Leak]:
    if match := _MARK.search(text):
        yield Leak(name, cell or _line(text, match.group()), "a mark", match.group())


def _read(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not _IGNORED & set(path.relative_to(folder).parts)
    }


def _strings(value: object) -> str:
    """Return every text inside a JSON value, one per line."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return "\n".join(f"{key}: {_strings(one)}" for key, one in value.items())
    if isinstance(value, list):
        return "\n".join(map(_strings, value))
    return json.dumps(value)


def _one_line(text: str) -> str:
    """Return `text` with every run of white space as one space."""
    return " ".join(text.split())


def _line(text: str, part: str) -> str:
    """Return where `part` is in a file as "line N", or "" if it spans lines."""
    for number, line in enumerate(text.splitlines(), start=1):
        if part in line or part in _one_line(line):
            return f"line {number}"
    return ""


def _start(text: str) -> str:
    line = _one_line(text)
    return line if len(line) <= 60 else line[:59] + "…"
