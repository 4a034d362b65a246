"""Walk the efficiency ladder for a case: prompt → retrieval → fine-tune, and a model for a device.

    python -m beyond.cost.model_selection --task classify --quality-now 0.82 --quality-wanted 0.92 …

Always try prompt engineering first; if it falls short, retrieval; fine-tune last, and only when
the gain in quality and the saving in tokens outweigh compute and data preparation. The program
prints the rung that it recommends together with the arithmetic, so that every number can be
checked and changed. It can't predict the quality that a rung would reach; it says what to measure.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import NoReturn

from beyond import locale
from beyond.cost.formula import Option, break_even, dollars, payback_months, price, task_cost
from beyond.lm.families import families
from beyond.locale import _

TASKS = {
    "answer": True,
    "classify": False,
    "extract": False,
    "rewrite": False,
    "summarise": False,
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
    training: float = 150.0
    """Dollars of compute for one training run."""
    data_preparation: float = 2_000.0
    """Dollars for collecting and checking the training data, once."""
    trainings_per_year: float = 4.0
    """Retrainings: the task and the base model change."""
    hosting: float = 0.0
    """Dollars a month for keeping the fine-tuned model ready."""
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
        if self.bandwidth == 0:
            raise ValueError(_("bandwidth is 0; a device reads more than 0 GB a second."))


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
    model: str = "openai/gpt-4o-mini"
    """provider/model, as genai-prices names it."""
    tuned_model: str = "openai/ft:gpt-4o-mini"
    """The same model, fine-tuned, whose tokens are priced differently."""
    assume: Assumptions = field(default_factory=Assumptions)

    def __post_init__(self) -> None:
        _one_of("task", self.task, TASKS)
        _one_of("device", self.device, DEVICES)
        for rung in self.tried:
            _one_of("tried", rung, RUNGS)
        for name in ("quality_now", "quality_wanted"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(
                    _("{name} is {value}; it is a share between 0 and 1.").format(
                        name=name, value=getattr(self, name)
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
class Rung:
    """One step of the ladder: what was found, and the arithmetic behind it."""

    name: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Advice:
    """What `walk` found. `choice` is one of RUNGS, or "none" if no rung is worth it yet."""

    choice: str
    recommendation: str
    rungs: tuple[Rung, ...]
    break_even: float
    """N*: calls a month from which fine-tuning pays; infinite if it never does."""
    device_model: str | None = None
    """The model for the device, where one fits."""

    def __str__(self) -> str:
        lines = []
        for number, rung in enumerate(self.rungs, start=1):
            lines.append(f"[{number}] {rung.name}")
            lines += [f"    {line}" for line in rung.lines]
        return "\n".join([*lines, "", f"=> {self.recommendation}"])


@dataclass(frozen=True)
class Tuning:
    """The arithmetic of fine-tuning for a case, in dollars."""

    before: float
    """Dollars per task: the call, and the cost of wrong answers."""
    after: float
    """The same after fine-tuning, if it reaches the quality wanted."""
    fixed: float
    """Per month: hosting and retraining."""
    once: float
    """Data preparation and the first training run."""
    break_even: float
    """N*, calls a month."""
    payback: float
    """Months until the one-time cost is recovered."""


def options(case: Case) -> dict[str, Option]:
    """Return an option for each rung: the same task with different tokens and prices.

    Raises:
        LookupError: if genai-prices doesn't know a model of the case.
    """
    a = case.assume
    base, tuned = price(case.model), price(case.tuned_model)
    # Fine-tuning replaces the examples and rules in the prompt, but not the facts.
    facts = a.retrieved_tokens if "retrieval" in case.tried else 0
    return {
        "prompt": Option(base, case.input_tokens, case.output_tokens),
        "retrieval": Option(base, case.input_tokens + a.retrieved_tokens, case.output_tokens),
        "fine-tune": Option(
            tuned,
            case.input_tokens * a.kept_prompt + facts,
            case.output_tokens,
            hosting=a.hosting,
            training=a.training,
            trainings_per_year=a.trainings_per_year,
        ),
    }


def tuning(case: Case) -> Tuning:
    """Compute what fine-tuning would cost and save, against the best rung tried so far.

    before = call + (1 − quality now) × cost of a wrong answer
    after = fine-tuned call + (1 − quality wanted) × cost of a wrong answer
    N* = (hosting + retraining) / (before − after)
    """
    ways = options(case)
    now = ways["retrieval" if "retrieval" in case.tried else "prompt"]
    tuned = ways["fine-tune"]
    reached = max(case.quality_now, case.quality_wanted)
    before = task_cost(now.call, case.quality_now, case.wrong_answer)
    after = task_cost(tuned.call, reached, case.wrong_answer)
    once = case.assume.data_preparation + case.assume.training
    calls = case.calls_per_month
    return Tuning(
        before=before,
        after=after,
        fixed=tuned.fixed,
        once=once,
        break_even=break_even(tuned.fixed, before, after),
        payback=payback_months(once, calls * before, calls * after + tuned.fixed),
    )


def walk(case: Case) -> Advice:
    """Walk the ladder for `case` and recommend a rung, with the arithmetic behind it.

    Raises:
        LookupError: if genai-prices doesn't know a model of the case.
    """
    sums = tuning(case)
    gap = case.quality_wanted - case.quality_now
    pays = sums.payback <= case.assume.patience_months
    enough = case.examples >= case.assume.enough_examples
    rungs = [_prompt(case, gap), _retrieval(case, gap), _fine_tune(case, sums, enough)]
    choice, text = _choose(case, gap, pays, enough)
    model = None
    if case.device != "cloud":
        model, rung = _device(case)
        rungs.append(rung)
        text += " " + _on_device(case, model)
    return Advice(choice, text, tuple(rungs), sums.break_even, model)


def _choose(case: Case, gap: float, pays: bool, enough: bool) -> tuple[str, str]:
    if gap <= 0:
        if pays and enough:
            return "fine-tune", _(
                "The quality is there, and fine-tuning pays by what it saves. Do it last: "
                "measure the fine-tuned model on held-out items before you switch."
            )
        reached = "retrieval" if "retrieval" in case.tried else "prompt"
        return reached, _("The quality is there: keep what you have. Fine-tuning would not pay.")
    if "prompt" not in case.tried:
        return "prompt", _("Begin with the prompt: it costs the least. Measure, then walk again.")
    if TASKS[case.task] and "retrieval" not in case.tried:
        if case.documents:
            return "retrieval", _(
                "Prompting falls short and the answers need facts: add retrieval. Measure, then "
                "walk again with the new quality."
            )
        return "retrieval", _(
            "The answers need facts, and there are no documents to retrieve them from: collect "
            "them first. Fine-tuning is no reliable way to add facts."
        )
    if pays and not enough:
        return "none", _(
            "The arithmetic speaks for fine-tuning, but there are too few examples: collect and "
            "check more of them, hold some back for measuring, then walk again."
        )
    if pays:
        return "fine-tune", _(
            "What comes before has been tried, and the gain outweighs the effort: fine-tune. "
            "Hold examples back and check that the quality you want is reached."
        )
    return "none", _(
        "Fine-tuning isn't worth it yet: improve the prompt, try a stronger model, or put a price "
        "on wrong answers; then walk again."
    )


def _prompt(case: Case, gap: float) -> Rung:
    way = options(case)["prompt"]
    wanted = _("quality {now:.0%}, wanted {wanted:.0%}: ").format(
        now=case.quality_now, wanted=case.quality_wanted
    )
    verdict = _("reached") if gap <= 0 else _("{points:.0f} points short").format(points=100 * gap)
    return Rung(_("Prompt"), (wanted + verdict, _call(way), _month(way, case.calls_per_month)))


def _retrieval(case: Case, gap: float) -> Rung:
    if not TASKS[case.task]:
        why = _("this task needs no facts from outside: skip it")
        return Rung(_("Retrieval (RAG)"), (why,))
    way = options(case)["retrieval"]
    if "retrieval" in case.tried:
        first = _("tried already")
    elif gap <= 0:
        first = _("not needed: the quality is reached")
    elif case.documents:
        first = _("answers need facts, and documents are at hand: try it next")
    else:
        first = _("answers need facts, but there are no documents yet")
    added = _("adds {tokens:,.0f} tokens to each prompt").format(
        tokens=case.assume.retrieved_tokens
    )
    return Rung(_("Retrieval (RAG)"), (first, added, _call(way), _month(way, case.calls_per_month)))


def _fine_tune(case: Case, sums: Tuning, enough: bool) -> Rung:
    way = options(case)["fine-tune"]
    have = _("{have:,} examples at hand, {need:,} needed: ").format(
        have=case.examples, need=case.assume.enough_examples
    )
    lines = [have + (_("enough") if enough else _("too few")), _call(way)]
    if case.wrong_answer:
        lines.append(
            _("with wrong answers at {each} each: {before} per task before, {after} after").format(
                each=dollars(case.wrong_answer),
                before=dollars(sums.before, 4),
                after=dollars(sums.after, 4),
            )
        )
    else:
        lines.append(_("no price is put on wrong answers, so only tokens count"))
    if math.isinf(sums.break_even):
        lines.append(_("N* = ∞: a task gets no cheaper, so no number of calls pays for it"))
    else:
        star = _("N* = {fixed} / ({before} - {after}) = {calls:,.0f} calls a month")
        lines.append(
            star.format(
                fixed=dollars(sums.fixed),
                before=dollars(sums.before, 4),
                after=dollars(sums.after, 4),
                calls=sums.break_even,
            )
        )
        lines.append(_("today: {now:,.0f} calls a month").format(now=case.calls_per_month))
    if math.isinf(sums.payback):
        lines.append(
            _("{once} for data and the first run: never earned back").format(
                once=dollars(sums.once)
            )
        )
    else:
        lines.append(
            _("{once} for data and the first run: earned back in {months:,.1f} months").format(
                once=dollars(sums.once), months=sums.payback
            )
        )
    return Rung(_("Fine-tune"), tuple(lines))


def _device(case: Case) -> tuple[str | None, Rung]:
    """Choose the largest model that fits in memory and answers in time."""
    room = case.memory * case.assume.weights_share
    lines = [
        _("{room:.1f} GB for weights: {share:.0%} of {memory:g} GB").format(
            room=room, share=case.assume.weights_share, memory=case.memory
        )
    ]
    best = None
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
        lines.append(
            _(
                "{name}: {size:.1f} GB at {bits:g} bits, at least {seconds:.1f} s an answer: "
            ).format(name=model.name, size=size, bits=case.assume.bits, seconds=seconds)
            + (", ".join(problems) or _("fits"))
        )
    lines.append(
        _(
            "at least = output tokens × GB / {bandwidth:g} GB/s: each token reads all weights"
        ).format(bandwidth=case.assume.bandwidth)
    )
    return best, Rung(_("On the device"), tuple(lines))


def _on_device(case: Case, model: str | None) -> str:
    if model is None:
        return _("On the {device}: no model of the list fits; relax a limit.").format(
            device=_device_name(case.device)
        )
    return _(
        "On the {device}: {model}, run by ONNX Runtime or Ollama; the prices above are then "
        "replaced by the device's own cost. Measure quality and speed on it."
    ).format(device=_device_name(case.device), model=model)


def _device_name(device: str) -> str:
    return {"cloud": _("cloud"), "laptop": _("laptop"), "phone": _("phone")}[device]


def _call(way: Option) -> str:
    return _(
        "one call = ({input:,.0f} × {price_in:g} + {output:,.0f} × {price_out:g}) / 1,000,000 "
        "= {cost}"
    ).format(
        input=way.input_tokens,
        price_in=way.price.input,
        output=way.output_tokens,
        price_out=way.price.output,
        cost=dollars(way.call),
    )


def _month(way: Option, calls: float) -> str:
    return _("one month = {calls:,.0f} × {call} = {month}").format(
        calls=calls, call=dollars(way.call), month=dollars(way.monthly(calls))
    )


def _one_of(name: str, value: str, choices: Sequence[str] | dict[str, bool]) -> None:
    if value not in choices:
        raise ValueError(
            _("{name} is {value!r}; it must be one of: {choices}.").format(
                name=name, value=value, choices=", ".join(choices)
            )
        )


def _not_negative(name: str, value: float) -> str:
    return _("{name} is {value}; it must be 0 or more.").format(name=name, value=value)


def editor():
    """Open the lesson's editor, with a program that walks the ladder for a case of your own.

    Needs ipywidgets; the same program runs from a shell without them.
    """
    from beyond.cost.editor import Editor  # late: the command line needs no widgets

    return Editor("model_selection.py", PROGRAM)


PROGRAM = """\
from beyond.cost.model_selection import Assumptions, Case, walk

case = Case(
    task="classify",           # answer, classify, extract, rewrite, summarise, translate
    quality_now=0.82,          # measured with the best prompt so far
    quality_wanted=0.92,
    calls_per_month=250_000,
    input_tokens=1_200,        # instructions, examples and the text itself
    output_tokens=80,
    languages=("en", "ko"),
    device="cloud",            # or laptop, phone
    latency=None,              # seconds for a whole answer
    examples=3_000,            # labeled examples at hand
    documents=False,           # texts that hold missing facts
    wrong_answer=0.05,         # dollars that a wrong answer costs
    assume=Assumptions(data_preparation=2_000, trainings_per_year=4),
)

print(walk(case))
"""


class _Parser(argparse.ArgumentParser):
    """argparse, but an error is one sentence on its own."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message.rstrip('.')}. " + _("See --help.") + "\n")


def parser() -> argparse.ArgumentParser:
    """Build the command line: an option for each field of `Case`, and one for each assumption."""
    made = _Parser(
        prog="model_selection",
        description=_(
            "Walk the ladder prompt, retrieval, fine-tune for a case, with the arithmetic."
        ),
    )
    add = made.add_argument
    add("--task", required=True, choices=TASKS, help=_("what the model is to do"))
    add(
        "--quality-now",
        required=True,
        type=float,
        metavar="SHARE",
        help=_("share of right answers with the best of what was tried, 0 to 1"),
    )
    add(
        "--quality-wanted",
        required=True,
        type=float,
        metavar="SHARE",
        help=_("share of right answers that is needed"),
    )
    add("--calls-per-month", required=True, type=float, metavar="N", help=_("calls per month"))
    add("--input-tokens", required=True, type=float, metavar="N", help=_("tokens sent per call"))
    add(
        "--output-tokens", required=True, type=float, metavar="N", help=_("tokens written per call")
    )
    add(
        "--languages",
        nargs="+",
        default=["en"],
        metavar="CODE",
        help=_("languages of the task, such as: en ko"),
    )
    add("--device", default="cloud", choices=DEVICES, help=_("where the model is to run"))
    add("--memory", type=float, default=16.0, metavar="GB", help=_("memory of the device"))
    add("--latency", type=float, metavar="SECONDS", help=_("how long a whole answer may take"))
    add("--examples", type=int, default=0, metavar="N", help=_("labeled examples at hand"))
    add("--documents", action="store_true", help=_("documents with the facts are at hand"))
    add("--tried", nargs="*", default=["prompt"], choices=RUNGS, help=_("rungs tried already"))
    add(
        "--wrong-answer",
        type=float,
        default=0.0,
        metavar="$",
        help=_("what one wrong answer costs, in dollars"),
    )
    add("--model", default=Case.model, help=_("provider/model, as genai-prices names it"))
    add("--tuned-model", default=Case.tuned_model, help=_("the same model, fine-tuned"))
    add(
        "--language",
        default=locale.language(),
        choices=locale.available(),
        help=_("language of the output"),
    )
    group = made.add_argument_group(_("assumptions, all to be doubted"))
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
