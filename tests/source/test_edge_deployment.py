"""The challenge: right work scores, each mistake costs what it deserves, files are judged as files.

Exporting takes seconds, so most submissions hand in two files that were exported once.
"""

from __future__ import annotations

from pathlib import Path

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
    CONSTANT_LATENCY,
    CONSTANTS,
    HONEST,
    INFINITE_PARITY,
    LYING_FILES,
    MISTAKES,
    POINTS,
    RIGHT,
    SHAM_SESSION,
    TABLE_FOR_PARITY,
    all_of,
    submissions,
)
from tests.source.engine_grading import grading, points, records

NAME = "edge-deployment"
FILES = ("guesser.onnx", "guesser-small.onnx")
NAMES_OF = {
    cell: {name: short for short, (name, _weight) in all_.items()} for cell, all_ in CHECKS.items()
}
WRITTEN, NOT_WRITTEN = "if __name__ == ", "if False and "
"""How the lines begin that write the files, and how they begin when nothing is to be written."""


@pytest.fixture(scope="module")
def source_notebook(assignments):
    return assignments.source_notebook(NAME)


@pytest.fixture(scope="module")
def grade(source_notebook):
    return grading(NAME, source_notebook, cell_seconds=100.0)


@pytest.fixture(scope="module")
def right(source_notebook, assignments):
    """The right answers; those that write files only say so, since the files are handed in."""
    answers = assignments.solutions(source_notebook)
    assert all(answers[cell].count(WRITTEN) == 1 for cell in ("export", "quantise"))
    quick = {cell: answers[cell].replace(WRITTEN, NOT_WRITTEN) for cell in ("export", "quantise")}
    return {**answers, **quick}


@pytest.fixture(scope="module")
def files(source_notebook, tmp_path_factory):
    """The two model files, as the instructor's solution writes them."""
    place = tmp_path_factory.mktemp("files")
    namespace = {"__name__": "solution"}
    for cell in source_notebook.cells:
        if cell.id in ("imports", "guesser", "export", "quantise"):
            exec(compile(cell.source, cell.id, "exec"), namespace)
    fp32, small = (place / name for name in FILES)
    namespace["export"](namespace["build_guesser"](), str(fp32))
    namespace["quantise"](str(fp32), str(small))
    return {path.name: path.read_bytes() for path in (fp32, small)}


def failed(outcome: Executed) -> dict[str, set[str]]:
    """The checks that were not passed, by answer cell and short name."""
    found: dict[str, set[str]] = {}
    for cell, checks in records(outcome).items():
        short = {NAMES_OF[cell][one["name"]] for one in checks if not one["passed"]}
        if short:
            found[cell] = short
    return found


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


def test_points_and_cells(source_notebook, assignments):
    tests = assignments.tests(source_notebook)
    assert {name: assignments.grader(cell)["points"] for name, cell in tests.items()} == {
        **{f"{cell}-test": worth for cell, worth in POINTS.items()},
        "rationale": 4,
    }
    assert sum(POINTS.values()) == RIGHT
    assert tuple(source_notebook.metadata["beyond"]["files"]) == FILES


def test_korean_is_in_step(source_notebook, assignments):
    assert sync.differences(source_notebook, assignments.source_notebook(NAME, "ko"), "ko") == []


def test_the_tests_keep_to_the_trust_boundary(source_notebook):
    assert lint(source_notebook) == []


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_scenario_is_the_pages_word_for_word(assignments, language):
    page = Path(__file__).with_name("page_challenge.txt").read_text(encoding="utf-8")
    cells = assignments.source_notebook(NAME, language).cells
    prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    for sentence in page.strip().splitlines():
        if language == "en" or not sentence.startswith("Task "):  # these stand in Korean
            assert sentence in prose


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


def test_the_latencies_of_both_files_are_printed(
    source_notebook, files, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    for name, content in files.items():
        Path(name).write_bytes(content)
    namespace = {"__name__": "solution"}
    for cell in source_notebook.cells:
        if cell.id in ("imports", "plan", "guesser", "probes", "open", "latency"):
            exec(compile(cell.source, cell.id, "exec"), namespace)
    namespace["show_latencies"]()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) >= len(FILES)
    assert all(f"{name}: p50" in line for name, line in zip(FILES, lines, strict=False))


@pytest.mark.parametrize("mistakes", submissions(), ids=lambda one: "; ".join(one))
def test_each_mistake_costs_the_checks_it_breaks(grade, right, files, mistakes):
    answers, expected, handed_in = dict(right), {}, dict(files)
    for one in mistakes.values():
        answers[one.cell] = one.answer(right[one.cell])
        expected |= {one.cell: one.broken, **one.below}
    wrong = {one.cell for one in mistakes.values()}
    if "export" in wrong:  # here the files are what is wrong, so they have to be written
        answers["export"] = answers["export"].replace(NOT_WRITTEN, WRITTEN)
        handed_in = {}
    if wrong & {"export", "quantise"}:
        answers["quantise"] = answers["quantise"].replace(NOT_WRITTEN, WRITTEN)
        handed_in.pop(FILES[1], None)
    outcome = grade(answers, files=handed_in)
    assert failed(outcome) == expected
    assert points(outcome) == pytest.approx(deserved(expected))
    for cell, checks in records(outcome).items():
        seen = [one for one in checks if not one["hidden"] and not one["passed"]]
        assert all(
            "Hint: " in one["message"] or one["message"] == "no answer yet" for one in seen
        ), cell


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


def test_constants_of_the_right_shape_score_nothing(grade):
    found = records(grade(CONSTANTS))
    assert not [one for checks in found.values() for one in checks if one["passed"]]


@pytest.mark.parametrize("language", ["en", "ko"])
def test_an_untouched_notebook_scores_nothing_and_stops_nowhere(grade, language):
    outcome = grade({}, language)
    assert points(outcome) == 0
    for cell in outcome.notebook.cells:
        outputs = cell.get("outputs", [])
        assert not [one for one in outputs if one.output_type == "error"], cell.id
    assert not any(one.answered for one in graded_cells(outcome.notebook) if one.points == 0)


def test_what_is_no_model_file_costs_its_own_checks_only(grade, right):
    outcome = grade(right, files={FILES[0]: b"\x08\x07not onnx", FILES[1]: bytes(90_000)})
    assert set(failed(outcome)) == {"export", "open", "parity", "quantise"}


def test_hidden_failures_tell_nothing(grade, right, files):
    answers = {
        **right,
        "memory": "def memory_needed(model, bits, context):\n"
        "    print('seen', model)\n    raise RuntimeError(f'seen {model}')",
    }
    checks = records(grade(answers, files=files))["memory"]
    hidden = [one for one in checks if one["hidden"]]
    assert len(hidden) == 1 and not any(one["message"] for one in hidden)


def test_the_release_has_neither_solutions_nor_hidden_tests(source_notebook, assignments):
    text = str(assignments.released(source_notebook).cells)
    assert text.count("# YOUR CODE HERE") == len(POINTS)
    for told in ("hidden=", "HIDDEN", "seeded(\\'", "reference.", 'Ministral 3 8B"', "block_size"):
        assert told not in text
    for told in ("block_size=32", "= max(fitting)", "reference."):
        assert told in str(source_notebook.cells)


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


@pytest.mark.parametrize("sham", SHAMS)
def test_a_file_without_a_guesser_earns_nothing_for_what_it_answers(grade, right, files, sham):
    nodes, columns, kind = SHAMS[sham]
    content = model_file(nodes, columns=columns, kind=kind)
    outcome = grade(right, files={FILES[0]: content, FILES[1]: content})
    lost = failed(outcome)
    assert lost["quantise"] == all_of("quantise", "smaller")
    assert lost["export"] == all_of("export", "names")
    assert "told" in lost["parity"]
    assert "others" in lost["open"]


def test_weights_in_the_other_file_are_not_in_this_one(grade, right, files):
    """The smaller file may be a page that points into the large one, which is there too."""
    model, large = onnx.load_from_string(files[FILES[0]]), bytearray(files[FILES[0]])
    for tensor in model.graph.initializer:
        raw = numpy_helper.to_array(tensor).tobytes()
        place = large.find(raw)
        if len(raw) < 256 or place < 0:
            continue
        tensor.ClearField("raw_data")
        tensor.ClearField("float_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", FILES[0]), ("offset", place), ("length", len(raw))):
            tensor.external_data.add(key=key, value=str(value))
    small = model.SerializeToString()
    assert len(small) < 100_000
    outcome = grade(right, files={**files, FILES[1]: small})
    assert failed(outcome) == {"quantise": all_of("quantise", "smaller")}


@pytest.mark.parametrize("when", ["% 2 == 0", "% 2 == 1", "% 4 > 1", "% 4 < 2", "> 4", "< 4"])
def test_size_and_answers_come_from_the_same_bytes(grade, right, files, when):
    """A patched reader hands over the right but large file at times, a small one at others."""
    small = model_file(rows_of(np.zeros(6, np.float32)))
    answers = {**right, "latency": right["latency"] + LYING_FILES.format(odd=small, when=when)}
    outcome = grade(answers, files={**files, FILES[1]: files[FILES[0]]})
    assert "others" in failed(outcome)["quantise"]
    assert {"smaller"} <= failed(outcome)["quantise"] or {"same", "near"} <= failed(outcome)[
        "quantise"
    ]


def test_a_session_that_says_what_is_wanted_earns_nothing(grade, right, files):
    outcome = grade({**right, "open": SHAM_SESSION}, files=files)
    assert failed(outcome)["open"] == all_of("open")


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        (TABLE_FOR_PARITY, {"largest", "others"}),
        (INFINITE_PARITY, {"largest", "others", "told"}),
    ],
)
def test_a_difference_that_nobody_measured_is_none(grade, right, files, answer, wrong):
    lost = failed(grade({**right, "parity": answer}, files=files))["parity"]
    assert lost >= wrong


def test_a_time_that_nobody_measured_is_none(grade, right, files):
    lost = failed(grade({**right, "latency": CONSTANT_LATENCY}, files=files))
    assert lost == {"latency": all_of("latency")}


def test_a_file_that_never_answers_costs_its_own_checks_only(grade, right, files):
    """A loop as long as a number can be; the reader has a limit, and the other tests go on."""
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
    outcome = grade(right, files={**files, FILES[1]: model_file(nodes)})
    assert failed(outcome) == {"quantise": all_of("quantise", "smaller")}
