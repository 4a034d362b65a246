"""Measure what this machine can do, offline, instead of looking it up."""

from __future__ import annotations

import os
import platform
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import psutil

from beyond.locale import _
from beyond.ui.tables import Table

PACKAGES = ("torch", "transformers", "onnxruntime", "jupyterlab", "nbgrader")

MATRIX = 1024
"""Rows and columns of the multiplied matrices, which fit in the cache of most CPUs."""

STREAM_BYTES = 256 * 2**20
"""Bytes read to measure memory bandwidth: more than any laptop's cache."""

REFERENCE_GFLOPS = 150.0
"""What `measure` printed, rounded, on the two x86-64 cores where the lessons' times were taken."""

NEEDED_MEMORY_GB = 4.0  # free, for the largest lesson with the browser open
NEEDED_DISK_GB = 2.0  # free, for models that lessons convert and keep


@dataclass(frozen=True)
class Machine:
    """One measurement.

    Attributes:
        system: the operating system and the processor's kind.
        python: Python's version.
        cores: processor cores this process may use (hardware threads count).
        threads: threads that PyTorch computes with.
        memory_gb: memory, in 10^9 bytes; a container's limit if that is less.
        free_memory_gb: how much of it is free now.
        free_disk_gb: free space on the disk of the current folder.
        gflops: float32 matrix multiplication, in 10^9 operations per second.
        read_gb_s: sequential memory reads, in 10^9 bytes per second.
        packages: versions by name; an empty string for one that isn't installed.
    """

    system: str
    python: str
    cores: int
    threads: int
    memory_gb: float
    free_memory_gb: float
    free_disk_gb: float
    gflops: float
    read_gb_s: float
    packages: dict[str, str]

    def table(self) -> Table:
        """Tabulate the measurement, a row for each figure."""
        rows = [
            (_("System"), self.system),
            ("Python", self.python),
            (_("Cores usable · threads PyTorch uses"), f"{self.cores} · {self.threads}"),
            (_("Memory · free now"), f"{self.memory_gb:.1f} GB · {self.free_memory_gb:.1f} GB"),
            (_("Disk free here"), f"{self.free_disk_gb:.0f} GB"),
            (_("Matrix product, measured"), f"{self.gflops:.0f} GFLOP/s"),
            (_("Reading memory, measured"), f"{self.read_gb_s:.0f} GB/s"),
        ]
        rows += [(name, version or _("missing")) for name, version in self.packages.items()]
        return Table(_("This machine, now"), (_("What"), _("How much")), rows)

    def tokens_per_second_at_most(self, parameters: float, bytes_each: float) -> float:
        """Compute an upper bound on decode throughput here, for one text and one token a pass.

        Each pass reads every weight once, so memory bandwidth is the bound as long as the weights
        don't fit in the processor's cache; everything else only makes decoding slower.

        Args:
            parameters: the number of parameters, all of which are read for each token.
            bytes_each: bytes per parameter: 4 in fp32, 2 in bf16, about 0.6 in 4 bits.

        Returns:
            Tokens per second.

        Raises:
            ValueError: if one of them is not positive.
        """
        if not (parameters > 0 and bytes_each > 0):
            raise ValueError("A model has more than 0 parameters of more than 0 bytes.")
        return self.read_gb_s * 1e9 / (parameters * bytes_each)

    def advice(self) -> list[str]:
        """Return one or more sentences about what to expect of the lessons here."""
        sentences = [self._pace()]
        if self.cores < 2:
            sentences.append(
                _("There is one core: JupyterLab feels slow while a cell runs; that is normal.")
            )
        if self.free_memory_gb < NEEDED_MEMORY_GB:
            sentences.append(
                _(
                    "Only {free:.1f} GB of memory are free: close other programs and notebooks "
                    "before the lessons that load a model ({needed:.0f} GB are comfortable)."
                ).format(free=self.free_memory_gb, needed=NEEDED_MEMORY_GB)
            )
        if self.free_disk_gb < NEEDED_DISK_GB:
            sentences.append(
                _(
                    "Only {free:.1f} GB of disk are free: lessons that convert a model need "
                    "{needed:.0f} GB."
                ).format(free=self.free_disk_gb, needed=NEEDED_DISK_GB)
            )
        missing = [name for name, version in self.packages.items() if not version]
        if missing:
            sentences.append(
                _("Missing here: {names}. Start the course with: python3 env lab").format(
                    names=", ".join(missing)
                )
            )
        return sentences

    def _pace(self) -> str:
        """Describe how the times stated in lessons translate to this machine."""
        ratio = REFERENCE_GFLOPS / self.gflops
        if 1 / 1.5 <= ratio <= 1.5:
            return _("About as fast as the machine on which the lessons' times were taken.")
        if ratio < 1:
            return _(
                "About {ratio:.1f} times as fast at computing as the machine on which the lessons' "
                "times were taken."
            ).format(ratio=1 / ratio)
        return _(
            "Slower at computing than the machine on which the lessons' times were taken: where a "
            "cell says 10 s, expect about {seconds:.0f} s."
        ).format(seconds=10 * ratio)


def measure() -> Machine:
    """Measure this machine; takes about a second once PyTorch is imported."""
    import torch

    limit, _used = _container_memory()
    memory = psutil.virtual_memory()
    total = min(memory.total, limit) if limit else memory.total
    free = free_memory()

    generator = torch.Generator().manual_seed(0)
    left, right = (torch.rand(MATRIX, MATRIX, generator=generator) for _i in range(2))
    product = _shortest(lambda: left @ right, repeats=9)
    size = min(STREAM_BYTES, int(free) // 4)  # use less where memory is scarce
    stream = torch.ones(max(size, 2**20) // 4)
    reading = _shortest(lambda: stream.sum(), repeats=5)
    return Machine(
        system=f"{platform.system()} · {platform.machine()}",
        python=platform.python_version(),
        cores=_cores(),
        threads=torch.get_num_threads(),
        memory_gb=total / 1e9,
        free_memory_gb=max(free, 0) / 1e9,
        free_disk_gb=shutil.disk_usage(Path.cwd()).free / 1e9,
        gflops=2 * MATRIX**3 / product / 1e9,
        read_gb_s=stream.nbytes / reading / 1e9,
        packages={name: _version(name) for name in PACKAGES},
    )


def free_memory() -> int:
    """Return the bytes of memory this process may still take; a container's limit counts."""
    limit, used = _container_memory()
    available = psutil.virtual_memory().available
    return max(min(available, limit - used) if limit else available, 0)


def _shortest(work: Callable[[], object], repeats: int) -> float:
    """Return the shortest of several runs, in seconds, since others may be interrupted."""
    best = float("inf")
    for _i in range(repeats):
        began = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - began)
    return max(best, 1e-9)


def _cores() -> int:
    """Count the cores this process may use, which in a container may be fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _container_memory(root: Path = Path("/sys/fs/cgroup")) -> tuple[int, int]:
    """Return a Linux container's memory limit and use in bytes (cgroup v2, then v1), or (0, 0)."""
    for limit_name, used_name in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        try:
            limit = int((root / limit_name).read_text())  # "max" where there is no limit
            used = int((root / used_name).read_text())
        except (OSError, ValueError):
            continue
        if 0 < limit < 2**60:  # v1 says "no limit" with a huge number
            return limit, used
    return 0, 0


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
