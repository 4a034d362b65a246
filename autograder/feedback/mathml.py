r"""Convert TeX to MathML, which browsers render without loading or running anything.

latex2mathml converts; its output is parsed strictly and only known elements and values are
kept, because it passes `\href`, `\style` and markup inside `\text` through.
"""

from __future__ import annotations

import html
import re
import xml.etree.ElementTree as ElementTree

MAX_TEX_CHARS = 2_000
"""The most characters of a formula that is converted; a longer one is shown as TeX."""

_MATHML = "{http://www.w3.org/1998/Math/MathML}"
_ELEMENTS = frozenset(
    [
        "math",
        "mrow",
        "mi",
        "mo",
        "mn",
        "mtext",
        "ms",
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
        "mmultiscripts",
        "mprescripts",
        "none",
    ]
)
_ATTRIBUTES = frozenset(
    [
        "display",
        "displaystyle",
        "scriptlevel",
        "mathvariant",
        "mathcolor",
        "mathbackground",
        "mathsize",
        "stretchy",
        "fence",
        "separator",
        "form",
        "accent",
        "accentunder",
        "largeop",
        "movablelimits",
        "symmetric",
        "minsize",
        "maxsize",
        "lspace",
        "rspace",
        "linethickness",
        "columnalign",
        "rowspacing",
        "columnspacing",
        "columnlines",
        "rowlines",
        "frame",
        "notation",
        "width",
        "height",
        "depth",
    ]
)
# Words, colors and lengths under 100; nothing with a colon, a quote or a parenthesis.
_VALUE = re.compile(r"[a-zA-Z-]{1,24}|#[0-9a-fA-F]{3,8}|-?\d{0,2}(?:\.\d{1,4})?(?:[a-z]{2}|%)?")

# A few macros that use each other can expand to more than memory holds.
_DEFINES = re.compile(
    r"\\(?:[egx]?def|let|(?:re)?newcommand|providecommand|newenvironment|Declare)"
)


def mathml(tex: str, block: bool = False) -> str:
    """Return a formula as a `<math>` element, or as code if it can't be converted."""
    try:
        if len(tex) > MAX_TEX_CHARS or _DEFINES.search(tex):
            raise ValueError(tex[:20])
        # The import takes over 0.1 s, and not every page has a formula.
        from latex2mathml.converter import convert

        made = convert(tex.strip(), display="block" if block else "inline")
        return _kept(ElementTree.fromstring(made))
    # The converter has an exception for each kind of invalid TeX, and for some it raises
    # KeyError or IndexError.
    except Exception:
        return f"<code>{html.escape(tex)}</code>"


def _kept(element: ElementTree.Element) -> str:
    name = element.tag.removeprefix(_MATHML)
    if element.tag == name or name not in _ELEMENTS:
        raise ValueError(name)
    attributes = "".join(
        f' {key}="{value}"'
        for key, value in element.attrib.items()
        if key in _ATTRIBUTES and all(_VALUE.fullmatch(word) for word in value.split())
    )
    inside = html.escape(element.text or "") + "".join(
        _kept(child) + html.escape(child.tail or "") for child in element
    )
    return f"<{name}{attributes}>{inside}</{name}>"
