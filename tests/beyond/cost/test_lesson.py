"""Lesson 4: what its prose says about numbers is what its code computes."""

import re
from pathlib import Path

import nbformat
import pytest

LESSON = Path(__file__).parents[3] / "notebooks" / "en" / "04-the-cost-formula.ipynb"


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


def solutions(cells):
    code = re.search(r"```python\n(.*?)```", cells["transfer-cache"].source, re.DOTALL).group(1)
    bound = {}
    exec("import math\n" + code, bound)
    return bound


def test_tokens(cells, names):
    (english, korean), (_english, older) = names["counted"].values()
    assert (english, [len(text) for text in names["ARTICLE_1"].values()]) == (33, [170, 87])
    assert "170" in cells["predict-korean"].source and "87" in cells["predict-korean"].source
    prose = cells["read-tokens"].source
    assert f"{korean / english:.1f} times" in prose
    assert f"{older / names['counted']['SentencePiece'][0]:.1f} times" in prose
    assert 1 - korean / older > 0.40  # "even at a discount of 40 %"


def test_prices(cells, names):
    ratios = sorted(row.output / row.input for row in names["catalog"]())
    assert len(ratios) == 9
    assert [round(ratio, 6) for ratio in ratios[:1]] == [1] and 3 <= ratios[1] <= ratios[-1] <= 5
    gpt4o, mini = names["gpt4o"], names["mini"]
    assert names["price"]("openai/ft:gpt-4o").input / gpt4o.input == 1.5
    assert names["tuned_mini"].output / mini.output == 2
    assert mini.output / mini.input == 4


def test_the_month_and_break_even(cells, names):
    few_shot, tuned = names["prompt_mini"], names["tune_mini"]
    assert 0.55 < 1 - tuned.call / few_shot.call < 0.65  # "more than halves", "60 %"
    assert tuned.monthly(200_000) > few_shot.monthly(200_000)
    n_star = names["n_star"]
    prose = cells["read-break-even"].source
    for before in (names["prompt_4o"], few_shot):
        calls = n_star(tuned.fixed, before.call, tuned.call)
        assert f"{round(calls, -3):,.0f} calls" in prose or f"{round(calls, -3):,.0f} if" in prose


def test_quality_is_the_widest_bar_and_turns_the_sign(names):
    first = names["swings"][0]
    assert first.name == "quality_after"
    assert first.at_low < 0 < names["saving"](**names["base"]) < first.at_high / 3
    assert [swing.name for swing in names["swings"][1:3]] == ["few_shot", "calls"]
    assert len(names["swings"]) == 6


def test_what_the_explorer_s_tasks_claim(names):
    from dataclasses import replace

    from beyond.cost.formula import break_even

    before, after = names["prompt_mini"], names["tune_mini"]

    def n_star(**changes):
        b, a = (replace(option, **changes) for option in (before, after))
        return break_even(a.fixed, b.call, a.call)

    assert n_star(output_tokens=2 * after.output_tokens) > n_star()
    assert n_star(output_tokens=2_000) == float("inf")
    assert replace(after, hosting=20).monthly(1e6) > before.monthly(1e6)
    assert after.monthly(1e6) < before.monthly(1e6)


@pytest.mark.parametrize("task", ["cached-call-cost", "months-to-pay-back"])
def test_the_shown_solution_passes_the_visible_checks(cells, names, capsys, task):
    bound = {**names, **solutions(cells)}
    exec(cells[f"{task}-checks"].source, bound)
    shown = capsys.readouterr()
    assert "✗" not in shown.out and not shown.err
    assert "return None  # your code here" in cells[task].source


def test_a_wrong_solution_fails_with_a_hint(cells, names):
    bound = {**names, "months_to_pay_back": lambda once, before, after: once / before}
    with pytest.raises(AssertionError, match="Divide by what one month saves"):
        exec(cells["months-to-pay-back-checks"].source, bound)


def test_caching_postpones_fine_tuning(cells, names):
    """The answer to the last transfer question."""
    cached = solutions(cells)["cached_call_cost"]
    before, after, gpt4o = names["prompt_4o"], names["tune_mini"], names["gpt4o"]
    examples = before.input_tokens - 23
    cheaper = cached(examples, 23, before.output_tokens, 1.25, gpt4o.input, gpt4o.output)
    n_star = names["n_star"]
    assert n_star(after.fixed, cheaper, after.call) > n_star(after.fixed, before.call, after.call)
