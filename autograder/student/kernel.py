"""The kernel of the Python that runs the grader: the one that a course's notebooks run in.

Notebooks name the kernel that they were saved under, which exists on that machine only, and a user
may have installed another Python's kernel under any name, `python3` too. Neither is looked up.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from ipykernel.kernelspec import make_ipkernel_cmd
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager

_SETTINGS_KEPT = {
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONHOME",
    "PYTHONNOUSERSITE",
    "PYTHONPATH",
    "PYTHONPYCACHEPREFIX",
}
"""Python's variables that say where things are; the others change what code does."""


_LONGEST_PATH = 95
"""The most characters of the connection file's path: a socket's, made from it, may have 103."""


class CourseKernelManager(AsyncKernelManager):
    """Manage a kernel of this Python, which starts as Python starts without settings.

    As in grading, where no variable reaches: with PYTHONOPTIMIZE, for one, every assert of a test
    would be left out, so that everything passes. IPython's own start-up files aren't run either.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        # Removed when this manager is.
        self._folder = tempfile.TemporaryDirectory(
            prefix="autograder-kernel-", ignore_cleanup_errors=True
        )
        connection = Path(self._folder.name, "kernel.json")
        if os.name != "nt" and len(str(connection)) < _LONGEST_PATH:
            # Whoever connects to a port of a kernel's reads code and outputs, without any key.
            self.transport, self.connection_file = "ipc", str(connection)

    @property
    def kernel_spec(self) -> KernelSpec:
        """Return the one kernel that there is, whatever `kernel_name` says."""
        if self._kernel_spec is None:
            unset = {name for name in os.environ if name.startswith("PYTHON")} - _SETTINGS_KEPT
            self._kernel_spec = KernelSpec(
                argv=make_ipkernel_cmd(),
                display_name="Python 3",
                language="python",
                # Python takes an empty variable for none; an unwritable home would make IPython
                # complain.
                env={**dict.fromkeys(unset, ""), "IPYTHONDIR": self._folder.name},
            )
        return self._kernel_spec
