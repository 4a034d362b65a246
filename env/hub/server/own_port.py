"""Send a user's browser to a server only once it is that user's own.

A server's port is chosen before the server listens on it, and every user of the machine can listen
on a port. Whoever did so first would get what the user's browser sends, and answer in the server's
place. The system tells who owns a port, and lets nobody else have it meanwhile.
"""

from __future__ import annotations

import asyncio
import pwd
import sys
import time
from pathlib import Path

_LISTENS = "0A"  # TCP_LISTEN, as the kernel writes it
_LOOPBACK = int.from_bytes(bytes([127, 0, 0, 1]), sys.byteorder)
# Where the hub reaches a server, as the kernel writes it. Another address of the loopback network
# can be anybody's.
_PLACES = {
    f"{_LOOPBACK:08X}",
    "0" * 8,
    "0" * 32,
    f"{'0' * 16}{0xFFFF0000 if sys.byteorder == 'little' else 0xFFFF:08X}{_LOOPBACK:08X}",
}
_BETWEEN_LOOKS = 0.1


class NotListening(Exception):
    """Report that a server doesn't listen on its port; the hub shows the message."""

    @property
    def jupyterhub_message(self) -> str:
        """Return what the hub shows to the user."""
        return str(self)


def owners(port: int) -> set[int]:
    """Return the numbers of the users who listen on a port where the hub would reach them."""
    found = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = Path("/proc/net", table).read_text().splitlines()[1:]
        except OSError:  # without IPv6
            continue
        for line in lines:
            _number, local, _remote, state, _queues, _timer, _retries, user, *_rest = line.split()
            address, _colon, number = local.rpartition(":")
            if state == _LISTENS and address in _PLACES and int(number, 16) == port:
                found.add(int(user))
    return found


class OwnPort:
    """Keep to servers that listen on their port themselves; goes before a spawner's class."""

    async def start(self):
        """Start the server, and wait until it listens.

        Raises:
            NotListening: somebody else does, it has ended, or it takes too long.
        """
        address = await super().start()
        end = time.monotonic() + self.start_timeout
        while time.monotonic() < end and await super().poll() is None:
            if self._listens():
                return address
            await asyncio.sleep(_BETWEEN_LOOKS)
        # The address isn't returned: a port that is held without listening shows in no table, ends
        # the server, and could be listened on as soon as the hub sends the user there.
        raise NotListening(
            f"The server of {self.user.name} ended or took too long before it listened on port "
            f"{self.port}; start it again, and see the hub's log if that doesn't help."
        )

    def _listens(self) -> bool:
        own = pwd.getpwnam(self.user.name).pw_uid
        found = owners(self.port)
        if found - {own}:
            raise NotListening(
                f"Another user listens on port {self.port}, which was chosen for "
                f"{self.user.name}'s server; start the server again to get another port."
            )
        return own in found
