"""The student's code calls back what the course's author wrote, and nothing else of the judge's."""

import functools
import importlib
import operator
import os
import pathlib
import random
import subprocess
import sys
from unittest import mock

import numpy as np
import pytest

from autograder.judge import call_backs
from autograder.judge.contract import Contract
from autograder.judge.handles import Desk
from autograder.judge.rpc import HandleTold, Told
from autograder.sandbox.references import FUNCTION, HANDLE, LIBRARY
from tests.autograder.judge.ordinary_cells import Case, dry_run


class Student:
    """A student's process in which everything that is made is the object 7."""

    generation = 1

    def __init__(self):
        self.asked = []

    def operate(self, name, operation, args, kwargs, _options, refer, _call_back):
        self.asked.append((operation, [refer(one) or one for one in args], kwargs))
        return Told(handle=HandleTold(7, False, True, ["functools.partial"]))


def referred(value):
    desk = Desk(Student())
    desk.begin_test(Contract(None))
    return desk._refer(value)


CELLS = """
import contextlib, functools, operator, random
from unittest import mock
import numpy as np

def double(x):
    return 2 * x

class Env:
    def step(self, x):
        return x
    def __call__(self, x):
        return x
    @classmethod
    def made(cls):
        return 1
    @staticmethod
    def still(x):
        return x

@functools.lru_cache
def cached(x):
    return x

@contextlib.contextmanager
def opened(x):
    yield x

@functools.singledispatch
def shown(x):
    return x

calls = []
def stepping():
    yield 1
"""
OWN = (
    *("double", "lambda x: x", "Env", "Env()", "Env().step", "Env.made", "Env.still", "cached"),
    *("opened", "shown", "functools.partial(double, 1)", "functools.partial(double)"),
    *(
        "operator.methodcaller('upper')",
        "calls.append",
        "{1: 2}.get",
        "{1, 2}.__contains__",
        "'{} a'.format",
        "iter([1]).__next__",
    ),
    *("stepping().__next__", "random.Random(1).random", "np.random.default_rng(1).normal"),
    *("mock.Mock()", "mock.MagicMock(wraps=double)", "mock.Mock(side_effect=[1, 2])"),
    *("mock.Mock(side_effect=ValueError)", "mock.Mock(side_effect=ValueError('x'))"),
    *("mock.Mock(side_effect=double)", "mock.Mock().method", "np.vectorize(double)"),
    "np.poly1d([1, 2])",
)


def in_cells(expression):
    namespace = {"__name__": "__main__"}
    exec(CELLS, namespace)
    return eval(expression, namespace)


@pytest.mark.parametrize("expression", OWN)
def test_what_the_author_wrote_is_called_back(expression):
    assert referred(in_cells(expression)).kind == FUNCTION


def test_a_module_beside_the_notebook_is_the_authors(tmp_path, monkeypatch):
    (tmp_path / "lying_beside.py").write_text("def near(x):\n    return x\nclass Env: pass\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    beside = importlib.import_module("lying_beside")
    assert referred(beside.near).kind == referred(beside.Env).kind == FUNCTION
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")  # as if it were installed
    assert referred(beside.near).kind == LIBRARY
    monkeypatch.delitem(sys.modules, "lying_beside")


NAMED = {
    "io:open": open,
    "builtins:exec": exec,
    "builtins:eval": eval,
    "builtins:__import__": __import__,
    "builtins:getattr": getattr,
    "builtins:list": list,
    "posix:system": os.system,
    "subprocess:run": subprocess.run,
    "pathlib:Path.read_text": pathlib.Path.read_text,
    "pathlib:Path": pathlib.Path,
    "importlib:import_module": importlib.import_module,
    "numpy:exp": np.exp,
    "numpy.linalg:solve": np.linalg.solve,
    "numpy:load": np.load,
    "numpy.random:rand": np.random.rand,
    "random:random": random.random,
    "os.path:": None,
    "networkx:Graph": None,
}


@pytest.mark.parametrize("name", NAMED)
def test_what_python_or_a_library_has_is_looked_up_by_name_over_there(name):
    value = NAMED[name]
    if value is None:
        module, _, path = name.partition(":")
        value = getattr(importlib.import_module(module), path) if path else sys.modules[module]
        name = f"{value.__module__}:{path}" if path else f"{value.__name__}:"
    found = referred(value)
    assert found.kind == LIBRARY
    assert found.name.replace("_io:", "io:") == name


class Holder:
    pass


class Paths(pathlib.PosixPath):
    """A library's methods in a class that isn't the author's."""

    __module__ = "pathlib"


def cycle():
    one = functools.partial(open)
    for _ in range(call_backs.MAX_INSIDE + 2):
        one = functools.partial(mock.Mock(wraps=one))
    return one


def wrapping():
    """A library's wrapper around a library's function."""
    return functools.lru_cache(open)


POWER = (open, exec, eval, __import__, os.system, getattr, pathlib.Path.read_text, np.load)
BOUND = {
    "a path's method": lambda: pathlib.Path("x").read_text,
    "another": lambda: pathlib.Path("x").write_bytes,
    "a file's method": lambda: sys.__stdout__.write,
    "an array's method": lambda: np.zeros(1).tofile,
    "an array that is dumped": lambda: np.zeros(1).dump,
    "environment": lambda: os.environ.get,
    "a module's loader": lambda: importlib.__loader__.get_data,
    "an attribute of anything": lambda: Holder().__getattribute__,
    "an attribute of a list": lambda: [].__getattribute__,
    "a list's reduction": lambda: [].__reduce_ex__,
    "an attribute of a function": lambda: in_cells("double").__getattribute__,
    "a mock of a mock": lambda: mock.Mock(wraps=mock.Mock(wraps=open)),
    "a mock's child": lambda: mock.Mock(wraps=os).system,
    "a deep partial": cycle,
    "a cache": wrapping,
    "a vectorized one": lambda: np.vectorize(open),
    "an interpreter": lambda: __import__("code").InteractiveInterpreter().runsource,
    "a library's object": lambda: __import__("torch").nn.MSELoss(),
    "a path's subclass": lambda: Paths("x").read_text,
    "a partial of a method": lambda: functools.partial(pathlib.Path("x").read_text),
}
BOUND |= {
    f"{kind} {one.__name__}": functools.partial(make, one)
    for one in POWER
    for kind, make in {
        "wraps": lambda one: mock.MagicMock(wraps=one),
        "side effect": lambda one: mock.Mock(side_effect=one),
        "autospec": lambda one: mock.create_autospec(one, side_effect=one),
        "partial of a mock": lambda one: functools.partial(mock.Mock(wraps=one)),
        "dispatch": functools.singledispatch,
        "wrapper": lambda one: functools.lru_cache(one),
    }.items()
}


@pytest.mark.parametrize("name", sorted(BOUND))
def test_what_has_power_here_is_refused(name):
    with pytest.raises(call_backs.Refused, match="hand over a function that the notebook defines"):
        referred(BOUND[name]())


@pytest.mark.parametrize(
    "value",
    [
        functools.partial(open, mode="r"),
        functools.partial(functools.partial(eval)),
        functools.partial(round, ndigits=2),
        operator.itemgetter(1),
        operator.attrgetter("a", "b"),
    ],
)
def test_a_partial_of_a_librarys_function_is_made_over_there(value):
    student = Student()
    desk = Desk(student)
    desk.begin_test(Contract(None))
    found = desk._refer(value)
    assert (found.kind, found.number) == (HANDLE, 7)
    operation, args, _kwargs = student.asked[-1]
    assert operation == "call"
    assert args[0].name.split(":")[0] in ("functools", "operator")
    assert not any(callable(one) for one in args)
    assert desk._functions == []


# What a test might hand over, and what the student's code does with it to reach the judge's files.
HANDED = {
    "wraps": ("mock.MagicMock(wraps=open)", "f('reached', 'w')"),
    "side effect": ("mock.Mock(side_effect=open)", "f('reached', 'w')"),
    "partial": ("functools.partial(open)", "f('reached', 'w').close()"),
    "open": ("open", "f('reached', 'w').close()"),
    "exec": ("exec", "f(\"open('reached', 'w').close()\")"),
    "partial of eval": ("functools.partial(eval)", "f(\"open('reached', 'w').close()\")"),
    "import": ("__import__", "f('os').system('touch reached')"),
    "system": ("os.system", "f('touch reached')"),
    "bound": ("pathlib.Path('reached').write_text", "f('x')"),
    "getattr": ("getattr", "f(f, '__self__').open('reached', 'w').close()"),
    "in a list": ("[functools.partial(open)][0]", "f('reached', 'w').close()"),
    "patched": ("None", "__import__('builtins').open('reached', 'w')"),
    "returned": ("lambda: functools.partial(open)", "f()('reached', 'w').close()"),
    "returned mock": ("mock.Mock(return_value=mock.Mock(wraps=open))", "f()('reached', 'w')"),
}


def test_a_mock_arrives_as_a_function(bubblewrap):
    """And not as the empty iterator that it would be by value."""
    case = Case(
        "mock",
        (
            ("solution", "def use(f):\n    return f(1), f(2)"),
            (
                "test",
                "from unittest import mock\nf = mock.MagicMock(side_effect=[3, 4])\n"
                "assert use(f) == (3, 4)\nassert f.mock_calls == [mock.call(1), mock.call(2)]",
            ),
        ),
    )
    verdict, contracts = dry_run(case)
    assert verdict.points == {"test-1": 1.0}, verdict.said
    assert contracts == {}  # it is sealed


@pytest.mark.parametrize("name", HANDED)
def test_the_students_code_reaches_no_file_of_the_judges(bubblewrap, name):
    expression, does = HANDED[name]
    patched = "contextlib.nullcontext()"
    if name == "patched":
        patched = "mock.patch('builtins.open', wraps=open)"
    case = Case(
        name,
        (
            (
                "solution",
                "def use(f):\n    try:\n"
                f"        {does}\n    except Exception as error:\n        pass\n    return 1",
            ),
            (
                "test",
                "import contextlib, functools, os, pathlib\nfrom unittest import mock\n"
                f"with {patched}:\n    try:\n        use({expression})\n"
                "    except TypeError as error:\n"
                "        assert 'the notebook defines' in str(error)\n"
                "assert not os.path.lexists('reac' + 'hed')",
            ),
        ),
    )
    verdict, _contracts = dry_run(case)
    assert verdict.points == {"test-1": 1.0}, verdict.said
