"""Student's HTML, markdown and TeX: nothing runs, loads, leads astray or covers; the rest stays."""

import json
import re
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.feedback.mathml import mathml
from autograder.feedback.sanitize import clean_html, markdown_to_html

HOSTILE = json.loads((Path(__file__).parents[2] / "data" / "hostile.json").read_text("utf-8"))
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)
HARMLESS = frozenset(
    [
        "a",
        "abbr",
        "b",
        "blockquote",
        "br",
        "caption",
        "cite",
        "code",
        "col",
        "colgroup",
        "dd",
        "del",
        "details",
        "dfn",
        "div",
        "dl",
        "dt",
        "em",
        "figcaption",
        "figure",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "i",
        "img",
        "ins",
        "kbd",
        "li",
        "mark",
        "ol",
        "p",
        "pre",
        "q",
        "s",
        "samp",
        "small",
        "span",
        "strong",
        "sub",
        "summary",
        "sup",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
        "u",
        "ul",
        "var",
        "wbr",
    ]
)
FORMULAS = frozenset(
    [
        "math",
        "mrow",
        "mi",
        "mo",
        "mn",
        "mtext",
        "mspace",
        "msup",
        "msub",
        "msubsup",
        "mfrac",
        "msqrt",
        "mroot",
        "mover",
        "munder",
        "munderover",
        "mtable",
        "mtr",
        "mtd",
        "mstyle",
        "mpadded",
        "mphantom",
        "menclose",
        "ms",
        "mmultiscripts",
        "mprescripts",
        "none",
    ]
)


class _Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict]] = []

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_comment(self, data):
        raise AssertionError(f"a comment: {data}")


def elements(html: str) -> list[tuple[str, dict]]:
    parser = _Elements()
    parser.feed(html)
    return parser.found


def assert_harmless(html: str) -> None:
    for tag, attributes in elements(html):
        assert tag in HARMLESS | FORMULAS, tag
        for name, value in attributes.items():
            assert not name.startswith("on") and ":" not in name, name
            assert name not in ("id", "name", "srcset", "target", "ping", "action", "xmlns")
            if name == "href":
                assert tag == "a" and re.match(r"https?://|mailto:", value), value
            elif name == "src":
                assert tag == "img" and re.match(r"data:image/(png|jpeg);base64,", value), value
            elif name == "style":
                assert not re.search(r"url|position|fixed|[(\\@]", value), value


@pytest.mark.parametrize("source", HOSTILE["html"])
def test_hostile_html_is_harmless(source):
    assert_harmless(clean_html(source) or "")


@pytest.mark.parametrize("source", [*HOSTILE["html"], *HOSTILE["markdown"]])
def test_hostile_markdown_is_harmless(source):
    assert_harmless(markdown_to_html(source))
    assert_harmless(markdown_to_html(f"text {source} text $x$", headings_down=2))


@pytest.mark.parametrize("source", HOSTILE["tex"])
def test_hostile_formulas_are_harmless(source):
    assert_harmless(mathml(source))
    assert_harmless(markdown_to_html(f"a ${source}$ b\n\n$$\n{source}\n$$"))


PIECES = st.sampled_from(
    [
        *"<>\"'&=/ $`[]()!#*\n",
        "script",
        "img src=x onerror=canary() ",
        "javascript:",
        "<svg>",
        "<math>",
        "<style>",
        "</style>",
        "<!--",
        "-->",
        "a href=",
        "data:image/png;base64,",
        "$$",
        "\\text{",
        "}",
        "\\href{",
        '<span class="',
        "<p title='",
        "<table>",
        "<template>",
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(PIECES, max_size=25).map("".join))
def test_no_mixture_gets_through(source):
    assert_harmless(clean_html(source) or "")
    assert_harmless(markdown_to_html(source))


def test_cleaning_twice_changes_nothing():
    for source in HOSTILE["html"]:
        once = clean_html(source)
        inside = (
            once.removeprefix('<div class="tex2jax_ignore" style="overflow: auto">')[:-6]
            if once
            else ""
        )
        assert not once or clean_html(inside) == once


def test_what_students_mean_stays():
    html = markdown_to_html(
        "# 제목\n\n한국어 **굵게** `a < b` [link](https://example.org/?a=1&b=2) "
        "$x_1 < \\frac{1}{2}$\n\n"
        "| a | b |\n|---|---|\n| 1 | 2 |\n\n```python\nif a < b: print('한글')\n```\n\n"
        f"![a dot](data:image/png;base64,{PIXEL})",
        headings_down=2,
    )
    tags = [tag for tag, _attributes in elements(html)]
    for tag in ("h3", "strong", "code", "table", "mfrac", "pre", "img"):
        assert tag in tags
    assert "한국어" in html and "한글" in html and "a &lt; b" in html and "&amp;lt;" not in html
    assert ("a", "https://example.org/?a=1&b=2") in [
        (tag, attributes.get("href")) for tag, attributes in elements(html)
    ]
    assert PIXEL in html


def test_a_data_frame_and_a_figure_stay():
    table = clean_html(
        "<style scoped>.x{}</style><table border=1 class=dataframe><thead><tr><th>a</th>"
        "</tr></thead><tbody><tr><td style='text-align: right'>1.5</td></tr></table>"
    )
    assert "1.5" in table and "text-align: right" in table and ".x{}" not in table
    figure = clean_html(
        f'<figure><img src="data:image/png;base64,{PIXEL}" alt="A dot" '
        'style="max-width: 100%"></figure>'
    )
    assert PIXEL in figure and 'alt="A dot"' in figure


def test_a_picture_that_may_not_be_loaded_leaves_its_words():
    assert "A tracker" in clean_html('<img src="https://canary.invalid/x" alt="A tracker">')
    assert "graph.png" in markdown_to_html("![graph.png](attachment:graph.png)")  # left behind


def test_an_attachment_is_shown():
    html = markdown_to_html("![x](attachment:a.png)", attachments={"a.png": {"image/png": PIXEL}})
    assert PIXEL in html
    evil = {"a.svg": {"image/svg+xml": "PHN2Zy8+"}}
    assert "svg" not in markdown_to_html("![x](attachment:a.svg)", attachments=evil)


def test_nothing_and_too_much_are_told_apart():
    assert clean_html("<script>x</script> <p>\u200b</p>") == ""
    assert clean_html("<b>" * 60_000) is None


def test_pathological_sources_are_done_soon():
    """Nothing here may take minutes; measured for a person to see, not asserted by the second."""
    started = time.monotonic()
    for piece in (
        "[",
        "![[",
        "*a",
        "$$ a ",
        "\\\\[",
        "`a",
        ">",
        "<div>",
        "<a><b>",
        "\\begin{a}",
        "_a_",
    ):
        source = piece * (25_000 // len(piece))
        markdown_to_html(source)
        clean_html(source)
    print(f"{time.monotonic() - started:.1f} s")


@pytest.mark.parametrize("tex", ["{" * 1_900, r"\frac" * 400, r"\left(" * 300, "x^" * 900])
def test_a_formula_that_is_none_is_shown_as_typed(tex):
    assert mathml(tex).startswith("<code>")


def test_macros_unfold_nothing():
    bomb = r"\newcommand{\a}{xx}" + "".join(
        rf"\newcommand{{\{chr(98 + i)}}}{{\{chr(97 + i)}\{chr(97 + i)}}}" for i in range(20)
    )
    assert mathml(bomb + r"\u").startswith("<code>")
