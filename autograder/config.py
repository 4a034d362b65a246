"""What a course says of itself, where its folders are, and the same told to nbgrader."""

from __future__ import annotations

import copy
import dataclasses
import glob
import importlib.util
import logging
import math
import os
import re
import sqlite3
import stat
import sys
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from pathlib import Path, PurePath, PurePosixPath
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from traitlets import Float, TraitError
from traitlets.config import Config, Configurable

from autograder import i18n
from autograder.errors import EnvironmentFault, UserError
from autograder.notebook_metadata import accept

if TYPE_CHECKING:
    from nbgrader.api import Gradebook
    from nbgrader.apps.api import NbGraderAPI
    from nbgrader.coursedir import CourseDirectory

SETTINGS_FILE = "pyproject.toml"
_NOT_FOR_NBGRADER = re.compile(r"\[|%[0-9A-Fa-f]{2}")
"""What nbgrader takes for a pattern of file names, and its database tools for an escaped letter."""
NBGRADER_FILE = "nbgrader_config.py"
_NBGRADER_FOLDERS = (
    *("root", "course_id", "db_url", "groupshared", "ignore", "directory_structure"),
    *("source_directory", "source_with_tests_directory", "release_directory"),
    *("submitted_directory", "autograded_directory", "feedback_directory"),
)
"""What nbgrader's `CourseDirectory` says of a course, as far as it isn't about one command."""
_NBGRADERS_COMMANDS = {
    "release": "nbgrader generate_assignment",
    "bundle": "nbgrader release_assignment",
    "collect": "nbgrader collect",
    "feedback": "nbgrader generate_feedback",
    "return": "nbgrader release_feedback",
}
"""What does the same as a command of this package in a course that nbgrader describes."""
_LONGEST_CELL = 600
"""Seconds that a cell may run where nbgrader's configuration sets no limit."""
_TABLE = "[tool.autograder]"
_HOME = Path(__file__).resolve().parents[1]
"""The course's folder, where the course holds this package too."""
_PACKED = Path(__file__).with_name("course.toml")
"""The settings of the course that this package was packed with, in a wheel for students."""


def _setting(about: str, default: Any) -> Any:
    return field(default=default, metadata={"about": about})


@dataclass(frozen=True)
class Settings:
    """What a course says of itself, in the table [tool.autograder] of its pyproject.toml.

    A key there is a field's name with dashes. A course without any of it works: it has one
    language and is called as its folder is.
    """

    course_id: str = _setting(
        "what nbgrader calls the course, in the gradebook and the exchange; the folder's name by "
        "default",
        "",
    )
    title: str = _setting("what people call the course; its id by default", "")
    source_language: str = _setting(
        "the language of the notebooks that all others are made from; the only one by default", ""
    )
    languages: tuple[str, ...] = _setting(
        "every language that the course has; by default those with a folder in source/", ()
    )
    partial_languages: tuple[tuple[str, tuple[str, ...]], ...] = _setting(
        "a table of the languages that have only some lessons and assignments, and which, as in "
        'fr = ["00-start-here", "quiz"]; any other that has a notebook has to have all',
        (),
    )
    lessons: str = _setting(
        "the folder of the lessons' notebooks, one folder a language", "notebooks"
    )
    glossary: str = _setting(
        "the page in each language's folder of lessons that lists the terms which prose keeps to; "
        "none by default",
        "",
    )
    packages: tuple[str, ...] = _setting(
        "importable packages that student code may use besides what is installed", ()
    )
    off_limits: tuple[tuple[str, tuple[str, ...]], ...] = _setting(
        "a table of modules that have what an assignment asks for, so that its students' code can "
        'neither import nor read them, as in moe-gate = ["our_package.moe"]',
        (),
    )
    code_folders: tuple[str, ...] = _setting("folders with code that has texts to translate", ())
    catalogs: str = _setting(
        "the folder of the translations of such texts, <language>/LC_MESSAGES/<text-domain>.po",
        "locale",
    )
    text_domain: str = _setting("the base name of those files", "course")
    text_functions: tuple[str, ...] = _setting(
        "functions that look up their own texts: what a notebook gives them is translated too", ()
    )
    namespace: str = _setting(
        "the key of the course's entries in the metadata of notebooks and cells", "autograder"
    )
    language_cell: str = _setting(
        "the source of the code cell `language`, the one that differs between languages; "
        "{language} stands for the code, {text} for the language's language-cell-texts",
        'from autograder.i18n import set_language\n\nset_language("{language}")',
    )
    language_cell_texts: tuple[tuple[str, str], ...] = _setting(
        "a table, by language, of what {text} in the language cell stands for; a language without "
        "one has the source language's",
        (),
    )
    code_stub: str = _setting("what students find in place of a solution", "# YOUR CODE HERE")
    text_stub: str = _setting("what they find in place of a written answer", "YOUR ANSWER HERE")
    bundle_folders: tuple[str, ...] = _setting(
        "the folders that `autograder bundle` packs for students", ("notebooks", "release")
    )
    bundle_files: tuple[str, ...] = _setting("the single files that it packs", (SETTINGS_FILE,))
    bundle_leaves_out: tuple[str, ...] = _setting("what of those folders it leaves out", ())
    bundle_readme: str = _setting("the file that becomes the bundle's README.md", "")
    assistants_folders: tuple[str, ...] = _setting(
        "the folders that `autograder bundle --for-assistants` packs besides the notebooks with "
        "solutions, as far as they exist",
        ("teaching",),
    )
    demo_class: str = _setting(
        "the folder with the small class that `autograder demo` plays a term with", ""
    )
    time_zone: str = _setting(
        "the time zone of dates that name none, such as Asia/Seoul; this machine's by default", ""
    )
    late_policy: tuple[tuple[str, float], ...] = _setting(
        "a table of what lateness costs: per-day (percent of the earned points for each day that "
        "has begun), grace-minutes (what costs nothing) and cap (the most percent); nothing by "
        "default",
        (),
    )
    watch: tuple[tuple[str, Any], ...] = _setting(
        "a table of what `autograder watch` does: attempts (the most that are graded of a student; "
        "any number by default), pause-minutes (between two of them; 1 by default) and show "
        '(before the due date: "form", "visible" or "points"; "form" by default); a table in it, '
        "named after an assignment, changes that for the assignment",
        (),
    )
    weights: tuple[tuple[str, float], ...] = _setting(
        "a table of how much each assignment counts in the course total, as in quiz = 20; by "
        "default each point counts the same",
        (),
    )
    environment: tuple[tuple[str, str], ...] = _setting(
        "a table of older names of the environment variables AUTOGRADER_…, as in "
        'AUTOGRADER_EXCHANGE = "OUR_EXCHANGE"',
        (),
    )

    @classmethod
    def read(cls, root: Path) -> Settings:
        """Read the settings of the course in a folder.

        A folder that has none (a demo's, a term's made elsewhere) takes those of the course that
        this package lies in, if it lies in one, else those that it was packed with.

        Raises:
            UserError: the file can't be used; the message names it and the key.
        """
        path = root / SETTINGS_FILE
        found = _table(path)
        if found is None:
            path = _HOME / SETTINGS_FILE
            found = _table(path)
        if found is None:
            path = _PACKED
            found = _table(path)
        return cls.of(found or {}, path)

    @classmethod
    def of_folder(cls, root: Path) -> Settings:
        """Read the settings in a folder, and no other course's where it has none.

        Raises:
            UserError: the file can't be used; the message names it and the key.
        """
        path = root / SETTINGS_FILE
        return cls.of(_table(path) or {}, path)

    @classmethod
    def of(cls, table: Mapping[str, Any], path: Path) -> Settings:
        """Make settings of a table.

        Args:
            table: by key, as TOML has it.
            path: where it stands, for errors.

        Raises:
            UserError: a key is unknown or its value of another type than it has to be.
        """
        known = {one.name.replace("_", "-"): one for one in dataclasses.fields(cls)}
        values = {}
        for key, value in table.items():
            if key not in known:
                raise UserError(
                    f"{path}: {_TABLE} has no key {key!r}; choose one of: {', '.join(known)}."
                )
            values[known[key].name] = _checked(key, value, known[key].default, path)
        return cls(**values)

    def modules_off_limits(self, assignment: str) -> tuple[str, ...]:
        """Return the modules that student code must not use in an assignment."""
        return dict(self.off_limits).get(assignment, ())

    def variable(self, name: str) -> str | None:
        """Return the environment variable AUTOGRADER_…, by its older name where it has only that.

        Args:
            name: the end of the name, such as EXCHANGE.
        """
        full = f"AUTOGRADER_{name}"
        older = dict(self.environment).get(full)
        return os.environ.get(full) or (older and os.environ.get(older)) or None


def _table(path: Path) -> dict[str, Any] | None:
    try:
        with path.open("rb") as file:
            tool = tomllib.load(file).get("tool", {})
    except FileNotFoundError:
        return None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} isn't TOML ({error}); correct that line.") from None
    found = tool.get("autograder") if isinstance(tool, dict) else None
    if found is not None and not isinstance(found, dict):
        raise UserError(f"{path}: tool.autograder is no table; write {_TABLE}.")
    return found


_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_TABLES_OF_TEXT = ("environment", "language-cell-texts")
_TABLES_OF_LISTS = {"off-limits": "modules", "partial-languages": "lessons and assignments"}
_PLAIN_NAMES = ("course-id", "text-domain", "namespace", "source-language", "languages")
_PLACES = (
    "lessons",
    "glossary",
    "code-folders",
    "catalogs",
    "bundle-folders",
    "bundle-files",
    "bundle-leaves-out",
    "bundle-readme",
    "assistants-folders",
    "demo-class",
)


def _checked(key: str, value: Any, default: object, path: Path) -> Any:
    """Return a setting's value as the field keeps it.

    Raises:
        UserError: it has another type, or can't be used.
    """
    kept: Any = value
    parts: list[Any]
    if key == "watch":
        return _checked_watch(value, path)
    if key in _NUMBERS:
        return _checked_numbers(key, value, path)
    if key in _TABLES_OF_TEXT:
        name, fits = "a table of strings", isinstance(value, dict)
        parts = [one for pair in value.items() for one in pair] if fits else []
        kept = tuple(value.items()) if fits else ()
    elif key in _TABLES_OF_LISTS:
        name = f"a table of lists of {_TABLES_OF_LISTS[key]}"
        fits = isinstance(value, dict) and all(isinstance(one, list) for one in value.values())
        parts = [one for some in value.values() for one in some] if fits else []
        kept = tuple((key, tuple(some)) for key, some in value.items()) if fits else ()
    elif isinstance(default, tuple):
        name, fits = "a list of strings", isinstance(value, list)
        parts = value if fits else []
        kept = tuple(parts)
    else:
        name, fits, parts = "a string", True, [value]
    if not fits or not all(isinstance(one, str) for one in parts):
        raise UserError(f"{path}: {key} in {_TABLE} has to be {name}.")
    for one in parts:
        if key in _PLAIN_NAMES and one and not _NAME.fullmatch(one):
            raise UserError(
                f"{path}: {key} in {_TABLE} can't be {one!r}; use letters, digits, - . and _."
            )
        if key == "off-limits" and not all(part.isidentifier() for part in one.split(".")):
            raise UserError(
                f"{path}: {key} in {_TABLE} can't be {one!r}; write a module's dotted name."
            )
        if key in _PLACES and (
            PurePosixPath(one).is_absolute() or ".." in PurePosixPath(one).parts
        ):
            raise UserError(
                f"{path}: {key} in {_TABLE} can't be {one!r}; name a place in the course's folder."
            )
    if key == "time-zone" and value and _time_zone(value) is None:
        raise UserError(
            f"{path}: {key} in {_TABLE} can't be {value!r}; write a name such as Asia/Seoul."
        )
    return kept


SHOWN = ("form", "visible", "points")
"""What `watch` may show before the due date, the least first."""


def _checked_watch(value: Any, path: Path) -> tuple[tuple[str, Any], ...]:
    """Return the table `watch` as the field keeps it: tables in it as tuples of pairs.

    Raises:
        UserError: a key is unknown, or its value can't be used.
    """
    if not isinstance(value, dict):
        raise UserError(f"{path}: watch in {_TABLE} has to be a table.")
    kept: list[tuple[str, Any]] = []
    for name, given in value.items():
        if isinstance(given, dict):
            kept.append(
                (
                    name,
                    tuple(
                        (key, _watch_value(key, one, f"watch.{name}", path))
                        for key, one in given.items()
                    ),
                )
            )
        else:
            kept.append((name, _watch_value(name, given, "watch", path)))
    return tuple(kept)


def _watch_value(key: str, given: Any, table: str, path: Path) -> Any:
    if key == "show":
        fits, what = given in SHOWN, f"one of {', '.join(SHOWN)}"
    elif key == "attempts":
        fits, what = type(given) is int and given > 0, "a whole number above 0"
    elif key == "pause-minutes":
        fits = type(given) in (int, float) and 0 <= given < math.inf
        what = "a number of minutes, 0 or more"
    else:
        raise UserError(
            f"{path}: {table} in {_TABLE} has no key {key!r}; choose one of: attempts, "
            f"pause-minutes, show{'' if '.' in table else ', or write a table for an assignment'}."
        )
    if not fits:
        raise UserError(f"{path}: {key} of {table} in {_TABLE} can't be {given!r}; write {what}.")
    return given


_LATE_POLICY = {"per-day": 100.0, "grace-minutes": math.inf, "cap": 100.0}
"""The keys of a late policy, with the largest value of each."""
_NUMBERS = ("late-policy", "weights")
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%")


def _checked_numbers(key: str, value: Any, path: Path) -> tuple[tuple[str, float], ...]:
    """Return a table of numbers as the field keeps it; "10%" is the number 10.

    Raises:
        UserError: it is none, or a number can't be used.
    """
    if not isinstance(value, dict):
        raise UserError(f"{path}: {key} in {_TABLE} has to be a table of numbers.")
    kept = []
    for name, given in value.items():
        if key == "late-policy" and name not in _LATE_POLICY:
            raise UserError(
                f"{path}: {key} in {_TABLE} has no key {name!r}; "
                f"choose one of: {', '.join(_LATE_POLICY)}."
            )
        percent = _PERCENT.fullmatch(given.strip()) if isinstance(given, str) else None
        number = float(percent[1]) if percent and name != "grace-minutes" else given
        most = _LATE_POLICY.get(name, math.inf) if key == "late-policy" else math.inf
        if (
            isinstance(number, bool)
            or not isinstance(number, int | float)
            or not 0 <= number <= most
            or not math.isfinite(number)
        ):
            limit = "0 or more" if most == math.inf else f"from 0 to {most:g}"
            raise UserError(
                f"{path}: {name} of {key} in {_TABLE} can't be {given!r}; write a number {limit}."
            )
        kept.append((name, float(number)))
    return tuple(kept)


def _time_zone(name: str) -> tzinfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


class UnsealedTests(Configurable):
    """Say in nbgrader's configuration what tests count that run in the student's process."""

    worth = Float(
        1.0,
        min=0.0,
        max=1.0,
        help="the fraction of its points that an unsealed test counts for, from 0 to 1: what it "
        "found is the word of a process in which the student's code ran",
    ).tag(config=True)


@dataclass(frozen=True)
class Course:
    """A course folder: `source/` and `release/` beside the term's own data in `term/`.

    A course that nbgrader itself describes (`by_nbgrader`) has nbgrader's folders instead, and its
    `term` is a hidden folder that holds only what nbgrader has no place for.

    Attributes:
        root: the folder that holds `source/`.
        language: the language whose source and release nbgrader itself works on; the source
            language by default.
        cell_seconds: the longest a cell of a submission may run, in seconds; an assignment's
            notebook may ask for more (`notebooks.cell_seconds`).
        exchange: nbgrader's exchange, when it isn't `exchange/` in the course.
        db: the gradebook's address, when it isn't the file in `term/`: an SQLAlchemy URL such as
            postgresql://user@host/name. AUTOGRADER_GRADEBOOK names it too.
        settings: what the course says of itself; read from its folder by default.
        nbgrader: nbgrader's configuration, for a course that is as nbgrader says; None for one
            with the layout above.
    """

    root: Path
    language: str | None = None
    cell_seconds: int = 30
    exchange: Path | None = None
    db: str | None = None
    settings: Settings = None  # type: ignore[assignment]  # never None once made
    nbgrader: Config | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.settings is None:
            read = Settings.read if self.nbgrader is None else Settings.of_folder
            object.__setattr__(self, "settings", read(self.root))
        if self.db is None and self.nbgrader is not None:
            object.__setattr__(self, "db", self.nbgrader.CourseDirectory.db_url)
        if self.db is None:
            object.__setattr__(self, "db", self.settings.variable("GRADEBOOK"))
        accept(self.settings.namespace)
        self._register_texts()

    def __getstate__(self) -> dict[str, Any]:
        return {one.name: getattr(self, one.name) for one in dataclasses.fields(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__post_init__()  # another process may know nothing yet of the course's names

    def _register_texts(self) -> None:
        """Let the course's own texts be translated, check names among them."""
        if self.nbgrader is None and self.hidden_catalogs.is_dir():
            i18n.register(self.hidden_text_domain, self.hidden_catalogs.resolve())
        folders = [self.catalogs]
        folders += [place / "locale" for place in self.package_folders()]
        for folder in folders:
            if folder.is_dir():
                language = self.settings.source_language
                i18n.register(self.settings.text_domain, folder.resolve(), language)
                return

    @classmethod
    def in_folder(cls, root: Path) -> Course:
        """Return the course in a folder: as nbgrader's configuration there says, if it has one.

        Raises:
            UserError: its settings or nbgrader's configuration can't be used.
        """
        if not (root / NBGRADER_FILE).is_file() or _table(root / SETTINGS_FILE) is not None:
            return cls(root)
        return cls.of(_nbgrader_config_in(root))

    @classmethod
    def here(cls) -> Course:
        """Return the course that is meant where none is named.

        That is the one that AUTOGRADER_COURSE names, else the nearest folder upwards from the
        working folder that has settings or nbgrader's configuration, else the one that this
        package lies in, else the working folder.

        Raises:
            UserError: there is no such folder, or its settings can't be used.
        """
        working = Path.cwd()
        places = [working, *working.parents, _HOME]
        nearest = next(filter(_is_course, places), working)
        settings = Settings.read(nearest)
        named = settings.variable("COURSE")
        if named is None:
            return cls.in_folder(nearest.resolve())
        root = Path(named)
        if not root.is_dir():
            raise UserError(f"There is no course folder at {root}; set AUTOGRADER_COURSE to one.")
        return cls.in_folder(root.resolve())

    @classmethod
    def of_step(cls, step: Any) -> Course:
        """Return the course that a step of nbgrader's works on.

        Its folders are those that the running program has, wherever it got them from: a file, the
        command line, or its own code.

        Args:
            step: a preprocessor or exporter, as nbgrader made it.
        """
        at = step
        while at is not None:
            folders = getattr(at, "coursedir", None)
            if folders is not None:
                return cls.of(step.config, folders)
            at = getattr(at, "parent", None)
        return cls.of(step.config)

    @classmethod
    def of(cls, config: Config, directory: CourseDirectory | None = None) -> Course:
        """Return the course that a configuration of nbgrader's describes.

        Args:
            config: made by `nbgrader_config`, or anybody's.
            directory: nbgrader's own description of the folders, if it is there already.
        """
        if "root" not in config.Autograder:
            return cls._by_nbgrader(config, directory)
        folders = config.CourseDirectory
        language = PurePosixPath(folders.source_directory).relative_to("source")
        own = cls(
            Path(folders.root),
            language=language.name,
            cell_seconds=config.Execute.timeout,
            exchange=Path(config.Exchange.root),
        )
        return (
            own if own.database == folders.db_url else dataclasses.replace(own, db=folders.db_url)
        )

    @classmethod
    def _by_nbgrader(cls, config: Config, directory: CourseDirectory | None) -> Course:
        from nbgrader.coursedir import CourseDirectory
        from nbgrader.exchange.default import Exchange
        from nbgrader.preprocessors import Execute

        folders = directory or CourseDirectory(config=config)
        whole = copy.deepcopy(config)
        for name in _NBGRADER_FOLDERS:
            whole.CourseDirectory[name] = getattr(folders, name)
        seconds = Execute(config=config).timeout
        return cls(
            Path(folders.root),
            language="",
            cell_seconds=_LONGEST_CELL if seconds is None else max(1, seconds),
            exchange=Path(Exchange(coursedir=folders, config=config).root),
            nbgrader=whole,
        )

    @property
    def is_by_nbgrader(self) -> bool:
        """Return whether nbgrader's own configuration says where everything of the course is."""
        return self.nbgrader is not None

    @property
    def unsealed_worth(self) -> float:
        """Return the fraction of its points that a test in the student's process counts for.

        Raises:
            UserError: nbgrader's configuration has none from 0 to 1.
        """
        if self.nbgrader is None:
            return 1.0  # no test of such a course runs there
        try:
            worth: float = UnsealedTests(config=self.nbgrader).worth
        except TraitError:
            worth = math.nan
        if not math.isfinite(worth):
            given = self.nbgrader.UnsealedTests.worth
            raise UserError(
                f"c.UnsealedTests.worth in nbgrader's configuration can't be {given!r}; write a "
                "number from 0 to 1."
            )
        return worth

    def files_of_students(self, assignment: str) -> frozenset[str]:
        """Return the files beside a notebook that students may change, as nbgrader is told."""
        if self.nbgrader is None or "exclude_overwriting" not in self.nbgrader.Autograde:
            return frozenset()
        listed = self.nbgrader.Autograde.exclude_overwriting.get(assignment, ())
        return frozenset(name.replace(os.sep, "/") for name in listed)

    def place(self, part: str, student: str, assignment: str) -> Path:
        """Return the folder of one student's work, or of an assignment's own notebooks.

        Args:
            part: "submitted", "autograded", "feedback", "source" or "release"; of the last two
                the folder in the course's language.
            student: the student's id; "." for the assignment's own.
            assignment: the assignment's name.
        """
        if self.nbgrader is None:
            own = {
                "source": lambda: self.source(self.source_language),
                "release": lambda: self.release(self.released_language),
                "submitted": lambda: self.submitted / student,
                "autograded": lambda: self.autograded / student,
                "feedback": lambda: self.feedback / student,
            }
            return own[part]() / assignment
        return Path(os.path.normpath(self._formatted(part, student, assignment)))

    def students_in(self, part: str, assignment: str) -> list[str]:
        """Return the students who have a folder in a part of the term, sorted."""
        if self.nbgrader is None:
            own = {
                "submitted": self.submitted,
                "autograded": self.autograded,
                "feedback": self.feedback,
            }
            found = own[part].glob(f"*/{glob.escape(assignment)}")
            return sorted(one.parent.name for one in found if one.is_dir())
        student = "(?P<student>[^/]+)"
        mark = "STUDENT"
        pattern = re.escape(self._formatted(part, mark, assignment)).replace(mark, student)
        paths = glob.glob(self._formatted(part, "*", glob.escape(assignment)))
        names = (re.fullmatch(pattern, one) for one in paths if os.path.isdir(one))
        return sorted(one["student"] for one in names if one)

    def folders_of(self, student: str) -> list[Path]:
        """Return where all of a student's results, feedback and submissions would be.

        What tells that the student is known comes last.

        Raises:
            UserError: nbgrader's configuration puts them where other students' work is, too.
        """
        if self.nbgrader is None:
            places = (self.autograded, self.feedback, self.collected, self.submitted)
            return [place / student for place in places]
        parts = ("autograded", "feedback", "submitted")
        found = [*(self._students(part) / student for part in parts[:-1])]
        found += [self.collected / student, self._students(parts[-1]) / student]
        return list(dict.fromkeys(found))

    def _students(self, part: str) -> Path:
        """Return the folder that holds the students' folders."""
        mark = "STUDENT"
        path = self.place(part, mark, "ASSIGNMENT")
        while path.name != mark:
            if path == path.parent:
                raise UserError(
                    f"{NBGRADER_FILE} has a directory_structure without a folder that is called "
                    "{student_id}, so this command can't be used here."
                )
            path = path.parent
        return path.parent

    def command(self, verb: str, assignment: str) -> str:
        """Return what to type for this step of an assignment.

        Args:
            verb: as this package calls it: "release", "collect", "feedback", ….
            assignment: the assignment's name.
        """
        name = _NBGRADERS_COMMANDS.get(verb) if self.is_by_nbgrader else None
        return f"{name or f'autograder {verb}'} {assignment}"

    def _formatted(self, part: str, student: str, assignment: str) -> str:
        """Return a folder as nbgrader formats it."""
        folders = self.nbgrader.CourseDirectory  # type: ignore[union-attr]  # asked by its callers
        structure = folders.directory_structure.format(
            nbgrader_step=folders[f"{part}_directory"], student_id=student, assignment_id=assignment
        )
        return os.path.join(self.root, structure)

    def _base(self, part: str) -> Path:
        """Return the folder that holds those of the assignments, or of the students."""
        mark = "ASSIGNMENT"
        path = self.place(part, ".", mark)
        if path.name != mark:
            raise UserError(
                f"{NBGRADER_FILE} has a directory_structure that doesn't end with "
                "{assignment_id}; only `nbgrader autograde` can grade such a course."
            )
        return path.parent

    @property
    def id(self) -> str:
        """What nbgrader calls the course."""
        if self.nbgrader is not None:
            return str(self.nbgrader.CourseDirectory.course_id)
        return self.settings.course_id or self.root.resolve().name

    @property
    def title(self) -> str:
        """What people call the course."""
        return self.settings.title or self.id or self.root.name

    @property
    def source_language(self) -> str:
        """The language that all others are made from; empty for a course without languages."""
        if self.nbgrader is not None:
            return ""
        if self.settings.source_language:
            return self.settings.source_language
        found = self._language_codes("source") or self._language_codes("release")
        if len(found) > 1:
            raise UserError(
                f"{self.root} has sources in {', '.join(found)}; say which the others are made "
                f"from: source-language in {_TABLE} of its {SETTINGS_FILE}."
            )
        return found[0] if found else ""

    def language_folders(self, part: str) -> list[Path]:
        """Return the folders below `source` or `release`, one a language; itself without any."""
        if self.nbgrader is not None:
            return [one for one in [self._base(part)] if one.is_dir()]
        folder = self.root / part
        codes = self._language_codes(part) or ([""] if folder.is_dir() else [])
        return [folder / code for code in codes]

    def _language_codes(self, folder: str) -> list[str]:
        """The languages that have a folder in one, sorted."""
        if self.nbgrader is not None:
            return []
        base = self.root / folder
        if not base.is_dir():
            return []
        if self.settings.source_language:
            return sorted(path.name for path in base.iterdir() if _is_language(path))
        return sorted(path.name for path in base.iterdir() if _holds_assignments(path))

    @property
    def time_zone(self) -> tzinfo | None:
        """The time zone of dates that name none; None means this machine's."""
        if self.nbgrader is not None and not self.settings.time_zone:
            return UTC  # nbgrader's own
        return _time_zone(self.settings.time_zone) if self.settings.time_zone else None

    @property
    def released_language(self) -> str:
        """The language nbgrader itself works on."""
        return self.source_language if self.language is None else self.language

    def package_folders(self) -> list[Path]:
        """Return where the packages lie that student code may import."""
        specs = map(importlib.util.find_spec, self.settings.packages)
        places = (spec.submodule_search_locations or () for spec in specs if spec)
        return [Path(place) for some in places for place in some]

    @property
    def settings_folder(self) -> Path:
        """The folder that the settings were read from, which holds what they name.

        It isn't the course's own where that has none, as in a demo's folder.
        """
        has_own = _table(self.root / SETTINGS_FILE) is not None
        return self.root if has_own or _table(_HOME / SETTINGS_FILE) is None else _HOME

    @property
    def hidden_text_domain(self) -> str:
        """The domain of the texts that stand in hidden tests only."""
        return f"{self.settings.text_domain}-hidden"

    @property
    def hidden_catalogs(self) -> Path:
        """Where the translations of these lie: in no bundle."""
        return self.root / "source" / "locale"

    @property
    def catalogs(self) -> Path:
        """Where the translations of the texts in the course's code lie."""
        return self.root / self.settings.catalogs

    def language_cell(self, code: str) -> str:
        """Return the source of the one code cell that differs between languages."""
        texts = dict(self.settings.language_cell_texts)
        text = texts.get(code) or texts.get(self.settings.source_language, "")
        return self.settings.language_cell.replace("{language}", code).replace("{text}", text)

    @property
    def term(self) -> Path:
        """The term's data: gradebook, submissions, results. Never part of the repository."""
        if self.nbgrader is not None:
            return self.root / ".autograder"
        return self.root / "term"

    @property
    def submitted(self) -> Path:
        """Submissions as nbgrader reads them, by student and assignment."""
        return self._base("submitted") if self.nbgrader is not None else self.term / "submitted"

    @property
    def autograded(self) -> Path:
        """Graded notebooks, by student and assignment."""
        return self._base("autograded") if self.nbgrader is not None else self.term / "autograded"

    @property
    def feedback(self) -> Path:
        """Feedback pages, by student and assignment."""
        return self._base("feedback") if self.nbgrader is not None else self.term / "feedback"

    @property
    def collected(self) -> Path:
        """Every file as it was received, never altered."""
        return self.term / "collected"

    @property
    def database(self) -> str:
        """The gradebook's address."""
        return self.db or f"sqlite:///{self.term / 'gradebook.db'}"

    def source(self, language: str) -> Path:
        """Return the folder of the source notebooks in a language."""
        if self.nbgrader is not None:
            return self._base("source")
        return self.root / "source" / language

    def release(self, language: str) -> Path:
        """Return the folder of the releases in a language."""
        if self.nbgrader is not None:
            return self._base("release")
        return self.root / "release" / language

    def folders(self) -> list[Path]:
        """Return what grading and feedback read and write in, and where the gradebook is."""
        own = [self.term, self.root / "source", self.root / "release"]
        if self.nbgrader is not None:
            parts = ("source", "release", "submitted", "autograded", "feedback")
            own = [self.term, *(self._base(part) for part in parts[:2])]
            own += [self._students(part) for part in parts[2:]]
        return [*own, *(_private_place(self.db) if self.db else [])]

    def languages(self) -> list[str]:
        """Return the languages there is a source for, the source language first."""
        if self.settings.languages:
            found = list(self.settings.languages)
        else:
            found = self._language_codes("source") or [""]
        first = self.source_language
        there = [code for code in found if self.source(code).is_dir()]
        return sorted(there, key=lambda code: (code != first, code))

    def assignments(self) -> list[str]:
        """Return the names of the assignments, sorted."""
        folder = self.source(self.source_language)
        if not folder.is_dir():
            return []
        found = sorted(path.name for path in folder.iterdir() if path.is_dir())
        return [one for one in found if not self.is_by_nbgrader or not one.startswith(".")]

    @property
    def _source_name(self) -> str:
        return self.source(self.source_language).relative_to(self.root).as_posix()

    def translations(self) -> list[str]:
        """Return the languages besides the source language that have notebooks, or have to."""
        declared = {code for code, names in self.settings.partial_languages if names}
        declared |= set(self.settings.languages)
        places = (self.settings.lessons, "source")
        codes = {code for place in places for code in self._language_codes(place)}
        return sorted(
            code
            for code in codes - {self.source_language}
            if code in declared
            or any(one for place in places for one in (self.root / place / code).rglob("*.ipynb"))
        )

    def is_translated(self, notebook: PurePath, code: str) -> bool:
        """Return whether a language has a notebook, or has to have it.

        Args:
            notebook: its path below its language's folder.
            code: the language.
        """
        partial = dict(self.settings.partial_languages)
        if code not in partial:
            return True
        return bool({notebook.stem, notebook.parts[0]} & set(partial[code]))

    def require_assignment(self, name: str) -> str:
        """`name`, if it is an assignment.

        Raises:
            UserError: it isn't; the message lists those there are.
        """
        known = self.assignments()
        if not known:
            raise UserError(
                f"There are no assignments in {self.root}: it has no {self._source_name}; "
                "run this in the course's own repository, not in a student's bundle."
            )
        if name not in known:
            raise UserError(f"There is no assignment {name!r}; choose one of: {', '.join(known)}.")
        return name

    def require_language(self, code: str) -> str:
        """`code`, if there is a source in that language.

        Raises:
            UserError: there is none.
        """
        known = self.languages()
        if not known:
            raise UserError(
                f"There are no sources in {self.root}; "
                "run this in the course's own repository, not in a student's bundle."
            )
        if code not in known:
            raise UserError(f"There is no language {code!r}; choose one of: {', '.join(known)}.")
        return code

    def require_spoken(self, code: str) -> str:
        """Return `code`, if there are sources or texts in that language.

        Raises:
            UserError: there are none.
        """
        known = dict.fromkeys([self.source_language, *self.languages(), *i18n.available()])
        if code not in known:
            known.pop("", None)
            raise UserError(
                f"The course has no language {code!r}; choose one of: {', '.join(known)}."
            )
        return code

    def nbgrader_config(self) -> Config:
        """Return the course as nbgrader's configuration, for the command and for Formgrader alike.

        Raises:
            UserError: nbgrader can't work in this folder.
        """
        odd = _NOT_FOR_NBGRADER.search(str(self.root))
        if odd:
            raise UserError(
                f"nbgrader can't work below a folder with {odd.group()!r} in its name: rename it, "
                f"or move the course ({str(self.root)!r})."
            )
        put_scripts_on_path()
        if self.nbgrader is not None:
            config = copy.deepcopy(self.nbgrader)
            configure(config)
            config.CourseDirectory.db_url = self.database
            config.Exchange.root = str(self.exchange)
            return config
        config = Config()
        config.Autograder.root = str(self.root)  # tells `of` that these folders are the course's
        config.CourseDirectory.course_id = self.id
        config.CourseDirectory.root = str(self.root)
        config.CourseDirectory.source_directory = str(
            PurePosixPath("source", self.released_language)
        )
        config.CourseDirectory.release_directory = str(
            PurePosixPath("release", self.released_language)
        )
        config.CourseDirectory.submitted_directory = "term/submitted"
        config.CourseDirectory.autograded_directory = "term/autograded"
        config.CourseDirectory.feedback_directory = "term/feedback"
        config.CourseDirectory.db_url = self.database
        exchange = self.exchange or self.settings.variable("EXCHANGE") or self.root / "exchange"
        config.CourseDirectory.groupshared = _is_shared_by_a_group(
            self.root, Path(exchange, self.id)
        )
        config.Exchange.root = str(exchange)
        config.Exchange.path_includes_course = False
        config.ClearSolutions.code_stub = {"python": self.settings.code_stub}
        config.ClearSolutions.text_stub = self.settings.text_stub
        config.ClearSolutions.enforce_metadata = False
        # Whatever kernel a notebook was saved under: the Validate button runs it in the course's.
        config.Execute.kernel_name = "python3"
        config.Execute.timeout = self.cell_seconds
        # On a busy machine a cell's last message takes longer than the 4 s nbclient waits for it.
        config.Execute.iopub_timeout = max(30, self.cell_seconds)
        # nbgrader's own default, and a kernel that keeps its advice about transports to itself.
        config.Execute.extra_arguments = [
            "--HistoryManager.hist_file=:memory:",
            "--IPKernelApp.log_level=ERROR",
        ]
        config.GenerateAssignment.preprocessors = list(RELEASE_STEPS)
        config.Autograde.sanitize_preprocessors = list(SANITIZE_STEPS)
        config.Autograde.autograde_preprocessors = list(AUTOGRADE_STEPS)
        config.Autograde.exporter_class = "autograder.intake.exporter.SandboxedExporter"
        config.GenerateFeedback.preprocessors = list(FEEDBACK_STEPS)
        config.GenerateFeedback.force = True
        config.GenerateFeedback.exporter_class = "autograder.feedback.page.FeedbackPage"
        # nbgrader's own leaves half a submission when it is stopped, or the disk is full.
        config.ExchangeFactory.submit = "autograder.student.exchange_submit.SubmitWhole"
        if not is_students_side():
            # nbgrader's own takes a student's work as another's.
            config.ExchangeFactory.collect = "autograder.intake.exchange_collect.CollectNewest"
            # nbgrader's own stops at the first submission that didn't come through the exchange.
            config.ExchangeFactory.release_feedback = "autograder.feedback.exchange.ReleaseFeedback"
            # By Formgrader's button, too, students get to know when an assignment is due.
            config.ExchangeFactory.release_assignment = (
                "autograder.authoring.exchange_release.ReleaseAssignment"
            )
        if policy := dict(self.settings.late_policy):
            config.AssignLatePenalties.plugin_class = "autograder.grading.late_policy.LatePolicy"
            for name, value in policy.items():
                config.LatePolicy[name.replace("-", "_")] = value
        # Formgrader shows what the feedback page shows of a student's work, made as harmless.
        # Besides, how a written answer is to be read.
        config.HTMLExporter.preprocessors = [
            "autograder.feedback.rubrics.ShowRubrics",
            "autograder.feedback.outputs.ReadableOutputs",
        ]
        config.HTMLExporter.filters = {
            "markdown2html": "autograder.feedback.sanitize.markdown_filter"
        }
        return config

    def api(self) -> NbGraderAPI:
        """Nbgrader's own Python API on this course."""
        from nbgrader.apps.api import NbGraderAPI
        from nbgrader.coursedir import CourseDirectory

        self.term.mkdir(parents=True, exist_ok=True)
        config = self.nbgrader_config()
        api = NbGraderAPI(CourseDirectory(config=config), config=config)
        api.log.propagate = False
        return api

    @contextmanager
    def gradebook(self) -> Iterator[Gradebook]:
        """The gradebook, open.

        Raises:
            EnvironmentFault: another program holds it, or it can't be reached.
        """
        from nbgrader.api import Gradebook

        put_scripts_on_path()
        self.term.mkdir(parents=True, exist_ok=True)
        with self.plain_gradebook_errors(), Gradebook(self.database, self.id) as gradebook:
            if self.db is None and _is_shared(self.term):
                _open_to_group(self.term / "gradebook.db")
            yield gradebook

    @contextmanager
    def plain_gradebook_errors(self) -> Iterator[None]:
        """Turn a database's errors about the gradebook into one sentence."""
        import sqlalchemy.exc

        try:
            yield
        except (
            sqlalchemy.exc.OperationalError,
            sqlalchemy.exc.ArgumentError,
            sqlalchemy.exc.NoSuchModuleError,
            sqlite3.OperationalError,
            ModuleNotFoundError,
        ) as error:
            if isinstance(error, ModuleNotFoundError) and error.name not in _DRIVERS:
                raise
            raise self._gradebook_fault(error) from error

    def require_free_gradebook(self) -> None:
        """Nothing, if the gradebook can be written now.

        Raises:
            EnvironmentFault: another program holds it, or it can't be reached.
        """
        if self.db is not None:
            # A server lets many write at once; what can go wrong is that it doesn't answer.
            with self.gradebook():
                return
        path = self.term / "gradebook.db"
        if not path.exists():
            return
        connection = sqlite3.connect(path, timeout=2)
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.rollback()
        except sqlite3.OperationalError as error:
            raise self._gradebook_fault(error) from error
        finally:
            connection.close()

    def _gradebook_fault(self, error: Exception) -> EnvironmentFault:
        if self.db is not None and not self.db.startswith("sqlite:"):
            return EnvironmentFault(
                f"The gradebook at {_without_password(self.db)} can't be used "
                f"({_last_line(error)}); check the address, and that the server runs and "
                "lets you in."
            )
        path = self.db or self.term / "gradebook.db"
        text = str(error)
        if "locked" in text or "busy" in text:
            return EnvironmentFault(
                f"The gradebook {path} is in use by another program; "
                "wait until that has finished, or close it, and try again."
            )
        if "full" in text:
            return EnvironmentFault(
                f"The disk is full, so the gradebook {path} was left as it was; "
                "free some space and try again."
            )
        return EnvironmentFault(
            f"The gradebook {path} can't be used ({text.splitlines()[0][:120]}); "
            "check that the file is a gradebook and may be written."
        )


def configure(config: Config) -> None:
    """Let this engine grade an nbgrader course: the one line in its `nbgrader_config.py`.

        import autograder

        autograder.configure(c)

    It names steps and nothing else. Where folders, students and the gradebook are, and what late
    work costs, stays nbgrader's business and is read when a step runs.

    Args:
        config: what `get_config()` returns there.
    """
    config.Autograde.sanitize_preprocessors = list(SANITIZE_STEPS)
    config.Autograde.autograde_preprocessors = list(GRADE_STEPS)
    config.Autograde.exporter_class = "autograder.intake.exporter.SandboxedExporter"


def _nbgrader_config_in(root: Path) -> Config:
    """Return nbgrader's configuration as its own commands have it in a folder.

    Raises:
        UserError: a file of it can't be used.
    """
    from nbgrader.apps.baseapp import NbGrader

    before, path = Path.cwd(), list(sys.path)
    try:
        os.chdir(root)
        program = NbGrader()
        program.log_level = logging.CRITICAL
        program.initialize([])
    except SystemExit:
        raise UserError(
            f"{root / NBGRADER_FILE}, or another configuration of nbgrader's, can't be used; "
            "`nbgrader --help` in that folder tells why."
        ) from None
    finally:
        os.chdir(before)
        sys.path[:] = path
    found: Config = copy.deepcopy(program.config)
    for name in _NBGRADER_FOLDERS:
        found.CourseDirectory[name] = getattr(program.coursedir, name)
    return found


def _is_course(folder: Path) -> bool:
    has_settings = _table(folder / SETTINGS_FILE) is not None
    return has_settings or (folder / NBGRADER_FILE).is_file()


def _is_shared(folder: Path) -> bool:
    """Return whether several instructors work in a folder, as a group (setgid, group-writable)."""
    wanted = stat.S_ISGID | stat.S_IWGRP
    return folder.is_dir() and folder.stat().st_mode & wanted == wanted


def _is_shared_by_a_group(course: Path, in_exchange: Path) -> bool:
    """Return whether several instructors work in a course as a group, in the exchange, too.

    nbgrader then no longer requires that a folder in the exchange is one's own. So it has to belong
    to the group, and not to a student who made it first.
    """
    if not _is_shared(course):
        return False
    try:
        found = in_exchange.stat()
    except OSError:
        return True  # it will be made by whoever releases first
    import pwd  # Unix's, as are groups that share a folder

    group = course.stat().st_gid
    try:
        owner = pwd.getpwuid(found.st_uid)
    except KeyError:
        return False
    is_trusted = found.st_uid == 0 or group in os.getgrouplist(owner.pw_name, owner.pw_gid)
    return found.st_gid == group and is_trusted


def _open_to_group(file: Path) -> None:
    """Let the group change a file of one's own, as SQLite makes none."""
    found = file.stat()
    if found.st_uid == os.geteuid() and not found.st_mode & stat.S_IWGRP:
        file.chmod(stat.S_IMODE(found.st_mode) | stat.S_IRGRP | stat.S_IWGRP)


def _holds_assignments(folder: Path) -> bool:
    """Whether a folder has no notebooks itself, but folders that do."""
    found = [path.relative_to(folder).parts for path in folder.glob("*/*.ipynb")]
    return any(not one[0].startswith(".") for one in found) and not any(folder.glob("*.ipynb"))


def _is_language(path: Path) -> bool:
    return path.is_dir() and len(path.name) in (2, 3) and path.name.isalpha()


def is_students_side() -> bool:
    """Return whether this package was packed for students, without what only teachers use."""
    return importlib.util.find_spec("autograder.authoring") is None


_DRIVERS = frozenset({"psycopg", "psycopg2"})


def put_scripts_on_path() -> None:
    """Let commands of this Python's environment be found by name.

    nbgrader starts alembic by name when it makes a gradebook, and an environment that isn't
    activated has it beside its Python only.
    """
    scripts = str(Path(sys.executable).parent)
    path = os.environ.get("PATH", "")
    if scripts not in path.split(os.pathsep):
        os.environ["PATH"] = f"{scripts}{os.pathsep}{path}" if path else scripts


def _without_password(address: str) -> str:
    return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:…@", address)


def _last_line(error: Exception) -> str:
    """What the database's driver says, without SQLAlchemy's advice below it."""
    lines = str(getattr(error, "orig", None) or error).strip().splitlines() or ["no reason given"]
    return lines[-1].strip()[:200]


# The order of each list is the order in which a notebook passes the steps.

RELEASE_STEPS = (
    "nbgrader.preprocessors.LockCells",
    "autograder.core.stubs.LeaveStubs",
    "nbgrader.preprocessors.ClearOutput",
    "nbgrader.preprocessors.CheckCellMetadata",
    "nbgrader.preprocessors.ComputeChecksums",
    # The gradebook takes the tests while they are whole …
    "nbgrader.preprocessors.SaveCells",
    "autograder.authoring.preprocessors.GiveValues",
    # … and the student gets them without the hidden part.
    "nbgrader.preprocessors.ClearHiddenTests",
    "nbgrader.preprocessors.ClearMarkScheme",
    "autograder.authoring.preprocessors.DropExplanations",
    "nbgrader.preprocessors.ComputeChecksums",
    "nbgrader.preprocessors.CheckCellMetadata",
)

SANITIZE_STEPS = (
    # Everything but the student's own source comes from the instructor's version.
    "autograder.intake.rebuild.Rebuild",
    "nbgrader.preprocessors.ClearOutput",
    "nbgrader.preprocessors.OverwriteCells",
    "nbgrader.preprocessors.CheckCellMetadata",
)

AUTOGRADE_STEPS = (
    # Tests never run where student code runs.
    "autograder.grading.preprocessor.RunInSandbox",
    "nbgrader.preprocessors.LimitOutput",
    "autograder.grading.scoring.SaveScores",
    "nbgrader.preprocessors.AssignLatePenalties",
    "nbgrader.preprocessors.CheckCellMetadata",
)

GRADE_STEPS = (
    "autograder.grading.preprocessor.RunInSandbox",
    # Those that nbgrader has. What clears metadata comes later, since points are made from them.
    "nbgrader.preprocessors.IgnorePattern",
    "nbgrader.preprocessors.LimitOutput",
    "autograder.grading.scoring.SaveScores",
    "nbgrader.preprocessors.AssignLatePenalties",
    "nbconvert.preprocessors.ClearMetadataPreprocessor",
    "nbgrader.preprocessors.CheckCellMetadata",
)
"""The same for a course that nbgrader itself describes."""

FEEDBACK_STEPS = (
    "autograder.feedback.preprocessors.ReadGrades",
    "autograder.feedback.preprocessors.ReduceHiddenTests",
    # Before the due date a choice question could be solved by trial.
    "autograder.feedback.preprocessors.HoldChoices",
    "autograder.feedback.preprocessors.RevealExplanations",
    # Nothing that a student wrote or displayed may run in a reader's browser.
    "autograder.feedback.outputs.ReadableOutputs",
)


def _private_place(address: str) -> list[Path]:
    """Return a gradebook's file, or the folder of its server's socket if not all may enter it."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(address)
    except ArgumentError:  # told where the gradebook is opened
        return []
    if url.get_backend_name() == "sqlite":
        return [Path(url.database)] if url.database else []
    host = url.query.get("host") or url.host or os.environ.get("PGHOST")
    folder = Path(host) if isinstance(host, str) and host.startswith("/") else None
    return [folder] if folder and folder.is_dir() and not folder.stat().st_mode & 0o001 else []
