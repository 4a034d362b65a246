"""No character that misleads a reader or steers a terminal gets through, by whichever way."""

import io
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.markup import escape
from rich.progress import Progress, TextColumn
from rich.table import Table

from autograder.core.console import Console
from autograder.core.printable import (
    MARK,
    PrintableStream,
    one_line,
    printable,
    printable_value,
)

# What there is of each kind, all of it.
HOSTILE = [
    char
    for char in map(chr, range(sys.maxunicode + 1))
    if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")
    or unicodedata.bidirectional(char)
    in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
    or char in "\u200b\u200c\u200e\u200f\u061c\u2060\ufeff\u00ad\u3164\u115f\u1160\U000e0041"
]
KNOWN = frozenset(HOSTILE)
TEXTS = st.text(
    st.one_of(st.sampled_from(HOSTILE), st.characters(), st.sampled_from("[]{}/=+-@ab가"))
)


def is_shown(char):
    return char in "\n\t" or char not in KNOWN


@given(TEXTS)
def test_nothing_hostile_is_printable(text):
    found = printable(text)
    assert all(map(is_shown, found)) and len(found) == len(text)
    assert printable(found) == found
    found.encode("utf-8")


@given(TEXTS)
def test_one_line_is_one_line(text):
    found = one_line(text)
    assert all(map(is_shown, found)) and not set("\n\t") & set(found)
    assert len(found.splitlines()) <= 1 and one_line(found) == found


@pytest.mark.parametrize(
    "text",
    ["가나다 日本 ñ é العربية हिन्दी", "👩‍💻 ❤️‍🔥 👍🏽", "a = [1, 2]  # π ≠ 3", "e\u0301", "\tx\ny"],
)
def test_honest_text_stays(text):
    assert printable(text) == text


def test_a_joiner_stays_between_emoji_only():
    assert printable("a\u200db") == f"a{MARK}b" and "\u200d" in printable("👩\u200d💻")


def test_what_is_gone_leaves_a_mark():
    assert printable("a\x1b]52;c;cm0=\x07b") == f"a{MARK}]52;c;cm0={MARK}b"
    assert one_line("a\r\n  refused: b") == f"a{MARK}  refused: b"


def console(**settings):
    return Console(file=io.StringIO(), width=300, highlight=False, **settings)


@given(TEXTS)
def test_a_console_prints_nothing_hostile(text):
    out = console(soft_wrap=True)
    table = Table(title=escape(text))
    table.add_column(escape(text), overflow="fold")
    table.add_row(escape(text))
    out.print(escape(text))
    out.print(text, markup=False)
    out.print(text, style="red", markup=False)
    out.print(table)
    assert all(map(is_shown, out.file.getvalue()))


@given(TEXTS)
def test_a_progress_bar_shows_nothing_hostile(text):
    out = console()
    bar = Progress(TextColumn("{task.description}"), TextColumn("{task.fields[at]}"), console=out)
    bar.add_task(escape(text), at=escape(text))
    out.print(bar.get_renderable())
    assert all(map(is_shown, out.file.getvalue()))


def test_our_own_colors_stay_and_pass_the_streams_filter(monkeypatch):
    behind = io.StringIO()
    monkeypatch.setattr(sys, "stdout", PrintableStream(behind))
    Console(force_terminal=True, color_system="standard", highlight=False).print(
        "a\x1b[31mb", style="red", markup=False
    )
    print("c\x1b[31m")
    assert behind.getvalue() == f"\x1b[31ma{MARK}[31mb\x1b[0m\nc{MARK}[31m\n"


def test_html_stays_html():
    from markupsafe import Markup

    found = printable_value(Markup("<b>\u202ex</b>"))
    assert isinstance(found, Markup) and found == f"<b>{MARK}x</b>"
    assert printable_value(3) == 3
