"""Measure the processor's energy with RAPL, where Linux lets us read it.

RAPL ("running average power limit") counts the energy of a processor package in microjoules; Linux
shows it under /sys/class/powercap (https://docs.kernel.org/power/powercap/powercap.html). The
package is everything on the chip, other programs' work included. Since CVE-2020-8694 only root may
read the counters; virtual machines usually have none. Without a counter nothing is estimated.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from beyond.locale import _

POWERCAP = Path("/sys/class/powercap")


@dataclass(frozen=True)
class Energy:
    """What some work took."""

    joules: float
    seconds: float

    @property
    def watts(self) -> float:
        """The mean power."""
        return self.joules / self.seconds


class Counters:
    """The energy counters of this machine's processor packages.

    Args:
        root: where Linux shows them.

    Attributes:
        problem: why nothing can be measured, as a sentence; empty if it can.
    """

    def __init__(self, root: Path = POWERCAP) -> None:
        # intel-rapl:0 is a package (AMD's too); intel-rapl:0:0 is a part of it
        self._zones = [
            zone
            for zone in sorted(root.glob("intel-rapl:*"))
            if zone.name.count(":") == 1 and (zone / "energy_uj").exists()
        ]
        self.problem = ""
        if not self._zones:
            self.problem = _(
                "This machine shows no energy counter under {folder} (virtual machines, macOS and "
                "Windows don't), so no energy is given."
            ).format(folder=root)
            return
        try:
            self._read()
        except OSError:
            self.problem = _(
                "The energy counter {file} may be read by the administrator only, so no energy is "
                "given."
            ).format(file=self._zones[0] / "energy_uj")

    def measure(self, work: Callable[[], object]) -> Energy | None:
        """Do some work and return its energy; None if it can't be measured.

        The work should take well under a minute: a counter that goes round twice isn't noticed.
        """
        if self.problem:
            return None
        before, began = self._read(), time.perf_counter()
        work()
        seconds, after = time.perf_counter() - began, self._read()
        used = 0
        for zone, start, end in zip(self._zones, before, after, strict=True):
            # the counter starts again at 0 when it is full
            used += (
                end - start if end >= start else end - start + _number(zone, "max_energy_range_uj")
            )
        return Energy(used / 1e6, seconds)

    def _read(self) -> list[int]:
        return [_number(zone, "energy_uj") for zone in self._zones]


def _number(zone: Path, name: str) -> int:
    return int((zone / name).read_text("ascii"))
