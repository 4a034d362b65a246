"""Load everything that a page needs, on import, in the process that pages' processes fork from.

A page's process drops its privileges before it reads a student's work, and can then be unable to
read what it still has to load: the course, or Python itself, may lie in a folder that is root's
alone. So a page with something of everything is made here first.
"""

from __future__ import annotations

import base64
from datetime import datetime
from pathlib import Path

import nbgrader.preprocessors  # noqa: F401 - registers what the steps are made of
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output, new_raw_cell

from autograder.checks import MIME_TYPE
from autograder.feedback.grades import CellGrade, Grades
from autograder.feedback.job import TOO_MUCH, PageJob, plain_page, whole_page
from autograder.i18n import domains, speaking

_PROSE = """# a <b>c</b> &eacute; $d_{1}$ [e](https://example.org) ![f](attachment:g.png)

```python
h = 1
```

```
i
```

| j |
|---|
| $$\\frac{k}{2}$$ |
"""

_CODE = """# l
class M:
    \"\"\"n\"\"\"
    def o(self): return f"{1.5}" + 'p'
%q
!r
"""

_PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
)


def _sample() -> NotebookNode:
    """Return a notebook with something of everything that a page shows."""
    checks = {"checks": [{"name": "s", "passed": False, "message": "t", "weight": 1}]}
    shown = {
        "text/plain": "u",
        "text/html": "<table style='color: red'><tr><td>v</td></tr></table>",
    }
    outputs = [
        new_output("stream", name="stdout", text="\x1b[31mw\x1b[0m"),
        new_output("error", ename="x", evalue="y", traceback=["z"]),
        new_output("display_data", data={MIME_TYPE: checks, **shown}),
        new_output("display_data", data={"text/markdown": _PROSE}),
        new_output("display_data", data={"text/latex": "$a$"}),
        new_output("display_data", data={"image/png": _PIXEL}),
        new_output("display_data", data={"image/jpeg": base64.b64encode(b"b").decode()}),
        new_output("display_data", data={"image/svg+xml": "<svg/>"}),
    ]
    attachments = {"g.png": {"image/png": _PIXEL}}
    sample: NotebookNode = new_notebook(
        cells=[
            new_markdown_cell(_PROSE, attachments=attachments),
            new_raw_cell(_PROSE),
            new_code_cell(_CODE, outputs=outputs),
        ]
    )
    return sample


def _warm_up() -> None:
    grades = Grades(
        datetime(2026, 1, 2), None, 60.0, 0.5, {"a": CellGrade(1.0, 2.0, False, False)}, {"a": "b"}
    )
    job = PageJob("a", "b", "c", Path(), grades)
    for code in ("", *domains()[-1].languages()):
        with speaking(code):
            plain_page(job, _sample(), TOO_MUCH)
            whole_page(job, _sample())


_warm_up()
