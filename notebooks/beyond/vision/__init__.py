"""A small Mllama that sees: its scenes, its training, and what lesson 5 does with it.

`scenes` draws, `questions` asks and knows the answers, `model` holds the shape and saves it,
`train` trains it, `evaluate` measures; `load`, `asking`, `pictures` and `endpoint` put a question
about any picture to any model; `inside`, `drawings` and `viewer` show what happens meanwhile.
"""
