"""beyond.ui.figures: Hangul renders, every figure has words, the charts say what they draw."""

import math
import warnings

import pytest
from matplotlib import font_manager, pyplot
from matplotlib.ft2font import FT2Font

from beyond.cost import formula as cost
from beyond.ui import figures

BEFORE = cost.Option(cost.Price(0.15, 0.6), 1_200, 80, label="퓨샷")
AFTER = cost.Option(
    cost.Price(0.3, 1.2), 200, 80, training=120, trainings_per_year=4, label="미세 조정"
)


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


def test_break_even_chart_says_where_the_lines_cross():
    chart = figures.break_even_chart(BEFORE, AFTER, calls=250_000)
    crossing = cost.break_even(AFTER.fixed, BEFORE.call, AFTER.call)
    assert f"cross at {crossing:,.0f} calls" in chart.alt
    assert "today there are 250,000" in chart.alt
    lines = chart.figure.axes[0].get_lines()
    assert lines[0].get_ydata()[-1] == pytest.approx(BEFORE.monthly(lines[0].get_xdata()[-1]))


@pytest.mark.parametrize("calls", [0, 1, 10**9])
def test_break_even_chart_draws_when_nothing_crosses(calls):
    chart = figures.break_even_chart(AFTER, AFTER, calls)
    assert "cross at ∞ calls" in chart.alt
    chart.png()


def test_break_even_chart_draws_when_everything_is_free():
    free = cost.Option(cost.Price(0, 0), 0, 0, label="free")
    figures.break_even_chart(free, free, 0).png()


def test_tornado_draws_infinite_results_and_tells_them():
    swings = [
        cost.Swing("tokens after", 100, 400, 5e6, math.inf),
        cost.Swing("training", 200, 2_000, 3e6, 2.8e7),
    ]
    chart = figures.tornado(swings, base=7e6, unit="calls", title="What moves N*?")
    assert "tokens after from 100 to 400 moves the result from 5,000,000 to ∞" in chart.alt
    assert chart.png()


def test_use_style_sets_a_font_with_hangul():
    with figures.mpl.rc_context():
        figures.use_style()
        assert figures.HANGUL_FONT in figures.mpl.rcParams["font.family"]
