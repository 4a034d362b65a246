"""Lesson 1, prompting and when it stops: a shop's messages, to be sent to the right team."""
