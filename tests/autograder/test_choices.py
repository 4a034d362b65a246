"""Say how a choice question went: the student's option, and the correct one when it may be told."""

from __future__ import annotations

import pytest

from autograder.checks import check, choice, listening, record_in, report, show_options
from autograder.choices import merged_choice, outcome_in_words, read_option
from autograder.i18n import speaking


def wrong(**choice):
    return {"passed": False, "choice": {"question": "q3", **choice}}


def recorded(answer):
    """The record and the text of a test cell with both checks of a choice question."""
    shown = []
    with listening(shown.append):
        with check("the form", weight=0):
            choice(answer, "q3")
        with check("the answer is correct", hidden=True):
            choice(answer, "q3", correct="D")
        failed = None
        try:
            report()
        except AssertionError as error:
            failed = str(error)
    return record_in(shown[0]), shown[0], failed


@pytest.mark.parametrize("answer", ["A", "a", " A\n"])
def test_a_wrong_option_is_named_beside_the_correct_one(answer):
    record, shown, failed = recorded(answer)
    sentence = "Question 3: you chose A; D is correct"
    assert outcome_in_words(record["checks"][1]) == sentence
    assert sentence in failed and sentence in shown["text/html"] and sentence in shown["text/plain"]
    assert "the answer is correct" not in failed


def test_the_correct_option_can_be_kept_back():
    record, _shown, _failed = recorded("A")
    kept_back = outcome_in_words(record["checks"][1], reveal=False)
    assert kept_back == "Question 3: you chose A, which is not correct"


def test_in_korean():
    record, _shown, _failed = recorded("A")
    with speaking("ko"):
        assert outcome_in_words(record["checks"][1]) == "3번 문항: A를 골랐습니다. 정답은 D입니다"


def test_the_correct_option_passes():
    record, _shown, failed = recorded(" d ")
    assert failed is None
    assert [outcome_in_words(one) for one in record["checks"]] == [None, None]


@pytest.mark.parametrize("answer", ["AD", "", "E", 1, True, ["D"], b"D", "Ａ"])
def test_any_other_form_fails_the_form(answer):
    record, _shown, failed = recorded(answer)
    assert not record["checks"][0]["passed"] and "choice" not in record["checks"][0]
    assert "one letter in quotes" in failed


def test_no_answer_is_no_choice():
    record, _shown, failed = recorded(None)
    assert failed is None and all(one["unanswered"] for one in record["checks"])


def test_a_check_that_recorded_no_choice_keeps_its_own_name():
    for one in ({"passed": False}, wrong(chosen="A"), wrong(chosen="D", correct="D"), {}):
        assert outcome_in_words(one) is None
    assert outcome_in_words({"passed": False, "choice": "A"}) is None


def test_a_question_of_any_other_name_is_called_by_it():
    one = {"passed": False, "choice": {"question": "model", "chosen": "A", "correct": "B"}}
    assert outcome_in_words(one) == "Question model: you chose A; B is correct"


def test_a_choice_does_not_stay_for_the_next_check():
    shown = []
    with listening(shown.append):
        with check("the form", weight=0):
            choice("A", "q3")
        with check("something else"):
            assert 1 == 2
        with pytest.raises(AssertionError):
            report()
    assert "choice" not in record_in(shown[0])["checks"][1]


def test_only_the_visible_run_says_what_was_chosen_and_only_the_source_what_is_correct():
    hidden = {"question": "q3", "chosen": "the hidden input", "correct": "D"}
    kept = merged_choice(hidden, {"q3": "A"}, {"q3", "D"})
    assert kept == {"question": "q3", "chosen": "A", "correct": "D"}
    assert merged_choice(hidden, {}, {"q3", "D"}) is None  # never asked in the visible run
    assert merged_choice(hidden, {"q3": "A"}, {"q3"}) is None  # made up as the test ran
    assert merged_choice("D", {"q3": "A"}, {"D"}) is None
    assert merged_choice({}, {"q3": "A"}, {"D"}) is None


def test_options_may_be_fewer_or_others():
    assert read_option("b", "AB") == "B"
    assert read_option("C", "AB") is None
    assert read_option("AB", "AB") is None


def test_options_in_an_order_of_ones_own(capsys):
    order = ["C", "A", "D", "B"]  # the author's, as the student has them
    said = {}
    for letter in "ABCD":
        shown = []
        with listening(shown.append):
            with check("the form", weight=0):
                choice(letter, "q3", order=order)
            with check("the answer is correct", hidden=True):
                choice(letter, "q3", correct="D", order=order)
            try:
                report()
            except AssertionError as error:
                said[letter] = str(error)
        record = record_in(shown[0])["checks"]
        first, second = (one["choice"] for one in record)
        assert first["chosen"] == second["chosen"] == order["ABCD".index(letter)]
        kept = merged_choice(second, {"q3": first["chosen"]}, {"q3", "D"}, {"q3": first["letters"]})
        assert kept == second
    assert said.keys() == set("ABD")
    assert "Question 3: you chose A; C is correct" in said["A"]
    assert "Question 3: you chose D; C is correct" in said["D"]
    show_options({"A": "one of {n}", "B": "two", "C": "three", "D": "four"}, order, n=7)
    show_options({"A": "yes", "B": "no"})
    assert capsys.readouterr().out == "A. three\nB. one of 7\nC. four\nD. two\nA. yes\nB. no\n"
