"""beyond.ui.figures: Hangul renders, every figure has words, the charts say what they draw."""

import warnings

import pytest
from matplotlib import font_manager, pyplot
from matplotlib.ft2font import FT2Font

from beyond.ui import figures


def test_the_pinned_font_has_every_syllable_of_the_standard_set():
    figures._font_family()
    font = FT2Font(font_manager.findfont(figures.HANGUL_FONT, fallback_to_default=False))
    standard = {
        bytes((row, cell)).decode("euc-kr")
        for row in range(0xB0, 0xC9)
        for cell in range(0xA1, 0xFF)
    }
    assert len(standard) == 2_350
    assert all(font.get_char_index(ord(syllable)) for syllable in standard)


def test_drawing_hangul_warns_of_no_missing_letter():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chart = figures.bars({"토큰 −×→∞": [1, 2]}, ["영어", "한국어"], "토큰 수", "같은 글")
        assert chart.png().startswith(b"\x89PNG")


def test_a_figure_without_alt_text_is_refused():
    with pytest.raises(ValueError, match="alt text"):
        figures.Chart(pyplot.figure(), "  ")


def test_chart_is_shown_once_with_its_alt_text_escaped():
    figure = pyplot.figure()
    chart = figures.Chart(figure, 'a < b & "c"')
    assert figure.number not in pyplot.get_fignums()
    shown = chart._repr_mimebundle_()
    assert shown["text/plain"] == 'a < b & "c"'
    assert 'alt="a &lt; b &amp; &quot;c&quot;"' in shown["text/html"]
    assert "data:image/png;base64," in shown["text/html"]


def test_use_style_sets_a_font_with_hangul():
    with figures.mpl.rc_context():
        figures.use_style()
        assert figures.HANGUL_FONT in figures.mpl.rcParams["font.family"]
