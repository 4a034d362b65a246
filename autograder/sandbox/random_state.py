"""Hand the state of the usual random generators from a test to the student's process.

In a notebook a test that calls `numpy.random.seed(3)` decides what the student's function draws.
Here the two draw in different processes, so the test's state is sent along. None comes back: a
submission would choose the test's own inputs.

Imports nothing but the standard library, because it runs in the sandbox.
"""

from __future__ import annotations

import random
import sys
from typing import Any


class Seeds:
    """Whether the usual generators have been seeded: to the same state as before, too."""

    _one: Seeds | None = None

    def __init__(self) -> None:
        self._is_seeded = False

    @classmethod
    def watched(cls) -> Seeds:
        """Return the one of this process, which listens from now on."""
        if cls._one is None:
            cls._one = cls()
        for module, name in (
            ("random", "seed"),
            ("numpy.random", "seed"),
            ("torch", "manual_seed"),
        ):
            if module in sys.modules:
                cls._one._listen(sys.modules[module], name)
        return cls._one

    def _listen(self, module: Any, name: str) -> None:
        seed = getattr(module, name)
        if getattr(seed, "is_watched", False):
            return

        def watched(*args: Any, **kwargs: Any) -> Any:
            self._is_seeded = True
            return seed(*args, **kwargs)

        watched.is_watched = True  # type: ignore[attr-defined]  # a mark of ours
        setattr(module, name, watched)

    def taken(self) -> bool:
        """Return whether one has been seeded since this was last asked."""
        found, self._is_seeded = self._is_seeded, False
        return found


def current() -> dict[str, Any]:
    """Return the state of each usual generator as a plain value, by library."""
    found: dict[str, Any] = {"random": random.getstate()}
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if numpy is not None and "numpy.random" in sys.modules:
        found["numpy"] = numpy.random.get_state(legacy=True)
    if torch is not None:
        found["torch"] = torch.get_rng_state()
    return found


def adopt(state: dict[str, Any]) -> None:
    """Go on from a state that `current` returned elsewhere."""
    if "random" in state:
        random.setstate(state["random"])
    if "numpy" in state and "numpy" in sys.modules:
        sys.modules["numpy"].random.set_state(state["numpy"])
    if "torch" in state and "torch" in sys.modules:
        sys.modules["torch"].set_rng_state(state["torch"])
