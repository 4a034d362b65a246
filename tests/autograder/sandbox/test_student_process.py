"""Running cells, telling values and making calls, as an honest notebook needs it."""

import base64
from fractions import Fraction

import pytest

from autograder.sandbox.limits import SandboxLimits
from autograder.sandbox.zygote_client import ZygoteClient


def test_a_cell_shows_its_last_value_and_what_it_prints_in_order(student):
    error, outputs = student.run(
        "import sys\nprint('one')\nprint('두 번째', file=sys.stderr)\nprint('three')\n6 * 7"
    )
    assert error is None
    assert [(one["output_type"], one.get("name"), one.get("text")) for one in outputs[:3]] == [
        ("stream", "stdout", "one\n"),
        ("stream", "stderr", "두 번째\n"),
        ("stream", "stdout", "three\n"),
    ]
    assert outputs[3]["data"] == {"text/plain": "42"}


def test_names_live_on_and_main_is_the_students_module(student):
    student.run("from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int = 1")
    student.run("import pickle, __main__\nsame = pickle.loads(pickle.dumps(P(3))).x")
    assert student.value("same") == 3
    assert student.text("print(__name__, __main__.P is P)") == "__main__ True\n"


def test_await_magics_and_shell_commands_work(student):
    assert student.text("import asyncio\nawait asyncio.sleep(0)\nprint('ok')") == "ok\n"
    assert "Wall time" in student.text("%time 1")
    assert student.text("!echo hi").split() == ["hi"]


def test_an_error_tells_its_type_and_message_and_shows_a_traceback(student):
    error, outputs = student.run("def f():\n    raise ValueError('no\\n\\x1b[31mway')\nf()")
    assert error[:2] == ["ValueError", "no [31mway"]
    assert outputs[-1]["ename"] == "ValueError"
    assert "line 3" in "\n".join(outputs[-1]["traceback"])
    assert student.fails("1 +") == "SyntaxError"
    assert student.fails("raise SystemExit(3)") == "SystemExit"
    assert student.fails("raise KeyboardInterrupt") == "KeyboardInterrupt"
    assert student.text("print('still here')") == "still here\n"


def test_exit_ends_nothing(student):
    student.run("exit")
    student.run("exit()")
    assert student.text("print('still here')") == "still here\n"


def test_values_and_calls(student):
    student.run("q1 = 'A'\ndef f(a, *, b=2):\n    print('dropped')\n    return a + b")
    assert student.value("q1") == "A"
    assert student.value("q2")[:2] == ["error", "NameError"]
    assert student.value("f")[:2] == ["error", "CannotCross"]
    assert student.call("f", 1) == 3
    assert student.call("f", 1, b=5) == 6
    assert student.call("f", "a")[:2] == ["error", "TypeError"]
    assert student.call("nothing")[:2] == ["error", "NameError"]
    assert student.text("print('only this')") == "only this\n"


def test_an_exception_class_of_the_students_can_do_no_harm(student):
    student.run(
        "class Odd(Exception):\n    def __str__(self):\n        raise KeyboardInterrupt\n"
        "def f():\n    raise Odd('x')"
    )
    assert student.call("f")[:3] == ["error", "Odd", ""]
    student.run("def g():\n    raise ValueError('x' * 10**6)")
    assert student.call("g")[:3] == ["error", "ValueError", "x" * 300]


def test_what_a_call_draws_or_displays_is_never_shown(student):
    student.run("from IPython.display import display\ndef f(x):\n    display(x)\n    print(x)")
    student.call("f", "secret")
    assert student.run("1")[1][0]["data"] == {"text/plain": "1"}


def test_a_probe_keeps_working_when_its_name_is_bound_anew(student):
    assert student.ask(
        "define",
        "from beyond.checks import probe\n@probe\ndef doubled(x):\n    return 2 * answer(x)",
    ) == ["value", None]
    student.run("def answer(x):\n    return x + 1\ndef doubled(x):\n    return 0")
    assert student.call("doubled", 3) == 8


def test_defining_tells_an_error_and_shows_nothing(student):
    assert student.ask("define", "print(1)\n1 / 0")[:3] == [
        "error",
        "ZeroDivisionError",
        "division by zero",
    ]


def test_a_handler_of_the_student_s_own_ends_no_time_limit(student):
    student.run("import signal\nkept = signal.signal(signal.SIGALRM, signal.SIG_IGN)")
    error, _outputs = student.run("while True: pass", seconds=0.3)
    assert error[0] == "TimeoutError"
    assert student.run("late = True") == (None, [])


def test_a_cell_that_runs_too_long_is_stopped_and_keeps_its_names(student):
    error, outputs = student.run("x = 1\nwhile True:\n    pass", seconds=0.2)
    assert error[0] == "TimeoutError"
    assert "student_process.py" not in str(outputs)
    assert student.value("x") == 1
    student.run("import time\ndef f():\n    time.sleep(60)")
    assert student.ask("call", "f", [], {}, 0.2)[:2] == ["error", "TimeoutError"]


def test_output_is_cut_at_its_limit(student):
    _error, outputs = student.run("print('x' * 50_000)\nprint('more')\n1")
    assert sum(len(one["text"]) for one in outputs) < 21_000
    assert "cut" in outputs[-1]["text"]
    _error, outputs = student.run("for i in range(100_000):\n    print(i)")
    assert len(outputs[0]["text"]) <= 20_000 and "cut" in outputs[-1]["text"]
    assert student.text("print('whole')") == "whole\n"


def test_odd_displays_become_plain(student):
    error, outputs = student.run(
        "from IPython.display import display, Image, update_display\n"
        "display({'text/plain': 'a', 'application/x': {'n': {1, 2}}}, raw=True)\n"
        "h = display('first', display_id='d')\nupdate_display('second', display_id='d')\n"
        "class Rich:\n    def _repr_png_(self):\n        return b'\\x89PNG'\nRich()"
    )
    assert error is None
    assert outputs[0]["data"]["application/x"] == {"n": "{1, 2}"}
    assert outputs[1]["data"]["text/plain"] == "'second'"
    assert base64.b64decode(outputs[2]["data"]["image/png"]) == b"\x89PNG"


def test_given_files_lie_in_the_working_folder(parent, talk):
    files = {"prices.csv": b"a,b\n1,2\n", "data/deep.txt": "가".encode()}
    with parent.fork(files=files) as child:
        student = talk(child)
        assert student.text("print(open('prices.csv').read())") == "a,b\n1,2\n\n"
        assert student.text("print(open('data/deep.txt').read())") == "가\n"
        student.run("open('prices.csv', 'w').write('mine')")


@pytest.mark.parametrize("name", ["/etc/x", "../x", "a/../../x", ""])
def test_a_file_leads_nowhere_else(parent, name):
    with pytest.raises(ValueError, match="no name"):
        parent.fork(files={name: b""})


def test_the_same_seed_gives_the_same_numbers(parent, talk):
    def drawn(seed):
        with parent.fork(seed=seed) as child:
            student = talk(child)
            return student.ask("run", "c", "import random\nprint(random.random())", 5.0, seed)[3]

    assert drawn(1) == drawn(1) != drawn(2)


def test_figures_and_tensors(bubblewrap, talk):
    pytest.importorskip("torch")
    imports = ("numpy", "torch", "matplotlib.pyplot", "beyond.checks", "no_such_module")
    with ZygoteClient(limits=SandboxLimits(), imports=imports, packages=("beyond",)) as parent:
        assert parent.missing == ("no_such_module",)
        with parent.fork(seed=3) as child:
            student = talk(child)
            error, outputs = student.run(
                "%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 2]);"
            )
            assert error is None and len(outputs) == 1
            assert base64.b64decode(outputs[0]["data"]["image/png"])[:4] == b"\x89PNG"
            student.run("def f(x):\n    plt.plot(x)\n    return sum(x)")
            assert student.call("f", [1, 2]) == 3
            assert student.run("1")[1][0]["output_type"] == "execute_result"
            student.run("import torch\nlayer = torch.nn.Linear(512, 512)\nw = layer.weight")
            student.run("y = layer(torch.ones(64, 512))\ny.sum().backward()")
            assert tuple(student.value("w").shape) == (512, 512)


def test_the_limit_is_told_by_the_timer(student):
    error, _outputs = student.run("while True:\n    pass", seconds=0.2)
    assert (error[0], error[3]) == ("TimeoutError", True)
    error, _outputs = student.run("raise TimeoutError('this took more than 9 seconds')")
    assert (error[0], error[3]) == ("TimeoutError", False)
    student.run(
        "def f():\n    try:\n        while True:\n            pass\n"
        "    except TimeoutError:\n        raise KeyError(1)"
    )
    reply = student.ask("call", "f", [], {}, 0.2)
    assert (reply[:2], reply[4]) == (["error", "KeyError"], True)
    assert student.call("nothing")[4] is False


def test_honest_values_become_plain(student):
    student.run(
        "from collections import deque\nfrom fractions import Fraction\n"
        "from typing import NamedTuple\n"
        "class Bar(NamedTuple):\n    name: str\n    low: float\n"
        "def f(kind):\n"
        "    return {'bar': Bar('a', 1.5), 'half': Fraction(1, 2), 'rows': deque([1]),\n"
        "            'lazy': (x for x in 'ab')}[kind]\n"
        "lazy = (x for x in [1, 2])"
    )
    assert student.call("f", "half") == Fraction(1, 2)
    bar = student.call("f", "bar")
    assert (bar.name, bar[1], tuple(bar)) == ("a", 1.5, ("a", 1.5))
    assert student.call("f", "rows") == [1] and student.call("f", "lazy") == ["a", "b"]
    assert student.value("lazy") == [1, 2] and student.value("lazy") == []


def test_what_never_ends_costs_its_own_call_only(student):
    student.run(
        "import itertools, time\n"
        "def count():\n    return itertools.count()\n"
        "def slow():\n    for n in range(10**9):\n        time.sleep(0.01)\n        yield n\n"
        "def wrong():\n    yield 1\n    raise LookupError('no more')"
    )
    reply = student.call("count")
    assert reply[:2] == ["error", "CannotCross"] and "return a list" in reply[2]
    reply = student.ask("call", "slow", [], {}, 0.3)
    assert (reply[1], reply[4]) == ("TimeoutError", True)
    assert student.call("wrong")[:3] == ["error", "LookupError", "no more"]
    assert student.text("print('still here')") == "still here\n"


def test_an_exception_brings_the_names_of_its_classes(student):
    student.run("class TooSmall(ValueError):\n    pass\ndef f():\n    raise TooSmall('tiny', 3)")
    _word, name, message, bases, late, arguments, members = student.call("f")
    assert (name, message, late, arguments, members) == (
        "TooSmall",
        "('tiny', 3)",
        False,
        ["tiny", 3],
        [],
    )
    assert bases == ["__main__.TooSmall", "builtins.ValueError", "builtins.Exception"]
