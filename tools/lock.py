"""Write `env/lock/`, every version and hash that the launcher installs, from `env/*.in`.

Also the hashes of what a hub installs, `env/hub/hashes*.txt`, from the lists beside them, and
`docs/requirements.txt`, all that builds the course site.

    python tools/lock.py                            # keep what is locked, lock what is new
    python tools/lock.py --upgrade-package NAME     # any options of `uv pip compile`

It needs uv and pypi.org. Versions of PyTorch's CPU wheels, which PyPI doesn't have, stand in
`env/lock/torch-cpu.txt` by hand: their hashes are in PyTorch's own index.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

ENV = Path(__file__).resolve().parents[1] / "env"
LOCK = ENV / "lock"
SITE = ENV.parent / "docs" / "requirements.txt"
# The hashes of what a hub's own lists pin: of its own environment, and of the students'.
HUB = {
    "hashes.txt": ["requirements.txt"],
    "hashes-servers.txt": ["singleuser.txt", "postgres.txt", "dask.txt"],
}
# What differs between a machine with a GPU and one without.
_GPU = re.compile(r"(torch|triton|nvidia-.*|cuda-.*)==")
_HEAD = (
    "# Written by tools/lock.py; any index will do, since the hashes say which files are meant.\n"
)


def compiled(sources: Iterable[Path], *options: str) -> list[str]:
    """Return the locked requirements of these files, each with its marker and hashes.

    Raises:
        subprocess.CalledProcessError: uv found no solution; it has said why.
    """
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "lock.txt"
        # uv keeps the versions that its output file has.
        output.write_text("".join(path.read_text("utf-8") for path in _kept()))
        command = ["uv", "pip", "compile", "--quiet", "--no-config", "--universal"]
        command += ["--python-version", "3.11", "--generate-hashes", "--no-header", "--no-annotate"]
        command += ["--default-index", "https://pypi.org/simple", "--output-file", str(output)]
        subprocess.run([*command, *options, *map(str, sources)], check=True)
        return re.split(r"^(?=\S)", output.read_text("utf-8"), flags=re.MULTILINE)[1:]


def _kept() -> list[Path]:
    """Return the files that have the versions to keep, the course's before the site's."""
    return [*sorted(LOCK.glob("*.txt")), *([SITE] if SITE.is_file() else [])]


def name_of(requirement: str) -> str:
    """Return the name of a locked requirement's package."""
    return requirement.partition("==")[0]


def write(name: str, requirements: Iterable[str]) -> None:
    """Write one file of the lock."""
    (LOCK / name).write_text(_HEAD + "".join(requirements), encoding="utf-8")


def main(options: list[str]) -> None:
    """Write all files of the lock."""
    course, tests = ENV / "requirements.in", ENV / "requirements-test.in"
    everything = compiled([course, tests], *options)
    models = compiled([ENV / "models.txt"], "--no-deps", *options)
    uv = compiled([ENV / "uv.in"], *options)
    write("torch.txt", [one for one in everything if _GPU.match(one)])
    shared = [one for one in everything if not _GPU.match(one)]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as versions:
        versions.write("\n".join(one.split(" \\")[0] for one in everything))
        versions.flush()
        needed = set(map(name_of, compiled([course], "--constraint", versions.name, *options)))
    write("course.txt", [*(one for one in shared if name_of(one) in needed), *models])
    write("test.txt", [one for one in shared if name_of(one) not in needed])
    write("uv.txt", uv)
    for name, lists in HUB.items():
        files = [ENV / "hub" / one for one in lists]
        write(f"../hub/{name}", compiled(files, "--no-deps", *options))
    SITE.write_text(_HEAD + "".join(compiled([SITE.with_suffix(".in")], *options)), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
