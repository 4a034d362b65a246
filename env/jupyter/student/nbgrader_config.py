"""For a student: the Assignment List fetches to, and submits from, work/<language>/."""

import os

from autograder.course import Course

c = get_config()  # noqa: F821  (traitlets puts it there)
c.Exchange.assignment_dir = str(
    Course.here().root / "work" / os.environ.get("BEYOND_LANGUAGE", "en")
)
