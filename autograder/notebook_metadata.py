"""The grader's own entries in the metadata of notebooks and cells.

They stand under one key, `{"autograder": {"choice": true}}`, or under the key that a course has
chosen: its notebooks are in students' hands and its gradebook in use when the name changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

OWN = "autograder"

_accepted = [OWN]


def accept(namespace: str) -> None:
    """Take entries under this key for the grader's too, from now on."""
    if namespace not in _accepted:
        _accepted.append(namespace)


def accepted() -> tuple[str, ...]:
    """Return the keys under which entries are found, the grader's own first."""
    return tuple(_accepted)


def entries(node: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of what a notebook or cell says to the grader; empty if it says nothing."""
    metadata = node.get("metadata")
    if not isinstance(metadata, Mapping):
        return {}
    found: dict[str, Any] = {}
    for namespace in reversed(_accepted):
        own = metadata.get(namespace)
        found |= own if isinstance(own, Mapping) else {}
    return found


def used_in(node: Mapping[str, Any]) -> str:
    """Return the key under which a notebook or cell has its entries; the own where it has none."""
    metadata = node.get("metadata") or {}
    return next((one for one in _accepted[::-1] if isinstance(metadata.get(one), Mapping)), OWN)


def put(node: Any, namespace: str | None = None, **values: Any) -> None:
    """Add entries to a notebook or cell, in place.

    Args:
        node: the notebook or cell.
        namespace: the key to put them under; by default the one that it uses.
        **values: the entries by name.
    """
    key = namespace or used_in(node)
    kept = node["metadata"].get(key)
    node["metadata"][key] = {**(kept if isinstance(kept, Mapping) else {}), **values}


def remove(node: Any, name: str) -> None:
    """Take an entry out of a notebook or cell, and a key that is left empty."""
    for namespace in _accepted:
        own = node["metadata"].get(namespace)
        if isinstance(own, dict) and name in own:
            del own[name]
            if not own:
                del node["metadata"][namespace]
