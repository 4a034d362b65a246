"""beyond.ui.clock: it starts at zero and counts."""

from beyond.ui.clock import Clock


def test_clock_starts_at_zero_and_counts():
    clock = Clock(40)
    assert "00:00 of about 40 minutes" in clock.face.value
    clock.play.value = 754
    assert "12:34 of about 40 minutes" in clock.face.value
    assert clock._repr_mimebundle_()["text/plain"] == "12:34 of about 40 minutes"
