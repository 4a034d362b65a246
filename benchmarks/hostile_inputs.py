"""Measure what one hostile submission costs each command.

    python benchmarks/hostile_inputs.py
    python benchmarks/hostile_inputs.py --only 600,000-invalid-outputs zips-of-zeros
    python benchmarks/hostile_inputs.py --together

Each input sits in a class of its own with two honest students; `collect`, `grade`, `feedback` and
`report` run as an instructor runs them. A row says how many seconds a station took more than it
takes a class of three honest students, the most memory that all of its processes had together at
one time, sandboxes included, and how much of it is more than the honest class's. The reach: at
most 10 s and 300 MB more, and the honest students' scores are right.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.attacks.attack import Attack, Place  # noqa: E402 - found by the path set above
from tests.attacks.classroom import STATIONS, Desk, Lesson, Schoolhouse  # noqa: E402 - found by the path set above
from tests.attacks.small_course import RIGHT  # noqa: E402 - found by the path set above
from tests.attacks.surroundings import open_folder  # noqa: E402 - found by the path set above

MIB = 1024 * 1024
MOST_SECONDS, MOST_MIB = 10.0, 300
_HERE = "HERE-COMES-SOMETHING-ELSE"
_HONEST_WORK = "a third honest student"


def _right(work) -> None:
    for cell in work["cells"]:
        cell["source"] = RIGHT.get(cell["id"], cell["source"])


def _inserted(put: Callable[[dict], None], text: str) -> Callable[[object, Place], bytes]:
    """A notebook in which `text` stands where `put` has put `_HERE`."""

    def change(work, _place: Place) -> bytes:
        _right(work)
        plain = json.loads(json.dumps(work))
        put(plain)
        return json.dumps(plain).replace(f'"{_HERE}"', text, 1).encode()

    return change


def _in_metadata(text: str) -> Callable[[object, Place], bytes]:
    return _inserted(lambda work: work["metadata"].update(odd=_HERE), text)


def _in_outputs(text: str) -> Callable[[object, Place], bytes]:
    def put(work: dict) -> None:
        next(cell for cell in work["cells"] if cell["id"] == "gate")["outputs"] = _HERE

    return _inserted(put, text)


def _in_attachments(text: str) -> Callable[[object, Place], bytes]:
    def put(work: dict) -> None:
        cell = {"cell_type": "markdown", "id": "odd", "metadata": {}, "source": "odd"}
        work["cells"].append({**cell, "attachments": _HERE})

    return _inserted(put, text)


def _own_cells(
    count: int, source: str, kind: str = "code", only: bool = False
) -> Callable[[object, Place], bytes]:
    def put(work: dict) -> None:
        if only:
            work["cells"].clear()
        for number in range(count):
            cell = {"cell_type": kind, "id": f"o{number}", "metadata": {}, "source": source}
            if kind == "code":
                cell |= {"outputs": [], "execution_count": None}
            work["cells"].append(cell)

    return _inserted(put, "")


def _honest(work, _place: Place) -> None:
    _right(work)


def _beside(**files: bytes) -> Callable[[Desk], None]:
    """Hand in these files too, `__` in a name for a dot."""

    def hand_in(desk: Desk) -> None:
        place = desk.in_exchange()
        for name, content in files.items():
            (place / name.replace("__", ".")).write_bytes(content)

    return hand_in


def _instead(name: str, make: Callable[[Path], None]) -> Callable[[Desk], None]:
    """Hand in something else than a file under a name."""

    def hand_in(desk: Desk) -> None:
        place = desk.in_exchange() / name
        place.unlink(missing_ok=True)
        place.parent.mkdir(parents=True, exist_ok=True)
        make(place)

    return hand_in


def _sparse(size: int) -> Callable[[Path], None]:
    def make(place: Path) -> None:
        with place.open("wb") as file:
            file.truncate(size)

    return make


def _zipped(files: dict[str, bytes]) -> bytes:
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return kept.getvalue()


def _zips_of_zeros(desk: Desk) -> None:
    place = desk.in_exchange()
    bomb = _zipped({"zeros.csv": bytes(93_000_000)})
    for number in range(12):
        (place / f"{number}.zip").write_bytes(bomb)


def _many_files(count: int, size: int) -> Callable[[Desk], None]:
    def hand_in(desk: Desk) -> None:
        place = desk.in_exchange()
        content = os.urandom(size)
        for number in range(count):
            (place / f"{number:06}.csv").write_bytes(content)

    return hand_in


def _deep_folders(desk: Desk) -> None:
    place = desk.in_exchange()
    for _depth in range(300):
        place = place / "deep"
        place.mkdir()
    (place / "small.ipynb").write_bytes(desk.content)


def _asked_for(count: int, size: int) -> Callable[[Desk], None]:
    """Hand in files that the assignment asks for: they stand beside the released notebook."""

    def hand_in(desk: Desk) -> None:
        place = desk.in_exchange()
        for number in range(count):
            (desk.course / "release" / "en" / "small" / f"asked-{number}.csv").write_text("1\n")
            (place / f"asked-{number}.csv").write_bytes(os.urandom(size))

    return hand_in


def _many_names(desk: Desk) -> None:
    """A zip of many empty files with long names."""
    place = desk.in_exchange()
    names = {f"{number:06}{'n' * 200}.csv": b"" for number in range(20_000)}
    (place / "names.zip").write_bytes(_zipped(names))


def _odd(name: str, what: str, change=_honest, hand_in=None) -> Attack:
    return Attack(name, what, change, deserves=None, written=None, or_less=True, hand_in=hand_in)


INPUTS = (
    _odd(
        "600,000-invalid-outputs",
        "600,000 outputs in 14 MB that aren't any",
        _in_outputs("[" + ",".join(['{"output_type": "x"}'] * 600_000) + "]"),
    ),
    _odd(
        "60,000-invalid-outputs",
        "60,000 of them",
        _in_outputs("[" + ",".join(['{"output_type": "x"}'] * 60_000) + "]"),
    ),
    _odd(
        "6-million-objects",
        "6 million empty objects in the metadata",
        _in_metadata("[" + ",".join(["{}"] * 6_000_000) + "]"),
    ),
    _odd(
        "metadata-600-deep",
        "metadata nested 600 deep",
        _in_metadata('{"a":' * 600 + "1" + "}" * 600),
    ),
    _odd(
        "metadata-100,000-deep",
        "metadata nested 100,000 deep",
        _in_metadata('{"a":' * 100_000 + "1" + "}" * 100_000),
    ),
    _odd(
        "lists-5-million-deep",
        "lists nested 5 million deep",
        _in_metadata("[" * 5_000_000 + "]" * 5_000_000),
    ),
    _odd(
        "duplicate-keys",
        "2 million times the same key",
        _in_metadata("{" + ",".join(['"k":1'] * 2_000_000) + "}"),
    ),
    _odd(
        "different-keys",
        "a million keys",
        _in_metadata("{" + ",".join(f'"{n}":1' for n in range(1_000_000)) + "}"),
    ),
    _odd(
        "huge-integers",
        "4,000 integers of 4,000 digits",
        _in_metadata("[" + ",".join(["9" * 4_000] * 4_000) + "]"),
    ),
    _odd("one-huge-integer", "an integer of 19 million digits", _in_metadata("9" * 19_000_000)),
    _odd(
        "huge-floats", "a float of 19 million digits", _in_metadata("0." + "9" * 19_000_000 + "e-5")
    ),
    _odd(
        "many-floats", "5 million floats", _in_metadata("[" + ",".join(["1e9"] * 4_800_000) + "]")
    ),
    _odd("one-string", "one string of 20 MB", _in_metadata('"' + "x" * 20_000_000 + '"')),
    _odd("one-source", "an own cell of 20 MB in one line", _own_cells(1, "#" + "x" * 20_000_000)),
    _odd("one-text", "a text of 20 MB in one line", _own_cells(1, "x" * 20_000_000, "markdown")),
    _odd(
        "emoji-source",
        "a source of 1.6 million characters, each written as two escapes",
        _own_cells(1, "#" + "\U0001f600" * 1_600_000),
    ),
    _odd(
        "control-source",
        "a source of 3 million control characters",
        _own_cells(1, "#" + "\x01" * 3_000_000),
    ),
    _odd(
        "100,000-attachments",
        "100,000 attachments to a text",
        _in_attachments(
            "{"
            + ",".join(f'"{n}.png": {{"image/png": "iVBORw0KGgo="}}' for n in range(100_000))
            + "}"
        ),
    ),
    _odd("2,000-own-cells", "2,000 cells of one's own", _own_cells(1_980, "1")),
    _odd(
        "2,000-cells-none-of-ours",
        "2,000 cells of one's own and none of the course's",
        _own_cells(2_000, "1", only=True),
    ),
    _odd(
        "full-of-control-characters",
        "a text of 20.9 MB, most of it escapes",
        _own_cells(1, "\x01" * 3_480_000, "markdown"),
    ),
    _odd(
        "full-of-lines",
        "a text of 20.7 MB, and 90,000 lines",
        _own_cells(1, "x" * 20_600_000 + "\n" * 90_000, "markdown"),
    ),
    _odd("2-million-blank-lines", "2 million blank lines", _own_cells(20, "\n" * 100_000)),
    _odd("90,000-blank-lines", "90,000 blank lines", _own_cells(45, "\n" * 2_000)),
    _odd(
        "17-mb-of-outputs",
        "an honest notebook of 17 MB with its outputs",
        _in_outputs(
            "["
            + ",".join(
                [
                    '{"output_type": "display_data", "metadata": {}, '
                    '"data": {"image/png": "iVBORw0KGgo' + "A" * 1_000_000 + '"}}'
                ]
                * 17
            )
            + "]"
        ),
    ),
    _odd("zips-of-zeros", "12 zips of 93 MB of zeros", hand_in=_zips_of_zeros),
    _odd("zip-of-long-names", "a zip of 20,000 empty files with long names", hand_in=_many_names),
    _odd(
        "zip-of-zeros-notebook",
        "a zip with a notebook of 93 MB of zeros",
        hand_in=_beside(a__zip=_zipped({"small.ipynb": bytes(93_000_000)})),
    ),
    _odd(
        "long-joint-names",
        "two folders whose joint name passes 255 bytes",
        hand_in=lambda desk: _instead(
            f"{'a' * 200}/{'b' * 200}/small.ipynb", lambda place: place.write_bytes(desk.content)
        )(desk),
    ),
    _odd(
        "secret-of-10,001-bytes",
        "a submission_secret.txt of 10,001 bytes",
        hand_in=_beside(submission_secret__txt=b"x" * 10_001),
    ),
    _odd(
        "secret-of-1-gb",
        "a submission_secret.txt of 1 GB",
        hand_in=_instead("submission_secret.txt", _sparse(10**9)),
    ),
    _odd(
        "huge-timestamp",
        "a timestamp.txt of 30 MB",
        hand_in=_beside(timestamp__txt=b"2" * 30_000_000),
    ),
    _odd(
        "timestamp-is-a-link",
        "a timestamp.txt that leads to /dev/zero",
        hand_in=_instead("timestamp.txt", lambda place: place.symlink_to("/dev/zero")),
    ),
    _odd(
        "timestamp-is-a-pipe",
        "a timestamp.txt that is a pipe",
        hand_in=_instead("timestamp.txt", lambda place: os.mkfifo(place)),
    ),
    _odd("500-files-of-200-kb", "500 files of 200 kB", hand_in=_many_files(500, 200_000)),
    _odd("30,000-files", "30,000 empty files", hand_in=_many_files(30_000, 0)),
    _odd("300-folders-deep", "300 folders in each other", hand_in=_deep_folders),
    _odd("file-of-100-mb", "a file of 100 MiB", hand_in=_instead("a.csv", _sparse(100 * MIB))),
    _odd(
        "asked-for-files",
        "three files of 31 MiB that are asked for",
        hand_in=_asked_for(3, 31 * MIB),
    ),
    _odd(
        "asked-for-file-of-100-mb", "an asked-for file of 100 MiB", hand_in=_asked_for(1, 100 * MIB)
    ),
    _odd("notebook-of-1-gb", "a notebook of 1 GB", hand_in=_instead("small.ipynb", _sparse(10**9))),
)


def _cost(lesson: Lesson) -> dict[str, tuple[float, float]]:
    """Seconds and MiB per command."""
    return {name: (lesson.runs[name].seconds, lesson.runs[name].peak / MIB) for name in STATIONS}


def _spoilt(lesson: Lesson) -> list[str]:
    """Return what went wrong for the class and its honest students."""
    found = list(lesson.faults)
    for student, outcome in lesson.honest.items():
        scores = {"double-test": 2.0, "parts-test": 3.0, "essay": None}
        if outcome.points != scores or not outcome.page or not outcome.row:
            found.append(f"{student} has {outcome.points}, page {bool(outcome.page)}")
    return found


def main(words: Sequence[str] | None = None) -> int:
    """Measure each input in its own class, printing each result as it comes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these inputs")
    parser.add_argument("--together", action="store_true", help="all inputs in one class")
    chosen = parser.parse_args(words)
    inputs = [one for one in INPUTS if not chosen.only or one.name in chosen.only]
    honest = Attack(_HONEST_WORK, "", _honest)
    failed = 0
    with open_folder() as folder:
        place = Place(folder, folder, 0, 0, folder, "", "", "", "")
        house = Schoolhouse(folder, lambda course: place)
        house.lesson([honest])  # reads what a disk keeps for next time
        usual = _cost(house.lesson([honest]))
        print(f"| Input | {' | '.join(STATIONS)} | Honest students |\n|---|{'---|' * 5}")
        print(_row("the class without it", usual, None, []), flush=True)
        for group in [inputs] if chosen.together else [[one] for one in inputs]:
            lesson = house.lesson(group)
            spoilt = _spoilt(lesson)
            title = group[0].what if len(group) == 1 else f"all {len(group)}"
            failed += bool(spoilt) or _is_over(_cost(lesson), usual, len(group))
            print(_row(title, _cost(lesson), usual, spoilt), flush=True)
            for one in group:
                print(f"<!-- {one.name}: {lesson.attackers[one.name].points} -->", flush=True)
            for fault in spoilt:
                print(f"<!-- {fault[-600:]} -->", flush=True)
    return 1 if failed else 0


def _is_over(
    cost: dict[str, tuple[float, float]], usual: dict[str, tuple[float, float]], count: int
) -> bool:
    return any(
        seconds - usual[name][0] > MOST_SECONDS * count or peak - usual[name][1] > MOST_MIB
        for name, (seconds, peak) in cost.items()
    )


def _row(
    title: str,
    cost: dict[str, tuple[float, float]],
    usual: dict[str, tuple[float, float]] | None,
    spoilt: list[str],
) -> str:
    cells = []
    for name, (seconds, peak) in cost.items():
        if usual is None:
            cells.append(f"{seconds:.1f} s, {peak:.0f} MB")
        else:
            more = peak - usual[name][1]
            mark = " **over**" if seconds - usual[name][0] > MOST_SECONDS or more > MOST_MIB else ""
            cells.append(f"{seconds - usual[name][0]:+.1f} s, {peak:.0f} ({more:+.0f}) MB{mark}")
    return f"| {title} | {' | '.join(cells)} | {'hurt' if spoilt else 'right'} |"


if __name__ == "__main__":
    sys.exit(main())
