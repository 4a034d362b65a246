"""Questions are called as their headings are, and a student's heading names none."""

from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder.core.question_titles import headings, notebook_title, question_titles


def graded(name, solution=False):
    about = {"grade": True, "grade_id": name, "solution": solution, "locked": not solution}
    return new_code_cell("", id=name, metadata={"nbgrader": about})


def written(name, source):
    about = {"grade": True, "grade_id": name, "solution": True}
    return new_markdown_cell(source, id=name, metadata={"nbgrader": about})


def test_the_last_heading_above_names_a_question():
    nb = new_notebook(
        cells=[
            new_markdown_cell("# The *cost* of `x`\n\nText", id="title"),
            graded("early"),
            new_markdown_cell("## 1. One [call](https://example.org) ##\n\ntext", id="one"),
            new_markdown_cell("## Not mine", id="own-1"),
            graded("a-test"),
            new_markdown_cell("## After", id="why", metadata={"autograder": {"reveal": "x"}}),
            new_markdown_cell("### 2. Two_words\n```\n# no heading\n```", id="two"),
            written("b", "## Mine!"),
            graded("c"),
        ]
    )
    assert notebook_title(nb) == "The cost of x"
    assert question_titles(nb) == {
        "early": "early",
        "a-test": "1. One call",
        "b": "2. Two_words (1/2)",
        "c": "2. Two_words (2/2)",
    }


def test_titles_are_short_and_a_hash_alone_is_none():
    ((level, text),) = headings("#\n#no\n## " + "long " * 100)
    assert level == 2 and len(text) == 120 and text.endswith("…")
    assert notebook_title(new_notebook(cells=[new_markdown_cell("no heading")])) == ""
