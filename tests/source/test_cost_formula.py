"""The assignment on the cost formula: right functions score, each mistake costs its checks."""

from __future__ import annotations

import pytest

from autograder.authoring import sync
from autograder.authoring.lint import lint

POINTS = {
    "call-cost-test": 2,
    "monthly-cost-test": 3,
    "break-even-test": 3,
    "tornado-test": 4,
}

# The checks of each test cell, by what a mistake breaks.
CALL = {
    "million": "a million input tokens cost the input price",
    "own price": "input and output each have their own price",
    "negative": "a negative count is rejected",
    "others": "other counts and prices",
    "extremes": "very small and very large amounts",
    "bad": "every invalid number is rejected",
}
MONTH = {
    "hosting": "hosting is paid for once a month",
    "spread": "the cost of a training run is spread over the months until the next one",
    "no time": "0 months between two training runs are rejected",
    "others": "other months",
    "zeros": "months without calls, hosting or training",
    "bad": "every invalid number is rejected",
}
BREAK_EVEN = {
    "saving": "the savings per call pay back the fixed cost",
    "same": "never, if a call costs the same as before",
    "dearer": "never, if a call gets more expensive",
    "others": "other costs",
    "zeros": "nothing to pay back, and calls that become free",
    "bad": "every invalid number is rejected",
}
TORNADO = {
    "one": "one input moves at a time",
    "widest": "the widest bar comes first",
    "falls": "a bar is just as wide if the cost falls",
    "unknown": "an unknown input is rejected",
    "others": "other cases and ranges",
    "few": "one range, no range, and a range upside down",
    "bad": "invalid names and numbers are rejected",
}

# A mistake: the solution cell, what is replaced in the solution, and the checks it breaks.
# Replacing None means that the whole body is replaced.
RESULT = "(input_tokens * input_price + output_tokens * output_price) / 1_000_000"
MISTAKES = {
    "one price for all tokens": (
        "call-cost",
        RESULT,
        "(input_tokens + output_tokens) * input_price / 1_000_000",
        {"own price", "others", "extremes"},
    ),
    "prices swapped": (
        "call-cost",
        RESULT,
        "(input_tokens * output_price + output_tokens * input_price) / 1e6",
        {"million", "own price", "others", "extremes"},
    ),
    "prices per thousand": (
        "call-cost",
        "1_000_000",
        "1_000",
        {"million", "own price", "others", "extremes"},
    ),
    "rounded to cents": (
        "call-cost",
        RESULT,
        f"round({RESULT}, 2)",
        {"own price", "others", "extremes"},
    ),
    "only output": (
        "call-cost",
        RESULT,
        "output_tokens * output_price / 1e6",
        {"million", "own price", "others", "extremes"},
    ),
    "nothing refused": (
        "call-cost",
        "raise ValueError",
        "print",
        {"negative", "bad"},
    ),
    "nan let through": (
        "call-cost",
        "not math.isfinite(number) or number < 0",
        "number < 0 or number == math.inf",
        {"bad"},
    ),
    "only counts looked at": (
        "call-cost",
        "in (input_tokens, output_tokens, input_price, output_price)",
        "in (input_tokens, output_tokens)",
        {"bad"},
    ),
    "another exception": ("call-cost", "ValueError", "TypeError", {"negative", "bad"}),
    "zero for everything": ("call-cost", None, "return 0.0", set(CALL)),
    "always refused": ("call-cost", None, "raise ValueError('no')", set(CALL)),
    "a text": ("call-cost", None, "return '0.004'", set(CALL)),
    "the right text": ("call-cost", RESULT, f"str({RESULT})", set(CALL)),
    "not a number": (
        "call-cost",
        RESULT,
        "math.nan",
        {"million", "own price", "others", "extremes", "bad"},
    ),
    "numbers in a list": ("call-cost", RESULT, f"[{RESULT}]", set(CALL)),
    "computed, not returned": ("call-cost", "return ", "cost = ", set(CALL)),
    "hosting paid per call": (
        "monthly-cost",
        "calls * cost_per_call + hosting",
        "calls * (cost_per_call + hosting)",
        {"hosting", "others", "zeros"},
    ),
    "training multiplied": (
        "monthly-cost",
        "training / months",
        "training * months",
        {"spread", "others", "zeros"},
    ),
    "training paid whole": (
        "monthly-cost",
        "training / months_between",
        "training",
        {"spread", "others", "zeros"},
    ),
    "training forgotten": (
        "monthly-cost",
        " + training / months_between",
        "",
        {"spread", "others", "zeros"},
    ),
    "division by zero": (
        "monthly-cost",
        "if months_between == 0",
        "if False",
        {"no time"},
    ),
    "only whole months": (
        "monthly-cost",
        "training / months",
        "training // months",
        {"others"},
    ),
    "0 rejected": (
        "monthly-cost",
        "number < 0",
        "number <= 0",
        {"hosting", "spread", "zeros"},
    ),
    "a constant month": ("monthly-cost", None, "return 60.0", set(MONTH)),
    "no case distinction": (
        "break-even",
        " if saving > 0 else math.inf",
        "",
        {"same", "dearer", "others", "zeros"},
    ),
    "distance instead of saving": (
        "break-even",
        "cost_before - cost_after",
        "abs(cost_before - cost_after)",
        {"dearer", "others", "zeros"},
    ),
    "divided by the new cost": (
        "break-even",
        "fixed_cost / saving",
        "fixed_cost / (cost_after or 1)",
        {"saving", "others", "zeros"},
    ),
    "rounded up": (
        "break-even",
        "fixed_cost / saving if",
        "math.ceil(fixed_cost / saving) if",
        {"saving", "others"},
    ),
    "before the start": (
        "break-even",
        "fixed_cost / saving if",
        "-math.inf if",
        {"saving", "same", "dearer", "others", "zeros", "bad"},
    ),
    "rounded down": (
        "break-even",
        "fixed_cost / saving if",
        "float(fixed_cost / saving // 1) if",
        {"saving", "others"},
    ),
    "always never": ("break-even", None, "return math.inf", set(BREAK_EVEN)),
    "base is changed": (
        "tornado",
        "cost({**base, name: low}), cost({**base, name: high})",
        "cost(base.update({name: low}) or base), cost(base.update({name: high}) or base)",
        {"one", "others"},
    ),
    "width with a sign": (
        "tornado",
        "abs(bar[2] - bar[1])",
        "bar[2] - bar[1]",
        {"falls", "others"},
    ),
    "narrowest first": (
        "tornado",
        ", reverse=True",
        "",
        {"widest", "falls", "others"},
    ),
    "not sorted": (
        "tornado",
        "sorted(bars, key=lambda bar: abs(bar[2] - bar[1]), reverse=True)",
        "bars",
        {"widest", "falls", "others"},
    ),
    "low and high swapped": (
        "tornado",
        "cost({**base, name: low}), cost({**base, name: high})",
        "cost({**base, name: high}), cost({**base, name: low})",
        {"one", "others", "few"},
    ),
    "unknown names let through": (
        "tornado",
        "if name not in base",
        "if False",
        {"unknown", "bad"},
    ),
    "KeyError": ("tornado", "raise ValueError(", "raise KeyError(", {"unknown", "bad"}),
    "a bar twice": (
        "tornado",
        "bars.append((name,",
        "bars.append((name, 0, 0)); bars.append((name,",
        {"one", "widest", "falls", "others", "few", "bad"},
    ),
    "costs as texts": (
        "tornado",
        "cost({**base, name: low}), cost({**base, name: high})",
        "str(cost({**base, name: low})), str(cost({**base, name: high}))",
        set(TORNADO),
    ),
    "no bars": ("tornado", None, "return []", set(TORNADO)),
    "names only": ("tornado", None, "return list(ranges)", set(TORNADO)),
}
CHECKS = {"call-cost": CALL, "monthly-cost": MONTH, "break-even": BREAK_EVEN, "tornado": TORNADO}

HONEST = {
    "call-cost": """
def call_cost(input_tokens, output_tokens, input_price, output_price):
    import warnings
    import numpy as np

    warnings.warn("한글 경고")
    print("계산합니다", input_tokens)
    amounts = np.array([input_tokens, output_tokens, input_price, output_price], dtype=float)
    if not np.isfinite(amounts).all() or amounts.min() < 0:
        raise ValueError
    return float(np.dot(amounts[:2] / 1e6, amounts[2:]))
""",
    "monthly-cost": """
from fractions import Fraction

def monthly_cost(calls, cost_per_call, hosting, training, months_between):
    for number in (calls, cost_per_call, hosting, training, months_between):
        if not 0 <= number < float("inf"):
            raise ValueError(f"{number} won't do")
    if not months_between:
        raise ValueError("no months")
    parts = [Fraction(calls) * Fraction(cost_per_call), Fraction(hosting),
             Fraction(training) / Fraction(months_between)]
    return float(sum(parts))
""",
    "break-even": """
def break_even_calls(fixed_cost, cost_before, cost_after):
    if any(math.isnan(x) or math.isinf(x) or x < 0 for x in (fixed_cost, cost_before, cost_after)):
        raise ValueError
    if cost_after >= cost_before:
        return float("inf")
    return 1 / (cost_before - cost_after) * fixed_cost
""",
    "tornado": """
def tornado(base, ranges):
    rows = []
    for name in ranges:
        if name not in base:
            raise ValueError(name)
        row = [name]
        before = base[name]
        for value in ranges[name]:
            base[name] = value
            prices = (base["input_price"], base["output_price"])
            one = call_cost(base["input_tokens"], base["output_tokens"], *prices)
            rest = (base["hosting"], base["training"], base["months_between"])
            row.append(monthly_cost(base["calls"], one, *rest))
        base[name] = before
        rows.append(row)
    rows.sort(key=lambda row: -abs(row[1] - row[2]))
    return rows
""",
}

OTHER_NUMBERS = {
    "call-cost": """
from fractions import Fraction

def call_cost(*amounts):
    if not all(0 <= one < math.inf for one in amounts):
        raise ValueError("no")
    sent, received, price_in, price_out = map(Fraction, amounts)
    return (sent * price_in + received * price_out) / 1_000_000
""",
    "monthly-cost": """
import numpy as np

def monthly_cost(calls, cost_per_call, hosting, training, months_between):
    given_ones = np.array([calls, cost_per_call, hosting, training, months_between], dtype=float)
    if not np.isfinite(given_ones).all() or given_ones.min() < 0 or not months_between:
        raise ValueError("no")
    return np.float64(given_ones[0] * given_ones[1] + hosting + training / months_between)
""",
    "break-even": """
from decimal import Decimal

def break_even_calls(fixed_cost, cost_before, cost_after):
    if not all(0 <= one < math.inf for one in (fixed_cost, cost_before, cost_after)):
        raise ValueError("no")
    saving = Decimal(cost_before) - Decimal(cost_after)
    return Decimal(fixed_cost) / saving if saving > 0 else Decimal("Infinity")
""",
}
"""Right, as other kinds of numbers than floats."""

# What each function answers in the checks that students see; anything else it refuses.
SEEN = {
    "call-cost": (
        "def call_cost(*inputs):\n"
        "    seen = {(1_000_000, 0, 3.0, 15.0): 3.0, (2_000_000, 0, 3.0, 15.0): 6.0,\n"
        "            (2_000, 500, 1.0, 4.0): 0.004, (1_000, 500, 1.0, 4.0): 0.003,\n"
        "            (1, 1, 1.0, 1.0): 2e-6}\n"
    ),
    "monthly-cost": (
        "def monthly_cost(*inputs):\n"
        "    seen = {(1_000, 0.01, 50.0, 0.0, 1): 60.0, (3_000, 0.01, 50.0, 0.0, 1): 80.0,\n"
        "            (0, 0.01, 0.0, 600.0, 6): 100.0, (0, 0.01, 0.0, 600.0, 12): 50.0,\n"
        "            (1, 0.01, 1.0, 1.0, 1): 2.01}\n"
    ),
    "break-even": (
        "def break_even_calls(*inputs):\n"
        "    seen = {(600.0, 0.01, 0.004): 1e5, (300.0, 0.01, 0.004): 5e4,\n"
        "            (100.0, 0.01, 0.004): 100 / 0.006,\n"
        "            (600.0, 0.004, 0.004): math.inf, (600.0, 0.004, 0.005): math.inf}\n"
    ),
}


@pytest.fixture(scope="module")
def source_notebook(assignments):
    return assignments.source_notebook("cost-formula")


def with_mistake(source: str, old: str | None, new: str) -> str:
    """A solution cell with one mistake; old None replaces the whole body."""
    if old is None:
        signature = source.split("\n")[0]
        return f"{signature}\n    {new}\n"
    assert old in source
    return source.replace(old, new)


def test_points_and_cells(source_notebook, assignments):
    tests = assignments.tests(source_notebook)
    assert {name: assignments.grader(cell)["points"] for name, cell in tests.items()} == POINTS


def test_korean_is_in_step(source_notebook, assignments):
    korean = assignments.source_notebook("cost-formula", "ko")
    assert sync.differences(source_notebook, korean, "ko") == []


def test_the_tests_keep_to_the_trust_boundary(source_notebook):
    assert lint(source_notebook) == []


def test_the_solution_scores_everything(source_notebook, assignments):
    ran = assignments.run_in_kernel(source_notebook)
    assert {name: ran[name].points for name in POINTS} == POINTS
    assert not [name for name, cell in ran.items() if cell.error or cell.stderr]


def test_the_checks_listed_here_are_all_there_are(source_notebook, run):
    ran = run(source_notebook)
    for name, checks in CHECKS.items():
        found = [one["name"] for one in ran[f"{name}-test"].record["checks"]]
        assert found == list(checks.values())


@pytest.mark.filterwarnings("ignore:한글")
def test_other_ways_to_be_right_score_everything(source_notebook, assignments, run):
    """numpy, fractions, warnings, Korean output, lists for tuples, base put back afterwards."""
    ran = run(assignments.answered(source_notebook, HONEST))
    assert {name: ran[name].points for name in POINTS} == POINTS


def test_other_kinds_of_numbers_score_everything(source_notebook, assignments, run):
    ran = run(assignments.answered(source_notebook, OTHER_NUMBERS))
    assert {name: ran[name].points for name in POINTS} == POINTS


@pytest.mark.parametrize("cell", SEEN)
def test_a_table_of_what_is_seen_passes_nothing_else(source_notebook, assignments, run, cell):
    table = f"{SEEN[cell]}    if inputs in seen:\n        return seen[inputs]\n    raise ValueError"
    ran = run(assignments.answered(source_notebook, {cell: table}))
    record = ran[f"{cell}-test"].record["checks"]
    assert [one["passed"] for one in record] == [not one["hidden"] for one in record]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_fails_the_checks_it_breaks_and_no_other(
    source_notebook, assignments, run, mistake
):
    cell, old, new, broken = MISTAKES[mistake]
    source = with_mistake(assignments.solutions(source_notebook)[cell], old, new)
    ran = run(assignments.answered(source_notebook, {cell: source}))
    test = ran[f"{cell}-test"]
    assert test.failed == {CHECKS[cell][one] for one in broken}
    if mistake == "computed, not returned":
        assert "returned None: did you forget `return`?" in test.text
        assert (test.error, test.stderr) == (None, "Not answered yet: call_cost\n")
    else:
        assert test.error == "CheckFailed"
    record = test.record["checks"]
    earned = sum(one["weight"] for one in record if one["passed"])
    share = earned / sum(one["weight"] for one in record)
    assert test.points == pytest.approx(share * POINTS[f"{cell}-test"])
    if len(broken) == len(CHECKS[cell]):
        assert test.points == 0


def test_a_mistake_in_one_function_spares_the_independent_ones(source_notebook, assignments, run):
    source = with_mistake(assignments.solutions(source_notebook)["call-cost"], None, "return 0.0")
    ran = run(assignments.answered(source_notebook, {"call-cost": source}))
    assert ran["monthly-cost-test"].points == POINTS["monthly-cost-test"]
    assert ran["break-even-test"].points == POINTS["break-even-test"]
    assert 0 < ran["tornado-test"].points < POINTS["tornado-test"]


def test_hidden_failures_tell_no_numbers(source_notebook, assignments, run):
    source = with_mistake(
        assignments.solutions(source_notebook)["call-cost"],
        None,
        "print('seen', input_tokens); raise RuntimeError(f'seen {input_tokens}')",
    )
    ran = run(assignments.answered(source_notebook, {"call-cost": source}))
    test = ran["call-cost-test"]
    hidden = [one for one in test.record["checks"] if one["hidden"]]
    assert len(hidden) == 3 and not any(one["message"] for one in hidden)
    seen = {line for line in test.text.replace("\\n", "\n").splitlines() if "seen" in line}
    allowed = ("1000000", "2000", "seen 1")  # what the visible checks pass
    assert seen and all(any(value in line for value in allowed) for line in seen)


@pytest.mark.parametrize("language", ["en", "ko"])
def test_an_untouched_notebook_stops_nowhere_and_scores_nothing(assignments, run, language):
    notebook = assignments.source_notebook("cost-formula", language)
    for version in (assignments.released(notebook), assignments.without_solutions(notebook)):
        ran = run(version)
        assert assignments.total(ran) == 0
        assert not [name for name, cell in ran.items() if cell.error]
        assert "call_cost" in ran["call-cost-test"].stderr


def test_an_untouched_notebook_in_a_kernel(source_notebook, assignments):
    ran = assignments.run_in_kernel(assignments.released(source_notebook))
    assert not [name for name, cell in ran.items() if cell.error]
    assert ran["tornado-test"].stderr == "Not answered yet: tornado\n"


def test_the_release_has_neither_solutions_nor_hidden_tests(source_notebook, assignments):
    text = str(assignments.released(source_notebook).cells)
    assert text.count("# YOUR CODE HERE") == len(POINTS)
    for told in ("saving =", "saving >", "hidden=", "HIDDEN", "seeded(", "abs(bar", "isfinite(num"):
        assert told not in text
        assert told in str(source_notebook.cells)


# A mistake, and what the student reads about it.
HINTS = {
    "one price for all tokens": "The output tokens were multiplied by the input price.",
    "prices swapped": "The two prices are swapped.",
    "prices per thousand": "Prices are per million tokens, not per thousand.",
    "rounded to cents": "Don't round: a single call may cost less than a cent.",
    "nothing refused": "`call_cost(-1, 1, 1.0, 1.0)` returned a result; expected a ValueError.",
    "another exception": "raised another exception; expected a ValueError.",
    "0 rejected": "0 is allowed: reject only negative numbers",
    "rounded up": "N* needn't be a whole number.",
    "not sorted": "whichever of them comes first in `ranges`.",
    "hosting paid per call": "Hosting was paid for once per call instead of once a month.",
    "training multiplied": "Divide the cost of a training run by the months; don't multiply.",
    "training paid whole": "One month pays for the whole training run",
    "training forgotten": "The cost of training is missing from the sum.",
    "division by zero": "Check the months before you divide.",
    "no case distinction": "The saving is negative here",
    "distance instead of saving": "Each call costs 0.001 dollars more than before, not less.",
    "divided by the new cost": "Divide by what a call saves, not by what it costs now.",
    "base is changed": "Are the calls back at their base value?",
    "width with a sign": "With more months the cost falls: take the distance.",
    "low and high swapped": "The cost at the low value comes before the one at the high.",
    "KeyError": "Look whether base has the input first.",
}


@pytest.mark.parametrize("mistake", HINTS)
def test_the_hint_fits_the_mistake(source_notebook, assignments, run, mistake):
    cell, old, new, _broken = MISTAKES[mistake]
    answers = assignments.solutions(source_notebook)
    answers[cell] = with_mistake(answers[cell], old, new)
    ran = run(assignments.answered(assignments.released(source_notebook), answers))
    said = " ".join(ran[f"{cell}-test"].text.replace("\\n", " ").split())
    assert HINTS[mistake] in said
    others = set(HINTS.values()) - {HINTS[mistake]}
    assert not [hint for hint in others if hint in said]


NOT_READY = "`call_cost` or `monthly_cost` isn't correct yet, and `tornado` uses both."


@pytest.mark.parametrize("cell", ["call-cost", "monthly-cost"])
def test_bars_without_a_cost_say_what_is_missing(source_notebook, assignments, run, cell):
    released = assignments.released(source_notebook)
    answers = assignments.solutions(source_notebook)
    del answers[cell]
    ran = run(assignments.answered(released, answers))
    said = " ".join(ran["tornado-test"].text.replace("\\n", " ").split())
    assert NOT_READY in said


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_bar_that_is_wrong_is_laid_on_the_function_at_fault(
    source_notebook, assignments, run, mistake
):
    cell, old, new, _broken = MISTAKES[mistake]
    answers = assignments.solutions(source_notebook)
    answers[cell] = with_mistake(answers[cell], old, new)
    ran = run(assignments.answered(assignments.released(source_notebook), answers))["tornado-test"]
    said = " ".join(ran.text.replace("\\n", " ").split())
    assert (NOT_READY in said) is bool(ran.failed and cell in ("call-cost", "monthly-cost"))


@pytest.mark.parametrize("language", ["en", "ko"])
def test_what_may_not_be_imported_is_stated(assignments, language):
    cells = {c.id: c.source for c in assignments.source_notebook("cost-formula", language).cells}
    assert "`beyond.cost`" in cells["title"]
