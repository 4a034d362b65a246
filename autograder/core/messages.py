"""Tell a student what was decided about a submission, in the student's language.

A note is data (a message and its values), so that it can be stored beside a submission and
put into words later, in whatever language the feedback is written in.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from autograder.core.printable import one_line
from autograder.i18n import _


def N_(message: str) -> str:
    """Mark a message for translation without translating it yet."""
    return message


@dataclass(frozen=True)
class Note:
    """One decision: `message` is a gettext msgid with named places, `values` fill them."""

    message: str
    values: dict[str, str] = field(default_factory=dict)

    def text(self) -> str:
        """Return the note in the current language, each of its values on one line."""
        values = {name: one_line(value) for name, value in self.values.items()}
        return str(_(self.message)).format(**values)


def texts(notes: list[Note]) -> list[str]:
    """Return notes in the current language; the same decision about several cells is said once."""
    groups: dict[tuple[str, tuple[tuple[str, str], ...]], list[str]] = {}
    for one in notes:
        others = tuple(sorted(item for item in one.values.items() if item[0] != "cell"))
        cells = groups.setdefault((one.message, others), [])
        cells.extend([one.values["cell"]] if "cell" in one.values else [])
    said = []
    for (message, others), cells in groups.items():
        joined = {"cell": listed(cells)} if cells else {}
        said.append(Note(message, {**dict(others), **joined}).text())
    return said


def listed(names: list[str], most: int = 4) -> str:
    """Return names joined by commas: the first `most`, and how many more there are."""
    shown = ", ".join(names[:most])
    if len(names) <= most:
        return shown
    return str(_("{names} and {count} more")).format(names=shown, count=len(names) - most)


_LONGEST_VALUE = 2_000


def note(message: str, **values: object) -> Note:
    """Return a note of a message marked with `N_` and the values of its places.

    Values are often names that students gave, so what could move a terminal's cursor or forge a
    line is replaced.
    """
    return Note(
        message,
        {name: one_line(str(value)[:_LONGEST_VALUE]) for name, value in values.items()},
    )
