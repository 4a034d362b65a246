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


# CSS's hue-rotate(180deg), by the Filter Effects specification.
HALF_TURN = ((-0.574, 1.43, 0.144), (0.426, 0.43, 0.144), (0.426, 1.43, -0.856))


def _rgb(color):
    return [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]


def _in_the_dark(rgb):
    turned = [0.93 + (1 - 2 * 0.93) * part for part in rgb]
    made = [sum(a * b for a, b in zip(row, turned, strict=True)) for row in HALF_TURN]
    return [min(1.0, max(0.0, part)) for part in made]


def _luminance(rgb):
    line = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
    return 0.2126 * line[0] + 0.7152 * line[1] + 0.0722 * line[2]


def _contrast(one, other):
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", ["BLUE", "ORANGE", "GREEN", "RED", "GRAY"])
def test_every_color_stands_out_from_the_page_in_both_themes(name):
    white, color = [1.0] * 3, _rgb(getattr(figures, name))
    assert _contrast(color, white) >= 3
    assert _contrast(_in_the_dark(color), _in_the_dark(white)) >= 3
    assert _contrast(_in_the_dark([0.0] * 3), _in_the_dark(white)) >= 7  # what is written
    assert "invert(0.93) hue-rotate(180deg)" in figures.THEME_STYLE


def test_a_picture_keeps_its_colors_and_a_chart_follows_the_theme():
    chart = figures.Chart(pyplot.figure(), "a chart")
    assert f'class="{figures.THEMED}"' in chart.html() and figures.THEME_STYLE in chart.html()
    picture = figures.Chart(pyplot.figure(), "a picture", keep_colors=True)
    assert figures.THEMED not in picture.html()
