"""Messages use the words that the course's prose uses."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

ROOT = Path(__file__).resolve().parents[2]
CATALOGS = [
    "notebooks/beyond/locale/ko/LC_MESSAGES/beyond.po",
    "autograder/locale/ko/LC_MESSAGES/autograder.po",
    "source/locale/ko/LC_MESSAGES/beyond-hidden.po",
]
A_SIDE = r"left to right|on the right|right: |marked right or wrong|got it right"


@pytest.mark.parametrize("path", CATALOGS)
def test_an_answer_is_correct_and_right_is_a_side(path):
    with (ROOT / path).open("rb") as file:
        messages = [str(message.id) for message in read_po(file, locale="ko") if message.id]
    said = [re.sub(rf"{{\w+[^}}]*}}|{A_SIDE}", "", message) for message in messages]
    assert not [text for text in said if re.search(r"\b[Rr]ight(ly)?\b", text)]


def test_percentages_are_written_one_way():
    with (ROOT / CATALOGS[0]).open("rb") as file:
        messages = [str(message.id) for message in read_po(file, locale="ko")]
    assert not [text for text in messages if re.search(r"\d %(?!\d)", text)]


def test_a_bar_of_a_tornado_is_called_the_same_in_lesson_4_and_the_assignment():
    with (ROOT / CATALOGS[0]).open("rb") as file:
        said = [str(message.string) for message in read_po(file, locale="ko")]
    for path in ("notebooks/ko/04-the-cost-formula", "source/ko/cost-formula/cost-formula"):
        said.append((ROOT / f"{path}.ipynb").read_text(encoding="utf-8"))
    assert not [text for text in said if re.search(r"(긴|짧은) 막대|막대의 길이|\(길이 \d", text)]
