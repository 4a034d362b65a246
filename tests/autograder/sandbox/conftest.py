"""The same children as the engine's tests have."""

from tests.autograder.engine.conftest import bubblewrap, parent, student, talk

__all__ = ["bubblewrap", "parent", "student", "talk"]
