"""Send a user's browser to a server only once it is that user's own.

A server's port is chosen before the server listens on it, and every user of the machine can listen
on a port. Whoever did so first would get what the user's browser sends, and answer in the server's
place. The system tells who owns a port, and lets nobody else have it meanwhile.
"""

from __future__ import annotations

import asyncio
import pwd
import time
from pathlib import Path

_LISTENS = "0A"  # TCP_LISTEN, as the kernel writes it
_BETWEEN_LOOKS = 0.1


class PortTaken(Exception):
    """Report that another user listens where a server should; the hub shows the message."""

    @property
    def jupyterhub_message(self) -> str:
        """Return what the hub shows to the user."""
        return str(self)


def owners(port: int) -> set[int]:
    """Return the numbers of the users who listen on a port, at whatever address."""
    found = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = Path("/proc/net", table).read_text().splitlines()[1:]
        except OSError:  # without IPv6
            continue
        for line in lines:
            _number, local, _remote, state, _queues, _timer, _retries, user, *_rest = line.split()
            if state == _LISTENS and int(local.rpartition(":")[2], 16) == port:
                found.add(int(user))
    return found


class OwnPort:
    """Keep to servers that listen on their port themselves; goes before a spawner's class."""

    async def start(self):
        """Start the server, and wait until it listens.

        Raises:
            PortTaken: somebody else does.
        """
        address = await super().start()
        end = time.monotonic() + self.start_timeout
        while time.monotonic() < end and await super().poll() is None:
            if self._listens():
                return address
            await asyncio.sleep(_BETWEEN_LOOKS)
        return address  # it has ended or is too slow, which the hub notices

    def _listens(self) -> bool:
        own = pwd.getpwnam(self.user.name).pw_uid
        found = owners(self.port)
        if found - {own}:
            raise PortTaken(
                f"Another user listens on port {self.port}, which was chosen for "
                f"{self.user.name}'s server; start the server again to get another port."
            )
        return own in found
