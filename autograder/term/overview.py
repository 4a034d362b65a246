"""Say how a term stands: the late policy, extensions, sections and who has left."""

from __future__ import annotations

from datetime import UTC, datetime

from traitlets.config import Config

from autograder.config import Course
from autograder.core.counting import counted
from autograder.core.dates import in_words
from autograder.core.term_records import all_extensions, known_sections, read_enrollments


def describe_term(course: Course) -> list[str]:
    """Return a sentence for each thing that the instructor has decided about the term.

    Raises:
        EnvironmentFault: the gradebook can't be used.
    """
    lines = [describe_late_policy(course)]
    with course.gradebook() as gradebook:
        dues = {one.name: one.duedate for one in gradebook.assignments}
        students = len(gradebook.students)
        extensions = all_extensions(gradebook.db)
        enrollments = read_enrollments(gradebook.db)
    for name in sorted(set(course.assignments()) & set(dues)):
        due = dues[name]
        lines.append(f"{name}: due {_local(course, due)}" if due else f"{name}: no due date")
    for assignment, student, until in extensions:
        lines.append(f"{student} has until {_local(course, until)} for {assignment}.")
    dropped = {student for student, one in enrollments.items() if one.dropped is not None}
    here = [one for one in enrollments.values() if one.dropped is None]
    number = max(0, students - len(dropped))
    verb = "is" if number == 1 else "are"
    lines.append(f"{counted(number, 'student')} {verb} in the class list.")
    for section in known_sections(here):
        number = sum(one.section == section for one in here)
        lines.append(f"Section {section}: {counted(number, 'student')}.")
    if dropped:
        lines.append(f"Left the course: {', '.join(sorted(dropped))}.")
    return lines


def describe_late_policy(course: Course) -> str:
    """Return a sentence on what lateness costs."""
    if course.nbgrader is not None:
        return _describe_plugin(course.nbgrader)
    policy = dict(course.settings.late_policy)
    per_day = policy.get("per-day", 0.0)
    if not per_day:
        return (
            "Lateness costs nothing; set per-day in the table late-policy of [tool.autograder] "
            "to change that."
        )
    cap, grace = policy.get("cap", 100.0), policy.get("grace-minutes", 0.0)
    most = f", {cap:g}% at most" if cap < 100 else ""
    free = f"; the first {grace:g} minutes cost nothing" if grace else ""
    return f"Each day late that has begun costs {per_day:g}% of the earned points{most}{free}."


def _describe_plugin(config: Config) -> str:
    """Return a sentence on what lateness costs where nbgrader's configuration says it."""
    from nbgrader.plugins import LateSubmissionPlugin
    from nbgrader.preprocessors import AssignLatePenalties

    plugin = AssignLatePenalties(config=config).plugin_class
    if plugin is not LateSubmissionPlugin:
        return (
            f"What lateness costs is decided by {plugin.__name__}, which nbgrader's configuration "
            "names (c.AssignLatePenalties.plugin_class)."
        )
    if LateSubmissionPlugin(config=config).penalty_method == "zero":
        return "Late work scores 0 (c.LateSubmissionPlugin.penalty_method)."
    return (
        "Lateness costs nothing; set c.LateSubmissionPlugin.penalty_method or "
        "c.AssignLatePenalties.plugin_class in nbgrader's configuration to change that."
    )


def _local(course: Course, moment: datetime) -> str:
    return in_words(moment.replace(tzinfo=UTC).astimezone(course.time_zone))
