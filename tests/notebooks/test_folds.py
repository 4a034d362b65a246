"""Folds: what opens one says what is in it, so no two of a lesson are called the same."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
USUAL = {"Hint", "Solution", "Answer", "힌트", "풀이", "답"}
SAYS_NOTHING = {"Interpretation", "Explanation", "Details", "More", "해석", "설명", "더 보기"}
LESSONS = [
    path.relative_to(NOTEBOOKS).with_suffix("").as_posix()
    for code in ("en", "ko")
    for path in sorted((NOTEBOOKS / code).glob("*.ipynb"))
]


@pytest.mark.parametrize("lesson", LESSONS)
def test_no_two_interpretations_open_with_the_same_words(lesson):
    cells = nbformat.read(NOTEBOOKS / f"{lesson}.ipynb", as_version=4).cells
    prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    opened = Counter(re.findall(r"<summary>(.*?)</summary>", prose))
    assert {words for words, times in opened.items() if times > 1} <= USUAL
    assert not SAYS_NOTHING & set(opened)


def test_every_lesson_and_appendix_is_read():
    assert {
        f"{code}/{name}"
        for code in ("en", "ko")
        for name in (
            "00-start-here",
            "09-edge-deployment",
            "appendix-mixture-of-experts",
        )
    } <= set(LESSONS)
