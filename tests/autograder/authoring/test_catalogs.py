"""Short texts: found wherever code shows them, merged, compiled, never lost."""

import dataclasses
import gettext
import io

import pytest

from autograder.authoring import catalogs
from autograder.core import notebook_io
from autograder.errors import UserError


@pytest.fixture
def spoken(course):
    """The mini course with a package that says something and a Korean catalogue."""
    package = course.root / "notebooks" / "beyond"
    po = package / "locale" / "ko" / "LC_MESSAGES" / "beyond.po"
    po.parent.mkdir(parents=True)
    (package / "talk.py").write_text('from beyond.locale import _\nprint(_("Hello {name}"))\n')
    po.write_text('msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n')
    return course, po


def test_texts_come_from_modules_notebooks_checks_and_hints(spoken):
    course, _po = spoken
    texts = catalogs.messages(course, catalogs.domains(course)[0])
    assert {"Hello {name}", "a is right", "double(2) is 4", "Is it the square?"} <= set(texts)
    assert texts["a is right"] == {"source/en/mini/mini.ipynb"}


def test_a_text_inside_an_f_string_is_found(spoken):
    course, _po = spoken
    module = course.root / "notebooks" / "beyond" / "more.py"
    module.write_text("""def f(x):\n    return f"<p>{x(_('Write it.'))}</p>"\n""")
    assert "Write it." in catalogs.messages(course, catalogs.domains(course)[0])


def test_what_expect_says_of_a_wrong_result_is_a_text(kit):
    source = (
        "with check('a name'):\n"
        "    expect(f, 'an argument', returns='a result', hints=(\n"
        "        ('a wrong result', 'Is it sorted?'), (lambda r: r < 0, 'Is it ' 'negative?')))"
    )
    assert set(catalogs.check_texts(source)) == {"a name", "Is it sorted?", "Is it negative?"}


GIVEN = """
names = {"first row": 1, "f16": 2}
for name, value in names.items():
    Table("A caption", ("what",), [(name, value) for name in list(names)])
rows = []
rows.append(("an appended row", other("not shown")))
charts.bars(rows, title="A title" if rows else "Another title", unit=f"{names} not this")
TEXT = "A long text that the lesson works on"
Table(TEXT, [], [])
"""


def test_what_a_notebook_gives_to_functions_that_look_it_up_is_found(spoken, kit):
    course, _po = spoken
    path = course.source("en") / "mini" / "mini.ipynb"
    nb = notebook_io.read(path)
    nb.cells.append(kit.new_code_cell("%magic here", id="magic"))
    nb.cells.append(kit.new_code_cell(GIVEN, id="given"))
    notebook_io.write(path, nb)

    def found(*functions):
        settings = dataclasses.replace(course.settings, text_functions=functions)
        told = dataclasses.replace(course, settings=settings)
        return set(catalogs.messages(told, catalogs.domains(told)[0]))

    assert found("Table", "bars") - found() == {
        "first row",
        "A caption",
        "what",
        "an appended row",
        "A title",
        "Another title",
    }


def test_a_translation_stays_and_is_compiled(spoken):
    course, po = spoken
    content = catalogs.planned(course)[po].decode()
    po.write_text(
        content.replace(
            'msgid "Hello {name}"\nmsgstr ""', 'msgid "Hello {name}"\nmsgstr "{name} 님"'
        )
    )
    files = catalogs.planned(course)
    compiled = gettext.GNUTranslations(io.BytesIO(files[po.with_suffix(".mo")]))
    assert compiled.gettext("Hello {name}") == "{name} 님"
    assert catalogs.planned(course) == files
    assert "Hello {name}" not in catalogs.untranslated(course)[po]
    assert "a is right" in catalogs.untranslated(course)[po]


def test_a_text_that_is_gone_leaves_the_catalogue(spoken):
    course, po = spoken
    po.write_bytes(catalogs.planned(course)[po])
    (course.root / "notebooks" / "beyond" / "talk.py").write_text("")
    assert b"Hello" not in catalogs.planned(course)[po]


def test_an_unsure_translation_counts_as_none(spoken):
    course, po = spoken
    content = catalogs.planned(course)[po].decode()
    po.write_text(
        content.replace(
            'msgid "a is right"\nmsgstr ""', '#, fuzzy\nmsgid "a is right"\nmsgstr "음"'
        )
    )
    assert "a is right" in catalogs.untranslated(course)[po]


def test_magics_and_broken_cells_do_not_stop_extraction(spoken, kit):
    course, _po = spoken
    path = course.source("en") / "mini" / "mini.ipynb"
    source_notebook = notebook_io.read(path)
    source_notebook.cells.append(
        kit.new_code_cell('%matplotlib inline\n!ls\nprint(_("after magic"))', id="m")
    )
    notebook_io.write(path, source_notebook)
    assert "after magic" in catalogs.messages(course, catalogs.domains(course)[0])


def test_a_broken_catalogue_is_a_sentence(spoken):
    course, po = spoken
    po.write_bytes(b'msgid "x\nmsgstr\xff\n')
    with pytest.raises(UserError, match="catalogue"):
        catalogs.planned(course)
