"""Make the names of files inside archives and folders safe to use as relative paths."""

from __future__ import annotations

import os
import re
import unicodedata

from autograder.intake.errors import BadArchive

IGNORED = frozenset(
    {
        # macOS: beside a file, in a folder, on a disk. A folder's own picture is in `Icon\r`, whose
        # last character Samba and browsers write otherwise.
        "__macosx",
        ".ds_store",
        ".localized",
        "icon\r",
        "icon\uf00d",
        "icon%0d",
        ".appledouble",
        ".apdisk",
        ".documentrevisions-v100",
        ".fseventsd",
        ".spotlight-v100",
        ".temporaryitems",
        ".trashes",
        ".volumeicon.icns",
        "network trash folder",
        # Windows
        "thumbs.db",
        "ehthumbs.db",
        "ehthumbs_vista.db",
        "desktop.ini",
        "$recycle.bin",
        "system volume information",
        # Linux
        ".directory",
        "lost+found",
        # JupyterLab and Python
        ".ipynb_checkpoints",
        ".history",  # autograder/student/work_history.py, and an editor's
        "__pycache__",
    }
)
"""Files and folders that systems and JupyterLab leave behind; no student means to hand them in."""

_IGNORED_BEGINNINGS = ("._", ".nfs0", ".fuse_hidden", ".trash-", "~$", ".~lock.", ".saving-")
"""How the names begin of what macOS, network disks, desktops and office programs leave behind."""

_DRIVE = re.compile(r"^[A-Za-z]:")

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def decode_name(raw: bytes, utf8_flag: bool) -> str:
    """Decode a member's name as the student saw it, composed to NFC.

    Without the UTF-8 flag a zip doesn't say how its names are written: macOS and Linux write
    UTF-8 all the same, Korean Windows writes CP949, old DOS tools CP437. They are tried in
    this order; the last one never fails.

    Args:
        raw: the name's bytes in the zip.
        utf8_flag: whether the zip flags the name as UTF-8.

    Raises:
        BadArchive: the name is flagged as UTF-8 and isn't.
    """
    if utf8_flag:
        try:
            name = raw.decode("utf-8")
        except UnicodeDecodeError:
            raise BadArchive(
                "The zip holds a file name that isn't valid text; pack it again."
            ) from None
        return unicodedata.normalize("NFC", name)
    for encoding in ("utf-8", "cp949", "cp437"):
        try:
            return unicodedata.normalize("NFC", raw.decode(encoding))
        except UnicodeDecodeError:
            continue
    raise AssertionError("cp437 decodes every byte")


def safe_name(name: str, archive: str) -> str:
    """Return `name` as a relative path with "/" between its parts.

    Args:
        name: the decoded name.
        archive: what to call the archive in a message.

    Raises:
        BadArchive: the name leads outside, is absolute, or holds a character no path may.
    """
    path = name.replace("\\", "/")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    shown = ascii(name[:80])
    if path.startswith("/") or _DRIVE.match(path) or ".." in parts:
        raise BadArchive(
            f"{archive} holds a file named {shown}, which leads outside the archive, "
            "so nothing was taken from it; pack the files themselves again."
        )
    if _CONTROL.search(path) or len(path) > 1_000 or not parts:
        raise BadArchive(
            f"{archive} holds a file named {shown}, which can't be a file's name, "
            "so nothing was taken from it; rename the file and pack it again."
        )
    return "/".join(parts)


def is_ignored(name: str) -> bool:
    """Return whether a file was left behind by an operating system or editor."""
    parts = name.casefold().replace("\\", "/").split("/")
    return any(part in IGNORED or part.startswith(_IGNORED_BEGINNINGS) for part in parts)


def composed(raw: str) -> str:
    """Return a name on disk as text that any system can show, composed to NFC."""
    return unicodedata.normalize("NFC", os.fsencode(raw).decode("utf-8", "replace"))
