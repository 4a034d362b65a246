"""Stopping the class: one submission that is too much for whoever handles it after the sandbox.

Some of these are honest: a student with many pictures or long outputs is no attacker.
"""

import json

import pytest

from tests.attacks.attack import Attack, all_of, answers, cases, find, first, last, own_cell
from tests.attacks.test_wearing_down import HANG, inside

LIFTED = """
shell = get_ipython()
for one in (shell.outputs, getattr(shell, 'outputs', None)):
    for name in vars(one):
        if isinstance(getattr(one, name), int) and not isinstance(getattr(one, name), bool):
            setattr(one, name, 10 ** 9)
"""

CONTROLS = "print(''.join(map(chr, range(32))) * 30_000)"

PICTURE = """
import numpy
import matplotlib.pyplot as plt
plt.figure(figsize=(4, 3), dpi=72)
plt.imshow(numpy.random.default_rng({seed}).random((60, 80)))
plt.title('그림 {seed}')
plt.show()
"""


def own_cells(count, source, after="essay", kind="code"):
    """Many cells of one's own, one after the other."""
    return all_of(*[own_cell(after, source.replace("{n}", str(n)), kind) for n in range(count)])


def honest_outputs(megabytes):
    """A notebook with the outputs that it had when it was saved, as pictures in base64."""

    def change(work, place):
        data = "iVBORw0KGgo" + "A" * 1_000_000
        for _number in range(megabytes):
            one = {"output_type": "display_data", "data": {"image/png": data}, "metadata": {}}
            find(work, "gate").setdefault("outputs", []).append(one)

    return change


def outputs_of_bytes(megabytes):
    """Bytes that grow as they are written: what is one byte here is six in JSON."""

    def change(work, place):
        text = "\x01" * (megabytes * 1_000_000 // 6)
        find(work, "gate")["outputs"] = [{"output_type": "stream", "name": "stdout", "text": text}]
        return json.dumps(work).encode()

    return change


ATTACKS = [
    Attack(
        "lifted-output-limit",
        "Lifts the limit of outputs from within and prints 22 MB",
        last(LIFTED + "print('x' * 22_000_000)"),
        together="outputs",
        or_less=True,
    ),
    Attack(
        "lifted-limit-in-lines",
        "Does so in lines of one letter",
        last(LIFTED + "print('x\\n' * 5_000_000)"),
        together="outputs",
        or_less=True,
    ),
    Attack(
        "eight-times-60-mb",
        "Does so with 60 MB in each of eight cells",
        own_cells(8, LIFTED + "print('x' * 60_000_000)"),
        together="outputs",
        or_less=True,
    ),
    Attack(
        "past-the-limit-in-a-type",
        "Sends 100 MB as one picture, past the limit's own code",
        last(
            "entry = {'output_type': 'display_data', 'metadata': {},\n"
            "         'data': {'image/png': 'A' * 100_000_000}}\n"
            "outputs = get_ipython().outputs\n"
            "for name, value in vars(outputs).items():\n"
            "    if isinstance(value, list):\n"
            "        value.append(entry)"
        ),
        together="outputs",
        or_less=True,
    ),
    Attack(
        "million-outputs",
        "Displays a million empty things, past the limit",
        last(
            LIFTED + "entry = {'output_type': 'stream', 'name': 'stdout', 'text': ['']}\n"
            "for name, value in vars(get_ipython().outputs).items():\n"
            "    if isinstance(value, list):\n"
            "        value.extend([entry] * 1_000_000)"
        ),
        together="outputs",
        or_less=True,
    ),
    Attack(
        "control-characters-in-cells",
        "Prints a million control characters in each of four cells",
        own_cells(4, CONTROLS),
        or_less=True,
    ),
    Attack(
        "characters-that-grow",
        "Hands in a notebook whose outputs are six times as long as JSON",
        outputs_of_bytes(18),
        or_less=True,
    ),
    Attack(
        "errors-that-grow",
        "Raises errors with long texts of control characters in twenty cells",
        own_cells(20, "raise ValueError('\\x00\\x1b[31m' * 100_000)"),
        or_less=True,
    ),
    Attack(
        "2,000-own-cells",
        "Hands in two thousand cells of its own",
        own_cells(1_980, "{n}"),
        or_less=True,
    ),
    Attack(
        "blank-lines",
        "Hands in sixty cells of blank lines",
        own_cells(60, "\n" * 20_000),
        or_less=True,
        together="pages",
    ),
    Attack(
        "blank-lines-of-text",
        "Hands in sixty text cells of blank lines",
        own_cells(60, "\n" * 20_000, kind="markdown"),
        or_less=True,
        together="pages",
    ),
    Attack(
        "nested-markdown",
        "Nests brackets, quotes and stars in a text of 27 kB",
        all_of(
            own_cell("essay", "[" * 9_000, "markdown"),
            own_cell("essay", "> " * 4_000 + "x", "markdown"),
            own_cell("essay", "*a **b " * 1_400, "markdown"),
            own_cell("essay", "`" * 3_000 + " " + "![" * 3_000, "markdown"),
        ),
        or_less=True,
        together="pages",
    ),
    Attack(
        "nested-html",
        "Displays HTML nested 20,000 deep",
        last(
            "from IPython.display import HTML, display\n"
            "display(HTML('<div>' * 20_000 + '<b><i>' * 10_000))"
        ),
        or_less=True,
        together="pages",
    ),
    Attack(
        "slow-page-math",
        "Writes math with a thousand open brackets",
        own_cell("essay", "$" + "\\frac{" * 1_500 + "$ $$" + "{" * 5_000, "markdown"),
        or_less=True,
        together="pages",
    ),
    Attack(
        "slow-page-code",
        "Writes code that highlighters take long for",
        all_of(
            own_cell("essay", "'" * 30_001),
            own_cell("essay", "f'{" * 5_000),
            own_cell("essay", "0" * 30_000 + "e" * 30_000),
            own_cell("essay", "\\\n" * 30_000),
        ),
        or_less=True,
        together="pages",
    ),
    Attack(
        "entities-and-links",
        "Writes 20,000 references, footnotes and entities",
        own_cell("essay", "".join(f"[{n}]: x{n}\n&#{n};[{n}] " for n in range(5_000)), "markdown"),
        or_less=True,
        together="pages",
    ),
    Attack(
        "ansi-floods",
        "Prints half a megabyte of terminal colours",
        own_cells(4, "print('\\x1b[38;5;{n}m\\x1b[4m' * 40_000)"),
        or_less=True,
        together="pages",
    ),
    Attack(
        "pixels",
        "Displays a picture of a billion pixels in a few kilobytes",
        last(
            "import struct, zlib\n"
            "from IPython.display import Image, display\n"
            "def part(kind, body):\n"
            "    crc = struct.pack('>I', zlib.crc32(kind + body))\n"
            "    return struct.pack('>I', len(body)) + kind + body + crc\n"
            "head = part(b'IHDR', struct.pack('>IIBBBBB', 32_000, 32_000, 1, 0, 0, 0, 0))\n"
            "rows = zlib.compress(b'\\0' * 4_001 * 32_000, 9)\n"
            "display(Image(b'\\x89PNG\\r\\n\\x1a\\n' + head + part(b'IDAT', rows) + part(b'IEND', b'')))"
        ),
        or_less=True,
        together="pages",
    ),
    Attack(
        "sleeps-in-every-call",
        "Sleeps nearly as long as it may in sixty cells",
        own_cells(60, "import time\ntime.sleep(1.9)"),
        seconds=2,
        run_seconds=20,
        or_less=True,
        together="slow cells",
    ),
    Attack(
        "hangs-in-every-call",
        "Runs into the limit in every call and every cell",
        all_of(
            inside(HANG),
            answers(ranked="def ranked(numbers, k):\n    " + HANG.replace("\n", "\n    ")),
            own_cells(20, HANG),
        ),
        seconds=2,
        run_seconds=20,
        or_less=True,
        together="slow cells",
    ),
    # Honest ones, who stopped the class too
    Attack(
        "22-pictures",
        "Draws 22 pictures",
        own_cells(22, PICTURE.replace("{seed}", "{n}")),
        honest=True,
        deserves=(2, 3),
        says="image/png",
        seconds=20,
    ),
    Attack(
        "17-mb-notebook",
        "Hands in 17 MB, outputs and all",
        honest_outputs(16),
        honest=True,
        deserves=(2, 3),
        together="outputs",
    ),
    Attack(
        "long-output",
        "Prints 20,000 lines and an array in full",
        last(
            "import numpy\nfor n in range(20_000):\n    print(n)\n"
            "numpy.set_printoptions(threshold=10**9)\nprint(numpy.arange(30_000))"
        ),
        honest=True,
        deserves=(2, 3),
    ),
    Attack(
        "long-korean-output",
        "Prints much in Korean, and warns in it",
        all_of(
            first("import warnings\nwarnings.warn('조심하세요')\nprint('안녕하세요 ' * 5_000)"),
            last("print('끝났습니다')"),
        ),
        honest=True,
        deserves=(2, 3),
        says="끝났습니다",
    ),
    Attack(
        "80-own-cells",
        "Tries things out in 80 cells of its own",
        own_cells(80, "x{n} = {n}\nx{n}"),
        honest=True,
        deserves=(2, 3),
    ),
    Attack(
        "wide-table",
        "Shows a table of 200 rows and a long text in Markdown",
        last(
            "from IPython.display import HTML, Markdown, display\n"
            "row = '<tr>' + '<td>1.5</td>' * 12 + '</tr>'\n"
            "display(HTML('<table>' + row * 200 + '</table>'), Markdown('**굵게** 본문 ' * 500))"
        ),
        honest=True,
        deserves=(2, 3),
    ),
]


@pytest.mark.parametrize("attack", cases(ATTACKS))
def test_stopping_the_class(attack, holds):
    holds(attack)
