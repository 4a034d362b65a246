"""Where a course's folders are, and the same told to nbgrader."""

from __future__ import annotations

import os
import re
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from traitlets.config import Config

from autograder.errors import EnvironmentFault, UserError

if TYPE_CHECKING:
    from nbgrader.api import Gradebook
    from nbgrader.apps.api import NbGraderAPI

COURSE_ID = "beyond-prompting"
MASTER_LANGUAGE = "en"


@dataclass(frozen=True)
class Course:
    """A course folder: `source/` and `release/` beside the term's own data in `term/`.

    Attributes:
        root: the folder that holds `source/`.
        language: the language whose source and release nbgrader itself works on.
        cell_seconds: the longest a cell of a submission may run, in seconds; an assignment's
            notebook may ask for more (`notebooks.cell_seconds`).
        exchange: nbgrader's exchange, when it isn't `exchange/` in the course.
        db: the gradebook's address, when it isn't the file in `term/`: an SQLAlchemy URL such as
            postgresql://user@host/name. BEYOND_GRADEBOOK names it too.
    """

    root: Path
    language: str = MASTER_LANGUAGE
    cell_seconds: int = 30
    exchange: Path | None = None
    db: str | None = field(default_factory=lambda: os.environ.get("BEYOND_GRADEBOOK") or None)

    @classmethod
    def here(cls) -> Course:
        """The course that this package is part of, or the one named by BEYOND_COURSE."""
        named = os.environ.get("BEYOND_COURSE")
        root = Path(named) if named else Path(__file__).resolve().parent.parent
        if not root.is_dir():
            raise UserError(f"There is no course folder at {root}; set BEYOND_COURSE to one.")
        return cls(root.resolve())

    @classmethod
    def of(cls, config: Config) -> Course:
        """The course that a configuration made by `nbgrader_config` describes."""
        folders = config.CourseDirectory
        own = cls(
            Path(folders.root),
            language=Path(folders.source_directory).name,
            cell_seconds=config.Execute.timeout,
            exchange=Path(config.Exchange.root),
        )
        return own if own.database == folders.db_url else replace(own, db=folders.db_url)

    @property
    def term(self) -> Path:
        """The term's data: gradebook, submissions, results. Never part of the repository."""
        return self.root / "term"

    @property
    def submitted(self) -> Path:
        """Submissions as nbgrader reads them, by student and assignment."""
        return self.term / "submitted"

    @property
    def autograded(self) -> Path:
        """Graded notebooks, by student and assignment."""
        return self.term / "autograded"

    @property
    def feedback(self) -> Path:
        """Feedback pages, by student and assignment."""
        return self.term / "feedback"

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
        return self.root / "source" / language

    def release(self, language: str) -> Path:
        """Return the folder of the releases in a language."""
        return self.root / "release" / language

    def folders(self) -> list[Path]:
        """Return what grading and feedback read and write in, and where the gradebook is."""
        own = [self.term, self.root / "source", self.root / "release"]
        return [*own, *(_private_place(self.db) if self.db else [])]

    def languages(self) -> list[str]:
        """The languages there is a source for, the master's first."""
        folder = self.root / "source"
        found = (
            sorted(path.name for path in folder.iterdir() if path.is_dir())
            if folder.is_dir()
            else []
        )
        return sorted(found, key=lambda code: (code != MASTER_LANGUAGE, code))

    def assignments(self) -> list[str]:
        """The names of the assignments, sorted."""
        folder = self.source(MASTER_LANGUAGE)
        if not folder.is_dir():
            return []
        return sorted(path.name for path in folder.iterdir() if path.is_dir())

    def require_assignment(self, name: str) -> str:
        """`name`, if it is an assignment.

        Raises:
            UserError: it isn't; the message lists those there are.
        """
        known = self.assignments()
        if not known:
            raise UserError(
                f"There are no assignments in {self.root}: it has no source/{MASTER_LANGUAGE}; "
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

    def nbgrader_config(self) -> Config:
        """The course as nbgrader's configuration: for the command and for Formgrader alike."""
        put_scripts_on_path()
        config = Config()
        config.CourseDirectory.course_id = COURSE_ID
        config.CourseDirectory.root = str(self.root)
        config.CourseDirectory.source_directory = f"source/{self.language}"
        config.CourseDirectory.release_directory = f"release/{self.language}"
        config.CourseDirectory.submitted_directory = "term/submitted"
        config.CourseDirectory.autograded_directory = "term/autograded"
        config.CourseDirectory.feedback_directory = "term/feedback"
        config.CourseDirectory.db_url = self.database
        exchange = self.exchange or os.environ.get("BEYOND_EXCHANGE") or self.root / "exchange"
        config.Exchange.root = str(exchange)
        config.Exchange.path_includes_course = False
        config.ClearSolutions.code_stub = {"python": "# YOUR CODE HERE"}
        config.ClearSolutions.text_stub = "YOUR ANSWER HERE · 여기에 답을 쓰세요"
        config.ClearSolutions.enforce_metadata = False
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
        with self.plain_gradebook_errors(), Gradebook(self.database, COURSE_ID) as gradebook:
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
    "nbgrader.preprocessors.ClearSolutions",
    "nbgrader.preprocessors.ClearOutput",
    "nbgrader.preprocessors.CheckCellMetadata",
    "nbgrader.preprocessors.ComputeChecksums",
    # The gradebook takes the tests while they are whole …
    "nbgrader.preprocessors.SaveCells",
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
