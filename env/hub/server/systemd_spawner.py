"""Start servers as units of systemd."""

from __future__ import annotations

from own_port import OwnPort
from systemdspawner import SystemdSpawner


class UnitSpawner(OwnPort, SystemdSpawner):
    """Let systemd hold each server to its limits, and send users to their own ports only."""
