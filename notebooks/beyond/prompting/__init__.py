"""Lesson 1, prompting: constrained decoding, sampling and evaluation on a shop's messages."""
