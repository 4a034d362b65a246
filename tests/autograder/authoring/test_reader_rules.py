"""What a reader would miss is found: links to lessons, alt texts, translated labels."""

from __future__ import annotations

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder.authoring.check import shown_problems
from autograder.authoring.reader_rules import (
    labels_in_one_language,
    pictures_without_alt_text,
    unlinked_lessons,
)
from autograder.core import notebook_io


@pytest.mark.parametrize(
    ("code", "labels"),
    [
        ('axes.set_title("Loss over time")', ["Loss over time"]),
        ('plt.xlabel("tokens")', ["tokens"]),
        ("axes.set_ylabel(f'{count} tokens')", [" tokens"]),
        ('axes.plot(x, y, label="measured")', ["measured"]),
        ('axes.text(0, 1, "break-even", ha="left")', ["break-even"]),
        ('axes.legend(["before", "after"])', ["before", "after"]),
        ('axes.legend(handles, ["before"])', ["before"]),
        ('figure.colorbar(image, label="share of tokens")', ["share of tokens"]),
        ('axes.set(title="the loss", xlabel="step")', ["the loss", "step"]),
        ('axes.annotate("cheaper here" if x else "dearer", (0, 1))', ["cheaper here", "dearer"]),
        ('axes.set_title("" + "by size")', ["by size"]),
        ('%matplotlib inline\naxes.set_title("by size")', ["by size"]),
        ('axes.set_title("손실")', ["손실"]),
        ('axes.set_title(_("Loss over time"))', []),
        ("axes.set_title(title)", []),
        ('axes.set_title("SmolLM2")', []),
        ('axes.set_xlabel(r"$\\mathrm{loss}$")', []),
        ('axes.plot(x, y, label="K", color="tab:blue")', []),
        ('axes.text(0, 1, f"{share:.0%}")', []),
        ('name.title()\nprint("in words")', []),
        ("def (", []),
        ("x = 1\x00", []),
    ],
)
def test_labels_that_no_translation_reaches(code, labels):
    assert labels_in_one_language(code) == [
        f'puts {text!r} into a plot in every language; write _("…") around it' for text in labels
    ]


@pytest.mark.parametrize(
    ("prose", "places"),
    [
        ("![](a.png)", ["a.png"]),
        ("Text ![ ](images/b.png 'Title') more", ["images/b.png"]),
        ("![](attachment:c.png)", ["attachment:c.png"]),
        ('<img src="d.png">', ["d.png"]),
        ("<IMG\nwidth=3 src='e.png' data-alt='x' />", ["e.png"]),
        ("![A bar chart](a.png)", []),
        ('<img src="d.png" alt="A bar chart">', []),
        ('<img src="line.svg" alt="">', []),
        ("`![](a.png)` shows a picture", []),
        ("```\n![](a.png)\n<img src='a'>\n```", []),
    ],
)
def test_pictures_that_say_nothing_to_a_screen_reader(prose, places):
    found = pictures_without_alt_text(new_notebook(cells=[new_markdown_cell(prose, id="a")]))
    assert [problem.text for problem in found] == [
        f"shows {place} without alt text; say in it what the picture shows" for place in places
    ]


def write_lessons(course, **texts: str) -> None:
    for name, text in texts.items():
        path = course.root / "notebooks" / "en" / f"{name}.ipynb"
        notebook_io.write(path, new_notebook(cells=[new_markdown_cell(text, id="text")]))


def unlinked(course) -> list[str]:
    return [path.stem for path in unlinked_lessons(course)]


def test_a_lesson_that_nobody_finds(course):
    write_lessons(
        course,
        a_start="[Next](b_cost.ipynb)",
        b_cost="[Here](b_cost.ipynb) and [back](../en/a_start.ipynb)",
        c_lost="[Myself](c_lost.ipynb#part)",
        d_html='<a href="b_cost.ipynb">Cost</a>',
    )
    assert unlinked(course) == ["c_lost", "d_html"]
    (course.root / "notebooks" / "START.md").write_text("[Last](en/d_html.ipynb#top)")
    assert unlinked(course) == ["c_lost"]
    write_lessons(course, b_cost='<a href="c_lost.ipynb#part">More</a>')
    assert unlinked(course) == []


def test_one_lesson_needs_no_link(course):
    write_lessons(course, a_start="Alone.")
    assert unlinked(course) == []


def test_check_names_file_and_cell(course):
    path = course.source("en") / "mini" / "mini.ipynb"
    notebook = notebook_io.read(path)
    notebook.cells += [
        new_markdown_cell("![](a.png)", id="picture"),
        new_code_cell('axes.set_title("by size")', id="plot"),
    ]
    notebook_io.write(path, notebook)
    write_lessons(course, a_start="Alone.", b_cost="Alone, too.")
    assert [str(problem) for problem in shown_problems(course)] == [
        "notebooks/en/b_cost.ipynb: is a lesson that no page links to",
        "source/en/mini/mini.ipynb: picture shows a.png without alt text; say in it what the "
        "picture shows",
        "source/en/mini/mini.ipynb: plot puts 'by size' into a plot in every language; write "
        '_("…") around it',
    ]
