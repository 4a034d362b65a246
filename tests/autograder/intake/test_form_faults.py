"""A notebook as editors, other systems and disks leave it is read as if nothing had happened."""

from __future__ import annotations

import copy
import json
import random
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autograder.intake.notebook_reader import Unreadable, read_notebook, record
from autograder.intake.submission import Submission, course_cells, normalized_source
from autograder.student.own_notebook import parse_own

ROOT = Path(__file__).resolve().parents[3]
ANSWERS = {f"q{number}-answer": f'q{number} = "B"' for number in range(1, 17)}


def released(language: str = "en") -> dict:
    return json.loads((ROOT / f"release/{language}/quiz/quiz.ipynb").read_text("utf-8"))


def answered(language: str = "en") -> dict:
    """A student's notebook as JupyterLab saves it."""
    tree = released(language)
    for cell in tree["cells"]:
        if cell["id"] in ANSWERS:
            cell["source"] = [ANSWERS[cell["id"]]]
    return tree


def _cells():
    made = []
    for language in ("en", "ko"):
        tree = released(language)
        for cell in tree["cells"]:
            cell["source"] = "".join(cell["source"])
        made.append(tree)
    return course_cells(made, made, ("en", "ko"))


CELLS = _cells()


def counted(content: bytes) -> Submission:
    """What grading takes of a file, without prose of the student's own."""
    found = record(read_notebook(content), CELLS)
    kept = (
        replace(one, source=normalized_source(one.source))
        for one in found.cells
        if one.cell_id or (one.kind == "code" and one.source)
    )
    return Submission(found.language, tuple(kept))


EXPECTED = {code: counted(json.dumps(answered(code)).encode()) for code in ("en", "ko")}

ODD = (None, 7, "", "x", [], {}, [None], True, float("nan"), {"a": None}, 2**70)
EDITORS = {
    "pycharm": {"name": "#%%\n", "is_executing": True},
    "jupyter": {"outputs_hidden": None, "source_hidden": "no"},
    "vscode": {"languageId": "python"},
    "colab": {"base_uri": "https://localhost:8080/", "referenced_widgets": [None]},
    "_uuid": "d629ff2d2480ee46fbb7e2d37f6b5fab",
    "_cell_guid": None,
    "trusted": "yes",
    "execution": {"iopub.status.busy": None},
    "application/vnd.databricks.v1+cell": {"nuid": "x", "inputWidgets": {}},
    "deepnote_cell_type": "code",
    "deepnote_to_be_reexecuted": 0,
    "datalore": {"node_id": "x", "type": "CODE"},
    "tags": ["a", "a"],
    "collapsed": "no",
    "scrolled": 3,
    "slideshow": None,
    "name": "",
    "widgets": {"application/vnd.jupyter.widget-state+json": {"state": None}},
}
OUTPUTS = (
    None,
    {},
    "text",
    [None],
    [{"output_type": "pyout", "prompt_number": 1, "text": ["x"]}],
    [{"output_type": "pyerr", "ename": None}],
    [{"output_type": "stream", "stream": "stdout", "text": "x"}],
    [{"output_type": "stream", "text": ["x"]}],
    [{"output_type": "execute_result", "data": {"text/plain": ["x"]}, "metadata": {}}],
    [{"output_type": "display_data", "data": None, "transient": {"display_id": None}}],
    [{"output_type": "display_data", "data": {"text/plain": 7}, "jetTransient": {}}],
    [{"output_type": "update_display_data"}],
    [{"data": {}}],
)


def notebook_metadata(tree, cell, rng):
    tree["metadata"] = rng.choice(
        [None, {}, [], "x", {"kernelspec": {}}, {"kernelspec": None, "language_info": None}]
    )


def kernel(tree, cell, rng):
    tree["metadata"]["kernelspec"] = rng.choice(
        [{}, None, {"name": "python3"}, {"display_name": 7}, {"name": "ir", "language": "R"}]
    )


def top_level(tree, cell, rng):
    tree |= {rng.choice(["signature", "kernel_info", "x", "worksheets"]): rng.choice(ODD)}


def version(tree, cell, rng):
    tree["nbformat"] = rng.choice([4, 5, "4", None, 4.0, 3])
    tree["nbformat_minor"] = rng.choice([0, 1, 2, 4, 5, 9, None, "5", -1])


def no_version(tree, cell, rng):
    tree.pop("nbformat", None)
    tree.pop("nbformat_minor", None)


def editors_keys(tree, cell, rng):
    if isinstance(cell.get("metadata"), dict):
        key = rng.choice(list(EDITORS))
        cell["metadata"][key] = rng.choice([EDITORS[key], *ODD])


def extra_key(tree, cell, rng):
    cell[rng.choice(["pycharm", "level", "collapsed", "prompt_number", "x"])] = rng.choice(ODD)


def outputs(tree, cell, rng):
    """On prose, too."""
    cell["outputs"] = rng.choice(OUTPUTS)
    cell["execution_count"] = rng.choice([None, "*", "3", -1, [], 2**80])


def no_outputs(tree, cell, rng):
    cell.pop("outputs", None)
    cell.pop("execution_count", None)


def attachments(tree, cell, rng):
    cell["attachments"] = rng.choice([None, {}, [], "x", {"a.png": None}, {"a.png": {"x": 1}}])


def lost_id(tree, cell, rng):
    cell["id"] = rng.choice([None, "", 7, [], "no id", "ä", "x" * 500])


def same_id(tree, cell, rng):
    for one in tree["cells"]:
        one["id"] = "same"


def no_id(tree, cell, rng):
    for one in tree["cells"]:
        one.pop("id", None)


def colab_id(tree, cell, rng):
    for one in tree["cells"]:
        if "id" in one and isinstance(one.get("metadata"), dict):
            one["metadata"]["id"] = one.pop("id")


def lost_metadata(tree, cell, rng):
    if isinstance(cell.get("id"), str) and cell["id"] != "same":  # nothing else names an answer
        cell["metadata"] = rng.choice([None, [], {}, "x"])


def grader(tree, cell, rng):
    mine = cell["metadata"].get("nbgrader") if isinstance(cell.get("metadata"), dict) else None
    if isinstance(mine, dict):
        key = rng.choice(["points", "schema_version", "checksum", "cell_type", "locked", "x"])
        mine[key] = rng.choice(ODD)


def text_form(tree, cell, rng):
    text = "".join(cell["source"])
    cell["source"] = rng.choice(
        [text, [text], [*text], [*text.splitlines(keepends=True), None, {}], [text, ""]]
    )


def line_ends(tree, cell, rng):
    end = rng.choice(["\r\n", "\r", "\r\r\n"])
    for one in tree["cells"]:
        text = "".join(part for part in one["source"] if isinstance(part, str))
        one["source"] = text.replace("\n", end)


def separators(tree, cell, rng):
    """As an editor for other languages breaks lines."""
    text = "".join(cell["source"])
    if cell.get("cell_type") == "code" and "#" not in text and '"""' not in text:
        cell["source"] = text.replace("\n", rng.choice(["\u2028", "\u2029"]))


def trailing_space(tree, cell, rng):
    if cell.get("id") not in ANSWERS:
        cell["source"] = "".join(cell["source"]).replace("\n", "  \n") + "\n\n"


def odd_kind(tree, cell, rng):
    if cell.get("cell_type") == "code":
        cell["cell_type"] = rng.choice(["Code", "CODE ", None, 7])
        cell.setdefault("outputs", [])


def own_heading(tree, cell, rng):
    tree["cells"].insert(
        0, {"cell_type": "heading", "level": rng.choice([2, None, 9]), "source": ["Mine"]}
    )


def own_blank(tree, cell, rng):
    blank = {"cell_type": rng.choice(["code", "markdown", "sql", "raw"]), "source": None}
    tree["cells"].append({**blank, "metadata": None})


def strange_cells(tree, cell, rng):
    tree["cells"] += [None, 7, "cell", {}, {"metadata": {}}]


def old_format(tree, cell, rng):
    """Format 3, as IPython 2 saved it."""
    cells = tree.pop("cells")
    for one in cells:
        if one.get("cell_type") == "code":
            one["input"] = one.pop("source")
            one["language"] = "python"
            one["prompt_number"] = one.pop("execution_count", None)
            one.setdefault("outputs", [])
    half = rng.randrange(len(cells))
    tree["worksheets"] = [{"cells": cells[:half]}, {"cells": cells[half:], "metadata": {}}, None]
    tree["nbformat"], tree["nbformat_minor"] = 3, 0


FAULTS = [
    *(notebook_metadata, kernel, top_level, version, no_version, editors_keys, extra_key),
    *(outputs, no_outputs, attachments, lost_id, same_id, no_id, colab_id, lost_metadata, grader),
    *(text_form, line_ends, separators, trailing_space, odd_kind),
    *(own_heading, own_blank, strange_cells),
]
_ONCE = (line_ends, own_heading, own_blank, strange_cells, old_format)
_LOSE_IDS = {lost_id, same_id, no_id}


def faulty(language: str, faults, seed: int) -> dict:
    tree = answered(language)
    rng = random.Random(seed)
    if lost_metadata in faults:  # an answer that keeps neither is an own cell
        faults = [one for one in faults if one not in _LOSE_IDS]
    for fault in sorted(dict.fromkeys(faults), key=lambda one: one in _ONCE):
        for _ in range(3):
            cell = rng.choice(tree["cells"])
            before = copy.deepcopy(cell)
            try:
                fault(tree, cell, rng)
            except (TypeError, KeyError):  # what an earlier fault left is no dict any more
                cell.clear()
                cell.update(before)
            if fault in _ONCE:
                break
    return tree


BYTES = {
    "plain": lambda text: text.encode(),
    "byte order mark": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "utf-16": lambda text: text.encode("utf-16"),
    "utf-16 without a mark": lambda text: text.encode("utf-16-le"),
    "utf-16 from a Mac": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    "utf-32": lambda text: text.encode("utf-32"),
    "zeros at the end": lambda text: text.encode() + bytes(4096),
    "remains of a longer file": lambda text: text.encode() + b'\n  ]\n }\n}\n "x"',
    "blank lines": lambda text: b"\n\r\n \t" + text.encode() + b"\n\n\n",
}


def written(tree: dict, way: str, indent: int | None = 1) -> bytes:
    return BYTES[way](json.dumps(tree, ensure_ascii=False, indent=indent))


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(["en", "ko"]),
    st.lists(st.sampled_from(FAULTS), min_size=1, max_size=4),
    st.integers(0, 2**32),
    st.sampled_from(sorted(BYTES)),
)
def test_faults_of_form_change_nothing(language, faults, seed, way):
    content = written(faulty(language, faults, seed), way)
    assert counted(content) == EXPECTED[language], [one.__name__ for one in faults]
    own = parse_own(content, "quiz.ipynb")  # as validate reads it
    nbformat.validate(own)
    assert counted(json.dumps(own).encode()) == EXPECTED[language]


@pytest.mark.parametrize("fault", [*FAULTS, old_format], ids=lambda one: one.__name__)
def test_each_fault_alone(fault):
    for seed in range(8):
        content = written(faulty("en", [fault], seed), "plain", None)
        assert counted(content) == EXPECTED["en"]
        parse_own(content, "quiz.ipynb")


@pytest.mark.parametrize("way", BYTES)
@pytest.mark.parametrize("language", ["en", "ko"])
def test_each_encoding_alone(language, way):
    assert counted(written(answered(language), way)) == EXPECTED[language]


def test_a_notebook_in_the_format_before_2015():
    tree = nbformat.from_dict(answered())
    for cell in tree.cells:
        cell.source = "".join(cell.source)
    old = nbformat.convert(tree, 3)
    found = counted(nbformat.writes(old, nbformat.NO_CONVERT).encode())
    assert found == EXPECTED["en"]


@pytest.mark.parametrize(
    ("encoding", "text"),
    [("cp949", "자리 표시자: 가나다라마바사"), ("cp1252", "Größe – café, 5 €"), ("latin-1", "é")],
)
def test_a_file_in_a_systems_own_encoding(encoding, text):
    tree = answered()
    tree["cells"].append({"cell_type": "code", "source": f"# {text}", "metadata": {}})
    content = json.dumps(tree, ensure_ascii=False)
    found = counted(content.encode(encoding, "replace"))
    assert found.cells[-1].source == f"# {text}"
    assert [one.cell_id for one in found.cells[:-1]] == [
        one.cell_id for one in EXPECTED["en"].cells
    ]


def test_a_damaged_byte_or_a_raw_line_end_in_a_string():
    tree = answered("ko")
    tree["cells"].append({"cell_type": "code", "source": "# 한글 X 한글", "metadata": {}})
    content = json.dumps(tree, ensure_ascii=False).encode().replace(b"X", b"\xff")
    assert counted(content).cells[-1].source == "# 한글 \ufffd 한글"
    raw = json.dumps(answered(), ensure_ascii=False).replace("\\n", "\n").replace("\\t", "\t")
    assert counted(raw.encode()) == EXPECTED["en"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        bytes(100),
        b"{",
        b"null",
        b"[]",
        b'{"nbformat": 4}',
        b'{"nbformat": 4, "cells": null}',
        b'{"nbformat": 4, "cells": {"0": {}}}',
        b'{"nbformat": 4, "cells": [1, 2]}',
        b'{"nbformat": 3, "worksheets": []}',
        b'{"nbformat": 4, "cells": [],}',
        b"{'nbformat': 4, 'cells': []}",
        b"<html>Sign in</html>",
    ],
)
def test_what_has_no_cells_is_refused(content):
    with pytest.raises(Unreadable):
        read_notebook(content)
