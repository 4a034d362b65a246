"""What students must not have, found in what they are given.

Secret are, in the masters: answers (between the solution marks), hidden tests, mark schemes and
the explanations kept for after the due date. Public is everything else in the masters. Looked
through are a release folder, a bundle's folder or a bundle not yet written:

- *marks*: BEGIN SOLUTION and its kind, and the mark of a kept-back explanation;
- *lines*: a line of a secret in a release, alone; in the lessons and the rest of a bundle,
  where teaching code may well say the same, most of the lines of an answer, one line of a
  hidden test, or one sentence of an explanation;
- *stubs*: an answer cell in a release that isn't exactly the empty form its master gives;
- *keys*: the right letter written after a question's name, anywhere, and hashes that a key could
  be guessed from;
- *checksums*: a release cell's checksum that was taken of something else than the cell.

A line that also stands in the public part of any master is no leak, nor is one that says
nothing by itself (`return x`, `else:`).
"""

from __future__ import annotations

import ast
import hashlib
import json
import math
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from nbformat import NotebookNode

from autograder.config import Course
from autograder.core import notebook_io
from autograder.core.notebook_io import course_metadata, grade_id, grader_metadata, is_solution

MARKS = ("SOLUTION", "HIDDEN TESTS", "MARK SCHEME")

_MARK = re.compile(rf"(?:BEGIN|END) (?:{'|'.join(MARKS)})")
_BLOCK = {
    kind: re.compile(rf"^[^\n]*BEGIN {kind}[^\n]*\n(.*?)^[^\n]*END {kind}[^\n]*$", re.M | re.S)
    for kind in MARKS
}

_FENCE = re.compile(r"^```\w*\n(.*?)^```\s*$", re.M | re.S)

SOLUTION, HIDDEN, EXPLANATION = "an answer", "a hidden test", "an explanation"
_KINDS = {"SOLUTION": SOLUTION, "HIDDEN TESTS": HIDDEN, "MARK SCHEME": EXPLANATION}

_IGNORED = {".ipynb_checkpoints", "__pycache__", ".git"}


@dataclass(frozen=True)
class Leak:
    """Something secret in something public.

    Attributes:
        file: the file's path below what was looked through.
        cell: the notebook cell's id, or "line N" in another file; empty for the whole file.
        kind: what it is, in words.
        part: the beginning of it.
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


GIVEN = ("notebooks", "release", "env", "autograder")
"""The folders of a course that students get."""


def find_leaks(course: Course, target: Path | Mapping[str, bytes] | None = None) -> list[Leak]:
    """Look for the course's secrets.

    Args:
        course: the course with its masters; without masters nothing is secret.
        target: a folder (such as `release/` itself, or an unpacked bundle), or files by their
            path in it; by default every folder of the course that students get.

    Returns:
        The leaks by file, each once.
    """
    secrets = Secrets.of(course)
    if target is None:
        files = {
            f"{folder}/{name}": content
            for folder in GIVEN
            for name, content in _read(course.root / folder).items()
        }
    else:
        files = _read(target) if isinstance(target, Path) else dict(target)
    # Of `release/` itself the names begin with the language; within a bundle, with "release/".
    is_release = isinstance(target, Path) and (
        target.resolve().is_relative_to((course.root / "release").resolve())
        or target.name == "release"
    )
    found: dict[Leak, None] = {}
    for name in sorted(files):
        released = is_release or "release" in PurePosixPath(name).parts[:2]
        for leak in secrets.in_file(name, files[name], released):
            found[leak] = None
    return list(found)


def _read(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not _IGNORED & set(path.relative_to(folder).parts)
    }


# Which lines say something.

_TRIVIAL = re.compile(
    r"""(?:return|yield|assert|del|raise|global|nonlocal|if|elif|while)?\s*(?:not\s+)?[\w.]*:?
    | for\s\w+\sin\s[\w.]+:
    | [\w.]+\s*[+*/-]?=\s*(?:[\w.]+|\[\]|\{\}|\(\)|""|'')
    | (?:import|from)\s.*
    | (?:print|report)\(\w*\)
    | ["'`#*\-=\s()\[\]{},:;.]*""",
    re.X,
)
_HANGUL = re.compile("[가-힣]")
_SHORTEST = 12

_ALONE_IN_LESSONS = {HIDDEN: 30, EXPLANATION: 60}
"""From how many characters on one line is enough outside a release; Hangul counts double."""


def collapsed(text: str) -> str:
    """`text` with every run of white space as one space."""
    return " ".join(text.split())


def says_something(line: str) -> bool:
    """Whether a line, found elsewhere, can't well be chance."""
    if _TRIVIAL.fullmatch(line):
        return False
    return len(line) >= (_SHORTEST // 2 if _HANGUL.search(line) else _SHORTEST)


def _alone_in_lessons(kind: str, line: str) -> bool:
    length = len(line) + len(_HANGUL.findall(line))
    return length >= _ALONE_IN_LESSONS.get(kind, math.inf)


def _lines(text: str) -> list[str]:
    return [line for line in map(collapsed, text.splitlines()) if says_something(line)]


def _sentences(text: str) -> list[str]:
    """A prose paragraph's lines, and its sentences, since a paragraph may be wrapped anew."""
    parts = re.split(r"(?<=[.!?])[*_)\"']*\s+", collapsed(text))
    return [part for part in parts if says_something(part)]


@dataclass(frozen=True)
class _Block:
    """One secret: where it comes from and its telling lines, in order."""

    kind: str
    lines: tuple[str, ...]


class Secrets:
    """What the masters of a course keep from students."""

    def __init__(self, masters: Mapping[str, NotebookNode], course: Course) -> None:
        self._masters = masters
        self._course = course
        public, blocks = [], []
        for notebook in masters.values():
            for cell in notebook.cells:
                visible, secret = _parts(cell)
                public.append(visible)
                blocks.extend(secret)
        self._public = collapsed("\n".join(public))
        self._blocks = [
            _Block(kind, telling)
            for kind, lines in dict.fromkeys(blocks)
            if (telling := tuple(line for line in lines if not self._is_public(line)))
        ]

        # Looked for in every cell and file, so what is enough alone is sorted out once.
        self._blocks_in_lessons = [
            _Block(block.kind, alone)
            for block in self._blocks
            if (alone := tuple(one for one in block.lines if _alone_in_lessons(block.kind, one)))
        ]

    @classmethod
    def of(cls, course: Course) -> Secrets:
        """Read every master; one that can't be read stops the search rather than hiding from it."""
        base = course.root / "source"
        masters = {
            path.relative_to(base).as_posix(): notebook_io.read(path)
            for path in sorted(base.rglob("*.ipynb"))
            if not _IGNORED & set(path.relative_to(base).parts)
        }
        return cls(masters, course)

    def _is_public(self, line: str) -> bool:
        return line in self._public

    @cached_property
    def _keys(self) -> dict[str, set[str]]:
        """Plain answers by name: what solution blocks assign where the visible part has None."""
        keys: dict[str, set[str]] = {}
        for notebook in self._masters.values():
            for cell in notebook.cells:
                if cell.cell_type != "code" or not is_solution(cell):
                    continue
                empty = {name for name, value in _assigned(_parts(cell)[0]) if value is None}
                for match in _BLOCK["SOLUTION"].finditer(cell.source):
                    for name, value in _assigned(match.group(1)):
                        if name in empty and isinstance(value, (str, int, float)):
                            keys.setdefault(name, set()).add(repr(value))
        return keys

    @cached_property
    def _key_pattern(self) -> re.Pattern[str] | None:
        """A name and its answer: assigned, compared or in a dict, however it is spaced or quoted."""
        parts = []
        for name, values in self._keys.items():
            for value in values:
                literal = ast.literal_eval(value)
                written = (
                    rf"""["']{re.escape(literal)}["']"""
                    if isinstance(literal, str)
                    else rf"{re.escape(value)}(?![\w.])"
                )
                parts.append(rf"""{re.escape(name)}["']?\s*(?:==?|:)\s*\(?{written}""")
        return re.compile(rf"(?<![\w.])(?:{'|'.join(parts)})") if parts else None

    @cached_property
    def _guessable(self) -> dict[str, str]:
        """Digests that whoever knows the choices could compare with, and what they are of."""
        found = {}
        for name, values in self._keys.items():
            for value in values:
                literal = str(ast.literal_eval(value))
                for form in {f"{name}{sep}{literal}" for sep in ("", ":", "=", "-", "_", " ", ",")}:
                    for text in {form, form.lower()}:
                        for algorithm in ("md5", "sha1", "sha256", "sha512", "blake2b"):
                            digest = hashlib.new(algorithm, text.encode()).hexdigest()
                            found[digest[:16]] = name
        return found

    @cached_property
    def _stubs(self) -> dict[tuple[str, str], str]:
        """What each answer cell looks like when it is released, by (notebook, grade id)."""
        from nbgrader.preprocessors import ClearSolutions

        step = ClearSolutions(config=self._course.nbgrader_config())
        stubs: dict[tuple[str, str], str] = {}
        for path, notebook in self._masters.items():
            for cell in notebook_io.copied(notebook).cells:
                if is_solution(cell) and grade_id(cell):
                    cell, _resources = step.preprocess_cell(cell, {"language": "python"}, 0)
                    stubs[path, grade_id(cell)] = cell.source
                    # The same without the language, for when one language's folder is searched.
                    stubs.setdefault((path.split("/", 1)[1], grade_id(cell)), cell.source)
        return stubs

    def in_file(self, name: str, content: bytes, released: bool) -> Iterator[Leak]:
        """The leaks in one file.

        Args:
            released: whether it is part of an assignment's release, where one line suffices.
        """
        if name.endswith(".ipynb"):
            try:
                notebook = notebook_io.parse(content, name)
            except notebook_io.BadNotebook:
                pass  # then as text
            else:
                yield from self._in_notebook(name, notebook, released)
                return
        # A compiled catalogue's texts stand between zero bytes.
        text = content.decode("utf-8", "replace").replace("\0", "\n")
        yield from self._in_text(name, "", text, released)
        if released or name.endswith(".ipynb"):  # elsewhere code and prose may speak of the marks
            yield from _marks(name, "", text)

    def _in_notebook(self, name: str, notebook: NotebookNode, released: bool) -> Iterator[Leak]:
        own = {key: value for key, value in notebook.items() if key != "cells"}
        yield from self._in_text(name, "the notebook's metadata", _strings(own), released)
        whole = []
        for cell in notebook.cells:
            place = cell.id
            yield from _marks(name, place, cell.source)
            if "reveal" in course_metadata(cell):
                yield Leak(name, place, EXPLANATION, "kept back until after the due date")
            besides = {key: value for key, value in cell.items() if key not in ("source", "id")}
            text = cell.source + "\n" + _strings(besides)
            yield from self._in_text(name, place, text, released)
            whole.append(cell.source)
            if released:
                yield from self._in_released_cell(name, place, cell)
        # An answer pasted line by line into several cells.
        yield from self._answers(name, "several cells", "\n".join(whole), released)

    def _in_released_cell(self, name: str, place: str, cell: NotebookNode) -> Iterator[Leak]:
        from nbgrader.utils import compute_checksum

        path = "/".join(PurePosixPath(name).parts[-3:])  # language/assignment/notebook
        if is_solution(cell) and grade_id(cell):
            stub = self._stubs.get((path, grade_id(cell)))
            if stub is not None and cell.source != stub:
                kind = "an answer cell that isn't its empty form"
                yield Leak(name, place, kind, _short(cell.source))
        checksum = grader_metadata(cell).get("checksum")
        if checksum is not None and grade_id(cell):
            try:
                right = checksum == compute_checksum(cell)
            except (KeyError, TypeError, ValueError):
                right = False
            if not right:
                yield Leak(name, place, "a checksum of something else than the cell", str(checksum))

    def _in_text(self, name: str, place: str, text: str, released: bool) -> Iterator[Leak]:
        flat = collapsed(text)
        lines = {collapsed(line) for line in text.splitlines()}
        for block in self._blocks if released else self._blocks_in_lessons:
            for line in block.lines:
                if line in lines or (len(line) >= 20 and line in flat):
                    yield Leak(name, place or _line(text, line), block.kind, _short(line))
                    break
        if place == "":
            yield from self._answers(name, place, text, released)
        if self._key_pattern and (match := self._key_pattern.search(text)):
            yield Leak(name, place or _line(text, match.group()), "a key", _short(match.group()))
        for digest in re.findall(r"[0-9a-f]{32,128}", text):
            if of := self._guessable.get(digest[:16]):
                part = f"{of}, {digest[:16]}…"
                yield Leak(name, place or _line(text, digest), "a hash of a key", part)

    def _answers(self, name: str, place: str, text: str, released: bool) -> Iterator[Leak]:
        """Whole answers in a lesson or in code: three telling lines, and most of them all."""
        if released:
            return
        lines = {collapsed(line) for line in text.splitlines()}
        for block in self._blocks:
            there = [line for line in block.lines if line in lines]
            if block.kind == SOLUTION and len(there) >= max(3, 0.6 * len(block.lines)):
                yield Leak(name, place or _line(text, there[0]), block.kind, _short(there[0]))


def _parts(cell: NotebookNode) -> tuple[str, list[tuple[str, tuple[str, ...]]]]:
    """A master's cell taken apart: its visible text, and its secrets as (kind, telling lines)."""
    source = cell.source
    if "reveal" in course_metadata(cell):
        prose = _FENCE.sub("\n\n", source)
        lines = [*_lines(prose), *(one for part in prose.split("\n\n") for one in _sentences(part))]
        # Code in an explanation is an answer, and may look like teaching code as answers do.
        code = [(SOLUTION, tuple(_lines(match.group(1)))) for match in _FENCE.finditer(source)]
        return "", [(EXPLANATION, tuple(dict.fromkeys(lines))), *code]
    secrets = []
    for mark, pattern in _BLOCK.items():
        for match in pattern.finditer(source):
            lines = _lines(match.group(1))
            if mark == "HIDDEN TESTS":
                lines += _told(match.group(1))
            secrets.append((_KINDS[mark], tuple(dict.fromkeys(lines))))
        source = pattern.sub("", source)
    if is_solution(cell) and not secrets:
        # Without marks the whole cell is the answer, and the release has a stub in its place.
        return "", [(SOLUTION, tuple(_lines(source)))]
    return source, secrets


def _told(source: str) -> list[str]:
    """What the asserts of a hidden test would say; only the checks' names are shown to students."""
    try:
        tree = ast.parse(textwrap.dedent(source))
    except SyntaxError:
        return []
    return [
        collapsed(node.msg.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assert)
        and isinstance(node.msg, ast.Constant)
        and isinstance(node.msg.value, str)
        and says_something(collapsed(node.msg.value))
    ]


def _assigned(source: str) -> Iterator[tuple[str, object]]:
    """Names and the plain values that lines of their own give them."""
    try:
        tree = ast.parse(textwrap.dedent(source))
    except SyntaxError:
        return
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    yield target.id, node.value.value


def _marks(name: str, place: str, text: str) -> Iterator[Leak]:
    if match := _MARK.search(text):
        yield Leak(name, place or _line(text, match.group()), "a mark", match.group())


def _strings(value: object) -> str:
    """Every text inside a JSON value, a line each; lists of lines as nbformat joins them."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return "\n".join(f"{key}: {_strings(one)}" for key, one in value.items())
    if isinstance(value, list):
        return "\n".join(map(_strings, value))
    return json.dumps(value)


def _line(text: str, part: str) -> str:
    """Where in a file `part` stands, as "line N"; empty where it runs over lines."""
    for number, line in enumerate(text.splitlines(), start=1):
        if part in line or part in collapsed(line):
            return f"line {number}"
    return ""


def _short(text: str) -> str:
    one = collapsed(text)
    return one if len(one) <= 60 else one[:59] + "…"
