"""Execute lessons, and keep what their cells gave until something that it depends on changes.

    python tools/lesson_store.py                        what is kept, and what would be executed
    python tools/lesson_store.py --execute 04 appendix  execute what isn't kept, of these lessons

The tests, the course site and the benchmarks all take lessons from here, so that one is executed
once. An outcome is a file in `.cache/lessons`. Its name has the key, a hash of the lesson's code
cells, of every module of `beyond` and `autograder` that they can import, of the data beside those
modules, of their translated texts, of the pinned packages, and of Python's version. Prose isn't
part of it. In the file stands what else the lesson was seen to read, with hashes; if that has
changed, or the file is damaged, the lesson is executed again. A run in which a cell failed isn't
kept.

The English notebook is executed whole. Then, in the same kernel, the other language's quick cells
that show something run again: the code is the same, so what can differ is what it shows. The
Korean notebook is executed whole only where all of its outputs are wanted, as on the site.
"""

from __future__ import annotations

import argparse
import ast
import functools
import gettext
import hashlib
import json
import os
import platform
import re
import sys
import time
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import nbformat
from babel.messages.pofile import read_po
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError

from autograder.core import atomic_io

ROOT = Path(__file__).resolve().parents[1]
SOURCE = "en"
LANGUAGES = ("en", "ko")
TIMEOUT = 600
"""Seconds for a cell; on one core of a slow machine some take minutes."""

QUICK = 2.0
"""Seconds that a cell took at most to be worth running in the other language, too. On a busy
machine the processor's count: the same cells must run again, as others need what they make."""

KEPT = 3
"""Outcomes that are kept of each lesson, for those who go back and forth between commits."""

_PACKAGES = {"beyond": Path("notebooks"), "autograder": Path()}
_CATALOGS = ("notebooks/beyond/locale", "autograder/locale")
_PINS = ("env/lock/course.txt", "env/lock/torch-cpu.txt", "env/lock/torch.txt", "env/models.txt")
_NO_DATA = {".py", ".pyc", ".po", ".pot", ".mo", ".md"}
_MAGIC = re.compile(r"^(?=\s*[%!])", re.MULTILINE)
_NOT_SOURCES = ("work", "term", "exchange", "build")

# In the kernel, before the lesson. An attempt to reach the network fails at once, as it would for
# a learner on a train; what the lesson reads of the course is noted, and the processor's time.
_BEFORE = """
def _before(root, kept_out):
    import builtins, gettext, os, socket, sys, time
    seen = builtins._seen_by_lesson = {"read": set(), "written": set(), "texts": {}, "cpu": []}
    begun = []
    connect, look_up = socket.socket.connect, gettext.GNUTranslations.gettext

    def refuse(self, address):
        here = ("127.0.0.1", "::1")
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in here:
            raise OSError(f"a lesson tried to reach {address}")
        return connect(self, address)

    def note_text(self, message):
        said = look_up(self, message)
        if said != message:
            seen["texts"][message] = said
        return said

    def note_file(event, given):
        if event != "open" or not isinstance(given[0], str):
            return
        path = os.path.abspath(given[0])
        inside = path[len(root):].split(os.sep)
        if path.startswith(root) and inside[0] not in kept_out and not inside[0].startswith("."):
            writes = given[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            seen["written" if writes else "read"].add("/".join(inside))

    def begin(*_info):
        begun[:] = [time.process_time()]

    def end(*_result):
        seen["cpu"] += [time.process_time() - one for one in begun]

    get_ipython().events.register("pre_run_cell", begin)
    get_ipython().events.register("post_run_cell", end)
    socket.socket.connect = refuse
    gettext.GNUTranslations.gettext = note_text
    sys.addaudithook(note_file)

_before({root!r}, {kept_out!r})
del _before
"""
_BETWEEN = """
import builtins, json
print(json.dumps(builtins._seen_by_lesson["cpu"]))
"""
_AFTER = """
def _after(root):
    import builtins, json, os, sys
    seen = builtins._seen_by_lesson
    files = {getattr(one, "__file__", None) for name, one in list(sys.modules.items())
             if name.partition(".")[0] in ("beyond", "autograder")} - {None}
    print(json.dumps({
        "read": sorted(seen["read"] - seen["written"]),
        "modules": sorted(os.path.relpath(one, root) for one in files),
        "texts": seen["texts"],
    }))

_after({root!r})
"""


class Stopped(Exception):
    """A lesson could not be executed to its end; the message is a sentence."""


@dataclass(frozen=True)
class Cell:
    """What a code cell gave.

    Attributes:
        id: the cell's.
        seconds: that it ran.
        count: its number in the order of execution.
        outputs: as a notebook has them.
    """

    id: str
    seconds: float
    count: int
    outputs: list[nbformat.NotebookNode]


@dataclass(frozen=True)
class Outcome:
    """What a lesson gave.

    Attributes:
        cells: its code cells, in order.
        again: those that ran again in the other language.
        is_new: it was executed just now.
    """

    cells: list[Cell]
    again: list[Cell]
    is_new: bool

    @property
    def seconds(self) -> float:
        """Return the seconds that the lesson's own cells ran."""
        return sum(cell.seconds for cell in self.cells)


def errors(cells: Iterable[Cell]) -> list[str]:
    """Return the errors in cells' outputs, as "cell: error"."""
    return [
        f"{cell.id}: {output.ename}: {output.evalue}"
        for cell in cells
        for output in cell.outputs
        if output.output_type == "error"
    ]


class Lesson:
    """A lesson in one language, executed or to be executed.

    Args:
        name: the notebook's file name without its suffix.
        language: the folder that it is in. In the source language, cells of the other one run
            again in the same kernel.
        root: of the repository.
    """

    def __init__(self, name: str, language: str = SOURCE, root: Path = ROOT) -> None:
        self.name = name
        self.language = language
        self.root = root.resolve()
        self.path = self.root / "notebooks" / language / f"{name}.ipynb"
        others = [one for one in LANGUAGES if one != SOURCE] if language == SOURCE else []
        self._others = [self.path.parents[1] / one / self.path.name for one in others]

    @functools.cached_property
    def files(self) -> list[str]:
        """Return the course's files that it can depend on, but its notebook, below the root.

        They are the modules that its cells import, what those import, inside functions as well,
        and the data beside them: all files in a package's folder and in folders below that are no
        packages.
        """
        modules = _closure(self.root, [source for _id, source in self._code(self.path)])
        folders = {path.parent for path in modules}
        data = {
            path
            for folder in folders
            if folder.name != "locale"  # their texts are taken one by one
            for path in _data(folder)
        }
        pins = [self.root / one for one in _PINS if (self.root / one).is_file()]
        return sorted(_relative(path, self.root) for path in {*modules, *data, *pins})

    @functools.cached_property
    def key(self) -> str:
        """Return a hash of all that is known to change its outcome before it is executed."""
        seen = hashlib.sha256()

        def add(*parts: object) -> None:
            seen.update(json.dumps(parts, ensure_ascii=False, sort_keys=True).encode() + b"\n")

        add(_BEFORE, _BETWEEN, _AFTER, QUICK, sys.version, platform.machine())
        add(self.language, self._code(self.path), [self._again(path) for path in self._others])
        for name in self.files:
            add(name, _digest(self.root / name))
        for language in self._spoken:
            add(language, self._texts(language))
        return seen.hexdigest()[:24]

    @property
    def place(self) -> Path:
        """Return the file that its outcome is kept in."""
        return self._folder / f"{self.name}-{self.language}-{self.key}.json"

    def kept(self) -> Outcome | None:
        """Return its outcome if it is kept and nothing has changed since."""
        try:
            packed = json.loads(self.place.read_text("utf-8"))
            whole = packed["outcome"]
            if packed["digest"] != _hash(whole) or self._changed(whole["also"]):
                return None
            cells, again = ([_unpacked(one) for one in whole[part]] for part in ("cells", "again"))
            return Outcome(cells, again, is_new=False)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def outcome(self) -> Outcome:
        """Return its outcome, from the store or by executing it.

        Raises:
            Stopped: the kernel ended, or a cell ran for longer than `TIMEOUT`.
        """
        found = self.kept()
        if found is not None:
            return found
        key = self.key
        try:
            made, seen = self._execute()
        except CellTimeoutError as error:
            raise Stopped(
                f"A cell of {self.language}/{self.name} took longer than {TIMEOUT} seconds; "
                "start again when the machine has less to do."
            ) from error
        except DeadKernelError as error:
            raise Stopped(
                f"The kernel of {self.language}/{self.name} ended, perhaps for lack of memory; "
                "close other programs and start again."
            ) from error
        del self.key, self.files  # what they were made from may have changed meanwhile
        if key == self.key and not errors([*made.cells, *made.again]):
            self._keep(made, seen)
        return made

    def filled(self, outcome: Outcome) -> nbformat.NotebookNode:
        """Return the notebook as it is now, with the outputs of its cells."""
        notebook = nbformat.read(self.path, as_version=4)
        given = {cell.id: cell for cell in outcome.cells}
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs = given[cell.id].outputs
                cell.execution_count = given[cell.id].count
        return notebook

    # How it is executed

    def _execute(self) -> tuple[Outcome, dict[str, Any]]:
        notebook = nbformat.v4.new_notebook(
            cells=[_cell(*one) for one in self._code(self.path)],
            metadata=nbformat.read(self.path, as_version=4).metadata,
        )
        own = len(notebook.cells)
        os.environ["HF_HUB_OFFLINE"] = "1"
        client = NotebookClient(
            notebook,
            timeout=TIMEOUT,
            allow_errors=True,
            kernel_name="python3",
            resources={"metadata": {"path": str(self.path.parent)}},
        )
        root = f"{self.root}{os.sep}"

        def run(cell: nbformat.NotebookNode, **how: Any) -> nbformat.NotebookNode:
            notebook.cells.append(cell)
            client.execute_cell(cell, len(notebook.cells) - 1, **how)
            return cell

        def service(identity: str, source: str) -> str:
            source = source.replace("{root!r}", repr(root)).replace(
                "{kept_out!r}", repr(_NOT_SOURCES)
            )
            done = _result(run(_cell(identity, source), store_history=False))
            if errors([done]):
                raise RuntimeError(f"The lesson's kernel can't be watched: {errors([done])}")
            return "".join(one.get("text", "") for one in done.outputs)

        with client.setup_kernel():
            service("before", _BEFORE)
            for number in range(own):
                client.execute_cell(notebook.cells[number], number)
            cells = [_result(cell) for cell in notebook.cells[:own]]
            used = json.loads(service("between", _BETWEEN))
            slow = {
                cell.id
                for cell, cpu in zip(cells, used, strict=True)
                if min(cell.seconds, cpu) > QUICK
            }
            again = [
                _result(run(_cell(identity, source)))
                for path in self._others
                for identity, source in self._again(path)
                if identity == "language" or identity not in slow
            ]
            seen = json.loads(service("after", _AFTER))
        return Outcome(cells, again, is_new=True), seen

    def _code(self, path: Path) -> list[tuple[str, str]]:
        cells = nbformat.read(path, as_version=4).cells
        return [(cell.id, cell.source) for cell in cells if cell.cell_type == "code"]

    def _again(self, path: Path) -> list[tuple[str, str]]:
        """Return the cells of another language's notebook that show something."""
        shows = _shows(self.root)
        return [one for one in self._code(path) if one[0] == "language" or shows.search(one[1])]

    # What else it depends on

    @property
    def _spoken(self) -> list[str]:
        return [path.parent.name for path in (self.path, *self._others)]

    def _texts(self, language: str) -> dict[str, str]:
        """Return the translated texts that are in its files and its cells."""
        own = {*self.files, *(_relative(path, self.root) for path in (self.path, *self._others))}
        own.add(_relative(self.path.parents[1] / SOURCE / self.path.name, self.root))
        return {
            text: said
            for text, (said, places) in _catalogs(self.root, language).items()
            if not places or own.intersection(places)
        }

    def _changed(self, also: dict[str, dict[str, str]]) -> bool:
        files = {name: _digest(self.root / name) for name in also["files"]}
        texts = {text: self._translation(text) for text in also["texts"]}
        return {"files": files, "texts": texts} != also

    def _translation(self, text: str) -> str:
        for language in self._spoken:
            said = _catalogs(self.root, language).get(text)
            if said:
                return said[0]
        return text

    def _also(self, seen: dict[str, Any]) -> dict[str, dict[str, str]]:
        """Return what a lesson read that its key says nothing of, with hashes."""
        read = {*seen["read"], *seen["modules"]} - set(self.files)
        files = {
            name: _digest(self.root / name)
            for name in sorted(read)
            if Path(name).suffix not in (".pyc", ".mo", ".po") and (self.root / name).is_file()
        }
        known = {text for language in self._spoken for text in self._texts(language)}
        texts = {text: self._translation(text) for text in sorted(set(seen["texts"]) - known)}
        return {"files": files, "texts": texts}

    # How it is kept

    @property
    def _folder(self) -> Path:
        return self.root / ".cache" / "lessons"

    def _keep(self, made: Outcome, seen: dict[str, Any]) -> None:
        whole = {
            "cells": [vars(cell) for cell in made.cells],
            "again": [vars(cell) for cell in made.again],
            "also": self._also(seen),
        }
        whole = json.loads(json.dumps(whole))
        packed = json.dumps({"digest": _hash(whole), "outcome": whole}, ensure_ascii=False)
        atomic_io.write_file(self.place, packed.encode())
        mine = re.compile(rf"{re.escape(self.name)}-{self.language}-[0-9a-f]{{24}}\.json")
        there = [path for path in self._folder.iterdir() if mine.fullmatch(path.name)]
        for path in sorted(there, key=lambda one: one.stat().st_mtime)[:-KEPT]:
            path.unlink(missing_ok=True)


def names(root: Path = ROOT) -> list[str]:
    """Return the names of all lessons."""
    return sorted(path.stem for path in (root / "notebooks" / SOURCE).glob("*.ipynb"))


def _cell(identity: str, source: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_code_cell(source, id=identity)


def _result(cell: nbformat.NotebookNode) -> Cell:
    stamps = [datetime.fromisoformat(stamp) for stamp in cell.metadata.execution.values()]
    seconds = (max(stamps) - min(stamps)).total_seconds()
    return Cell(cell.id, round(seconds, 1), cell.execution_count or 0, cell.outputs)


def _unpacked(cell: dict[str, Any]) -> Cell:
    outputs = [nbformat.from_dict(one) for one in cell["outputs"]]
    return Cell(cell["id"], cell["seconds"], cell["count"], outputs)


def _hash(whole: object) -> str:
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def _data(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_dir():
            if path.name != "__pycache__" and not (path / "__init__.py").exists():
                yield from _data(path)
        elif path.suffix not in _NO_DATA:
            yield path


def _shows(root: Path) -> re.Pattern[str]:
    """Return what marks a cell that shows texts."""
    settings = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["tool"]["autograder"]
    functions = "|".join(settings["text-functions"])
    return re.compile(rf"\b(_|{functions})\(|widgets|questions|predictions|editor|ladder")


def _catalogs(root: Path, language: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Return each text's translation and the files that it is in, the course's before others."""
    found: dict[str, tuple[str, frozenset[str]]] = {}
    for folder in _CATALOGS:
        for path in sorted((root / folder / language / "LC_MESSAGES").glob("*.mo")):
            text = path.with_suffix(".po")
            stamps = [one.stat().st_mtime_ns for one in (path, text) if one.is_file()]
            found = _read_catalog(path, tuple(stamps)) | found
    return found


@functools.lru_cache(maxsize=16)
def _read_catalog(path: Path, _mtimes: object) -> dict[str, tuple[str, frozenset[str]]]:
    """Read the translations as the lesson does, and from the text beside them where they belong."""
    places: dict[str, frozenset[str]] = {}
    with suppress(OSError), path.with_suffix(".po").open("rb") as file:
        places = {
            one.id: frozenset(place for place, _line in one.locations)
            for one in read_po(file)
            if isinstance(one.id, str)
        }
    with path.open("rb") as file:
        said: dict[object, str] = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]  # all of them; there is no public way
    return {
        text: (translation, places.get(text, frozenset()))
        for text, translation in said.items()
        if isinstance(text, str) and text
    }


@functools.lru_cache(maxsize=1024)
def _imported(path: Path, package: str, _mtime: int, _size: int) -> frozenset[str]:
    return frozenset(_imports(path.read_text("utf-8"), package))


def _imports(source: str, package: str = "") -> Iterator[str]:
    """Yield the names that code imports; of those after `from … import`, each may be a module."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")[: len(package.split(".")) - node.level + 1]
            start = ".".join([*(parts if node.level else ()), *filter(None, [node.module])])
            yield start
            yield from (f"{start}.{one.name}" for one in node.names)


def _closure(root: Path, sources: Iterable[str]) -> set[Path]:
    """Return the course's modules that code imports, and those that they import."""
    waiting = [name for source in sources for name in _imports(_MAGIC.sub("#", source))]
    found: dict[str, Path | None] = {}
    while waiting:
        name = waiting.pop()
        for end in [at for at, one in enumerate(f"{name}.") if one == "."]:
            module = name[:end]
            if module in found or module.partition(".")[0] not in _PACKAGES:
                continue
            place = root / _PACKAGES[module.partition(".")[0]] / module.replace(".", "/")
            both = (place / "__init__.py", place.with_suffix(".py"))
            found[module] = path = next((one for one in both if one.is_file()), None)
            if path is not None:
                package = module if path.name == "__init__.py" else module.rpartition(".")[0]
                status = path.stat()
                waiting += _imported(path, package, status.st_mtime_ns, status.st_size)
    return {path for path in found.values() if path is not None}


def main(arguments: list[str]) -> None:
    """List or execute lessons."""
    parser = argparse.ArgumentParser("lesson_store.py", description=__doc__.partition("\n")[0])
    parser.add_argument("--execute", action="store_true", help="execute what isn't kept")
    parser.add_argument("--language", choices=LANGUAGES, action="append", help="otherwise both")
    parser.add_argument("lessons", nargs="*", help="as they begin; otherwise all")
    options = parser.parse_args(arguments)
    failed = False
    for language in options.language or LANGUAGES:
        for name in names():
            if options.lessons and not name.startswith(tuple(options.lessons)):
                continue
            lesson = Lesson(name, language)
            found = lesson.kept()
            began = time.monotonic()
            if found is None and options.execute:
                try:
                    found = lesson.outcome()
                except Stopped as stop:
                    print(f"{language}/{name:<44} {stop}", flush=True)
                    failed = True
                    continue
            told = f"{found.seconds:6.0f} s" if found else "to be executed"
            told += (
                f", executed in {time.monotonic() - began:.0f} s" if found and found.is_new else ""
            )
            print(f"{language}/{name:<44} {told}", flush=True)
            for error in errors([*found.cells, *found.again]) if found else ():
                print(f"    {error}", flush=True)
                failed = True
    sys.exit(failed)


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "notebooks")]
    main(sys.argv[1:])
