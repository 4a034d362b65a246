"""Lesson 3, small language models: what runs on a laptop, and how well."""
