"""Short texts: found wherever code shows them, merged, compiled, never lost."""

import dataclasses
import gettext
import io

import pytest

from autograder import i18n
from autograder.authoring import catalogs
from autograder.authoring.build import build
from autograder.config import Course
from autograder.core import notebook_io
from autograder.errors import UserError
from autograder.i18n import speaking


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
    assert {"Hello {name}", "a is a number", "double(2) is 4", "Is it the square?"} <= set(texts)
    assert texts["a is a number"] == {"source/en/mini/mini.ipynb"}


def test_what_only_hidden_tests_say_is_in_no_catalog_that_students_get(spoken):
    course, po = spoken
    path = course.source("en") / "mini" / "mini.ipynb"
    notebook = notebook_io.read(path)
    test = next(cell for cell in notebook.cells if cell.id == "double-test")
    secret = "\n    assert double(0) == 0, \"a hidden message\"\n    print(_('a hidden word'))\n"
    test.source = test.source.replace("\n### END", f"{secret}### END")
    again = 'with check("a is right"):\n    pass'  # a visible check of the same name elsewhere
    test.source = test.source.replace("### BEGIN", f"{again}\n### BEGIN")
    notebook_io.write(path, notebook)
    build(course)
    hidden = course.hidden_catalogs / "ko" / "LC_MESSAGES" / "beyond-hidden.po"
    for text in ("other numbers", "a hidden message", "a hidden word"):
        assert f'msgid "{text}"' in hidden.read_text()
        assert text not in po.read_text()
    assert 'msgid "a is right"' in po.read_text()
    assert "a is right" not in hidden.read_text()
    lacking = catalogs.untranslated(course)
    assert "other numbers" in lacking[hidden]


def test_a_hidden_checks_name_is_told_in_the_students_language(spoken, monkeypatch):
    course, _po = spoken
    hidden = course.hidden_catalogs / "ko" / "LC_MESSAGES" / "beyond-hidden.po"
    hidden.parent.mkdir(parents=True)
    hidden.write_text('msgid "other numbers"\nmsgstr "다른 수"\n')
    build(course)
    monkeypatch.setattr(i18n, "_domains", list(i18n.domains()))  # of this test alone
    assert Course(course.root).hidden_catalogs == course.hidden_catalogs
    with speaking("ko"):
        assert i18n._("other numbers") == "다른 수"


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
    assert "a is a number" in catalogs.untranslated(course)[po]


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
            'msgid "a is a number"\nmsgstr ""', '#, fuzzy\nmsgid "a is a number"\nmsgstr "음"'
        )
    )
    assert "a is a number" in catalogs.untranslated(course)[po]


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
