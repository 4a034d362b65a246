"""A student's work while the kernel, the network, the disk or a second tab gets in the way."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest

from autograder.config import Course
from autograder.student.work_history import histories, restore
from tests.browser.conftest import ROOT, Lab, free_port, launcher_lab, running_lab
from tests.browser.test_student import open_notebook, wait_until_idle
from tests.small_disk import small_disk

playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect

QUIZ = "work/en/quiz/quiz.ipynb"


def small_course(root: Path) -> Path:
    """What a student needs for the quiz."""
    shutil.copytree(ROOT / "release" / "en" / "quiz", root / "release" / "en" / "quiz")
    (root / "notebooks").mkdir()
    shutil.copyfile(ROOT / "notebooks" / "START.md", root / "notebooks" / "START.md")
    return root


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Iterator[Lab]:
    """One that no test ends or fills up."""
    place = tmp_path_factory.mktemp("lab")
    with running_lab(small_course(place / "course"), place, instructor=False) as lab:
        yield lab


@pytest.fixture
def quiz(lab, request) -> str:
    """A test's own copy of the quiz, below the course's folder."""
    path = f"work/en/{request.node.name}/quiz.ipynb"
    (lab.root / path).parent.mkdir(parents=True)
    shutil.copyfile(lab.root / QUIZ, lab.root / path)
    return path


def cell(page, variable: str):
    """The cell in which a question of the quiz is answered."""
    code = page.locator(".jp-NotebookPanel:visible .jp-CodeCell")
    return code.filter(has_text=re.compile(rf"^\s*\[.*\]:\s*{variable} = |{variable} = ")).first


def write(page, variable: str, code: str) -> None:
    """Put code into the cell that answers a question, whatever dialog comes up meanwhile."""
    editor = cell(page, variable).locator(".cm-content")

    def is_written() -> bool:
        if editor.inner_text().split() == code.split():
            return True
        dismiss(page)
        with suppress(playwright.TimeoutError):
            editor.click(timeout=5_000)
            page.keyboard.press("Control+a")
            page.keyboard.insert_text(code)
        return False

    wait_until(is_written, page, f"{code} could not be written")


def save(page) -> None:
    page.keyboard.press("Escape")
    page.keyboard.press("Control+s")


def code_in(path: Path) -> str:
    """The code of a notebook on the disk, which has to be a whole one."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    return "\n".join("".join(one["source"]) for one in notebook["cells"])


def wait_until(holds: Callable[[], bool], page, otherwise: str) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, otherwise
        page.wait_for_timeout(200)


def wait_until_saved(page, path: Path, code: str) -> None:
    wait_until(lambda: code in code_in(path), page, f"{code} was not saved")
    expect(page.locator(".jp-NotebookPanel .jp-mod-dirty")).to_have_count(0)


def save_when_back(page, path: Path, code: str) -> None:
    """Save once the server can be reached again; a dialog of before may be in the way."""

    def is_saved() -> bool:
        if code in code_in(path):
            return True
        dismiss(page)
        save(page)
        page.wait_for_timeout(2_000)
        return False

    wait_until(is_saved, page, f"{code} was not saved")


def dialog(page):
    return page.locator(".jp-Dialog").last


def dismiss(page) -> None:
    """Click every dialog away; some go by themselves."""
    wait_until(
        lambda: (
            not page.evaluate(
                """() => {
                const open = document.querySelectorAll('.jp-Dialog');
                [...open].at(-1)?.querySelector('button.jp-mod-styled:last-of-type')?.click();
                return open.length;
            }"""
            )
        ),
        page,
        "a dialog stays",
    )


def kernels(lab: Lab) -> list[psutil.Process]:
    inner = psutil.Process(lab.process.pid).children(recursive=True)
    return [one for one in inner if any("ipykernel" in word for word in one.cmdline())]


def test_a_kernel_that_dies_takes_no_work_along(lab, page, quiz) -> None:
    open_notebook(page, lab, quiz)
    write(page, "q1", 'import time\nq1 = "A"; time.sleep(600)')
    page.keyboard.press("Control+Enter")
    expect(cell(page, "q1").locator(".jp-InputPrompt")).to_contain_text("[*]")
    for kernel in kernels(lab):
        kernel.kill()
    expect(dialog(page)).to_contain_text("appears to have died. It will restart automatically.")
    dismiss(page)
    wait_until_idle(page)
    write(page, "q1", 'q1 = "A"')
    page.keyboard.press("Control+Enter")
    expect(cell(page, "q1").locator(".jp-InputPrompt")).to_contain_text("[1]")
    save(page)
    wait_until_saved(page, lab.root / quiz, 'q1 = "A"')


def test_what_is_written_without_a_network_is_saved_when_it_is_back(lab, page, quiz) -> None:
    open_notebook(page, lab, quiz)
    page.context.set_offline(True)
    write(page, "q1", 'q1 = "A"')
    save(page)
    expect(dialog(page)).to_contain_text(re.compile("connection|Save Error", re.IGNORECASE))
    assert "q1 = None" in code_in(lab.root / quiz)
    page.context.set_offline(False)
    expect(cell(page, "q1")).to_contain_text('q1 = "A"')
    save_when_back(page, lab.root / quiz, 'q1 = "A"')


def test_what_is_written_while_the_server_is_gone_is_saved_when_it_is_back(tmp_path, page) -> None:
    root, token = small_course(tmp_path / "course"), secrets.token_hex(8)
    how = {"instructor": False, "port": free_port(), "more": [f"--IdentityProvider.token={token}"]}
    with running_lab(root, tmp_path, **how) as lab:
        open_notebook(page, lab, QUIZ)
        write(page, "q1", 'q1 = "A"')
        with page.expect_response(re.compile("/api/contents/.*/checkpoints")):
            save(page)
        wait_until_saved(page, root / QUIZ, 'q1 = "A"')
        left = kernels(lab)
        lab.process.kill()  # it can't say goodbye
        lab.process.wait()
    for one in left:
        one.kill()
    write(page, "q2", 'q2 = "B"')
    save(page)
    expect(dialog(page)).to_contain_text(re.compile("connection|Save Error", re.IGNORECASE))
    assert "q2 = None" in code_in(root / QUIZ)
    with running_lab(root, tmp_path, **how):
        expect(cell(page, "q2")).to_contain_text('q2 = "B"')
        save_when_back(page, root / QUIZ, 'q2 = "B"')
    assert 'q1 = "A"' in code_in(root / QUIZ)


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="it mounts a folder")
def test_a_read_only_home_is_no_hindrance(tmp_path, page) -> None:
    home = tmp_path / "home"
    home.mkdir()
    mounting = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && shift && exec "$@"'
    wrapper = ["env", f"HOME={home}", "unshare", "--mount", "sh", "-ec", mounting, "sh", str(home)]
    root = small_course(tmp_path / "course")
    with running_lab(root, tmp_path, instructor=False, wrapper=wrapper) as lab:
        seen = Path(f"/proc/{lab.process.pid}/root") / home.relative_to("/")
        with pytest.raises(OSError, match="Read-only"):
            (seen / "new").touch()
        open_notebook(page, lab, QUIZ)
        write(page, "q1", 'q1 = "A"')
        page.keyboard.press("Control+Enter")
        expect(cell(page, "q1").locator(".jp-InputPrompt")).to_contain_text("[1]")
        save(page)
        wait_until_saved(page, root / QUIZ, 'q1 = "A"')


def test_a_read_only_course_is_said_in_a_sentence(tmp_path) -> None:
    with small_disk(tmp_path / "course", 4) as disk:
        small_course(disk.place)
        disk.read_only()
        with (
            pytest.raises(launcher_lab.Fault, match=r"^This folder isn't writable, so .*\.$"),
            running_lab(disk.place, tmp_path, instructor=False),
        ):
            pass


def test_a_full_disk_loses_nothing(tmp_path, page) -> None:
    root = small_course(tmp_path / "course")
    with ExitStack() as stack:
        disk = stack.enter_context(small_disk(root / "work", 3))
        lab = stack.enter_context(running_lab(root, tmp_path, instructor=False))
        open_notebook(page, lab, QUIZ)
        write(page, "q1", 'q1 = "A"')
        save(page)
        wait_until_saved(page, root / QUIZ, 'q1 = "A"')
        disk.fill(but=4096)
        write(page, "q2", 'q2 = "B"')
        for _ in range(2):
            save(page)
            expect(dialog(page)).to_contain_text(
                "The disk is full, so quiz.ipynb was not saved (the last saved version is intact)"
            )
            expect(dialog(page)).not_to_contain_text(re.compile("Traceback|Errno"))
            dismiss(page)
            assert 'q1 = "A"' in code_in(root / QUIZ)
            assert "q2 = None" in code_in(root / QUIZ)
        disk.free_up()
        expect(cell(page, "q2")).to_contain_text('q2 = "B"')
        save(page)
        wait_until_saved(page, root / QUIZ, 'q2 = "B"')
        expect(page.locator(".jp-Dialog")).to_have_count(0)


def test_a_second_tab_asks_and_both_versions_are_kept(lab, page, quiz) -> None:
    second = page.context.new_page()
    path = lab.root / quiz
    for one in (page, second):
        one.bring_to_front()
        open_notebook(one, lab, quiz)
    page.bring_to_front()
    write(page, "q1", 'q1 = "A"')
    save(page)
    wait_until_saved(page, path, 'q1 = "A"')
    second.bring_to_front()
    write(second, "q1", 'q1 = "D"')
    save(second)
    expect(dialog(second)).to_contain_text("changed on disk")
    assert 'q1 = "A"' in code_in(path)
    dialog(second).get_by_role("button", name="Overwrite").click()
    wait_until_saved(second, path, 'q1 = "D"')
    second.close()

    course = Course(lab.root)
    (history,) = histories(course, quiz)
    first = next(one for one in history.versions if 'q1 = "A"' in code_in(one.path))
    restore(course, quiz, first.name)
    assert 'q1 = "A"' in code_in(path)
