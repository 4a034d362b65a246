"""autograder.value_text: values of any kind in one short line."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given as for_all
from hypothesis import strategies as st

from autograder.value_text import LONGEST_CALL, at_first_difference, call_text, short


@dataclasses.dataclass
class Point:
    x: int


class Rude:
    def __repr__(self):
        raise RuntimeError("no")


class Wordy:
    def __repr__(self):
        return "word\n" * 1000


SELF: list = [1]
SELF.append(SELF)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.30000000000000004, "0.3"),
        (1234567.0, "1.23457e+06"),
        (163_840, "163840"),
        (True, "True"),
        (None, "None"),
        ("kettle", "'kettle'"),
        ([1, 2.5, "a"], "[1, 2.5, 'a']"),
        ((1,), "(1,)"),
        ((), "()"),
        (set(), "set()"),
        ({"a": [1]}, "{'a': [1]}"),
        (list(range(300)), "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, … 286 more]"),
        ([("months_between", 325.0, 1150.0)], "[('months_between', 325, 1150)]"),
        (
            [("hosting", 430.0, 730.0), ("calls", 270.0, 830.0)],
            "[('hosting', 430, 730), ('calls', 270, 830)]",
        ),
        (torch.tensor([0.5, 1.0]), "[0.5, 1]"),
        (torch.zeros(3, 5), "tensor of shape (3, 5)"),
        (torch.tensor([[0, 1], [0, 3], [1, 0], [3, 0]]), "[[0, 1], [0, 3], [1, 0], [3, 0]]"),
        ((torch.tensor([[0.75, 0.25]]), torch.tensor([[3, 2]])), "([[0.75, 0.25]], [[3, 2]])"),
        (torch.tensor([[1.5, 0.5]]).topk(1), "([[1.5]], [[0]])"),
        (np.zeros(1000), "array of shape (1000,)"),
        (len, "len"),
        (Point, "Point"),
        (Point(3), "Point(x=3)"),
        (object(), "<object>"),
        (Rude(), "<Rude>"),
        ("x" * 100, "'" + "x" * 57 + "…'"),
        (
            {"a": {"b": {"kitchen": ["garden", "office"]}}},
            "{'a': {'b': {'kitchen': ['garden', 'office']}}}",
        ),
        ([["kitchen" * 9], 2], "[['kitchenkitchenkitchen…'], 2]"),
        (10**100, "a whole number of more than 60 digits"),
    ],
)
def test_values(value, text):
    assert short(value) == text


@pytest.mark.parametrize(
    "value", [SELF, Wordy(), [[[[[[[1]]]]]]], {"x" * 99: "y" * 99}, [-(1 << 20_000)]]
)
def test_odd_values_are_short_too(value):
    assert 0 < len(short(value)) <= 60


def test_a_call():
    assert call_text("f", (1, "a"), {"k": 0.5}) == "f(1, 'a', k=0.5)"
    assert len(call_text("f" * 99, ["x" * 99] * 9, {"k" * 99: 1})) <= LONGEST_CALL


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.complex_numbers() | st.text()
    | st.binary() | st.dates() | st.fractions(),
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)  # fmt: skip  # one kind a line would take a dozen


@for_all(anything, st.integers(12, 80))
def test_a_description_is_one_line_within_its_limit(value, limit):
    text = short(value, limit)
    assert 0 < len(text) <= limit
    assert text == " ".join(text.split())


texts = st.text(
    alphabet=st.sampled_from("ab '\"\\\n\x00\N{GRINNING FACE}\U000e0001가"), max_size=90
)


@for_all(texts, texts, st.integers(20, 80))
def test_two_texts_are_shown_where_they_first_differ(one, other, limit):
    shown = at_first_difference(one, other, limit)
    assert all(0 < len(text) <= limit for text in shown)
    assert (shown[0] == shown[1]) == (one == other)
    data = at_first_difference(one.encode(), other.encode(), limit)
    assert (data[0] == data[1]) == (one == other)


@for_all(st.lists(st.text(max_size=30) | st.integers(), max_size=50))
def test_a_call_is_bounded_and_ends_with_its_bracket(args):
    text = call_text("f", args, {})
    assert len(text) <= LONGEST_CALL
    assert text.endswith(")")
