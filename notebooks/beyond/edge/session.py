"""Open an exported model in ONNX Runtime, and run prefill and decode with it.

`OnnxModel` runs the graph as it is: tokens and past in, logits and the longer past out, which is
easy to follow but copies the past at every step. `CachedModel` keeps the past in one buffer that
the graph updates in place (IO binding with the same buffer as input and output), without copies.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime as ort

from beyond.locale import _
from beyond.old_names import handed_on, keep_old_arguments, keep_old_attributes

if TYPE_CHECKING:
    import torch

__getattr__ = handed_on(__name__)

CPU = "CPUExecutionProvider"


class Fallback(UserWarning):
    """A requested execution provider isn't being used."""


@keep_old_arguments("beyond.edge.session.open_session")
def open_session(
    path: Path,
    providers: Sequence[str] = (CPU,),
    threads: int | None = None,
    optimize: bool = True,
) -> ort.InferenceSession:
    """Open a session for a model file, on the first of `providers` that works here.

    Args:
        path: the `model.onnx`, or its folder.
        providers: in order of preference; the CPU is always the last resort.
        threads: intra-operator threads; one per core if not given.
        optimize: let ONNX Runtime rewrite the graph before it runs.

    Warns:
        Fallback: if a provider other than the first one is used. ONNX Runtime falls back
            silently when a provider can't start, so the session is asked which one it has.
    """
    available = ort.get_available_providers()
    usable = [name for name in dict.fromkeys((*providers, CPU)) if name in available]
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or cores()
    options.log_severity_level = 3  # errors only; warnings about a missing GPU don't help a learner
    if not optimize:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    if path.is_dir():
        path = path / "model.onnx"
    session = ort.InferenceSession(path, options, providers=usable)
    got = session.get_providers()[0]
    if providers and got != providers[0]:
        warnings.warn(
            _("{wanted} isn't available here; {got} does the work.").format(
                wanted=providers[0], got=got
            ),
            Fallback,
            stacklevel=2,
        )
    return session


def cores() -> int:
    """Count the cores this process may use, which in a container may be fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@keep_old_attributes("beyond.edge.session.OnnxModel")
class OnnxModel:
    """A language model in ONNX Runtime. Calling it gives logits for every token, as in PyTorch.

    Args:
        path, options: as in `open_session`.

    Attributes:
        session: the ONNX Runtime session.
        past_names: the inputs that hold the KV cache; the output for each is named `present…`.
        vocabulary: the number of logits for each token.
    """

    def __init__(self, path: Path, **options) -> None:
        self.session = open_session(path, **options)
        inputs = {each.name: each for each in self.session.get_inputs()}
        self.past_names = [name for name in inputs if name.startswith("past.")]
        self.present_names = [name.replace("past", "present") for name in self.past_names]
        _one, self.kv_heads, _cached, self.head_size = inputs[self.past_names[0]].shape
        self.vocabulary = self.session.get_outputs()[0].shape[-1]

    def empty_cache(self, capacity: int = 0) -> dict[str, np.ndarray]:
        """Return a KV cache with room for `capacity` tokens, all zeros."""
        size = (1, self.kv_heads, capacity, self.head_size)
        return {name: np.zeros(size, np.float32) for name in self.past_names}

    def run(
        self,
        ids: Sequence[int] | np.ndarray,
        past: dict[str, np.ndarray] | None = None,
        wanted: Sequence[int] | None = None,
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Run the graph on new tokens after the past.

        Args:
            ids: the new tokens.
            past: the KV cache that an earlier run returned; an empty one if not given.
            wanted: for which of the new tokens logits are computed; the last one if not given.

        Returns:
            The logits, shape (wanted, vocabulary), and the past for the next run.
        """
        past = past or self.empty_cache()
        seen = past[self.past_names[0]].shape[2]
        feed = _numbers(ids, seen, wanted) | past
        logits, *present = self.session.run(["logits", *self.present_names], feed)
        return logits[0], dict(zip(self.past_names, present, strict=True))

    def __call__(self, ids: torch.Tensor) -> torch.Tensor:
        """Return logits (batch, length, vocabulary) for ids (batch, length), text by text."""
        import torch

        everything = range(ids.shape[1])
        rows = [self.run(row.numpy(), wanted=everything)[0] for row in ids]
        return torch.from_numpy(np.stack(rows))


@keep_old_attributes("beyond.edge.session.CachedModel")
class CachedModel:
    """Prefill and decode with a KV cache of fixed capacity that is never copied.

    Args:
        model: whose session is used; several may share one, but not at the same time.
        capacity: the most tokens, of prompt and answer together, that fit.
    """

    @keep_old_arguments("beyond.edge.session.CachedModel")
    def __init__(self, model: OnnxModel, capacity: int = 1024) -> None:
        self.model = model
        self.capacity = capacity
        self.used = 0
        self._cache = {
            name: ort.OrtValue.ortvalue_from_numpy(values)
            for name, values in model.empty_cache(capacity).items()
        }
        size = (1, 1, model.vocabulary)
        self._logits = ort.OrtValue.ortvalue_from_numpy(np.zeros(size, np.float32))
        # For single tokens the buffers stay the same, so they are bound once.
        self._one = {
            name: ort.OrtValue.ortvalue_from_numpy(values)
            for name, values in _numbers([0], 0, None).items()
        }
        self._step = self._binding(self._one)

    def forward(self, ids: Sequence[int]) -> np.ndarray:
        """Append tokens to the cached ones; return the next token's logits, (vocabulary,).

        The array is overwritten by the next call.

        Raises:
            ValueError: if they exceed the capacity.
        """
        if self.used + len(ids) > self.capacity:
            raise ValueError(
                _("There is room for {room} tokens, and {wanted} are needed.").format(
                    room=self.capacity, wanted=self.used + len(ids)
                )
            )
        numbers = _numbers(ids, self.used, None)
        if len(ids) == 1:
            for name, number in numbers.items():
                self._one[name].update_inplace(number)
            binding = self._step
        else:
            values = {n: ort.OrtValue.ortvalue_from_numpy(v) for n, v in numbers.items()}
            binding = self._binding(values)
        self.model.session.run_with_iobinding(binding)
        self.used += len(ids)
        return self._logits.numpy()[0, 0]

    def reset_cache(self, keep: int = 0) -> None:
        """Truncate the cache to the first `keep` tokens."""
        self.used = min(keep, self.used)

    def generate(
        self, ids: Sequence[int], tokens: int, stop: Collection[int] = ()
    ) -> Iterator[int]:
        """Prefill `ids`, then decode up to `tokens` tokens greedily, yielding each at once.

        Args:
            ids: the prompt's tokens, appended to the cache.
            tokens: how many are generated at most.
            stop: tokens that end the generation; they aren't yielded.
        """
        logits = self.forward(ids)
        for written in range(1, tokens + 1):
            token = int(logits.argmax())
            if token in stop:
                return
            yield token
            if written < tokens:
                logits = self.forward([token])

    def _binding(self, values: dict[str, ort.OrtValue]) -> ort.IOBinding:
        binding = self.model.session.io_binding()
        for name, value in values.items():
            binding.bind_ortvalue_input(name, value)
        for name, present in zip(self.model.past_names, self.model.present_names, strict=True):
            binding.bind_ortvalue_input(name, self._cache[name])
            binding.bind_ortvalue_output(present, self._cache[name])
        binding.bind_ortvalue_output("logits", self._logits)
        return binding


def _numbers(
    ids: Sequence[int] | np.ndarray, seen: int, wanted: Sequence[int] | None
) -> dict[str, np.ndarray]:
    """Return the graph's inputs except the KV cache."""
    count = len(ids)
    return {
        "ids": np.asarray(ids, np.int64).reshape(1, count),
        "wanted": np.asarray([count - 1] if wanted is None else wanted, np.int64),
        "seen": np.array([seen + count - 1], np.int32),
        "total": np.array(seen + count, np.int32),
    }
