"""autograder.expectations: what `expect` compares, and what it says where a result is wrong."""

from __future__ import annotations

import copy
import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given as for_all
from hypothesis import strategies as st

from autograder import checks, i18n
from autograder.checks import NotAnswered, Unexpected, check, probe, report
from autograder.expectations import RemoteFunction, expect, first_difference, is_stub
from autograder.sandbox.plain_values import CannotCross

TEXTS = ["the kettle is broken", "where is my lamp?", "I want my money back"]


@pytest.fixture(autouse=True)
def _clean_slate():
    checks._cell.close()
    yield
    checks._cell.close()
    i18n.set_language("en")


def idf(_term, _texts, floor=0.0):
    return max(floor, 0.9)


def said(*args, **options):
    with pytest.raises(Unexpected) as wrong:
        expect(*args, **options)
    return str(wrong.value)


def told(capsys):
    """What `report` shows on one line."""
    report(stop=False)
    return " ".join(capsys.readouterr().out.split())


# --- what is said -------------------------------------------------------------------------


def test_the_message_shows_the_call_what_came_and_what_was_expected():
    assert said(idf, "kettle", [1, 2], returns=1.2) == (
        "`idf('kettle', [1, 2])` returned 0.9; expected 1.2."
    )
    assert said(idf, "kettle", [1], floor=2, returns=1.2) == (
        "`idf('kettle', [1], floor=2)` returned 2; expected 1.2."
    )


def test_long_arguments_are_shortened():
    text = said(idf, "kettle", TEXTS * 100, returns=1.2)
    assert "'kettle', ['the kettle is broken', 'where is my lamp?'" in text
    assert len(text) < 300


def test_the_hint_is_the_one_that_explains_this_result_or_none(capsys):
    hints = (
        (0.9, "Add 0.5 to both."),
        (lambda result: result < 0, "Is the fraction upside down?"),
        (lambda result: result[0] == 1, "A predicate for another kind of result."),
    )
    with check("first"):
        expect(lambda: 0.9000004, returns=1.2, hints=hints)
    with check("second"):
        expect(lambda: -3, returns=1.2, hints=hints)
    with check("third"):
        expect(lambda: 7.25, returns=1.2, hints=hints)
    shown = told(capsys)
    assert shown.count("Hint:") == 2
    assert "expected 1.2. Hint: Add 0.5 to both. ✗ second" in shown
    assert "Hint: Is the fraction upside down? ✗ third" in shown


def test_a_hint_may_explain_an_exception(capsys):
    with check("an empty text"):
        expect(lambda n: 1 / n, 0, returns=0, hints=((ZeroDivisionError, "Can it be empty?"),))
    assert "raised ZeroDivisionError: division by zero. Hint: Can it be empty?" in told(capsys)


def test_none_reads_as_a_forgotten_return():
    def forgot(numbers):
        sum(numbers)

    text = "`forgot([1, 2])` returned None: did you forget `return`?"
    for expected in ({"returns": 3}, {}):
        with pytest.raises(NotAnswered) as nothing:
            expect(forgot, [1, 2], **expected)
        assert (str(nothing.value), nothing.value.reason) == ("forgot", text)
    assert expect(forgot, [1, 2], returns=None) is None


def test_a_probe_that_got_nothing_is_not_answered(capsys):
    @probe
    def run_it(numbers):
        return no_body(numbers)

    with check("it works"):
        expect(run_it, [1, 2], returns=3)
    report()
    assert "Not answered yet" in capsys.readouterr().err


def no_body(_text):
    """Do something."""


def returns_none(_text, *, _k=1):
    """Do something."""
    return None  # noqa: RET501 - as it is handed out


def passes(*_texts, **_options):
    pass


def dots(_text): ...


def raises(_text):
    raise NotImplementedError


def raises_with_words(_text):
    raise NotImplementedError("your code here")


@pytest.mark.parametrize(
    "stub", [no_body, returns_none, passes, dots, raises, raises_with_words, None]
)
def test_an_untouched_stub_is_not_answered(stub, capsys):
    with check("it works"):
        expect(stub, "x", returns=1)
    report()
    captured = capsys.readouterr()
    assert "no answer yet" in captured.out
    assert captured.err.startswith("Not answered yet: ")
    assert stub is None or is_stub(stub)


@pytest.mark.parametrize(
    "function",
    [
        lambda: 0.9,
        lambda: (),
        lambda x: x,
        lambda x: print(x),
        len,
        torch.nn.Linear,
        "text",
        lambda kind: (_ for _ in ()).throw(kind),
    ],
)
def test_other_functions_are_no_stubs(function):
    assert not is_stub(function)


def test_a_terminals_colors_are_left_out_of_what_a_function_raises():
    def colored(x):
        raise RuntimeError("\x1b[96mStep 1/3\x1b[0m failed")

    with pytest.raises(Unexpected, match=r"raised RuntimeError: Step 1/3 failed\.$"):
        expect(colored, 1, returns=1)


def test_what_a_function_raises_is_said_with_the_call():
    assert said(lambda number: number[0], 3) == (
        "`<lambda>(3)` raised TypeError: 'int' object is not subscriptable."
    )


def test_the_place_of_a_difference_in_long_values_is_said():
    def sums(numbers):
        return {"sums": [n + 1 for n in numbers]}

    right = {"sums": [*range(1, 300), 7]}
    assert "They first differ at ['sums'][299]: 300, expected 7." in said(
        sums, list(range(300)), returns=right
    )
    assert "Number of values: 3, expected 2." in said(lambda: [1, 2, 3], returns=[1, 2])
    assert said(lambda: [[5, 6, 0, 0, 7, 8]], returns=[[5, 0, 0, 7, 8]]).endswith(
        "Number of values at [0]: 6, expected 5."
    )


def test_numbers_that_look_the_same_are_told_apart():
    assert said(lambda: 0.12345678, returns=0.12345679, within=1e-12).endswith(
        "returned 0.12345678; expected 0.12345679."
    )


def test_texts_that_look_the_same_when_shortened_are_shown_where_they_differ():
    found = ['{"size": "S", "gift": true}', '{"size": "S", "gift": false}']
    assert said(lambda: found, returns=found[::-1]).endswith(
        """They first differ at [0]: '…"gift": true}', expected '…"gift": false}'."""
    )
    long = "a handbook's text, " * 5
    assert said(lambda: long + "one.", returns=long + "two.").endswith(
        """returned "… a handbook's text, one."; expected "… a handbook's text, two."."""
    )
    assert said(lambda: "a  b", returns="a b").endswith("returned 'a  b'; expected 'a b'.")
    assert said(lambda: b"x" * 99, returns=b"x" * 98 + b"y").count("…x") == 2


def test_it_returns_the_plain_value():
    assert expect(lambda: (n for n in "ab"), returns=["a", "b"]) == ["a", "b"]
    assert expect(idf, "x", []) == 0.9
    with pytest.raises(CannotCross):
        expect(lambda: print)


def test_a_function_that_changes_its_arguments_changes_no_later_check():
    numbers, table = [3, 1, 2], {"a": [1]}

    def spoil(some, words):
        some.sort()
        words["a"].append(2)
        return some[0]

    assert expect(spoil, numbers, table, returns=1) == 1
    assert (numbers, table) == ([3, 1, 2], {"a": [1]})


def test_a_hidden_check_says_nothing(capsys):
    with check("any input", hidden=True):
        expect(idf, "secret", returns=1, hints=((0.9, "secret hint"),))
    assert "secret" not in told(capsys)


def test_the_messages_are_korean_too(capsys):
    i18n.set_language("ko")
    with check("x"):
        expect(idf, "주전자", [1, 2], returns=1.2)
    with check("y"):
        expect(lambda: print(end=""), returns=1)
    shown = told(capsys)
    assert "반환했습니다" in shown and "기대한 값: 1.2." in shown
    assert "returned" not in shown


def test_where_work_is_judged_the_call_is_made_elsewhere():
    asked = []

    def call(name, *args, **kwargs):
        asked.append((name, args, kwargs))
        return 3

    assert expect(RemoteFunction("f", call), 1, k=2, returns=3) == 3
    assert asked == [("f", (1,), {"k": 2})]
    assert said(RemoteFunction("f", call), returns=4) == "`f()` returned 3; expected 4."
    with pytest.raises(NotAnswered) as nothing:
        expect(RemoteFunction("f", lambda *_: None))
    assert nothing.value.reason == "`f()` returned None: did you forget `return`?"


# --- what is compared ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (1, 1.0),
        (True, 1),
        (0.1 + 0.2, 0.3),
        (1e9 + 1, 1e9),
        ((1, 2), [1, 2]),
        ([[1.0], (2,)], ([1], [2])),
        (np.array([1.0, 2.0]), [1, 2]),
        (torch.tensor([[1, 2]]), ((1, 2),)),
        (torch.tensor([0.5], dtype=torch.bfloat16), [0.5]),
        (np.float32(0.1), 0.1),
        ({"a": (1,)}, {"a": [1.0000001]}),
        ({1, 2}, frozenset([2, 1])),
        (math.nan, math.nan),
        (math.inf, math.inf),
        (Fraction(1, 3), 1 / 3),
        (Decimal("0.5"), 0.5),
        (1 + 1e-9j, 1),
        (None, None),
        ("a", "a"),
        (range(3), [0, 1, 2]),
    ],
)
def test_equal(found, expected):
    assert first_difference(found, expected) is None


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (4_000_001, 4_000_000),  # one too many of a large count is a mistake, not rounding
        (1.1, 1),
        ([1], [1, 2]),
        ([1, 2], 1),
        ("1", 1),
        ({"a": 1}, {"b": 1}),
        ({1}, [1]),
        (math.inf, -math.inf),
        (math.nan, 0),
        (None, 0),
        (10**400, 1.5),
        (torch.zeros(2, 2), torch.zeros(4)),
        ({"a": 1}, [("a", 1)]),
    ],
)
def test_different(found, expected):
    assert first_difference(found, expected) is not None


def test_within_also_counts_for_whole_numbers():
    assert first_difference(101, 100, within=0.02) is None
    assert first_difference(103, 100, within=0.02) is not None
    assert first_difference(0.03, 0, within=0.02) is not None
    assert first_difference(0.01, 0, within=0.02) is None


numbers = st.integers(-(10**6), 10**6) | st.floats(-1e6, 1e6)
leaves = st.none() | st.booleans() | numbers | st.text(max_size=5)
nested = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)


@for_all(nested)
def test_a_value_equals_its_copy_and_its_lists(value):
    def as_lists(one):
        if isinstance(one, tuple | list):
            return [as_lists(inner) for inner in one]
        return {key: as_lists(inner) for key, inner in one.items()} if type(one) is dict else one

    assert first_difference(copy.deepcopy(value), value) is None
    assert first_difference(as_lists(value), value) is None


@for_all(nested, nested)
def test_comparing_is_symmetric(one, other):
    assert (first_difference(one, other) is None) == (first_difference(other, one) is None)


def changed(value, draw):
    """The same value with one leaf replaced, and the way to it."""
    if isinstance(value, list | tuple) and value:
        at = draw(st.integers(0, len(value) - 1))
        inner, path = changed(value[at], draw)
        return type(value)([*value[:at], inner, *value[at + 1 :]]), (at, *path)
    if isinstance(value, dict) and value:
        key = draw(st.sampled_from(sorted(value)))
        inner, path = changed(value[key], draw)
        return {**value, key: inner}, (key, *path)
    return "another leaf", ()


@for_all(nested, st.data())
def test_one_changed_leaf_is_found_where_it_is(value, data):
    other, path = changed(value, data.draw)
    found = first_difference(other, value)
    assert found is not None
    assert found[0] == path[: len(found[0])]
    assert found[0] == path


@for_all(st.lists(st.floats(-1e6, 1e6), max_size=6), st.floats(-1e-8, 1e-8))
def test_noise_in_floats_is_no_difference(values, noise):
    assert first_difference([one + noise for one in values], values) is None
