"""Lesson 5, small language models: what runs on a laptop, and how well."""
