"""Fuzz the intake's reader and the wire format, guided by coverage.

    pip install atheris==3.0.0
    python benchmarks/fuzz_reader.py --corpus /tmp/corpus -max_total_time=3600

Atheris mutates notebooks, zips and frames and keeps what reaches new lines of the reader. The
corpus starts with the released notebooks, a zip of each, and their frames; words after `--corpus`
go to libFuzzer. Whatever raises anything but what is documented, and whatever comes out as another
record when it is written and read again, ends the run with a file to repeat it by.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import atheris

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "notebooks")]

with atheris.instrument_imports(include=["autograder"]):
    from autograder.intake import archives, identify, notebook_reader, submission, upload
    from autograder.intake.errors import BadArchive
    from autograder.intake.upload_limits import STUDENT_LIMITS
    from autograder.sandbox import wire

ASSIGNMENT = "quiz"
RELEASED = ROOT / "release" / "en" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"


def _assignment_spec() -> identify.AssignmentSpec:
    plain = json.loads(RELEASED.read_text("utf-8"))
    for cell in plain["cells"]:
        cell["source"] = "".join(cell["source"])
    cells = submission.course_cells([plain], [plain], ("en", "ko"))
    names = frozenset(cells.by_grade_id)
    return identify.AssignmentSpec(
        ASSIGNMENT, names, frozenset(cells.by_text), frozenset({"data.csv"}), cells
    )


SPEC = _assignment_spec()


def try_notebook(content: bytes) -> None:
    """One notebook: a record that reads as itself again, or a reason."""
    try:
        raw = notebook_reader.read_notebook(content)
    except notebook_reader.Unreadable as error:
        assert str(error) in notebook_reader.EXPLAINED  # noqa: PT017 - drawn input may do either
        return
    found = notebook_reader.record(raw, SPEC.cells)
    _require_same(found)


def try_upload(content: bytes) -> None:
    """Read a student's zip."""
    put: list[str] = []
    handed = upload.Upload("s01", ASSIGNMENT, "a.zip", [("a.zip", len(content))])
    opened = upload.open_upload(
        handed,
        SPEC,
        [SPEC],
        lambda _number: io.BytesIO(content),
        lambda name, _content: put.append(name),
    )
    assert set(put) <= SPEC.asked
    for one in opened.notes:
        one.message.format(**one.values)
    if opened.submission is not None:
        _require_same(opened.submission)


def try_listing(content: bytes) -> None:
    """Read a class's zip: names stay inside, and members unpack or are damaged."""
    try:
        with archives.ZipSource(content, "class.zip", STUDENT_LIMITS, of_class=True) as zip_:
            for member in zip_.members[:20]:
                assert ".." not in member.name.split("/")
                assert not member.name.startswith("/")
                size = 0
                for piece in archives.unpacked(io.BytesIO(content), zip_.place(member)):
                    size += len(piece)
                    if size > 1024 * 1024:
                        break
    except BadArchive:
        pass


def try_wire(content: bytes) -> None:
    """A frame: a value that is encoded and decoded to itself, or an error; and a record's claim."""
    try:
        value = wire.decode(content)
    except wire.WireError:
        return
    again = wire.decode(wire.encode(value))
    assert type(again) is type(value)
    with contextlib.suppress(submission.BadRecord):
        submission.submission_from_wire(value, SPEC.cells)


def _require_same(found: submission.Submission) -> None:
    crossed = wire.decode(wire.encode(found.to_wire()))
    try:
        taken = submission.submission_from_wire(crossed, SPEC.cells)
    except submission.BadRecord:
        return  # over a limit that the receiver counts
    again = notebook_reader.read_notebook(submission.to_bytes(taken, SPEC.cells))
    assert notebook_reader.record(again, SPEC.cells) == taken


TARGETS: tuple[Callable[[bytes], None], ...] = (try_notebook, try_upload, try_listing, try_wire)


def try_one(data: bytes) -> None:
    """Run one input, whose first byte chooses the target."""
    if data:
        TARGETS[data[0] % len(TARGETS)](data[1:])


def seed(corpus: Path) -> None:
    """Write the seed corpus."""
    corpus.mkdir(parents=True, exist_ok=True)
    for path in (ROOT / "release").glob("*/*/*.ipynb"):
        content = path.read_bytes()
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"{ASSIGNMENT}.ipynb", content)
            archive.writestr("s01/data.csv", b"1\n")
        found = notebook_reader.record(notebook_reader.read_notebook(content), SPEC.cells)
        frame = wire.encode(found.to_wire())
        name = "-".join(path.relative_to(ROOT).with_suffix("").parts)
        for number, one in enumerate((content, packed.getvalue(), packed.getvalue(), bytes(frame))):
            (corpus / f"{name}-{number}").write_bytes(bytes([number]) + one)


def main() -> None:
    """Fuzz until the time is up or something crashes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--corpus", type=Path, required=True)
    chosen, words = parser.parse_known_args()
    seed(chosen.corpus)
    atheris.Setup([sys.argv[0], str(chosen.corpus), "-max_len=200000", *words], try_one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
