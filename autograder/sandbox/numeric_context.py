"""Send and take over the settings of a process that decide what test code computes.

In a notebook a student's cell and a test share one process, so `torch.set_default_dtype(…)` or
`decimal.getcontext().prec = 50` holds for the tests below it, too. Here the tests run in another
process, where their tensors would be float32 beside the student's float64: right answers would
fail for the difference. So the student's process sends these settings after each of its
cells, and after a call that has changed them, and the trusted side takes them over. It is a
claim, and a claim can only choose among the few values that an honest notebook may have set and
that make no test coarser than the read-only cells have it: where they ask for float64 or for 50
digits, no claim goes below that.

Not sent: how decimals are rounded, which is often what is asked, what makes an operation an error
(`numpy.seterr`, warnings), random states, gradient mode. With these the trusted side differs
from the notebook only by being more lenient.

Imports nothing but the standard library, because it runs in the sandbox.
"""

from __future__ import annotations

import decimal
import sys
from typing import Any

_DTYPES = ("float32", "float64")
_PRECISIONS = range(decimal.DefaultContext.prec, 1_001)
"""From the usual one upwards: a lower one would round a test's own numbers to a wrong answer."""

_least: list[Any] = ["", 0]
"""What the read-only cells of the submission have set; no claim goes below it."""


def claim() -> list[Any]:
    """Return this process's settings: torch's default dtype, and the decimal precision."""
    try:
        torch = sys.modules.get("torch")
        dtype = str(torch.get_default_dtype()).removeprefix("torch.") if torch else ""
        return [dtype, int(decimal.getcontext().prec)]
    except Exception:  # a student's code may have replaced any of these
        return []


def insist(settings: list[Any]) -> None:
    """Let no claim from now on go below these settings, given as a claim; [] takes that back."""
    global _least
    _least = settings if len(settings) == 2 else ["", 0]


def adopt(claims: list[Any]) -> None:
    """Take over the settings that another process claims to have.

    Args:
        claims: none or one; what isn't in order is passed over.
    """
    if len(claims) != 1 or type(claims[0]) is not list or len(claims[0]) != 2:
        return
    dtype, precision = claims[0]
    torch = sys.modules.get("torch")
    is_dtype = type(dtype) is str and dtype in _DTYPES
    if torch and is_dtype and not (dtype == "float32" and _least[0] == "float64"):
        torch.set_default_dtype(getattr(torch, dtype))
    if type(precision) is int and precision in _PRECISIONS and precision >= _least[1]:
        decimal.getcontext().prec = precision
