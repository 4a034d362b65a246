"""A class of two on a real hub: what they do in a browser, and what they must not reach."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
import uuid
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect

# Reads whatever the user can read and the test has written, wherever it lies: a copy of a secret
# can't be older than the secret, by the one time that nobody can set.
WALK = r"""
import os, subprocess, sys
began, canaries = sys.argv[1], [word.encode() for word in sys.argv[2:]]
found = set()
def look(path):
    try:
        with open(path, "rb") as file:
            content = file.read(64 * 2**20)
    except OSError:
        return
    found.update((word.decode(), os.fsdecode(path)) for word in canaries if word in content)
young = ["find", "/", "(", "-path", "/proc", "-o", "-path", "/sys", ")", "-prune", "-o"]
young += ["-type", "f", "-newerct", "@" + began, "-print0"]
paths = subprocess.run(young, capture_output=True).stdout.split(b"\0")
if len(paths) > 20_000:
    # Somebody installs packages on this machine meanwhile: what the class and its hub can write.
    own = (b"/dev/", b"/home/", b"/run/", b"/srv/", b"/tmp/course-hub-", b"/var/")
    paths = [path for path in paths if path.startswith(own) or b"canary" in path]
for path in filter(None, paths):
    look(path)
own = str(os.getpid())
for process in os.listdir("/proc"):
    if process.isdigit() and process != own:
        look(f"/proc/{process}/environ")
        look(f"/proc/{process}/cmdline")
print(len(paths))
for word, path in sorted(found):
    print(word, path)
"""


def reached(hub, name: str) -> dict[str, set[str]]:
    """The secrets that a user can read, and where, by what they stand for."""
    names = {word: key for key, word in hub.canaries.items()}
    done = hub.run_as(name, "/usr/bin/python3", "-c", WALK, str(hub.began), *names)
    assert done.returncode == 0, done.stderr
    seen, *lines = done.stdout.splitlines()
    assert int(seen) > 1
    found: dict[str, set[str]] = {}
    for line in lines:
        word, path = line.split(" ", 1)
        if "/proc/" in path and path.endswith("cmdline"):
            continue  # the walk's own arguments, at runuser
        found.setdefault(names[word], set()).add(path)
    return found


@dataclass
class SetUp:
    """What the command said before and while a hub was set up, and whether it made anything."""

    dry: subprocess.CompletedProcess[str]
    made_by_dry: bool
    refused: subprocess.CompletedProcess[str]
    made_by_refused: bool
    done: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def laid_out(hub) -> SetUp:
    """The hub's folders and users, made; before, the commands that should make nothing."""

    def made() -> bool:
        someone = subprocess.run(["id", hub.instructor], capture_output=True, check=False)
        return hub.folder.exists() or someone.returncode == 0

    dry = hub.set_up("--create-users", "--dry-run")
    made_by_dry = made()
    refused = hub.set_up()
    made_by_refused = made()
    done = hub.set_up("--create-users", "--no-start")
    assert done.returncode == 0, done.stdout + done.stderr
    return SetUp(dry, made_by_dry, refused, made_by_refused, done)


def test_a_dry_run_says_what_would_be_made_and_makes_nothing(hub, laid_out) -> None:
    done = laid_out.dry
    assert done.returncode == 0, done.stderr
    people = [hub.instructor, hub.colleague, *hub.students]
    assert f"create the Unix users {', '.join(people)}" in done.stdout
    assert str(hub.folder / "course") in done.stdout
    assert "Limits: " in done.stdout
    assert not laid_out.made_by_dry


def test_nobody_is_created_unless_asked(hub, laid_out) -> None:
    done = laid_out.refused
    assert done.returncode == 2
    assert f"There is no Unix user {hub.instructor}" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not laid_out.made_by_refused


def test_it_sets_up_with_the_right_modes(hub, laid_out) -> None:
    modes = {
        place: (oct(stat.S_IMODE(status.st_mode)), status.st_uid == 0)
        for place in ("", "student", "jupyter", "course", "exchange", "hub")
        for status in [(hub.folder / place).stat()]
    }
    assert modes == {
        "": ("0o755", True),
        "student": ("0o755", True),
        "jupyter": ("0o755", True),
        "course": ("0o2770", False),
        "exchange": ("0o1777", False),
        "hub": ("0o700", True),
    }
    own = hub.folder / "exchange" / "beyond-prompting"
    exchange = {one.name: oct(stat.S_IMODE(one.stat().st_mode)) for one in own.iterdir()}
    assert exchange == {"outbound": "0o2775", "inbound": "0o3773", "feedback": "0o2771"}
    for name in ("hub/settings.json", "hub/first-passwords.csv"):
        assert stat.S_IMODE((hub.folder / name).stat().st_mode) == 0o600
    assert not stat.S_IMODE(hub.clone.stat().st_mode) & 0o007
    left_out = {"source", "tests", "term", "gradebook.db"}
    assert not left_out & {path.name for path in (hub.folder / "student").iterdir()}


@pytest.fixture(scope="module")
def running(hub, laid_out):
    """The hub, started; the second time that it is set up, after people have changed files."""
    own = hub.folder / "course" / "README.md"
    own.write_text("the instructor's own\n")
    hub.start("--create-users", "--memory", "1.5", "--cores", "1")
    assert own.read_text() == "the instructor's own\n"
    assert "has 1 file different from" in hub.log.read_text()
    return hub


@pytest.fixture(scope="module")
def pages(running, browser):
    """A page for each user, logged in and with their start page."""
    with logged_in(running, browser) as opened:
        yield opened


@contextmanager
def logged_in(hub, browser, **options):
    contexts = []

    def open_page(name: str):
        page = new_page(browser, **options)
        contexts.append(page.context)
        log_in(hub, page, name)
        return page

    try:
        yield {name: open_page(name) for name in hub.everybody}
    finally:
        for context in contexts:
            context.close()


def log_in(hub, page, name: str) -> None:
    page.goto(f"{hub.url}/hub/login")
    page.locator("#username_input").fill(name)
    page.locator("#password_input").fill(hub.password(name))
    page.locator("#login_submit").click()
    # The user's own start page, in JupyterLab: the course's, or how the assignments stand.
    if name in hub.students:
        start = page.locator(".beyond-start")
        start.get_by_role("button", name="English").click(timeout=90_000)
        heading = start.get_by_role("heading", name="Lessons")
    else:
        heading = page.locator(".jp-MarkdownViewer").get_by_role(
            "heading", name=": for instructors"
        )
    expect(heading).to_be_visible(timeout=90_000)
    expect(page).to_have_url(re.compile(rf"/user/{name}/lab"))


def own_address(hub, name: str, path: str) -> str:
    host = hub.url.replace("://", f"://{name}.") if hub.domain else hub.url
    return f"{host}/user/{name}/{path}"


def formgrader_does(page, cell: str, row: str, said: str) -> None:
    """Click a symbol in a row of Formgrader's table, and wait for what it says."""
    line = page.locator("table tbody tr").filter(
        has=page.get_by_role("gridcell", name=row, exact=True)
    )
    line.locator(f".{cell} a").first.click()
    dialog = page.locator(".modal.in, .modal.show, .modal-dialog:visible").last
    expect(dialog).to_contain_text(said, timeout=90_000)


def assignment_list(page):
    page.get_by_role("menuitem", name="Nbgrader", exact=True).click()
    page.locator(".lm-Menu-content").get_by_role("menuitem", name="Assignment List").click()
    listed = page.locator("#released_assignments_list:visible").first
    expect(listed).to_be_visible()
    # JupyterLab may have restored the tab of an earlier visit, with what was released by then.
    with page.expect_response(lambda response: "assignments?course_id=" in response.url):
        page.locator("#refresh_assignments_list:visible").first.click()
    return listed


def open_quiz(hub, page, name: str) -> None:
    """Open a student's copy in JupyterLab, with its kernel."""
    page.goto(
        own_address(hub, name, f"lab/workspaces/{uuid.uuid4().hex}/tree/work/en/quiz/quiz.ipynb")
    )
    expect(page.locator(".jp-NotebookPanel:visible .jp-Notebook")).to_be_visible()
    expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=90_000)


def answer(hub, page, name: str, answers: dict[str, str]) -> None:
    """Write answers into a student's copy, in JupyterLab, and save it."""
    open_quiz(hub, page, name)
    for variable, letter in answers.items():
        cell = page.locator(".jp-CodeCell").filter(has_text=re.compile(rf"{variable} = None"))
        cell.first.locator(".cm-content").click()
        page.keyboard.press("Control+a")
        page.keyboard.insert_text(f'{variable} = "{letter}"')
    page.keyboard.press("Escape")
    page.keyboard.press("Control+s")
    page.wait_for_function("() => !document.querySelector('.jp-NotebookPanel .jp-mod-dirty')")
    path = hub.home(name) / "work" / "en" / "quiz" / "quiz.ipynb"
    for _ in range(100):
        written = path.read_text(encoding="utf-8")
        if all(f'{one} = \\"{letter}\\"' in written for one, letter in answers.items()):
            return
        page.wait_for_timeout(100)
    raise AssertionError("the answers were not saved")


def test_everybody_has_a_start_page_and_only_the_instructor_formgrader(running, pages) -> None:
    for name, page in pages.items():
        page.get_by_role("menuitem", name="Nbgrader", exact=True).click()
        menu = page.locator(".lm-Menu-content")
        expect(menu.get_by_role("menuitem", name="Assignment List")).to_be_visible()
        formgrader = menu.get_by_role("menuitem", name="Formgrader")
        expect(formgrader).to_have_count(1 if name == running.instructor else 0)
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
        probe = page.context.new_page()
        own = probe.goto(own_address(running, name, "formgrader"))
        assert own.status == (200 if name == running.instructor else 404)
        for other in set(running.everybody) - {name}:
            for path in ("formgrader", "lab", "api/contents"):
                assert probe.goto(own_address(running, other, path)).status in (403, 404)
        admin = probe.goto(f"{running.url}/hub/admin")
        assert admin.status == 403
        probe.close()


def test_a_class_goes_from_release_to_feedback_in_the_browser(running, pages) -> None:
    from_release_to_feedback(running, pages)


def from_release_to_feedback(hub, pages) -> None:
    teacher = pages[hub.instructor]
    teacher.goto(own_address(hub, hub.instructor, "formgrader/manage_assignments"))
    expect(teacher.get_by_role("link", name="quiz", exact=True).first).to_be_visible()
    formgrader_does(teacher, "assign", "quiz", "Successfully created")
    teacher.reload()
    formgrader_does(teacher, "release", "quiz", "Successfully released")

    given = {hub.students[0]: {"q1": "A", "q2": "C"}, hub.students[1]: {"q1": "B", "q2": "C"}}
    for name, answers in given.items():
        page = pages[name]
        copy = hub.home(name) / "work" / "en" / "quiz"
        assert (copy / "quiz.ipynb").is_file()  # the bundle's, to which the start page leads
        if name == hub.students[1]:
            hub.run_as(name, "rm", "-r", str(copy))
            released = assignment_list(page)
            released.get_by_role("button", name="Fetch", exact=True).first.click()
            expect(page.locator("#fetched_assignments_list")).to_contain_text("quiz")
            assert (copy / "quiz.ipynb").is_file()
        answer(hub, page, name, answers)
        assignment_list(page)
        submit = page.get_by_role("button", name="Submit", exact=True).first
        submit.click()
        expect(page.locator("#submitted_assignments_list")).to_contain_text("quiz")

    teacher.reload()
    formgrader_does(teacher, "collect", "quiz", "Successfully collected")
    teacher.goto(own_address(hub, hub.instructor, "formgrader/manage_submissions/quiz"))
    for name in hub.students:
        formgrader_does(teacher, "autograde", name, "Successfully autograded")
        teacher.reload()
    assert scores_of(hub) == {hub.students[0]: 2, hub.students[1]: 1}
    teacher.goto(own_address(hub, hub.instructor, "formgrader/manage_assignments"))
    formgrader_does(teacher, "generate-feedback", "quiz", "Successfully generated feedback")
    teacher.reload()
    formgrader_does(teacher, "release-feedback", "quiz", "Successfully released feedback")
    for name in hub.students:
        page = pages[name]
        page.goto(own_address(hub, name, "lab"))
        assignment_list(page)
        page.get_by_role("button", name="Fetch Feedback", exact=True).first.click()
        submitted = page.locator("#submitted_assignments_list")
        # It hides the link until the row is opened.
        expect(submitted.get_by_text("View Feedback")).to_have_count(1, timeout=60_000)
        fetched = list((hub.home(name) / "work" / "en").rglob("feedback/**/*.html"))
        assert len(fetched) == 1
        assert "Question 1" in fetched[0].read_text(encoding="utf-8")


def test_a_date_set_by_any_instructor_is_seen_by_students(running, pages) -> None:
    hub = running
    said = grader(
        hub, "release", "quiz", "--exchange", "--due", "2030-01-15 12:00", by=hub.colleague
    )
    assert "quiz is due" in said
    name = hub.students[0]
    page = pages[name]
    page.goto(
        own_address(hub, name, f"lab/workspaces/{uuid.uuid4().hex}/tree/work/en/quiz/quiz.ipynb")
    )
    due = page.locator(".autograder-due-dates").first
    expect(due).to_contain_text("Jan 15, 2030", timeout=90_000)
    written = hub.python_as(
        name,
        "import os, runpy, sys\n"
        "os.execv = lambda *_: print(os.environ['JUPYTERHUB_DEFAULT_URL'])\n"
        "runpy.run_path(sys.argv[1], run_name='__main__')\n",
        str(hub.folder / "session.py"),
    )
    assert written == "/lab/tree/work/START.md\n"
    assert "15 Jan 2030" in (hub.home(name) / "work" / "START.md").read_text()


def test_every_instructor_can_do_what_another_has_begun(running) -> None:
    """What one has made, the other replaces, and it reaches students."""
    hub = running
    for who in (hub.colleague, hub.instructor):
        for words in (
            ("release", "quiz", "--exchange"),
            ("collect", "quiz"),
            ("grade", "quiz", "--again"),
            ("feedback", "quiz", "--release"),
            ("term", "page"),
        ):
            said = grader(hub, *words, by=who)
            assert "autograder: " not in said, (who, words, said)
    assert set(hub.students) <= set(scores_of(hub))
    exchange = hub.folder / "exchange" / "beyond-prompting"
    pages = [str(path) for path in (exchange / "feedback").glob("*.html")]
    seen = [*pages, str(exchange / "outbound" / "quiz" / "quiz.ipynb"), str(exchange / "due.json")]
    assert pages
    done = hub.run_as(hub.students[0], "/usr/bin/head", "-c", "1", *seen)
    assert done.returncode == 0, done.stderr


# What a student tries at other people's places; each line of it has to fail.
TRESPASS = r"""
import os, sys
from pathlib import Path
hub, other = Path(sys.argv[1]), Path(sys.argv[2])
exchange = hub / "exchange" / "beyond-prompting"
def read_all(folder):
    return [path.read_bytes() for path in sorted(Path(folder).rglob("*")) if path.is_file()]
tries = {
    "list the instructors' course": lambda: os.listdir(hub / "course"),
    "read the gradebook": lambda: (hub / "course/term/gradebook.db").read_bytes(),
    "read the source": lambda: (hub / "course/source/en/quiz/quiz.ipynb").read_bytes(),
    "list the hub's secrets": lambda: os.listdir(hub / "hub"),
    "read the passwords": lambda: (hub / "hub/first-passwords.csv").read_bytes(),
    "list a fellow student's home": lambda: os.listdir(other),
    "read a fellow student's quiz":
        lambda: (other / "beyond-prompting/work/en/quiz/quiz.ipynb").read_bytes(),
    "list what was handed in": lambda: os.listdir(exchange / "inbound"),
    "list the feedback": lambda: os.listdir(exchange / "feedback"),
    "write the release": lambda: (exchange / "outbound/quiz/quiz.ipynb").write_bytes(b"{}"),
    "add to the release": lambda: (exchange / "outbound/quiz/more").write_bytes(b""),
    "write feedback": lambda: (exchange / "feedback/x.html").write_bytes(b""),
    "move the exchange away": lambda: os.rename(exchange, exchange.with_name("gone")),
    "move what was handed in away":
        lambda: os.rename(exchange / "inbound", exchange / "gone"),
    "write the bundle": lambda: (hub / "student/notebooks/START.md").write_bytes(b""),
    "add to the bundle": lambda: (hub / "student/sitecustomize.py").write_bytes(b""),
    "write what starts a session": lambda: (hub / "session.py").write_bytes(b""),
    "add a setting": lambda: (hub / "jupyter/all/more.json").write_bytes(b""),
    "add to the environment": lambda: (Path(sys.prefix) / "more.py").write_bytes(b""),
    "put a folder beside": lambda: os.mkdir(hub / "mine"),
}
for what, act in tries.items():
    try:
        act()
    except PermissionError:
        continue
    except OSError as error:
        print(f"{what}: {error}")
        continue
    print(f"{what}: done")
print(len(tries), "tried")
"""


def test_a_student_cannot_trespass(running) -> None:
    first, second = running.students
    for name, other in ((first, second), (second, first)):
        home = running.home(other).parent
        said = running.python_as(name, TRESPASS, str(running.folder), str(home))
        assert said == "20 tried\n"


def inbound(hub):
    return hub.folder / "exchange" / "beyond-prompting" / "inbound"


def test_what_is_handed_in_as_another_or_changed_later_is_not_taken(running) -> None:
    """Handed in under another's name; and replaced by its owner once it was collected."""
    hub = running
    first, second = hub.students
    own = next(inbound(hub).glob(f"{first}+quiz+*"))
    code = (
        "import shutil, sys\n"
        "shutil.copytree(sys.argv[1], sys.argv[2])\n"
        "path = sys.argv[2] + '/quiz.ipynb'\n"
    )
    forged = inbound(hub) / f"{second}+quiz+2030-01-01 00:00:00.000000 UTC+mine"
    hub.python_as(first, code, str(own), str(forged))
    said = collect(hub)
    assert f"claims to be of {second} but belongs to {first}" in said
    # A submission is its owner's to change; a fellow student can't even who knows its name.
    swap = "import sys; open(sys.argv[1], 'w').write('{}')"
    target, original = str(own / "quiz.ipynb"), (own / "quiz.ipynb").read_bytes()
    denied = hub.run_as(second, str(hub.environment / "bin/python"), "-c", swap, target)
    assert "PermissionError" in denied.stderr
    away = "import os, sys; os.rename(sys.argv[1], sys.argv[1] + '-gone')"
    denied = hub.run_as(second, str(hub.environment / "bin/python"), "-c", away, str(own))
    assert "PermissionError" in denied.stderr
    term = hub.folder / "course" / "term"
    before = term_files(term, first)
    hub.python_as(first, swap, target)
    # What is collected is out of reach; collecting again keeps it, and says what is wrong now.
    assert term_files(term, first) == before
    assert f"{first} " in collect(hub)
    assert original in term_files(term / "collected", first).values()
    assert not list(term.rglob("*2030-01-01*"))


def collect(hub) -> str:
    return grader(hub, "collect", "quiz")


def grader(hub, *words: str, by: str = "") -> str:
    """What `autograder` says to an instructor."""
    command = [str(hub.environment / "bin/python"), "-m", "autograder", *words]
    done = hub.run_as(by or hub.instructor, *command)
    return " ".join((done.stdout + done.stderr).split())


def scores_of(hub) -> dict[str, float]:
    return json.loads(
        hub.python_as(
            hub.instructor,
            "import json\n"
            "from autograder.config import Course\n"
            "with Course.here().gradebook() as book:\n"
            "    found = {one['student']: one['score'] for one in book.submission_dicts('quiz')}\n"
            "print(json.dumps(found))",
        )
    )


def term_files(folder: Path, student: str) -> dict[str, bytes]:
    """What is kept of a student, by its path."""
    return {
        str(path): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and student in str(path)
    }


def test_no_secret_can_be_read_by_walking_the_machine(running) -> None:
    """As each user; each secret is somewhere that its own owner can read."""
    hub = running
    for number, name in enumerate(hub.students, 1):
        word = hub.canaries.setdefault(f"work-{number}", f"canary-work-{name}-{number}")
        hub.run_as(name, "sh", "-c", f"echo {word} > '{hub.home(name)}/notes.txt'")
        passwords = hub.canaries.setdefault(f"password-{number}", hub.password(name))
        assert passwords
    hub.canaries["cookie"] = (hub.folder / "hub" / "cookie-secret").read_text().strip()
    teacher, first, second = (set(reached(hub, name)) for name in hub.everybody)
    assert first == {"work-1"}
    assert second == {"work-2"}
    assert {"hidden-test", "tests", "gradebook-1", "gradebook-2"} <= teacher
    assert not {"cookie", "password-1", "work-1", "work-2"} & teacher


def test_kernels_are_reached_through_files_of_their_user(running, pages) -> None:
    """Whoever can connect to a kernel's port reads what it prints, for it asks for no key."""
    for name in running.students:
        runtime = running.home(name).parent / ".local" / "share" / "jupyter" / "runtime"
        kernels = [json.loads(path.read_text()) for path in runtime.glob("kernel-*.json")]
        assert {kernel["transport"] for kernel in kernels} == {"ipc"}
        assert stat.S_IMODE(runtime.stat().st_mode) & 0o077 == 0


def servers_of(name: str) -> list[int]:
    uid = pwd.getpwnam(name).pw_uid
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            command = (process / "cmdline").read_bytes()
            if process.stat().st_uid == uid and b"jupyterhub.singleuser" in command:
                found.append(int(process.name))
    return found


def test_a_users_memory_and_cores_are_limited(running, pages) -> None:
    """Processes that join a student's own get no more than the student may have."""
    name = running.students[0]
    (server,) = servers_of(name)
    said = running.log.read_text()
    if "control group limits" not in said and "systemd limits" not in said:
        limits = Path(f"/proc/{server}/limits").read_text()
        assert re.search(rf"Max data size +{int(1.5 * 2**30)} ", limits)
        return
    mine = "course-hub-" if "control group limits" in said else f"beyond-prompting-{name}.service"
    folders = [
        Path(place) / line.split(":")[2].lstrip("/")
        for line in Path(f"/proc/{server}/cgroup").read_text().splitlines()
        if mine in line
        for place in mounts_of(line.split(":")[1])
    ]
    assert folders
    enter = " && ".join(f"echo $$ > {folder}/cgroup.procs" for folder in folders)

    def join(code: str) -> subprocess.CompletedProcess[str]:
        command = f"{enter} && exec /usr/bin/python3 -c '{code}'"
        return subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)

    taken = join("held = bytearray(3 * 2**30); held[::4096] = bytes(len(held[::4096]))")
    assert taken.returncode == -9, taken.stderr
    if "cores aren't limited" not in said:
        spun = join(SPIN)
        assert float(spun.stdout) < 1.3, spun.stderr  # of one core, in which others run, too


# Says how many cores two processes get that never wait.
SPIN = """
import os, time
began, other = time.monotonic(), os.fork()
while time.monotonic() < began + 3:
    pass
if not other:
    os._exit(0)
os.wait()
used = os.times()
print((used.user + used.system + used.children_user + used.children_system) / 3)
"""


def mounts_of(controllers: str) -> list[str]:
    """Where the kernel shows the groups of these controllers."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _source, options = after.split(" ", 2)
        named = set(controllers.split(",")) & set(options.split(","))
        if (kind == "cgroup" and named) or (kind == "cgroup2" and not controllers):
            found.append(before.split()[4])
    return found


def test_a_restart_in_the_middle_of_a_submission_loses_nothing(running, browser) -> None:
    """The exchange holds all of the submission or nothing, and handing in again works."""
    hub, name = running, running.students[1]
    grader(hub, "release", "quiz", "--exchange")
    page = new_page(browser)
    log_in(hub, page, name)
    place = hub.home(name) / "work" / "en" / "quiz"
    mine = (place / "quiz.ipynb").read_bytes()
    # So many files that handing them in takes longer than to see that it has begun.
    many = "import pathlib, sys; [(pathlib.Path(sys.argv[1]) / f'{n}.txt').touch()"
    many += " for n in range(20_000)]"
    hub.run_as(name, "mkdir", str(place / "notes"))
    hub.python_as(name, many, str(place / "notes"))
    before, servers = set(handed_in(hub, name)), servers_of(name)
    assignment_list(page)
    page.get_by_role("button", name="Submit", exact=True).first.click()
    deadline = time.monotonic() + 60
    while not any(inbound(hub).glob(".submitting-*")) and set(handed_in(hub, name)) == before:
        assert time.monotonic() < deadline, "it did not begin"
        time.sleep(0.001)
    for server in servers:
        os.kill(server, signal.SIGKILL)
    page.context.close()
    hub.stop()
    for one in set(handed_in(hub, name)) - before:
        assert len(list(one.rglob("*.txt"))) == 20_002
    assert (place / "quiz.ipynb").read_bytes() == mine

    hub.start("--create-users", "--memory", "1.5", "--cores", "1")
    hub.run_as(name, "rm", "-r", str(place / "notes"))
    before = set(handed_in(hub, name))
    page = new_page(browser)
    log_in(hub, page, name)
    assignment_list(page)
    page.get_by_role("button", name="Submit", exact=True).first.click()
    wait_until(lambda: set(handed_in(hub, name)) > before, page, "not handed in again")
    page.context.close()
    (again,) = set(handed_in(hub, name)) - before
    assert (again / "quiz.ipynb").read_bytes() == mine
    assert ".submitting-" not in collect(hub)


def new_page(browser, **options):
    context = browser.new_context(viewport={"width": 1280, "height": 900}, **options)
    context.set_default_timeout(60_000)
    return context.new_page()


def handed_in(hub, name: str) -> list[Path]:
    return list(inbound(hub).glob(f"{name}+quiz+*"))


@pytest.fixture
def scheduler(tmp_path):
    """A Dask scheduler with a worker: its address, and what ends it."""
    pytest.importorskip("distributed")
    known, log = tmp_path / "scheduler.json", (tmp_path / "log").open("wb")
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    common = ["--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(known)]

    def start(*words: str) -> subprocess.Popen:
        command = [sys.executable, "-m", *words, *common]
        return subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log, env=environ)

    running = [start("distributed.cli.dask_scheduler", "--port", "0")]
    while not known.exists():
        assert running[0].poll() is None, (tmp_path / "log").read_text()
        time.sleep(0.05)
    running.append(start("distributed.cli.dask_worker", "--nthreads", "1", "--no-nanny"))

    def end() -> None:
        for process in running:
            process.kill()
            process.wait()

    yield json.loads(known.read_text())["address"], end
    end()
    log.close()


def test_the_same_with_a_gradebook_in_postgresql_and_a_dask_scheduler(
    running, browser, server, scheduler
) -> None:
    """The next term on the same hub, started with other flags."""
    hub = running
    address, end = scheduler
    gradebook = server()
    Path(gradebook.split("host=")[1]).chmod(0o711)  # the server's socket is in it
    hub.stop()
    for part in ("outbound", "inbound", "feedback"):
        for old in (inbound(hub).parent / part).iterdir():
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    for name in hub.students:
        hub.run_as(name, "rm", "-r", str(hub.home(name) / "work" / "en" / "quiz"))
    hub.start("--create-users", "--postgres", gradebook, "--dask", address)
    with logged_in(hub, browser) as pages:
        from_release_to_feedback(hub, pages)
    for name in hub.students:
        environ = hub.run_as(name, "env").stdout
        assert gradebook not in environ
        assert address not in environ
    end()
    assert address in grader(hub, "grade", "quiz", "--again")


READ = """(address) => fetch(address, {
    credentials: "include",
    headers: {"X-XSRFToken": (document.cookie.match(/_xsrf=([^;]*)/) ?? ["", ""])[1]},
}).then((answer) => answer.status, (error) => error.name)"""
WRITE = """(address) => fetch(address, {
    method: "POST", mode: "no-cors", credentials: "include", body: '{"type": "directory"}',
}).then((answer) => answer.type, (error) => error.name)"""


def listing(hub, name: str) -> list[str]:
    """What lies in the folder that a user's server shows."""
    return hub.run_as(name, "find", ".", "-maxdepth", "1").stdout.split()


@pytest.fixture
def certificate(tmp_path) -> tuple[Path, Path]:
    """A certificate for hub.localhost and the names below it, and its key."""
    if not shutil.which("openssl"):
        pytest.skip("this machine has no openssl, which makes the certificate")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=hub.localhost", "-keyout", str(key), "-out", str(certificate)),
            *("-addext", "subjectAltName=DNS:hub.localhost,DNS:*.hub.localhost"),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key


def test_with_a_certificate_and_a_domain_every_server_is_an_origin_of_its_own(
    running, browser, certificate
) -> None:
    """Started anew with other flags; what a student's page asks of others stays unread."""
    hub = running
    file, key = map(str, certificate)
    hub.stop()
    hub.domain = f"https://hub.localhost:{hub.port}"
    try:
        hub.start("--domain", hub.domain, "--certificate", file, "--key", key)
        with logged_in(hub, browser, ignore_https_errors=True) as pages:
            for name, page in pages.items():
                assert page.url.startswith(own_address(hub, name, "lab"))
                cookies = page.context.cookies()
                assert cookies
                assert all(cookie["secure"] for cookie in cookies if cookie["httpOnly"])
            teacher, name = pages[hub.instructor], hub.students[0]
            asked = own_address(hub, hub.instructor, "api/contents")
            before = listing(hub, hub.instructor)
            assert teacher.evaluate(READ, asked) == 200
            # The instructor opens what a student's server sends; its version needs no log-in.
            assert teacher.goto(own_address(hub, name, "api")).status == 200
            assert teacher.evaluate(READ, asked) == "TypeError"
            assert teacher.evaluate(WRITE, asked) in ("TypeError", "opaque")
            assert listing(hub, hub.instructor) == before
            open_quiz(hub, pages[name], name)  # its kernel answers by a web socket
    finally:
        hub.stop()
        hub.domain = ""


def test_idle_servers_end_and_the_hubs_own_passwords_work(running, browser) -> None:
    """Started anew with other flags: what people have made is as it was."""
    hub = running
    name = hub.students[1]
    kept = hub.home(name) / "kept.txt"
    hub.run_as(name, "mkdir", "-p", str(kept.parent))
    hub.run_as(name, "sh", "-c", f"echo kept > '{kept}'")
    hub.stop()
    assert not servers_of(name)
    hub.start("--users", "native", "--idle", "0.25")
    context = browser.new_context()
    page = context.new_page()

    def enter(password: str) -> None:
        page.goto(f"{hub.url}/hub/login")
        page.locator("#username_input").fill(name)
        page.locator("#password_input").fill(password)
        page.locator("#login_submit").click()

    assert page.goto(f"{hub.url}/hub/signup").status == 404
    enter("not the password")
    expect(page.get_by_text("Invalid username or password")).to_be_visible()
    enter(hub.password(name))
    wait_until(lambda: servers_of(name), page, "no server was started")
    wait_until(lambda: not servers_of(name), page, "the idle server still runs")
    context.close()
    assert kept.read_text() == "kept\n"


def wait_until(holds, page, otherwise: str) -> None:
    deadline = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < deadline, f"{otherwise}: {page.url}"
        page.wait_for_timeout(300)
