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
        ({"quality_now": 0.95, "wrong_answer": 0}, "prompt"),
        ({"tried": ()}, "prompt"),
        ({"task": "answer", "documents": True}, "retrieval"),
        ({"task": "answer", "documents": False}, "retrieval"),
        ({"task": "answer", "documents": True, "tried": ("prompt", "retrieval")}, "fine-tune"),
        ({}, "fine-tune"),
        ({"examples": 20}, "none"),
        ({"wrong_answer": 0}, "none"),
        ({"calls_per_month": 500}, "none"),
        # quality reached: only the saving in tokens speaks for fine-tuning
        ({"quality_now": 0.95, "wrong_answer": 0, "calls_per_month": 1e8}, "fine-tune"),
        (
            {
                "quality_now": 0.95,
                "wrong_answer": 0,
                "task": "answer",
                "tried": ("prompt", "retrieval"),
            },
            "retrieval",
        ),
    ],
)
def test_the_right_rung(changes, choice):
    assert walk(replace(BASE, **changes)).choice == choice


def test_the_arithmetic_by_hand():
    sums = tuning(BASE)
    before = (1_200 * 0.15 + 80 * 0.60) / 1e6 + 0.18 * 0.05
    after = (300 * 0.30 + 80 * 1.20) / 1e6 + 0.08 * 0.05
    assert sums.before == pytest.approx(before)
    assert sums.after == pytest.approx(after)
    assert sums.fixed == pytest.approx(150 * 4 / 12)
    assert sums.break_even == pytest.approx(50 / (before - after))
    assert sums.payback == pytest.approx(2_150 / (250_000 * (before - after) - 50))


def test_the_arithmetic_is_printed():
    text = str(walk(BASE))
    assert "(1,200 × 0.15 + 80 × 0.6) / 1,000,000 = $0.000228" in text
    assert "250,000 × $0.000228 = $57.00" in text
    assert "N* = $50.00 / ($0.009228 - $0.004186) = 9,917 calls a month" in text
    assert text.splitlines()[-1].startswith("=> ")


def test_dearer_tokens_never_pay_when_answers_are_long():
    """Fine-tuned tokens cost twice as much: a long answer eats the shorter prompt's saving."""
    advice = walk(replace(BASE, wrong_answer=0, input_tokens=200, output_tokens=400))
    assert advice.break_even == math.inf
    assert "N* = ∞" in str(advice)


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
)
def test_every_case_gets_an_advice(now, wanted, calls, sent, written, wrong, task, device, tried):
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
    )
    advice = walk(case)
    assert advice.choice in (*model_selection.RUNGS, "none")
    assert "nan" not in str(advice)
    assert len(advice.rungs) == (3 if device == "cloud" else 4)


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_dearer_wrong_answer_never_argues_against_better_answers(now, gain):
    case = replace(BASE, quality_now=now, quality_wanted=min(1.0, now + gain))
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
    assert "Mistral NeMo: 6.0 GB at 4 bits, at least 16.0 s an answer: too slow" in text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "sing"}, "task is 'sing'; it must be one of: answer, "),
        ({"quality_now": 82}, "quality_now is 82; it is a share between 0 and 1."),
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
    with pytest.raises(ValueError, match="bandwidth is 0"):
        Assumptions(bandwidth=0)


def test_command_prints_the_same_advice(capsys):
    assert main([*ARGUMENTS, "--examples", "3000", "--wrong-answer", "0.05"]) == 0
    assert capsys.readouterr().out == f"{walk(BASE)}\n"


def test_command_takes_assumptions(capsys):
    assert main([*ARGUMENTS, "--trainings-per-year", "0", "--bits", "8", "--device", "laptop"]) == 0
    assert "at 8 bits" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required: --task"),
        (["--task", "sing"], "invalid choice: 'sing'"),
        ([*ARGUMENTS, "--quality-now", "3"], "quality_now is 3.0; it is a share between 0 and 1."),
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
    assert "=&gt; What comes before has been tried" in pane.terminal.value


def test_prices_are_those_of_the_catalogue():
    way = model_selection.options(BASE)["prompt"]
    assert way.call == call_cost(1_200, 80, price("openai/gpt-4o-mini")).total
