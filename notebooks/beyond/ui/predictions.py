"""Compare the learner's guess before an experiment with its result."""

from __future__ import annotations

import math
import re

from beyond.locale import SOURCE_LANGUAGE, _, language, translated

_COUNTED = re.compile(
    r"\b(answer|bit|call|day|dollar|epoch|error|example|expert|head|hour|layer|message|minute|model"
    r"|month|parameter|passage|point|question|run|second|step|tile|token|value"
    r"|word)s\b"
)
"""English nouns of units, of which there may be exactly one."""


def against(guess: float | None, measured: float, unit: str = "") -> None:
    """Print the learner's guess next to the measured value; None means no guess yet.

    Percentages are compared in percentage points; counts "of" something, and numbers one of which
    is 0 or negative, by their difference; all others by their ratio.

    Args:
        guess: the learner's number, in `unit`.
        measured: the measured number, in `unit`.
        unit: of both numbers, in the plural; translated into the reader's language.
    """
    shown = _with_unit(measured, unit)
    if guess is None:
        print(
            _("Measured: {measured}. You have not guessed yet; guess before the next one.").format(
                measured=shown
            )
        )
        return
    number = _as_number(guess)
    if number is None:
        text = _("Your guess has to be a number, such as 12. Measured: {measured}.")
        print(text.format(measured=shown))
        return
    line = _("Your guess: {guess}. Measured: {measured}.").format(
        guess=_readable(number), measured=shown
    )
    print(f"{line} {_verdict(number, float(measured), unit)}".rstrip())


def _as_number(guess: object) -> float | None:
    """Return a guess as a finite number; None if it is none."""
    if isinstance(guess, bool):
        return None
    try:
        number = float(guess)  # type: ignore[arg-type]  # what it can't take, it says
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _verdict(guess: float, measured: float, unit: str) -> str:
    """Return how far the guess is off, as a sentence."""
    if not math.isfinite(measured):
        return ""
    if _readable(guess) == _readable(measured):
        return _("Exactly.")
    distance = abs(guess - measured)
    if unit == "%":
        close = min(5.0, max(1.0, 0.2 * abs(measured)))
    elif guess <= 0 or measured <= 0 or unit.startswith("of "):
        close = 0.2 * max(abs(guess), abs(measured))
        unit = "" if unit.startswith("of ") else unit
    else:
        ratio = guess / measured
        if 0.8 <= ratio <= 1.25:
            return _("That is close.")
        if ratio > 1:
            text = _("The guess was too high by a factor of {factor}.")
            return text.format(factor=_readable(ratio, 2))
        text = _("The guess was too low by a factor of {factor}.")
        return text.format(factor=_readable(1 / ratio, 2))
    if distance <= close and guess * measured >= 0:
        return _("That is close.")
    off = _with_unit(float(f"{distance:.3g}"), unit)
    if unit == "%":
        off = off.removesuffix("%")
        off = (
            _("{number} percentage points").format(number=off)
            if off != "1"
            else _("1 percentage point")
        )
    if guess > measured:
        return _("The guess was {difference} too high.").format(difference=off)
    return _("The guess was {difference} too low.").format(difference=off)


def _with_unit(number: float, unit: str) -> str:
    """Return a number with its unit, in the reader's language."""
    text = _readable(number)
    own = translated(unit)
    if text == "1" and own == unit and language() in ("", SOURCE_LANGUAGE):
        own = _COUNTED.sub(r"\1", own, count=1)
    if own == "%":
        return f"{text}%"
    # a separate text, because not every language puts a space before the unit
    return _("{number} {unit}").format(number=text, unit=own).rstrip()


def _readable(number: float, digits: int = 4) -> str:
    if abs(number) >= 1_000:
        return f"{number:,.0f}"
    text = f"{number:.{digits}g}"
    return text if "e" not in text or digits == 4 else f"{number:.0f}"
