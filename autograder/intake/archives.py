"""Reading zips and folders that came from outside, without trusting anything they say.

A source (`ZipSource`, `FolderSource`) lists its members under names that are safe to use and
hands out their bytes under limits. Nothing is extracted: bytes reach the disk only when a
caller that has judged them writes them.
"""

from __future__ import annotations

import errno
import heapq
import io
import lzma
import os
import re
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import IO

from autograder.core.printable import one_line
from autograder.errors import UserError

MIB = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """The most that is read from a source.

    Attributes:
        members: files.
        member_bytes: bytes of one file, uncompressed.
        total_bytes: bytes of all files together, uncompressed.
    """

    members: int
    member_bytes: int
    total_bytes: int


CLASS_LIMITS = Limits(members=20_000, member_bytes=128 * MIB, total_bytes=8 * 1024 * MIB)
"""For a download of a whole class."""

STUDENT_LIMITS = Limits(members=500, member_bytes=32 * MIB, total_bytes=100 * MIB)
"""For what one student handed in: its files and all that they hold unpacked, together."""

PART_FILES = 1_000
"""The most files of one student that are listed at all, of notebooks and of others each."""

_PART_ENTRIES = 5_000
"""The most files and folders that are looked at in search of them."""

_DEEPEST = 20
_MOST_NAMED = 10


class Budget:
    """What is left of the limits that several sources share."""

    def __init__(self, limits: Limits) -> None:
        self.members = limits.members
        self.total_bytes = limits.total_bytes


IGNORED = frozenset(
    {
        "__macosx",
        ".ds_store",
        "icon\r",
        "thumbs.db",
        "desktop.ini",
        ".ipynb_checkpoints",
        "__pycache__",
    }
)
"""Files and folders that systems and JupyterLab leave behind; no student means to hand them in."""

_DRIVE = re.compile(r"^[A-Za-z]:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_UTF8_NAME = 0x800
_ENCRYPTED = 0x1 | 0x40
# What zipfile raises on damaged input, by reading its code and by feeding it damaged zips.
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    struct.error,
    UnicodeDecodeError,
    ValueError,
    IndexError,
    NotImplementedError,
    RuntimeError,
    OverflowError,
)


class BadArchive(UserError):
    """The archive can't be used."""


@dataclass(frozen=True)
class Member:
    """A file in a source.

    Attributes:
        name: path in the source: composed Unicode, "/" between parts, never leading outside.
        modified: when the source says it was last changed, in UTC; None where it doesn't say.
        key: how the source finds it again.
    """

    name: str
    modified: datetime | None
    key: object

    @property
    def base(self) -> str:
        """The last part of the name."""
        return PurePosixPath(self.name).name


def decode_name(raw: bytes, utf8_flag: bool) -> str:
    """A member's name as the student saw it, composed to NFC.

    Without the UTF-8 flag a zip doesn't say how its names are written: macOS and Linux write
    UTF-8 all the same, Korean Windows writes CP949, old DOS tools CP437. They are tried in
    this order; the last one never fails.

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
    """`name` as a relative path with "/" between its parts.

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
    """Whether a member is something a system left behind rather than somebody's file."""
    parts = name.casefold().replace("\\", "/").split("/")
    return any(part in IGNORED or part.startswith("._") for part in parts)


class Source:
    """Files from outside, with limits. Use it in a `with` block.

    Attributes:
        name: what to call it in a message.
        members: the files there are, in the source's order.
        left_out: the names of links and devices, which are never read.
        beyond: the first names of each part of a folder that has more files than are listed.

    Args:
        in_parts: whether many students' files are in it, so that too many are no error: whoever
            takes them in counts each student's.
    """

    def __init__(
        self,
        name: str,
        limits: Limits,
        budget: Budget | None = None,
        in_parts: bool = False,
    ) -> None:
        self.name = name
        self.limits = limits
        self.members: list[Member] = []
        self.left_out: list[str] = []
        self.beyond: list[str] = []
        self._budget = budget or Budget(limits)
        self._in_parts = in_parts

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the files behind it."""

    def read(self, member: Member) -> bytes:
        """The bytes of a member.

        Raises:
            BadArchive: it is damaged, or larger than the limits, whatever its header says.
        """
        limits = self.limits
        allowed = min(limits.member_bytes, max(0, self._budget.total_bytes))
        content = self._read(member, allowed + 1)
        # What was too much has been unpacked all the same.
        self._budget.total_bytes -= len(content)
        if len(content) > limits.member_bytes:
            raise BadArchive(
                f"{self.name}: {member.base} has more than the "
                f"{limits.member_bytes // MIB:,} MiB a file may have; leave it out or make it "
                "smaller."
            )
        if len(content) > allowed:
            raise BadArchive(
                f"{self.name} holds more than the {limits.total_bytes // MIB:,} MiB it may hold "
                "when unpacked; pack only the files the assignment asks for."
            )
        return content

    def _read(self, member: Member, limit: int) -> bytes:
        raise NotImplementedError

    def _add(self, member: Member) -> None:
        if is_ignored(member.name):
            return
        self._budget.members -= 1
        if self._budget.members < 0 and not self._in_parts:
            raise BadArchive(
                f"{self.name} holds more than the {self.limits.members:,} files it may hold; "
                "pack only the files the assignment asks for."
            )
        self.members.append(member)


def _may_be_notebook(name: str) -> bool:
    return ".ipynb" in name.casefold()


class ZipSource(Source):
    """A zip file, or a zip inside another one given as bytes.

    Args:
        of_class: whether many students' files are in it; a name that one of them chose badly is
            made harmless, or its file left out, and the others' are there all the same.

    Raises:
        BadArchive: not a zip, damaged, encrypted, too many members, or a name leads outside.
    """

    def __init__(
        self,
        origin: Path | bytes | IO[bytes],
        name: str,
        limits: Limits,
        budget: Budget | None = None,
        of_class: bool = False,
    ) -> None:
        super().__init__(name, limits, budget, in_parts=of_class)
        self._of_class = of_class
        stream: IO[bytes]
        if isinstance(origin, bytes):
            stream = io.BytesIO(origin)
        else:
            stream = open(origin, "rb") if isinstance(origin, Path) else origin
        self._stream = stream
        try:
            self._require_small_directory(stream)
            with self._plain_errors():
                self._zip = zipfile.ZipFile(stream)
            for info in self._zip.infolist():
                self._take(info)
        except BaseException:
            stream.close()
            raise

    def close(self) -> None:
        self._zip.close()
        self._stream.close()

    def _plain_errors(self) -> _DamageTranslated:
        return _DamageTranslated(self.name)

    def _require_small_directory(self, stream: IO[bytes]) -> None:
        """Refuse a zip that lists more files than allowed before zipfile reads the whole list."""
        end = stream.seek(0, os.SEEK_END)
        tail_start = max(0, end - 22 - 20 - 65_535)
        stream.seek(tail_start)
        tail = stream.read()
        at = tail.rfind(b"PK\x05\x06")
        if at < 0 or len(tail) < at + 22:
            raise BadArchive(f"{self.name} isn't a zip, or its end is missing; pack it again.")
        (size,) = struct.unpack_from("<L", tail, at + 12)
        if at >= 20 and tail[at - 20 : at - 16] == b"PK\x06\x07":
            (place,) = struct.unpack_from("<Q", tail, at - 12)
            stream.seek(min(place, end))
            record = stream.read(56)
            if len(record) == 56:
                (size,) = struct.unpack_from("<Q", record, 40)
        stream.seek(0)
        # An entry takes 46 bytes and its name; 512 leave room for long Hangul names and extras.
        if size > self.limits.members * 512 + 65_536:
            raise BadArchive(
                f"{self.name} lists more than the {self.limits.members:,} files it may hold; "
                "pack only the files the assignment asks for."
            )

    def _take(self, info: zipfile.ZipInfo) -> None:
        flagged = bool(info.flag_bits & _UTF8_NAME)
        if flagged:
            name = unicodedata.normalize("NFC", info.orig_filename)
        else:
            # zipfile decoded the name as CP437, which maps every byte to one character.
            name = decode_name(info.orig_filename.encode("cp437"), utf8_flag=False)
            name = _unicode_path(info) or name
        if is_ignored(name):
            return
        folder = name.endswith(("/", "\\"))
        if self._of_class:
            name = one_line(name)
        try:
            name = safe_name(name, self.name)
        except BadArchive:
            if not self._of_class:
                raise
            self.left_out.append(name[:1_000])
            return
        if folder:
            return
        kind = stat.S_IFMT(info.external_attr >> 16) if info.create_system == 3 else 0
        if kind == stat.S_IFDIR:
            return
        if kind not in (0, stat.S_IFREG):
            self.left_out.append(name)
            return
        if is_ignored(name):
            return
        unusual = info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        if self._of_class and (unusual or info.flag_bits & _ENCRYPTED):
            self.left_out.append(name)
            return
        if info.flag_bits & _ENCRYPTED:
            raise BadArchive(f"{self.name} is protected by a password; pack it again without one.")
        if unusual:
            # bzip2 and LZMA members can't be read in bounded pieces.
            raise BadArchive(
                f"{self.name} is packed in an unusual way; pack it again as an ordinary zip."
            )
        self._add(Member(name, _zip_time(info), info))

    def place(self, member: Member) -> PackedFile:
        """Where a member lies."""
        info = member.key
        assert isinstance(info, zipfile.ZipInfo)
        return PackedFile(
            info.header_offset, info.compress_type, info.compress_size, info.file_size, info.CRC
        )

    def declared(self, member: Member) -> int:
        """The size that the zip claims for a member; unpacking it may tell otherwise."""
        assert isinstance(member.key, zipfile.ZipInfo)
        return member.key.file_size

    def peek(self, member: Member, limit: int) -> bytes:
        """The first bytes of a member, at most `limit`.

        Raises:
            BadArchive: it is damaged, or there is more of it than the zip claims.
        """
        content = self._read(member, min(limit, self.declared(member) + 1))
        if len(content) > self.declared(member):
            raise BadArchive(f"{self.name}: {member.base} is larger than it says.")
        return content

    def _read(self, member: Member, limit: int) -> bytes:
        assert isinstance(member.key, zipfile.ZipInfo)
        with self._plain_errors(), self._zip.open(member.key) as stream:
            return stream.read(limit)


class _DamageTranslated:
    """What zipfile raises on damaged input, as one sentence."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, _DAMAGED) and not isinstance(error, UserError):
            raise BadArchive(
                f"{self.name} is a damaged zip ({str(error)[:80]}); pack it again."
            ) from None


@dataclass(frozen=True)
class PackedFile:
    """Where a member lies in a zip, so that it can be unpacked without reading the whole list.

    Attributes:
        offset: of its header.
        method: how it is packed, as `zipfile` numbers it.
        packed: its bytes in the zip.
        size: its bytes, as the zip claims.
        crc: its checksum, as the zip claims.
    """

    offset: int
    method: int
    packed: int
    size: int
    crc: int

    def to_wire(self) -> list[int]:
        """The same as plain values."""
        return [self.offset, self.method, self.packed, self.size, self.crc]

    @classmethod
    def from_wire(cls, value: object) -> PackedFile:
        """What `to_wire` made.

        Raises:
            ValueError: it is something else.
        """
        if type(value) is not list or len(value) != 5 or any(type(one) is not int for one in value):
            raise ValueError("that isn't a place in a zip")
        return cls(*value)


_PIECE = 256 * 1024


def unpacked(stream: IO[bytes], place: PackedFile) -> Iterator[bytes]:
    """The content of a member, in pieces of bounded size.

    Raises:
        BadArchive: it is damaged.
    """
    with _DamageTranslated("the download"):
        stream.seek(place.offset)
        header = stream.read(30)
        if header[:4] != b"PK\x03\x04" or len(header) < 30:
            raise BadArchive("The download is a damaged zip; download it again.")
        name, extra = struct.unpack_from("<HH", header, 26)
        stream.seek(place.offset + 30 + name + extra)
        left, crc = place.packed, 0
        inflate = zlib.decompressobj(-15) if place.method == zipfile.ZIP_DEFLATED else None
        rest = b""
        while left > 0 or rest:
            piece = rest
            if not piece:
                piece = stream.read(min(left, _PIECE))
                if not piece:
                    break
                left -= len(piece)
            rest = b""
            if inflate is not None:
                piece, rest = inflate.decompress(piece, _PIECE), inflate.unconsumed_tail
                if inflate.eof:
                    left, rest = 0, b""
            crc = zlib.crc32(piece, crc)
            if piece:
                yield piece
        if inflate is not None and (piece := inflate.flush()):
            crc = zlib.crc32(piece, crc)
            yield piece
        if crc != place.crc:
            raise BadArchive("The download is a damaged zip; download it again.")


class FolderSource(Source):
    """A folder on disk. Links and devices are listed in `left_out`, never followed.

    Args:
        in_parts: whether each folder in it is a part of its own (or, if there is only one, each
            in that), of which no more is listed than one student may hand in.
        seen: the folder as it was when somebody judged whose it is; files of another one that
            has taken its place since can't be read.

    Raises:
        BadArchive: too many files, where it isn't in parts.
    """

    def __init__(
        self,
        folder: Path,
        limits: Limits,
        in_parts: bool = False,
        seen: os.stat_result | None = None,
    ) -> None:
        super().__init__(folder.name or str(folder), limits, in_parts=in_parts)
        self.folder = Path(folder)
        self._seen = seen
        if in_parts:
            self._walk_parts(self.folder, "")
            self.members.sort(key=lambda member: Path(str(member.key)).parts)
        else:
            self._walk(self.folder, "")

    @classmethod
    def of_one(cls, folder: Path, seen: os.stat_result | None = None) -> FolderSource:
        """A folder that is one student's, of which no more is listed than one may hand in."""
        found = cls.__new__(cls)
        Source.__init__(found, folder.name, STUDENT_LIMITS, in_parts=True)
        found.folder = folder
        found._seen = seen
        found._walk_part(folder, "")
        return found

    def _walk(self, folder: Path, prefix: str) -> None:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        for entry in entries:
            if inner := self._visit(entry, prefix):
                self._walk(*inner)

    def _walk_parts(self, folder: Path, prefix: str) -> None:
        with os.scandir(folder) as found:
            entries = [entry for entry in found if not is_ignored(_composed(entry.name))]
        only_folder = len(entries) == 1 and prefix.count("/") < _DEEPEST
        for entry in sorted(entries, key=lambda entry: entry.name):
            if inner := self._visit(entry, prefix):
                (self._walk_parts if only_folder else self._walk_part)(*inner)

    def _walk_part(self, folder: Path, prefix: str) -> None:
        """List a part, the outermost folders first, until there is too much of it."""
        waiting = deque([(folder, prefix)])
        seen, beyond = 0, []
        while waiting and seen < _PART_ENTRIES:
            folder, prefix = waiting.popleft()
            try:
                entries, more = _first_entries(folder)
            except OSError:  # nobody may read it
                self.left_out.append(_composed(prefix))
                continue
            seen += 1 + len(entries)
            beyond += [_composed(prefix + name) for name in more]
            waiting.extend(filter(None, [self._visit(entry, prefix) for entry in entries]))
        beyond += [_composed(prefix) for _folder, prefix in waiting]
        self.beyond += beyond[:_MOST_NAMED]

    def _visit(self, entry: os.DirEntry[str], prefix: str) -> tuple[Path, str] | None:
        """Take one entry; the folder and its prefix if it is one to go on with."""
        raw = prefix + entry.name
        name = _composed(raw)
        if is_ignored(name):
            return None
        if entry.is_dir(follow_symlinks=False):
            if raw.count("/") < _DEEPEST:
                return Path(entry.path), raw + "/"
            self.left_out.append(name)  # nested too deep to be anybody's work
        elif entry.is_file(follow_symlinks=False):
            modified = _time(entry.stat(follow_symlinks=False).st_mtime)
            self._add(Member(name, modified, Path(entry.path)))
        else:
            self.left_out.append(name)
        return None

    def open(self, member: Member) -> int:
        """A descriptor of a file, which is a plain one.

        Raises:
            BadArchive: it can't be read, or is something else by now.
        """
        assert isinstance(member.key, Path)
        try:
            name = member.key.relative_to(self.folder)
            handle = _opened_beneath(self.folder, name, self._seen)
        except OSError as error:
            raise BadArchive(
                f"{member.name} can't be read ({error.strerror}); check its permissions."
            ) from None
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise BadArchive(f"{member.name} isn't a plain file; hand in the file itself.")
        return handle

    def _read(self, member: Member, limit: int) -> bytes:
        with os.fdopen(self.open(member), "rb") as stream:
            return stream.read(limit)


def _composed(raw: str) -> str:
    """A name on disk as text that any system can show."""
    return unicodedata.normalize("NFC", os.fsencode(raw).decode("utf-8", "replace"))


def _first_entries(folder: Path) -> tuple[list[os.DirEntry[str]], list[str]]:
    """The first notebooks and the first others in a folder, and the names of a few beyond."""
    with os.scandir(folder) as found:
        kept = heapq.nsmallest(PART_FILES + _MOST_NAMED, found, key=_notebooks_first)
    return kept[:PART_FILES], [entry.name for entry in kept[PART_FILES:]]


def _notebooks_first(entry: os.DirEntry[str]) -> tuple[bool, str]:
    return not _may_be_notebook(entry.name), entry.name


def _opened_beneath(folder: Path, name: Path, seen: os.stat_result | None = None) -> int:
    """Open a file without following a link anywhere below `folder`, and without waiting.

    A student may swap a file or folder for a link or a pipe after it was listed; so each part
    of the path is opened from the one before.
    """
    nofollow = getattr(os, "O_NOFOLLOW", 0)
    flags = os.O_RDONLY | nofollow | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    if os.open not in os.supports_dir_fd:
        return os.open(folder / name, flags)
    at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if seen is not None and not os.path.samestat(os.fstat(at), seen):
            raise OSError(errno.ESTALE, "another folder has taken its place")
        for part in name.parts[:-1]:
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | nofollow, dir_fd=at)
            os.close(at)
            at = inner
        return os.open(name.parts[-1], flags, dir_fd=at)
    finally:
        os.close(at)


class FileSource(FolderSource):
    """A single file on disk, as if it lay alone in its folder."""

    def __init__(self, path: Path, limits: Limits) -> None:
        Source.__init__(self, path.name, limits)
        self._seen = None
        self.folder = path.parent
        modified = _time(path.lstat().st_mtime)
        self._add(Member(unicodedata.normalize("NFC", path.name), modified, path))


def open_source(path: Path, limits: Limits) -> Source:
    """The folder or zip at `path`.

    Raises:
        UserError: there is nothing, or neither a folder nor a zip.
        BadArchive: as `ZipSource` and `FolderSource`.
    """
    path = Path(path)
    if path.is_dir():
        return FolderSource(path, limits)
    if not path.exists():
        raise UserError(f"{path} doesn't exist; check the name and the folder.")
    if not zipfile.is_zipfile(path):
        raise UserError(f"{path} is neither a folder nor a zip; name the download as it came.")
    return ZipSource(path, path.name, limits)


def _extras(info: zipfile.ZipInfo) -> dict[int, bytes]:
    """The extra fields of a member, by their number; a damaged tail is ignored."""
    found: dict[int, bytes] = {}
    rest = info.extra
    while len(rest) >= 4:
        number, length = struct.unpack_from("<HH", rest)
        found.setdefault(number, rest[4 : 4 + length])
        rest = rest[4 + length :]
    return found


def _unicode_path(info: zipfile.ZipInfo) -> str | None:
    """The name in Info-ZIP's Unicode Path field (0x7075), if it belongs to the name given."""
    field = _extras(info).get(0x7075, b"")
    if len(field) < 6 or field[0] != 1:
        return None
    (checksum,) = struct.unpack_from("<L", field, 1)
    if checksum != zlib.crc32(info.orig_filename.encode("cp437")):
        return None
    try:
        return unicodedata.normalize("NFC", field[5:].decode("utf-8"))
    except UnicodeDecodeError:
        return None


def _zip_time(info: zipfile.ZipInfo) -> datetime | None:
    """When a member was changed, in UTC.

    The extended timestamp (0x5455) is exact. Without it the zip holds a wall-clock time
    without a zone, read as the time zone of this machine.
    """
    field = _extras(info).get(0x5455, b"")
    try:
        if len(field) >= 5 and field[0] & 1:
            (seconds,) = struct.unpack_from("<l", field, 1)
            return _time(seconds)
        return _time(datetime(*info.date_time).timestamp())
    except (ValueError, OverflowError, OSError):
        return None


_NO_TIME = datetime(1990, 1, 1, tzinfo=UTC).timestamp()
"""Whatever says that it is older was written by something that knows no time (1970, 1980)."""


def _time(seconds: float) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds >= _NO_TIME else None
