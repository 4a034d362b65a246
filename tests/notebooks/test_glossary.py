"""The glossary: its terms in both languages, sixty to a hundred and ten, each leading to its lesson."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder.authoring import glossary
from autograder.authoring.glossary import Glossary

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
ENGLISH = Glossary.read(NOTEBOOKS / "en" / "glossary.md")
KOREAN = Glossary.read(NOTEBOOKS / "ko" / "glossary.md")


def test_both_pages_have_the_same_terms_in_order():
    assert 60 <= len(ENGLISH.terms) <= 110
    assert list(glossary.own_problems(ENGLISH)) == list(glossary.own_problems(KOREAN)) == []
    assert list(glossary.page_problems(ENGLISH, KOREAN)) == []


@pytest.mark.parametrize("page", [ENGLISH, KOREAN], ids=["en", "ko"])
def test_a_meaning_is_one_sentence(page):
    text = (NOTEBOOKS / ("en" if page is ENGLISH else "ko") / "glossary.md").read_text("utf-8")
    meanings = [row[2] for row in glossary._rows(text) if len(row) == 4]
    assert len(meanings) == len(page.terms)
    for meaning in meanings:
        assert meaning.endswith(".")
        assert meaning.count(". ") == 0, meaning


def test_every_lesson_introduces_some():
    introduced = {term.lesson.split("-")[0] for term in ENGLISH.terms}
    assert introduced - {"appendix"} == {f"0{number}" for number in range(10)}
