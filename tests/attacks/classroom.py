"""A class with attackers in it: handed in, collected, graded and told by the commands.

Two honest students sit in every class, one before and one after all others in the order of
names. What is read of the outcome is what people see: the gradebook, the pages, the CSV, what the
commands said and how they ended.
"""

from __future__ import annotations

import csv
import functools
import html
import io
import json
import os
import re
import shutil
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.attacks import small_course, stations
from tests.attacks.attack import Attack, Place
from tests.attacks.launcher import LEAST_RUN
from tests.attacks.small_course import ASSIGNMENTS, SECRETS, answered
from tests.attacks.stations import Run
from tests.attacks.surroundings import submission

HONEST = ("aa-honest", "zz-honest")
NAMES = {"aa-honest": ("Aran", "Ahn"), "zz-honest": ("Zoe", "Zang")}
COURSE_ID = "beyond-prompting"
STATIONS = ("collect", "grade", "feedback", "report")
_TIMES = (
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?( ?UTC|Z|[+-]\d\d:?\d\d)?"), "TIME"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "UUID"),
    # A class on a busy machine takes minutes longer.
    (re.compile(r"(\d+ (days?|d|h|min|s) )+late"), "TIME late"),
)
# Nothing of a student's may steer the instructor's terminal: not even a carriage return.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


@dataclass
class Desk:
    """Where one student hands in.

    Attributes:
        student: the id.
        first, last: the name in the class list.
        number: Canvas's or Moodle's.
        content: the notebook's bytes.
        files: beside it.
        folder: the exchange's inbound folder, or the download.
        time: when it is handed in.
    """

    student: str
    first: str
    last: str
    number: int
    assignment: str
    content: bytes
    files: dict[str, bytes]
    folder: Path
    time: datetime
    course: Path

    @property
    def notebook(self) -> str:
        return f"{self.assignment}.ipynb"

    def stamp(self, time: datetime | None = None) -> str:
        return f"{time or self.time:%Y-%m-%d %H:%M:%S.%f} UTC"

    def in_exchange(
        self, time: datetime | None = None, files: dict[str, bytes] | None = None
    ) -> Path:
        """A folder in the exchange, as nbgrader's submit makes it."""
        stamp = self.stamp(time)
        place = self.folder / f"{self.student}+{self.assignment}+{stamp}+0123456789abcdef"
        place.mkdir(parents=True)
        given = {self.notebook: self.content, **self.files} if files is None else files
        for name, content in {"timestamp.txt": stamp.encode(), **given}.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(content)
        return place

    def canvas(self, name: str, content: bytes, owner: str = "", number: int | None = None) -> Path:
        """A file in Canvas's download, named as it names them."""
        said = owner or (self.last + self.first).lower()
        user = self.number if number is None else number
        place = self.folder / f"{said}_{user}_{9_000 + self.number}_{name}"
        place.write_bytes(content)
        return place

    def moodle(self, name: str, content: bytes, owner: str = "") -> Path:
        """A file in Moodle's download."""
        said = owner or f"{self.first} {self.last}"
        place = self.folder / f"{said}_{self.number}_assignsubmission_file_" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        return place

    def as_asked(self, way: str) -> None:
        """Hand in as one should."""
        files = {self.notebook: self.content, **self.files}
        if way == "exchange":
            self.in_exchange()
        for name, content in files.items():
            if way == "canvas":
                self.canvas(name, content)
            elif way == "moodle":
                self.moodle(name, content)
            elif way == "folders":
                place = self.folder / self.student / name
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content)


@dataclass(frozen=True)
class Outcome:
    """What became of one student.

    Attributes:
        points: of the assignment's graded cells; None waits for a person. Empty without a row in
            the gradebook.
        page: the feedback page's HTML; empty if there is none.
        row: of the report's CSV.
        late: by how many seconds the gradebook counts it late.
        runs: what each command did, by station.
    """

    student: str
    points: dict[str, float | None]
    page: str
    row: dict[str, str]
    runs: dict[str, Run]

    @property
    def text(self) -> str:
        """The page as one reads it."""
        return html.unescape(self.page)

    @functools.cached_property
    def shown(self) -> str:
        """The page without the code that it quotes: what ran and was said, not what was handed in."""
        from bs4 import BeautifulSoup

        page = BeautifulSoup(self.page, "html.parser")
        for code in page.select(".highlight, .code, details:not(.folded)"):
            code.decompose()
        return html.unescape(str(page))

    @functools.cached_property
    def plain(self) -> str:
        """The words of the page, for a person to read what went wrong."""
        from bs4 import BeautifulSoup

        page = BeautifulSoup(self.shown, "html.parser")
        for part in page.select("style, script, head"):
            part.decompose()
        return " ".join(page.get_text(" ").split())

    @property
    def late(self) -> float:
        return float(self.row.get("late_seconds") or 0)

    def said(self, station: str = "") -> str:
        """What a command said; all of them without a name."""
        if station:
            return self.runs[station].said
        return "".join(one.said for one in self.runs.values())


@dataclass
class Lesson:
    """One class after the commands have run over it.

    Attributes:
        honest: outcomes of the two honest students.
        attackers: by the attack's name.
        faults: what went wrong with the class as a whole; each a sentence.
    """

    honest: dict[str, Outcome]
    attackers: dict[str, Outcome]
    runs: dict[str, Run]
    faults: list[str] = field(default_factory=list)


class Schoolhouse:
    """A released course, made once, from which each class gets a copy of its own.

    Args:
        place_of: makes the `Place` that attackers may know, for a course folder.
    """

    def __init__(self, folder: Path, place_of: Callable[[Path], Place]) -> None:
        self._folder = folder
        self._place_of = place_of
        self._made: dict[int, Path] = {}
        self._count = 0

    def course(self, due: int = 0) -> Path:
        """The released course; see `Attack.due`."""
        if due not in self._made:
            root = self._folder / f"released-due-{due}"
            small_course.write_course(root)
            for assignment in ASSIGNMENTS:
                time = datetime.now() + timedelta(hours=due)
                words = ["--due", f"{time:%Y-%m-%dT%H:%M:%S}"] if due else []
                done = stations.run("release", assignment, *words, course=root)
                assert done.code == 0, done.said
            self._made[due] = root
        return self._made[due]

    def lesson(
        self,
        attacks: Sequence[Attack],
        cell_seconds: int = stations.USUAL_CELL_SECONDS,
        without: Sequence[str] = (),
    ) -> Lesson:
        """Run a class in which these attack; they agree in all that `class_of` says."""
        model = attacks[0] if attacks else Attack("nobody", "", lambda work, place: None)
        return self.run(model, attacks, cell_seconds, without)

    def run(
        self,
        model: Attack,
        attacks: Sequence[Attack],
        cell_seconds: int,
        without: Sequence[str] = (),
        user: int | None = None,
    ) -> Lesson:
        """The same, with way, assignment, due, again and run_seconds as in `model`.

        Args:
            user: who runs the commands; this process's own user if None.
        """
        self._count += 1
        root = self._folder / f"class-{self._count}" / "course"
        shutil.copytree(self.course(model.due), root)
        try:
            lesson = _Class(root, model, attacks, self._place_of(root))
            return lesson.held(cell_seconds, without, user)
        finally:
            shutil.rmtree(root.parent, ignore_errors=True)


class _Class:
    """One class, while its commands run."""

    def __init__(self, root: Path, model: Attack, attacks: Sequence[Attack], place: Place) -> None:
        self._root, self._model, self._attacks, self._place = root, model, attacks, place
        self._assignment = model.assignment
        self._given = _read(
            root / "release" / "en" / self._assignment / f"{self._assignment}.ipynb"
        )
        self._now = datetime.now(UTC)
        self._download = root.parent / "download"
        self._desks: dict[str, Desk] = {}
        for number, student in enumerate(HONEST):
            work = answered(self._given, small_course.ANSWERS[self._assignment])
            self._sit(student, 7_001 + number, json.dumps(work).encode(), {})
        for number, attack in enumerate(attacks):
            content = submission(attack, self._given, place)
            self._sit(_student(number, attack), 101 + number, content, dict(attack.files))

    def _sit(self, student: str, number: int, content: bytes, files: dict[str, bytes]) -> None:
        first, last = NAMES.get(student, ("Mina", f"M{number}"))
        exchange = self._root / "exchange" / COURSE_ID / "inbound"
        folder = exchange if self._model.way == "exchange" else self._download
        folder.mkdir(parents=True, exist_ok=True)
        self._desks[student] = Desk(
            student,
            first,
            last,
            number,
            self._assignment,
            content,
            files,
            folder,
            self._now,
            self._root,
        )

    def held(self, cell_seconds: int, without: Sequence[str], user: int | None) -> Lesson:
        """Hand everything in, run the commands and read what came of it."""
        self._put_other_students()
        for student in HONEST:
            self._desks[student].as_asked(self._model.way)
        for number, attack in enumerate(self._attacks):
            desk = self._desks[_student(number, attack)]
            if attack.hand_in:
                attack.hand_in(desk)
            else:
                desk.as_asked(attack.way)
        runs: dict[str, Run] = {}
        least_run = self._model.run_seconds

        def station(verb: str, *words: str, name: str = "") -> None:
            runs[name or verb] = stations.run(
                verb,
                self._assignment,
                *words,
                course=self._root,
                cell_seconds=cell_seconds,
                without=without,
                limits={LEAST_RUN: least_run} if least_run else None,
                user=user,
            )

        if user is not None:
            for path in [self._root.parent, *self._root.parent.rglob("*")]:
                os.lchown(path, user, user)
        station("collect", *self._origin())
        if any(one.afterwards for one in self._attacks):
            for number, attack in enumerate(self._attacks):
                if attack.afterwards:
                    attack.afterwards(self._desks[_student(number, attack)])
            station("collect", *self._origin(), name="collect again")
        station("grade")
        station("feedback")
        pages_before = self._pages()
        if self._model.again:
            station("grade", "--again", name="grade again")
            station("feedback", name="feedback again")
        station("report")
        return self._read(runs, pages_before)

    def _origin(self) -> list[str]:
        """What `collect` is told: nothing for the exchange, else the download and the roster."""
        way = self._model.way
        if way == "exchange":
            return []
        roster = self._root.parent / "roster.csv"
        with roster.open("w", newline="", encoding="utf-8") as file:
            lines = csv.writer(file)
            lines.writerow(["id", "first_name", "last_name", "email", "lms_user_id"])
            for desk in self._desks.values():
                known = "" if way == "canvas-without-ids" else desk.number
                lines.writerow([desk.student, desk.first, desk.last, "", known])
        place = self._download
        if way.startswith("canvas"):
            place = self._root.parent / "submissions.zip"
            with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
                for path in sorted(self._download.rglob("*")):
                    if path.is_file():
                        archive.write(path, path.relative_to(self._download).as_posix())
        return [str(place), "--roster", str(roster)]

    def _put_other_students(self) -> None:
        """Secrets of somebody who isn't in this hand-in: in the gradebook and beside it."""
        from nbgrader.api import Gradebook

        with Gradebook(f"sqlite:///{self._root}/term/gradebook.db", COURSE_ID) as gradebook:
            gradebook.update_or_create_student("other", first_name="CANARY-GRADEBOOK")
        work = answered(self._given, {"essay": 'why = "CANARY-OTHER"'})
        place = self._root / "term" / "collected" / "other" / self._assignment / "earlier"
        place.mkdir(parents=True)
        (place / f"{self._assignment}.ipynb").write_text(json.dumps(work))
        beside = self._root / "term" / "submitted" / "other" / "essays"
        beside.mkdir(parents=True)
        (beside / "essays.ipynb").write_text(json.dumps(work))

    def _pages(self) -> dict[str, str]:
        found = {}
        for student in self._desks:
            folder = self._root / "term" / "feedback" / student / self._assignment
            page = folder / f"{self._assignment}.html"
            found[student] = page.read_text("utf-8") if page.is_file() else ""
        return found

    def _read(self, runs: dict[str, Run], before: dict[str, str]) -> Lesson:
        pages, points, rows = self._pages(), self._points(), self._rows()
        lesson = Lesson({}, {}, runs)

        def outcome(student: str) -> Outcome:
            page = pages[student]
            if before[student] != page:
                page = before[student] + page  # both were shown to the student
            return Outcome(student, points.get(student, {}), page, rows.get(student, {}), runs)

        for student in HONEST:
            lesson.honest[student] = outcome(student)
        for number, attack in enumerate(self._attacks):
            lesson.attackers[attack.name] = outcome(_student(number, attack))
        lesson.faults += self._faults(lesson)
        return lesson

    def _points(self) -> dict[str, dict[str, float | None]]:
        """Everyone's points by graded cell, as the gradebook has them."""
        from nbgrader.api import Gradebook

        found: dict[str, dict[str, float | None]] = {}
        address = f"sqlite:///{self._root}/term/gradebook.db"
        with Gradebook(address, COURSE_ID) as gradebook:
            for sent in gradebook.assignment_submissions(self._assignment):
                found[sent.student.id] = {
                    grade.name: None if grade.needs_manual_grade else float(grade.score or 0)
                    for notebook in sent.notebooks
                    for grade in notebook.grades
                }
        return found

    def _rows(self) -> dict[str, dict[str, str]]:
        path = self._root / "term" / "reports" / f"{self._assignment}.csv"
        if not path.is_file():
            return {}
        text = path.read_text("utf-8-sig")
        return {row["student_id"].lstrip("'"): row for row in csv.DictReader(io.StringIO(text))}

    def _faults(self, lesson: Lesson) -> list[str]:
        faults = []
        someone_refused = any(one.may_be_refused for one in self._attacks)
        for station, run in lesson.runs.items():
            collects = station.startswith("collect")
            fine = {0, 1} if collects and someone_refused else {0}
            if run.code not in fine:
                faults.append(f"{station} ended with {run.code}: {run.said[-2_000:]}")
            if "Traceback (most recent call last)" in run.said:
                faults.append(f"{station} shows a traceback: {run.said[-3_000:]}")
            if controls := sorted(set(_CONTROL.findall(run.said))):
                faults.append(f"{station} writes control characters to the terminal: {controls!r}")
            if secrets := [one for one in SECRETS if one in run.said]:
                faults.append(f"{station} says {secrets}: {run.said[-3_000:]}")
        reports = self._root / "term" / "reports"
        for path in reports.glob("*.csv") if reports.is_dir() else ():
            text = path.read_text("utf-8-sig")
            if controls := sorted(set(_CONTROL.findall(text.replace("\r\n", "\n")))):
                faults.append(f"{path.name} has control characters: {controls!r}")
        log = self._root / "term" / "last-error.log"
        if log.is_file() and (controls := sorted(set(_CONTROL.findall(log.read_text("utf-8"))))):
            faults.append(f"{log.name} has control characters: {controls!r}")
        return faults


def without_times(page: str) -> str:
    """A page without what differs between two hand-ins of the same work."""
    for pattern, word in _TIMES:
        page = pattern.sub(word, page)
    return page


def _student(number: int, attack: Attack) -> str:
    return f"m{number:03}-{re.sub(r'[^a-z0-9-]', '', attack.name.lower())}"[:60]


def _read(path: Path):
    import nbformat

    return nbformat.read(path, 4)
