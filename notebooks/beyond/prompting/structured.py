"""Constrain generation to the JSON texts that a small schema allows.

The allowed texts are listed one by one, which works for schemas with few values. Libraries such as
Outlines and XGrammar compile a schema into an automaton instead, so that free strings, numbers and
nesting work too (https://arxiv.org/abs/2307.09702, https://arxiv.org/abs/2411.15100).
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence


def allowed_outputs(schema: dict) -> list[str]:
    """List the JSON texts of a flat schema whose properties are enums or booleans.

    Args:
        schema: a JSON schema of type object; all of its properties are taken to be required.

    Returns:
        The texts in the format of `json.dumps`; the last property changes fastest.

    Raises:
        ValueError: if a property is of another type.
    """
    properties = schema["properties"]
    choices = [_values(name, each) for name, each in properties.items()]
    return [
        json.dumps(dict(zip(properties, values, strict=True)))
        for values in itertools.product(*choices)
    ]


def allowed_tokens(written: str, vocabulary: Sequence[str], outputs: Sequence[str]) -> list[int]:
    """Return the ids of the tokens after which an output can still be completed.

    Args:
        written: the text generated so far.
        vocabulary: the text of each token, "" for tokens that must not be used.
        outputs: the allowed texts.
    """
    rests = [output[len(written) :] for output in outputs if output.startswith(written)]
    return [
        token
        for token, text in enumerate(vocabulary)
        if text and any(rest.startswith(text) for rest in rests)
    ]


def matches(text: str, schema: dict) -> bool:
    """Return whether a text is JSON that is valid under the schema, whatever its spacing."""
    try:
        value = json.loads(text)
    except ValueError:
        return False
    properties = schema["properties"]
    return (
        isinstance(value, dict)
        and set(value) == set(properties)
        # as JSON, because Python takes 1 for True
        and all(
            json.dumps(value[name]) in map(json.dumps, _values(name, each))
            for name, each in properties.items()
        )
    )


def _values(name: str, schema: dict) -> list:
    if "enum" in schema:
        return list(schema["enum"])
    if schema.get("type") == "boolean":
        return [True, False]
    raise ValueError(f"The property {name!r} is neither an enum nor a boolean.")
