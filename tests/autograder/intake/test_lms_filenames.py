"""Whose a file in a download is: read from the name, looked up in the class, never guessed."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.config import Course
from autograder.intake.lms_filenames import (
    Owner,
    OwnerFiles,
    Recognized,
    group_by_owner,
    recognize_owner,
)
from autograder.intake.roster import (
    Person,
    UnknownOwner,
    class_list,
    enroll,
    find_conflicts,
    find_person,
)
from autograder.intake.sources import Member

CLASS = [
    Person("s01", "Minjun", "Kim", lms_user_id="123"),
    Person("s02", "민준", "김"),
    Person("s03", "Seoyeon", "Lee"),
    Person("s04", "Seoyeon", "Lee", lms_user_id="77"),
    Person("s05", "Ada", "Lovelace"),
    Person("900"),
]


def members(*names: str) -> list[Member]:
    return [Member(name, None, None) for name in names]


@pytest.mark.parametrize(
    ("path", "owner", "name", "late", "sequence"),
    [
        (
            "kimminjun_123_4567_quiz.ipynb",
            ("canvas", "kimminjun", "123"),
            "quiz.ipynb",
            False,
            4567,
        ),
        (
            "kimminjun_LATE_123_4567_quiz-1.ipynb",
            ("canvas", "kimminjun", "123"),
            "quiz-1.ipynb",
            True,
            4567,
        ),
        ("김민준_5_6_내_퀴즈.ipynb", ("canvas", "김민준", "5"), "내_퀴즈.ipynb", False, 6),
        # What the student names can't pass for an owner.
        (
            "kim_123_4567_lee_77_1_quiz.ipynb",
            ("canvas", "kim", "123"),
            "lee_77_1_quiz.ipynb",
            False,
            4567,
        ),
        (
            "Minjun Kim_98_assignsubmission_file_/quiz.ipynb",
            ("moodle", "Minjun Kim", "98"),
            "quiz.ipynb",
            False,
            0,
        ),
        (
            "Minjun Kim_98_assignsubmission_file_quiz.ipynb",
            ("moodle", "Minjun Kim", "98"),
            "quiz.ipynb",
            False,
            0,
        ),
        (
            "A B_1_assignsubmission_file_/C D_2_assignsubmission_file_/quiz.ipynb",
            ("moodle", "A B", "1"),
            "C D_2_assignsubmission_file_/quiz.ipynb",
            False,
            0,
        ),
        (
            "A B_1_assignsubmission_file_C D_2_assignsubmission_file_quiz.ipynb",
            ("moodle", "A B", "1"),
            "C D_2_assignsubmission_file_quiz.ipynb",
            False,
            0,
        ),
        ("s01/kim_77_1_quiz.ipynb", ("folder", "s01", ""), "kim_77_1_quiz.ipynb", False, 0),
    ],
)
def test_namings(path, owner, name, late, sequence):
    assert recognize_owner(path, "quiz") == Recognized(Owner(*owner), name, late, sequence)


def test_our_own_zips():
    name = "cost-formula-kim-min-20250301T101500Z.zip"
    found = recognize_owner(name, "cost-formula")
    assert found == Recognized(Owner("folder", "kim-min", claim="20250301T101500Z"), name)
    # A browser's second download of it is still it; another assignment's isn't ours.
    assert recognize_owner(name.replace(".zip", " (1).zip"), "cost-formula")[0] == found[0]
    assert isinstance(recognize_owner(name, "quiz"), str)


@pytest.mark.parametrize("path", ["quiz.ipynb", "anon_4TxPq_88_quiz.ipynb", "kim_x_1_quiz.ipynb"])
def test_a_name_without_an_owner_is_a_sentence(path):
    assert recognize_owner(path, "quiz").startswith(path)


@given(
    st.text(st.characters(exclude_characters="/"), min_size=1, max_size=60).filter(
        lambda name: "_assignsubmission_" not in name
    )
)
def test_what_a_student_names_never_changes_the_owner(name):
    canvas = recognize_owner(f"kimminjun_123_4567_{name}", "quiz")
    assert canvas[0] == Owner("canvas", "kimminjun", "123") and canvas[1] == name
    moodle = recognize_owner(f"Min Kim_9_assignsubmission_file_/{name}", "quiz")
    assert moodle[0] == Owner("moodle", "Min Kim", "9") and moodle[1] == name
    assert recognize_owner(f"s01/{name}", "quiz")[0] == Owner("folder", "s01")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("kim_minjun_123_4567_quiz.ipynb", ("canvas", "kim_minjun", "123")),
        ("_kim__minjun__123_4567_quiz-1.ipynb", ("canvas", "_kim__minjun_", "123")),
        ("o-brien_finn_LATE_123_4567_my quiz (2).ipynb", ("canvas", "o-brien_finn", "123")),
        ("kim_minjun_123_text.html", ("canvas", "kim_minjun", "123")),
        ("kimminjun_LATE_123_link.html", ("canvas", "kimminjun", "123")),
        (
            "Min_Jun Kim_98_assignsubmission_onlinetext_/onlinetext.html",
            ("moodle", "Min_Jun Kim", "98"),
        ),
        ("이_서연_9_8_내 퀴즈-1.ipynb", ("canvas", "이_서연", "9")),
    ],
)
def test_names_with_underscores_and_entries(path, expected):
    found = recognize_owner(path, "quiz")
    assert found.owner == Owner(*expected)
    assert found.is_entry == path.endswith(".html") and found.late == ("LATE" in path)


@pytest.mark.parametrize("name", ["anon_4TxPq_text.html", "anon_LATE_4TxPq_link.html"])
def test_an_entry_whose_owner_canvas_hides(name):
    assert "Canvas hid its owner" in recognize_owner(name, "quiz")


IN_CANVAS = [
    Person("s01", "Minjun", "Kim", lms_user_id="123"),
    Person("s02", "Mallory", "Lee", lms_user_id="77"),
    Person("s03", "Bo", "Kim_2", lms_user_id="55"),
]


@pytest.mark.parametrize(
    ("path", "student"),
    [
        # What the student named has ids of its own, nobody's.
        ("kimminjun_123_4567_2_3_quiz.ipynb", "s01"),
        ("kimminjun_123_4567_kimminjun_123_4566_quiz.ipynb", "s01"),
        # A name that ends as an id does: the outermost reading is nobody's.
        ("kim_2bo_55_4567_quiz.ipynb", "s03"),
        ("bokim_2_55_4567_quiz.ipynb", "s03"),
        ("bokim_2_55_text.html", "s03"),
        ("kimbo_2_123_4567_quiz.ipynb", None),
        # Mallory calls herself x__123__5, of which Canvas makes x_123_5.
        ("x_123_5_77_9001_quiz.ipynb", None),
        ("x_123_5_77_text.html", None),
        ("x_123_5_999_9001_quiz.ipynb", None),
        # Somebody who isn't in the class list names a file as another's begins.
        ("x_888_5_77_9001_quiz.ipynb", None),
        ("x_888_5_malloryleex_77_9001_quiz.ipynb", None),
    ],
)
def test_names_that_can_be_read_in_several_ways(path, student):
    found, ownerless = group_by_owner(members(path), "quiz", IN_CANVAS)
    taken = []
    for owned in found:
        with suppress(UnknownOwner):
            taken.append(find_person(owned.owner, IN_CANVAS).id)
    assert taken == ([student] if student else [])
    assert len(found) + len(ownerless) == 1


def test_blackboard():
    people = [Person("kim_min", "Min", "Kim"), Person("min"), Person("s9", lms_user_id="bb9")]
    at = "attempt_2025-03-10-12-34-56"
    found, ownerless = group_by_owner(
        members(
            f"Quiz_1_kim_min_{at}.txt",
            f"Quiz_1_kim_min_{at}_quiz.ipynb",
            f"Quiz_1_bb9_{at}.txt",
            f"Quiz_1_stranger_min_{at}_quiz.ipynb",
        ),
        "quiz",
        people,
    )
    assert [owned.owner.label for owned in found] == ["kim_min", "s9"]
    assert [name for name, _ in found[0].files] == ["quiz.ipynb"] and not found[0].entries
    assert found[1].has_only_entries
    assert len(ownerless) == 1 and "stranger_min" in ownerless[0]
    assert find_person(found[1].owner, people).id == "s9"


def test_a_folder_around_everything_is_passed_over():
    found, ownerless = group_by_owner(
        members("submissions/a_1_2_quiz.ipynb", "submissions/b_3_4_quiz.ipynb"), "quiz", CLASS
    )
    assert [owned.owner.number for owned in found] == ["1", "3"] and not ownerless
    nested = members("submissions (2)/quiz/s01/quiz.ipynb", "submissions (2)/quiz/s02/a.ipynb")
    found, _ = group_by_owner(nested, "quiz", CLASS)
    assert [owned.owner.label for owned in found] == ["s01", "s02"]


@pytest.mark.parametrize(
    "inside", [("s01/quiz.ipynb", "s02/quiz.ipynb"), ("kim_123_9_quiz.ipynb",)]
)
def test_a_folder_that_may_be_a_students_is_not_passed_over(inside):
    found, _ = group_by_owner(members(*(f"mallory/{name}" for name in inside)), "quiz", CLASS)
    assert [owned.owner.label for owned in found] == ["mallory"]
    with pytest.raises(UnknownOwner):
        find_person(found[0].owner, CLASS)


def test_a_name_that_reads_as_two_lms_is_left_out():
    for name in (
        "kim_123_4567_Minjun Kim_9_assignsubmission_file_quiz.ipynb",
        "x_123_4567_y_98_assignsubmission_file_quiz.ipynb",
    ):
        assert "can be read as Canvas's and as Moodle's" in recognize_owner(name, "quiz")


def test_one_student_alone_is_not_passed_over():
    found, _ = group_by_owner(members("s01/quiz.ipynb", "s01/data.csv"), "quiz", CLASS)
    assert [owned.owner.label for owned in found] == ["s01"]
    found, _ = group_by_owner(members("s01/quiz/quiz.ipynb"), "quiz", CLASS)
    assert [owned.owner.label for owned in found] == ["s01"]
    found, _ = group_by_owner(members("stranger/quiz.ipynb"), "quiz", CLASS)
    assert [owned.owner.label for owned in found] == ["stranger"]


def test_files_of_one_owner_come_together():
    found, _ = group_by_owner(
        members("a_1_10_quiz.ipynb", "a_LATE_1_12_quiz-1.ipynb", "b_2_11_quiz.ipynb"), "quiz", CLASS
    )
    assert [len(owned.files) for owned in found] == [2, 1]
    assert (found[0].late, found[0].sequence, found[1].late) == (True, 12, False)


@pytest.mark.parametrize(
    ("owner", "student"),
    [
        (Owner("canvas", "renamed", "123"), "s01"),
        (Owner("canvas", "whoever", "900"), "900"),
        (Owner("moodle", "Ada Lovelace", "1"), "s05"),
        (Owner("moodle", "김 민준", "1"), "s02"),
        (Owner("moodle", "Seoyeon Lee", "77"), "s04"),
        (Owner("folder", "s05"), "s05"),
    ],
)
def test_owners_that_are_known(owner, student):
    assert find_person(owner, CLASS).id == student


@pytest.mark.parametrize(
    "owner",
    [
        Owner("canvas", "kimminjun", "124"),  # the name of s01, whose Canvas id is another
        Owner("canvas", "nobody", "5"),
        # A name that anybody can take, where Canvas gives an id that nobody can.
        Owner("canvas", "김민준", "555"),
        Owner("canvas", "lovelaceada", "556"),
        Owner("canvas", "leeseoyeon", "78"),
        Owner("moodle", "Ada\u200b Lovelace", "1"),
        Owner("moodle", "Ada\u2003Lovelace", "1"),
        Owner("moodle", "Αda Lovelace", "1"),  # a Greek capital
        Owner("moodle", "Ａda Lovelace", "1"),  # full width
        Owner("moodle", "s05", "1"),  # another's id as the name displayed
        Owner("moodle", "Seoyeon Lee", "5"),  # two of them
        Owner("moodle", "Nobody", "123"),  # Moodle's number is not a person's
        Owner("folder", "S01"),
        Owner("folder", "Ada Lovelace"),
    ],
)
def test_owners_that_are_not(owner):
    with pytest.raises(UnknownOwner, match="nothing was taken"):
        find_person(owner, CLASS)


def test_two_people_of_the_lms_are_not_one_student():
    ada = CLASS[4]
    pairs = [
        (OwnerFiles(Owner("moodle", "Ada Lovelace", "1")), ada),
        (OwnerFiles(Owner("moodle", "ADA lovelace", "2")), ada),
        (OwnerFiles(Owner("moodle", "김 민준", "3")), CLASS[1]),
    ]
    refused = find_conflicts(pairs)
    assert set(refused) == {"s05"} and "different people" in refused["s05"]
    own_zips = [(OwnerFiles(Owner("folder", "s01", claim=str(n))), CLASS[0]) for n in range(2)]
    assert not find_conflicts(own_zips)


def test_enrolling_keeps_what_the_list_leaves_empty(tmp_path):
    course = Course(tmp_path)
    enroll(course, [Person("s01", "Ada", "Lovelace", lms_user_id="5")])
    enroll(course, [Person("s01", email="a@b"), Person("s02")])
    assert {person.id for person in class_list(course)} == {"s01", "s02"}
    [ada] = [person for person in class_list(course) if person.id == "s01"]
    assert ada == Person("s01", "Ada", "Lovelace", "a@b", "5")
