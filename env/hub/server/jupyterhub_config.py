"""JupyterHub's configuration, made of what `python3 env hub` wrote down."""

import grp
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1]), str(HERE.parents[2])]

from hub import limits, packages  # noqa: E402 - found by the path set above
from hub.settings import HubSettings  # noqa: E402 - as above

c = get_config()  # noqa: F821 - traitlets puts it there
settings = HubSettings.read(Path(os.environ["COURSE_HUB_SETTINGS"]))
layout = settings.layout


def instructors() -> set[str]:
    """Return who is in the instructors' group now."""
    return set(grp.getgrnam(settings.instructors).gr_mem)


def prepare(spawner) -> None:
    """Give a server the folder, start page and settings of its user's role."""
    name = spawner.user.name
    role = "instructor" if name in instructors() else "student"
    spawner.environment = settings.variables(name, role)
    spawner.notebook_dir = str(settings.home(name, role))


scheme = "https" if settings.certificate else "http"
c.JupyterHub.bind_url = f"{scheme}://{settings.host}:{settings.port}"
# A browser then keeps what a student's server sends away from the hub's and the instructors' pages.
c.JupyterHub.subdomain_host = settings.domain
c.JupyterHub.ssl_cert = settings.certificate
c.JupyterHub.ssl_key = settings.key
c.JupyterHub.hub_ip = "127.0.0.1"
c.JupyterHub.hub_port = settings.hub_port
c.JupyterHub.cookie_secret_file = str(layout.hub / "cookie-secret")
c.JupyterHub.db_url = f"sqlite:///{layout.hub / 'jupyterhub.sqlite'}"
c.ConfigurableHTTPProxy.command = packages.proxy_command(layout)
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{settings.proxy_port}"
c.ConfigurableHTTPProxy.pid_file = str(layout.hub / "proxy.pid")

# Whoever has left the class list is out, whatever the hub's database remembers.
c.Authenticator.allowed_users = {*settings.students, *instructors()}
c.Authenticator.allow_existing_users = False
if settings.users == "native":
    c.JupyterHub.authenticator_class = "first_password.FirstPasswordAuthenticator"
    c.FirstPasswordAuthenticator.first_passwords = str(layout.first_passwords)
    import nativeauthenticator

    c.JupyterHub.template_paths = [str(Path(nativeauthenticator.__file__).parent / "templates")]
    # Nobody signs up: a name is a student's, and whoever comes first would get it.
    c.NativeAuthenticator.enable_signup = False
    c.NativeAuthenticator.minimum_password_length = 10
    c.NativeAuthenticator.allowed_failed_logins = 10
    c.NativeAuthenticator.seconds_before_next_try = 60
else:
    c.JupyterHub.authenticator_class = "pam"

c.Spawner.cmd = [str(settings.python), str(layout.session)]
c.Spawner.env_keep = ["LANG", "LC_ALL", "TZ"]  # nothing of root's own
c.Spawner.pre_spawn_hook = prepare
c.Spawner.default_url = "/lab/tree/notebooks/START.md"  # unless a session finds a better one
c.Spawner.start_timeout = 240
c.Spawner.poll_interval = 5  # until then, whoever takes a crashed server's port stands in its place
c.Spawner.http_timeout = 120
c.Spawner.mem_limit = settings.memory_bytes
c.Spawner.cpu_limit = settings.cores
if limits.mechanism() == "systemd":
    c.JupyterHub.spawner_class = "systemd_spawner.UnitSpawner"
    c.UnitSpawner.username_template = "{USERNAME}"
    c.UnitSpawner.unit_name_template = settings.course_id + "-{USERNAME}"
    c.UnitSpawner.isolate_tmp = True
    c.UnitSpawner.isolate_devices = True
    c.UnitSpawner.disable_user_sudo = True
else:
    c.JupyterHub.spawner_class = "limited_spawner.LimitedSpawner"

if settings.idle_minutes:
    c.JupyterHub.services = [
        {
            "name": "idle-culler",
            "command": [
                sys.executable,
                "-m",
                "jupyterhub_idle_culler",
                f"--timeout={round(settings.idle_minutes * 60)}",
            ],
        }
    ]
    c.JupyterHub.load_roles = [
        {
            "name": "idle-culler",
            "services": ["idle-culler"],
            "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
        }
    ]
