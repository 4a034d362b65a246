"""Zips from outside: names as the student saw them, and nothing that leads out."""

from __future__ import annotations

import io
import stat
import struct
import unicodedata
import zipfile
import zlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.errors import UserError
from autograder.intake.archives import ZipSource
from autograder.intake.errors import BadArchive
from autograder.intake.member_names import is_ignored
from autograder.intake.upload_limits import UploadLimits

SMALL = UploadLimits(members=5, member_bytes=1000, total_bytes=1500)


def packed(files: dict[str, bytes], change=None) -> bytes:
    """A zip of `files`; `change(info)` may alter each entry before it is written."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name, (2025, 3, 1, 12, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            if change:
                change(info)
            archive.writestr(info, content)
    return target.getvalue()


def with_raw_names(files: dict[bytes, bytes]) -> bytes:
    """A zip whose names are these bytes, without the UTF-8 flag, as Windows writes them."""

    class RawInfo(zipfile.ZipInfo):
        raw = b""

        def _encodeFilenameFlags(self):
            return self.raw, 0

    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for raw, content in files.items():
            info = RawInfo("x" * len(raw), (2025, 3, 1, 12, 0, 0))
            info.raw = raw
            archive.writestr(info, content)
    return target.getvalue()


def names(content: bytes, limits: UploadLimits = SMALL) -> list[str]:
    with ZipSource(content, "a.zip", limits) as source:
        return [member.name for member in source.members]


def test_a_plain_zip_is_read():
    with ZipSource(packed({"quiz/quiz.ipynb": b"{}"}), "a.zip", SMALL) as source:
        [member] = source.members
        assert (member.name, member.base) == ("quiz/quiz.ipynb", "quiz.ipynb")
        assert source.read(member) == b"{}"


@pytest.mark.parametrize("encoding", ["utf-8", "cp949"])
def test_hangul_names_without_a_flag(encoding):
    assert names(with_raw_names({"퀴즈/과제.ipynb".encode(encoding): b""})) == ["퀴즈/과제.ipynb"]


def test_decomposed_names_are_composed():
    assert names(packed({unicodedata.normalize("NFD", "퀴즈.ipynb"): b""})) == ["퀴즈.ipynb"]


def test_the_unicode_path_field_wins():
    raw = b"???.ipynb"
    field = b"\x01" + struct.pack("<L", zlib.crc32(raw)) + "퀴즈.ipynb".encode()
    content = packed(
        {raw.decode(): b""},
        lambda info: setattr(info, "extra", struct.pack("<HH", 0x7075, len(field)) + field),
    )
    assert names(content) == ["퀴즈.ipynb"]


@pytest.mark.parametrize(
    "name",
    ["../x", "a/../../x", "/etc/passwd", "C:\\x", "c:x", "a\\..\\..\\x", "\\\\host\\x", "a\x07b"],
)
def test_names_that_lead_outside_are_refused(name):
    with pytest.raises(BadArchive, match="nothing was taken"):
        names(packed({name: b"x"}))


def test_inner_dots_are_fine():
    assert names(packed({"./a..b/quiz..ipynb": b""})) == ["a..b/quiz..ipynb"]


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_in_a_zip_are_left_out(kind):
    def change(info):
        info.create_system = 3
        info.external_attr = (kind | 0o777) << 16

    with ZipSource(packed({"quiz.ipynb": b"/etc/passwd"}, change), "a.zip", SMALL) as source:
        assert (source.members, source.left_out) == ([], ["quiz.ipynb"])


def test_an_encrypted_zip_is_refused():
    content = bytearray(packed({"quiz.ipynb": b"x"}))
    at = content.rfind(b"PK\x01\x02")
    content[at + 8] |= 1
    with pytest.raises(BadArchive, match="password"):
        names(bytes(content))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compression_is_refused(method):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        archive.writestr("quiz.ipynb", b"x" * 100)
    with pytest.raises(BadArchive, match="ordinary zip"):
        names(target.getvalue())


def test_a_bomb_of_one_member():
    with (
        ZipSource(packed({"a": b"0" * 10_000_000}), "a.zip", SMALL) as source,
        pytest.raises(BadArchive, match="a file may have"),
    ):
        source.read(source.members[0])


def test_a_bomb_whose_header_lies():
    content = packed({"a": b"0" * 10_000_000})
    lying = content.replace(struct.pack("<L", 10_000_000), struct.pack("<L", 10))
    with ZipSource(lying, "a.zip", SMALL) as source, pytest.raises(BadArchive):
        source.read(source.members[0])


def test_a_bomb_of_many_members():
    with ZipSource(packed({"a": b"0" * 900, "b": b"0" * 900}), "a.zip", SMALL) as source:
        source.read(source.members[0])
        with pytest.raises(BadArchive, match="when unpacked"):
            source.read(source.members[1])


def test_the_same_member_read_often_counts_each_time():
    with ZipSource(packed({"a": b"0" * 900}), "a.zip", SMALL) as source:
        source.read(source.members[0])
        with pytest.raises(BadArchive):
            source.read(source.members[0])


def test_too_many_members():
    with pytest.raises(BadArchive, match="more than the 5 files"):
        names(packed({str(number): b"" for number in range(6)}))


def test_a_huge_list_is_refused_before_it_is_read(monkeypatch):
    content = packed({f"{number:0500d}": b"" for number in range(200)})
    monkeypatch.setattr(zipfile, "ZipFile", lambda *_: pytest.fail("zipfile read the list"))
    with pytest.raises(BadArchive, match="lists more than"):
        names(content)


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x05\x06", b"PK\x03\x04" * 20])
def test_what_is_not_a_zip(content):
    with pytest.raises(BadArchive):
        names(content)


@given(st.integers(0, 400), st.integers(0, 255))
def test_a_damaged_zip_is_a_sentence(at, value):
    content = bytearray(packed({"quiz.ipynb": b"hello" * 40, "퀴즈.txt": b"x"}))
    content[at % len(content)] = value
    problem = ""
    try:
        with ZipSource(bytes(content), "a.zip", SMALL) as source:
            for member in source.members:
                source.read(member)
    except UserError as error:
        problem = str(error)
    assert "\n" not in problem


def test_what_systems_leave_behind_is_ignored():
    files = ["__MACOSX/._quiz.ipynb", ".DS_Store", "a/._b", ".ipynb_checkpoints/quiz.ipynb"]
    files += ["quiz/Icon\r", "quiz/Icon\uf00d", ".localized", ".fseventsd/0000", "a/desktop.ini"]
    files += [".Spotlight-V100/Store", "Thumbs.db", "ehthumbs.db", "$RECYCLE.BIN/x", ".Trashes/501"]
    files += ["System Volume Information/x", ".directory", "~$notes.docx", ".~lock.data.csv#"]
    assert all(map(is_ignored, files)) and not is_ignored("quiz.ipynb")
    assert not any(map(is_ignored, ["icon.png", "Icon", "localized", "desktop.py", ".notes"]))
    assert names(packed(dict.fromkeys([*files, "q"], b""))) == ["q"]


EXACT = datetime.fromtimestamp(1_740_000_000, UTC)
NTFS = 116_444_736_000_000_000 + 1_740_000_000 * 10_000_000


@pytest.mark.parametrize(
    "extra",
    [
        struct.pack("<HHBl", 0x5455, 5, 1, 1_740_000_000),
        struct.pack("<HHLHHQQQ", 0x000A, 32, 0, 1, 24, NTFS, 0, 0),
        struct.pack("<HHLL", 0x5855, 8, 1, 1_740_000_000),
        struct.pack("<HHLLHH", 0x000D, 12, 1, 1_740_000_000, 0, 0),
        # One that says nothing doesn't hide one that does.
        struct.pack("<HHBl", 0x5455, 5, 1, 0)
        + struct.pack("<HHLHHQQQ", 0x000A, 32, 0, 1, 24, NTFS, 0, 0),
    ],
)
def test_exact_times(extra):
    def exact(info):
        info.extra = extra

    with ZipSource(packed({"a": b""}, exact), "a.zip", SMALL) as source:
        assert source.members[0].modified == EXACT


@pytest.mark.parametrize("extra", [b"", struct.pack("<HHBl", 0x5455, 5, 1, 0)])
def test_a_time_without_a_zone_stays_one(extra):
    def changed(info):
        info.extra = extra

    with ZipSource(packed({"a": b""}, changed), "a.zip", SMALL) as source:
        assert source.members[0].modified == datetime(2025, 3, 1, 12)


@pytest.mark.parametrize("date", [(1980, 1, 1), (1980, 2, 1), (2107, 12, 31), (1980, 0, 0)])
def test_a_time_that_is_none(date):
    def changed(info):
        info.date_time = (*date, 0, 0, 0)

    with ZipSource(packed({"a": b""}, changed), "a.zip", SMALL) as source:
        assert source.members[0].modified is None
