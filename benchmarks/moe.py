"""Compare `beyond.moe.layer.MoELayer` with transformers' expert implementations and dense layers.

    python benchmarks/moe.py                 # continue with the grid for at most four minutes
    python benchmarks/moe.py --minutes 60    # for longer; what is measured is kept
    python benchmarks/moe.py --show          # the tables of what is measured so far

One cell of the grid is a number of tokens, experts, experts per token, a width, a precision, and
forward or forward and backward. All contenders of a cell run in turns, several rounds, on the same
weights, tokens and choice of experts; a contender's time is that of its fastest round, because the
others were held up by something else. The order is drawn anew in each round, because weights that
another contender has just read are quicker to read again. Results are kept in
`.cache/moe_benchmark-*.json`, apart for each version of the layer, of this file and of torch.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import math
import os
import random
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import MixtralConfig
from transformers.models.mixtral.modeling_mixtral import MixtralSparseMoeBlock

from beyond.moe import layer as moe
from beyond.moe.layer import MoELayer

TOKENS, EXPERTS, TOP_K, WIDTHS = (1, 64, 1024, 8192), (8, 16, 64), (1, 2, 8), (256, 512)
TRANSFORMERS = ("eager", "batched_mm", "grouped_mm")
PATIENCE = 6.0  # seconds: a contender that takes longer runs only once
COPIES = 2**30  # bytes of weights that batched_mm may copy; beyond that it is left out


class Cell(NamedTuple):
    """One setting of the grid; an expert is twice as wide as a token."""

    dtype: str
    passes: str
    tokens: int
    experts: int
    k: int
    width: int

    @property
    def per_expert(self) -> float:
        """Mean number of tokens per expert."""
        return self.tokens * self.k / self.experts

    @property
    def flops(self) -> float:
        """Floating-point operations of the matrix products."""
        """Operations of the matrix products, backward twice as many as forward."""
        forward = 2 * self.tokens * self.k * 3 * self.width * 2 * self.width
        return forward * (1 if self.passes == "forward" else 3)


def grid() -> list[Cell]:
    """Return all cells, the cheap ones first."""
    cells = itertools.product(
        ("float32", "bfloat16"), ("forward", "both"), TOKENS, EXPERTS, TOP_K, WIDTHS
    )
    return sorted(map(Cell._make, cells), key=lambda c: (c.flops, c.experts, c))


class Loop(MoELayer):
    """The plain loop over experts, with the same weights and the same router."""

    def forward(self, x: Tensor) -> tuple[Tensor, object]:
        """Return the output and the routing, as the layer itself does."""
        routing = self.route(x)
        y = torch.zeros_like(x)
        for e in range(len(self.down)):
            token, place = torch.where(routing.experts == e)
            gate, up = F.linear(x[token], self.gate_up[e]).chunk(2, dim=-1)
            out = F.linear(F.silu(gate) * up, self.down[e])
            y = y.index_add(0, token, out * routing.weights[token, place, None].to(x.dtype))
        return y, routing


def block(layer: MoELayer, k: int, implementation: str) -> nn.Module:
    """Mixtral's block of transformers on the layer's own weights."""
    experts, double, width = layer.gate_up.shape
    config = MixtralConfig(
        hidden_size=width,
        intermediate_size=double // 2,
        num_local_experts=experts,
        num_experts_per_tok=k,
        experts_implementation=implementation,
    )
    mixture = MixtralSparseMoeBlock(config)
    mixture.gate.weight = layer.router.weight
    mixture.experts.gate_up_proj, mixture.experts.down_proj = layer.gate_up, layer.down
    return mixture


def products(cell: Cell, x: Tensor, dense: list[Tensor], toward: Tensor) -> Callable[[], None]:
    """Only the matrix products of a dense layer with the same active operations."""
    into, out = dense
    middle = torch.randn(len(x), out.shape[1], dtype=x.dtype, device=x.device)
    d_wide = torch.randn(len(x), into.shape[0], dtype=x.dtype, device=x.device)

    @torch.no_grad()
    def run() -> None:
        x @ into.T, middle @ out.T
        if cell.passes == "both":
            d_wide @ into, d_wide.T @ x, toward @ out, toward.T @ middle

    return run


def products_apart(cell: Cell, layer: MoELayer, x: Tensor, toward: Tensor) -> Callable[[], None]:
    """Run only the matrix products of the layer, expert by expert, on the rows that each one gets.

    It bounds the speed of any layer that multiplies one expert at a time.
    """
    counts = layer.route(x).experts.flatten().bincount(minlength=len(layer.down)).tolist()
    rows, d_out = (t.repeat_interleave(cell.k, dim=0) for t in (x, toward))
    hidden = layer.down.shape[2]
    middle = torch.randn(len(rows), hidden, dtype=x.dtype, device=x.device)
    d_wide = torch.randn(len(rows), 2 * hidden, dtype=x.dtype, device=x.device)
    parts = list(zip(*(t.split(counts) for t in (rows, middle, d_wide, d_out)), strict=True))
    used = [e for e, n in enumerate(counts) if n]

    @torch.no_grad()
    def run() -> None:
        for e in used:
            x, middle, d_wide, d_out = parts[e]
            into, out = layer.gate_up[e], layer.down[e]
            x @ into.T, middle @ out.T
            if cell.passes == "both":
                d_wide @ into, d_wide.T @ x, d_out @ out, d_out.T @ middle

    return run


def contenders(cell: Cell, device: str) -> dict[str, Callable[[], None]]:
    """Return what to run for a cell, by name."""
    torch.manual_seed(0)
    dtype = getattr(torch, cell.dtype)
    hidden = 2 * cell.width
    layer = MoELayer(cell.width, hidden, cell.experts, cell.k).to(device, dtype)
    loop = Loop(1, 1, cell.experts, cell.k)
    loop.router, loop.gate_up, loop.down = layer.router, layer.gate_up, layer.down
    x = torch.randn(cell.tokens, cell.width, dtype=dtype, device=device, requires_grad=True)
    toward = torch.randn_like(x)
    dense = [
        torch.randn(2 * cell.k * hidden, cell.width, dtype=dtype, device=device),
        torch.randn(cell.width, cell.k * hidden, dtype=dtype, device=device),
    ]
    dense = [nn.Parameter(w * w.shape[1] ** -0.5) for w in dense]

    def feed_forward(x: Tensor) -> Tensor:
        gate, up = F.linear(x, dense[0]).chunk(2, dim=-1)
        return F.linear(F.silu(gate) * up, dense[1])

    def run(forward: Callable[[Tensor], Tensor]) -> None:
        if cell.passes == "forward":
            with torch.no_grad():
                forward(x)
        else:
            for leaf in (x, *layer.parameters(), *dense):
                leaf.grad = None
            forward(x).backward(toward)

    found: dict[str, Callable[[Tensor], Tensor]] = {
        "beyond": lambda x: layer(x)[0],
        "loop": lambda x: loop(x)[0],
        "dense layer": feed_forward,
    }
    copied = cell.tokens * cell.k * 3 * cell.width * hidden * x.element_size()
    for name in TRANSFORMERS:
        if name != "batched_mm" or copied <= COPIES:
            mixture = block(layer, cell.k, name)
            found[name] = lambda x, mixture=mixture: mixture(x[None])[0]
    runs: dict[str, Callable[[], None]] = {name: partial(run, f) for name, f in found.items()}
    runs["matmul"] = products(cell, x.detach(), [w.detach() for w in dense], toward)
    runs["apart"] = products_apart(cell, layer, x.detach(), toward)
    return runs


def measure(cell: Cell, device: str) -> dict[str, float]:
    """Return the seconds of each contender's fastest round."""
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None

    def seconds(run: Callable[[], None]) -> float:
        wait()
        began = time.perf_counter()
        run()
        wait()
        return time.perf_counter() - began

    runs = contenders(cell, device)
    best = {name: seconds(run) for name, run in runs.items()}  # also warms up
    quick = {name: run for name, run in runs.items() if best[name] < PATIENCE}
    rounds = {name: max(3, min(40, int(0.4 / max(best[name], 1e-3)))) for name in quick}
    dice = random.Random(0)
    for turn in range(max(rounds.values(), default=0)):
        due = [name for name in rounds if turn < rounds[name]]  # a slow one drops out early
        for name in dice.sample(due, len(due)):
            best[name] = min(best[name], seconds(quick[name]))
    return best


def geometric_mean(ratios: list[float]) -> float:
    """Return the geometric mean."""
    return math.exp(sum(map(math.log, ratios)) / len(ratios))


def show(done: dict[Cell, dict[str, float]]) -> None:
    """Print every cell, then the comparisons with transformers and with plain matmul."""
    names = ["beyond", "loop", *TRANSFORMERS, "dense layer", "matmul", "apart"]
    print("milliseconds; apart: only the matrix products, expert by expert; the last columns: how")
    print("many times as fast as the fastest of transformers' three, and the share of the speed of")
    print("plain matmul and of the products apart\n")
    columns = [*names, "× fastest", "% matmul", "% apart"]
    print(f"{'':44}" + "".join(f"{name:>12}" for name in columns))
    for cell, best in sorted(done.items()):
        label = (
            f"{cell.dtype:9}{cell.passes:8} T={cell.tokens:<5} E={cell.experts:<3}"
            f" k={cell.k} D={cell.width}"
        )
        values = "".join(
            f"{1000 * best[name]:12.2f}" if name in best else f"{'–':>12}" for name in names
        )
        print(
            f"{label:44}{values}{against(best):12.2f}"
            f"{100 * share(best):12.0f}{100 * share(best, 'apart'):12.0f}"
        )
    print(
        "\nagainst the fastest of transformers' implementations, geometric mean (above 1: faster)"
    )
    for dtype, passes in itertools.product(("float32", "bfloat16"), ("forward", "both")):
        own = [b for c, b in done.items() if (c.dtype, c.passes) == (dtype, passes)]
        if own:
            each = ", ".join(
                f"{name} {geometric_mean([b[name] / b['beyond'] for b in own if name in b]):.2f}"
                for name in (*TRANSFORMERS, "loop")
            )
            fastest = geometric_mean([against(b) for b in own])
            print(f"  {dtype:9}{passes:8} {fastest:.2f} in {len(own)} cells ({each})")
    if done:
        print(f"  all: {geometric_mean([against(b) for b in done.values()]):.2f}")
    print("\nshare of plain matmul's speed where an expert gets 64 tokens or more")
    for dtype, passes in itertools.product(("float32", "bfloat16"), ("forward", "both")):
        many = [
            best
            for cell, best in done.items()
            if (cell.dtype, cell.passes) == (dtype, passes) and cell.per_expert >= 64
        ]
        for label, runner in (
            ("the layer", "beyond"),
            ("the products apart", "apart"),
            ("a dense layer", "dense layer"),
        ):
            own = sorted(100 * best["matmul"] / best[runner] for best in many)
            if own:
                reached = sum(share >= 80 for share in own)
                print(
                    f"  {dtype:9}{passes:8} {label:18} median {own[len(own) // 2]:.0f} %, worst "
                    f"{own[0]:.0f} %, 80 % reached in {reached} of {len(own)} cells"
                )
    print("\nplain matmul's speed in the cell where it is fastest")
    for dtype in ("float32", "bfloat16"):
        rates = [c.flops / b["matmul"] for c, b in done.items() if c.dtype == dtype]
        if rates:
            print(f"  {dtype:9} {max(rates) / 1e9:,.0f} billion operations a second")


def against(best: dict[str, float]) -> float:
    """Return how many times as fast as the fastest of transformers' three the layer is."""
    return min(best[name] for name in TRANSFORMERS if name in best) / best["beyond"]


def share(best: dict[str, float], of: str = "matmul") -> float:
    """Return the fraction of the speed of `of` that the layer reaches."""
    return best[of] / best["beyond"]


def main() -> None:
    """Continue with the grid, saving each cell once measured, and show the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=4, help="stop after the cell that ends it")
    parser.add_argument("--tokens", type=int, nargs="*", default=TOKENS)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--show", action="store_true", help="measure nothing")
    options = parser.parse_args()
    version = b"".join(Path(p).read_bytes() for p in (moe.__file__, __file__))
    version += torch.__version__.encode()
    name = f"moe_benchmark-{options.device}-{hashlib.sha256(version).hexdigest()[:8]}.json"
    place = Path(__file__).parents[1] / ".cache" / name
    done = {}
    if place.is_file():
        done = {Cell(*cell): best for cell, best in json.loads(place.read_text())}
    ends = time.monotonic() + 60 * options.minutes
    for cell in grid():
        if options.show or time.monotonic() > ends:
            break
        if cell in done or cell.tokens not in options.tokens:
            continue
        done[cell] = measure(cell, options.device)
        place.parent.mkdir(exist_ok=True)
        beside = place.with_suffix(".part")
        beside.write_text(json.dumps(list(done.items())))
        os.replace(beside, place)
    show(done)
    print(f"\n{len(done)} of {len(grid())} cells are measured")
    print(f"{options.device}, {torch.get_num_threads()} threads, torch {torch.__version__}")


if __name__ == "__main__":
    main()
