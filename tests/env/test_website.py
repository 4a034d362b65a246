"""What `python3 env site` takes, keeps and refuses, before any page is built."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import website
from environment import Environment
from faults import Fault
from tools.lesson_store import Lesson

ROOT = Path(__file__).resolve().parents[2]
PINS = ROOT / "docs" / "requirements.txt"


def test_all_lessons_are_built_unless_some_are_named() -> None:
    names = website.chosen(ROOT, [])
    assert len(names) >= 10 and "appendix-audio" in names
    assert website.chosen(ROOT, ["04", "00-start"]) == ["00-start-here", "04-the-cost-formula"]
    with pytest.raises(Fault, match="There is no lesson '44'"):
        website.chosen(ROOT, ["04", "44"])


def test_a_folder_of_the_users_is_not_replaced(tmp_path: Path) -> None:
    website.require_replaceable(tmp_path / "new")
    website.require_replaceable(tmp_path)
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(Fault, match="has something in it that isn't a site"):
        website.require_replaceable(tmp_path)
    (tmp_path / website.MARK).touch()
    website.require_replaceable(tmp_path)


def test_an_earlier_site_stays_when_building_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / website.MARK).touch()
    (site / "index.html").write_text("before")
    environment = Environment(ROOT, lambda line: None)
    monkeypatch.setattr(environment, "make_beside", lambda folder, lock: Path("python"))
    said = []

    def fail(command: list[str], *rest: object) -> None:
        said.append(command)
        if "build.py" in command[1]:
            raise Fault("Sphinx could not build the site; correct what is reported above.")

    monkeypatch.setattr(website, "_run", fail)
    with pytest.raises(Fault, match="Sphinx"):
        website.build(environment, ["00-start-here"], site, said.append)
    assert (site / "index.html").read_text() == "before"


def test_another_environment_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("a==1\n")
    made: list[str] = []
    monkeypatch.setattr(Environment, "_create", lambda self: made.append(self.folder.name))
    monkeypatch.setattr(Environment, "_install", lambda self, lock: made.append(lock.name))
    environment = Environment(tmp_path, lambda line: None)
    python = environment.make_beside(tmp_path / "own", lock)
    assert python.is_relative_to(tmp_path / "own")
    environment.make_beside(tmp_path / "own", lock)
    assert made == ["own", "lock.txt"]
    lock.write_text("a==2\n")
    environment.make_beside(tmp_path / "own", lock)
    assert made == ["own", "lock.txt"] * 2
    assert environment.folder == tmp_path / ".venv"


def steps(name: str) -> dict[str, list[dict[str, Any]]]:
    """The steps of a workflow by job, once what the jobs say of each other is right."""
    text = (ROOT / ".github" / "workflows" / name).read_text(encoding="utf-8")
    workflow = yaml.safe_load(text)
    assert {"name", "permissions", "jobs"} <= set(workflow) and True in workflow  # "on:"
    jobs = workflow["jobs"]
    for job in jobs.values():
        needed = job.get("needs", [])
        assert {needed, *jobs} == set(jobs) if isinstance(needed, str) else not needed
        assert job["runs-on"]
        for step in job["steps"]:
            assert ("run" in step) != ("uses" in step)
            assert "uses" not in step or re.fullmatch(r"actions/[\w-]+@v\d+", step["uses"])
    known = {step.get("id") for job in jobs.values() for step in job["steps"]}
    assert set(re.findall(r"\bsteps\.(\w+)", text)) <= known
    return {job: one["steps"] for job, one in jobs.items()}


def test_the_workflow_publishes_the_folder_that_the_command_builds() -> None:
    made = steps("site.yml")
    assert [step["run"] for step in made["build"] if "run" in step] == ["python3 env site"]
    uploaded = [step["with"] for step in made["build"] if "upload" in step.get("uses", "")]
    assert [one["path"] for one in uploaded] == [website.OUTPUT.as_posix()] * 2
    assert [step["uses"].partition("@")[0] for step in made["publish"]] == ["actions/deploy-pages"]


def test_the_workflows_keep_lessons_where_they_are_looked_for() -> None:
    place = Lesson("00-start-here").place.parent.relative_to(ROOT).as_posix()
    for name in ("site.yml", "ci.yml"):
        cached = [
            step["with"]
            for job in steps(name).values()
            for step in job
            if step.get("uses", "").startswith("actions/cache@")
        ]
        assert len(cached) == 1 and place in cached[0]["path"].split()
        hashed = re.findall(r"'([^']+)'", cached[0]["key"])
        assert hashed and all(any(ROOT.glob(pattern)) for pattern in hashed)


def test_the_tests_workflow_runs_a_command_that_is_there() -> None:
    [command] = [step["run"] for step in steps("ci.yml")["tests"] if "run" in step]
    assert os.access(ROOT / command, os.X_OK)


def test_every_package_of_the_site_is_locked_with_hashes() -> None:
    wanted = re.findall(r"^[\w-]+", (PINS.with_suffix(".in")).read_text("utf-8"), re.MULTILINE)
    locked = re.split(r"^(?=\w)", PINS.read_text("utf-8"), flags=re.MULTILINE)[1:]
    names = [one.partition("==")[0] for one in locked]
    assert wanted and set(wanted) <= set(names)
    assert [name for name, one in zip(names, locked, strict=True) if "--hash=" not in one] == []
