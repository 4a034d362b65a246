"""Import this in the process that pages' processes are forks of: all that a page needs, loaded.

A page's process gives up its rights before it reads a student's work, and could then neither
find nor read what it had still to load.
"""

from __future__ import annotations

import latex2mathml.converter
import nbgrader.preprocessors

from autograder.config import FEEDBACK_STEPS
from autograder.feedback import page
from autograder.feedback.sanitize import markdown_to_html
from autograder.i18n import speaking
from beyond.locale import available

__all__ = ["FEEDBACK_STEPS", "latex2mathml", "nbgrader", "page"]


def _warm_up() -> None:
    """Bring into memory what is loaded at first use: texts, lexers, the template."""
    for code in available():
        with speaking(code):
            markdown_to_html("# a\n\n```python\nb = 1\n```\n\n| c |\n|---|\n| $d$ |\n")
    page.warm_up()


_warm_up()
