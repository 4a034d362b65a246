"""Settings that a student's cell or function leaves hold for the tests, as in a notebook."""

import decimal

import pytest
import torch

from autograder.judge.rpc import RpcChannel
from autograder.sandbox import numeric_context
from autograder.sandbox.limits import SandboxLimits
from autograder.sandbox.zygote_client import ZygoteClient


@pytest.fixture(autouse=True)
def _as_before():
    before = torch.get_default_dtype()
    with decimal.localcontext():
        yield
    torch.set_default_dtype(before)
    numeric_context.insist([])


def test_settings_come_from_cells_and_calls(bubblewrap):
    imports = ("numpy", "torch", "beyond.checks")
    with (
        ZygoteClient(limits=SandboxLimits(), imports=imports, packages=("beyond",)) as parent,
        parent.fork() as child,
    ):
        channel = RpcChannel(child.socket, call_seconds=60)
        source = (
            "import decimal, torch\ntorch.set_default_dtype(torch.float64)\n"
            "decimal.getcontext().prec = 50\nweight = torch.eye(2)\n"
            "def product(x):\n    return x @ weight\n"
            "def narrow():\n    torch.set_default_dtype(torch.float32)\n    return 1"
        )
        assert channel.run("c", source, 30, 1).error is None
        assert decimal.getcontext().prec == 50
        right = torch.tensor([[0.5, 2.0]])
        assert right.dtype is torch.float64
        assert torch.allclose(channel.call("product", [right], {}), right)
        assert channel.call("narrow", [], {}) == 1
        assert torch.get_default_dtype() is torch.float32


@pytest.mark.parametrize(
    "claimed",
    [
        [],
        [1],
        [[]],
        [["float16", 28]],
        [["bool", 0]],
        [[None, None]],
        [["float32.__class__", 10**9]],
        [[b"float64", True]],
        [["float64"] * 3],
        [{}],
        [["", -1]],
        [["float64", 30]] * 2,
        [["", 1]],
        [["float32", 5]],
    ],
    ids=str,
)
def test_a_claim_chooses_among_honest_settings_only(claimed):
    before = numeric_context.claim()
    numeric_context.adopt(claimed)
    assert numeric_context.claim() == before
    numeric_context.adopt([["float64", 30]])
    assert numeric_context.claim() == ["float64", 30]


def test_how_decimals_are_rounded_stays():
    """Else a test's own expectation would follow a wrong answer."""
    before = decimal.getcontext().rounding
    decimal.getcontext().rounding = decimal.ROUND_UP
    claimed = numeric_context.claim()
    decimal.getcontext().rounding = before
    numeric_context.adopt([claimed])
    assert decimal.getcontext().rounding == before


def test_a_broken_setting_is_no_claim(monkeypatch):
    monkeypatch.setattr(decimal, "getcontext", None)
    assert numeric_context.claim() == []


def test_no_claim_goes_below_what_read_only_cells_set():
    numeric_context.insist(["float64", 50])
    numeric_context.adopt([["float64", 50]])
    numeric_context.adopt([["float32", 28]])
    assert numeric_context.claim() == ["float64", 50]
    numeric_context.insist([])
    numeric_context.adopt([["float32", 28]])
    assert numeric_context.claim() == ["float32", 28]
