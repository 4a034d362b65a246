"""Configure Sphinx for one language of the course site; `build.py` starts it for each."""

import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS))

# `build.py` sets the language with -D, which comes later; this is what else depends on it.
is_korean = tags.has("ko")  # noqa: F821 - Sphinx defines it
title = "일반 프롬프트를 넘어서기" if is_korean else "Beyond Prompting"

project = title
author = "Beyond Prompting"
html_title = title
language = "ko" if is_korean else "en"
exclude_patterns = []
extensions = ["myst_nb", "math_markup", "korean_search", "language_switch", "table_heads"]

nb_execution_mode = "off"  # execute.py has done it
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "colon_fence", "attrs_inline"]
myst_heading_anchors = 4
suppress_warnings = ["mystnb.unknown_mime_type", "misc.highlighting_failure"]

templates_path = [str(DOCS / "templates")]
html_static_path = [str(DOCS / "static")]
html_css_files = ["site.css"]
html_js_files = [("cost_explorer.js", {"defer": "defer"}), ("site.js", {"defer": "defer"})]
html_favicon = str(DOCS / "static" / "favicon.svg")
html_sidebars = {"**": ["sidebar-top.html", "sbt-sidebar-nav.html"]}
html_math_renderer = "mathml"
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_last_updated_fmt = "%Y-%m-%d"
html_theme = "sphinx_book_theme"
html_theme_options = {
    "use_download_button": False,
    "use_fullscreen_button": False,
    "home_page_in_toc": True,
    "show_navbar_depth": 1,
    "article_header_end": ["language-switch.html", "article-header-buttons.html"],
    "footer_content_items": ["last-updated.html"],
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "search_bar_text": "검색" if is_korean else "Search",
    "toc_title": "이 페이지의 내용" if is_korean else "On this page",
}
