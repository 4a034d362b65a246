"""Name the folders of a hub, and who may do what in each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Layout:
    """The folders below one, such as /srv/beyond-prompting.

    Attributes:
        folder: the folder; everybody may enter it, only root may write there.
    """

    folder: Path

    @property
    def student(self) -> Path:
        """The unpacked bundle and, in `.venv`, the environment; root's, for all to read."""
        return self.folder / "student"

    @property
    def jupyter(self) -> Path:
        """Jupyter's settings for each role; root's, for all to read."""
        return self.folder / "jupyter"

    @property
    def session(self) -> Path:
        """What starts a user's server, as that user; root's, for all to read."""
        return self.folder / "session.py"

    @property
    def course(self) -> Path:
        """The instructors' course: sources, gradebook and term; closed to everybody else."""
        return self.folder / "course"

    @property
    def exchange(self) -> Path:
        """The root of nbgrader's exchange, with nbgrader's own modes."""
        return self.folder / "exchange"

    @property
    def hub(self) -> Path:
        """The hub's own: its environment, proxy, database and secrets; root's alone."""
        return self.folder / "hub"

    @property
    def settings(self) -> Path:
        """What the hub's configuration is told."""
        return self.hub / "settings.json"

    @property
    def first_passwords(self) -> Path:
        """The passwords that users get from the instructor, as CSV."""
        return self.hub / "first-passwords.csv"
