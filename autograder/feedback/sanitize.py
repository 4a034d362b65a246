"""Sanitize what a student wrote or displayed: HTML that can't run, load, send or cover anything.

Markdown is rendered first and sanitized then, because only the HTML shows what became of
`[x](javascript:…)`. The sanitizer is an allow-list of elements, attributes and values, applied by
nh3 (bindings to the Rust library ammonia; bleach, which nbconvert uses, is no longer maintained).
The result makes no request: images are data URLs, and links only open when clicked.
"""

from __future__ import annotations

import collections
import functools
import html
import re
import secrets
import unicodedata

import nh3
from jinja2 import pass_context
from jinja2.runtime import Context
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import BashLexer, JsonLexer, PythonLexer
from pygments.token import STANDARD_TYPES

from autograder.core.images import checked_url
from autograder.feedback.mathml import mathml
from autograder.feedback.text import plain, shortened
from autograder.i18n import _

MAX_HTML_CHARS = 50_000
"""The most characters of HTML, not counting images, that are sanitized: for deeply nested HTML,
the time grows with the square of the length."""

MAX_HTML_DEPTH = 200
"""The deepest nesting of HTML that is sanitized."""

MAX_MARKDOWN_CHARS = 20_000
"""The most characters of Markdown; a longer text is shortened in the middle."""

_TAGS = frozenset(
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
# Elements whose text isn't meant for readers.
_DROPPED = frozenset(
    ["script", "style", "title", "head", "template", "noscript", "iframe", "svg", "math"]
)
_ATTRIBUTES = {
    "*": {"title", "style", "class", "lang", "dir"},
    "a": {"href"},
    "img": {"src", "alt", "width", "height"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan", "scope"},
    "col": {"span"},
    "ol": {"start", "reversed"},
    "details": {"open"},
    "span": {"role", "aria-label"},
}
_HIGHLIGHTING = frozenset({"highlight", *filter(None, STANDARD_TYPES.values())})
_LEXERS = {
    "python": PythonLexer,
    "py": PythonLexer,
    "python3": PythonLexer,
    "ipython": PythonLexer,
    "json": JsonLexer,
    "bash": BashLexer,
    "sh": BashLexer,
    "shell": BashLexer,
}
_VALUES = {
    "href": re.compile(r"(?:https?://|mailto:)[^\s\"'<>\\]{1,2000}", re.IGNORECASE),
    "width": re.compile(r"\d{1,4}"),
    "height": re.compile(r"\d{1,4}"),
    "colspan": re.compile(r"\d{1,2}"),
    "rowspan": re.compile(r"\d{1,2}"),
    "span": re.compile(r"\d{1,2}"),
    "start": re.compile(r"-?\d{1,6}"),
    "scope": re.compile(r"col|row|colgroup|rowgroup"),
    "dir": re.compile(r"ltr|rtl|auto"),
    "role": re.compile(r"img"),
}
# No position, negative length or url(): nothing may move, cover other elements, or load.
_STYLES = {
    "text-align": re.compile(r"left|right|center|justify|start|end"),
    "list-style": re.compile(r"none|disc|decimal"),
    "padding-left": re.compile(r"\d(?:\.\d{1,2})?em|\d{1,2}px"),
    "max-width": re.compile(r"\d{1,3}(?:%|em)"),
    "font-weight": re.compile(r"normal|bold|[1-9]00"),
    "font-style": re.compile(r"normal|italic"),
    "white-space": re.compile(r"normal|nowrap|pre|pre-wrap"),
}
_IMAGE_DATA = re.compile(r"data:image/[a-z+]{1,9};base64,[A-Za-z0-9+/=\s]*")
# In nh3's output, no attribute's value contains an unescaped `>`.
_IMAGE_WITHOUT_SOURCE = re.compile(r"<img(?![^>]* src=)[^>]*>")
_HEADING = re.compile(r"(</?h)([1-6])(?=[ >])")
_TAG = re.compile(r"<(/?)([a-zA-Z][^\s/>]{0,30})")
# Void elements, and those that the next of their kind closes; their containers are counted.
_NOT_NESTED = frozenset(
    [
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "source",
        "track",
        "wbr",
        "p",
        "li",
        "dt",
        "dd",
        "tr",
        "td",
        "th",
        "tbody",
        "thead",
        "tfoot",
        "option",
    ]
)
# MathJax, which nbgrader's pages load from a CDN, skips this class; overflowing content is clipped.
_OPEN = '<div class="tex2jax_ignore" style="overflow: auto">'


def clean_html(source: str) -> str | None:
    """Sanitize HTML of unknown origin.

    Returns:
        The sanitized HTML; "" if nothing visible is left; None if it is too long.
    """
    cleaned = _cleaned(plain(source), MAX_HTML_CHARS)
    if cleaned is None:
        return None
    return f"{_OPEN}{cleaned}</div>" if _shows_something(cleaned) else ""


def markdown_to_html(source: str, headings_down: int = 0, attachments: object = None) -> str:
    """Render Markdown with formulas as sanitized HTML.

    Args:
        source: the Markdown text, of unknown origin.
        headings_down: how many levels to lower headings by, to fit below the page's own.
        attachments: the cell's attachments, by name; anything else is ignored.
    """
    source = shortened(plain(source), MAX_MARKDOWN_CHARS)
    renderer = _Renderer(attachments if isinstance(attachments, dict) else {})
    try:
        rendered = MarkdownWithMath(renderer=renderer).render(source)
    except Exception:  # no text that a student writes may prevent the page
        cleaned = None
    else:
        cleaned = _cleaned(rendered, 10 * MAX_MARKDOWN_CHARS, renderer.mark)
    if cleaned is None:
        return f"{_OPEN}<pre>{html.escape(source)}</pre></div>"
    for number, formula in enumerate(renderer.formulas):
        cleaned = cleaned.replace(renderer.place(number), formula)
    return f"{_OPEN}{lowered(cleaned, headings_down)}</div>"


def highlighted(code: str, language: str = "python") -> str:
    """Return code as HTML with syntax highlighting; in an unknown language, only escaped."""
    lexer = _LEXERS.get(language)
    if lexer is None:
        return f"<pre><code>{html.escape(code)}</code></pre>"
    # For lines of nothing but spaces, pygments takes time quadratic in their number.
    lines = "\n".join(line.rstrip() for line in code.split("\n"))
    return str(highlight(lines, lexer(stripnl=False), HtmlFormatter()))


def lowered(cleaned: str, levels: int) -> str:
    """Return sanitized HTML with its headings lowered by some levels."""
    return _HEADING.sub(lambda found: f"{found[1]}{min(6, int(found[2]) + levels)}", cleaned)


@pass_context
def markdown_filter(context: Context, source: str) -> str:
    """Replace `markdown2html` in the templates of nbconvert and nbgrader."""
    cell = context.get("cell") or {}
    return markdown_to_html(str(source), attachments=cell.get("attachments"))


class _Renderer(IPythonRenderer):
    """Renders Markdown with a placeholder for each formula: MathML isn't sanitized.

    The placeholder is an element with quotes in it, which no attribute's value can contain
    unescaped, so a formula can only appear between elements. It contains a random number, so
    that no source can contain one of its own.
    """

    def __init__(self, attachments: dict[str, dict[str, str]]) -> None:
        super().__init__(escape=False, exclude_anchor_links=True, attachments=attachments)
        self.mark = f"m{secrets.token_hex(8)}"
        self.formulas: list[str] = []

    def place(self, number: int) -> str:
        return f'<span class="{self.mark}-{number}"></span>'

    def _formula(self, tex: str, block: bool) -> str:
        self.formulas.append(mathml(tex, block))
        return self.place(len(self.formulas) - 1)

    def image(self, text: str, url: str, title: str | None = None) -> str:
        # nbconvert raises an error for a missing attachment.
        name = url.removeprefix("attachment:")
        return super().image(text, url if name == url or name in self.attachments else "", title)

    def block_code(self, code: str, info: str | None = None) -> str:
        # Only a few of the hundreds of lexers that a student could name: well-known ones, loaded
        # before privileges are dropped.
        name = (info or "").split(maxsplit=1)
        return highlighted(code, name[0].lower() if name else "")

    def inline_math(self, body: str) -> str:
        return self._formula(body, block=False)

    def block_math(self, body: str) -> str:
        return self._formula(body, block=True)

    def latex_environment(self, name: str, body: str) -> str:
        return self._formula(f"\\begin{{{name}}}{body}\\end{{{name}}}", block=True)


def _cleaned(source: str, most: int, mark: str = "") -> str | None:
    if len(_IMAGE_DATA.sub("", source)) > most or _is_too_deep(source):
        return None
    cleaned = nh3.clean(
        source,
        tags=set(_TAGS),
        clean_content_tags=set(_DROPPED),
        attributes=_ATTRIBUTES,
        attribute_filter=functools.partial(_kept_value, mark),
        url_schemes={"http", "https", "mailto", "data"},
        link_rel="noopener noreferrer nofollow",
    )
    # Sanitizing closes elements that were left open, which can multiply the length.
    if len(cleaned) > 8 * len(source) + 1_000:
        return None
    return _IMAGE_WITHOUT_SOURCE.sub(_image_placeholder, cleaned)


def _is_too_deep(source: str) -> bool:
    """Return whether HTML is nested deeper than allowed, or may be.

    The time for sanitizing grows with the square of the depth, and a formatting element that is
    never closed is opened again in every later paragraph.
    """
    opened: collections.Counter[str] = collections.Counter()
    depth = 0
    for found in _TAG.finditer(source):
        name = found[2].lower()
        if name in _NOT_NESTED:
            continue
        if not found[1]:
            opened[name] += 1
            depth += 1
        elif opened[name]:
            opened[name] -= 1
            depth -= 1
        if depth > MAX_HTML_DEPTH:
            return True
    return False


def _image_placeholder(found: re.Match[str]) -> str:
    """Return the text that replaces an image that isn't shown, with its alternative text."""
    alt = re.search(r' alt="([^"]+)"', found.group())
    said = html.escape(
        _("an image is left out: only PNG and JPEG images embedded in the notebook are shown")
    )
    return f"<em>[{alt.group(1) + ': ' if alt else ''}{said}]</em>"


def _kept_value(mark: str, tag: str, name: str, value: str) -> str | None:
    """Return the allowed part of an attribute's value; None drops the attribute."""
    if name == "src":
        return checked_url(value)
    if name == "class":
        if mark and re.fullmatch(rf"{mark}-\d+", value):
            return value
        kept = [one for one in value.split() if one in _HIGHLIGHTING]
        return " ".join(kept) or None
    if name == "style":
        return _kept_style(value)
    if name in _VALUES:
        return value if _VALUES[name].fullmatch(value) else None
    return value[:2_000]


def _kept_style(style: str) -> str | None:
    kept = []
    for declaration in style.split(";"):
        key, _colon, value = (part.strip().lower() for part in declaration.partition(":"))
        if key in _STYLES and _STYLES[key].fullmatch(value):
            kept.append(f"{key}: {value}")
    return "; ".join(kept) or None


def _shows_something(cleaned: str) -> bool:
    if "<img " in cleaned or "<hr" in cleaned:
        return True
    text = html.unescape(re.sub(r"<[^>]*>", "", cleaned))
    return any(not one.isspace() and unicodedata.category(one)[0] != "C" for one in text)
