"""Load everything that a page needs, on import, in the process that pages' processes fork from.

A page's process drops its privileges before it reads a student's work, and might then be unable
to read what it still had to load.
"""

from __future__ import annotations

import latex2mathml.converter
import nbgrader.preprocessors

from autograder.config import FEEDBACK_STEPS
from autograder.feedback import page
from autograder.feedback.sanitize import markdown_to_html
from autograder.i18n import domains, speaking

__all__ = ["FEEDBACK_STEPS", "latex2mathml", "nbgrader", "page"]


def _warm_up() -> None:
    """Load what is only loaded at first use: texts, lexers, the template."""
    for code in ("", *domains()[-1].languages()):
        with speaking(code):
            markdown_to_html("# a\n\n```python\nb = 1\n```\n\n| c |\n|---|\n| $d$ |\n")
    page.warm_up()


_warm_up()
