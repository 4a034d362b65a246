"""Compare the learner's guess before an experiment with its result."""

from __future__ import annotations

from beyond.locale import _, translated


def against(guess: float | None, measured: float, unit: str = "") -> None:
    """Print the learner's guess next to the measured value; None means no guess yet.

    Args:
        guess: the learner's number, in `unit`.
        measured: the measured number, in `unit`.
        unit: of both numbers; translated into the reader's language.
    """
    unit = translated(unit)
    # a separate text, because not every language puts a space before the unit
    shown = _("{number} {unit}").format(number=_readable(measured), unit=unit).rstrip()
    if guess is None:
        print(
            _("Measured: {measured}. You have not guessed yet; guess before the next one.").format(
                measured=shown
            )
        )
        return
    line = _("Your guess: {guess}. Measured: {measured}.").format(
        guess=_readable(guess), measured=shown
    )
    if measured and guess > 0:
        ratio = guess / measured
        if 0.8 <= ratio <= 1.25:
            line += " " + _("That is close.")
        elif ratio > 1:
            line += " " + _("The guess was {ratio:.1f} times too high.").format(ratio=ratio)
        else:
            line += " " + _("The guess was {ratio:.1f} times too low.").format(ratio=1 / ratio)
    print(line)


def _readable(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 1_000 else f"{number:.4g}"
