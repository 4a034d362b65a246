"""The questions with which a learner checks themselves; nobody grades these.

A module for each lesson, with a function `questions()`. They stand here and not in the lessons,
so that an answer isn't read by accident before it is thought about.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Choice:
    """One thing a learner may answer."""

    text: str
    why: str
    """Why it is right, or what makes it tempting and wrong."""
    right: bool = False


@dataclass(frozen=True)
class Question:
    """A question with exactly one right choice."""

    text: str
    choices: tuple[Choice, ...]

    def __post_init__(self) -> None:
        if sum(choice.right for choice in self.choices) != 1:
            raise ValueError(f"A question needs exactly one right choice: {self.text}")
