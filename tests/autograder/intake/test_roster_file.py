"""Class lists as spreadsheets, LMSs and people write them: the same students, or a sentence."""

from __future__ import annotations

import csv
import io
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from autograder.config import Course
from autograder.errors import UserError
from autograder.intake.roster import Person, class_list, enroll, find_changes
from autograder.intake.roster_file import Roster, read_roster
from autograder.report.csv_export import full_csv
from autograder.report.gradesheet import GradeSheet, Row


@pytest.fixture
def read(tmp_path):
    def call(content: str | bytes) -> Roster:
        path = tmp_path / "class.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_roster(path)

    return call


ROSTER = """id,first_name,last_name,email,lms_user_id
s01,민준,김,k@x.kr,12
s02,Ada,"Love, lace",,
"""


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "cp949", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le"],
)
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends(read, encoding, ending):
    assert read(ROSTER.replace("\n", ending).encode(encoding)).people == [
        Person("s01", "민준", "김", "k@x.kr", "12"),
        Person("s02", "Ada", "Love, lace"),
    ]


def test_semicolons_and_other_columns(read):
    found = read(" ID ;Group;lms_user_id\ns01;A;7\n;;\n")
    assert found.people == [Person("s01", lms_user_id="7")] and found.unread == ["Group"]


@pytest.mark.parametrize(
    "text",
    [
        "sep=;\nid;first_name;lms_user_id\ns01;Ada;7\n",
        "SEP=;\r\nid;first_name;lms_user_id\r\ns01;Ada;7\r\n",
        "sep=;\rid;first_name;lms_user_id\rs01;Ada;7\r",
        "\ufeffsep=|\nid|first_name|lms_user_id\ns01|Ada|7\n",
        "sep=\t\r\nid\tfirst_name\tlms_user_id\r\ns01\tAda\t7\r\n",
        '"sep=,"\nid,first_name,lms_user_id\ns01,Ada,7\n',
        "sep=,,\nid,first_name,lms_user_id\ns01,Ada,7\n",
        "id\u00a0,first_name\u200b,\ufefflms_user_id\n\u200bs01,Ada\u00a0,7\u2060\n",
        "\u200bi\u200bd,first\u00a0name,lms\u2007user\u2007id\ns\u200b01,A\u200bda,7\n",
        "id,first_name,lms_user_id\ns01,Ada,7.0\n",
        "\n,,\nid,first_name,lms_user_id\n\n,,\ns01,Ada,7\n\n",
        "id,first_name,lms_user_id,\ns01,Ada,7,\n",
        "'id','first_name','lms_user_id'\n's01','Ada','7'\n",
        '"id";"first_name";"lms_user_id"\n"s01";"Ada";"7"\n',
        'id,first_name,lms_user_id\n="s01",Ada,="7"\n',
        "Student ID,Given Name,Canvas ID\ns01,Ada,7\n",
        "student_id,First Name,lms_user_id\ns01,Ada,7\n",
        "학번,이름,lms_user_id\ns01,Ada,7\n",
        "id|first_name|lms_user_id\ns01|Ada|7\n",
        "id,student_id,first_name,lms_user_id\ns01,s01,Ada,7\n",
    ],
)
def test_what_spreadsheets_and_people_add(read, text):
    assert read(text).people == [Person("s01", "Ada", lms_user_id="7")]


def test_a_name_in_one_column(read):
    people = read('학번,성명\n20211234,김민준\n20211235,"Kim, Ada"\n').people
    assert people == [Person("20211234", "김민준"), Person("20211235", "Ada", "Kim")]


def test_numbers_that_a_spreadsheet_made_decimal(read):
    found = read("id;first_name;lms_user_id\n20211234.0;A;2001.00\nv1.0;B;2002,0\n5E12;C;2.003E+3")
    assert found.people == [
        Person("20211234", "A", lms_user_id="2001"),
        Person("v1.0", "B", lms_user_id="2002"),
        Person("5E12", "C", lms_user_id="2003"),
    ]
    assert read("id\n2.0211234E7\n1.0000000000123E+13\n").people == [
        Person("20211234"),
        Person("10000000000123"),
    ]


@pytest.mark.parametrize("number", ["2.02112E+07", "2.0E7", "1E+13", "2.02112345E7"])
def test_numbers_that_a_spreadsheet_cut_short(read, number):
    with pytest.raises(UserError, match=r"line 2: the id .* was shortened by a spreadsheet"):
        read(f"id\n{number}\n")


WESTERN = [
    ("Ángel", "Gil"),
    ("Åsa", "Berg"),
    ("Ola", "Ås"),
    ("Zoë", "Müller"),
    ("José", "Núñez"),
    ("JOSÉ", "NÚÑEZ"),
    ("Øyvind", "Sæther"),
    ("François", "Lefèvre"),
    ("Jürgen", "Groß"),
    ("João", "Conceição"),
    ("Hélène", "D’Été"),
    ("Peter", "O’Brien"),
    ("Begoña", "Íñiguez"),
]
KOREAN = [
    ("민준", "김"),
    ("서연", "이"),
    ("길동", "홍"),
    ("하늘", "남궁"),
    ("진", "허"),
    ("A", "최"),
]


def listed(names) -> str:
    lines = (f"s{number},{first},{last}" for number, (first, last) in enumerate(names))
    return "\n".join(["id,first_name,last_name", *lines, ""])


def as_pairs(found: Roster) -> list[tuple[str, str]]:
    return [(person.first_name, person.last_name) for person in found.people]


@pytest.mark.parametrize("names", [*([one] for one in WESTERN), WESTERN, WESTERN * 40])
def test_names_as_western_windows_writes_them(read, names):
    found = read(listed(names).encode("cp1252"))
    assert as_pairs(found) == names
    assert found.is_guessed and "Windows-1252" in found.describe()


@pytest.mark.parametrize("names", [*([one] for one in WESTERN), WESTERN, WESTERN * 40])
def test_names_as_a_mac_writes_them(read, names):
    """A single name may be ambiguous, never wrong; an old Mac's line ends tell."""
    try:
        found = read(listed(names).encode("mac_roman"))
    except UserError as error:
        assert len(names) == 1 and " or " in str(error)  # noqa: PT017 - either is right
    else:
        assert as_pairs(found) == names
    assert as_pairs(read(listed(names).replace("\n", "\r").encode("mac_roman"))) == names


@pytest.mark.parametrize("names", [*([one] for one in KOREAN), KOREAN, KOREAN * 40])
def test_names_as_korean_windows_writes_them(read, names):
    found = read(listed(names).encode("cp949"))
    assert as_pairs(found) == names and "CP949" in found.describe()


def in_ks_x_1001(name: str) -> bool:
    """Whether a name has only the 2,350 syllables that are in use; CP949 adds the others."""
    return all(byte > 0xA0 for byte in name.encode("cp949"))


HANGUL = st.text(
    st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3), min_size=1, max_size=4
).filter(in_ks_x_1001)


@given(st.lists(HANGUL, min_size=1, max_size=8))
@example(["철", "채"])  # "ö" and "ä", to UTF-8
def test_syllables_of_no_name_are_no_other_name(names):
    pairs = [(name, "Kim") for name in names]
    with suppress(UserError):
        assert as_pairs(_read(listed(pairs).encode("cp949"))) == pairs


ELSEWHERE = {
    "cp1250": [("Jiří", "Dvořák"), ("Łukasz", "Żak")],
    "cp1251": [("Иван", "Иванов"), ("Мария", "Петрова")],
    "cp1253": [("Γιώργος", "Παπαδόπουλος")],
    "cp1254": [("Gülşen", "Yılmaz")],
    "cp932": [("太郎", "山田"), ("花子", "佐藤")],
    "gb18030": [("伟", "王"), ("娜", "李"), ("芳", "张")],
    "big5": [("志明", "陳"), ("淑芬", "林")],
    "euc_jp": [("太郎", "山田"), ("花子", "佐藤")],
}


@pytest.mark.parametrize("encoding", ELSEWHERE)
@pytest.mark.parametrize("times", [1, 40])
def test_other_encodings_are_refused(read, encoding, times):
    with pytest.raises(UserError, match="save it from the spreadsheet as CSV UTF-8"):
        read(listed(ELSEWHERE[encoding] * times).encode(encoding))


def _read(content: bytes) -> Roster:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "class.csv")
        path.write_bytes(content)
        return read_roster(path)


COLUMNS = {
    "id": ["id", "ID", "student_id", "Student ID", " id\u00a0", "\ufeffid", "학번"],
    "first_name": ["first_name", "First name", "FIRST_NAME\u200b", "Given name"],
    "last_name": ["last_name", "Last Name", "Surname"],
    "email": ["email", "Email address", "E-mail"],
    "lms_user_id": ["lms_user_id", "LMS user ID"],
}
WRITTEN = {
    "utf-8": WESTERN + KOREAN,
    "utf-8-sig": WESTERN + KOREAN,
    "utf-16": WESTERN + KOREAN,
    "cp949": KOREAN,
    "cp1252": WESTERN,
    "mac_roman": WESTERN,
    **ELSEWHERE,
}


@given(st.data())
def test_a_roster_comes_back_or_is_refused(data):
    encoding = data.draw(st.sampled_from(sorted(WRITTEN)))
    names = data.draw(st.lists(st.sampled_from(WRITTEN[encoding]), min_size=1, max_size=30))
    people = [
        Person(
            data.draw(st.sampled_from([f"s{at}", f"2021{at:04}", f"kim-{at}@x.org"])),
            *name,
            data.draw(st.sampled_from(["", f"s{at}@x.org"])),
            data.draw(st.sampled_from(["", str(2000 + at)])),
        )
        for at, name in enumerate(names)
    ]
    delimiter = data.draw(st.sampled_from(",;\t|"))
    headings = {name: data.draw(st.sampled_from(known)) for name, known in COLUMNS.items()}
    order = data.draw(st.permutations(list(COLUMNS)))
    file = io.StringIO()
    if data.draw(st.booleans()):
        file.write(f"sep={delimiter}\r\n")
    ending = data.draw(st.sampled_from(["\n", "\r\n", "\r"]))
    quoting = data.draw(st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC]))
    writer = csv.writer(file, delimiter=delimiter, quoting=quoting, lineterminator=ending)
    writer.writerow([headings[name] for name in order])
    for person in people:
        writer.writerow([getattr(person, name) for name in order])
        if data.draw(st.booleans()):
            writer.writerow([""] * len(order))
    try:
        content = file.getvalue().encode(encoding)
    except UnicodeEncodeError:
        return  # a heading that this encoding hasn't
    try:
        found = _read(content)
    except UserError as error:
        assert not encoding.startswith("utf")
        assert str(error).endswith("CSV UTF-8.")  # noqa: PT017 - an encoding that can hold the names may still be refused
    else:
        assert found.people == people
        assert found.delimiter == delimiter


CANVAS = (
    "Student,ID,SIS User ID,SIS Login ID,Section,quiz (12345),Current Score\n"
    "    Points Possible,,,,,16,(read only)\n"
    '"Kim, Minjun",2001,s2001,minjun@x.org,S1,,\n'
    '"Lee, Ann",2002,,ann@x.org,S1,,\n'
    '"Park, Jo",2003,,,S1,,\n'
    '"Student, Test",2999,,abc123,S1,,\n'
)


def test_canvas_gradebook_as_a_roster(read):
    found = read(CANVAS)
    assert found.people == [
        Person("s2001", "Minjun", "Kim", lms_user_id="2001", section="S1"),
        Person("ann@x.org", "Ann", "Lee", lms_user_id="2002", section="S1"),
    ]
    told = found.describe()
    assert "as a Canvas gradebook" in told and "the test student" in told
    assert "'Park, Jo' in line 5, who has no SIS User ID" in told and "Points Possible" in told


def test_canvas_gradebook_of_a_teacher_who_sees_no_sis_ids(read):
    found = read('Student,ID,SIS Login ID,Section,quiz\n,,,,Manual Posting\n"Kim, A",7,ak,S,1\n')
    assert found.people == [Person("ak", "A", "Kim", lms_user_id="7", section="S")]
    with pytest.raises(UserError, match="without SIS User ID and SIS Login ID"):
        read('Student,ID,Section,quiz\n"Kim, A",7,S,1\n')


def test_moodle_and_blackboard_exports(read):
    moodle = "First name,Surname,ID number,Institution,Email address,Quiz: quiz (Real)\n"
    assert read(moodle + "Ada,Lovelace,s01,X,a@x.org,12.00\n").people == [
        Person("s01", "Ada", "Lovelace", "a@x.org")
    ]
    blackboard = '"Last Name"\t"First Name"\t"Username"\t"Student ID"\t"Availability"\n'
    text = blackboard + '"Lovelace"\t"Ada"\t"alove"\t"s01"\t"Yes"\n'
    assert read(text.encode("utf-16")).people == [Person("s01", "Ada", "Lovelace", "", "alove")]


@pytest.mark.parametrize("excel", [False, True])
def test_our_own_report_is_a_roster(read, excel):
    people = [
        Person("s01", "민준", "김", "k@x.kr", "12"),
        Person("-s02", "=1+1", "Love, lace", "", ""),
    ]
    rows = [
        Row(one.id, one.first_name, one.last_name, one.email, one.lms_user_id) for one in people
    ]
    sheet = GradeSheet("quiz", 1.0, [], rows, [])
    assert read(full_csv(sheet, excel)).people == people


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("id,first_name,last_name,id\na,b,c,d\n", "two columns called 'id'"),
        ("id,email, Email \na,b,c\n", "two columns called 'email'"),
        ("id,student_id\na,b\n", "two columns that mean the id, 'id' and 'student_id'"),
        ("id,email,Email address\na,b,c\n", "two columns that mean email"),
        ("id,First name,first_name\na,b,c\n", "two columns called 'first name'"),
        ("name\nx\n", "no column 'id'"),
        ("id\n", "no students"),
        ("", "no column 'id'"),
        ("id,email\n,a@b\n", "line 2: the id is missing"),
        ("id\ns01\na/b\n", "line 3: 'a/b' can't be a student id"),
        ("id\ns01\ns01\n", "twice"),
        ("id\ns01\ns\u200b01\n", "twice"),
        ("id,lms_user_id\ns01,5\ns02,5\n", "same lms_user_id"),
        ("id,lms_user_id\ns01,5\ns02,5.0\n", "same lms_user_id"),
        ("id\n..\n", "can't be a student id"),
        ("id,name,email\ns01,Kim, Ada,a@b\n", "line 2: it has more values"),
        ("id,name,email\ns01;Kim;a@b\n", "line 2: its values aren't separated by commas"),
        ("a\x00b", "isn't text"),
        ("PK\x03\x04", "is a workbook"),
        ('id,name\ns01,"Kim\n' + "x" * 200_000, "isn't a correct CSV"),
    ],
)
def test_rosters_that_can_not_be_used(read, text, why):
    with pytest.raises(UserError, match=why):
        read(text)


@pytest.mark.parametrize("content", [b"\xff\xfea", b"\xef\xbb\xbf\xff", b"id\n\x81\xff\x80\n"])
def test_broken_text(read, content):
    with pytest.raises(UserError, match="CSV UTF-8"):
        read(content)


def test_a_roster_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match="doesn't exist"):
        read_roster(tmp_path / "class.csv")


def test_what_was_understood_is_told_with_names_that_tell(read):
    plain = [("Ada", "Lee")] * 5
    told = read(listed([*plain, ("Ángel", "Gil")]).encode("cp1252")).describe()
    assert (
        "6 students" in told and "separated by commas" in told and "(nothing in it says so)" in told
    )
    assert told.splitlines()[1] == "  id s5, first_name Ángel, last_name Gil"


def test_what_a_roster_changes_in_the_class_list(tmp_path):
    course = Course(tmp_path)
    enroll(course, [Person("s01", "Ada", "Lee"), Person("s02", "Bo", "Kim")])
    list_ = [Person("s01", "Ada"), Person("s02", "Bo", "Kimm"), Person("s03")]
    new, changed = find_changes(course, list_)
    assert (new, changed) == ([list_[2]], [list_[1]]) and len(class_list(course)) == 2
