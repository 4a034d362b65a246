"""Checks in a test cell: each one counts, and a later one runs after an earlier one failed.

    with check("the weights sum to 1", hint="Is the softmax over the experts' axis?"):
        assert abs(sum(given(weights)) - 1) < 1e-6
    with check("any number of experts", hidden=True, weight=2):
        assert ...
    report()

`report()` is the last line of a test cell. It shows the outcome and leaves it in the cell's
output as data (`MIME_TYPE`), from which `score` makes points. Names, hints and assert messages
are literal strings; they are translated when they are shown.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import html
import math
import os
import random
import re
import string
import sys
import textwrap
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, TypeVar, cast, overload

from autograder.choices import outcome_in_words, read_option
from autograder.i18n import _
from autograder.sandbox.plain_values import CannotCross
from autograder.sandbox.wire import crossed

__all__ = ["check", "choice", "given", "probe", "report", "seeded", "show_options"]

MIME_TYPE = "application/vnd.autograder.checks+json"
_RECORD_TYPE = re.compile(r"application/vnd\.[a-z0-9-]+\.checks\+json")
"""Records have been kept under a course's own name, and still lie so in running terms."""

RECORD_VERSION = 1

_LONGEST_MESSAGE = 300  # characters; a tensor in an assert message must not fill the page
_LINE_WIDTH = 78  # nbgrader's Validate cuts lines at 83
_TERMINAL_CODE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")  # torch's exporter colors its messages

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


class NotAnswered(Exception):
    """The student has not answered yet: a value, or a function's result, is None.

    Args:
        name: what has no answer.
        reason: what to say below the check, in the language that is set, if there is more to say
            than that.
    """

    def __init__(self, name: str = "", reason: str = "") -> None:
        super().__init__(name)
        self.reason = reason


class Unexpected(AssertionError):
    """A function's result isn't the one to expect.

    Args:
        message: one sentence for the student, in the language that is set.
        hint: the likely mistake, untranslated; empty where none fits this result.
        says_all: whether the message leaves nothing for the check's own hint to explain.
        details: what the message says, in parts: "call", "expected", "returned" or "raised", and
            "remark" for a sentence that follows them.
    """

    def __init__(
        self,
        message: str,
        hint: str = "",
        *,
        says_all: bool = False,
        details: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.hint = hint
        self.says_all = says_all
        self.details = dict(details or {})


def says_all(error: BaseException) -> bool:
    """Return whether an exception tells the reason: a name or a module that isn't there.

    A hint about the answer's numbers would lead away from it.
    """
    return isinstance(error, NameError | ImportError)


class CheckFailed(AssertionError):
    """At least one check of the cell failed; the message lists every one that did."""

    def _render_traceback_(self) -> list[str]:
        # IPython shows these lines in place of a traceback, whose frames are all ours.
        if os.environ.get("NBGRADER_VALIDATING"):
            return str(self).splitlines()  # nbgrader's own Validate shows nothing else
        # The list has just been shown.
        return [_("Not every check passed; the list above says why.")]


class AssertsLeftOut(RuntimeError):
    """Python leaves every assert out, so that each check would pass."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


@dataclass(frozen=True)
class _Outcome:
    name: str
    weight: float
    passed: bool
    hidden: bool
    message: str  # what the student may read, translated
    unanswered: str | None = None  # what has no answer yet, where that is the reason
    choice: dict[str, Any] | None = None  # what `choice` recorded
    details: dict[str, str] | None = None  # the message in parts, where a call was compared
    begun: bool = True  # not an answer that was never given
    left: bool = False  # optional, and not begun


class _Cell:
    """The outcomes of the test cell that is running now."""

    def __init__(self) -> None:
        self._execution: int | None = None
        self._outcomes: list[_Outcome] = []
        self.choice: dict[str, Any] | None = None  # what the running check recorded

    def outcomes(self) -> list[_Outcome]:
        """The running cell's own list; what a cell that stopped halfway left is dropped."""
        shell = _shell()
        execution = shell.execution_count if shell else None
        if execution != self._execution:
            self._execution, self._outcomes = execution, []
        return self._outcomes

    def close(self) -> list[_Outcome]:
        """The outcomes so far, and a clean slate for the next cell."""
        outcomes = self.outcomes()
        self._outcomes = []
        return outcomes


_cell = _Cell()


class check:
    """One check of a test cell, to be used as `with check("what must hold"): assert …`.

    Any `Exception` from the block, and a `SystemExit` from a student's `exit()`, is recorded as
    a failure and goes no further, so the checks after it still run. `KeyboardInterrupt`
    passes: whoever interrupts a cell wants it to stop.

    Args:
        name: what must hold, in a few words; always shown, so it must give nothing away.
        hint: the likely mistake; shown when a visible check fails.
        weight: this check's part of the cell's points, relative to the others' (default 1).
            With weight 0 it checks the form only: it earns nothing, but when it fails the
            whole cell scores 0.
        hidden: on failure show nothing but the name, neither the assert's message nor the
            hint; what the student's code prints or displays meanwhile is dropped.

    Raises:
        ValueError: if the name is empty or the weight is negative or not finite.
        AssertsLeftOut: on entering, if Python was started with -O or PYTHONOPTIMIZE.
    """

    def __init__(
        self, name: str, *, hint: str = "", weight: float = 1, hidden: bool = False
    ) -> None:
        if not name:
            raise ValueError("A check needs a name that says what must hold.")
        if not _is_amount(weight):
            raise ValueError("A check's weight must be a finite number, 0 or more.")
        # Cut for the case that a student's value was made part of it.
        self.name = str(name)[:_LONGEST_MESSAGE]
        self.hint, self.weight, self.hidden = hint, weight, hidden
        self._silence = contextlib.ExitStack()

    def __enter__(self) -> None:
        if sys.flags.optimize:
            raise AssertsLeftOut(
                _(
                    "Python was told to leave asserts out (PYTHONOPTIMIZE or -O), so nothing can "
                    "be checked; unset that, start Jupyter again and run the notebook anew."
                )
            )
        _cell.outcomes()  # drop what an earlier cell left, also if this block never returns
        _cell.choice = None
        self._ends = _ends()[0]
        if self.hidden:
            _silence(self._silence)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        self._silence.close()
        if error is not None and not isinstance(error, (Exception, SystemExit)):
            return False
        # Also where the block caught it: whatever came of it since is no answer of the student's.
        ends, end = _ends()
        if ends > self._ends and _listening is not None:
            _listening.ends_in_checks += ends - self._ends
            error = end
        message = "" if self.hidden else self._explain(error)
        details = None
        if isinstance(error, Unexpected) and error.details and not self.hidden:
            details = {**error.details, "hint": _(self._likely(error))}
        unanswered = None
        if isinstance(error, NotAnswered):
            unanswered = str(error) or _(self.name)
        _cell.outcomes().append(
            _Outcome(
                self.name,
                self.weight,
                error is None,
                self.hidden,
                message,
                unanswered,
                _cell.choice,
                details,
                begun=not isinstance(error, NotAnswered) or bool(error.reason),
            )
        )
        return True

    def _explain(self, error: BaseException | None) -> str:
        """What the student reads below the name of a visible check."""
        if error is None:
            return ""
        if isinstance(error, NotAnswered):
            return error.reason or _("no answer yet")
        if isinstance(error, CannotCross):
            reason = _(error.template).format(**error.words)
        elif isinstance(error, Unexpected):
            reason = str(error)  # bounded where it was made
        else:
            reason = _(_one_line(error))
        if not isinstance(error, (AssertionError, CannotCross)):
            reason = f"{type(error).__name__}: {reason}" if reason else type(error).__name__
        likely = self._likely(error)
        hint = _("Hint: {hint}").format(hint=_(likely)) if likely else ""
        if reason and hint and reason[-1] not in ".?!…":
            reason += "."
        return " ".join(part for part in (reason, hint) if part)

    def _likely(self, error: BaseException) -> str:
        """Return the likely mistake, untranslated; "" if the error itself says it all."""
        if isinstance(error, Unexpected):
            return error.hint or ("" if error.says_all else self.hint)
        return "" if says_all(error) else self.hint


def given(value: T, name: str | None = None) -> T:
    """Return the student's value as grading sees it; None stands for "not answered yet".

    When a submission is graded, the test runs in another process than the student's code, and a
    value arrives there as a plain copy: a dataclass as a record of its fields, a generator as a
    list, a subclass of float as a float (`autograder.sandbox.plain_values` has the list). In a
    notebook this makes the same copy, so that a test says the same in both. The copy is equal, but
    not identical: `is`, and changing it in place, say nothing about the student's own object, a
    tensor in it has no gradient history, and a generator is used up.

    Args:
        value: the student's value, or what the student's function returned.
        name: what the student calls it, for "Not answered yet: q1"; else the check's name.

    Raises:
        NotAnswered: if `value` is None.
        CannotCross: if grading can't see `value`, as with a figure or an open file.
    """
    copy: T | None = crossed(value)
    if copy is None:
        raise NotAnswered(name or "")
    return copy


def choice(
    answer: object,
    question: str,
    correct: str = "",
    options: str = "ABCD",
    order: Sequence[str] | None = None,
) -> str:
    """Return the option that answers a choice question; case and spaces don't matter.

    Every such test asks twice: in a visible check of weight 0 for the form, and in a hidden one
    with the correct option. Feedback then says what was chosen and, after the due date, what is
    correct; mark the test's cell with "choice" so that it says nothing before.

    Args:
        answer: the student's.
        question: what the student calls it, such as "q3".
        correct: the correct option, a literal; "" to look at the form only.
        options: the letters to choose from.
        order: the options as this student has them, where students have orders of their own:
            the first stands at the first letter. Both checks need it, and `correct` names the
            option as the author does.

    Raises:
        AssertionError: `answer` isn't one of the options, or isn't the correct one.
        NotAnswered: it is None.
    """
    chosen = read_option(given(answer, question), options)
    if chosen is None:
        raise AssertionError(
            _("Replace None with one letter in quotes: {options}.").format(
                options=", ".join(f'"{letter}"' for letter in options)
            )
        )
    _cell.choice = {"question": question, "chosen": chosen, "correct": correct}
    if order is not None:
        letters = dict(zip(order, options, strict=True))
        chosen = order[options.index(chosen)]
        _cell.choice |= {"chosen": chosen, "letters": letters}
    if correct and chosen != correct:
        raise AssertionError(_("not the correct option"))
    return chosen


def show_options(
    options: Mapping[str, str], order: Iterable[str] | None = None, **values: object
) -> None:
    """Print the options of a choice question, in the order in which this student has them.

    Args:
        options: each option's text by the author's letter, untranslated, with places such as
            `{rank}` for `values`.
        order: the author's letters in the student's order; by default as they come.
        **values: what fills the places.
    """
    for letter, one in zip(string.ascii_uppercase, order or options, strict=False):
        print(f"{letter}. {_(options[one]).format(**values)}")


def report(*, stop: bool = True, optional: Collection[str] = ()) -> None:
    """Show how the checks of this cell went; the last line of every test cell.

    One output carries the list as text, as HTML and as data. If everything passed, that is
    all. If nothing failed but what is not answered yet, one line on stderr says so, and Run
    All goes on (nbgrader's Validate counts such a cell as failed).

    Args:
        stop: whether a failed check is an error, at which Run All stops. A test cell that
            earns points needs that: nbgrader's Validate looks for errors. A lesson doesn't.
        optional: the names of functions and values that may be left open, in a cell that earns no
            points. Their checks then say so, and count neither as passed nor as failed.

    Raises:
        CheckFailed: if any other check failed; its message lists every failed check, though a
            notebook shows it as one line below the list.
    """
    outcomes = [_unless_begun(outcome, optional) for outcome in _cell.close()]
    if not outcomes:
        return
    record = _record(outcomes)
    _show(shown(record))
    failed = [outcome for outcome in outcomes if not (outcome.passed or outcome.left)]
    if not failed:
        return
    if all(outcome.unanswered is not None for outcome in failed):
        names = dict.fromkeys(outcome.unanswered for outcome in failed)
        line = _("Not answered yet: {names}").format(names=", ".join(map(str, names)))
        print(line, file=sys.stderr)
        return
    if stop:
        raise CheckFailed(failure(record)) from None


def _unless_begun(outcome: _Outcome, optional: Collection[str]) -> _Outcome:
    """Return an outcome, as left open where what it asks for is optional and wasn't begun."""
    if outcome.begun or outcome.unanswered not in optional:
        return outcome
    return replace(outcome, left=True, message=_("optional, not done"))


def shown(record: dict[str, Any]) -> dict[str, Any]:
    """What `report` displays for a record: text/plain, text/html and the record itself."""
    checks, heading = record["checks"], _summary(record)
    return {
        "text/plain": "\n".join(_lines(checks, heading)),
        "text/html": _html(checks, heading),
        MIME_TYPE: record,
    }


def failure(record: dict[str, Any]) -> str:
    """The message of the `CheckFailed` that `report` raises for a record."""
    failed = [one for one in record["checks"] if not one["passed"]]
    return "\n".join(_lines(failed, _summary(record)))


def score(record: dict[str, Any], points: float) -> float:
    """The points that a test cell's record earns: its passed checks' share of the weight.

    A failed weight-0 check makes it 0: the answer does not even have the right form. With
    weight-0 checks only, all passed, the cell earns all its points. A record that `report`
    could not have written (no checks, another version, a weight that is negative or not
    finite) earns 0.

    Args:
        record: the data that `report` left under `MIME_TYPE`.
        points: the cell's points.

    Returns:
        Points, from 0 to `points`; never NaN. 0 if `points` is negative or not finite.
    """
    if not _is_amount(points) or not is_record(record):
        return 0.0
    checks = record["checks"]
    if all(one["passed"] for one in checks):
        return float(points)
    if any(one["weight"] == 0 and not one["passed"] for one in checks):
        return 0.0
    # Dividing by the largest first keeps a sum of huge weights finite.
    largest = max(one["weight"] for one in checks)
    total = math.fsum(one["weight"] / largest for one in checks)
    earned = math.fsum(one["weight"] / largest for one in checks if one["passed"])
    return min(float(points), float(points) * (earned / total))


@overload
def probe(function: F) -> F: ...
@overload
def probe(*, fresh: bool = False) -> Callable[[F], F]: ...
def probe(function: F | None = None, *, fresh: bool = False) -> F | Callable[[F], F]:
    """Mark an instructor's function in a read-only cell that asks the student's work something.

    A probe takes and returns plain values ("build the layer, load these weights, run it").
    In a notebook it runs where it is called. A file that a fresh probe doesn't find counts as not
    answered yet.

    Args:
        function: the function, when written `@probe`.
        fresh: when written `@probe(fresh=True)`, the probe is to run where no code of the
            student's has run, for judging a file that the student made.
    """

    def mark(marked: F) -> F:
        asked = _asking_for_a_file(marked) if fresh else marked
        asked.__probe__ = {"fresh": fresh}  # type: ignore[attr-defined]  # what judging looks for
        return asked

    return mark if function is None else mark(function)


def _asking_for_a_file(function: F) -> F:
    """Return a function for which a missing file is one that nobody has made yet."""

    @functools.wraps(function)
    def asked(*words: Any, **named: Any) -> Any:
        try:
            return function(*words, **named)
        except FileNotFoundError as error:
            name = os.path.basename(str(error.filename or ""))
            raise NotAnswered(name) from error

    return cast(F, asked)


def seeded(name: str) -> random.Random:
    """Random numbers that are the same for everyone, in any order of grading.

    Args:
        name: "<assignment>/<cell id>" of the cell that draws them.
    """
    return random.Random(int.from_bytes(hashlib.sha256(name.encode()).digest(), "big"))


def _is_amount(value: object) -> bool:
    """Whether `value` is a finite number, 0 or more."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(value) and value >= 0
    except OverflowError:  # an int too large for a float
        return False


def is_record(record: object) -> bool:
    """Whether `report` could have written this record."""
    if not isinstance(record, dict) or record.get("version") != RECORD_VERSION:
        return False
    checks = record.get("checks")
    if not isinstance(checks, list) or not checks:
        return False
    return all(
        isinstance(one, dict)
        and _is_amount(one.get("weight"))
        and isinstance(one.get("passed"), bool)
        for one in checks
    )


def record_in(data: object) -> dict[str, Any] | None:
    """Return the record among an output's data; None if there is none that `report` could write.

    Args:
        data: by MIME type, as an output of a notebook keeps it.
    """
    for kind, record in data.items() if isinstance(data, Mapping) else ():
        if isinstance(kind, str) and _RECORD_TYPE.fullmatch(kind) and is_record(record):
            return cast("dict[str, Any]", record)
    return None


def is_shown(data: object) -> bool:
    """Return whether `report` showed this output, whatever it holds by now."""
    return isinstance(data, Mapping) and any(
        isinstance(kind, str) and _RECORD_TYPE.fullmatch(kind) for kind in data
    )


def _shell() -> Any:
    """The running IPython shell, or None; IPython is not imported for the asking."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython else None


def _silence(stack: contextlib.ExitStack) -> None:
    """Drop what is printed and displayed until `stack` closes."""
    nowhere = stack.enter_context(
        open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - the stack closes it
    )
    stack.enter_context(contextlib.redirect_stdout(nowhere))
    stack.enter_context(contextlib.redirect_stderr(nowhere))
    if _shell():
        from IPython.utils.capture import capture_output

        stack.enter_context(capture_output(stdout=False, stderr=False, display=True))


def _one_line(error: BaseException) -> str:
    """The error's own message, on one line and not too long."""
    message = reason_of(error)
    if len(message) > _LONGEST_MESSAGE:
        message = message[: _LONGEST_MESSAGE - 1] + "…"
    return message


def reason_of(error: BaseException) -> str:
    """Return an error's own message on one line, without a terminal's colors; "" if it has none."""
    try:
        return " ".join(_TERMINAL_CODE.sub("", str(error)).split())
    except Exception:  # a student's exception class may fail even at this
        return ""


def _summary(record: dict[str, Any]) -> str:
    checks = [one for one in record["checks"] if not one.get("left")]
    if not checks:
        return _("Optional, not done")
    passed = sum(one["passed"] for one in checks)
    return _("Checks passed: {passed} of {total}").format(passed=passed, total=len(checks))


def _mark(check: dict[str, Any]) -> str:
    return "✓" if check["passed"] else "–" if check.get("left") else "✗"


def _lines(checks: list[dict[str, Any]], heading: str) -> list[str]:
    """A heading and a line for each check, its message wrapped below it."""
    lines = [heading]
    for one in checks:
        lines.append(f"{_mark(one)} {outcome_in_words(one) or _(one['name'])}")
        lines += textwrap.wrap(
            one["message"], _LINE_WIDTH, initial_indent="    ", subsequent_indent="    "
        )
    return lines


def _html(checks: list[dict[str, Any]], heading: str) -> str:
    """The same as HTML; the marks have words for those who hear the page."""
    items = []
    for one in checks:
        word = _("passed") if one["passed"] else _("not passed")
        message = f"<br><small>{html.escape(one['message'])}</small>" if one["message"] else ""
        if one.get("left"):
            word, message = one["message"], ""
        items.append(
            f'<li><span role="img" aria-label="{html.escape(word)}">{_mark(one)}</span> '
            f"{html.escape(outcome_in_words(one) or _(one['name']))}{message}</li>"
        )
    return (
        f"<p>{html.escape(heading)}</p>"
        f'<ul style="list-style: none; padding-left: 1em">{"".join(items)}</ul>'
    )


def _record(outcomes: list[_Outcome]) -> dict[str, Any]:
    """The cell's outcomes as data, for `score` and for whoever grades."""
    return {
        "version": RECORD_VERSION,
        "checks": [
            {
                "name": outcome.name,  # untranslated: one name for a class in two languages
                "weight": outcome.weight,
                "passed": outcome.passed,
                "hidden": outcome.hidden,
                "unanswered": outcome.unanswered is not None,
                "message": outcome.message,
                **({"choice": outcome.choice} if outcome.choice else {}),
                **({"details": outcome.details} if outcome.details else {}),
                **({"left": True} if outcome.left else {}),
            }
            for outcome in outcomes
        ],
    }


def _show(bundle: dict[str, Any]) -> None:
    """One display output with text, HTML and data; the text alone outside IPython."""
    if _listening is not None:
        _listening.keep(bundle)
    elif _shell():
        from IPython.display import display

        display(bundle, raw=True)  # type: ignore[no-untyped-call]  # IPython has no types
    else:
        print(bundle["text/plain"])


@dataclass
class Listening:
    """Who runs test cells outside a notebook.

    Attributes:
        keep: gets one bundle for each report: text/plain, text/html and `MIME_TYPE`.
        ends: tells how often the student's process has ended in this cell, and with which error
            the last time.
        ends_in_checks: how often that was while a check ran, which so has failed.
    """

    keep: Callable[[dict[str, Any]], None]
    ends: Callable[[], tuple[int, Exception | None]]
    ends_in_checks: int = 0


_listening: Listening | None = None


def _ends() -> tuple[int, Exception | None]:
    return _listening.ends() if _listening is not None else (0, None)


@contextlib.contextmanager
def listening(
    keep: Callable[[dict[str, Any]], None],
    ends: Callable[[], tuple[int, Exception | None]] = lambda: (0, None),
) -> Iterator[Listening]:
    """Hand what `report` shows to `keep` instead of showing it.

    For whoever runs test cells outside a notebook. What an earlier cell left is dropped first.
    A check during which `ends` counts up fails with its error, whatever its block made of it.
    """
    global _listening
    before, _listening = _listening, Listening(keep, ends)
    _cell.close()
    try:
        yield _listening
    finally:
        _listening = before
        _cell.close()
