"""The boundary lint: each rule with a cell that breaks it, and sound cells that break none."""

import pytest

from autograder.authoring.lint import lint

GIVEN = """from beyond.checks import check, given, report, probe
limit = 3

@probe
def outputs_of(seed):
    return Layer(seed).run()
"""
SOLUTION = """a = 1
def f(x):
    return x
class Layer:
    def __init__(self, seed): ...
    def run(self): ..."""


def findings(kit, test=None, solution=SOLUTION, given=GIVEN, later=None):
    body = test if test is not None else "assert f(a) == 1"
    lines = "\n".join("    " + line for line in body.splitlines())
    cells = [
        kit.new_markdown_cell("# x", id="title"),
        kit.new_code_cell(given, id="given", metadata=kit.meta("given")),
        kit.new_code_cell(solution, id="answer", metadata=kit.meta("answer", solution=True)),
        kit.new_code_cell(
            f'with check("x"):\n{lines}\nreport()', id="test", metadata=kit.meta("test", points=1)
        ),
    ]
    if later:
        cells.append(
            kit.new_code_cell(later, id="later", metadata=kit.meta("later", solution=True))
        )
    return [f"{one.cell}: {one.text}" for one in lint(kit.notebook(cells))]


@pytest.mark.parametrize(
    "test",
    [
        "assert f(a) == 1",
        "assert outputs_of(3)[0] == limit",
        "for x in (1, 2):\n    assert given(f(x)) == x",
        "assert a is not None",
        "try:\n    f(-1)\nexcept ValueError:\n    pass",
        "assert [f(x) for x in range(3)] == [0, 1, 2]",
        "expect(f, a, returns=1, hints=((2, 'Too much.'), (lambda r: r < 0, 'Negative.')))",
        "assert expect(f, [1])[0] == 1",
        "expect(outputs_of, 3)",
    ],
)
def test_what_crosses_is_fine(kit, test):
    assert findings(kit, test) == []


@pytest.mark.parametrize(
    ("test", "says"),
    [
        ("assert isinstance(f(1), Layer)", "student's class Layer"),
        ("class Mine(Layer): pass", "student's class Layer"),
        ("assert list(map(f, [1])) == [1]", "passes f itself"),
        ("expect(max, f, returns=1)", "passes f itself"),
        ("expect(f, 1, hints=HINTS)", "aren't written out as pairs"),
        ("expect(f, 1, hints=((2, 'x'), 'no pair'))", "aren't written out as pairs"),
        ("expect(f, 1, hints=((2, f'{a}'),))", "a hint whose text isn't a literal"),
        ("written_here(f, not_from=('x',))", "the setting off-limits"),
        ("assert f.__doc__", "passes f itself"),
        ("x = []\nf(x)\nassert x", "calls f for its side effects"),
        ("assert f(lambda x: x)", "passes a function to f"),
        ("def g(): ...\nassert f(g)", "passes a function to f"),
        ("import inspect\nassert inspect", "uses inspect"),
        ("assert id(a) == 1", "uses id"),
        ("assert a is limit", "identity"),
        ("a = 2\nassert f(a) == 2", "binds a, the student's name"),
        ("a.b = 2", "changes a"),
        ("a[0] += 2", "changes a"),
        ("limit = 4\nassert f(4) == limit", "binds limit, which a read-only cell binds"),
    ],
)
def test_what_can_not_cross_is_named(kit, test, says):
    assert any("test: " in text and says in text for text in findings(kit, test)), findings(
        kit, test
    )


def test_student_names_in_given_code(kit):
    found = findings(kit, given=GIVEN + "\ny = f(3)\n")
    assert found == [
        "given: uses f, the student's, in a read-only cell; move the use into a @probe or a test"
    ]


def test_test_variables_in_student_cells_and_probes(kit):
    found = findings(kit, "t = 5\nassert f(t) == 5", later="b = t + 1")
    assert found == ["later: uses t, which only a test cell binds; define it in a read-only cell"]
    probing = GIVEN.replace("Layer(seed)", "Layer(t)")
    assert (
        "given: the probe outputs_of uses t" in findings(kit, "t = 5\nassert t", given=probing)[0]
    )


def test_a_student_name_that_is_always_hidden(kit):
    found = findings(kit, "assert limit", solution="limit = 3\nlist = 4")
    assert any("binds limit" in text for text in found)
    assert any("binds list" in text for text in found)


def one_test(kit, source):
    cells = [
        kit.new_markdown_cell("# x", id="title"),
        kit.new_code_cell(source, id="test", metadata=kit.meta("test", points=1)),
    ]
    return [one.text for one in lint(kit.notebook(cells))]


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ('with check("x"):\n    assert 1', "doesn't end with report()"),
        ("assert 1\nreport()", "asserts outside a check"),
        ("with check(name):\n    assert 1\nreport()", "isn't a literal"),
        ('with check("x", hidden=True):\n    assert 1\nreport()', "outside BEGIN/END HIDDEN"),
        (
            '### BEGIN HIDDEN TESTS\nwith check("x"):\n    assert 1\n'
            "### END HIDDEN TESTS\nreport()",
            "without hidden=True",
        ),
        ('report()\nwith check("x"):\n    assert 1\nreport()', "more than once"),
        ("with check(:", "isn't plain Python"),
    ],
)
def test_the_shape_of_a_test_cell(kit, source, says):
    assert any(says in text for text in one_test(kit, source))


def test_the_mini_course_is_clean(kit):
    assert lint(kit.source_notebook()) == []


def test_only_hidden_tests_import_what_is_off_limits(kit):
    def found(given, test):
        cells = [
            kit.new_code_cell(given, id="given", metadata=kit.meta("given")),
            kit.new_code_cell(test, id="test", metadata=kit.meta("test", points=1)),
        ]
        return [f"{one.cell}: {one.text}" for one in lint(kit.notebook(cells), ["shelf.moe"])]

    hidden = "### BEGIN HIDDEN TESTS\nfrom shelf import moe\n### END HIDDEN TESTS\nreport()"
    assert found("import shelf", hidden) == []
    says = "imports shelf.moe, which is off-limits; only hidden tests can"
    assert found("from shelf import moe", "report()") == [f"given: {says}"]
    assert found("", "import shelf.moe\nreport()") == [f"test: {says}"]
    assert found("import shelf.moes", "report()") == []


def test_a_call_of_expect_belongs_in_a_check_and_hides_its_hints_with_it(kit):
    def with_test(source):
        cells = [
            kit.new_code_cell(GIVEN, id="given", metadata=kit.meta("given")),
            kit.new_code_cell(SOLUTION, id="answer", metadata=kit.meta("answer", solution=True)),
            kit.new_code_cell(source, id="test", metadata=kit.meta("test", points=1)),
        ]
        return [one.text for one in lint(kit.notebook(cells))]

    assert with_test("expect(f, 1, returns=1)\nreport()") == [
        "expects something outside a check, so it earns no points"
    ]
    hidden = (
        "### BEGIN HIDDEN TESTS\nwith check('x', hidden=True):\n"
        "    expect(f, 1, returns=1{})\n### END HIDDEN TESTS\nreport()"
    )
    assert with_test(hidden.format("")) == []
    assert with_test(hidden.format(", hints=((2, 'Twice.'),)")) == [
        "has hints for expect in a hidden check, which shows none"
    ]
