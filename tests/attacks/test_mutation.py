"""Every wall of the registry is named by a case that is there (`mutation.py` takes them down)."""

import pytest

from tests.attacks import families, mutation


def test_every_wall_is_guarded():
    walls = mutation.registry()
    if not walls:
        pytest.skip(f"there is no {mutation.BARRIERS}")
    assert set(mutation.GUARDS) | set(mutation.UNSEEN) == set(walls)
    assert not set(mutation.GUARDS) & set(mutation.UNSEEN)


def test_every_guard_is_a_case():
    named = {name for guards in mutation.GUARDS.values() for name in guards}
    assert named <= set(families.by_name())
    assert all(mutation.GUARDS.values())
    assert set(mutation.COVERED_BY) <= set(mutation.GUARDS)
