"""Measure by the old calls of `beyond.speed` and `beyond.edge.measure`; goes with `old_names`."""

from __future__ import annotations

from typing import Any

from beyond.lm.benchmark import measure


def measure_torch(dtype: str, *args: Any, **options: Any) -> Any:
    """Measure as `beyond.speed.measure` did: in PyTorch, the dtype first."""
    return measure("torch", *args, dtype=dtype, **options)


def measure_engine(engine: str, model: Any, **options: Any) -> Any:
    """Measure as `beyond.edge.measure.measure` did: in PyTorch, the "model" is a dtype."""
    if engine == "torch":
        return measure(engine, dtype=model, **options)
    return measure(engine, model, **options)
