"""The image of env/container, built and run with Podman, which needs no daemon."""

from __future__ import annotations

import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONTAINER = ROOT / "env" / "container"
BASE = "localhost/course-base"
# This machine's way to the package registries.
HANDED_ON = ("/etc/pip.conf", "/etc/hosts", "/etc/ssl/certs/ca-certificates.crt")

GRADE = """
set -e
python3 env run autograder release quiz --due 2030-01-01
mkdir -p inbox/s1 inbox/s2
cp release/en/quiz/quiz.ipynb inbox/s1/quiz.ipynb
sed 's/q1 = None/q1 = \\\\"A\\\\"/; s/q2 = None/q2 = open(\\\\"\\/course\\/source\\/en\\/quiz\\/quiz.ipynb\\\\").read()/' \
  release/en/quiz/quiz.ipynb > inbox/s2/quiz.ipynb
printf 'id,first_name,last_name,email\\ns1,A,B,s1@example.org\\ns2,C,D,s2@example.org\\n' > class.csv
python3 env run autograder collect quiz inbox --roster class.csv
python3 env run autograder grade quiz
"""


@dataclass
class Podman:
    """Podman with images and containers of its own."""

    folder: Path

    def __call__(self, *words: object) -> subprocess.CompletedProcess[str]:
        places = ("--root", self.folder / "images", "--runroot", self.folder / "run")
        return subprocess.run(
            list(map(str, ("podman", *places, "--runtime", "runc", *words))),
            cwd=self.folder / "course",
            capture_output=True,
            text=True,
            check=False,
        )

    def run(self, *words: object) -> str:
        """Start a container of the image; return what its command says."""
        done = self("run", "--rm", "--network", "host", *limits(), *words)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        return done.stdout


def limits() -> list[str]:
    """The options for a machine whose root may not raise its own limits, as Podman would."""
    return ["--ulimit", "nofile=1024:4096", "--ulimit", "nproc=4096:4096"]


def options_of_the_readme() -> list[str]:
    """What the README tells to start the container with, but for the port."""
    readme = (CONTAINER / "README.md").read_text(encoding="utf-8")
    [command] = re.findall(r"^docker run (?:.*\\\n)*.*$", readme, re.MULTILINE)
    words = shlex.split(command.replace("\\\n", " "))
    image = words.index("beyond-prompting")
    kept = words[2:image]
    port = kept.index("-p")
    return [word for word in kept[:port] + kept[port + 2 :] if word != "--rm"]


@pytest.fixture(scope="module")
def podman() -> Iterator[Podman]:
    """Podman with the image, built from what git tracks."""
    if os.geteuid() != 0:
        pytest.skip("only root can make the base image of Debian's packages")
    for program in ("podman", "runc", "mmdebstrap"):
        if not shutil.which(program):
            pytest.skip(f"this machine has no {program}")
    # Not pytest's folder: Podman takes no path longer than 50 characters.
    podman = Podman(Path(tempfile.mkdtemp(prefix="podman-", dir="/tmp")))
    git = ("git", "-c", f"safe.directory={ROOT}")
    subprocess.run([*git, "clone", "-q", f"file://{ROOT}", podman.folder / "course"], check=True)
    shutil.copytree(CONTAINER, podman.folder / "course/env/container", dirs_exist_ok=True)
    done = podman("import", base(), BASE)
    assert done.returncode == 0, done.stderr
    mounts = [
        word for path in HANDED_ON if Path(path).exists() for word in ("-v", f"{path}:{path}:ro")
    ]
    wheels = os.environ.get("PIP_FIND_LINKS", "")
    if Path(wheels).is_dir():
        mounts += ["-v", f"{wheels}:{wheels}:ro", "--env", f"PIP_FIND_LINKS={wheels}"]
    done = podman(
        *("build", "--network", "host", *limits(), *mounts, "--build-arg", f"BASE={BASE}"),
        *("-f", "env/container/Dockerfile", "-t", "beyond-prompting", "."),
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    yield podman
    podman("rm", "--all", "--force")
    podman("volume", "prune", "--force")
    podman("rmi", "--all", "--force")
    # Podman leaves its folder of layers mounted onto itself.
    layers = podman.folder / "images" / "overlay"
    subprocess.run(["umount", "--lazy", layers], capture_output=True, check=False)
    shutil.rmtree(podman.folder, ignore_errors=True)


def base() -> Path:
    """A root of Debian's packages, of this machine's release; it is kept in `.cache/`."""
    release = platform.freedesktop_os_release()["VERSION_CODENAME"]
    path = ROOT / ".cache" / f"container-base-{release}.tar"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        made = path.with_suffix(".new.tar")
        words = ("--quiet", "--variant=minbase", "--include=ca-certificates,python3")
        done = subprocess.run(
            ["mmdebstrap", *words, release, made], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        made.rename(path)
    return path


def test_the_sandbox_holds_as_the_readme_starts_it(podman: Podman) -> None:
    options = options_of_the_readme()
    assert not any("unconfined" in one for one in options if "seccomp" in one)
    said = podman.run(*options, "beyond-prompting", "python3", "env", "run", "autograder", "doctor")
    assert "the sandbox holds" in said
    assert "grading isn't started as root" in said


def test_it_grades_and_keeps_the_term_in_the_volume(podman: Podman) -> None:
    options = options_of_the_readme()
    said = podman.run(*options, "beyond-prompting", "sh", "-c", GRADE)
    assert re.search(r"s1\W+0 / 16", said), said
    assert re.search(r"s2\W+[01] / 16", said), said
    later = podman.run(
        *options, "beyond-prompting", "python3", "env", "run", "autograder", "report", "quiz"
    )
    assert later.startswith("2 submitted, 0 missing"), later


def test_without_the_options_it_says_which_ones(podman: Podman) -> None:
    done = podman(
        *("run", "--rm", "--network", "host", *limits(), "beyond-prompting"),
        *("python3", "env", "run", "autograder", "doctor"),
    )
    assert done.returncode != 0
    assert "--security-opt seccomp=env/container/seccomp.json" in done.stdout + done.stderr


def test_the_dev_container_opens_a_checkout_with_the_images_environment(podman: Podman) -> None:
    checkout = podman.folder / "course"
    told = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
    words = [word.replace("${localWorkspaceFolder}", str(checkout)) for word in told["runArgs"]]
    for mount in (told["workspaceMount"], *told["mounts"]):
        parts = dict(part.split("=", 1) for part in mount.split(","))
        source = parts["source"].replace("${localWorkspaceFolder}", str(checkout))
        source = source.replace("${devcontainerId}", "one")
        words += ["-v", f"{source}:{parts['target']}"]
    # The tool that reads the file gives the user in the image the number of the checkout's owner.
    for path in (checkout, *checkout.rglob("*")):
        os.chown(path, 1000, 1000, follow_symlinks=False)
    command = f"{told['postCreateCommand']} && python3 env run autograder doctor"
    said = podman.run(
        *words,
        "--user",
        told["remoteUser"],
        "-w",
        told["workspaceFolder"],
        "beyond-prompting",
        "sh",
        "-c",
        command,
    )  # fmt: skip - a command a line
    assert "the sandbox holds" in said


def test_what_the_image_leaves_out(podman: Podman) -> None:
    said = podman.run("beyond-prompting", "ls", "-a", "/course").split()
    assert not {".git", "class.csv"} & set(said)
    assert {"notebooks", "source", "release", "autograder", "env"} <= set(said)
