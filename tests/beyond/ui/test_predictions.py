"""beyond.ui.predictions: a guess beside the result."""

import pytest

from beyond.ui.predictions import against


@pytest.mark.parametrize(
    ("guess", "measured", "shown"),
    [
        (None, 33, "Measured: 33 tokens. You have not guessed yet"),
        (30, 33, "Your guess: 30. Measured: 33 tokens. That is close."),
        (100, 10, "10.0 times too high"),
        (5, 20, "4.0 times too low"),
        (0, 20, "Your guess: 0. Measured: 20 tokens."),
        (3, 0, "Your guess: 3. Measured: 0 tokens."),
    ],
)
def test_against(guess, measured, shown, capsys):
    against(guess, measured, "tokens")
    assert shown in capsys.readouterr().out
