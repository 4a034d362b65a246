"""Wake the watching loop: when something changes in the exchange, or a worker is done."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_GATHERED_MS = 50
_STEP_MS = 10
_ASKED_TO_STOP_MS = 200


class WakeUps:
    """Let one thread wait until any other has something for it."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.failure = ""

    def set(self, *_ignored: object) -> None:
        """Wake the waiting thread."""
        self._event.set()

    def wait(self, seconds: float) -> None:
        """Wait until somebody calls, or the time is over."""
        self._event.wait(max(0.0, seconds))
        self._event.clear()


@contextmanager
def notified(folder: Path, wake_ups: WakeUps) -> Iterator[None]:
    """Wake by the system's own notices of changes in a folder, during the block.

    Only the folder itself is asked about: students may make any number of folders in theirs, and
    the system lends a limited number of such watches. Where notices can't be had, `failure` says
    why; the loop looks by itself from time to time anyway.

    Args:
        folder: the exchange's folder.
        wake_ups: whom to wake.
    """
    stop = threading.Event()
    thread = threading.Thread(target=_listen, args=(folder, wake_ups, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _listen(folder: Path, wake_ups: WakeUps, stop: threading.Event) -> None:
    from watchfiles import watch

    try:
        for _changes in watch(
            folder,
            watch_filter=None,
            debounce=_GATHERED_MS,
            step=_STEP_MS,
            stop_event=stop,
            rust_timeout=_ASKED_TO_STOP_MS,
            raise_interrupt=False,
            force_polling=False,
            recursive=False,
        ):
            wake_ups.set()
    except (OSError, RuntimeError) as error:
        wake_ups.failure = str(error)
        wake_ups.set()
