"""All attacks in classes: who sits together, who is to blame, and what it came to.

An attack is run with others that are handed in alike. When a class fails as a whole (a command
does, or an honest student is hurt), it is divided until the failure names the culprit. Outcomes
are kept in `.cache/attacks.json`, from which `benchmarks/attacks_on_stock.py` makes the tables.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from difflib import unified_diff
from pathlib import Path

from tests.attacks.attack import NO_SANDBOX, Attack
from tests.attacks.classroom import HONEST, STATIONS, Lesson, Outcome, Schoolhouse, without_times
from tests.attacks.small_course import POINTS_OF, SECRETS, TESTS_OF
from tests.attacks.stations import ROOT, USUAL_CELL_SECONDS
from tests.attacks.surroundings import Listeners, left_running

CACHE = ROOT / ".cache" / "attacks.json"
MOST_IN_A_CLASS = 80
MOST_MEMORY = 300 * 1024**2
"""What one student's work may take at a station beyond a class of honest students only."""

MOST_SECONDS = 10.0
"""Processor seconds that it may take there."""

STUDENT_STATIONS = ("collect", "feedback")
"""Where these bounds hold; `grade` has the submission's own time."""


def class_of(attack: Attack) -> tuple:
    """Which class an attack sits in."""
    limit = next((one for one in (2, 5) if attack.seconds <= one), USUAL_CELL_SECONDS)
    place = (attack.way, attack.assignment, attack.due, attack.again, limit)
    return (*place, attack.together, attack.run_seconds)


@dataclass
class Result:
    """What became of one attack.

    Attributes:
        faults: a sentence for each thing that is not as it should be; empty if all is well.
        seconds, peak: of each station, of the class in which it sat.
        classmates: how many attacked in that class.
    """

    attack: Attack
    outcome: Outcome
    faults: list[str]
    classmates: int
    seconds: dict[str, float] = field(default_factory=dict)
    peak: dict[str, int] = field(default_factory=dict)


class Suite:
    """Runs classes when their first outcome is asked for.

    Args:
        attacks: all that will be asked for; they share classes.
        without: barriers to take down.
    """

    def __init__(
        self,
        house: Schoolhouse,
        attacks: Iterable[Attack],
        listeners: Listeners | None = None,
        without: Sequence[str] = (),
    ) -> None:
        self._house, self._listeners, self._without = house, listeners, tuple(without)
        self._classes: dict[tuple, list[Attack]] = {}
        for attack in attacks:
            self._classes.setdefault(class_of(attack), []).append(attack)
        self._results: dict[str, Result] = {}
        self._honest: dict[tuple, Lesson] = {}

    def result(self, attack: Attack) -> Result:
        """What became of this attack."""
        if attack.name not in self._results:
            mates = self._classes[class_of(attack)]
            waiting = [one for one in mates if one.name not in self._results]
            start = waiting.index(attack) // MOST_IN_A_CLASS * MOST_IN_A_CLASS
            self._run(waiting[start : start + MOST_IN_A_CLASS])
        return self._results[attack.name]

    def alone(self, attack: Attack) -> Lesson:
        """The honest students of its kind of class, without anybody else."""
        key = class_of(attack)[:3]
        if key not in self._honest:
            lesson = self._house.run(
                replace(attack, again=False, run_seconds=0), [], USUAL_CELL_SECONDS, self._without
            )
            assert self._without or not lesson.faults, lesson.faults
            self._honest[key] = lesson
        return self._honest[key]

    def _run(self, attacks: list[Attack]) -> None:
        alone = self.alone(attacks[0])
        lesson = self._house.lesson(attacks, class_of(attacks[0])[4], self._without)
        faults = [*lesson.faults, *self._hurt(lesson, alone, attacks)]
        if faults and len(attacks) > 1:
            middle = len(attacks) // 2
            self._run(attacks[:middle])
            self._run(attacks[middle:])
            return
        for attack in attacks:
            outcome = lesson.attackers[attack.name]
            found = [*faults, *_faults(attack, outcome)]
            self._results[attack.name] = Result(
                attack,
                outcome,
                found,
                len(attacks),
                {name: round(run.seconds, 1) for name, run in lesson.runs.items()},
                {name: run.peak for name, run in lesson.runs.items()},
            )
        if not self._without:  # at once, so that a run that is stopped has told so far
            record(self._results[attack.name] for attack in attacks)

    def _hurt(self, lesson: Lesson, alone: Lesson, attacks: Sequence[Attack]) -> list[str]:
        """What an attack has done to others: to honest students, to this machine."""
        found = []
        for student in HONEST:
            now, before = lesson.honest[student], alone.honest[student]
            if now.points != before.points:
                found.append(f"{student} has {now.points} instead of {before.points}")
            if change := _change(without_times(before.page), without_times(now.page)):
                found.append(f"the feedback page of {student} has changed:\n{change}")
        for station in STUDENT_STATIONS:
            run, usual = lesson.runs[station], alone.runs[station]
            # Together they may take what each of them may, but one too many shows sooner or later.
            if run.cpu - usual.cpu > MOST_SECONDS * (1 if len(attacks) == 1 else 3):
                found.append(f"{station} took {run.cpu:.1f} s of a core, {usual.cpu:.1f} s alone")
            if run.peak - usual.peak > MOST_MEMORY:
                found.append(f"{station} took {run.peak >> 20} MiB, {usual.peak >> 20} MiB alone")
        for station, run in lesson.runs.items():
            usual = alone.runs.get(station, run)
            if run.own - usual.own > MOST_MEMORY:  # whatever its workers may take
                found.append(
                    f"{station} itself took {run.own >> 20} MiB, {usual.own >> 20} MiB alone"
                )
        if self._listeners and (reached := self._listeners.reached()):
            found.append(f"somebody reached {reached}")
        if left_running():
            found.append("processes of a submission outlive it")
        return found


def _faults(attack: Attack, outcome: Outcome) -> list[str]:
    """What is not as it should be with the attacker's own outcome."""
    found = []
    if attack.refused and attack.refused not in outcome.said("collect"):
        found.append(f"collect doesn't say {attack.refused!r}: {outcome.said('collect')[-1_500:]}")
    if attack.deserves is None:
        if any(outcome.points.values()):
            found.append(f"was graded, with {outcome.points}")
    elif not outcome.points:
        if attack.or_less and _is_refused(outcome):
            return found
        found.append(f"has no score: {outcome.said()[-1_500:]}")
    else:
        tests = tuple(outcome.points[name] for name in TESTS_OF[attack.assignment])
        if attack.or_less:
            due = all(
                got is not None and 0 <= got <= most
                for got, most in zip(tests, attack.deserves, strict=True)
            )
        else:
            due = tests == attack.deserves
        if not due:
            found.append(f"has {tests}, deserves {attack.deserves}: {outcome.plain[:2_000]}")
        if outcome.points.keys() != POINTS_OF[attack.assignment].keys():
            found.append(f"has the graded cells {sorted(outcome.points)}")
        essay = outcome.points.get("essay", attack.written)
        if essay != attack.written and not attack.or_less:
            found.append(f"has {essay} for the written answer")
        if not outcome.page:
            found.append(f"has no feedback page: {outcome.said('feedback')[-1_500:]}")
    came_back = [one for one in SECRETS if one in outcome.text]
    came_back += [one for one in (NO_SANDBOX, *attack.never) if one in outcome.shown]
    if came_back:
        found.append(f"{came_back} came back on the page")
    if attack.says and attack.says not in outcome.shown:
        found.append(f"the page doesn't say {attack.says!r}")
    if attack.told and attack.told not in outcome.said():
        found.append(f"the instructor isn't told {attack.told!r}: {outcome.said()[-1_500:]}")
    if attack.also:
        try:
            attack.also(outcome)
        except AssertionError as error:
            found.append(str(error) or f"{attack.also.__name__} does not hold")
    return found


def _is_refused(outcome: Outcome) -> bool:
    """Whether `collect` left it out and says so."""
    lines = outcome.said("collect").splitlines()
    return any("refused" in line and outcome.student in line for line in lines)


def record(results: Iterable[Result], path: Path = CACHE) -> None:
    """Keep what came of these; what is known of others stays."""
    kept = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    for one in results:
        tests = TESTS_OF[one.attack.assignment]
        kept[one.attack.name] = {
            "points": [one.outcome.points.get(name) for name in tests]
            if one.outcome.points
            else None,
            "faults": [fault[:300] for fault in one.faults],
            "classmates": one.classmates,
            "seconds": one.seconds,
            "peak": one.peak,
        }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", "utf-8")


def required(result: Result) -> None:
    """Fail with what is not as it should be."""
    assert not result.faults, "\n\n".join(f"· {one}" for one in result.faults)


Grade = Callable[[Attack], Result]
__all__ = ["CACHE", "STATIONS", "Grade", "Result", "Suite", "class_of", "record", "required"]


def _change(before: str, now: str) -> str:
    """The first lines in which two pages differ."""
    lines = unified_diff(before.splitlines(), now.splitlines(), lineterm="", n=0)
    return "\n".join(line[:300] for line in list(lines)[3:9])
