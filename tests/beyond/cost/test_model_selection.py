"""beyond.cost.model_selection: each rung is recommended where it should be, with right sums."""

import math
import os
import re
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beyond.cost import model_selection
from beyond.cost.editor import run_program
from beyond.cost.formula import call_cost, price
from beyond.cost.model_selection import Assumptions, Case, main, tuning, walk

BASE = Case(
    task="classify",
    quality_now=0.82,
    quality_wanted=0.92,
    calls_per_month=250_000,
    input_tokens=1_200,
    output_tokens=80,
    examples=3_000,
    wrong_answer=0.05,
    quality_tuned=0.92,
)
ARGUMENTS = [
    "--task",
    "classify",
    "--quality-now",
    "0.82",
    "--quality-wanted",
    "0.92",
    "--calls-per-month",
    "250000",
    "--input-tokens",
    "1200",
    "--output-tokens",
    "80",
]


@pytest.mark.parametrize(
    ("changes", "choice"),
    [
        ({"quality_now": 0.95, "wrong_answer": 0, "quality_tuned": None}, "prompt"),
        ({"tried": ()}, "prompt"),
        ({"task": "answer", "documents": True}, "retrieval"),
        ({"task": "answer", "documents": False}, "retrieval"),
        ({"task": "answer", "documents": True, "tried": ("prompt", "retrieval")}, "fine-tune"),
        ({}, "fine-tune"),
        ({"quality_tuned": None}, "trial"),
        ({"quality_tuned": None, "examples": 20}, "none"),
        ({"quality_tuned": None, "calls_per_month": 500}, "none"),
        ({"quality_tuned": 0.90}, "fine-tune"),  # pays, but misses the accuracy wanted
        ({"quality_tuned": 0.70}, "none"),
        ({"examples": 20}, "none"),
        ({"wrong_answer": 0, "model": "openai/gpt-6-luna"}, "none"),
        ({"calls_per_month": 500}, "none"),
        # accuracy reached: only the saving in tokens is left to pay for fine-tuning
        (
            {"quality_now": 0.95, "wrong_answer": 0, "calls_per_month": 1e8, "quality_tuned": 0.95},
            "fine-tune",
        ),
        ({"quality_now": 0.95, "wrong_answer": 0, "quality_tuned": 0.90}, "prompt"),
        (
            {
                "quality_now": 0.95,
                "wrong_answer": 0,
                "task": "answer",
                "tried": ("prompt", "retrieval"),
                "quality_tuned": None,
            },
            "retrieval",
        ),
    ],
)
def test_the_right_rung(changes, choice):
    assert walk(replace(BASE, **changes)).choice == choice


def test_the_arithmetic_by_hand():
    sums = tuning(BASE)
    before = (1_200 * 2 + 80 * 10) / 1e6 + 0.18 * 0.05
    after = (300 * 0.15 + 80 * 0.15) / 1e6 + 0.08 * 0.05
    fixed = 150 * 4 / 12 + 0.25 * 2_400 / 12
    assert sums.before == pytest.approx(before)
    assert sums.after == pytest.approx(after)
    assert sums.fixed == pytest.approx(fixed)
    assert sums.break_even == pytest.approx(fixed / (before - after))
    assert sums.payback == pytest.approx(2_150 / (250_000 * (before - after) - fixed))


def test_without_a_measured_accuracy_none_is_assumed():
    sums = tuning(replace(BASE, quality_tuned=None))
    assert (sums.after, sums.break_even, sums.payback) == (None, None, None)
    assert walk(replace(BASE, quality_tuned=None)).break_even is None


@pytest.mark.parametrize("calls", [40_000, 100_000, 250_000])
def test_the_accuracy_needed_is_where_fine_tuning_just_pays(calls):
    case = replace(BASE, calls_per_month=calls)
    needed = tuning(replace(case, quality_tuned=None)).needed
    assert 0 < needed < 1
    for shift, pays in ((1e-6, True), (-1e-6, False)):
        months = tuning(replace(case, quality_tuned=needed + shift)).payback
        assert (months <= case.assume.patience_months) == pays


def test_a_saving_too_small_needs_more_than_every_answer_correct():
    assert tuning(replace(BASE, calls_per_month=100)).needed == math.inf
    advice = walk(replace(BASE, calls_per_month=100, quality_tuned=None))
    assert "no accuracy suffices" in str(advice.tables[1])


def test_the_arithmetic_is_printed():
    text = str(walk(BASE))
    assert "1,200 → 80" in text and "$0.0032" in text and "$800.00" in text
    assert "$100.00 / ($0.0122 − $0.004057)" in text and "12,280" in text
    assert text.split("\n\n")[-1].startswith("=> ")


def test_the_advice_is_shown_as_tables():
    shown = walk(replace(BASE, device="laptop"))._repr_html_()
    assert shown.count("<table>") == 3
    assert shown.count('<th scope="col"') == 3 + 3 + 4  # the empty corner is no head
    ladder, facts, _device = walk(replace(BASE, device="laptop")).tables
    assert list(ladder.header) == ["", "1 Prompt", "2 Retrieval (RAG)", "3 Fine-tuning"]
    assert ladder.rows[0] == ("finding", "falls short", "no facts needed", "from a trial run")
    assert max(map(len, str(walk(BASE)).splitlines())) <= 80  # the terminal's width
    assert "$" in facts.rows[0][0] and "per month" in facts.rows[0][0]


def test_fine_tuning_never_pays_where_a_call_gets_no_cheaper():
    case = replace(
        BASE, wrong_answer=0, model="openai/gpt-6-luna", tuned_model="openai/gpt-6.1-sol"
    )
    advice = walk(case)
    assert advice.break_even == math.inf
    assert "∞" in str(advice)


def test_a_model_of_your_own_has_free_tokens_and_a_host():
    case = replace(BASE, tuned_model="", assume=Assumptions(hosting=584, stop_probability=0))
    assert model_selection.options(case)["fine-tune"].call == 0
    assert tuning(case).fixed == pytest.approx(584 + 50)


def test_facts_stay_in_the_prompt_after_fine_tuning():
    tried = replace(BASE, task="answer", tried=("prompt", "retrieval"))
    tuned = model_selection.options(tried)["fine-tune"]
    assert tuned.input_tokens == 1_200 * 0.25 + 800


@settings(deadline=None)
@given(
    st.floats(0, 1),
    st.floats(0, 1),
    st.integers(0, 10**9),
    st.integers(0, 10**5),
    st.integers(0, 10**4),
    st.floats(0, 100),
    st.sampled_from(list(model_selection.TASKS)),
    st.sampled_from(model_selection.DEVICES),
    st.sets(st.sampled_from(model_selection.RUNGS)),
    st.none() | st.floats(0, 1),
)
def test_every_case_gets_an_advice(
    now, wanted, calls, sent, written, wrong, task, device, tried, tuned
):
    case = Case(
        task,
        now,
        wanted,
        calls,
        sent,
        written,
        device=device,
        tried=tuple(tried),
        wrong_answer=wrong,
        quality_tuned=tuned,
    )
    advice = walk(case)
    assert advice.choice in (*model_selection.RUNGS, "trial", "none")
    assert "nan" not in str(advice)
    assert len(advice.tables) == (2 if device == "cloud" else 3)


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_dearer_wrong_answer_never_argues_against_better_answers(now, gain):
    better = min(1.0, now + gain)
    case = replace(BASE, quality_now=now, quality_wanted=better, quality_tuned=better)
    cheap, dear = (tuning(replace(case, wrong_answer=w)).break_even for w in (0.01, 0.1))
    assert dear <= cheap * (1 + 1e-9)


def test_a_multilingual_laptop_gets_mistral_nemo():
    """The challenge of the original page."""
    case = replace(BASE, task="translate", device="laptop", languages=("en", "ko", "ja", "fr"))
    advice = walk(case)
    assert advice.device_model == "Mistral NeMo (Tekken)"
    assert "ONNX Runtime or Ollama" in advice.recommendation


@pytest.mark.parametrize(
    ("changes", "model"),
    [
        ({"languages": ("ko",), "memory": 8.0}, "Phi-3.5-mini (SentencePiece)"),
        ({"languages": ("en",), "memory": 2.0}, "Llama 3.2 1B (Llama 3 (tiktoken-based))"),
        ({"languages": ("ko",), "memory": 2.0}, None),
        ({"languages": ("en",), "latency": 2.0}, "Llama 3.2 1B (Llama 3 (tiktoken-based))"),
        ({"languages": ("tlh",)}, None),
    ],
)
def test_memory_languages_and_latency_limit_the_device_model(changes, model):
    assert walk(replace(BASE, device="phone", **changes)).device_model == model


def test_latency_is_bounded_by_reading_the_weights_once_a_token():
    text = str(walk(replace(BASE, device="laptop", latency=10.0)))
    row = next(line for line in text.splitlines() if line.startswith("Mistral NeMo"))
    assert row.split("  ")[0] == "Mistral NeMo" and row.split()[2:] == [
        "6.0",
        "16.0",
        "too",
        "slow",
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "sing"}, "task is 'sing'; it must be one of: answer, "),
        ({"quality_now": 82}, "quality_now is 82; it must be between 0 and 1."),
        ({"quality_tuned": 1.2}, "quality_tuned is 1.2; it must be between 0 and 1."),
        ({"quality_now": math.nan}, "quality_now is nan"),
        ({"calls_per_month": -1}, "calls_per_month is -1; it must be 0 or more."),
        ({"calls_per_month": math.inf}, "calls_per_month is inf"),
        ({"device": "toaster"}, "device is 'toaster'"),
        ({"languages": ()}, "languages is empty"),
        ({"memory": 0}, "memory is 0; it must be more than 0 GB."),
        ({"latency": 0}, "latency is 0"),
        ({"tried": ("luck",)}, "tried is 'luck'"),
    ],
)
def test_impossible_cases_are_refused_in_one_sentence(changes, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        replace(BASE, **changes)


def test_impossible_assumptions_are_refused():
    with pytest.raises(ValueError, match="training is -1"):
        Assumptions(training=-1)
    with pytest.raises(ValueError, match="stop_probability is 2"):
        Assumptions(stop_probability=2)
    with pytest.raises(ValueError, match="bandwidth is 0"):
        Assumptions(bandwidth=0)


def test_command_prints_the_same_advice(capsys):
    more = ["--examples", "3000", "--wrong-answer", "0.05", "--quality-tuned", "0.92"]
    assert main([*ARGUMENTS, *more]) == 0
    assert capsys.readouterr().out == f"{walk(BASE)}\n"


def test_command_takes_assumptions(capsys):
    assert main([*ARGUMENTS, "--trainings-per-year", "0", "--bits", "8", "--device", "laptop"]) == 0
    assert "8 bits per weight" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required: --task"),
        (["--task", "sing"], "invalid choice: 'sing'"),
        ([*ARGUMENTS, "--quality-now", "3"], "quality_now is 3.0; it must be between 0 and 1."),
        ([*ARGUMENTS, "--model", "openai/none"], "no model 'none' of openai"),
        ([*ARGUMENTS, "--examples", "many"], "invalid int value: 'many'"),
        ([*ARGUMENTS, "--language", "tlh"], "invalid choice: 'tlh'"),
    ],
)
def test_command_errors_are_one_line(arguments, message, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    shown = capsys.readouterr().err
    assert message in shown and "Traceback" not in shown
    assert shown.count("\n") == 1 and shown.endswith("See --help.\n")


def test_from_a_shell():
    command = [sys.executable, "-m", "beyond.cost.model_selection"]
    helped = subprocess.run([*command, "--help"], capture_output=True, text=True)
    assert helped.returncode == 0 and "--wrong-answer" in helped.stdout
    ran = subprocess.run(
        [*command, *ARGUMENTS], capture_output=True, text=True, env=os.environ | {"PYTHONUTF8": "1"}
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "=> " in ran.stdout


def test_the_editor_s_program_runs_as_it_stands():
    result = run_program(model_selection.PROGRAM)
    assert result.ok, result.output
    assert result.output == f"{walk(replace(BASE, languages=('en', 'ko')))}\n"


def test_editor_pane_runs_it_too():
    pane = model_selection.editor()
    pane.button.click()
    assert "=&gt; The lower rungs fall short and fine-tuning pays" in pane.terminal.value


def test_the_editor_starts_with_the_numbers_of_a_case():
    case = replace(
        BASE,
        languages=("ko",),
        quality_tuned=None,
        documents=True,
        latency=1.5,
        assume=Assumptions(training=60, kept_prompt=0.125),
    )
    result = run_program(model_selection.program(case))
    assert result.ok, result.output
    assert result.output == f"{walk(case)}\n"


def test_the_earlier_spelling_of_a_task_still_works():
    assert replace(BASE, task="summarise").task == "summarize"


def test_prices_are_those_of_the_catalogue():
    way = model_selection.options(BASE)["prompt"]
    assert way.call == call_cost(1_200, 80, price("openai/gpt-6.1-sol")).total
