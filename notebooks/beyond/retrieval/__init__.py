"""Lesson 2: a handbook, searches for its passages, and a reader that answers from them."""
