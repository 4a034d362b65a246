"""Long text is cut kindly, and says what is gone."""

from hypothesis import given
from hypothesis import strategies as st

from autograder.feedback.text import (
    MAX_LINE_CHARS,
    MAX_LINES,
    MAX_TEXT_CHARS,
    plain,
    readable,
    shortened,
)


def test_short_text_is_itself():
    assert readable("한글\n\tx") == "한글\n\tx"


def test_a_line_of_ten_megabytes():
    text = readable("a" * 10_000_000 + "end")
    assert len(text) < MAX_LINE_CHARS + 200
    assert text.endswith("end") and f"{10_000_003 - MAX_LINE_CHARS:,} characters left out" in text


def test_too_many_lines_keep_both_ends():
    text = readable("\n".join(f"line {number}" for number in range(10_000)))
    assert text.startswith("line 0\n") and text.endswith("\nline 9999")
    assert f"… {10_000 - MAX_LINES:,} lines left out here …" in text


def test_terminal_codes_and_progress_bars():
    assert plain("\x1b[0;31mred\x1b[0m \x1b]8;;https://x\x07link\x1b]8;;\x07\x00\x7f") == "red link"
    assert plain("10%\r50%\r100%\nnext\r\n") == "100%\nnext\n"
    assert plain("a \ud800 b") == "a ? b"
    assert plain(["a\n", "b"]) == "a\nb"


@given(st.text(max_size=500), st.integers(50, 300), st.integers(2, 30))
def test_it_is_never_much_longer_than_asked(text, most, lines):
    found = shortened(text, most, lines)
    assert len(found) <= most + 101
    assert found.count("\n") <= max(lines, 1)


@given(st.text())
def test_plain_text_can_be_written(text):
    assert plain(text).encode("utf-8") is not None and plain(plain(text)) == plain(text)


def test_the_whole_stays_within_its_size():
    assert len(readable("\n".join("x" * 1_500 for _line in range(150)))) < MAX_TEXT_CHARS + 200
