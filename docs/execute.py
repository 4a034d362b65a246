"""Execute lessons for the course site, in both languages; the course's environment runs this.

    python docs/execute.py 00-start-here 04-the-cost-formula

An executed lesson is kept in `.cache/site/lessons/LANGUAGE/` until its notebook, the library or
the pinned packages change.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
EXECUTED = ROOT / ".cache" / "site" / "lessons"
TIMEOUT = 600  # seconds a cell; on one core of a slow machine some take minutes


def surroundings() -> str:
    """Return a hash of all that a lesson's outputs depend on, other than its notebook."""
    seen = hashlib.sha256()
    for path in sorted((ROOT / "notebooks" / "beyond").rglob("*")):
        # Of the catalogs, the compiled ones are read.
        if path.is_file() and path.suffix not in (".po", ".pyc"):
            seen.update(path.relative_to(ROOT).as_posix().encode() + path.read_bytes())
    for path in sorted((ROOT / "env" / "lock").glob("*.txt")):
        seen.update(path.read_bytes())
    return seen.hexdigest()


def executed(language: str, name: str, around: str) -> bool:
    """Execute a lesson unless that was done before; return whether it was executed now.

    Args:
        language: the folder that the notebook is in.
        name: its file name without the suffix.
        around: from `surroundings`.

    Raises:
        SystemExit: a cell failed.
    """
    source = ROOT / "notebooks" / language / f"{name}.ipynb"
    key = hashlib.sha256(around.encode() + source.read_bytes()).hexdigest()
    target = EXECUTED / language / source.name
    if target.is_file() and nbformat.read(target, as_version=4).metadata.get("executed") == key:
        return False
    notebook = nbformat.read(source, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=TIMEOUT,
        allow_errors=True,
        kernel_name="python3",
        resources={"metadata": {"path": str(source.parent)}},
    )
    client.execute()
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if output.output_type == "error":
                raise SystemExit(
                    f"The site can't show {language}/{source.name}, because its cell {cell.id} "
                    f"failed ({output.ename}: {output.evalue}); correct that and start again."
                )
    notebook.metadata["executed"] = key
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_suffix(".new")
    nbformat.write(notebook, beside)
    os.replace(beside, target)
    return True


def main(names: list[str]) -> None:
    """Execute lessons in every language."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    around = surroundings()
    for language in ("en", "ko"):
        for name in names:
            if executed(language, name, around):
                print(f"Executed {language}/{name}.", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
