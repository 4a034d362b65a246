"""Read zips from outside without trusting anything they say."""

from __future__ import annotations

import io
import lzma
import os
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from autograder.core.printable import one_line
from autograder.errors import UserError
from autograder.intake.errors import BadArchive
from autograder.intake.member_names import decode_name, is_ignored, safe_name
from autograder.intake.sources import Member, Source, plausible_time
from autograder.intake.upload_limits import (
    Budget,
    UploadLimits,
)

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


class ZipSource(Source):
    """List and read a zip file, or a zip inside another one given as bytes.

    Args:
        origin: the zip's path, its bytes, or a stream, which is closed with the source.
        name: what to call it in a message.
        limits: the most that is read from it.
        budget: what is left for it and for other sources together; its own limits when None.
        of_class: whether it holds many students' files; a name that one of them chose badly is made
            harmless, or its file left out, and the others' files are read as usual.
        leaves_out: whether of a single student's zip, too, a file that can't be used is left out
            instead of refusing all of them.

    Attributes:
        unusable: the names of the files left out because of their names or how they are packed.

    Raises:
        BadArchive: not a zip, damaged, encrypted, too many members, or a name leads outside.
    """

    def __init__(
        self,
        origin: Path | bytes | IO[bytes],
        name: str,
        limits: UploadLimits,
        budget: Budget | None = None,
        of_class: bool = False,
        leaves_out: bool = False,
    ) -> None:
        super().__init__(name, limits, budget, of_class=of_class)
        self._leaves_out = of_class or leaves_out
        self.unusable: list[str] = []
        stream: IO[bytes]
        if isinstance(origin, bytes):
            stream = io.BytesIO(origin)
        else:
            stream = origin.open("rb") if isinstance(origin, Path) else origin
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
        """Close the zip and the stream behind it."""
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
        # An entry takes 46 bytes and its name; 512 leave staging for long Hangul names and extras.
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
        if self._leaves_out:
            name = one_line(name)
        try:
            name = safe_name(name, self.name)
        except BadArchive:
            if not self._leaves_out:
                raise
            self._leave_out(name[:1_000])
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
        if self._leaves_out and (unusual or info.flag_bits & _ENCRYPTED):
            self._leave_out(name)
            return
        if info.flag_bits & _ENCRYPTED:
            raise BadArchive(f"{self.name} is protected by a password; pack it again without one.")
        if unusual:
            # bzip2 and LZMA members can't be read in bounded pieces.
            raise BadArchive(
                f"{self.name} is packed in an unusual way; pack it again as an ordinary zip."
            )
        self._add(Member(name, _zip_time(info), info))

    def _leave_out(self, name: str) -> None:
        (self.left_out if self._of_class else self.unusable).append(name)

    def place(self, member: Member) -> PackedFile:
        """Return where a member's packed bytes are."""
        info = member.key
        assert isinstance(info, zipfile.ZipInfo)
        return PackedFile(
            info.header_offset, info.compress_type, info.compress_size, info.file_size, info.CRC
        )

    def declared(self, member: Member) -> int:
        """Return the size in bytes that the zip claims for a member."""
        assert isinstance(member.key, zipfile.ZipInfo)
        return member.key.file_size

    def peek(self, member: Member, limit: int) -> bytes:
        """Return the first bytes of a member.

        Args:
            member: one of `members`.
            limit: the most bytes to return.

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
    """Turn what zipfile raises on damaged input into one sentence."""

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
    """Locate a member in a zip, so that it can be unpacked without reading the whole list.

    Attributes:
        offset: byte offset of its local header.
        method: the compression method, as `zipfile` numbers it.
        packed: its size in the zip, in bytes.
        size: its unpacked size in bytes, as the zip claims.
        crc: its CRC-32, as the zip claims.
    """

    offset: int
    method: int
    packed: int
    size: int
    crc: int

    def to_wire(self) -> list[int]:
        """Return the same as plain values."""
        return [self.offset, self.method, self.packed, self.size, self.crc]

    @classmethod
    def from_wire(cls, value: object) -> PackedFile:
        """Return the packed file that `to_wire` described.

        Raises:
            ValueError: the value is anything else.
        """
        if type(value) is not list or len(value) != 5 or any(type(one) is not int for one in value):
            raise ValueError("that isn't a place in a zip")
        return cls(*value)


_CHUNK_BYTES = 256 * 1024


def unpacked(stream: IO[bytes], place: PackedFile) -> Iterator[bytes]:
    """Yield the content of a member in pieces of bounded size.

    Args:
        stream: the zip, open for reading.
        place: the member.

    Yields:
        At most 256 KiB of content at a time, except for the decompressor's last piece.

    Raises:
        BadArchive: the member is damaged.
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
                piece = stream.read(min(left, _CHUNK_BYTES))
                if not piece:
                    break
                left -= len(piece)
            rest = b""
            if inflate is not None:
                piece, rest = inflate.decompress(piece, _CHUNK_BYTES), inflate.unconsumed_tail
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


def _extras(info: zipfile.ZipInfo) -> dict[int, bytes]:
    """Return the extra fields of a member by their number; a damaged tail is ignored."""
    found: dict[int, bytes] = {}
    rest = info.extra
    while len(rest) >= 4:
        number, length = struct.unpack_from("<HH", rest)
        found.setdefault(number, rest[4 : 4 + length])
        rest = rest[4 + length :]
    return found


def _unicode_path(info: zipfile.ZipInfo) -> str | None:
    """Return the name in Info-ZIP's Unicode Path field (0x7075), if it fits this member."""
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
    """Return when a member was changed; None if nothing in it says so.

    Extra fields hold exact times: in UTC here. Without any, the zip holds a wall-clock time
    without a zone, which only the trusted side knows: without a zone here, too.
    """
    extras = _extras(info)
    for seconds in (
        _unix_seconds(extras.get(0x5455, b""), 1),  # extended timestamp, after its flags
        _ntfs_seconds(extras.get(0x000A, b"")),
        _unix_seconds(extras.get(0x5855, b""), 4),  # Info-ZIP's former one, after the access time
        _unix_seconds(extras.get(0x000D, b""), 4),  # PKWARE's for Unix, likewise
    ):
        if seconds is not None and (found := plausible_time(seconds)):
            return found
    try:
        wall_clock = datetime(*info.date_time)
        seconds = wall_clock.replace(tzinfo=UTC).timestamp()
    except (ValueError, OverflowError):
        return None
    return wall_clock if plausible_time(seconds) else None


def _unix_seconds(field: bytes, at: int) -> float | None:
    """Return the time of change in a field, in seconds since 1970."""
    if len(field) < at + 4 or (at == 1 and not field[0] & 1):
        return None
    return float(struct.unpack_from("<L", field, at)[0])


def _ntfs_seconds(field: bytes) -> float | None:
    """Return the time of change in NTFS's field, which counts 100 ns since 1601."""
    if len(field) < 16 or struct.unpack_from("<HH", field, 4) != (1, 24):
        return None
    return float(struct.unpack_from("<Q", field, 8)[0] / 10_000_000 - 11_644_473_600)
