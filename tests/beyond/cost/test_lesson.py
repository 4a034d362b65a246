"""Lesson 4: what its prose says about numbers is what its code computes."""

import json
import random
import re
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path

import nbformat
import pytest

from autograder.checks import CheckFailed
from beyond.cost import formula, workload
from beyond.cost.formula import break_even, price
from beyond.cost.model_selection import walk

LESSON = Path(__file__).parents[3] / "notebooks" / "en" / "04-the-cost-formula.ipynb"
BUILD = {
    "input-dollars": "build-1-solution",
    "call-dollars": "build-2-solution",
    "cascade": "build-3-solution",
    "cheapest": "build-4-solution",
}


@pytest.fixture(scope="module")
def cells():
    return {cell.id: cell for cell in nbformat.read(LESSON, 4).cells}


@pytest.fixture(scope="module")
def names(cells):
    """Every name the lesson binds, after its code ran in order, exercises left unanswered."""
    bound = {"__name__": "lesson"}
    for cell in cells.values():
        if cell.cell_type == "code":
            exec(compile(cell.source, cell.id, "exec"), bound)
    return bound


@pytest.fixture(scope="module")
def solved(cells):
    """The names of the build's cells after the shown solutions were written into them."""
    bound = {"__name__": "lesson"}
    for task in BUILD:
        exec(cells[task].source, bound)
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            exec(cells[f"{task}-checks"].source, bound)
    for task in BUILD:
        exec(code_of(cells, task), bound)
    return bound


def code_of(cells, task):
    """The solution that the lesson shows."""
    return re.search(r"```python\n(.*?)```", cells[BUILD[task]].source, re.DOTALL).group(1)


def test_prices(names):
    ratios = sorted(row.output / row.input for row in names["catalog"]())
    assert len(ratios) == 7  # "among 7 models"
    assert ratios[0] == 1 and 3 <= ratios[1] <= ratios[-1] <= 5
    writes = [row.cache_write for row in names["catalog"]()]
    assert None in writes  # "a dash means"
    assert {row.batch for row in names["catalog"]()} == {0.5}


def test_tokens(cells, names):
    (english, korean), (other, older) = names["counted"].values()
    lengths = [len(text) for text in names["ARTICLE_1"].values()]
    assert (english, lengths) == (33, [170, 87])
    prose = cells["read-tokens"].source
    assert f"{korean / english:.1f} times" in prose
    assert f"{older / other:.1f} times" in prose
    assert f"about {1 - korean / older:.0%} cheaper" in prose
    assert f"({older} tokens against {korean})" in prose


def test_the_longer_prefix_passes_the_minimum_and_costs_less(cells, names):
    short, long = names["short"], names["long"]
    assert short < workload.CACHE_MINIMUM <= long
    assert names["by_prefix"][long] < names["by_prefix"][short]
    sol, message = names["sol"], names["message"]
    plain = workload.input_dollars(
        long, message, replace(sol, cache_read=None, cache_write=None), 0
    )
    assert workload.input_dollars(long, message, sol, 0.0) > plain  # "more than without a cache"
    assert workload.input_dollars(long, message, sol, 0.20) > plain
    assert workload.input_dollars(long, message, sol, 0.22) < plain  # "about 21%"
    assert (sol.cache_read, sol.cache_write, sol.input) == (0.1, 2.5, 2.0)
    prose = cells["read-cache"].source
    assert f"prefix of {short} tokens" in prose and f"{long:,} cached tokens" in prose
    assert f"about {(2.5 - 2 * short / long) / 2.4:.0%}. At 50%" in prose
    at_half = 1000 * workload.input_dollars(long, message, sol, 0.5)
    shorter = 1000 * workload.input_dollars(short, message, sol, 0.5)
    assert f"{at_half:.2f} dollars, that of the short ones {shorter:.2f}." in prose


def test_reasoning_more_than_doubles_the_call(names):
    assert names["REASONING"] == 150
    assert names["thinking"] > 2 * names["plain"]
    assert names["answer"] < 10  # "a handful"


def test_the_cascade_s_curve(names):
    """Steep at first, then flat, while the cost keeps rising."""
    thresholds, escalated, accuracy, cost = zip(*names["routed"], strict=True)
    assert list(cost) == sorted(cost) and escalated[0] == 0 and escalated[-1] == 1
    nine = thresholds.index(0.9)
    early = (accuracy[nine] - accuracy[0]) / (cost[nine] - cost[0])
    late = (accuracy[-2] - accuracy[nine]) / (cost[-2] - cost[nine])
    assert early > 5 * max(late, 0)
    assert cost[-1] > names["best"]  # "the cheap call is wasted"


@pytest.mark.parametrize("seed", range(8))
def test_confidence_tells_correct_from_wrong_in_other_draws_of_the_messages(names, seed):
    measured = names["measured"]
    pairs = list(zip(measured.confidences, measured.correct, strict=True))
    drawn = random.Random(seed).choices(pairs, k=len(pairs))
    first = sorted(drawn, key=lambda pair: pair[0])[:30]  # those that are escalated early
    wrong = [sum(not ok for _c, ok in some) / len(some) for some in (first, drawn)]
    assert wrong[0] > wrong[1]
    confidences, correct = zip(*drawn, strict=True)
    strong = names["best"], names["STRONG"]
    share, accuracy, cost = workload.cascade(confidences, correct, 0.9, names["cheap"], *strong)
    assert share < 0.6
    assert accuracy > sum(correct) / len(correct) + 0.05
    assert cost < 0.5 * names["best"]  # "saves most of the strong model's cost"
    routes = [workload.cascade(confidences, correct, t, names["cheap"], *strong)
              for t in (0, 0.9, 0.99)]  # fmt: skip  # a row a line
    (_, low, a), (_, middle, b), (_, high, c) = routes
    assert (middle - low) / (b - a) > 3 * (high - middle) / (c - b)  # "steeply", then "flattens"


def test_the_more_a_mistake_costs_the_higher_the_threshold(names):
    chosen = [workload.cheapest(names["points"], wrong) for wrong in (0, 0.002, 0.02, 0.2)]
    assert chosen == sorted(chosen) and chosen[0] == 0 < chosen[-1]


def test_fixed_costs_and_break_even(names):
    tune, sol, luna = names["tune"], names["ask_sol"], names["ask_luna"]
    assert tune.fixed == pytest.approx(70)  # "an F of 70 dollars a month"
    n_star = names["n_star"]
    assert n_star(sol, tune) < names["CALLS"] < n_star(luna, tune)
    cached = names["best"]
    assert break_even(tune.fixed, cached, tune.call) > n_star(sol, tune)  # the transfer question


def test_accuracy_is_the_widest_bar_and_turns_the_sign(cells, names):
    swings = names["swings"]
    assert [s.name for s in swings[:3]] == ["quality_after", "calls", "reasoning"]
    assert swings[0].low == 0.87 and swings[0].at_low < 0 < names["saving"](**names["base"])
    assert len(swings) == 6
    assert all(f"`{swing.name}`" in cells["sensitivity"].source for swing in swings)
    training = next(s for s in swings if s.name == "labeling")
    assert training.width < 0.05 * swings[0].width  # "hardly matters"


def test_what_the_explorer_s_tasks_claim(names):
    before, after = names["ask_luna"], names["tune"]

    def n_star(b, a):
        return break_even(a.fixed, b.call, a.call)

    tenth = replace(before, output_tokens=before.output_tokens / 10)
    assert n_star(tenth, after) > n_star(before, after)
    reasoning = names["REASONING"] * before.price.output / 1e6
    assert reasoning > before.call / 2  # "most of Luna's cost is its reasoning"
    assert n_star(names["ask_sol"], after) < 200_000
    assert after.monthly(1e6) < before.monthly(1e6)
    assert replace(after, hosting=60).monthly(1e6) > before.monthly(1e6)


def test_what_the_ladder_recommends(names):
    case = names["case"]
    assert walk(case).choice == names["advice"].choice == "trial"
    assert walk(replace(case, quality_tuned=0.94)).choice == "fine-tune"
    assert walk(replace(case, quality_tuned=0.88)).choice == "none"
    assert walk(replace(case, task="answer", documents=True)).choice == "retrieval"


def test_what_the_text_says_of_the_program_s_assumptions(cells, names):
    prose, assume = cells["edit-the-case"].source, names["case"].assume
    assert f"{assume.trainings_per_year:g} retrainings a year" in prose
    assert f"{assume.enough_examples} labeled examples" in prose
    assert f"within {assume.patience_months:g} months" in prose


def test_the_decision(cells, names):
    prose = cells["decision-answer"].source
    months = names["months"]
    text = "{:.0f}, {:.0f} and {:.0f} dollars".format(*months.values())
    assert text in prose
    assert min(months, key=months.get) == "C"
    assert round(months["B"] - months["C"]) == 3
    for name, (call, quality) in names["offers"].items():
        assert f"{call:.4f}" in prose and f"{(1 - quality) * names['MISTAKE']:.4f}" in prose, name
    assert 0.01 * names["REVIEWS"] * names["MISTAKE"] == pytest.approx(30)


def test_what_a_wrong_answer_costs(names):
    assert names["WRONG"] == pytest.approx(0.20)


def test_the_models_can_be_bought(cells, names):
    for option in ("ask_sol", "ask_luna"):
        assert names[option].price in names["catalog"]()
    snapshot = json.loads(Path(formula.__file__).with_name("prices.json").read_text("utf-8"))
    tuned = names["tune"].price  # nobody sells tokens of a tuned model at another one's price
    assert tuned.model in {row["model"] for row in snapshot["adapters"]}
    assert names["own"].price == formula.Price(0, 0) and names["own"].hosting == names["GPU"] > 0
    for amount in (tuned.input, tuned.output):
        assert f"{amount:.2f}" in cells["month"].source
    assert price("openai/gpt-4o-mini") not in names["catalog"]()


def run_checks(cells, bound, task):
    exec(cells[f"{task}-checks"].source, bound)


def read(capsys):
    """What a cell printed, without line breaks."""
    shown = capsys.readouterr()
    return " ".join((shown.out + shown.err).split())


@pytest.mark.parametrize("task", list(BUILD))
def test_the_shown_solution_passes_the_checks(cells, solved, capsys, task):
    run_checks(cells, solved, task)
    shown = capsys.readouterr()
    assert "✗" not in shown.out and not shown.err
    assert "return None  # your code here" in cells[task].source


MISTAKES = [
    ("input-dollars", "(prefix + fresh) * p.input", "Prices are per million tokens"),
    (
        "input-dollars",
        "(prefix * (hit_rate * p.cache_read + (1 - hit_rate) * p.cache_write) + fresh * p.input)"
        " / 1e6",
        "nothing is cached",
    ),
    (
        "input-dollars",
        "(prefix * (p.input if prefix <= minimum else hit_rate * p.cache_read + (1 - hit_rate)"
        " * p.cache_write) + fresh * p.input) / 1e6",
        "exactly the minimum",
    ),
    (
        "input-dollars",
        "(prefix * (p.input if prefix < 1_024 else hit_rate * p.cache_read + (1 - hit_rate)"
        " * p.cache_write) + fresh * p.input) / 1e6",
        "not a fixed 1,024",
    ),
    (
        "input-dollars",
        "(prefix * (p.input if prefix < minimum else hit_rate * p.cache_read + (1 - hit_rate)"
        " * p.input) + fresh * p.input) / 1e6",
        "A miss pays the price for writing",
    ),
    (
        "input-dollars",
        "(prefix * (p.input if prefix < minimum else (1 - hit_rate) * p.cache_read + hit_rate"
        " * p.cache_write) + fresh * p.input) / 1e6",
        "Are hits and misses swapped?",
    ),
    (
        "input-dollars",
        "(prefix * (p.input if prefix < minimum else hit_rate * p.cache_read + (1 - hit_rate)"
        " * p.cache_write) + fresh * p.input) / 1e6",
        "`p.cache_write` is None here",
    ),
    (
        "input-dollars",
        "(prefix * (p.input if prefix < minimum else hit_rate * p.cache_read + (1 - hit_rate)"
        " * (p.cache_write or 0)) + fresh * p.input) / 1e6",
        "Writing isn't free",
    ),
    (
        "input-dollars",
        "((prefix + fresh) * hit_rate * p.cache_read + (prefix + fresh) * (1 - hit_rate)"
        " * p.cache_write) / 1e6 if prefix >= minimum and fresh else"
        " (prefix * (p.input if prefix < minimum else hit_rate * p.cache_read + (1 - hit_rate)"
        " * p.cache_write) + fresh * p.input) / 1e6",
        "billed as part of the prefix",
    ),
    ("input-dollars", "(prefix + fresh) * p.input / 1e3", "not per thousand"),
    ("input-dollars", "prefix * p.input + fresh * p.input / 1e6", "in parentheses"),
    ("call-dollars", "input_dollars(prefix, fresh, p, hit_rate)", "The output is missing"),
    (
        "call-dollars",
        "input_dollars(prefix, fresh, p, hit_rate) / 1e6 + (answer + reasoning) * p.output / 1e6",
        "divided by a million twice",
    ),
    (
        "call-dollars",
        "((prefix + fresh) * p.input + (answer + reasoning) * p.output) / 1e6"
        " * (p.batch if batch else 1)",
        "Use your `input_dollars`",
    ),
    (
        "call-dollars",
        "(input_dollars(prefix, fresh, p, hit_rate) + (answer + reasoning) * p.output / 1e6)"
        " * (0.5 if batch else 1)",
        "not by a fixed factor",
    ),
    (
        "call-dollars",
        "input_dollars(prefix, fresh, p, hit_rate) + answer * p.output / 1e6",
        "The reasoning tokens are missing",
    ),
    (
        "call-dollars",
        "input_dollars(prefix, fresh, p, hit_rate) + (answer * p.output + reasoning * p.input)"
        " / 1e6",
        "not the input price",
    ),
    (
        "call-dollars",
        "input_dollars(prefix, fresh, p, hit_rate) + (answer + reasoning) * p.output / 1e6",
        "`batch=True` changed nothing",
    ),
    (
        "call-dollars",
        "input_dollars(prefix, fresh, p, hit_rate) * (p.batch if batch else 1)"
        " + (answer + reasoning) * p.output / 1e6",
        "The factor applies to the output too",
    ),
    (
        "call-dollars",
        "(input_dollars(prefix, fresh, p, 0) + (answer + reasoning) * p.output / 1e6)"
        " * (p.batch if batch else 1)",
        "Pass `hit_rate` on",
    ),
    (
        "cascade",
        "(lambda k: (1 - k, sum(ok for c, ok in zip(confidences, correct) if c >= threshold)"
        " / len(correct) + (1 - k) * strong_accuracy, k * cheap_call + (1 - k) * strong_call))"
        "(sum(c >= threshold for c in confidences) / len(correct))",
        "pays for both calls",
    ),
    (
        "cascade",
        "(lambda k: (1 - k, k + (1 - k) * strong_accuracy, cheap_call + (1 - k) * strong_call))"
        "(sum(c >= threshold for c in confidences) / len(correct))",
        "count as correct although",
    ),
    (
        "cascade",
        "(lambda k: (1 - k, sum(ok for c, ok in zip(confidences, correct) if c >= threshold)"
        " / len(correct) + (1 - k), cheap_call + (1 - k) * strong_call))"
        "(sum(c >= threshold for c in confidences) / len(correct))",
        "Use `strong_accuracy`",
    ),
    (
        "cascade",
        "(lambda k: (1 - k, sum(ok for c, ok in zip(confidences, correct) if c > threshold)"
        " / len(correct) + (1 - k) * strong_accuracy, cheap_call + (1 - k) * strong_call))"
        "(sum(c > threshold for c in confidences) / len(correct))",
        "includes the threshold",
    ),
    (
        "cascade",
        "(lambda k: (1 - k, sum(ok for c, ok in zip(confidences, correct) if c < threshold)"
        " / len(correct) + (1 - k) * strong_accuracy, cheap_call + (1 - k) * strong_call))"
        "(sum(c < threshold for c in confidences) / len(correct))",
        "You escalate the confident ones",
    ),
    (
        "cascade",
        "(lambda k: (k, sum(ok for c, ok in zip(confidences, correct) if c >= threshold)"
        " / len(correct) + (1 - k) * strong_accuracy, cheap_call + (1 - k) * strong_call))"
        "(sum(c >= threshold for c in confidences) / len(correct))",
        "not the fraction that is kept",
    ),
    (
        "cascade",
        "(lambda k: (1 - k, sum(ok for c, ok in zip(confidences, correct) if c >= threshold)"
        " / max(1, k * len(correct)) + (1 - k) * strong_accuracy,"
        " cheap_call + (1 - k) * strong_call))"
        "(sum(c >= threshold for c in confidences) / len(correct))",
        "not by the kept ones",
    ),
    ("cheapest", "min(rows, key=lambda row: row[2])[0]", "wrong answers added"),
    (
        "cheapest",
        "min(rows, key=lambda row: row[2] + row[1] * wrong_answer)[0]",
        "times 1 minus the accuracy",
    ),
    ("cheapest", "max(rows, key=lambda row: row[1])[0]", "add what its calls cost"),
    (
        "cheapest",
        "min(rows, key=lambda row: row[2] + (1 - row[1]) * wrong_answer)",
        "Return the threshold alone",
    ),
    (
        "cheapest",
        "min(rows, key=lambda row: row[2] + (1 - row[1]) * wrong_answer)[0]",
        "compare the thresholds",
    ),
]


@pytest.mark.parametrize(("task", "body", "hint"), MISTAKES)
def test_a_likely_mistake_gets_the_fitting_hint(cells, solved, capsys, task, body, hint):
    head = cells[task].source.split("\n")[0]
    bound = dict(solved)
    exec(f"{head}\n    return {body}", bound)
    run_checks(cells, bound, task)
    assert hint in read(capsys)


@pytest.mark.parametrize("task", list(BUILD))
def test_an_untouched_step_passes_nothing(cells, solved, capsys, task):
    bound = dict(solved)
    exec(cells[task].source, bound)
    run_checks(cells, bound, task)
    said = "Optional, not done" if task == "cheapest" else "Checks passed: 0 of"
    assert said in read(capsys)


SOLVED = """def input_dollars(prefix, fresh, p, hit_rate, minimum=1_024):
    return ((prefix if prefix < minimum else prefix * hit_rate * 0.05) + fresh) * p.input / 1e6"""


@pytest.mark.parametrize(
    ("first", "told"),
    [
        (None, True),  # untouched
        (SOLVED.replace("return", "dollars ="), True),
        (SOLVED.replace(" / 1e6", ""), True),
        (SOLVED, False),
    ],
)
def test_the_second_step_is_told_to_wait_for_the_first_only_until_it_is_correct(
    cells, solved, capsys, first, told
):
    bound = dict(solved)
    exec(first or cells["input-dollars"].source, bound)
    exec(code_of(cells, "call-dollars"), bound)
    run_checks(cells, bound, "call-dollars")
    said = read(capsys)
    assert ("Step 1 comes first" in said) is told
    assert ("✗" in said) is told


def test_a_type_error_of_step_2_is_not_laid_on_step_1(cells, solved, capsys):
    code = code_of(cells, "call-dollars").replace("hit_rate) + output", "hit_rate) + (output,)")
    bound = dict(solved)
    exec(code, bound)
    run_checks(cells, bound, "call-dollars")
    said = read(capsys)
    assert "TypeError" in said
    assert "Step 1" not in said


def test_what_the_unsure_messages_would_give_differs_from_every_expected_value(solved):
    """No result of the checks' messages stays the same if kept and escalated are exchanged."""
    sure, right = solved["SURE"], solved["RIGHT"]
    one = workload.cascade(sure, right, 0.7, 0.001, 0.02, 1.0)
    other = workload.cascade([1 - c for c in sure], right, 0.31, 0.001, 0.02, 1.0)
    assert all(a != pytest.approx(b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("task", list(BUILD))
def test_a_forgotten_return_is_named(cells, solved, capsys, task):
    head = cells[task].source.split("\n")[0]
    bound = dict(solved)
    exec(f"{head}\n    result = 1 + 1", bound)
    run_checks(cells, bound, task)
    assert "did you forget `return`?" in read(capsys)


@pytest.mark.parametrize("task", list(BUILD))
def test_the_library_s_version_is_refused(cells, solved, capsys, task):
    name = task.replace("-", "_")
    bound = {**solved, name: getattr(workload, name)}
    run_checks(cells, bound, task)
    assert "write it yourself here" in read(capsys)


def test_the_library_s_versions_agree_with_the_solutions(solved):
    chance = random.Random(4)
    for _trial in range(50):
        p = price(chance.choice(["openai/gpt-6-luna", "mistral/ministral-8b-2512"]))
        numbers = [chance.randrange(3_000) for _ in range(4)]
        more = {"hit_rate": chance.random(), "batch": chance.random() < 0.5}
        assert solved["call_dollars"](*numbers, p, **more) == pytest.approx(
            workload.call_dollars(*numbers, p, **more)
        )
        confidences = [round(chance.random(), 1) for _ in range(20)]
        correct = [chance.random() < 0.7 for _ in range(20)]
        rest = (round(chance.random(), 1), 0.001, 0.01, chance.random())
        mine = solved["cascade"](confidences, correct, *rest)
        assert mine == pytest.approx(workload.cascade(confidences, correct, *rest))


def test_a_batch_needs_a_batch_price():
    with pytest.raises(ValueError, match="no batch price"):
        workload.call_dollars(
            1, 1, 1, 1, replace(price("openai/gpt-6-luna"), batch=None), batch=True
        )


def test_a_failed_check_stops_nothing():
    """`report(stop=False)` in the lesson's cells: Run All goes on."""
    cells = nbformat.read(LESSON, 4).cells
    reports = [c.source for c in cells if c.cell_type == "code" and "report(" in c.source]
    assert len(reports) == len(BUILD) and all("report(stop=False" in s for s in reports)
    assert issubclass(CheckFailed, AssertionError)
