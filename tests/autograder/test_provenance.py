"""autograder.provenance: what of a library a student's function uses."""

from __future__ import annotations

import functools
import math
import sys
import types

import pytest

from autograder.checks import NotAnswered, Unexpected
from autograder.provenance import written_here

LIBRARY = """
import math

class Layer:
    def forward(self, x):
        return x

def balance(x):
    return sum(x)

half = 0.5
wrapped = lambda f: f
"""


@pytest.fixture
def own(monkeypatch):
    """Run a student's code in a module of its own; `shelf.moe` is the library's."""
    shelf, moe = types.ModuleType("shelf"), types.ModuleType("shelf.moe")
    exec(compile(LIBRARY, "moe.py", "exec"), moe.__dict__)
    shelf.moe = moe
    monkeypatch.setitem(sys.modules, "shelf", shelf)
    monkeypatch.setitem(sys.modules, "shelf.moe", moe)

    def run(code, name="mine"):
        module = types.ModuleType("__main__")
        module.__dict__.update(functools=functools, math=math)
        exec(compile(code, "cell", "exec"), module.__dict__)
        return module.__dict__[name]

    return run


@pytest.mark.parametrize(
    ("code", "uses"),
    [
        ("from shelf.moe import balance as mine", "shelf.moe.balance"),
        ("from shelf.moe import Layer as mine", "shelf.moe.Layer"),
        ("from shelf.moe import balance\ndef mine(x): return balance(x)", "shelf.moe.balance"),
        ("from shelf import moe\ndef mine(x): return moe.balance(x)", "shelf.moe"),
        ("import shelf.moe\ndef mine(x): return shelf.moe.balance(x)", "shelf.moe"),
        ("import shelf.moe as s\ndef mine(x): return [s.balance(y) for y in x]", "shelf.moe"),
        ("def mine(x):\n    from shelf.moe import balance\n    return balance(x)", "shelf.moe"),
        ("def mine(x):\n    from shelf import moe\n    return moe.balance(x)", "shelf.moe"),
        ("def mine(x):\n    import shelf.moe\n    return x", "shelf.moe"),
        (
            "from shelf.moe import balance\ndef helper(x): return balance(x)\n"
            "def mine(x): return helper(x)",
            "shelf.moe.balance",
        ),
        (
            "from shelf.moe import balance\ndef make():\n    inner = balance\n"
            "    def mine(x): return inner(x)\n    return mine\nmine = make()",
            "shelf.moe.balance",
        ),
        (
            "from shelf.moe import balance\ndef mine(x):\n"
            "    def inner(): return balance(x)\n    return inner()",
            "shelf.moe.balance",
        ),
        ("from shelf.moe import balance\ndef mine(x, f=balance): return f(x)", "shelf.moe.balance"),
        ("from shelf.moe import balance\nmine = functools.partial(balance)", "shelf.moe.balance"),
        ("from shelf.moe import Layer\nclass mine(Layer): pass", "shelf.moe.Layer"),
        (
            "from shelf.moe import balance\nclass mine:\n    def loss(self, x): return balance(x)",
            "shelf.moe.balance",
        ),
        (
            "from shelf.moe import Layer\nclass mine:\n    @property\n"
            "    def layer(self): return Layer()",
            "shelf.moe.Layer",
        ),
        ("from shelf.moe import balance\nmine = lambda x: balance(x)", "shelf.moe.balance"),
        (
            "from shelf.moe import balance\n@functools.lru_cache\ndef mine(x): return balance(x)",
            "shelf.moe.balance",
        ),
    ],
)
def test_what_is_taken_is_named(own, code, uses):
    with pytest.raises(Unexpected, match="write it yourself") as taken:
        written_here(own(code), not_from=("shelf.moe",))
    assert uses in str(taken.value)


@pytest.mark.parametrize(
    "code",
    [
        "def mine(x): return sum(x) / math.sqrt(len(x))",
        "import shelf\ndef mine(x): return shelf.other if x else x",
        "class mine:\n    def forward(self, x): return x",
        "from shelf.moe import balance\ndef mine(x): return sum(x)",
        "def mine(x): return x.balance() + x.moe",
        "def helper(n): return mine(n - 1)\ndef mine(n): return helper(n) if n else 0",
        "mine = len",
    ],
)
def test_own_work_is_fine(own, code):
    assert written_here(own(code), not_from=("shelf.moe",)) is None


def test_a_module_whose_name_only_begins_the_same_is_another(own):
    assert (
        written_here(own("from shelf.moe import balance as mine"), not_from=("shelf.mo", "shel"))
        is None
    )


def test_a_library_may_use_itself(own):
    """Only the student's code is looked through: numpy, say, is free to use what it likes."""
    assert written_here(math.prod, not_from=("shelf.moe",)) is None


def test_nothing_yet():
    with pytest.raises(NotAnswered):
        written_here(None, not_from=("shelf.moe",))


@pytest.mark.parametrize(
    "body", ["return None  # your code here", "pass", "'Do it.'", "raise NotImplementedError"]
)
def test_an_untouched_stub_is_no_work_of_the_student_s_yet(own, body):
    with pytest.raises(NotAnswered, match="mine"):
        written_here(own(f"def mine(x):\n    {body}"), not_from=("shelf.moe",))
