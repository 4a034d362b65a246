"""A disk of a few MiB, to be filled up or made read-only."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class SmallDisk:
    """A file system of its own, at `place`."""

    place: Path

    @property
    def _filling(self) -> Path:
        return self.place / "filling"

    def fill(self, but: int = 0) -> None:
        """Take all space there is, but for some bytes."""
        with self._filling.open("ab", buffering=0) as file:
            for size in (65536, 4096):
                while self.free >= size + but:
                    try:
                        file.write(bytes(size))
                    except OSError:
                        break

    def free_up(self) -> None:
        """Give back what `fill` has taken."""
        self._filling.unlink()

    @property
    def free(self) -> int:
        found = os.statvfs(self.place)
        return found.f_bavail * found.f_frsize

    def read_only(self, on: bool = True) -> None:
        """Let nobody write, root neither; or let them again."""
        option = f"remount,{'ro' if on else 'rw'}"
        subprocess.run(["mount", "-o", option, str(self.place)], check=True)


@contextmanager
def small_disk(place: Path, mebibytes: int) -> Iterator[SmallDisk]:
    """Mount one on a folder, which is made; the test is skipped where that can't be done."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root on Linux can mount a small disk")
    place.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(place)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"this machine lets nobody mount a disk: {done.stderr.strip()}")
    try:
        yield SmallDisk(place)
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)
