"""Read the class list from a file: an own CSV, or what an LMS or this grader's report exports.

Nothing is enrolled here. `Roster.describe` says what was understood, for a person to see first.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from autograder.core.atomic_io import read_file
from autograder.core.printable import one_line
from autograder.core.student_id import require_student_id
from autograder.errors import UserError
from autograder.intake.roster import ROSTER_COLUMNS, Person
from autograder.intake.text_encoding import DecodedText, decode_list

_ROSTER_LIMIT = 10 * 1024 * 1024
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_SAMPLES = 3
_MOST_NAMED = 10

# By the names that columns have in our own files and in exports of LMSs, folded by `_heading`. Of
# an earlier group of names for the id, the later ones are other things: a login beside it.
_IDS: tuple[tuple[str, ...], ...] = (
    ("id", "student id", "studentid", "student number", "학번"),
    ("id number", "idnumber"),
    ("username", "user name", "login"),
)
_NAMES = {
    "first_name": ("first name", "firstname", "given name", "given names"),
    "last_name": ("last name", "lastname", "surname", "family name", "성"),
    "email": ("email", "e mail", "email address", "mail", "이메일"),
    "lms_user_id": ("lms user id", "canvas user id", "canvas id"),
    "section": ("section", "분반"),
}
_FULL_NAME = ("full name", "fullname", "name", "student name", "성명", "이름")
_CANVAS = frozenset({"student", "id", "section"})
_CANVAS_IDS = ("sis user id", "sis login id")
_TEST_STUDENTS = frozenset({"student, test", "test student"})
_NOT_STUDENTS = ("points possible", "manual posting")


@dataclass(frozen=True)
class Roster:
    """Hold a class list and how its file was understood.

    Attributes:
        name: the file's.
        people: the students.
        encoding: the text's, in words.
        is_guessed: whether nothing in the file names that encoding.
        delimiter: what separates its columns.
        columns: the file's own name of the column that each of ours was read from.
        kind: what exported it; empty for a plain list.
        left_out: a part of a sentence for each line that is no student's.
        unread: the file's columns of which nothing was taken.
    """

    name: str
    people: list[Person]
    encoding: str
    is_guessed: bool
    delimiter: str
    columns: dict[str, str]
    kind: str = ""
    left_out: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)

    def describe(self) -> str:
        """Return what was understood of the file, with a sample, in a few sentences."""
        kind = f"as {self.kind} " if self.kind else ""
        guessed = " (nothing in it says so)" if self.is_guessed else ""
        separated = f", separated by {_DELIMITERS[self.delimiter]}" if len(self.columns) > 1 else ""
        columns = ", ".join(
            ours if ours == theirs else f"{ours} from {theirs!r}"
            for ours, theirs in self.columns.items()
        )
        many = "1 student" if len(self.people) == 1 else f"{len(self.people)} students"
        lines = [
            f"{self.name} was read {kind}in {self.encoding}{guessed}{separated}: {many} with "
            f"{columns}.",
            *(f"  {_shown(person)}" for person in self._sample()),
        ]
        if self.unread:
            lines.append(f"  not read: {', '.join(map(repr, self.unread[:_MOST_NAMED]))}.")
        if self.left_out:
            lines.append(f"  left out: {'; '.join(self.left_out)}.")
        return "\n".join(map(one_line, lines))

    def _sample(self) -> list[Person]:
        """Return a few students: first those whose names depend on the encoding."""
        by_telling = sorted(self.people, key=lambda one: (one.first_name + one.last_name).isascii())
        return by_telling[:_SAMPLES]


def _shown(person: Person) -> str:
    known = [f"{column} {getattr(person, column)}" for column in ROSTER_COLUMNS]
    return ", ".join(one for one in known if not one.endswith(" "))


@dataclass(frozen=True)
class _Table:
    """Hold the cells of a CSV under their headings, both cleaned."""

    name: str
    delimiter: str
    headings: list[str]
    rows: list[tuple[int, list[str]]]

    def folded(self) -> list[str]:
        return [_heading(heading) for heading in self.headings]


def read_roster(path: Path) -> Roster:
    """Read the class list from a CSV: id, first_name, last_name, email, lms_user_id, section.

    Only `id` is required; `student_id` is the same, as in this grader's own report. Unicode, CP949
    and what Western Windows and Macs write are read, with commas, semicolons, tabs or bars. The
    gradebook that Canvas exports is a roster too (its `SIS User ID` is the id), and so are
    Moodle's and Blackboard's.

    Raises:
        UserError: not such a file; the message names the line.
    """
    name = Path(path).name
    decoded = decode_list(read_file(path, _ROSTER_LIMIT), name)
    try:
        table = _table(decoded.text, name)
    except csv.Error as error:
        raise UserError(f"{name} isn't a correct CSV ({error}); export it again.") from None
    _refuse_twins(table)
    folded = set(table.folded())
    if folded >= _CANVAS and folded & {*_CANVAS_IDS}:
        return _canvas(table, decoded)
    if folded >= _CANVAS:
        raise UserError(
            f"{name} is a Canvas gradebook without SIS User ID and SIS Login ID, so nothing in it "
            "is a student's id here; add a column with one of these names."
        )
    return _plain(table, decoded)


def _table(text: str, name: str) -> _Table:
    text, delimiter = _without_separator_line(text)
    first = next((line for line in text.splitlines() if line.strip(' ,;\t|"')), "")
    if not delimiter:
        delimiter = max(
            _DELIMITERS, key=lambda one: (_known_headings(first, one), first.count(one))
        )
    quote = "'" if re.match(r"\s*'[^']*'\s*([,;\t|]|$)", first) else '"'
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quotechar=quote)
    headings: list[str] = []
    rows = []
    for cells in reader:
        cleaned = [_clean(cell) for cell in cells]
        if not any(cleaned):
            continue
        if not headings:
            headings = cleaned
            continue
        line = reader.line_num
        if any(cleaned[len(headings) :]):
            raise UserError(
                f"{name}, line {line}: it has more values than the first line names columns; put a "
                "value that holds the separator itself into quotes."
            )
        if len(cleaned) == 1 < len(headings) and any(one in cleaned[0] for one in _DELIMITERS):
            raise UserError(
                f"{name}, line {line}: its values aren't separated by "
                f"{_DELIMITERS[delimiter]} as the first line's are; export it again."
            )
        rows.append((line, cleaned + [""] * (len(headings) - len(cleaned))))
    return _Table(name, delimiter, headings, rows)


def _without_separator_line(text: str) -> tuple[str, str]:
    """Return the text without Excel's own first line, and the delimiter that this line names."""
    found = re.match(r'\s*"?sep=([,;\t|])"?[ ,;\t|]*(?:\r\n|\r|\n)', text, re.IGNORECASE)
    return (text[found.end() :], found[1]) if found else (text, "")


def _known_headings(line: str, delimiter: str) -> int:
    known = {*(name for names in (*_IDS, *_NAMES.values()) for name in names), *_FULL_NAME}
    known |= _CANVAS | {*_CANVAS_IDS}
    return sum(_heading(cell.strip().strip("'\"")) in known for cell in line.split(delimiter))


_INVISIBLE = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_FORMULA = re.compile(r'="(.*)"', re.DOTALL)
_ESCAPED_FORMULA = re.compile(r"'(?=\s*[=+\-@＝＋－＠])")


def _clean(value: str) -> str:
    """Return a value without what spreadsheets and web pages add to it: spaces, marks, quotes."""
    spaced = "".join(" " if letter.isspace() else letter for letter in _INVISIBLE.sub("", value))
    spaced = spaced.strip().strip("\u200c\u200d").strip()
    if found := _FORMULA.fullmatch(spaced):
        spaced = found[1].strip()  # how a spreadsheet is told that 00123 is text
    return _ESCAPED_FORMULA.sub("", spaced, count=1) if spaced.startswith("'") else spaced


def _heading(cell: str) -> str:
    return " ".join(re.split(r"[\s_\-]+", unicodedata.normalize("NFKC", cell).casefold())).strip()


def _refuse_twins(table: _Table) -> None:
    folded = table.folded()
    twice = [one for one in folded if one and folded.count(one) > 1]
    read = {*_FULL_NAME, *_CANVAS_IDS, *(name for names in _NAMES.values() for name in names)}
    read |= {name for names in _IDS for name in names}
    for heading in twice:
        if heading in read:
            shown = table.headings[folded.index(heading)].casefold()
            raise UserError(
                f"{table.name} has two columns called {shown!r}, so it doesn't say which one "
                "counts; delete or rename one of them."
            )


def _only(table: _Table, names: Sequence[str], meaning: str) -> int | None:
    """Return the one column with one of these names; None if there is none.

    Raises:
        UserError: there are several, with different values.
    """
    folded = table.folded()
    found = [folded.index(name) for name in names if name in folded]
    if not found:
        return None
    if any(row[found[0]] != row[other] for _, row in table.rows for other in found[1:]):
        both = " and ".join(repr(table.headings[at]) for at in found)
        raise UserError(
            f"{table.name} has two columns that mean {meaning}, {both}, with different values; "
            "delete or rename one of them."
        )
    return found[0]


def _plain(table: _Table, decoded: DecodedText) -> Roster:
    places: dict[str, int] = {}
    for names in _IDS:
        at = _only(table, names, "the id")
        if at is not None and "id" not in places:
            places["id"] = at
        elif at is not None and table.folded()[at].startswith("user"):
            places.setdefault("lms_user_id", at)  # Blackboard's user name, beside its student id
    for column, names in _NAMES.items():
        at = _only(table, names, column)
        if at is not None:
            places[column] = at
    full_name = _only(table, _FULL_NAME, "the name")
    if "id" not in places:
        raise UserError(
            f"{table.name} has no column 'id'; its first line must name the columns "
            f"{', '.join(ROSTER_COLUMNS)}."
        )
    people = _People(table.name)
    for line, row in table.rows:
        values = {column: row[at] for column, at in places.items()}
        if full_name is not None and not values.get("first_name") and not values.get("last_name"):
            values.update(_parted(row[full_name]))
        if any(values.values()):
            people.add(line, values)
    columns = {ours: table.headings[at] for ours, at in places.items()}
    if full_name is not None and not {"first_name", "last_name"} & places.keys():
        columns["name"] = table.headings[full_name]
    used = {*places.values(), full_name} if "name" in columns else {*places.values()}
    unread = [one for at, one in enumerate(table.headings) if one and at not in used]
    return people.roster(decoded, table.delimiter, columns, unread=unread)


def _parted(name: str) -> dict[str, str]:
    """Return a full name in its parts; without a comma nothing tells them apart."""
    last, comma, first = name.partition(",")
    if not comma:
        return {"first_name": name}
    return {"first_name": first.strip(), "last_name": last.strip()}


def _canvas(table: _Table, decoded: DecodedText) -> Roster:
    """Return the class in a gradebook that Canvas has exported, without its test student."""
    folded = table.folded()
    at = {heading: folded.index(heading) for heading in ("student", "id", "section")}
    ids = [folded.index(heading) for heading in _CANVAS_IDS if heading in folded]
    people = _People(table.name)
    left_out = []
    for line, row in table.rows:
        shown, number = row[at["student"]], row[at["id"]]
        if shown.casefold() in _TEST_STUDENTS:
            left_out.append("the test student")
        elif not number:
            if any(shown.casefold().startswith(one) for one in _NOT_STUDENTS):
                left_out.append(f"the line {shown!r}")
            elif shown:
                left_out.append(f"{shown!r} in line {line}, which has no ID of Canvas's")
        elif student := next((row[one] for one in ids if row[one]), ""):
            own = {"id": student, "lms_user_id": number, "section": row[at["section"]]}
            people.add(line, {**own, **_parted(shown)})
        else:
            left_out.append(f"{shown!r} in line {line}, who has no SIS User ID and no SIS Login ID")
    columns = {
        "id": " or ".join(table.headings[one] for one in ids),
        "lms_user_id": table.headings[at["id"]],
        "name": table.headings[at["student"]],
        "section": table.headings[at["section"]],
    }
    return people.roster(decoded, table.delimiter, columns, "a Canvas gradebook", left_out)


_DECIMAL = re.compile(r"(\d+)[.,]0+", re.ASCII)
_EXPONENT = re.compile(r"(\d)(?:[.,](\d+))?[eE](\+?)(\d{1,2})", re.ASCII)


class _People:
    """Gather the students of a file, each once."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._found: dict[str, Person] = {}
        self._by_lms_id: dict[str, str] = {}

    def add(self, line: int, values: dict[str, str]) -> None:
        """Add a student.

        Raises:
            UserError: the id is missing, can't be one, or is another's too.
        """
        where = f"{self._name}, line {line}"
        for column in ("id", "lms_user_id"):
            values[column] = self._number(values.get(column, ""), f"{where}: the {column}")
        if not values["id"]:
            raise UserError(f"{where}: the id is missing; fill it in.")
        try:
            values["id"] = require_student_id(values["id"])
        except UserError as error:
            raise UserError(f"{where}: {error}") from None
        person = Person(**values)
        if person.id in self._found:
            raise UserError(
                f"{where}: the id {person.id!r} is there twice; remove one of the lines."
            )
        number = person.lms_user_id
        if number and number in self._by_lms_id:
            raise UserError(
                f"{where}: {person.id!r} and {self._by_lms_id[number]!r} have the same lms_user_id "
                f"{number!r}; correct one of them."
            )
        self._found[person.id] = person
        self._by_lms_id[number] = person.id

    @staticmethod
    def _number(value: str, what: str) -> str:
        """Return a number that a spreadsheet has written as a decimal as it was before.

        Raises:
            UserError: the spreadsheet has dropped digits of it.
        """
        if found := _DECIMAL.fullmatch(value):
            return found[1]
        found = _EXPONENT.fullmatch(value)
        if found is None or not (found[2] or found[3]):
            return value
        power = int(found[4])
        fraction, dropped = (found[2] or "")[:power], (found[2] or "")[power:]
        if len(fraction) < power or dropped.strip("0"):
            raise UserError(
                f"{what} {value!r} was shortened by a spreadsheet; make that column text, and "
                "export it again."
            )
        return found[1] + fraction

    def roster(
        self,
        decoded: DecodedText,
        delimiter: str,
        columns: dict[str, str],
        kind: str = "",
        left_out: Sequence[str] = (),
        unread: Sequence[str] = (),
    ) -> Roster:
        """Return the students as a roster.

        Raises:
            UserError: there are none.
        """
        people = list(self._found.values())
        if not people:
            raise UserError(
                f"{self._name} holds no students; put one in each line under the columns."
            )
        told = list(dict.fromkeys(left_out))
        return Roster(
            self._name,
            people,
            decoded.encoding,
            decoded.is_guessed,
            delimiter,
            columns,
            kind,
            told,
            list(unread),
        )
