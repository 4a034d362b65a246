"""The same class on a Dask cluster as on this machine, with a worker lost in the middle."""

from __future__ import annotations

import pytest

from autograder.errors import EnvironmentFault
from autograder.grading import coordinator as grading
from autograder.grading.coordinator import grade
from autograder.grading.pool import executor

STUDENTS = [f"s{number:02}" for number in range(12)]
SLOW = "import time\ntime.sleep(0.4)\n"


@pytest.fixture
def collected(term, kit, monkeypatch, stand_ins):
    """A course with a class that takes a while."""
    monkeypatch.setattr(grading, "_runner", lambda: stand_ins.run_submission)
    for number, student in enumerate(STUDENTS):
        answers = {
            "a_answer": SLOW + f"a = {42 if number % 3 else 7}",
            "double": kit.RIGHT["double"],
        }
        kit.hand_in(term, student, kit.answered(term, **answers))
    return term


def test_a_lost_workers_submissions_run_elsewhere_and_the_results_are_the_same(
    collected, cluster, kit, tmp_path
):
    address, workers = cluster
    lost = []

    def lose_one(done: int, _total: int, _student: str) -> None:
        if done == 4 and not lost:
            workers[0].kill()
            lost.append(workers[0])

    there = grade(collected, "mini", scheduler=address, progress=lose_one)
    assert lost
    rows = kit.rows(collected)
    ran = [path.name.split("-")[:2] for path in (tmp_path / "cluster" / "runs").iterdir()]
    assert {student for student, _pid in ran} == set(STUDENTS)
    assert {int(pid) for _student, pid in ran} == {worker.pid for worker in workers}
    assert [one.score for one in there] == [6.0 if n % 3 else 4.0 for n in range(12)]

    assert grade(collected, "mini", again=True, workers=2) == there
    assert kit.rows(collected) == rows


@pytest.mark.parametrize("cluster", ["--nanny"], indirect=True)
def test_a_submission_that_ends_every_worker_costs_only_itself(collected, cluster, kit):
    address, _workers = cluster
    kit.hand_in(collected, "s03", kit.answered(collected, a_answer="import os\nos._exit(1)"))
    found = {one.student: one for one in grade(collected, "mini", scheduler=address)}
    assert found["s03"].score == 0
    assert "ended the process that graded it" in found["s03"].reasons[0]
    rest = [one.score for name, one in found.items() if name != "s03"]
    assert rest == [6.0 if n % 3 else 4.0 for n in range(12) if n != 3]


def test_a_scheduler_without_workers_is_a_sentence(cluster):
    address, workers = cluster
    for worker in workers:
        worker.terminate()
        worker.wait()
    with pytest.raises(EnvironmentFault, match="has no workers"), executor(scheduler=address):
        pass


def test_a_scheduler_that_is_not_there_is_a_sentence(monkeypatch):
    monkeypatch.setattr("autograder.grading.pool._SCHEDULER_ANSWERS_IN", 1)
    with (
        pytest.raises(EnvironmentFault, match="doesn't answer"),
        executor(scheduler="tcp://127.0.0.1:9"),
    ):
        pass
