"""nbgrader in JupyterLab, on this course (or the one that AUTOGRADER_COURSE names)."""

import os

from autograder.config import Course

# The kernel of the Validate button inherits it, and without asserts every test would pass.
os.environ.pop("PYTHONOPTIMIZE", None)

course = Course.here()
c = get_config()  # noqa: F821 - traitlets puts it there
c.merge(course.nbgrader_config())
# The Assignment List fetches to, and submits from, work/<language>/.
language = os.environ.get("AUTOGRADER_LANGUAGE") or course.source_language
c.Exchange.assignment_dir = str(course.root / "work" / language)
