"""Say how a choice question went, from what its checks recorded.

A check that calls `autograder.checks.choice` records the question, the option that the student
chose and, in a hidden check, the correct one. Who reads it decides whether the correct one may be
named: not before the due date, because another submission may follow.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from autograder.i18n import _

__all__ = ["merged_choice", "outcome_in_words", "read_option"]

_NUMBERED = re.compile(r"q(\d+)", re.IGNORECASE)


def read_option(answer: object, options: str) -> str | None:
    """Return the option that an answer names, in any case and between spaces; None if none.

    Args:
        answer: the student's, as a plain value.
        options: the letters to choose from, such as "ABCD".
    """
    letter = answer.strip().upper() if isinstance(answer, str) else ""
    return letter if len(letter) == 1 and letter in options else None


def outcome_in_words(check: Mapping[str, Any], reveal: bool = True) -> str | None:
    """Return a sentence on a choice question that was answered wrong; None for any other check.

    Args:
        check: one check of a record.
        reveal: whether to name the correct option.
    """
    choice = check.get("choice")
    if check.get("passed") or not isinstance(choice, Mapping):
        return None
    chosen, correct = choice.get("chosen"), choice.get("correct")
    if not chosen or not correct or chosen == correct:
        return None  # the last: the answer was another one when the hidden check asked
    letters = choice.get("letters")
    if isinstance(letters, Mapping):  # the student had the options in another order
        chosen, correct = letters.get(chosen, chosen), letters.get(correct, correct)
    question = _NUMBERED.sub(r"\1", str(choice.get("question")))
    if reveal:
        return _("Question {question}: you chose {chosen}; {correct} is correct").format(
            question=question, chosen=chosen, correct=correct
        )
    return _("Question {question}: you chose {chosen}, which is not correct").format(
        question=question, chosen=chosen
    )


def merged_choice(
    hidden: object,
    visible: Mapping[str, str],
    literals: set[str],
    letters: Mapping[str, Mapping[str, str]] | None = None,
) -> dict[str, Any] | None:
    """Return what may be kept of a choice that a hidden check recorded; None if nothing.

    Args:
        hidden: what the check recorded in the run with hidden tests, in which student code may
            have seen the key, so that only the instructor's own words are taken from it.
        visible: what students chose in the run without them, by question.
        literals: the strings that stand in the test's source.
        letters: the student's letter of each option, from that run too, by question; of those
            whose options each student has in another order.
    """
    if not isinstance(hidden, Mapping):
        return None
    question, correct = hidden.get("question"), hidden.get("correct")
    if not isinstance(question, str) or not isinstance(correct, str):
        return None
    if question not in visible or correct not in literals:
        return None
    own = (letters or {}).get(question)
    kept = {"question": question, "chosen": visible[question], "correct": correct}
    return {**kept, "letters": own} if own else kept
