"""Give students the values of an assignment that are theirs alone.

    mine = own_values()
    case = {"calls": mine["calls"], "hosting": 120.0}

The values stand in `own-values.json`, in the notebook's folder. In a release it has the author's
declaration and a row for each student who was in the class list; the row is found by who is at
work. When a submission is graded, the grader puts a file of its own there, with the values that
were released to that student, so that neither the submitted file nor a claimed id counts.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from autograder.i18n import _

__all__ = ["own_values"]

VALUES_FILE = "own-values.json"
"""The file's name, in the source, in a release and where a submission is graded."""

DECLARED, STUDENTS, OWN = "values", "students", "own"
"""The keys of the file: the declaration, the rows by `row_key`, and the values of one student."""

ELSEWHERE = "AUTOGRADER_OWN_VALUES"
"""The variable that names the file of the release, for a notebook that was copied without it."""

RELEASED = "AUTOGRADER_RELEASED"
"""The variable that names the folder with the released assignments, where students can read it.

On a hub a student may open an assignment before it is released, and keep that copy.
"""

KEPT_ID = "student-id.txt"
"""Where an id that a student gave is kept, in the notebook's folder."""


class OwnValuesUnusable(Exception):
    """The file with the values is missing or damaged; the message says what to do."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def row_key(student: str) -> str:
    """Return the key of a student's row: a hash, so that a release doesn't list the class."""
    plain = unicodedata.normalize("NFC", student).strip()
    return hashlib.sha256(f"own values\0{plain}".encode()).hexdigest()[:32]


def own_values(student: str | None = None) -> dict[str, Any]:
    """Return the values that this student has, by name.

    Somebody who isn't found in the release's table gets the default values, and is told so.

    Args:
        student: the id in the class list, for who is called otherwise on this machine; it is kept
            in the folder, so that Validate uses the same values. It decides nothing in grading.

    Raises:
        OwnValuesUnusable: the file that comes with the notebook is missing or damaged.
        ValueError: the release has no values for that id.
    """
    content = _content()
    if isinstance(own := content.get(OWN), dict):
        return dict(own)
    found = default_values(content.get(DECLARED))
    rows = content.get(STUDENTS)
    if student is not None:
        _keep_id(student, rows)
    if not isinstance(rows, Mapping):
        return found  # nobody was given values of their own
    for claimed in _claimed_ids():
        row = rows.get(row_key(claimed))
        if isinstance(row, Mapping):
            found |= {name: value for name, value in row.items() if name in found}
            said = _("Your values ({student}): {values}")
            print(said.format(student=claimed, values=in_words(found)))
            return found
    print(
        _(
            "You are not in the class list of this release, so these are the default values. "
            'If you have a student ID, run own_values("your ID") in a cell of your own, then run '
            "the notebook again; otherwise ask your instructor before you go on."
        )
    )
    return found


def _keep_id(student: str, rows: object) -> None:
    """Keep in the folder who works there.

    Raises:
        ValueError: the release has no values for that id.
    """
    if not isinstance(rows, Mapping) or row_key(str(student)) not in rows:
        raise ValueError(
            _(
                "This release has no values for {student}; check the ID, or ask your instructor "
                "for the latest release."
            ).format(student=student)
        )
    Path(KEPT_ID).write_text(f"{student}\n", encoding="utf-8")


def default_values(declared: object) -> dict[str, Any]:
    """Return the values of somebody who has none of their own.

    Args:
        declared: the declaration as it stands in the file; what is wrong with it,
            `autograder check` has told.
    """
    if not isinstance(declared, Mapping):
        return {}
    return {str(name): _default(about) for name, about in declared.items()}


def _default(about: object) -> Any:
    if not isinstance(about, Mapping):
        return None
    if "default" in about:
        return about["default"]
    if isinstance(order := about.get("order-of"), list):
        return list(order)
    if isinstance(options := about.get("one-of"), list) and options:
        return options[0]
    return about.get("from")


def in_words(values: Mapping[str, Any]) -> str:
    """Return values on one line, for people to read."""
    return ", ".join(f"{name} = {value_in_words(value)}" for name, value in values.items())


def value_in_words(value: object) -> str:
    """Return one value as people write it: 200,000 or B, D, A, C."""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)


def _content() -> Mapping[str, Any]:
    place = Path(VALUES_FILE)
    if not place.exists():
        place = Path(os.environ.get(ELSEWHERE, VALUES_FILE))
    try:
        found = json.loads(place.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise OwnValuesUnusable(
            _(
                "{file} is not in this notebook's folder, so your values are unknown; copy it "
                "there from the release and run the notebook again."
            ).format(file=VALUES_FILE)
        ) from None
    except (OSError, ValueError):
        found = None
    if isinstance(found, Mapping) and OWN not in found and (newest := _newest(place)) is not None:
        return newest
    if not isinstance(found, Mapping):
        raise OwnValuesUnusable(
            _(
                "{file} in this notebook's folder is damaged; copy it there again from the release."
            ).format(file=VALUES_FILE)
        )
    return found


def _newest(place: Path) -> Mapping[str, Any] | None:
    """Return the content of the release's file, if it can be found and has rows.

    Args:
        place: the student's own copy of it, in a folder with the assignment's name.
    """
    if folder := os.environ.get(RELEASED):
        with suppress(OSError, ValueError):
            released = Path(folder) / place.absolute().parent.name / VALUES_FILE
            found = json.loads(released.read_text(encoding="utf-8"))
            if isinstance(found, Mapping) and isinstance(found.get(STUDENTS), Mapping):
                return found
    return None


def _claimed_ids() -> Iterator[str]:
    """Yield who may be at work: whose id is kept here, the hub's user, the login name."""
    with suppress(OSError, ValueError):
        yield Path(KEPT_ID).read_text(encoding="utf-8").strip()
    if hub := os.environ.get("JUPYTERHUB_USER"):
        yield hub
    with suppress(OSError, KeyError, ImportError):  # a user without a name
        yield getpass.getuser()
