"""A starting point for JupyterHub: every user gets this course, as a student or an instructor.

Not run by this project's tests: read it, adapt it, and try it with two users before a class
depends on it. It assumes one Linux server on which `python3 env install` has made the environment
in COURSE (owned by root, readable by all), and jupyterhub in the hub's own environment.
"""

import os
from pathlib import Path

COURSE = Path("/srv/beyond-prompting")  # this repository, for instructors
BUNDLE = Path("/srv/beyond-prompting-bundle")  # what `autograder bundle` packed: no solutions
EXCHANGE = Path("/srv/exchange")  # mkdir it, then: chmod ugo+rwx (nbgrader sets modes inside)
INSTRUCTORS = {"ada"}

c = get_config()  # noqa: F821 - traitlets puts it there
c.JupyterHub.authenticator_class = "pam"
c.Authenticator.allow_all = True
c.Authenticator.admin_users = INSTRUCTORS
c.Spawner.cmd = [str(COURSE / ".venv/bin/jupyterhub-singleuser")]  # pip install jupyterhub there
c.Spawner.default_url = "/lab/tree/notebooks/START.md"
c.Spawner.notebook_dir = "~/beyond-prompting"
c.Spawner.mem_limit = "8G"  # honored by container spawners, not by the local one
c.Spawner.cpu_limit = 2


def prepare(spawner):
    """Give the user a copy of the course (students: of the bundle) and Jupyter's settings."""
    import pwd
    import subprocess

    name = spawner.user.name
    home = Path(pwd.getpwnam(name).pw_dir)
    course = home / "beyond-prompting"
    role = "instructor" if name in INSTRUCTORS else "student"
    # --update=none never overwrites; as the user, so that nothing in the home is root's.
    source = COURSE if role == "instructor" else BUNDLE
    for origin, target in ((source, course), (source / "release", course / "work")):
        subprocess.run(
            [
                "runuser",
                "-u",
                name,
                "--",
                "rsync",
                "-a",
                "--ignore-existing",
                "--exclude=.venv",
                f"{origin}/",
                f"{target}/",
            ],
            check=True,
        )
    settings = COURSE / "env/jupyter"
    spawner.environment = {
        "AUTOGRADER_COURSE": str(course),
        "AUTOGRADER_EXCHANGE": str(EXCHANGE),
        "AUTOGRADER_LANGUAGE": "en",
        "JUPYTER_CONFIG_PATH": os.pathsep.join([str(settings / role), str(settings / "all")]),
        "PATH": f"{COURSE}/.venv/bin:/usr/bin:/bin",
    }


c.Spawner.pre_spawn_hook = prepare
