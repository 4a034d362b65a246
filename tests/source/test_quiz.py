"""The quiz: its key scores, nothing else does, and nothing tells the key."""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from autograder.authoring import sync
from autograder.authoring.lint import lint
from autograder.checks import show_options
from autograder.config import Course
from autograder.core.value_declarations import declared_values
from autograder.i18n import speaking
from autograder.student_values import own_values
from beyond import locale

LETTERS = "ABCD"
QUESTIONS = 16
OWN = (7, 8, 10)
"""The questions whose numbers, and whose order of options, differ from student to student."""

# The page that the course grew from, word for word.
PAGE = {
    "q1-question": (
        "When does the course recommend proceeding with fine-tuning over prompt engineering?",
        "When the benefits in quality and cost (reduced token usage) outweigh compute effort.",
        "Whenever you need the model to sound more human-like.",
        "As the very first step before trying RAG or prompt engineering.",
        "Only when deploying to an edge device.",
    ),
    "q2-question": (
        "Which model architecture allows scaling model size while maintaining computational "
        "efficiency?",
        "Supervised Fine-Tuning (SFT)",
        "Retrieval-Augmented Generation (RAG)",
        "Mixture of Experts (MoE)",
        "Multimodality",
    ),
}


@pytest.fixture(scope="module")
def quiz(assignments):
    return assignments.source_notebook("quiz")


@pytest.fixture(scope="module")
def key(quiz, assignments):
    """The correct letters: {1: "A", …}."""
    found = {}
    for cell_id, source in assignments.solutions(quiz).items():
        form = r'^q(\d+) = (?:"ABCD"\[mine\["q\1_order"\]\.index\()?"([A-D])"(?:\)\])?$'
        number, letter = re.search(form, source, re.MULTILINE).groups()
        assert cell_id == f"q{number}-answer"
        assert ("mine" in source) == (int(number) in OWN)
        found[int(number)] = letter
    return found


def choices(source: str) -> list[str]:
    return re.findall(r"^- \*\*[A-D]\.\*\* (.+)$", source, re.MULTILINE)


def offered(found: dict, number: int, language: str, values: dict | None = None) -> list[str]:
    """The options of a question in the author's order, as students see them with these values."""
    if number not in OWN:
        return choices(found[f"q{number}-question"].source)
    shown = io.StringIO()
    namespace = {"mine": values or own_values(), "show_options": show_options, "say": locale.say}
    with speaking(language), contextlib.redirect_stdout(shown):
        exec(found[f"q{number}-options"].source, namespace)
    told, *lines = shown.getvalue().splitlines()
    assert "{" not in told
    assert [line[:3] for line in lines] == [f"{letter}. " for letter in LETTERS]
    by_letter = dict(zip(namespace["mine"][f"q{number}_order"], lines, strict=True))
    return [by_letter[letter][3:] for letter in LETTERS]


OWN_ORDER = ', order=mine["q_order"]'


def written(letters: dict[int, str]) -> dict[str, str]:
    """Answer cells from {1: "A", …}."""
    return {f"q{n}-answer": f'q{n} = "{letter}"' for n, letter in letters.items()}


def cells(notebook) -> dict:
    return {cell.id: cell for cell in notebook.cells}


# --- what it asks ------------------------------------------------------------------------


def test_the_pages_two_questions_stand_word_for_word(quiz):
    for cell_id, (question, *page_choices) in PAGE.items():
        source = cells(quiz)[cell_id].source
        assert question in source.split("\n\n")
        assert choices(source) == page_choices


@pytest.mark.parametrize("language", ["en", "ko"])
def test_each_question_has_four_choices_and_an_explanation_of_each(assignments, key, language):
    found = cells(assignments.source_notebook("quiz", language))
    assert sorted(key) == list(range(1, QUESTIONS + 1))
    for number, letter in key.items():
        assert len(set(offered(found, number, language))) == 4
        explanation = found[f"q{number}-explanation"]
        assert explanation.metadata["beyond"]["reveal"] == "after-due"
        right = {"en": "Correct", "ko": "맞습니다"}[language]
        if number in OWN:  # by what they say, as their letters differ
            texts = re.findall(r"^- \*\*.+?\.\*\* (.+)$", explanation.source, re.MULTILINE)
            assert not re.search(r"\*\*[A-D]\.|\b[A-D](?= is correct|입)", explanation.source)
        else:
            texts = choices(explanation.source)
            heading = explanation.source.split("\n")[0]
            assert re.search(r"\b([A-D])(?= is|입)", heading).group(1) == letter
        assert len(texts) == 4
        praised = [text.startswith(right) for text in texts]
        assert praised == [one == letter for one in LETTERS]


def test_each_question_is_one_point(quiz, assignments):
    points = [assignments.grader(cell)["points"] for cell in assignments.tests(quiz).values()]
    assert points == [1] * QUESTIONS


def test_every_lesson_is_asked_about(quiz):
    text = "".join(cell.source for cell in quiz.cells if cell.id.endswith("-question"))
    assert set(re.findall(r"\*Lesson (\d)\*", text)) == set("0123456789")


def test_korean_is_in_step(quiz, assignments):
    assert sync.differences(quiz, assignments.source_notebook("quiz", "ko"), "ko") == []


def test_the_tests_keep_to_the_trust_boundary(quiz):
    assert lint(quiz) == []


# --- what tells the key ------------------------------------------------------------------


def test_the_letters_are_spread_evenly(key):
    assert set(Counter(key.values()).values()) == {QUESTIONS // 4}
    sequence = "".join(key[number] for number in sorted(key))
    assert not re.search(r"(.)\1\1", sequence)
    for period in range(1, QUESTIONS // 2 + 1):  # ABCDABCD… would be a key of its own
        assert sequence[period:] != sequence[:-period]


@pytest.mark.parametrize("language", ["en", "ko"])
def test_neither_the_longest_nor_the_shortest_choice_is_a_good_guess(assignments, key, language):
    found = cells(assignments.source_notebook("quiz", language))
    for extreme in (max, min):
        hits = 0
        for number, letter in key.items():
            lengths = [len(choice) for choice in offered(found, number, language)]
            ends = [i for i, length in enumerate(lengths) if length == extreme(lengths)]
            hits += (LETTERS.index(letter) in ends) / len(ends)
        assert hits <= QUESTIONS * 3 / 8, extreme.__name__


def test_the_release_says_the_same_of_every_question(quiz, assignments):
    """Apart from its number and what to read again: so no cell can tell one answer from another."""
    release = assignments.released(quiz)
    for cell in release.cells:
        cell.metadata.get("beyond", {}).pop("read", None)
        if not cell.metadata.get("beyond", True):
            del cell.metadata["beyond"]
    for kind in ("answer", "test"):
        sources = {
            re.sub(r"q\d+", "q", str((cell.source, cell.metadata))).replace(OWN_ORDER, "")
            for cell in release.cells
            if cell.id.endswith(f"-{kind}")
        }
        assert len(sources) == 1
    assert not [cell.id for cell in release.cells if cell.id.endswith("-explanation")]
    assert "hidden" not in str(release.cells).lower()


@pytest.fixture(scope="module")
def draws():
    """The values of some students."""
    declared = declared_values(Course.here(), "quiz")
    return [
        {name: one.draw(b"some", "quiz", name, str(student)) for name, one in declared.items()}
        for student in range(40)
    ]


@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_student_has_four_options_in_an_order_of_their_own(assignments, draws, language):
    found = cells(assignments.source_notebook("quiz", language))
    for number in OWN:
        seen = Counter()
        for values in draws:
            assert len(set(offered(found, number, language, values))) == 4
            seen["".join(values[f"q{number}_order"])] += 1
        assert len(seen) > 10


def test_the_numbers_of_the_correct_option_fit(assignments, draws):
    found = cells(assignments.source_notebook("quiz"))
    for values in draws:
        rank, width = values["q7_rank"], values["q7_width"]
        assert offered(found, 7, "en", values)[0].startswith(f"{rank * (width + width):,}: ")
        few, many = (int(re.sub(r"\D", "", text)) for text in offered(found, 8, "en", values)[1:3])
        assert 0 < few < many  # as the explanation says
        assert few * values["q8_before"] == pytest.approx(values["q8_fixed"])
        times = float(re.search(r"[\d.]+", offered(found, 10, "en", values)[1])[0])
        assert times == pytest.approx(2 * (1 - values["q10_less"] / 100))
        assert times > 1


# --- what scores -------------------------------------------------------------------------


def test_the_key_scores_everything(quiz, assignments):
    ran = assignments.run_in_kernel(quiz)
    assert assignments.total(ran) == QUESTIONS
    assert not [cell_id for cell_id, cell in ran.items() if cell.error or cell.stderr]


@pytest.mark.parametrize("step", [1, 2, 3])
def test_every_wrong_letter_scores_nothing(quiz, assignments, run, key, step):
    wrong = {n: LETTERS[(LETTERS.index(letter) + step) % 4] for n, letter in key.items()}
    ran = run(assignments.answered(quiz, written(wrong)))
    assert assignments.total(ran) == 0
    for number in key:
        assert ran[f"q{number}-test"].failed == {"the answer is correct"}


def test_the_letters_of_the_own_order_score_and_those_of_another_do_not(
    quiz, assignments, run, key, draws
):
    for values in draws[:4]:
        Path("own-values.json").write_text(json.dumps({"own": values}))
        own = {n: LETTERS[values[f"q{n}_order"].index(key[n])] for n in OWN}
        ran = run(assignments.answered(quiz, written({**key, **own})))
        assert assignments.total(ran) == QUESTIONS
        assert assignments.total(run(quiz)) == QUESTIONS  # the solution follows the order
        ran = run(assignments.answered(quiz, written(key)))
        lucky = sum(own[n] == key[n] for n in OWN)
        assert assignments.total(ran) == QUESTIONS - len(OWN) + lucky
        for n in OWN:
            if own[n] != key[n]:
                said = f"Question {n}: you chose {key[n]}; {own[n]} is correct"
                assert said in ran[f"q{n}-test"].text


def test_one_wrong_answer_costs_one_point(quiz, assignments, run, key):
    other = "A" if key[7] != "A" else "B"
    ran = run(assignments.answered(quiz, written({7: other})))
    assert assignments.total(ran) == QUESTIONS - 1


@pytest.mark.parametrize("change", [str, str.lower])
def test_a_small_letter_or_a_stray_space_counts_the_same(quiz, assignments, run, key, change):
    forms = ['"{}"', "'{}'", '" {} "', '"{}\\n"', 'str("{}")']
    answers = {
        f"q{n}-answer": f"q{n} = " + forms[n % len(forms)].format(change(letter))
        for n, letter in key.items()
    }
    assert assignments.total(run(assignments.answered(quiz, answers))) == QUESTIONS


def test_a_new_line_below_the_stub_counts(quiz, assignments, run, key):
    stub = assignments.without_solutions(quiz)
    answers = {
        cell_id: f'{source}\nq{n} = "{key[n]}"'
        for n, (cell_id, source) in enumerate(assignments.solutions(stub).items(), 1)
    }
    assert assignments.total(run(assignments.answered(stub, answers))) == QUESTIONS


def test_any_other_form_scores_nothing_and_is_told(quiz, assignments, run, key):
    forms = ['"{0}{0}"', '"ABCD"', '"{0})"', '["{0}"]', '("{0}",)', '""', "1", "True", 'b"{0}"']
    answers = {f"q{n}-answer": f"q{n} = " + form.format(key[n]) for n, form in enumerate(forms, 1)}
    for notebook in (quiz, assignments.released(quiz)):
        ran = run(assignments.answered(notebook, answers))
        for number, form in enumerate(forms, 1):
            test = ran[f"q{number}-test"]
            assert (test.points, test.error) == (0, "CheckFailed"), form
            assert "Replace None with one letter in quotes" in test.text


def test_validate_calls_no_letter_wrong(quiz, assignments, run):
    release = assignments.released(quiz)
    for letter in LETTERS:
        answers = {
            cell_id: source.replace("None", f'"{letter}"')
            for cell_id, source in assignments.solutions(release).items()
        }
        ran = run(assignments.answered(release, answers))
        assert not [cell_id for cell_id, cell in ran.items() if cell.error or cell.stderr]


@pytest.mark.parametrize("language", ["en", "ko"])
def test_an_untouched_notebook_stops_nowhere_and_scores_nothing(assignments, run, language):
    quiz = assignments.source_notebook("quiz", language)
    for notebook in (assignments.released(quiz), assignments.without_solutions(quiz)):
        ran = run(notebook)
        assert assignments.total(ran) == 0
        assert not [cell_id for cell_id, cell in ran.items() if cell.error]
        assert "q3" in ran["q3-test"].stderr


def test_an_untouched_notebook_in_a_kernel(quiz, assignments):
    ran = assignments.run_in_kernel(assignments.released(quiz))
    assert not [cell_id for cell_id, cell in ran.items() if cell.error]
    assert ran["q3-test"].stderr == "Not answered yet: q3\n"


def test_a_wrong_answer_in_the_release_is_told_nothing(quiz, assignments, run, key):
    release = assignments.released(quiz)
    wrong = {n: LETTERS[LETTERS.index(letter) - 1] for n, letter in key.items()}
    ran = run(assignments.answered(release, written(wrong)))
    records = [str(ran[f"q{n}-test"].record) for n in key]
    without_order = [re.sub(r", 'letters': \{.*?\}", "", record) for record in records]
    # the student's own letter
    said = {re.sub(r"q\d+|'[A-D]'", "?", record) for record in without_order}
    assert len(said) == 1  # the same words for every question, whatever its answer is


def test_a_wrong_answer_is_graded_with_both_letters(quiz, assignments, run, key):
    wrong = {n: LETTERS[LETTERS.index(letter) - 1] for n, letter in key.items()}
    ran = run(assignments.answered(quiz, written(wrong)))
    for n, letter in key.items():
        assert f"Question {n}: you chose {wrong[n]}; {letter} is correct" in ran[f"q{n}-test"].text
