"""Lesson 6, mixture of experts: the layer, and byte-level models trained with it."""

from beyond.old_names import handed_on

__getattr__ = handed_on(__name__)
