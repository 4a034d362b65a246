"""Lesson 0: its exercise takes the solution that it shows, and its hints fit the mistakes."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest

LESSON = Path(__file__).resolve().parents[2] / "notebooks/en/00-start-here.ipynb"
CELLS = {cell.id: cell.source for cell in nbformat.read(LESSON, 4).cells}
SOLUTION = re.search(r"```python\n(.*?)```", CELLS["partial-credit"], re.DOTALL)[1]


def shown(answer, capsys):
    """Return what the checks of `monthly_tokens` show for an answer, on one line."""
    bound: dict = {}
    exec(answer, bound)
    exec(CELLS["monthly-tokens-check"], bound)
    captured = capsys.readouterr()
    return " ".join((captured.out + captured.err).split())


def test_the_shown_solution_passes(capsys):
    text = shown(SOLUTION, capsys)
    assert text.count("✓") == CELLS["monthly-tokens-check"].count("with check(")
    assert "✗" not in text


def test_the_stub_is_not_answered_yet(capsys):
    assert "Not answered yet" in shown(CELLS["monthly-tokens"], capsys)


@pytest.mark.parametrize(
    ("product", "hint"),
    [
        ("prompt_tokens * calls_per_day", "This is one day"),
        ("calls_per_day * days", "each of them has 300 tokens"),
        ("prompt_tokens * days", "Each day has 1,000 calls"),
        ("prompt_tokens * calls_per_day * 30", "not every month has 30"),
    ],
)
def test_a_likely_mistake_gets_the_hint_that_fits(product, hint, capsys):
    text = shown(SOLUTION.replace("prompt_tokens * calls_per_day * days", product), capsys)
    assert "✗" in text
    assert hint in text
