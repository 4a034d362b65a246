"""What a student wrote or displayed, as HTML that can't run, load, send or cover anything.

Markdown is turned into HTML first and cleaned then: what `[x](javascript:…)` becomes is only
seen afterwards. Cleaning is an allow-list of elements, attributes and values, applied by nh3
(the Rust library ammonia; maintained, where the bleach that nbconvert brings is not any more).
The result makes no request: pictures are data, links wait for a click and lead to the web.
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
from beyond.locale import _

MAX_HTML_CHARS = 50_000
"""The most characters of HTML, pictures not counted, that are cleaned: nested deep enough,
cleaning takes time that grows with the square of the length."""

MAX_HTML_DEPTH = 200
"""The most elements of HTML that may be open at a time."""

MAX_MARKDOWN_CHARS = 20_000
"""The most characters of markdown; of a longer one the beginning and the end stay."""

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
# Their text is no text for a reader.
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
# Nothing that moves, covers or loads: no position, no negative length, no url().
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
# In what nh3 gives, no attribute's value holds an unescaped `>`.
_IMAGE_WITHOUT_SOURCE = re.compile(r"<img(?![^>]* src=)[^>]*>")
_HEADING = re.compile(r"(</?h)([1-6])(?=[ >])")
# MathJax, which nbgrader's pages load from afar, leaves alone what has this class; what runs out
# of the box stays inside it.
_TAG = re.compile(r"<(/?)([a-zA-Z][^\s/>]{0,30})")
# Empty ones, and those that the next of their kind closes; what holds those is counted.
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
_OPEN = '<div class="tex2jax_ignore" style="overflow: auto">'


def clean_html(source: str) -> str | None:
    """HTML of unknown origin, made harmless.

    Returns:
        "" if nothing to be seen is left; None if it is too long to be cleaned.
    """
    cleaned = _cleaned(plain(source), MAX_HTML_CHARS)
    if cleaned is None:
        return None
    return f"{_OPEN}{cleaned}</div>" if _shows_something(cleaned) else ""


def markdown_to_html(source: str, headings_down: int = 0, attachments: object = None) -> str:
    """Markdown with formulas as harmless HTML.

    Args:
        headings_down: by how many levels headings are lowered, to fit below the page's own.
        attachments: the cell's attachments, by name.
    """
    source = shortened(plain(source), MAX_MARKDOWN_CHARS)
    renderer = _Renderer(attachments if isinstance(attachments, dict) else {})
    try:
        rendered = MarkdownWithMath(renderer=renderer).render(source)
    except Exception:  # whatever a student's text brings mistune to, the page must be made
        cleaned = None
    else:
        cleaned = _cleaned(rendered, 10 * MAX_MARKDOWN_CHARS, renderer.mark)
    if cleaned is None:
        return f"{_OPEN}<pre>{html.escape(source)}</pre></div>"
    for number, formula in enumerate(renderer.formulas):
        cleaned = cleaned.replace(renderer.place(number), formula)
    return f"{_OPEN}{lowered(cleaned, headings_down)}</div>"


def highlighted(code: str, language: str = "python") -> str:
    """Return a program as HTML with its words marked; other text is only escaped."""
    lexer = _LEXERS.get(language)
    if lexer is None:
        return f"<pre><code>{html.escape(code)}</code></pre>"
    # Where lines hold nothing but spaces, pygments looks from each of them through to the last.
    lines = "\n".join(line.rstrip() for line in code.split("\n"))
    return highlight(lines, lexer(stripnl=False), HtmlFormatter())


def lowered(cleaned: str, levels: int) -> str:
    """Harmless HTML with its headings some levels further down."""
    return _HEADING.sub(lambda found: f"{found[1]}{min(6, int(found[2]) + levels)}", cleaned)


@pass_context
def markdown_filter(context: Context, source: str) -> str:
    """`markdown2html` for the templates of nbconvert and nbgrader."""
    cell = context.get("cell") or {}
    return markdown_to_html(str(source), attachments=cell.get("attachments"))


class _Renderer(IPythonRenderer):
    """Leaves a mark where a formula stands; MathML itself is never given to the cleaner.

    The mark is an element with quotes in it, which no attribute's value can hold unescaped, so
    a formula can only appear between elements. It carries a random number, so no source can
    bring a mark of its own.
    """

    def __init__(self, attachments: dict) -> None:
        super().__init__(escape=False, exclude_anchor_links=True, attachments=attachments)
        self.mark = f"m{secrets.token_hex(8)}"
        self.formulas: list[str] = []

    def place(self, number: int) -> str:
        return f'<span class="{self.mark}-{number}"></span>'

    def _formula(self, tex: str, block: bool) -> str:
        self.formulas.append(mathml(tex, block))
        return self.place(len(self.formulas) - 1)

    def image(self, text: str, url: str, title: str | None = None) -> str:
        # nbconvert gives up on a notebook with an attachment that isn't there.
        name = url.removeprefix("attachment:")
        return super().image(text, url if name == url or name in self.attachments else "", title)

    def block_code(self, code: str, info: str | None = None) -> str:
        # Of the hundreds of lexers that a student could name, only a few, which are known well
        # enough and loaded when rights are given up.
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
    # Cleaning closes what was left open; that can be many times what was there.
    if len(cleaned) > 8 * len(source) + 1_000:
        return None
    return _IMAGE_WITHOUT_SOURCE.sub(_image_placeholder, cleaned)


def _is_too_deep(source: str) -> bool:
    """Whether more elements are open at a time than honest HTML has, or may be.

    Cleaning takes time that grows with the square of the depth, and a formatting element that is
    never closed is opened again in every paragraph behind it.
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
    """Words where a picture stood that may not be loaded; its own words stay."""
    alt = re.search(r' alt="([^"]+)"', found.group())
    said = html.escape(_("a picture is left out: only PNG and JPEG in the notebook are shown"))
    return f"<em>[{alt.group(1) + ': ' if alt else ''}{said}]</em>"


def _kept_value(mark: str, tag: str, name: str, value: str) -> str | None:
    """An attribute's value, as much of it as may stay; None drops the attribute."""
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
