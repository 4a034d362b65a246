"""Show the start page in the language that the learner chose, with what is done and what is next.

A Jupyter server extension, and the server's side of `env/jupyter/labextensions/beyond-start`, which
shows in JupyterLab what is made here. What the page tells of the course (lessons, assignments, how
to submit) is read from `notebooks/START.md`, which stays the page wherever this one can't be shown.
How far the learner is, notebooks and folders tell (`beyond.ui.progress`,
`autograder.student.standing`).

    "jpserver_extensions": {"beyond.ui.start_page": true}

The file that AUTOGRADER_LANGUAGE_FILE names (else `work/.language`) remembers the language.
"""

from __future__ import annotations

import json
import os
import posixpath
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import mistune
from anyio.to_thread import run_sync
from babel import Locale, UnknownLocaleError
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import url_path_join
from tornado.web import HTTPError, authenticated

from autograder.config import Course
from autograder.i18n import speaking
from autograder.student.standing import WORK, Standing, standings
from beyond.locale import SOURCE_LANGUAGE, _
from beyond.ui import self_check_record
from beyond.ui.progress import Progress, of_notebook

SOURCE = "notebooks/START.md"
SOON = timedelta(days=7)
"""An assignment that is due within this time comes before the lessons."""

_LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]+)\)")
_LESSON = re.compile(r"([a-z]{2,3})/([^/]+)\.ipynb")
_ASSIGNMENT = re.compile(rf"\.\./{WORK}/(?:[a-z]{{2,3}}/)?([^/]+)/[^/]+\.ipynb")
_markdown = mistune.create_markdown(escape=True)


# What START.md says.


@dataclass(frozen=True)
class Item:
    """A lesson or an assignment, in one language.

    Attributes:
        name: the notebook's, without its ending; the assignment's.
        path: its notebook, below the course's folder.
        number: what stands before its title; "" for an assignment.
        title: the words of its link.
        about: what it is about.
    """

    name: str
    path: str
    number: str
    title: str
    about: str


@dataclass
class Section:
    """A part of the page under a heading, in one language.

    Attributes:
        heading: its text; "" for what stands before the first one.
        notes: paragraphs, as Markdown.
        lessons: its lessons.
        assignments: its assignments.
    """

    heading: str
    notes: list[str] = field(default_factory=list)
    lessons: list[Item] = field(default_factory=list)
    assignments: list[Item] = field(default_factory=list)


@dataclass(frozen=True)
class Contents:
    """The page in one language.

    Attributes:
        title: its heading.
        sections: its parts; the first one has no heading.
    """

    title: str
    sections: list[Section]

    @property
    def lessons(self) -> list[Item]:
        """Return every lesson."""
        return [item for section in self.sections for item in section.lessons]

    @property
    def assignments(self) -> list[Item]:
        """Return every assignment."""
        return [item for section in self.sections for item in section.assignments]


def name_of(language: str) -> str:
    """Return what a language is called in itself, as the tables' heads have it."""
    try:
        return Locale.parse(language).get_display_name(language) or language
    except (ValueError, UnknownLocaleError):
        return language


def languages(page: str) -> list[str]:
    """Return the languages that START.md has a column for, the one of the texts first."""
    linked = set(re.findall(r"\]\(([a-z]{2,3})/", page))
    return sorted(linked, key=lambda code: (code != SOURCE_LANGUAGE, code))


def read_contents(page: str, language: str) -> Contents:
    """Return what START.md says in one language.

    A table's column is the one that is headed by the language's name. Everything else that is in
    several languages has them in the same order, between " · ".

    Args:
        page: the text of START.md.
        language: one of `languages(page)`.
    """
    codes = languages(page)
    index = codes.index(language)

    def in_language(text: str) -> str:
        parts = text.split(" · ")
        return parts[index] if len(parts) == len(codes) else text

    title = ""
    sections = [Section("")]
    heads: list[str] = []
    for line in [*page.splitlines(), ""]:
        if line.startswith("# "):
            title = in_language(line[2:].strip())
        elif line.startswith("## "):
            sections.append(Section(in_language(line[3:].strip())))
        elif line.startswith("|"):
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            if not heads:
                heads = cells
            elif not re.fullmatch(r"[|:\- ]+", line):
                _take_row(sections[-1], dict(zip(heads, cells, strict=False)), language, codes)
        elif line.strip():
            sections[-1].notes.append(in_language(line.strip()))
        else:
            heads = []
    return Contents(title, sections)


def _take_row(section: Section, row: dict[str, str], language: str, codes: list[str]) -> None:
    own = row.pop(name_of(language), "")
    rest = [cell for head, cell in row.items() if head not in map(name_of, codes)]
    about = rest[-1].split(" · ") if rest else []
    told = about[codes.index(language)] if len(about) == len(codes) else " · ".join(about)
    link = _LINK.fullmatch(own)
    if link and (lesson := _LESSON.fullmatch(link[2])):
        number = rest[0] if len(rest) > 1 else ""
        section.lessons.append(Item(lesson[2], _below_root(link[2]), number, link[1], told))
    elif link and (assignment := _ASSIGNMENT.fullmatch(link[2])):
        section.assignments.append(Item(assignment[1], _below_root(link[2]), "", link[1], told))
    elif own:
        section.notes.append(own)


def _below_root(link: str) -> str:
    """Return the path below the course's folder that a link in START.md leads to."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(SOURCE), link))


# How the learner stands.


@dataclass(frozen=True)
class Lesson:
    """A lesson and how far it is.

    Attributes:
        item: the lesson.
        progress: the notebook's, of the language in which it is furthest.
        answered: how many questions of the self-check are answered, and how many there are.
    """

    item: Item
    progress: Progress
    answered: tuple[int, int] | None


def lessons(root: Path, contents: Contents, codes: Sequence[str]) -> list[Lesson]:
    """Return the lessons whose notebooks are there, with how far each is.

    Args:
        root: the course's folder.
        contents: the page in the learner's language.
        codes: every language; a lesson that was done in another one is done.
    """
    found = []
    for item in contents.lessons:
        if (root / item.path).is_file():
            own = of_notebook(root / item.path)
            folder = Path(item.path).parents[1]
            others = [of_notebook(root / folder / code / f"{item.name}.ipynb") for code in codes]
            furthest = max([own, *others], key=lambda one: (one.done, one.ran))
            progress = Progress(furthest.cells, furthest.ran, own.minutes, own.has_self_check)
            found.append(Lesson(item, progress, self_check_record.answered(root, item.name)))
    return found


def next_step(
    learned: Sequence[Lesson],
    stands: dict[str, Standing],
    assignments: Sequence[Item],
    now: datetime,
) -> Lesson | Item | None:
    """Return what to do next.

    An assignment that is due soon, the lesson that was begun, the next lesson, the next assignment
    that can still be submitted in time, then one that can't; None when all is done.
    """
    never = datetime.max.replace(tzinfo=UTC)
    todo = [one for one in assignments if not stands[one.name].handed_in]
    todo.sort(key=lambda one: stands[one.name].due or never)
    in_time = [one for one in todo if (stands[one.name].due or never) > now]
    soon = [one for one in in_time if (stands[one.name].due or never) - SOON <= now]
    open_lessons = [one for one in learned if not one.progress.done]
    begun = [one for one in open_lessons if one.progress.ran]
    for choices in (soon, begun, open_lessons, in_time, todo):
        if choices:
            return choices[0]
    return None


# The page, as elements: what they hold is text, whoever wrote it.


def _element(tag: str, *children: ET.Element | str | None, **attributes: str) -> ET.Element:
    """Return an element; `class_` is its class, and an underscore in a name a hyphen."""
    made = ET.Element(
        tag, {name.rstrip("_").replace("_", "-"): told for name, told in attributes.items()}
    )
    last: ET.Element | None = None
    for child in children:
        if isinstance(child, ET.Element):
            made.append(child)
            last = child
        elif child and last is None:
            made.text = (made.text or "") + child
        elif child and last is not None:
            last.tail = (last.tail or "") + child
    return made


@dataclass(frozen=True)
class Links:
    """Where files and JupyterLab are found.

    Attributes:
        root: the course's folder.
        base: the server's address, below its host.
    """

    root: Path
    base: str

    def notebook(self, path: str, *children: ET.Element | str, **attributes: str) -> ET.Element:
        """Return a link that JupyterLab opens in itself; the words alone where there is no file."""
        if not (self.root / path).is_file():
            return _element("span", *children)
        href = url_path_join(self.base, "lab/tree", quote(path))
        return _element("a", *children, href=href, data_path=path, **attributes)

    def page(self, path: Path, *children: ET.Element | str) -> ET.Element:
        """Return a link to a page that the browser shows in a tab of its own."""
        place = path.relative_to(self.root).as_posix()
        href = url_path_join(self.base, "files", quote(place))
        return _element("a", *children, href=href, target="_blank", rel="noopener")


def choice_page(codes: Sequence[str], title: Callable[[str], str]) -> ET.Element:
    """Return the page on which a language is chosen.

    Args:
        codes: the languages.
        title: returns the course's title in a language.
    """
    made = _element("article", class_="beyond-start-choice")
    made.append(_element("h1", *_joined([_element("span", title(one), lang=one) for one in codes])))
    asked = []
    for code in codes:
        with speaking(code):
            asked.append(_element("span", _("Choose your language"), lang=code))
    made.append(_element("p", *_joined(asked), id="beyond-start-asked"))
    buttons = [_element("button", name_of(one), lang=one, data_language=one) for one in codes]
    group = {"role": "group", "aria_labelledby": "beyond-start-asked"}
    made.append(_element("div", *buttons, class_="beyond-start-languages", **group))
    return made


def _joined(elements: list[ET.Element]) -> list[ET.Element | str]:
    return [one for element in elements for one in (" · ", element)][1:]


def start_page(
    contents: Contents,
    language: str,
    codes: Sequence[str],
    learned: Sequence[Lesson],
    stands: dict[str, Standing],
    links: Links,
    now: datetime,
) -> ET.Element:
    """Return the page.

    Args:
        contents: what START.md says in the language.
        language: the learner's.
        codes: every language.
        learned: the lessons.
        stands: the assignments' standing, by name.
        links: where files are found.
        now: the time.
    """
    with speaking(language):
        made = _element("article", lang=language)
        buttons = [
            _element(
                "button",
                name_of(one),
                lang=one,
                data_language=one,
                aria_pressed=str(one == language).lower(),
            )
            for one in codes
        ]
        made.append(
            _element(
                "div",
                _element("h1", contents.title),
                _element("div", *buttons, role="group", aria_label=_("Language")),
                class_="beyond-start-top",
            )
        )
        made.append(_next(next_step(learned, stands, contents.assignments, now), stands, links))
        for section in contents.sections:
            own = [one for one in learned if one.item in section.lessons]
            notes = [_prose(note, links) for note in section.notes]
            if own:
                done = sum(one.progress.done for one in own)
                count = _("{done} of {all} done").format(done=done, all=len(own))
                made.append(_element("h2", section.heading))
                made.append(_element("p", count, class_="beyond-start-count"))
                made.append(_element("ol", *[_lesson(one, links) for one in own], role="list"))
                made.extend(notes)
            elif section.assignments:
                rows = [
                    _assignment(one, stands[one.name], links, now) for one in section.assignments
                ]
                made.append(_element("h2", section.heading))
                made.extend(notes)
                made.append(_element("ul", *rows, role="list"))
            elif section.heading:
                heading = _element("h2", section.heading)
                made.append(_element("details", _element("summary", heading), *notes))
            elif not any(one.progress.ran for one in learned):
                made[1:1] = notes  # what the course is about, until it has begun
        return made


def _next(step: Lesson | Item | None, stands: dict[str, Standing], links: Links) -> ET.Element:
    made = _element("section", class_="beyond-start-next", aria_labelledby="beyond-start-next")
    if step is None:
        made.append(_element("h2", _("Everything is done"), id="beyond-start-next"))
        return made
    made.append(_element("p", _("Next"), class_="beyond-start-label"))
    if isinstance(step, Lesson):
        item, is_begun = step.item, step.progress.ran > 0
        more: list[ET.Element | str] = [step.progress.minutes] if step.progress.minutes else []
        more += [_ran(step.progress)] if is_begun else []
    else:
        item, is_begun = step, stands[step.name].begun
        due = stands[step.name].due
        more = [_due(due, _("due {date}"))] if due else []
    made.append(_element("h2", _titled(item), id="beyond-start-next"))
    if more:
        made.append(_facts(more))
    words = _("Continue") if is_begun else _("Start")
    hint = {"class_": "beyond-start-go", "aria_label": f"{words}: {_titled(item)}"}
    made.append(links.notebook(item.path, words, **hint))
    return made


def _titled(item: Item) -> str:
    if not item.number:
        return item.title
    return _("Lesson {number}: {title}").format(number=item.number, title=item.title)


def _ran(progress: Progress) -> str:
    return _("{ran} of {cells} cells run").format(ran=progress.ran, cells=progress.cells)


def _facts(facts: list[ET.Element | str]) -> ET.Element:
    shown = [_element("span", one) for one in facts]
    return _element("p", *_joined(shown), class_="beyond-start-facts")


def _row(state: str, *children: ET.Element) -> ET.Element:
    return _element("li", *children, class_=f"beyond-start-{state}")


def _lesson(lesson: Lesson, links: Links) -> ET.Element:
    progress = lesson.progress
    state = "done" if progress.done else "begun" if progress.ran else "open"
    facts: list[ET.Element | str] = [
        _("Done") if progress.done else _ran(progress) if progress.ran else _("Not started")
    ]
    if progress.has_self_check:
        if lesson.answered:
            told = _("self-check: {answered} of {questions} answered")
            facts.append(told.format(answered=lesson.answered[0], questions=lesson.answered[1]))
        elif progress.ran:
            facts.append(_("self-check not answered yet"))
    if progress.minutes:
        facts.append(progress.minutes)
    return _row(
        state,
        _element("h3", links.notebook(lesson.item.path, _titled(lesson.item))),
        _element("p", lesson.item.about),
        _facts(facts),
    )


def _assignment(item: Item, stands: Standing, links: Links, now: datetime) -> ET.Element:
    state = "done" if stands.handed_in else "begun" if stands.begun else "open"
    facts: list[ET.Element | str] = []
    if stands.pages or stands.waiting:
        facts.append(_("Graded"))
    if stands.submitted:
        facts.append(_due(stands.submitted, _("submitted {date}")))
    elif stands.packed:
        facts.append(_due(stands.packed, _("packed {date}; upload the zip to submit it")))
    elif not (stands.pages or stands.waiting):
        facts.append(_("Started, not submitted") if stands.begun else _("Not started"))
    if stands.due:
        is_late = stands.due <= now
        facts.append(_due(stands.due, _("was due {date}") if is_late else _("due {date}")))
    made = _row(
        state,
        _element("h3", links.notebook(item.path, item.title)),
        _element("p", item.about),
        _facts(facts),
    )
    if stands.waiting:
        words = _("Feedback is ready: fetch it from the Assignment List")
        made.append(_element("button", words, data_command="nbgrader:open-assignment-list"))
    for number, path in enumerate(stands.pages, 1):
        words = _("Read the feedback: {title}").format(title=item.title)
        told = f"{words} ({number}/{len(stands.pages)})" if len(stands.pages) > 1 else words
        made.append(_element("p", links.page(path, told)))
    return made


def _due(moment: datetime, words: str) -> ET.Element:
    """Return a sentence with a date, which the browser writes in the reader's time zone."""
    before, _date, after = words.partition("{date}")
    local = moment.astimezone(UTC)
    time = _element("time", f"{local:%Y-%m-%d %H:%M} UTC", datetime=local.isoformat())
    return _element("span", before, time, after)


def _prose(markdown: str, links: Links) -> ET.Element:
    """Return a paragraph of START.md, whose links lead where they lead from there."""
    made = ET.fromstring(f"<div>{_markdown(markdown)}</div>")
    for link in made.iter("a"):
        href = link.get("href", "")
        if re.match(r"[a-z][a-z0-9+.-]*:", href):
            link.attrib |= {"target": "_blank", "rel": "noopener"}
        elif not href.startswith("#"):
            path = _below_root(href)
            link.set("href", url_path_join(links.base, "lab/tree", quote(path)))
            link.set("data-path", path)
    return made


# The server's side.


def remembered(root: Path, codes: Sequence[str]) -> str:
    """Return the language that was chosen; "" if none was."""
    try:
        found = _memory(root).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
    return found if found in codes else ""


def remember(root: Path, language: str) -> None:
    """Remember the language that was chosen, and use it for what begins from now on.

    Raises:
        OSError: it can't be written.
    """
    os.environ["AUTOGRADER_LANGUAGE"] = language  # the Assignment List asks it; kernels inherit it
    path = _memory(root)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(language, encoding="utf-8")
    (root / WORK / language).mkdir(parents=True, exist_ok=True)


def _memory(root: Path) -> Path:
    return Path(os.environ.get("AUTOGRADER_LANGUAGE_FILE") or root / WORK / ".language")


class StartPageHandler(JupyterHandler):
    """Send the page, and take the choice of a language."""

    @authenticated
    async def get(self) -> None:
        """Send the page, or the choice of a language where none was made."""
        await self._send()

    @authenticated
    async def post(self) -> None:
        """Remember the language that the request's JSON names, and send the page in it."""
        root = self._root()
        told = self.get_json_body()
        language = told.get("language") if isinstance(told, dict) else None
        if language not in languages(self._source(root)):
            raise HTTPError(400, "The course has no such language.")
        try:
            remember(root, language)
        except OSError as error:
            self.log.warning("The language could not be remembered: %s", error)
        await self._send(language)

    def _root(self) -> Path:
        return Path(self.settings["beyond_start_root"]).resolve()

    def _source(self, root: Path) -> str:
        try:
            return (root / SOURCE).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise HTTPError(404, f"There is no {SOURCE}.") from None

    async def _send(self, chosen: str = "") -> None:
        root = self._root()
        source = self._source(root)
        codes = languages(source)
        language = chosen or remembered(root, codes)
        if language:
            contents = read_contents(source, language)
            names = [one.name for one in contents.assignments]
            learned = await run_sync(lessons, root, contents, codes)
            stands = await run_sync(lambda: standings(Course(root), names))
            links = Links(root, self.base_url)
            made = start_page(contents, language, codes, learned, stands, links, datetime.now(UTC))
            with speaking(language):
                label = _("Start page")
        else:
            made = choice_page(codes, lambda one: read_contents(source, one).title)
            label = " · ".join(map(name_of, codes))
        told = {
            "language": language,
            "label": label,
            "html": ET.tostring(made, encoding="unicode", method="html"),
        }
        self.set_header("Content-Type", "application/json")
        self.set_header("Cache-Control", "no-store")
        self.finish(json.dumps(told))


def _load_jupyter_server_extension(app: ServerApp) -> None:
    """Put the page's address into a Jupyter server."""
    app.web_app.settings["beyond_start_root"] = app.root_dir
    address = url_path_join(app.web_app.settings["base_url"], "/beyond/start")
    app.web_app.add_handlers(".*$", [(address, StartPageHandler)])


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    """Name this module to Jupyter as the extension."""
    return [{"module": "beyond.ui.start_page"}]
