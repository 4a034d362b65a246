"""Handing in: what comes before the engine reads files, names and times that a student made up."""

import io
import json
import os
import shutil
import zipfile
from datetime import timedelta

import nbformat
import pytest

from tests.attacks import stations
from tests.attacks.attack import Attack, all_of, cases, find
from tests.attacks.small_course import ANSWERS, RIGHT, answered
from tests.attacks.test_cells_and_metadata import retyped

ESC = "\x1b]52;c;c3RvbGVu\x07\x1b[2J"
FORGED = "a.csv\n  m001  2020-01-01T00:00:00+00:00  10 of 10"


def nothing(work, place):
    """Hand in the answers as they are."""


def each(*done):
    """Take several hand-ins as one that has no more to do."""


def without_language_cell(work, place):
    work["cells"] = [cell for cell in work.cells if cell.id != "language"]


def says_language(language):
    """Name a language in the metadata, with nothing left that says otherwise."""

    def mark(work, place):
        work.metadata["beyond"] = {"language": language}

    return all_of(without_language_cell, retyped("markdown"), mark)


def own_files_as_language(folder):
    """Make the notebook handed in the instructor's version of itself."""

    def change(work, place):
        says_language("en")(work, place)
        # Known to nobody but its owner: the id under which it is handed in.
        work.metadata["beyond"] = {"language": f"../term/{folder}/<<student>>"}
        stolen = "open('/tmp/RAN-AS-INSTRUCTOR', 'w').close()"
        work.cells.append({**find(work, "double"), "id": "stolen", "source": stolen})
        return

    return change


def named_with_own_id(desk):
    """Hand in with the own id in place of <<student>>."""
    desk.content = desk.content.replace(b"<<student>>", desk.student.encode())
    desk.as_asked("exchange")


def again_with_own_id(desk):
    """The same once more, a minute later, when a first hand-in has been graded."""
    desk.content = desk.content.replace(b"<<student>>", desk.student.encode())
    desk.in_exchange(desk.time - timedelta(minutes=1))
    desk.in_exchange()


def ran_outside(outcome):
    assert not os.path.exists("/tmp/RAN-AS-INSTRUCTOR"), "student code ran outside the sandbox"


def invalid_outputs(count):
    def change(work, place):
        bogus = ",".join(['{"output_type": "x"}'] * count)
        text = json.dumps(work)
        return text.replace('"outputs": []', f'"outputs": [{bogus}]', 1).encode()

    return change


def metadata_of(content):
    """Put raw JSON where the notebook's metadata have room for it."""

    def change(work, place):
        text = json.dumps(work)
        return text.replace('"metadata": {', '"metadata": {"x": ' + content + ", ", 1).encode()

    return change


def cell_metadata_of(content):
    def change(work, place):
        find(work, "double").metadata["x"] = "HERE"
        return json.dumps(work).replace('"HERE"', content).encode()

    return change


def zip_of(files):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()


_BOMB: list[bytes] = []


def bombs(desk):
    """Twelve zips beside the notebook, each of 93 MB of zeros in three files."""
    if not _BOMB:
        zeros = b"\0" * 31_000_000
        _BOMB.append(zip_of({f"part-{number}.bin": zeros for number in range(3)}))
    desk.files = {f"{number}.zip": _BOMB[0] for number in range(12)}
    desk.as_asked("folders")


def many_members(desk):
    """A zip of 100,000 empty files."""
    desk.files = {"many.zip": zip_of({f"d/{number}": b"" for number in range(100_000)})}
    desk.as_asked("folders")


def long_names(desk):
    """Two folders whose names together pass what a file system takes."""
    inner = zip_of({f"{'가' * 80}/{'나' * 80}/notes.csv": b"1", f"{'x' * 250}/{'y' * 250}": b"2"})
    desk.files = {"work.zip": inner}
    desk.as_asked("folders")


def files_named(*names):
    """Hand in a zip with files of these names beside the notebook."""

    def hand_in(desk):
        desk.files = {}
        desk.content = zip_of({desk.notebook: desk.content, **dict.fromkeys(names, b"1")})
        place = desk.folder / desk.student / "work.zip"
        place.parent.mkdir(parents=True)
        place.write_bytes(desk.content)

    return hand_in


def in_exchange_with(**files):
    def hand_in(desk):
        place = desk.in_exchange()
        for name, content in files.items():
            (place / name.replace("__", ".")).write_bytes(content)

    return hand_in


def back_dated(desk):
    """A folder named as of last week, made now."""
    desk.in_exchange(desk.time - timedelta(days=7))


def late_then_back_dated(desk):
    place = desk.in_exchange(desk.time - timedelta(days=7))
    os.utime(place, (0, 0))
    for path in place.iterdir():
        os.utime(path, (0, 0))


def edited_in_place(desk):
    """After collecting: the right answers written into the same folder of the exchange."""
    [place] = desk.folder.glob(f"{desk.student}+*")
    work = json.loads((place / desk.notebook).read_text())
    for cell in work["cells"]:
        cell["source"] = RIGHT.get(cell["id"], cell["source"])
    (place / desk.notebook).write_text(json.dumps(work))


def two_hours_ago(desk):
    desk.in_exchange(desk.time - timedelta(hours=2))


def is_late_and_told(outcome):
    """The file system knows better than a name: what was changed after the due date is late."""
    said = "".join(run.said for name, run in outcome.runs.items() if name.startswith("collect"))
    lines = [line for line in said.splitlines() if outcome.student in line]
    told = any(word in line for line in lines for word in ("changed", "differ", "edited"))
    assert told, f"nobody is told: {said[-1500:]}"
    assert outcome.late > 0 or not outcome.points, "counts as in time"


def as_the_victim(desk):
    """Hand in under a name that Canvas shows, which is the victim's."""
    desk.canvas(desk.notebook, desk.content, owner="ahnaran", number=666_666)


def as_nobody(desk):
    desk.canvas(desk.notebook, desk.content, owner="nobodynobody", number=999_999)


def exact_receipt_of_another(desk):
    desk.files = {
        "receipt.json": json.dumps(
            {
                "version": 1,
                "assignment": "small",
                "student": "aa-honest",
                "time": "2020-01-01",
                "files": {"small.ipynb": "0" * 64},
                "sha256": "0" * 64,
            }
        ).encode()
    }
    desk.as_asked("exchange")


ANY = {"or_less": True}  # a definite outcome is all that is asked

ATTACKS = [
    # What a notebook says of itself
    Attack(
        "own-files-as-language",
        "Names its own folder as the language, so that its copy becomes the instructor's version",
        own_files_as_language("submitted"),
        hand_in=named_with_own_id,
        also=ran_outside,
    ),
    Attack(
        "graded-files-as-language",
        "Names the folder of what was graded before as the language",
        own_files_as_language("autograded"),
        hand_in=again_with_own_id,
        also=ran_outside,
        again=True,
    ),
    Attack(
        "release-as-language", "Names the release as the language", says_language("../release/en")
    ),
    Attack(
        "root-as-language",
        "Names another process's root as the language",
        says_language("/proc/1/root"),
    ),
    Attack("long-language", "Names a language of 300 letters", says_language("a" * 300)),
    Attack("nul-language", "Names a language with a NUL byte in it", says_language("en\0/../ko")),
    Attack(
        "odd-language",
        "Names a number, a list and a dict as the language",
        says_language([{"en": 1}, 2]),
    ),
    Attack(
        "unknown-language", "Names a language that the course doesn't have", says_language("xx")
    ),
    Attack(
        "language-cell-path",
        "Sets a path as the language in the cell for it",
        lambda work, place: find(work, "language").update(
            source='set_language("../../term/submitted")\nset_language("zz")'
        ),
    ),
    Attack(
        "kernel-path",
        "Asks for a kernel by a path",
        lambda work, place: work.metadata.update(
            kernelspec={"name": "../../../../tmp/x", "display_name": "x", "language": "python"}
        ),
    ),
    Attack(
        "grade-id-path",
        "Gives its cells grade ids that are paths, queries and formulas",
        lambda work, place: (
            [
                cell.metadata.setdefault("nbgrader", {}).update(
                    grade_id=f"../{n}' OR 1=1; --{{{{7*7}}}}"
                )
                for n, cell in enumerate(work.cells)
            ]
            and None
        ),
        **ANY,
    ),
    # Hostile bytes
    Attack(
        "60,000-invalid-outputs",
        "Hands in 60,000 outputs that aren't any, in 1.5 MB",
        invalid_outputs(60_000),
        together="bytes",
        **ANY,
    ),
    Attack(
        "600,000-invalid-outputs",
        "Hands in 600,000 of them, in 14 MB",
        invalid_outputs(600_000),
        together="bytes",
        **ANY,
    ),
    Attack(
        "6-million-objects",
        "Has six million empty objects in its metadata",
        metadata_of("[" + "{}," * 5_999_999 + "{}]"),
        together="bytes",
        **ANY,
    ),
    Attack(
        "600-deep-metadata",
        "Nests its metadata 600 deep",
        metadata_of("[" * 600 + "]" * 600),
        **ANY,
    ),
    Attack(
        "600-deep-objects",
        "Nests a cell's metadata in 600 objects",
        cell_metadata_of('{"a":' * 600 + "1" + "}" * 600),
        **ANY,
    ),
    Attack(
        "long-integer",
        "Has an integer of 100,000 digits in its metadata",
        metadata_of("1" * 100_000),
        **ANY,
    ),
    Attack(
        "many-keys",
        "Has 300,000 keys in a cell's metadata",
        cell_metadata_of("{" + ",".join(f'"k{n}":0' for n in range(300_000)) + "}"),
        together="bytes",
        **ANY,
    ),
    Attack(
        "many-attachments",
        "Attaches 100,000 pictures to a text cell",
        lambda work, place: work.cells[0].update(
            attachments={f"{n}.png": {"image/png": "AAAA"} for n in range(100_000)}
        ),
        together="bytes",
        **ANY,
    ),
    Attack(
        "utf-16",
        "Saves its notebook in UTF-16",
        lambda work, place: json.dumps(work).encode("utf-16"),
        **ANY,
    ),
    Attack(
        "empty-file", "Hands in an empty file", lambda work, place: b" ", deserves=(0, 0), written=0
    ),
    # Archives and names
    Attack(
        "zip-bombs",
        "Hands in twelve zips of 93 MB of zeros",
        nothing,
        hand_in=bombs,
        way="folders",
        together="archives",
        **ANY,
    ),
    Attack(
        "zip-of-100,000-files",
        "Hands in a zip of 100,000 empty files",
        nothing,
        hand_in=many_members,
        way="folders",
        together="archives",
        **ANY,
    ),
    Attack(
        "long-names",
        "Hands in folders whose names pass 255 bytes together",
        nothing,
        hand_in=long_names,
        way="folders",
        **ANY,
    ),
    Attack(
        "control-characters-in-names",
        "Hands in files whose names clear the terminal and write to the clipboard",
        nothing,
        hand_in=files_named(f"{ESC}.csv", "\x9b2J.csv", "\r10 of 10.csv"),
        way="folders",
        **ANY,
    ),
    Attack(
        "newlines-in-names",
        "Hands in a file whose name has a line of the report in it",
        nothing,
        hand_in=files_named(FORGED, "b\u2028c.csv"),
        way="folders",
        **ANY,
        also=lambda outcome: forges_no_line(outcome),
    ),
    Attack(
        "bidi-in-names",
        "Hands in a file whose name runs from right to left",
        nothing,
        hand_in=files_named("\u202evsc.exe", "\u2066x.csv"),
        way="folders",
        **ANY,
    ),
    Attack(
        "paths-in-names",
        "Hands in a zip with absolute names, dots and drives",
        nothing,
        hand_in=files_named(
            "../../../escaped.txt", "/tmp/escaped.txt", "C:\\escaped.txt", "a/../../escaped.txt"
        ),
        way="folders",
        **ANY,
        also=lambda outcome: escaped_nowhere(outcome),
    ),
    Attack(
        "markup-in-names",
        "Hands in files whose names are the table's own markup",
        nothing,
        hand_in=files_named("[red]10 of 10[/red].csv", "[/bold].csv", "=cmd|x!A1.csv"),
        way="folders",
        **ANY,
    ),
    Attack(
        "zip-in-zip",
        "Hands in a zip in a zip",
        nothing,
        hand_in=lambda desk: nested(desk),
        way="folders",
        **ANY,
    ),
    # The exchange
    Attack(
        "long-secret",
        "Hands in a submission secret of 10,001 bytes",
        nothing,
        hand_in=in_exchange_with(submission_secret__txt=b"x" * 10_001),
    ),
    Attack(
        "odd-secret",
        "Hands in a submission secret that is a path in markup",
        nothing,
        hand_in=in_exchange_with(submission_secret__txt=b"../../\x1b[2J\0\xff\n[/red]"),
    ),
    Attack(
        "odd-timestamp",
        "Hands in a time in the year 9999, then no time at all",
        nothing,
        hand_in=in_exchange_with(timestamp__txt=b"9999-12-31 23:59:59.999999 +9999\n\x1b[2J"),
    ),
    Attack(
        "huge-timestamp",
        "Hands in a time of 5 MB",
        nothing,
        hand_in=in_exchange_with(timestamp__txt=b"2" * 5_000_000),
    ),
    Attack(
        "receipt-of-another",
        "Hands in a receipt that names another student",
        nothing,
        hand_in=exact_receipt_of_another,
        deserves=None,
        refused="receipt",
    ),
    Attack(
        "back-dated",
        "Names its folder in the exchange as of last week",
        nothing,
        hand_in=back_dated,
        also=is_late_and_told,
        due=-1,
    ),
    Attack(
        "back-dated-files",
        "Does so and sets the times of all its files to 1970",
        nothing,
        hand_in=late_then_back_dated,
        also=is_late_and_told,
        due=-1,
    ),
    Attack(
        "edited-in-place",
        "Writes the right answers into the exchange after collecting",
        nothing,
        hand_in=two_hours_ago,
        afterwards=edited_in_place,
        deserves=(2, 3),
        or_less=True,
        due=-1,
        also=is_late_and_told,
    ),
    # The LMS
    Attack(
        "canvas-renamed-with-ids",
        "Takes another student's name in Canvas, where ids are known",
        nothing,
        hand_in=as_the_victim,
        way="canvas",
        deserves=None,
        refused="ahnaran",
    ),
    Attack(
        "canvas-nobody",
        "Hands in as somebody who isn't in the class list",
        nothing,
        hand_in=as_nobody,
        way="canvas",
        deserves=None,
        refused="nobodynobody",
    ),
    Attack(
        "canvas-plain",
        "Hands in through Canvas with nothing odd but wrong answers",
        nothing,
        way="canvas",
    ),
    Attack(
        "moodle-plain",
        "Hands in through Moodle with nothing odd but wrong answers",
        nothing,
        way="moodle",
    ),
    Attack(
        "canvas-name-in-name",
        "Hands in a file named as another student's in Canvas",
        nothing,
        hand_in=lambda desk: each(
            desk.canvas(desk.notebook, desk.content),
            desk.canvas("ahnaran_7001_9_small.ipynb", desk.content),
        ),
        way="canvas",
        **ANY,
    ),
    Attack(
        "moodle-name-in-name",
        "Hands in a folder named as another student's in Moodle",
        nothing,
        hand_in=lambda desk: each(
            desk.moodle(desk.notebook, desk.content),
            desk.moodle("Aran Ahn_7001_assignsubmission_file_/small.ipynb", desk.content),
        ),
        way="moodle",
        **ANY,
    ),
    Attack(
        "moodle-control-characters",
        "Hands in files in Moodle whose names clear the terminal",
        nothing,
        hand_in=lambda desk: each(
            desk.moodle(desk.notebook, desk.content),
            desk.moodle(f"{ESC}.csv".replace("/", ""), b"1"),
            desk.moodle("a\nb.csv", b"2"),
        ),
        way="moodle",
        **ANY,
    ),
]


def forges_no_line(outcome):
    lines = outcome.said("collect").splitlines()
    assert not [line for line in lines if line.lstrip().startswith(("m001  ", "10 of"))], lines


def escaped_nowhere(outcome):
    assert not os.path.exists("/tmp/escaped.txt"), "a file was written where its name says"


def nested(desk):
    inner = zip_of({"deep.zip": zip_of({desk.notebook: desk.content})})
    desk.files = {"work.zip": inner}
    desk.as_asked("folders")


@pytest.mark.parametrize("attack", cases(ATTACKS))
def test_handing_in(attack, holds):
    holds(attack)


def test_work_in_one_unknown_folder_is_put_down_to_nobody(house):
    """A download with a single folder that no student's id names: whose it is can't be told."""

    def as_a_folder(desk):
        place = desk.folder / "somebody" / desk.student / desk.notebook
        place.parent.mkdir(parents=True)
        place.write_bytes(desk.content)

    lone = Attack(
        "lone", "", nothing, way="folders", hand_in=as_a_folder, deserves=None, refused="somebody"
    )
    lesson = house.lesson([lone])
    assert not lesson.attackers["lone"].points
    assert "somebody" in lesson.runs["collect"].said
    assert lesson.runs["collect"].code == 1


def test_only_an_unknown_folder_around_others_work(house, tmp_path):
    """`<unknown>/<student's id>/…` and nothing else: handed in by the unknown, not by the student."""
    course = tmp_path / "course"
    shutil.copytree(house.course(), course)
    given = nbformat.read(course / "release" / "en" / "small" / "small.ipynb", 4)
    place = tmp_path / "download" / "mallory" / "victim" / "small.ipynb"
    place.parent.mkdir(parents=True)
    place.write_text(json.dumps(answered(given, ANSWERS["small"])))
    roster = tmp_path / "roster.csv"
    roster.write_text("id\nvictim\n")
    done = stations.run(
        "collect", "small", str(tmp_path / "download"), "--roster", str(roster), course=course
    )
    assert not (course / "term" / "submitted" / "victim" / "small").exists(), done.said
    assert done.code in (1, 2) and "mallory" in done.said


def test_who_takes_anothers_name_in_canvas_gets_nothing_by_it(house):
    """Names alone tell nobody apart in Canvas: nothing is put down to anyone, and that is told."""
    renamed = Attack(
        "renamed", "", nothing, way="canvas-without-ids", hand_in=as_the_victim, deserves=None
    )
    lesson = house.lesson([renamed])
    assert "ahnaran" in lesson.runs["collect"].said and lesson.runs["collect"].code == 1
    assert not lesson.attackers["renamed"].points
    assert not lesson.honest["aa-honest"].points and not lesson.honest["zz-honest"].points
    assert "lms_user_id" in lesson.runs["collect"].said


def test_who_hands_in_alone_under_anothers_name_is_not_taken(house):
    """The victim hasn't handed in; the roster has no ids; Canvas's own id says it's another."""

    def instead_of_the_victim(desk):
        for path in desk.folder.glob("ahnaran_*"):
            path.unlink()
        as_the_victim(desk)

    renamed = Attack(
        "renamed",
        "",
        nothing,
        way="canvas-without-ids",
        hand_in=instead_of_the_victim,
        deserves=None,
    )
    lesson = house.lesson([renamed])
    assert not lesson.honest["aa-honest"].points, "the attacker's work is the victim's now"
    assert "ahnaran" in lesson.runs["collect"].said


@pytest.mark.parametrize("way", ["canvas", "moodle", "folders", "exchange"])
def test_the_same_work_comes_to_the_same_in_every_way(house, way):
    lesson = house.lesson([Attack("plain", "", nothing, way=way)])
    assert lesson.faults == []
    points = lesson.attackers["plain"].points
    assert (points["double-test"], points["parts-test"], points["essay"]) == (0, 1, None)
