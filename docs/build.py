"""Build the course site from executed lessons; the site's own environment runs this.

python docs/build.py --output build/site --work .cache/site/all 00-start-here 04-the-cost-formula
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from sphinx.cmd.build import build_main

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS))

import stage  # noqa: E402 - found by the path set above

EXECUTED = DOCS.parent / ".cache" / "site" / "lessons"


LEFT_OUT = shutil.ignore_patterns(
    "_sources", "locales", "*.map", "*.jinja", "*webpack-macros.html", "*.inv", ".buildinfo"
)
"""What Sphinx and the theme leave in a build that no reader needs."""


def build(output: Path, lessons: list[str], work: Path) -> int:
    """Build the site in every language; return Sphinx's exit code.

    Args:
        output: the folder for the site, which isn't there yet.
        lessons: the lessons to show; they have been executed.
        work: the folder for what is kept from one time to the next.
    """
    for language in stage.LANGUAGES:
        stage.stage(work / "source" / language, language, lessons, EXECUTED)
    for language in stage.LANGUAGES:
        failed = build_main(
            [
                *("-b", "html", "-c", str(DOCS), "-t", language, "-D", f"language={language}"),
                *("-d", str(work / "doctrees" / language), "--fail-on-warning", "--quiet"),
                *(str(work / "source" / language), str(work / "html" / language)),
            ]
        )
        if failed:
            return failed
    output.mkdir(parents=True)
    for language in stage.LANGUAGES:
        shutil.copytree(work / "html" / language, output / language, ignore=LEFT_OUT)
    shutil.copyfile(DOCS / "index.html", output / "index.html")
    (output / ".nojekyll").touch()  # GitHub Pages would leave out folders with an underscore
    return 0


def main(arguments: list[str]) -> int:
    """Build what the command line says."""
    parser = argparse.ArgumentParser("build.py")
    parser.add_argument("--output", type=Path, required=True, help="isn't there yet")
    parser.add_argument("--work", type=Path, required=True, help="kept from one time to the next")
    parser.add_argument("lessons", nargs="+")
    options = parser.parse_args(arguments)
    return build(options.output.resolve(), options.lessons, options.work.resolve())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
