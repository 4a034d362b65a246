"""Decide which names can be a student id: safe as a folder's name on every system."""

from __future__ import annotations

import re
import unicodedata

from autograder.core.printable import one_line
from autograder.errors import UserError

STUDENT_ID = re.compile(r"[^\s/\\+*?\[\]<>:\"|.,][^/\\+*?\[\]<>:\"|,\x00-\x1f]{0,99}")
_LONGEST_NAME = 255  # bytes, of a folder


def require_student_id(name: str) -> str:
    """Return a student id that is safe as a folder's name, in composed Unicode.

    Raises:
        UserError: empty, too long, or with a slash or another character that a path can't hold.
    """
    composed = unicodedata.normalize("NFC", name).strip()
    # `one_line` marks what nobody sees, which would make two students of one name, and half a
    # surrogate pair, which no gradebook takes.
    is_plain = STUDENT_ID.fullmatch(composed) and one_line(composed) == composed
    if not is_plain or composed.endswith(".") or len(composed.encode("utf-8")) > _LONGEST_NAME:
        raise UserError(
            f"{name!r} can't be a student id; use letters, digits, '-', '_', '@' and inner dots, "
            "no slash, at most 100 characters."
        )
    return composed
