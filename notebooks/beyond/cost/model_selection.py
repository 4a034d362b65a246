"""Walk the efficiency ladder for a case: prompt → retrieval → fine-tune, and a model for a device.

    python -m beyond.cost.model_selection --task classify --quality-now 0.82 --quality-wanted 0.92 …

Always try prompt engineering first; if it falls short, retrieval; fine-tune last, and only when
the gain in quality and the saving in tokens outweigh compute and data preparation. The program
prints tables with the arithmetic and recommends a rung, so that every number can be checked and
changed. It doesn't guess how accurate a fine-tuned model would be: pass the accuracy measured in
a trial run, or it computes the accuracy from which fine-tuning would pay.
"""

from __future__ import annotations

import argparse
import html
import math
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import NoReturn

from beyond import locale
from beyond.cost.formula import (
    MONTHS_PER_YEAR,
    Option,
    Price,
    break_even,
    dollars,
    payback_months,
    price,
    task_cost,
)
from beyond.lm.families import families
from beyond.locale import _
from beyond.ui.tables import Table

TASKS = {
    "answer": True,
    "classify": False,
    "extract": False,
    "rewrite": False,
    "summarize": False,
    "translate": False,
}
"""The tasks, and whether their answers need facts that the prompt alone doesn't hold."""

DEVICES = ("cloud", "laptop", "phone")
RUNGS = ("prompt", "retrieval", "fine-tune")

# The catalog is frozen at the date of the page on which the course is based.
_MODELS = [model for model in families() if model.challenge]


@dataclass(frozen=True)
class Assumptions:
    """Assumptions about what the case doesn't state; change them to see what follows."""

    retrieved_tokens: int = 800
    """Tokens that retrieval adds to each prompt."""
    kept_prompt: float = 0.25
    """Fraction of the prompt still needed after fine-tuning, without examples and rules."""
    kept_output: float = 1.0
    """Fraction of the output tokens still generated after fine-tuning, without reasoning."""
    training: float = 150.0
    """Dollars of compute for one training run."""
    data_preparation: float = 2_000.0
    """Dollars for collecting and checking the training data, once."""
    trainings_per_year: float = 4.0
    """Retrainings: the task and the base model change."""
    hosting: float = 0.0
    """Dollars a month for a machine that hosts the fine-tuned model."""
    stop_probability: float = 0.25
    """Probability a year that the provider of the fine-tuned model stops offering it."""
    moving: float = 2_400.0
    """Dollars for the move to another provider if it does."""
    enough_examples: int = 100
    """Labeled examples below which fine-tuning isn't tried."""
    patience_months: float = 12.0
    """Months within which a one-time cost should be recovered."""
    bits: float = 4.0
    """Bits per weight on a device."""
    weights_share: float = 0.6
    """Fraction of a device's memory for weights; the system and the KV cache use the rest."""
    bandwidth: float = 30.0
    """Memory bandwidth of a device, in GB/s."""

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(_not_negative(each.name, value))
        if self.stop_probability > 1:
            raise ValueError(
                _("{name} is {value}; it must be between 0 and 1.").format(
                    name="stop_probability", value=self.stop_probability
                )
            )
        if self.bandwidth == 0:
            raise ValueError(_("bandwidth is 0; it must be more than 0 GB/s."))


@dataclass(frozen=True)
class Case:
    """A task for which to find the right rung.

    Raises:
        ValueError: in one sentence, if a value is impossible.
    """

    task: str
    """One of `TASKS`."""
    quality_now: float
    """Accuracy on held-out items, from 0 to 1, of the best approach tried so far."""
    quality_wanted: float
    """Accuracy that the case needs, from 0 to 1."""
    calls_per_month: float
    input_tokens: float
    """Tokens sent per call."""
    output_tokens: float
    """Tokens generated per call."""
    languages: tuple[str, ...] = ("en",)
    """ISO 639-1 codes."""
    device: str = "cloud"
    """One of `DEVICES`."""
    memory: float = 16.0
    """GB of memory of the device."""
    latency: float | None = None
    """Seconds that a whole answer may take; None: no limit."""
    examples: int = 0
    """Labeled examples available."""
    documents: bool = False
    """Whether there are documents with the facts that an answer needs."""
    tried: tuple[str, ...] = ("prompt",)
    """The rungs already tried; `quality_now` is the best result among them."""
    wrong_answer: float = 0.0
    """Dollars that one wrong answer costs, such as rework or a lost customer."""
    model: str = "openai/gpt-6.1-sol"
    """provider/model, as genai-prices names it."""
    tuned_model: str = "mistral/ministral-8b-2512"
    """The model to fine-tune, at the price of its tokens; empty: its tokens are free, because
    you host it and pay `assume.hosting`."""
    quality_tuned: float | None = None
    """Accuracy of the fine-tuned model on held-out items; None: not measured yet."""
    assume: Assumptions = field(default_factory=Assumptions)

    def __post_init__(self) -> None:
        if self.task == "summarise":  # the spelling in notebooks handed out earlier
            object.__setattr__(self, "task", "summarize")
        _one_of("task", self.task, TASKS)
        _one_of("device", self.device, DEVICES)
        for rung in self.tried:
            _one_of("tried", rung, RUNGS)
        for name in ("quality_now", "quality_wanted", "quality_tuned"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise ValueError(
                    _("{name} is {value}; it must be between 0 and 1.").format(
                        name=name, value=value
                    )
                )
        numbers = ("calls_per_month", "input_tokens", "output_tokens", "examples", "wrong_answer")
        for name in numbers:
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(_not_negative(name, value))
        if not self.languages:
            raise ValueError(_("languages is empty; name at least one, such as en."))
        if not (math.isfinite(self.memory) and self.memory > 0):
            raise ValueError(
                _("memory is {value}; it must be more than 0 GB.").format(value=self.memory)
            )
        if self.latency is not None and not self.latency > 0:
            raise ValueError(
                _("latency is {value}; it must be more than 0 seconds.").format(value=self.latency)
            )


@dataclass(frozen=True)
class Advice:
    """What `walk` found.

    `choice` is one of RUNGS, "trial" if a trial run should measure the fine-tuned model first, or
    "none" if no rung is worth it yet.
    """

    choice: str
    recommendation: str
    tables: tuple[Table, ...]
    """The arithmetic: the rungs, what fine-tuning has to recover, and the models for a device."""
    break_even: float | None
    """N*: calls a month from which fine-tuning pays; infinite if it never does, None if the
    fine-tuned model hasn't been measured."""
    device_model: str | None = None
    """The model for the device, where one fits."""

    def __str__(self) -> str:
        advice = textwrap.fill(f"=> {self.recommendation}", 80, subsequent_indent="   ")
        return "\n\n".join([*map(str, self.tables), advice])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        tables = "".join(table._repr_html_() for table in self.tables)
        return f"{tables}<p><strong>{html.escape(self.recommendation)}</strong></p>"


@dataclass(frozen=True)
class Tuning:
    """The arithmetic of fine-tuning for a case, in dollars."""

    before: float
    """Dollars per task: the call, and the cost of wrong answers."""
    after: float | None
    """The same after fine-tuning; None if the fine-tuned model hasn't been measured."""
    fixed: float
    """Per month: hosting, retraining, and the reserve for a move."""
    once: float
    """Data preparation and the first training run."""
    break_even: float | None
    """N*, calls a month; None if not measured."""
    payback: float | None
    """Months until the one-time cost is recovered; None if not measured."""
    needed: float
    """Accuracy from which fine-tuning pays within the patience assumed; infinite if none does."""


def options(case: Case) -> dict[str, Option]:
    """Return an option for each rung: the same task with different tokens and prices.

    Raises:
        LookupError: if genai-prices doesn't know a model of the case.
    """
    a = case.assume
    base = price(case.model)
    tuned = price(case.tuned_model) if case.tuned_model else Price(0, 0)
    # Fine-tuning replaces the examples and rules in the prompt, but not the facts.
    facts = a.retrieved_tokens if "retrieval" in case.tried else 0
    return {
        "prompt": Option(base, case.input_tokens, case.output_tokens),
        "retrieval": Option(base, case.input_tokens + a.retrieved_tokens, case.output_tokens),
        "fine-tune": Option(
            tuned,
            case.input_tokens * a.kept_prompt + facts,
            case.output_tokens * a.kept_output,
            hosting=a.hosting,
            training=a.training,
            trainings_per_year=a.trainings_per_year,
            reserve=a.stop_probability * a.moving / MONTHS_PER_YEAR,
        ),
    }


def tuning(case: Case) -> Tuning:
    """Compute what fine-tuning would cost and save, against the best rung tried so far.

    before = call + (1 − quality now) × cost of a wrong answer
    after = fine-tuned call + (1 − quality tuned) × cost of a wrong answer
    N* = (hosting + retraining + reserve) / (before − after)
    """
    ways = options(case)
    now = ways["retrieval" if "retrieval" in case.tried else "prompt"]
    tuned = ways["fine-tune"]
    before = task_cost(now.call, case.quality_now, case.wrong_answer)
    once = case.assume.data_preparation + case.assume.training
    sums = Tuning(before, None, tuned.fixed, once, None, None, _needed(case, before, tuned, once))
    if case.quality_tuned is None:
        return sums
    after = task_cost(tuned.call, case.quality_tuned, case.wrong_answer)
    calls = case.calls_per_month
    return replace(
        sums,
        after=after,
        break_even=break_even(tuned.fixed, before, after),
        payback=payback_months(once, calls * before, calls * after + tuned.fixed),
    )


def _needed(case: Case, before: float, tuned: Option, once: float) -> float:
    """Compute the accuracy at which fine-tuning recovers its costs within the patience."""
    if not case.calls_per_month or not case.assume.patience_months:
        return math.inf
    monthly = tuned.fixed + once / case.assume.patience_months
    affordable = before - monthly / case.calls_per_month  # dollars per task
    if tuned.call > affordable:
        return math.inf
    if not case.wrong_answer:
        return 0.0
    return max(0.0, 1 - (affordable - tuned.call) / case.wrong_answer)


def walk(case: Case) -> Advice:
    """Walk the ladder for `case` and recommend a rung, with the arithmetic behind it.

    Raises:
        LookupError: if genai-prices doesn't know a model of the case.
    """
    sums = tuning(case)
    tables = [_ladder(case), _arithmetic(case, sums)]
    choice, text = _choose(case, sums)
    model = None
    if case.device != "cloud":
        model, table = _device(case)
        tables.append(table)
        text += " " + _on_device(case, model)
    return Advice(choice, text, tuple(tables), sums.break_even, model)


def _choose(case: Case, sums: Tuning) -> tuple[str, str]:
    pays = sums.payback is not None and sums.payback <= case.assume.patience_months
    reaches = case.quality_tuned is not None and case.quality_tuned >= case.quality_wanted
    enough = case.examples >= case.assume.enough_examples
    if case.quality_now >= case.quality_wanted:
        if pays and reaches and enough:
            return "fine-tune", _(
                "The accuracy is reached, and fine-tuning still pays through what it saves: "
                "fine-tune, and check on held-out items before you switch."
            )
        reached = "retrieval" if "retrieval" in case.tried else "prompt"
        return reached, _("The accuracy is reached: keep what you have.")
    if "prompt" not in case.tried:
        return "prompt", _(
            "Start with the prompt, which costs the least; measure it, then run this again."
        )
    if TASKS[case.task] and "retrieval" not in case.tried:
        if case.documents:
            return "retrieval", _(
                "Prompting falls short and the answers need facts: add retrieval, measure it, "
                "then run this again with the new accuracy."
            )
        return "retrieval", _(
            "The answers need facts, but there are no documents to retrieve them from: collect "
            "documents first, because fine-tuning doesn't add facts reliably."
        )
    if sums.needed > 1 or (case.quality_tuned is not None and not pays):
        return "none", _(
            "Fine-tuning doesn't pay here: improve the prompt, try a stronger model, or check "
            "what a wrong answer costs you."
        )
    if not enough:
        return "none", _(
            "Fine-tuning could pay, but there are too few labeled examples: collect and check "
            "more, hold some of them out, then run this again."
        )
    if case.quality_tuned is None:
        return "trial", _(
            "Run one trial training and measure it on held-out items: fine-tuning pays from an "
            "accuracy of {needed:.1%}."
        ).format(needed=sums.needed)
    if not reaches:
        return "fine-tune", _(
            "Fine-tuning pays, but at {tuned:.0%} it misses the {wanted:.0%} that you want: "
            "fine-tune, and look for more or better examples."
        ).format(tuned=case.quality_tuned, wanted=case.quality_wanted)
    return "fine-tune", _(
        "The lower rungs fall short and fine-tuning pays: fine-tune, and keep the held-out items "
        "to test each new version."
    )


_NOTHING = "–"


def _ladder(case: Case) -> Table:
    """Show each rung's state, accuracy and costs, a column for each rung."""
    ways = options(case)
    best = "retrieval" if "retrieval" in case.tried else "prompt"
    accuracy = {best: case.quality_now, "fine-tune": case.quality_tuned}
    columns = []
    for rung in RUNGS:
        way, quality = ways[rung], accuracy.get(rung)
        if rung == "retrieval" and not TASKS[case.task]:
            columns.append([_finding(case, rung), *[_NOTHING] * 5])
            continue
        task = None if quality is None else task_cost(way.call, quality, case.wrong_answer)
        columns.append(
            [
                _finding(case, rung),
                _NOTHING if quality is None else f"{quality:.0%}",
                f"{way.input_tokens:,.0f} → {way.output_tokens:,.0f}",
                dollars(way.call),
                _NOTHING if task is None else dollars(task, 4),
                dollars(way.monthly(case.calls_per_month)),
            ]
        )
    names = (
        _("finding"),
        _("accuracy"),
        _("tokens in → out"),
        _("$ per call"),
        _("$ per task"),
        _("$ per month"),
    )
    rows = list(zip(names, *columns, strict=True))
    header = ("", *(f"{n} {_rung_name(rung)}" for n, rung in enumerate(RUNGS, start=1)))
    caption = _(
        "{calls:,.0f} calls a month; {wanted:.0%} wanted; a wrong answer costs {wrong}"
    ).format(
        calls=case.calls_per_month, wanted=case.quality_wanted, wrong=dollars(case.wrong_answer)
    )
    return Table(caption, header, rows)


def _rung_name(rung: str) -> str:
    return {
        "prompt": _("Prompt"),
        "retrieval": _("Retrieval (RAG)"),
        "fine-tune": _("Fine-tuning"),
    }[rung]


def _finding(case: Case, rung: str) -> str:
    """Say in two or three words where a rung stands."""
    reached = case.quality_now >= case.quality_wanted
    if rung == "fine-tune":
        return _("not measured") if case.quality_tuned is None else _("from a trial run")
    if rung == "retrieval" and not TASKS[case.task]:
        return _("no facts needed")
    if rung == "prompt" and "prompt" in case.tried and "retrieval" in case.tried:
        return _("tried")
    if rung in case.tried:
        return _("reaches it") if reached else _("falls short")
    if rung == "prompt":
        return _("not tried yet")
    if reached:
        return _("not needed")
    return _("try it next") if case.documents else _("no documents yet")


def _arithmetic(case: Case, sums: Tuning) -> Table:
    """Show what fine-tuning has to recover, and from when it does."""
    a = case.assume
    rows = [
        (
            _("fixed cost F, $ per month"),
            dollars(sums.fixed),
            f"{a.hosting:,g} + {a.training:,g} × {a.trainings_per_year:g} / 12 + "
            f"{a.stop_probability:g} × {a.moving:,g} / 12",
        )
    ]
    if sums.after is not None and sums.break_even is not None:
        if math.isinf(sums.break_even):
            rows.append((_("N*, calls per month"), "∞", _("a task gets no cheaper")))
        else:
            how = f"{dollars(sums.fixed)} / ({dollars(sums.before, 4)} − {dollars(sums.after, 4)})"
            rows.append((_("N*, calls per month"), f"{sums.break_even:,.0f}", how))
    rows.append((_("paid once, $"), dollars(sums.once), _("data preparation + first training")))
    if sums.payback is not None:
        months = _("never") if math.isinf(sums.payback) else f"{sums.payback:,.1f}"
        how = _("paid once / what a month saves")
        rows.append((_("months to recover it"), months, how))
    needed = _("no accuracy suffices") if sums.needed > 1 else f"{sums.needed:.1%}"
    how = _("to recover everything within {months:g} months").format(months=a.patience_months)
    rows.append((_("accuracy needed"), needed, how))
    how = _("{need:,} needed").format(need=a.enough_examples)
    rows.append((_("labeled examples"), f"{case.examples:,}", how))
    return Table(
        _("What fine-tuning has to recover"), (_("quantity"), _("value"), _("calculation")), rows
    )


def _device(case: Case) -> tuple[str | None, Table]:
    """Choose the largest model that fits in memory and answers in time."""
    room = case.memory * case.assume.weights_share
    best = None
    rows = []
    for model in _MODELS:
        size = model.parameters * case.assume.bits / 8 / 1e9
        seconds = case.output_tokens * size / case.assume.bandwidth
        problems = []
        missing = [code for code in case.languages if code not in model.languages]
        if missing:
            problems.append(_("does not list {languages}").format(languages=", ".join(missing)))
        if size > room:
            problems.append(_("too large"))
        if case.latency is not None and seconds > case.latency:
            problems.append(_("too slow"))
        if not problems:
            best = f"{model.name} ({model.tokenizer})"
        verdict = ", ".join(problems) or _("fits")
        rows.append((model.name, f"{size:.1f}", f"{seconds:.1f}", verdict))
    caption = _(
        "On the device: {bits:g} bits per weight, {room:.1f} GB for weights, {bandwidth:g} GB/s"
    ).format(bits=case.assume.bits, room=room, bandwidth=case.assume.bandwidth)
    header = (_("model"), _("weights, GB"), _("s per answer, at least"), _("verdict"))
    return best, Table(caption, header, rows)


def _on_device(case: Case, model: str | None) -> str:
    if model is None:
        return _("On the {device}, no model in the list fits: relax one of the limits.").format(
            device=_device_name(case.device)
        )
    return _(
        "On the {device}: {model}, run by ONNX Runtime or Ollama; the device's own cost then "
        "replaces the prices above, so measure accuracy and speed there."
    ).format(device=_device_name(case.device), model=model)


def _device_name(device: str) -> str:
    return {"cloud": _("cloud"), "laptop": _("laptop"), "phone": _("phone")}[device]


def _one_of(name: str, value: str, choices: Sequence[str] | dict[str, bool]) -> None:
    if value not in choices:
        raise ValueError(
            _("{name} is {value!r}; it must be one of: {choices}.").format(
                name=name, value=value, choices=", ".join(choices)
            )
        )


def _not_negative(name: str, value: float) -> str:
    return _("{name} is {value}; it must be 0 or more.").format(name=name, value=value)


def editor(case: Case | None = None):
    """Open the lesson's editor, with a program that walks the ladder for a case of your own.

    Needs ipywidgets; the same program runs from a shell without them.

    Args:
        case: whose numbers the program starts with; those of `EXAMPLE` if none are given.
    """
    from beyond.cost.editor import Editor  # late: the command line needs no widgets

    return Editor("model_selection.py", program(case or EXAMPLE))


EXAMPLE = Case(
    task="classify",
    quality_now=0.82,
    quality_wanted=0.92,
    calls_per_month=250_000,
    input_tokens=1_200,
    output_tokens=80,
    languages=("en", "ko"),
    examples=3_000,
    wrong_answer=0.05,
    quality_tuned=0.92,
)
"""The case that the editor starts with where the lesson has none."""

_COMMENTS = {
    "task": ", ".join(TASKS),
    "quality_now": "measured with the best prompt so far",
    "input_tokens": "instructions, examples and the text itself",
    "device": "or laptop, phone",
    "latency": "seconds for a whole answer",
    "examples": "labeled examples available",
    "documents": "texts with the missing facts",
    "wrong_answer": "dollars per wrong answer",
    "quality_tuned": "accuracy in a trial run; None before it",
}
_LEFT_OUT = ("memory", "tried", "assume")


def program(case: Case) -> str:
    """Write the Python program that walks the ladder for `case`."""
    lines = []
    for each in fields(Case):
        if each.name in _LEFT_OUT:
            continue
        line = f"    {each.name}={_literal(getattr(case, each.name))},"
        comment = _COMMENTS.get(each.name)
        lines.append(f"{line:38}# {comment}" if comment else line)
    changed = [
        f"{each.name}={_literal(getattr(case.assume, each.name))}"
        for each in fields(Assumptions)
        if getattr(case.assume, each.name) != each.default
    ]
    lines.append(f"    assume=Assumptions({', '.join(changed)}),")
    body = "\n".join(lines)
    return (
        "from beyond.cost.model_selection import Assumptions, Case, walk\n\n"
        f"case = Case(\n{body}\n)\n\nprint(walk(case))\n"
    )


def _literal(value: object) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, tuple):
        inside = ", ".join(map(_literal, value))
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    if isinstance(value, float) and not value.is_integer():
        return f"{value:.6g}"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f"{int(value):_}"
    return repr(value)


PROGRAM = program(EXAMPLE)
"""The program that the editor starts with where the lesson has no case."""


class _Parser(argparse.ArgumentParser):
    """argparse, but an error is one sentence on its own."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message.rstrip('.')}. " + _("See --help.") + "\n")


def parser() -> argparse.ArgumentParser:
    """Build the command line: an option for each field of `Case`, and one for each assumption."""
    made = _Parser(
        prog="model_selection",
        description=_(
            "Walk the ladder from prompting to retrieval to fine-tuning, with the arithmetic."
        ),
    )
    add = made.add_argument
    add("--task", required=True, choices=TASKS, help=_("what the model does"))
    add(
        "--quality-now",
        required=True,
        type=float,
        metavar="SHARE",
        help=_("accuracy of the best rung tried, from 0 to 1"),
    )
    add(
        "--quality-wanted",
        required=True,
        type=float,
        metavar="SHARE",
        help=_("accuracy that you need, from 0 to 1"),
    )
    add("--calls-per-month", required=True, type=float, metavar="N", help=_("calls per month"))
    add("--input-tokens", required=True, type=float, metavar="N", help=_("input tokens per call"))
    add("--output-tokens", required=True, type=float, metavar="N", help=_("output tokens per call"))
    add(
        "--languages",
        nargs="+",
        default=["en"],
        metavar="CODE",
        help=_("languages of the task, for example: en ko"),
    )
    add("--device", default="cloud", choices=DEVICES, help=_("where the model runs"))
    add("--memory", type=float, default=16.0, metavar="GB", help=_("memory of the device"))
    add("--latency", type=float, metavar="SECONDS", help=_("time limit for a whole answer"))
    add("--examples", type=int, default=0, metavar="N", help=_("number of labeled examples"))
    add("--documents", action="store_true", help=_("documents with the facts are available"))
    add("--tried", nargs="*", default=["prompt"], choices=RUNGS, help=_("rungs tried so far"))
    add(
        "--wrong-answer",
        type=float,
        default=0.0,
        metavar="$",
        help=_("cost of a wrong answer, in dollars"),
    )
    add("--model", default=Case.model, help=_("provider/model, as genai-prices names it"))
    add(
        "--tuned-model",
        default=Case.tuned_model,
        help=_("the model to fine-tune; empty if you host it yourself"),
    )
    add(
        "--quality-tuned",
        type=float,
        metavar="SHARE",
        help=_("accuracy of the fine-tuned model in a trial run; leave out if not measured"),
    )
    add(
        "--language",
        default=locale.language(),
        choices=locale.available(),
        help=_("language of the output"),
    )
    group = made.add_argument_group(_("assumptions: check them against your own case"))
    for each in fields(Assumptions):
        kind = int if isinstance(each.default, int) else float
        group.add_argument(
            f"--{each.name.replace('_', '-')}",
            type=kind,
            default=each.default,
            metavar="N",
            help=_("default: {value}").format(value=each.default),
        )
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit code; wrong arguments exit with 2 and one sentence."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    _language_first(arguments)
    made = parser()
    given = vars(made.parse_args(arguments))
    given.pop("language")
    assumed = {each.name: given.pop(each.name) for each in fields(Assumptions)}
    given["languages"], given["tried"] = tuple(given["languages"]), tuple(given["tried"])
    try:
        advice = walk(Case(**given, assume=Assumptions(**assumed)))
    except (ValueError, LookupError) as error:
        made.error(str(error))
    print(advice)
    return 0


def _language_first(arguments: Sequence[str]) -> None:
    """Set the language before the parser is made, so that --help and errors speak it too."""
    early = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    early.add_argument("--language")
    try:
        code = early.parse_known_args(arguments)[0].language
    except argparse.ArgumentError:
        return  # the real parser will say what is wrong
    if code in locale.available():
        locale.set_language(code)


if __name__ == "__main__":
    sys.exit(main())
