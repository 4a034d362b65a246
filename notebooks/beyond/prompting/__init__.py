"""Lesson 1, prompting and when it stops: routing a shop's messages to the right team."""
