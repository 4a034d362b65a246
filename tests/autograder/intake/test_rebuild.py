"""What counts of a submission: the source of answers and own cells, and nothing else."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell

from autograder.core import notebook_io
from autograder.intake.rebuild import make_release, make_template, trusted_submission
from autograder.intake.rebuild import rebuild as rebuild_record


def rebuild(base, given_notebook, work):
    return rebuild_record(base, given_notebook, trusted_submission(base, given_notebook, work))


@pytest.fixture
def parts(course):
    return (make_template(course, "mini", "mini", "en"), make_release(course, "mini", "mini", "en"))


def sources(notebook):
    return {cell.id: cell.source for cell in notebook.cells}


def cell(notebook, name):
    return next(one for one in notebook.cells if one.id == name)


def said(notes):
    return [note.text() for note in notes]


def test_an_untouched_notebook_is_the_template(parts):
    base, given = parts
    result, notes = rebuild(base, given, given)
    assert result == base
    assert notes == []


def test_answers_are_taken_and_nothing_else_of_their_cells(parts, kit, course):
    base, given = parts
    work = kit.answered(course, **kit.RIGHT)
    answer = cell(work, "a-answer")
    answer.metadata["tags"] = ["skip-execution"]
    answer.metadata.nbgrader["points"] = 999
    answer.cell_type = "raw"
    result, notes = rebuild(base, given, work)
    assert cell(result, "a-answer").source == "a = 42"
    assert cell(result, "a-answer").metadata == cell(base, "a-answer").metadata
    assert cell(result, "a-answer").cell_type == "code"
    assert notes == []


def test_tests_come_back_whatever_happened_to_them(parts, kit, course):
    base, given = parts
    work = kit.answered(course, **kit.RIGHT)
    cell(work, "a-test").source = "pass"
    work.cells = [one for one in work.cells if one.id not in ("double-test", "imports")]
    result, notes = rebuild(base, given, work)
    assert [c.id for c in result.cells] == [c.id for c in base.cells]
    assert "HIDDEN" in cell(result, "a-test").source
    assert said(notes) == [
        "Missing given cells were put back: imports.",
        "Changed cells ran in their original form: a-test.",
        "Missing test cells were put back: double-test.",
    ]


def test_doubled_cells_collapse(parts, kit, course):
    base, given = parts
    work = kit.answered(course, **kit.RIGHT)
    position = [c.id for c in work.cells].index("a-answer")
    stub = notebook_io.copied(cell(given, "a-answer"))
    other = notebook_io.copied(cell(work, "a-answer"))
    other.source = "a = 7"
    work.cells[position + 1 : position + 1] = [
        other,
        stub,
        notebook_io.copied(cell(work, "a-test")),
    ]
    result, notes = rebuild(base, given, work)
    assert cell(result, "a-answer").source == "a = 7"
    assert cell(result, "own-1").source == "a = 42"
    ids = [c.id for c in result.cells]
    assert ids.index("own-1") < ids.index("a-answer")
    assert len(result.cells) == len(base.cells) + 1
    assert said(notes) == [
        "Of answer cells that stood there several times the last one counts, and those before it "
        "ran too: a-answer.",
        "Cells that stood there several times ran once: a-test.",
    ]


def test_a_missing_answer_is_the_stub(parts, kit, course):
    base, given = parts
    work = kit.answered(course, **kit.RIGHT)
    work.cells = [one for one in work.cells if one.id != "a-answer"]
    result, notes = rebuild(base, given, work)
    assert cell(result, "a-answer").source == cell(given, "a-answer").source
    assert said(notes) == ["Missing answer cells count as not answered: a-answer."]


def test_an_answer_below_the_stub_runs_there(parts, kit, course):
    base, given = parts
    work = kit.answered(course)
    position = [c.id for c in work.cells].index("a-answer")
    work.cells.insert(position + 1, new_code_cell("a = 42"))
    result, notes = rebuild(base, given, work)
    ids = [c.id for c in result.cells]
    assert ids[ids.index("a-answer") + 1] == "own-1"
    assert cell(result, "own-1").source == "a = 42"
    assert "own cells below them ran after them: a-answer" in said(notes)[0]


@pytest.mark.parametrize("gone", [("a-answer",), ("a-answer", "a-test"), ("imports", "a-answer")])
def test_an_own_cell_in_place_of_an_answer_runs_after_the_stub(parts, kit, course, gone):
    base, given = parts
    work = kit.answered(course, **kit.RIGHT)
    position = [c.id for c in work.cells].index("a-answer")
    work.cells[position] = new_code_cell("a = 42", id="mine")
    work.cells = [one for one in work.cells if one.id not in gone]
    result, notes = rebuild(base, given, work)
    ids = [c.id for c in result.cells]
    assert ids[ids.index("a-answer") + 1] == "own-1"
    assert ids.index("own-1") < ids.index("a-test")
    assert [one for one in ids if one != "own-1"] == [c.id for c in base.cells]
    assert any("your own cells below them ran after them: a-answer" in one for one in said(notes))


def test_an_answer_in_two_cells_with_one_name_runs_whole(parts, kit, course):
    base, given = parts
    work = kit.answered(course, **kit.RIGHT)
    position = [c.id for c in work.cells].index("double")
    helper = notebook_io.copied(work.cells[position])
    helper.id, helper.source = "helper", "TWO = 2\n\ndef twice(x):\n    return TWO * x"
    work.cells.insert(position, helper)
    work.cells[position + 1].source = "def double(x):\n    return twice(x)"
    scratch = notebook_io.copied(work.cells[position + 1])
    scratch.id, scratch.source = "scratch", "# trying\ndouble(4)"
    work.cells.append(scratch)
    result, notes = rebuild(base, given, work)
    ids = [c.id for c in result.cells]
    at = ids.index("double")
    assert ids[at - 2 : at] == ["own-1", "own-2"]
    assert [c.source for c in result.cells[at - 2 : at + 1]] == [
        helper.source,
        work.cells[position + 1].source,
        scratch.source,
    ]
    assert said(notes) == [
        "Of answer cells that stood there several times the last one counts, and those before it "
        "ran too: double."
    ]


def test_earlier_versions_of_an_answer_run_as_own_cells_where_they_stand(parts, kit, course):
    base, given = parts
    work = kit.answered(course, **kit.RIGHT)
    position = [c.id for c in work.cells].index("double")
    first = notebook_io.copied(work.cells[position])
    first.id, first.source = "first", "factor = 1"
    between = new_code_cell("factor += 1", id="between")
    work.cells[position:position] = [first, between]
    last = work.cells[position + 2]
    last.source = "factor *= 1\ndef double(x):\n    return factor * x"
    result, notes = rebuild(base, given, work)
    at = [c.id for c in result.cells].index("double")
    assert [c.source for c in result.cells[at - 2 : at + 1]] == [
        first.source,
        between.source,
        last.source,
    ]
    assert said(notes) == [
        "Of answer cells that stood there several times the last one counts, and those before it "
        "ran too: double."
    ]


def test_an_earlier_version_that_stands_further_down_undoes_nothing(parts, kit, course):
    base, given = parts
    work = kit.answered(course, **kit.RIGHT)
    for place, source in ((len(work.cells), "a = 1"), (len(work.cells) + 1, "a = 42")):
        copy = notebook_io.copied(cell(work, "a-answer"))
        copy.id, copy.source = f"copy-{place}", source
        work.cells.insert(place, copy)
    cell(work, "a-answer").source = "a = 0"
    result, _notes = rebuild(base, given, work)
    at = [c.id for c in result.cells].index("a-answer")
    assert [c.source for c in result.cells[at - 2 : at + 1]] == ["a = 0", "a = 1", "a = 42"]
    assert result.cells[-1].id == "double-test"


def test_a_copy_put_aside_as_prose_is_not_the_answer(parts, kit, course):
    base, given = parts
    work = kit.answered(course, **kit.RIGHT)
    aside = notebook_io.copied(cell(work, "a-answer"))
    aside.id, aside.cell_type, aside.source = "aside", "raw", "a = 13"
    work.cells.append(aside)
    result, _notes = rebuild(base, given, work)
    assert cell(result, "a-answer").source == "a = 42"


def test_a_stub_undoes_nothing_that_stands_above_it(parts, kit, course):
    """All functions in one cell at the top; or two answer cells merged into one."""
    base, given = parts
    for gone in ((), ("a-answer", "double")):
        work = kit.answered(course)
        work.cells.insert(0, new_code_cell("\n".join(kit.RIGHT.values()), id="mine"))
        work.cells = [c for c in work.cells if c.id not in gone]
        result, notes = rebuild(base, given, work)
        assert cell(result, "a-answer").source == cell(result, "double").source == ""
        assert said(notes) == [
            f"Answer cells did not run, because your cells above them answer: {name}."
            for name in ("a-answer", "double")
        ]
    merged = kit.answered(course, a_answer="\n".join(kit.RIGHT.values()))
    merged.cells = [c for c in merged.cells if c.id != "double"]
    result, _notes = rebuild(base, given, merged)
    assert cell(result, "double").source == ""


def test_a_name_inside_a_function_above_answers_nothing(parts, kit, course):
    base, given = parts
    work = kit.answered(course)
    helper = "def helper(x):\n    a = 1\n    return double(x=a) == 3"
    work.cells.insert(0, new_code_cell(helper, id="mine"))
    result, notes = rebuild(base, given, work)
    assert cell(result, "a-answer").source == cell(given, "a-answer").source
    assert notes == []


def test_editors_that_drop_ids_and_metadata_lose_nobody_a_point(parts, kit, course):
    base, given = parts
    work = kit.answered(course, **kit.RIGHT)
    for one in work.cells:  # as nbformat 4.0 has it, with nbgrader's metadata kept
        one.pop("id")
    result, notes = rebuild(base, given, work)
    assert sources(result)["double"] == kit.RIGHT["double"]
    assert notes == []
    for one in work.cells:  # and with all metadata gone
        one.metadata = {}
    result, _notes = rebuild(base, given, work)
    ordered = "\n".join(c.source for c in result.cells if c.cell_type == "code")
    assert ordered.index("a = 42") < ordered.index('check("a is a number"')


def test_own_cells_keep_their_source_only(parts, kit, course):
    base, given = parts
    work = kit.answered(course)
    own = new_code_cell("x = 1", metadata={"tags": ["skip-execution"], "nbgrader": {"grade": True}})
    own.id = "a-tes"
    work.cells.insert(0, own)
    result, _notes = rebuild(base, given, work)
    assert result.cells[0].id == "own-1"
    assert result.cells[0].metadata == {}


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_tests_always_stand_as_the_instructor_wrote_them(data, released_course):
    from autograder.config import Course

    course = Course(released_course)
    base = make_template(course, "mini", "mini", "en")
    given_notebook = make_release(course, "mini", "mini", "en")
    shuffled = notebook_io.copied(given_notebook).cells
    extra = [
        new_code_cell(data.draw(st.text(max_size=20))) for _ in range(data.draw(st.integers(0, 3)))
    ]
    pool = shuffled + extra
    chosen = data.draw(st.lists(st.sampled_from(range(len(pool))), max_size=12))
    work = notebook_io.copied(given_notebook)
    work.cells = [notebook_io.copied(pool[index]) for index in chosen]
    for one in work.cells:
        if data.draw(st.booleans()):
            one.source = data.draw(st.text(max_size=20))
        if data.draw(st.booleans()):
            one.metadata = {}
    random.Random(1).shuffle(work.cells)
    result, _notes = rebuild(base, given_notebook, work)
    ours = [c for c in result.cells if not c.id.startswith("own-")]
    assert [c.id for c in ours] == [c.id for c in base.cells]
    for mine, wanted in zip(ours, base.cells, strict=True):
        assert mine.metadata == wanted.metadata
        assert notebook_io.is_solution(mine) or mine.source == wanted.source
    assert len({c.id for c in result.cells}) == len(result.cells)


PICTURE = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADU"
    "lEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def test_pictures_pasted_into_prose_are_kept_and_nothing_else_that_is_attached(parts):
    base, given = parts
    work = notebook_io.copied(given)
    own = new_markdown_cell("![](attachment:drawn.png)")
    own["attachments"] = {
        "drawn.png": {"image/png": PICTURE, "text/html": "<script>1</script>"},
        "page.html": {"text/html": "<script>1</script>"},
        "vector.svg": {"image/svg+xml": "<svg/>"},
        "broken.png": {"image/png": "AAAA"},
    }
    work.cells.append(own)
    result, _notes = rebuild(base, given, work)
    assert result.cells[-1]["attachments"] == {"drawn.png": {"image/png": PICTURE}}


def _add_essay(*parts):
    for part in parts:
        essay = new_markdown_cell("YOUR ANSWER HERE", id="essay")
        essay.metadata.nbgrader = {
            "grade_id": "essay",
            "grade": True,
            "solution": True,
            "points": 1,
        }
        part.cells.append(essay)


@pytest.mark.parametrize("missing", [False, True])
def test_a_written_answer_in_own_cells_is_taken_as_the_answer(parts, missing):
    base, given = (notebook_io.copied(part) for part in parts)
    _add_essay(base, given)
    work = notebook_io.copied(given)
    if missing:
        del work.cells[-1]
    work.cells += [new_markdown_cell("Because.", id="x"), new_markdown_cell("And so.", id="y")]
    result, notes = rebuild(base, given, work)
    assert cell(result, "essay").source == "Because.\n\nAnd so."
    assert said(notes) == ["Written answers were taken from your own cells in their place: essay."]


def test_a_picture_pasted_into_a_written_answer_is_kept(parts):
    base, given = (notebook_io.copied(part) for part in parts)
    _add_essay(base, given)
    work = notebook_io.copied(given)
    work.cells[-1].source = "See ![](attachment:drawn.png)"
    work.cells[-1]["attachments"] = {"drawn.png": {"image/png": PICTURE}}
    result, _notes = rebuild(base, given, work)
    assert result.cells[-1]["attachments"] == {"drawn.png": {"image/png": PICTURE}}
    notebook_io.parse(notebook_io.to_bytes(result), "small.ipynb")


@pytest.mark.parametrize("attached", [7, ["x"], {"a.png": 3}, {"a.png": {"image/png": 3}}])
def test_attachments_of_no_such_form_are_left_out(parts, attached):
    base, given = parts
    own = new_markdown_cell("x")
    own["attachments"] = attached
    work = notebook_io.copied(given)
    work.cells.append(own)
    result, _notes = rebuild(base, given, work)
    assert "attachments" not in result.cells[-1]
