"""A student's values: drawn the same way each time, within what is declared."""

from __future__ import annotations

import json
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from autograder.config import Course
from autograder.core.value_declarations import declared_values, problems_in
from autograder.errors import UserError

SECRET = b"s" * 32
NAMES = some.text(string.ascii_lowercase, min_size=1, max_size=8).filter(str.isidentifier)
IDS = some.text(string.ascii_letters + string.digits, min_size=1, max_size=12)
RANGES = some.builds(
    lambda first, step, count: {"from": first, "to": first + step * count, "step": step},
    some.integers(-(10**6), 10**6),
    some.integers(1, 10**4),
    some.integers(1, 1000),
)
CENTS = some.builds(
    lambda first, count: {"from": first / 100, "to": (first + 5 * count) / 100, "step": 0.05},
    some.integers(0, 10**4),
    some.integers(1, 100),
)
OPTIONS = some.lists(some.integers() | some.text(max_size=5), min_size=2, max_size=9, unique=True)
ITEMS = some.lists(some.text(max_size=3), min_size=2, max_size=8, unique=True)
ONE = (
    RANGES
    | CENTS
    | OPTIONS.map(lambda one: {"one-of": one})
    | ITEMS.map(lambda one: {"order-of": one})
)
DECLARED = some.dictionaries(NAMES, ONE, min_size=1, max_size=5)


def declared(tmp_path_factory, values):
    course = Course(tmp_path_factory.mktemp("declared"))
    folder = course.source(course.source_language) / "mini"
    folder.mkdir(parents=True)
    (folder / "mini.ipynb").write_text("{}")
    (folder / "own-values.json").write_text(json.dumps({"values": values}))
    return declared_values(course, "mini")


@given(values=DECLARED, student=IDS)
@settings(max_examples=60, deadline=None)
def test_a_value_is_the_same_each_time_and_one_that_is_declared(tmp_path_factory, values, student):
    found = declared(tmp_path_factory, values)
    # Declared again in another order, with another value beside them.
    again = dict(reversed(values.items()))
    other = declared(tmp_path_factory, {**again, "zzzzzzzzz": {"one-of": [1, 2]}})
    assert found.keys() == values.keys()
    for name, one in found.items():
        value = one.draw(SECRET, "mini", name, student)
        assert one.allows(value)
        assert one.allows(one.default)
        assert value == other[name].draw(SECRET, "mini", name, student)
        assert json.loads(json.dumps(value)) == value
        about = values[name]
        if "from" in about:
            assert about["from"] <= value <= about["to"]
            assert isinstance(value, int) or not isinstance(about["from"], int)
            assert abs((value - about["from"]) / about["step"] % 1 - 0.5) > 0.49
        elif "one-of" in about:
            assert value in about["one-of"]
        else:
            assert sorted(value) == sorted(about["order-of"])


def test_each_possible_value_is_drawn_about_as_often(tmp_path_factory):
    values = {"order": {"order-of": ["a", "b", "c"]}, "x": {"from": 0.1, "to": 0.6, "step": 0.1}}
    found = declared(tmp_path_factory, values)
    assert {one.possible.count for one in found.values()} == {6}
    for name, one in found.items():
        seen = [json.dumps(one.draw(SECRET, "mini", name, f"s{n}")) for n in range(1200)]
        counts = [seen.count(value) for value in set(seen)]
        assert len(counts) == 6
        assert all(130 < count < 270 for count in counts)
    assert [found["x"].possible.value(n) for n in range(6)] == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]


@pytest.mark.parametrize("change", ["secret", "assignment", "name", "student"])
def test_a_value_depends_on_all_that_it_is_drawn_from(tmp_path_factory, change):
    (one,) = declared(tmp_path_factory, {"n": {"from": 0, "to": 1_000_000}}).values()
    drawn = {"secret": SECRET, "assignment": "mini", "name": "n", "student": "s01"}
    other = {**drawn, change: b"t" * 32 if change == "secret" else "another"}
    assert one.draw(**drawn) != one.draw(**other)


def test_the_parts_that_a_value_is_drawn_from_do_not_run_together(tmp_path_factory):
    (one,) = declared(tmp_path_factory, {"n": {"from": 0, "to": 1_000_000}}).values()
    assert one.draw(SECRET, "a", "bc", "d") != one.draw(SECRET, "ab", "c", "d")


WRONG = [
    ({}, "one key"),
    ({"values": {}}, "at least one"),
    ({"values": {"a": {"from": 1, "to": 2}}, "students": {}}, "one key"),
    ({"values": {"1a": {"from": 1, "to": 2}}}, "can't name"),
    ({"values": {"a": 3}}, "a has to be an object"),
    ({"values": {"a": {}}}, "one of from, one-of, order-of"),
    ({"values": {"a": {"from": 1, "one-of": [1, 2]}}}, "one of from"),
    ({"values": {"a": {"from": 1}}}, "needs numbers"),
    ({"values": {"a": {"from": 1, "to": "9"}}}, "needs numbers"),
    ({"values": {"a": {"from": 1, "to": True}}}, "needs numbers"),
    ({"values": {"a": {"from": 1, "to": float("inf")}}}, "finite"),
    ({"values": {"a": {"from": 1, "to": float("nan")}}}, "finite"),
    ({"values": {"a": {"from": 0, "to": 10**400}}}, "numbers beyond"),
    ({"values": {"a": {"from": 1, "to": 9, "default": 10**400}}}, "the default"),
    ({"values": {"a": {"one-of": [10**400, 10**400]}}}, "twice"),
    ({"values": {"a": {"from": 9, "to": 1}}}, "above to"),
    ({"values": {"a": {"from": 1, "to": 9, "step": 0}}}, "step above 0"),
    ({"values": {"a": {"from": 1, "to": 10, "step": 2}}}, "whole number of steps"),
    ({"values": {"a": {"from": 1, "to": 1}}}, "only one"),
    ({"values": {"a": {"from": 0, "to": 1e300}}}, "steps or numbers beyond"),
    ({"values": {"a": {"from": 0, "to": 1, "step": 1e-9}}}, "steps or numbers beyond"),
    ({"values": {"a": {"from": 1, "to": 9, "default": 10}}}, "the default 10"),
    ({"values": {"a": {"from": 1, "to": 9, "default": 1.5}}}, "the default 1.5"),
    ({"values": {"a": {"from": 1, "to": 9, "default": float("nan")}}}, "the default"),
    ({"values": {"a": {"from": 1, "to": 9, "stpe": 2}}}, "unknown key 'stpe'"),
    ({"values": {"a": {"one-of": 5}}}, "list"),
    ({"values": {"a": {"one-of": [1, None]}}}, "list"),
    ({"values": {"a": {"one-of": [1, 1]}}}, "twice"),
    ({"values": {"a": {"one-of": [1]}}}, "only one"),
    ({"values": {"a": {"one-of": [1, 2], "default": "1"}}}, "default"),
    ({"values": {"a": {"order-of": "ABCD"}}}, "list of texts"),
    ({"values": {"a": {"order-of": ["A", "A"]}}}, "twice"),
    ({"values": {"a": {"order-of": list(map(str, range(21)))}}}, "more than 20"),
    ([], "object"),
]


@pytest.mark.parametrize(("content", "said"), WRONG)
def test_what_is_wrong_with_a_declaration_is_said(tmp_path, content, said):
    assert said in " ".join(problems_in(content))
    course = Course(tmp_path)
    folder = course.source(course.source_language) / "mini"
    folder.mkdir(parents=True)
    (folder / "mini.ipynb").write_text("{}")
    (folder / "own-values.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"source/en/mini/own-values\.json: .*\."):
        declared_values(course, "mini")
    (folder / "own-values.json").write_text("{")
    with pytest.raises(UserError, match="isn't JSON"):
        declared_values(course, "mini")
