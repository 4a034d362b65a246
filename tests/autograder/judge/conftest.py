"""The same children as the sandbox's tests have."""

from tests.autograder.sandbox.conftest import bubblewrap, parent, student, talk

__all__ = ["bubblewrap", "parent", "student", "talk"]
