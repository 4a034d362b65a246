"""Build the wheel for other places: the lessons' library and the student's side of the grader.

The wheel is staged from two folders of the course and built with the environment's own setuptools,
so this needs no network. `wheel/pyproject.toml` is its metadata.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import faults
from environment import plain_environ
from faults import Fault

OUTPUT = Path("build/wheel")
TEXTS = ("LICENSE", "LICENSE-prose", "notebooks/ELSEWHERE.md", "env/wheel/LICENSE-included.md")
# What students run; everything that these import comes along.
STUDENT_SIDE = (
    "autograder.__main__",
    "autograder.checks",
    "autograder.expectations",
    "autograder.provenance",
    "autograder.sandbox.off_limits",  # imported by name in the kernel of `validate`
    "autograder.student_values",
)
STUDENT_FOLDER = "autograder.student"
# Imports a command's own modules when it runs, the teachers' among them.
COMMAND = "autograder.cli"
_NOT_PACKED = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints", "*.egg-info")
_BEGINNING_OF_TIME = "315532800"  # of zip files: the same sources make the same wheel


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.add_argument(
        "--output", type=Path, default=OUTPUT, metavar="FOLDER", help="otherwise %(default)s"
    )


def build(root: Path, python: Path, output: Path) -> Path:
    """Build the wheel into `output`; return its path.

    Args:
        root: the course.
        python: an environment's, whose pip and setuptools build it.
        output: the folder for the wheel; earlier wheels of the course there are deleted.

    Raises:
        Fault: the wheel can't be built.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="wheel-") as folder:
            stage(root, Path(folder) / "stage")
            made = Path(folder) / "made"
            _pip_wheel(python, Path(folder) / "stage", made)
            wheel = next(made.glob("*.whl"))
            output.mkdir(parents=True, exist_ok=True)
            for earlier in output.glob(f"{wheel.name.partition('-')[0]}-*.whl"):
                earlier.unlink()
            return Path(shutil.copy(wheel, output))
    except OSError as error:
        raise faults.from_os(error, "building the wheel") from error


def stage(root: Path, folder: Path) -> None:
    """Write all that the wheel is built from into a new folder.

    Args:
        root: the course.
        folder: where to.
    """
    shutil.copytree(root / "notebooks" / "beyond", folder / "beyond", ignore=_NOT_PACKED)
    for module in student_modules(root):
        source = _file(root, module)
        target = folder / source.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    shutil.copytree(root / "autograder" / "locale", folder / "autograder" / "locale")
    settings = (root / "pyproject.toml").read_text(encoding="utf-8")
    (folder / "autograder" / "course.toml").write_text(
        "".join(tables(settings, "tool.autograder")), encoding="utf-8"
    )
    for name in TEXTS:
        shutil.copy(root / name, folder)
    found = re.search(r'^version = ".+"$', settings, flags=re.MULTILINE)
    assert found is not None
    metadata = (root / "env" / "wheel" / "pyproject.toml").read_text(encoding="utf-8")
    metadata = metadata.replace("[project]\n", f"[project]\n{found[0]}\n", 1)
    (folder / "pyproject.toml").write_text(metadata, encoding="utf-8")


def tables(toml: str, name: str) -> list[str]:
    """Return the text of a table and of those below it, comments included."""
    parts = re.split(r"^(?=\[)", toml, flags=re.MULTILINE)
    return [part for part in parts if re.match(rf"\[{re.escape(name)}[.\]]", part)]


def student_modules(root: Path) -> list[str]:
    """Return the names of the grader's modules that students need, sorted."""
    found: set[str] = set()
    waiting = [COMMAND, *STUDENT_SIDE]
    folder = root / STUDENT_FOLDER.replace(".", "/")
    waiting += [f"{STUDENT_FOLDER}.{path.stem}" for path in folder.glob("*.py")]
    while waiting:
        module = waiting.pop().removesuffix(".__init__")
        if module in found or not _is_module(root, module):
            continue
        found.add(module)
        waiting += imported(_file(root, module), everywhere=module != COMMAND)
        if "." in module:
            waiting.append(module.rpartition(".")[0])
    return sorted(found)


def imported(path: Path, everywhere: bool) -> Iterator[str]:
    """Yield the names that a file imports of the grader, modules or what is in them.

    Args:
        path: the file.
        everywhere: also within functions.
    """
    waiting: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.startswith("autograder."))
        elif isinstance(node, ast.ImportFrom):
            if (node.module or "").partition(".")[0] == "autograder":
                yield str(node.module)
                yield from (f"{node.module}.{name.name}" for name in node.names)
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
        elif everywhere or not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            waiting += ast.iter_child_nodes(node)


def _is_module(root: Path, module: str) -> bool:
    return _file(root, module).is_file()


def _file(root: Path, module: str) -> Path:
    """Return the file of a module, which need not exist; of a package its `__init__.py`."""
    base = root / module.replace(".", "/")
    return base / "__init__.py" if base.is_dir() else base.with_suffix(".py")


def _pip_wheel(python: Path, sources: Path, output: Path) -> None:
    command = [str(python), "-m", "pip", "wheel", "--quiet", "--no-input"]
    command += ["--no-deps", "--no-build-isolation", "--wheel-dir", str(output), str(sources)]
    done = subprocess.run(
        command,
        env={**plain_environ(), "SOURCE_DATE_EPOCH": _BEGINNING_OF_TIME},
        cwd=sources.parent,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        sys.stderr.write(done.stderr)
        raise Fault("The wheel could not be built; correct what is reported above.")


def megabytes(path: Path) -> float:
    """Return a file's size in MB."""
    return os.path.getsize(path) / 1e6
