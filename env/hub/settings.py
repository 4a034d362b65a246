"""Keep what a hub is set up with: written by the launcher, read by the hub's configuration."""

from __future__ import annotations

import dataclasses
import json
import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from hub.layout import Layout


@dataclass(frozen=True)
class HubSettings:
    """What the hub is set up with.

    Attributes:
        course_id: what nbgrader calls the course; also the folder in a student's home.
        folder: the hub's folder (`Layout`).
        scripts: the folder with the commands of the environment that all servers run on.
        instructors: the Unix group whose members get Formgrader and the gradebook.
        students: the ids, which are Unix users.
        users: "system" for passwords of the system (PAM), "native" for the hub's own.
        host: the address to listen on.
        port: the port there.
        hub_port: the hub's own port on loopback, behind the proxy.
        proxy_port: that of the proxy's interface on loopback.
        memory_bytes: what one user's processes may hold.
        cores: how many cores they may use.
        idle_minutes: how long a server may be unused; 0 for ever.
        language: of the assignments in the Assignment List.
        gradebook: the gradebook's address, when it isn't the file in `term/`.
        scheduler: the Dask scheduler whose workers grade.
        certificate: the file with the certificate, for HTTPS.
        key: the file with its key.
        domain: the address below which each user's server has a host name of its own.
    """

    course_id: str
    folder: str
    scripts: str
    instructors: str
    students: list[str]
    users: str
    host: str
    port: int
    hub_port: int
    proxy_port: int
    memory_bytes: int
    cores: int
    idle_minutes: float
    language: str
    gradebook: str = ""
    scheduler: str = ""
    certificate: str = ""
    key: str = ""
    domain: str = ""

    @property
    def layout(self) -> Layout:
        """The folders."""
        return Layout(Path(self.folder))

    @property
    def python(self) -> Path:
        """The interpreter that all servers run on."""
        return Path(self.scripts) / "python"

    def write(self) -> None:
        """Write them where only root reads them: the gradebook's address may hold a password."""
        beside = self.layout.settings.with_suffix(".new")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as out:
            json.dump(dataclasses.asdict(self), out, indent=1)
        os.replace(beside, self.layout.settings)

    @classmethod
    def read(cls, path: Path) -> HubSettings:
        """Read them."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    def home(self, name: str, role: str) -> Path:
        """Return the folder that a user's JupyterLab shows."""
        if role == "instructor":
            return self.layout.course
        return Path(pwd.getpwnam(name).pw_dir) / self.course_id

    def variables(self, name: str, role: str) -> dict[str, str]:
        """Return the environment variables of a user's server.

        Args:
            name: the Unix user.
            role: "student" or "instructor".
        """
        settings = self.layout.jupyter
        found = {
            "AUTOGRADER_COURSE": str(self.home(name, role)),
            "AUTOGRADER_EXCHANGE": str(self.layout.exchange),
            "AUTOGRADER_LANGUAGE": self.language,
            "AUTOGRADER_RELEASED": str(self.layout.exchange / self.course_id / "outbound"),
            "COURSE_HUB_ROLE": role,
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HOME": pwd.getpwnam(name).pw_dir,
            "JUPYTER_PATH": str(settings),  # for its labextensions
            "JUPYTER_CONFIG_PATH": os.pathsep.join(
                str(settings / part) for part in (role, "all", "hub")
            ),
            "PATH": f"{self.scripts}{os.pathsep}/usr/local/bin:/usr/bin:/bin",
            "PYTHONNOUSERSITE": "1",
            "PYTHONUTF8": "1",
            "VIRTUAL_ENV": str(Path(self.scripts).parent),
        }
        if role == "instructor":
            # Students' servers are told neither where the gradebook is nor who grades.
            if self.gradebook:
                found["AUTOGRADER_GRADEBOOK"] = self.gradebook
            if self.scheduler:
                found["AUTOGRADER_SCHEDULER"] = self.scheduler
        return found
