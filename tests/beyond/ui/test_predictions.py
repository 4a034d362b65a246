"""beyond.ui.predictions: a guess beside the result."""

import math

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from beyond.locale import set_language
from beyond.ui.predictions import _verdict, against


@pytest.mark.parametrize(
    ("guess", "measured", "unit", "shown"),
    [
        (None, 33, "tokens", "Measured: 33 tokens. You have not guessed yet"),
        (30, 33, "tokens", "Your guess: 30. Measured: 33 tokens. That is close."),
        (33, 33.00001, "tokens", "Your guess: 33. Measured: 33 tokens. Exactly."),
        (100, 10, "tokens", "The guess was too high by a factor of 10."),
        (5, 20, "tokens", "The guess was too low by a factor of 4."),
        (2, 7, "tokens", "The guess was too low by a factor of 3.5."),
        (5, 1, "runs", "Measured: 1 run. The guess was too high by a factor of 5."),
        (5, 1, "tokens per second", "Measured: 1 token per second."),
        (5, 1, "right answers", "Measured: 1 right answer."),
        (5, 1, "times", "Measured: 1 times."),
        (0, 20, "tokens", "Measured: 20 tokens. The guess was 20 tokens too low."),
        (3, 0, "tokens", "Measured: 0 tokens. The guess was 3 tokens too high."),
        (0, 0, "tokens", "Exactly."),
        (-2, 5, "points", "The guess was 7 points too low."),
        (-5, -5.5, "points", "That is close."),
        (-1, -2, "points", "The guess was 1 point too high."),
        (-0.5, 0.5, "points", "The guess was 1 point too low."),
        (
            80,
            62,
            "%",
            "Your guess: 80. Measured: 62%. The guess was 18 percentage points too high.",
        ),
        (60, 62, "%", "That is close."),
        (3, 0.4, "%", "The guess was 2.6 percentage points too high."),
        (-10, 25.5, "%", "The guess was 35.5 percentage points too low."),
        (15, 20, "of 20", "Measured: 20 of 20. The guess was 5 too low."),
        (1e9, 1, "tokens", "too high by a factor of 1,000,000,000."),
        ("30", 33, "tokens", "Your guess: 30. Measured: 33 tokens. That is close."),
        (3, math.inf, "calls", "Your guess: 3. Measured: inf calls."),
    ],
)
def test_against(guess, measured, unit, shown, capsys):
    against(guess, measured, unit)
    assert shown in capsys.readouterr().out


@pytest.mark.parametrize("guess", ["many", [3], True, math.nan, math.inf, 10**400, ..., "", {}])
def test_what_is_no_number_is_said_in_one_sentence(guess, capsys):
    against(guess, 33, "tokens")
    assert capsys.readouterr().out == (
        "Your guess has to be a number, such as 12. Measured: 33 tokens.\n"
    )


@pytest.mark.parametrize(
    ("guess", "measured", "unit", "shown"),
    [
        (100, 10, "tokens", "예상값이 측정값의 10배였습니다."),
        (5, 20, "tokens", "측정값이 예상값의 4배였습니다."),
        (80, 62, "%", "측정값: 62%. 예상값이 18%포인트 높았습니다."),
        (3, 1, "runs", "1번"),
        (3, 12, "tokens per second", "12토큰/초"),
    ],
)
def test_korean(guess, measured, unit, shown, capsys):
    set_language("ko")
    against(guess, measured, unit)
    set_language("en")
    assert shown in capsys.readouterr().out


numbers = st.floats(-1e9, 1e9) | st.integers(-1000, 1000)


@for_all(numbers, numbers, st.sampled_from(["", "%", "tokens", "of 20"]))
def test_high_and_low_are_not_confused_and_nothing_is_negative(guess, measured, unit):
    text = _verdict(float(guess), float(measured), unit)
    assert ("too high" not in text) or guess > measured
    assert ("too low" not in text) or guess < measured
    assert "-" not in text.replace("e-", "")
    assert text
