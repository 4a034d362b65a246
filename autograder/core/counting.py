"""Say how many there are of something, in English."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, as in "1 page" and "2 pages"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
