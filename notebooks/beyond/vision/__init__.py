"""Lesson 8, vision: a small Mllama, its scenes and questions, and tools to look inside it.

`scenes` draws images, `questions` generates questions with answers, `model` builds and saves the
model, `evaluate` measures it; `load`, `asking`, `pictures` and `endpoint` ask any model about any
picture; `inside`, `drawings` and `viewer` show how the answer comes about.
"""
