"""The challenge: right work scores, each mistake costs its own checks, files are judged as files.

Exporting takes seconds, so most submissions export by hand.
"""

from __future__ import annotations

import ast
import base64
import re
from collections import Counter
from pathlib import Path
from types import FunctionType

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from autograder.authoring import sync
from autograder.authoring.lint import lint
from autograder.grading.result import graded_cells
from tests.one_job import Executed
from tests.source.edge_deployment_submissions import (
    CHECKS,
    CONSTANTS,
    FORGERIES,
    HONEST,
    MISTAKES,
    POINTS,
    QUICK_EXPORT,
    RIGHT,
    all_of,
    submissions,
)
from tests.source.engine_grading import grading, points, records

NAME = "edge-deployment"
NAMES_OF = {
    cell: {name: short for short, (name, _weight) in all_.items()} for cell, all_ in CHECKS.items()
}


@pytest.fixture(scope="module")
def source_notebook(assignments):
    return assignments.source_notebook(NAME)


@pytest.fixture(scope="module")
def grade(source_notebook):
    return grading(NAME, source_notebook, cell_seconds=100.0)


@pytest.fixture(scope="module")
def solutions(source_notebook, assignments):
    return assignments.solutions(source_notebook)


@pytest.fixture(scope="module")
def right(solutions):
    """The right answers; only the export is another, which takes less time."""
    return {**solutions, "export": QUICK_EXPORT.strip()}


@pytest.fixture(scope="module")
def solved(source_notebook):
    """The names of the notebook with the instructor's solutions."""
    namespace = {"__name__": "solution"}
    for cell in source_notebook.cells:
        if cell.cell_type == "code" and not cell.id.endswith("-test"):
            exec(compile(cell.source, cell.id, "exec"), namespace)
    return namespace


def failed(outcome: Executed) -> dict[str, set[str]]:
    """The checks that were not passed, by answer cell and short name."""
    found: dict[str, set[str]] = {}
    for cell, checks in records(outcome).items():
        short = {NAMES_OF[cell][one["name"]] for one in checks if not one["passed"]}
        if short:
            found[cell] = short
    return found


def those(cells, outcome) -> dict[str, set[str]]:
    """The checks of these cells that were not passed; the other cells have no answer."""
    return {cell: found for cell, found in failed(outcome).items() if cell in cells}


def deserved(broken: dict[str, set[str]]) -> float:
    """The points of a submission in which these checks fail and no others."""
    total = 0.0
    for cell, checks in CHECKS.items():
        lost = broken.get(cell, set())
        if any(checks[one][1] == 0 for one in lost):
            continue
        kept = sum(weight for short, (_name, weight) in checks.items() if short not in lost)
        total += POINTS[cell] * kept / sum(weight for _name, weight in checks.values())
    return total


def prose(assignments, language="en", cell_id=None):
    """The text of the notebook's prose, or of one cell."""
    cells = assignments.source_notebook(NAME, language).cells
    return "\n".join(
        cell.source for cell in cells if cell.cell_type == "markdown" and cell_id in (None, cell.id)
    )


def test_points_and_cells(source_notebook, assignments):
    tests = assignments.tests(source_notebook)
    assert {name: assignments.grader(cell)["points"] for name, cell in tests.items()} == {
        **{f"{cell}-test": worth for cell, worth in POINTS.items()},
        "rationale": 4,
    }
    assert sum(POINTS.values()) == RIGHT
    assert "files" not in source_notebook.metadata["beyond"]  # nothing but the notebook counts


def test_korean_is_in_step(source_notebook, assignments):
    assert sync.differences(source_notebook, assignments.source_notebook(NAME, "ko"), "ko") == []


def test_the_tests_keep_to_the_trust_boundary(source_notebook):
    assert lint(source_notebook) == []


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_scenario_is_the_pages_word_for_word(assignments, language):
    page = Path(__file__).with_name("page_challenge.txt").read_text(encoding="utf-8")
    text = prose(assignments, language)
    for sentence in page.strip().splitlines():
        if language == "en" or not sentence.startswith("Task "):  # these stand in Korean
            assert sentence in text


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_minutes_add_up(assignments, language):
    """The exercises' minutes, reading at 200 words a minute, and running are what is announced."""
    rows = re.findall(r"^\|.*\| (\d+) \| (\d+) \|$", prose(assignments, language, "title"), re.M)
    assert [int(worth) for worth, _minutes in rows] == [12, 16, 4]
    announced = [int(minutes) for _worth, minutes in rows]
    sections, current = [[], [], []], 0
    for cell in assignments.source_notebook(NAME).cells:
        starts = {"task-two": 1, "rationale-task": 2}
        current = starts.get(cell.id, current)
        if cell.cell_type == "markdown" and "reveal" not in cell.metadata.get("beyond", {}):
            sections[current].append(cell.source if cell.id != "rationale" else "")
    exercises = [
        sum(map(int, re.findall(r"About (\d+) minutes, ", text))) for text in map(str, sections)
    ]
    words = [len(" ".join(cells).split()) for cells in sections]
    running = [1, 2, 0]
    for said, minutes, count, run in zip(announced, exercises, words, running, strict=True):
        assert abs(said - (minutes + count / 200 + run)) <= 2.5, (said, minutes, count)
    total = re.search(
        r"(\d+) minutes in all|모두 합해 약 (\d+)분", prose(assignments, language, "title")
    )
    assert int(total[1] or total[2]) == sum(announced)


def test_the_figures_in_the_prose_are_those_of_the_catalog(assignments, solved):
    tokens = solved["tokens_per_sentence"](solved["TEXTS"])
    candidates = solved["list_candidates"](
        solved["CATALOG"], solved["LAPTOP"], list(solved["LANGUAGES"])
    )
    fitting = {(one["name"], one["bits"]): one for one in candidates if not one["reasons"]}
    nemo, phi = fitting["Mistral NeMo", 4.5], fitting["Phi-3.5-mini", 8.5]
    assert solved["choose_model"](candidates) == ("Mistral NeMo", 4.5)
    del fitting["Mistral NeMo", 4.5]
    assert solved["choose_model"](list(fitting.values())) == ("Phi-3.5-mini", 8.5)
    assert {name for name, _bits in fitting} == {"Phi-3.5-mini"}
    answer = prose(assignments, cell_id="rationale")
    for said in (
        f"{nemo['memory'] / 1e9:.2f} GB",
        f"{phi['memory'] / 1e9:.2f} GB",
        f"{nemo['korean']:.1f} tokens",
        f"8.5 bits: 5.65 GB, {phi['korean']:.1f} tokens",
        f"needs {nemo['tokens']:.0f} tokens and Phi's {phi['tokens']:.0f}",
        f"{12 * 4.5 / (3.8 * 8.5):.1f} times",
        f"{nemo['tokens'] * 6.75 / 50:.1f} seconds against {phi['tokens'] * 3.8 * 8.5 / 8 / 50:.1f}",
    ):
        assert said in answer, said
    assert tokens["tekken"]["ko"] / tokens["sentencepiece"]["ko"] == pytest.approx(1 / 2, rel=0.1)
    assert tokens["tekken"]["ar"] / tokens["sentencepiece"]["ar"] == pytest.approx(1 / 3, rel=0.1)
    assert tokens["sentencepiece"]["ar"] * 6.75 / 50 > 4
    cache = {
        one["name"]: one["layers"] * one["kv_heads"] * one["head_dim"]
        for one in solved["CATALOG"]["models"]
    }
    assert cache["Phi-3.5-mini"] / cache["Mistral NeMo"] == pytest.approx(2.4)


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_rubric_has_half_a_point_for_each_element_that_the_task_asks_for(assignments, language):
    asked = prose(assignments, language, "rationale-task")
    rubric = prose(assignments, language, "rationale-explanation")
    for text in (asked, rubric):
        parts = re.split(r"\*\*\([a-d]\)\*\*", text)[1:]
        assert [part.count("(½)") for part in parts] == [2, 2, 2, 2]


@pytest.mark.parametrize("name", ["cost-formula", "edge-deployment", "moe-gate"])
def test_what_students_see_is_worth_half_a_cells_points_at_most(assignments, name):
    for cell in assignments.tests(assignments.source_notebook(name)).values():
        if cell.cell_type != "code":
            continue
        seen, _begin, hidden = cell.source.partition("### BEGIN HIDDEN TESTS")
        assert weight(seen) <= weight(hidden), cell.id


def weight(source: str) -> float:
    """What the checks of a part of a test cell weigh."""
    found = re.findall(r"^with check\((.*?)\):$", source, flags=re.M | re.S)
    weights = [re.search(r"weight=([\d.]+)", one) for one in found]
    return sum(float(one[1]) if one else 1.0 for one in weights)


def test_the_solution_scores_everything_and_the_written_answer_waits(
    source_notebook, assignments, grade
):
    outcome = grade(assignments.solutions(source_notebook))
    assert failed(outcome) == {}
    assert points(outcome) == RIGHT
    assert {one.grade_id: one.points for one in graded_cells(outcome.notebook)}["rationale"] is None
    for cell, checks in records(outcome).items():
        assert {(one["name"], one["weight"]) for one in checks} == set(CHECKS[cell].values())
    # Words would cost a second run: hidden.py takes a student's words from a run without tests.
    shown = [cell.id for cell in outcome.notebook.cells if cell.get("outputs")]
    assert shown == [cell.id for cell in outcome.notebook.cells if cell.id.endswith("-test")]


def test_exporting_shows_nothing_but_the_results_in_the_students_notebook(
    solved, tmp_path, monkeypatch, capfd
):
    """Neither progress nor the quantizer's and the exporter's notes; warnings still come through."""
    import logging

    monkeypatch.chdir(tmp_path)
    capfd.readouterr()
    solved["show_results"]()
    shown = capfd.readouterr()
    lines = shown.out.splitlines()
    assert [line.split()[0] for line in lines] == ["file", "guesser.onnx", "guesser-small.onnx"]
    assert shown.err == ""
    large, small = (line.split() for line in lines[1:])
    sizes = [int(row[1].replace(",", "")) for row in (large, small)]
    assert sizes[1] <= solved["MOST_SHARE"] * sizes[0]
    assert float(small[3]) < 1e-4
    assert [row[4] for row in (large, small)] == ["0", "0"]
    for name in ("", "onnxscript", "onnx_ir", "onnxruntime", "torch.onnx"):
        assert logging.getLogger(name).isEnabledFor(logging.WARNING)


def test_the_candidates_are_printed_with_what_the_functions_say(solved, capsys):
    solved["show_candidates"]()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + 8 * 3 + 1
    [row] = [line for line in lines if "Mistral NeMo " in line and " 4.5 " in line]
    assert re.split(r" {2,}", row.strip()) == [
        "Mistral NeMo",
        "4.5",
        "7.42",
        "58.9",
        "15.0 (ja)",
        "13.0",
        "–",
    ]
    assert lines[-1] == "Chosen: Mistral NeMo, 4.5 bits"


@pytest.mark.parametrize("mistakes", submissions(), ids=lambda one: "; ".join(one))
def test_each_mistake_costs_the_checks_it_breaks(grade, right, solutions, mistakes):
    answers, expected = {}, {one.cell: one.broken for one in mistakes.values()}
    for one in mistakes.values():
        before = right if one.cell != "export" else solutions
        answers[one.cell] = one.answer(before[one.cell])
    outcome = grade(answers)
    assert those(answers, outcome) == expected
    open_cells = {cell: all_of(cell) for cell in CHECKS if cell not in answers}
    assert points(outcome) == pytest.approx(deserved({**expected, **open_cells}))
    found = records(outcome)
    for one in mistakes.values():
        seen = [check["message"] for check in found[one.cell] if not check["hidden"]]
        assert not one.said or [message for message in seen if one.said in message], seen
        assert not one.unsaid or not [message for message in seen if one.unsaid in message], seen


@pytest.mark.parametrize("start", [0, 1])
def test_a_cell_needs_no_other_cell(grade, right, start):
    """Half of the functions are there; what they earn is theirs whatever the others are."""
    answers = {cell: right[cell] for cell in list(CHECKS)[start::2]}
    outcome = grade(answers)
    assert those(answers, outcome) == {}
    assert points(outcome) == sum(POINTS[cell] for cell in answers)


def test_every_mistake_has_its_place():
    assert sum(map(len, submissions())) == len(MISTAKES)


@pytest.mark.parametrize("language", ["en", "ko"])
def test_other_ways_to_be_right_score_everything(grade, right, language):
    outcome = grade({**right, **HONEST}, language)
    assert failed(outcome) == {}
    assert points(outcome) == RIGHT
    if language == "ko":
        shown = str([cell.get("outputs") for cell in outcome.notebook.cells])
        assert "통과" in shown and "Checks passed" not in shown


def test_constants_of_the_right_form_earn_next_to_nothing(grade):
    """A constant is right where it is expected, so a check asks for more than one."""
    found = records(grade(CONSTANTS))
    passed = {
        (cell, NAMES_OF[cell][one["name"]])
        for cell, checks in found.items()
        for one in checks
        if one["passed"]
    }
    assert passed == set()


@pytest.mark.parametrize("language", ["en", "ko"])
def test_an_untouched_notebook_scores_nothing_and_stops_nowhere(grade, language):
    outcome = grade({}, language)
    assert points(outcome) == 0
    for cell in outcome.notebook.cells:
        outputs = cell.get("outputs", [])
        assert not [one for one in outputs if one.output_type == "error"], cell.id
    assert not any(one.answered for one in graded_cells(outcome.notebook) if one.points == 0)


def test_a_forgotten_return_is_no_answer(grade, right):
    """Each function computes, and returns None."""
    answers = {}
    for cell in CHECKS:
        if cell in ("decision", "export", "quantise"):
            continue
        name = re.search(r"^def (\w+)\(", right[cell], re.M)[1]
        answers[cell] = right[cell] + (
            f"\n\n_kept_{name} = {name}\n\n\ndef {name}(*given, **more):\n"
            f"    _kept_{name}(*given, **more)\n"
        )
    answers["export"] = "def export(model, path):\n    build_guesser()\n"
    answers["quantise"] = "def quantize(source, target):\n    onnx.load(source)\n"
    outcome = grade({**right, **answers})
    for cell, checks in records(outcome).items():
        if cell != "decision":
            assert all(one["unanswered"] for one in checks if not one["hidden"]), cell


def test_hidden_failures_tell_nothing(grade):
    answers = {
        "memory": "def memory_needed(model, bits, context):\n"
        "    print('seen', model)\n    raise RuntimeError(f'seen {model}')",
    }
    checks = records(grade(answers))["memory"]
    hidden = [one for one in checks if one["hidden"]]
    assert len(hidden) == 1 and not any(one["message"] for one in hidden)


def test_the_release_has_neither_solutions_nor_hidden_tests(source_notebook, assignments):
    text = str(assignments.released(source_notebook).cells)
    assert text.count("# YOUR CODE HERE") == len(POINTS)
    for told in ("hidden=", "HIDDEN", "seeded('", "reference.", "block_size=32", "key=rank"):
        assert told not in text
    for told in ("block_size=32", "key=rank", "reference."):
        assert told in str(source_notebook.cells)


def test_the_release_has_no_helper_that_does_what_a_function_is_asked_for(
    source_notebook, assignments
):
    """No tokens are counted, and no guesser is asked in eval mode, in the given cells."""
    for cell in assignments.released(source_notebook).cells:
        if cell.cell_type == "code":
            called = {
                ast.unparse(one.func)
                for one in ast.walk(ast.parse(cell.source))
                if isinstance(one, ast.Call)
            }
            assert not [one for one in called if one.startswith("tokens.") or one.endswith("eval")]


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_release_does_not_tell_the_decision(assignments, language):
    released = assignments.released(assignments.source_notebook(NAME, language))
    text = "\n".join(cell.source for cell in released.cells)
    assert "12B" not in text
    said = re.findall(r"[^.\n]*choose_model[^.\n]*", text)
    assert not [sentence for sentence in said if "NeMo" in sentence]


def model_file(nodes, initializers=(), columns=6, kind=TensorProto.FLOAT) -> bytes:
    """A model file from "ids" to "logits" that no guesser is behind."""
    graph = helper.make_graph(
        nodes,
        "no guesser",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["texts", "length"])],
        [helper.make_tensor_value_info("logits", kind, ["texts", columns])],
        list(initializers),
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString()


def constant(value, name="value"):
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(value))


def rows_of(row: np.ndarray) -> list:
    """Nodes that answer each text with the same row."""
    return [
        constant(row[None], "row"),
        constant(np.array([1], dtype=np.int64), "one"),
        constant(np.array([0], dtype=np.int64), "first"),
        helper.make_node("Shape", ["ids"], ["shape"]),
        helper.make_node("Gather", ["shape", "first"], ["texts"], axis=0),
        helper.make_node("Concat", ["texts", "one"], ["times"], axis=0),
        helper.make_node("Tile", ["row", "times"], ["logits"]),
    ]


NAN, INF = np.float32("nan"), np.float32("inf")
SHAMS = {
    "one column": (rows_of(np.zeros(1, np.float32)), 1, TensorProto.FLOAT),
    "seven columns": (rows_of(np.zeros(7, np.float32)), 7, TensorProto.FLOAT),
    "no column": (rows_of(np.zeros(0, np.float32)), 0, TensorProto.FLOAT),
    "not a number": (rows_of(np.full(6, NAN)), 6, TensorProto.FLOAT),
    "infinite": (rows_of(np.array([INF, 0, 0, 0, 0, 0], np.float32)), 6, TensorProto.FLOAT),
    "whole numbers": (rows_of(np.zeros(6, np.int64)), 6, TensorProto.INT64),
    "truth values": (rows_of(np.zeros(6, bool)), 6, TensorProto.BOOL),
    "texts": (rows_of(np.full(6, "1.0", object)), 6, TensorProto.STRING),
    "a single number": ([constant(np.zeros((), np.float32), "logits")], 6, TensorProto.FLOAT),
    "one row for all": ([constant(np.zeros((1, 6), np.float32), "logits")], 6, TensorProto.FLOAT),
    "six equal columns": (rows_of(np.zeros(6, np.float32)), 6, TensorProto.FLOAT),
}


def writer_of(content: bytes) -> str:
    """An answer whose files have this content."""
    packed = base64.b85encode(content).decode()
    return (
        "import base64\nCONTENT = base64.b85decode({packed!r})\n"
        "def {name}(first, target):\n    Path(target).write_bytes(CONTENT)\n"
    ).replace("{packed!r}", repr(packed))


WRITERS = {"export": "export", "quantise": "quantize"}


@pytest.mark.parametrize("sham", SHAMS)
def test_a_file_without_a_guesser_earns_nothing_for_what_it_answers(grade, sham):
    nodes, columns, kind = SHAMS[sham]
    code = writer_of(model_file(nodes, columns=columns, kind=kind))
    outcome = grade({cell: code.replace("{name}", name) for cell, name in WRITERS.items()})
    assert those(WRITERS, outcome) == {
        "export": all_of("export", "names"),
        "quantise": all_of("quantise"),
    }


def test_what_is_no_model_file_costs_its_own_checks_only(grade):
    code = writer_of(b"\x08\x07not onnx")
    answers = {cell: code.replace("{name}", name) for cell, name in WRITERS.items()}
    assert those(answers, grade(answers)) == {
        "export": all_of("export"),
        "quantise": all_of("quantise"),
    }


@pytest.mark.parametrize(
    "number", range(max(Counter(one[0] for one in FORGERIES.values()).values()))
)
def test_points_without_the_work_are_none(grade, number):
    """A file that came with the notebook is there as well, and helps nobody."""
    answers, expected = {}, {}
    for name, (cell, answer, broken) in FORGERIES.items():
        before = [one for one, (other, *_more) in FORGERIES.items() if other == cell]
        if before.index(name) == number:
            answers[cell], expected[cell] = answer, broken
    outcome = grade(answers, files={"guesser.onnx": b"of another student's"})
    assert those(answers, outcome) == expected


def test_a_file_that_never_answers_costs_its_own_checks_only(source_notebook, right):
    """A loop as long as a number can be; the reader has a limit, and the other tests go on."""
    grade = grading(NAME, source_notebook, cell_seconds=12.0)  # most of it is waited for
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["on"], ["still"]),
            helper.make_node("Add", ["was", "was"], ["is"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("number", TensorProto.INT64, []),
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("was", TensorProto.FLOAT, [1, 6]),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("is", TensorProto.FLOAT, [1, 6]),
        ],
    )
    nodes = [
        constant(np.array(2**62), "most"),
        constant(np.array(True), "always"),
        constant(np.zeros((1, 6), np.float32), "start"),
        helper.make_node("Loop", ["most", "always", "start"], ["logits"], body=body),
    ]
    code = writer_of(model_file(nodes)).replace("{name}", "quantize")
    assert those(["open", "quantise"], grade({"quantise": code, "open": right["open"]})) == {
        "quantise": all_of("quantise")
    }


def test_what_comes_from_a_missing_function_is_printed_as_a_question_mark(
    solved, tmp_path, monkeypatch, capsys
):
    """A person can still judge what the other functions say."""
    monkeypatch.chdir(tmp_path)
    names = dict(solved)
    show = {
        name: FunctionType(solved[name].__code__, names)
        for name in ("show_candidates", "list_candidates", "show_results")
    }
    names["list_candidates"] = show["list_candidates"]
    names["memory_needed"] = names["latency"] = lambda *given: None
    show["show_candidates"]()
    lines = capsys.readouterr().out.splitlines()
    [row] = [line for line in lines if "Mistral NeMo " in line and " 4.5 " in line]
    assert re.split(r" {2,}", row.strip()) == [
        "Mistral NeMo",
        "4.5",
        "?",
        "58.9",
        "15.0 (ja)",
        "13.0",
        "?",
    ]
    assert lines[-1] == "Chosen: ?, ? bits"
    names["export"] = lambda *given: None
    show["show_results"]()
    large, small = (line.split() for line in capsys.readouterr().out.splitlines()[1:])
    assert large[-2:] == small[-2:] == ["?", "?"]
    assert int(small[1].replace(",", "")) < int(large[1].replace(",", ""))


def test_an_export_that_takes_texts_of_one_length_is_shown_with_question_marks(
    solved, tmp_path, monkeypatch, capsys
):
    """Its file opens, and stops with an error at texts of another length."""
    monkeypatch.chdir(tmp_path)
    names = dict(solved)
    show = FunctionType(solved["show_results"].__code__, names)
    fixed = onnx.load_model_from_string(solved["byte_guesser_file"](0))
    for axis in fixed.graph.input[0].type.tensor_type.shape.dim:
        axis.dim_value = 3
    names["export"] = lambda model, path: onnx.save(fixed, path)
    show()
    rows = capsys.readouterr().out.splitlines()[1:]
    assert [row.split()[2:] for row in rows] == [["?"] * 5] * 2
