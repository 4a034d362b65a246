"""beyond.prompting.structured: what a schema allows, and which tokens lead there."""

from __future__ import annotations

import json

import pytest

from beyond.prompting.structured import allowed_outputs, allowed_tokens, matches

SCHEMA = {
    "type": "object",
    "properties": {"size": {"enum": ["S", "M", '1"2']}, "gift": {"type": "boolean"}},
    "required": ["size", "gift"],
}


def test_every_listed_output_is_valid_and_all_are_listed():
    outputs = allowed_outputs(SCHEMA)
    assert len(outputs) == len(set(outputs)) == 6
    assert all(matches(output, SCHEMA) for output in outputs)
    assert outputs[:2] == ['{"size": "S", "gift": true}', '{"size": "S", "gift": false}']


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        "null",
        '{"size": "S"}',
        '{"size": "L", "gift": true}',
        '{"size": "S", "gift": 1}',
        '{"size": "S", "gift": "true"}',
        '{"size": "S", "gift": true, "more": 1}',
        "{'size': 'S', 'gift': True}",
    ],
)
def test_what_is_not_valid(text):
    assert not matches(text, SCHEMA)


def test_spacing_does_not_matter_for_validity():
    assert matches(json.dumps({"gift": False, "size": "M"}, indent=2), SCHEMA)


def test_a_property_of_another_type_is_refused():
    with pytest.raises(ValueError, match="'name'"):
        allowed_outputs({"properties": {"name": {"type": "string"}}})


def test_allowed_tokens_can_be_completed():
    vocabulary = ["", "a", "b", "ab", "abc", "c", "abcd"]
    assert allowed_tokens("", vocabulary, ["abc"]) == [1, 3, 4]
    assert allowed_tokens("a", vocabulary, ["abc"]) == [2]
    assert allowed_tokens("abc", vocabulary, ["abc"]) == []
    assert allowed_tokens("x", vocabulary, ["abc"]) == []
