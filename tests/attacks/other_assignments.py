"""Two more assignments for the attacked course: every kind of value, and a choice question.

`kinds` has 2 points for a number, 4 for values of other kinds, 2 for an exception and 3 by
nbgrader's own partial credit (a test cell that ends in a number); it imports a package that maps
memory together with its forks (onnxruntime). `choice` is one question as the
course's quiz asks them, for 1 point.
"""

from __future__ import annotations

import re

KINDS, CHOICE = "kinds", "choice"

IMPORTS = """import math

import onnxruntime
import torch

from beyond.checks import check, given, report"""

THIRD = '''def third(x):
    """A third of x."""
    ### BEGIN SOLUTION
    return x / 3
    ### END SOLUTION'''

THIRD_TEST = """with check("third(9) is 3"):
    assert math.isclose(given(third(9), "third"), 3)
### BEGIN HIDDEN TESTS
# CANARY-HIDDEN
with check("other numbers", hidden=True):
    assert math.isclose(given(third(791919191), "third"), 791919191 / 3)
### END HIDDEN TESTS
report()"""

STEPS = '''def steps(n):
    """The numbers below n, in order."""
    ### BEGIN SOLUTION
    return list(range(n))
    ### END SOLUTION'''

COUNTS = '''def counts(words):
    """How often each word is there."""
    ### BEGIN SOLUTION
    return {word: words.count(word) for word in words}
    ### END SOLUTION'''

SEEN = '''def seen(words):
    """The different words."""
    ### BEGIN SOLUTION
    return set(words)
    ### END SOLUTION'''

TOP = '''def top(numbers, k):
    """The k largest numbers, and their places."""
    ### BEGIN SOLUTION
    return torch.topk(torch.tensor(numbers), k)
    ### END SOLUTION'''

VALUES_TEST = """with check("the steps are in order"):
    found = given(steps(4), "steps")
    assert len(found) == 4 and list(found) == [0, 1, 2, 3]
with check("each word is counted"):
    found = given(counts(["a", "b", "a"]), "counts")
    assert found["a"] == 2 and found["b"] == 1 and len(found) == 2
with check("each word is seen once"):
    found = given(seen(["a", "b", "a"]), "seen")
    assert "a" in found and len(found) == 2 and sorted(found) == ["a", "b"]
with check("the largest come first"):
    found = given(top([0.5, 2.5, 1.5], 2), "top")
    values, indices = found
    assert torch.as_tensor(values).tolist() == [2.5, 1.5]
    assert torch.as_tensor(indices).tolist() == [1, 2]
    if hasattr(found, "indices"):  # whoever has named them may be asked by name
        assert torch.as_tensor(found.indices).tolist() == [1, 2]
        assert torch.as_tensor(found.values).tolist() == [2.5, 1.5]
report()"""

PARSE = '''def parse(text):
    """The number in the text; ValueError if there is none."""
    ### BEGIN SOLUTION
    return float(text)
    ### END SOLUTION'''

PARSE_TEST = """with check("a number is read"):
    assert given(parse("2.5"), "parse") == 2.5
with check("anything else is a ValueError"):
    try:
        parse("two")
    except ValueError:
        pass
    else:
        raise AssertionError("parse('two') raises nothing")
report()"""

PARTLY_TEST = """earned = 0
if third(9) is not None and math.isclose(third(9), 3):
    earned += 1
### BEGIN HIDDEN TESTS
# CANARY-HIDDEN
if third(0) is not None and math.isclose(third(0), 0):
    earned += 1
if third(-3) is not None and math.isclose(third(-3), -1):
    earned += 1
### END HIDDEN TESTS
earned"""

RIGHT_KINDS = {
    "third": "def third(x):\n    return x / 3",
    "steps": "def steps(n):\n    return list(range(n))",
    "counts": "def counts(words):\n    return {one: words.count(one) for one in words}",
    "seen": "def seen(words):\n    return sorted(set(words))",
    "top": (
        "def top(numbers, k):\n"
        "    places = sorted(range(len(numbers)), key=lambda n: -numbers[n])[:k]\n"
        "    return [numbers[n] for n in places], places"
    ),
    "parse": "def parse(text):\n    return float(text)",
}

QUESTION = 'q1 = None\n### BEGIN SOLUTION\nq1 = "B"  # CANARY-SOLUTION\n### END SOLUTION'

QUESTION_TEST = """with check('q1 must be one of "A", "B", "C", "D"; this checks the form only', weight=0):
    assert isinstance(given(q1, "q1"), str), "Replace None by one letter in quotes."
    assert q1.strip().upper() in ("A", "B", "C", "D"), "Replace None by one letter in quotes."
### BEGIN HIDDEN TESTS
# CANARY-HIDDEN
with check("q1 is answered correctly", hidden=True):
    assert given(q1, "q1").strip().upper() == "B"
### END HIDDEN TESTS
report()"""

RIGHT_CHOICE = {"q1": 'q1 = "B"'}

# (kind, id, source, points) of each cell after title and language.
CELLS = {
    KINDS: [
        ("given", "imports", IMPORTS, None),
        ("answer", "third", THIRD, None),
        ("given", "third-test", THIRD_TEST, 2.0),
        ("answer", "steps", STEPS, None),
        ("answer", "counts", COUNTS, None),
        ("answer", "seen", SEEN, None),
        ("answer", "top", TOP, None),
        ("given", "values-test", VALUES_TEST, 4.0),
        ("answer", "parse", PARSE, None),
        ("given", "parse-test", PARSE_TEST, 2.0),
        ("given", "partly-test", PARTLY_TEST, 3.0),
    ],
    CHOICE: [
        ("given", "imports", "from beyond.checks import check, given, report", None),
        ("answer", "q1", QUESTION, None),
        ("given", "q1-test", QUESTION_TEST, 1.0),
    ],
}
WRONG_KINDS = {**RIGHT_KINDS, "third": "def third(x):\n    return x / 2"}
STUB = re.compile(r"### BEGIN SOLUTION.*?### END SOLUTION", re.S)
