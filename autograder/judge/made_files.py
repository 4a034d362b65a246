"""Take over the files that a student's code has written, such as a table or a plot.

They come to lie beside the graded notebook, where an instructor opens them and nbgrader's commands
go on with them. So only data and pictures are taken, under names that lead nowhere else, and not
many of them: no code, no notebook, no page that a browser would run, nothing that a program reads
as its settings or nbgrader as its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from autograder.core.receipts import RECEIPT
from autograder.student_values import VALUES_FILE

ENDINGS = frozenset(
    {".txt", ".log", ".md", ".csv", ".tsv", ".json", ".jsonl", ".dat", ".out", ".tex", ".bib"}
    | {".npy", ".npz", ".parquet", ".feather", ".mat", ".h5", ".sqlite", ".db"}
    | {".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".pdf"}
    | {".wav", ".mp3", ".ogg", ".mp4", ".webm"}
)
"""How the names of such files end, in any case."""

MOST_FILES = 50
MOST_BYTES = 8 * 1024 * 1024
"""The most bytes of all of them together."""

_OTHERS = frozenset({"timestamp.txt", "submission_secret.txt", RECEIPT, VALUES_FILE})
"""Names by which nbgrader and this grader know files of their own."""
_DEEPEST = 5
_LONGEST_PART = 100


def kept_files(claims: object, taken: Iterable[str] = ()) -> dict[str, bytes]:
    """Return those files that may lie beside a graded notebook, by path.

    Args:
        claims: what a student's process, or a judge, says that there is.
        taken: paths of files that are there already and stay as they are.
    """
    if type(claims) is not dict:
        return {}
    places = {PurePosixPath(name) for name in taken}
    folders = {folder for place in places for folder in place.parents}
    kept: dict[str, bytes] = {}
    left = MOST_BYTES
    for name in sorted(name for name in claims if type(name) is str and is_data_file(name)):
        content, place = claims[name], PurePosixPath(name)
        if type(content) is not bytes or len(content) > left or len(kept) == MOST_FILES:
            continue
        if place in places or place in folders or not places.isdisjoint(place.parents):
            continue
        kept[name] = content
        left -= len(content)
        places.add(place)
        folders |= set(place.parents)
    return kept


def is_data_file(name: str) -> bool:
    """Return whether a path names data or a picture and leads nowhere but down."""
    parts = name.split("/")
    return (
        len(parts) <= _DEEPEST
        and all(map(_is_plain, parts))
        and parts[-1].casefold() not in _OTHERS
        and PurePosixPath(parts[-1]).suffix.casefold() in ENDINGS
    )


def _is_plain(part: str) -> bool:
    """Return whether a file or folder may have this name on any system."""
    return (
        0 < len(part.encode("utf-8", "replace")) <= _LONGEST_PART
        and part.isprintable()
        and part == part.strip()
        and not part.startswith((".", "__", "-", "~"))
        and not part.endswith(".")
        and not set(part) & set('\\:*?"<>|')
    )
