"""Ask a lesson's self-check questions, which aren't graded.

Each lesson's folder has a module `self_check` with a function `questions()`. The questions are
there and not in the notebook, so that learners don't see an answer before they have thought about
it. Choices are shown in an order of their own, in which the correct ones take every position
about equally often, so an explanation must not refer to "the first one".
"""

from __future__ import annotations

import hashlib
import html
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import ipywidgets

from beyond.locale import _
from beyond.ui.self_check_record import keep_answer
from beyond.ui.widgets import PlainBox


@dataclass(frozen=True)
class Choice:
    """A possible answer to a question."""

    text: str
    why: str
    """Why it is correct, or why it is tempting but wrong."""
    right: bool = False


@dataclass(frozen=True)
class Question:
    """A question with exactly one correct choice."""

    text: str
    choices: tuple[Choice, ...]

    def __post_init__(self) -> None:
        if sum(choice.right for choice in self.choices) != 1:
            raise ValueError(f"A question needs exactly one correct choice: {self.text}")


def shuffled(questions: Sequence[Question]) -> list[Question]:
    """Return questions with their choices in another order, the same every time.

    The correct ones take each position about equally often.
    """
    most = max((len(question.choices) for question in questions), default=1)
    places: list[int] = []
    found = []
    for question in questions:
        dice = random.Random(hashlib.sha256(question.text.encode()).digest())
        if not places:  # each position once before any comes again
            places = dice.sample(range(most), most)
        place = next((one for one in places if one < len(question.choices)), 0)
        if place in places:
            places.remove(place)
        choices = [choice for choice in question.choices if not choice.right]
        dice.shuffle(choices)
        correct = next(choice for choice in question.choices if choice.right)
        choices.insert(place, correct)
        found.append(replace(question, choices=tuple(choices)))
    return found


class SelfCheck(PlainBox):
    """Questions with choices; a button shows whether the choice is correct, and why.

    `choices` are the radio buttons, `buttons` the buttons, `answers` the explanations, one of
    each per question.
    """

    def __init__(self, questions: Sequence[Question]) -> None:
        self.questions = shuffled(questions)
        self.choices: list[ipywidgets.RadioButtons] = []
        self.buttons: list[ipywidgets.Button] = []
        self.answers: list[ipywidgets.HTML] = []
        rows: list[ipywidgets.Widget] = []
        for number, question in enumerate(self.questions, start=1):
            title = ipywidgets.HTML(f"<p><b>{number}. {html.escape(question.text)}</b></p>")
            choice = ipywidgets.RadioButtons(
                options=[(c.text, i) for i, c in enumerate(question.choices)],
                value=None,
                tooltip=question.text,
                layout=ipywidgets.Layout(width="100%"),
            )
            button = ipywidgets.Button(
                description=_("Check"),
                tooltip=_("Check question {number}").format(number=number),
            )
            answer = ipywidgets.HTML()
            button.on_click(lambda _button, i=number - 1: self.answer(i))
            self.choices.append(choice)
            self.buttons.append(button)
            self.answers.append(answer)
            rows += [title, choice, button, answer]
        super().__init__(rows, lambda: _PlainQuestions(self.questions))

    def answer(self, index: int) -> None:
        """Show whether the choice made for question `index` (from 0) is correct, and why."""
        chosen = self.choices[index].value
        if chosen is None:
            text = _("Choose an answer first.")
        else:
            choice = self.questions[index].choices[chosen]
            text = f"{_verdict(choice.right)} {choice.why}"
            keep_answer(index + 1, choice.right, len(self.questions))
        self.answers[index].value = f'<p role="status">{html.escape(text)}</p>'

    def explained(self) -> str:
        """Return every choice with its explanation, as text."""
        lines = []
        for number, question in enumerate(self.questions, start=1):
            lines.append(f"{number}. {question.text}")
            for letter, choice in zip("ABCDEFGH", question.choices, strict=False):
                lines.append(f"   {letter}. {_verdict(choice.right)} {choice.why}")
        return "\n".join(lines)


class _PlainQuestions:
    """Questions without widgets; in HTML the answers open by click or Enter."""

    def __init__(self, questions: Sequence[Question]) -> None:
        self._questions = questions

    def __str__(self) -> str:
        lines = []
        for number, question in enumerate(self._questions, start=1):
            lines.append(f"{number}. {question.text}")
            for letter, choice in zip("ABCDEFGH", question.choices, strict=False):
                lines.append(f"   {letter}. {choice.text}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        show = html.escape(_("Show the answers"))
        parts = []
        for number, question in enumerate(self._questions, start=1):
            choices = "".join(f"<li>{html.escape(c.text)}</li>" for c in question.choices)
            why = "".join(
                f"<li>{html.escape(f'{_verdict(c.right)} {c.why}')}</li>" for c in question.choices
            )
            parts.append(
                f"<p><b>{number}. {html.escape(question.text)}</b></p>"
                f'<ol type="A">{choices}</ol>'
                f"<details><summary>{show}</summary>"
                f'<ol type="A">{why}</ol></details>'
            )
        return "".join(parts)


def _verdict(right: bool) -> str:
    return "✓ " + _("Correct.") if right else "✗ " + _("Not this one.")
