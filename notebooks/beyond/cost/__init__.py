"""Lesson 4, the cost formula: prices, break-even points, and choosing a model."""

from beyond.old_names import handed_on

__getattr__ = handed_on(__name__)
