"""Tell whether an address is this very machine's, so that what is sent there stays here."""

from __future__ import annotations

import ipaddress
import socket

_LOCAL_ENDINGS = (".localhost", ".local", ".localdomain")


def is_this_machine(host: str) -> bool:
    """Return whether a URL's host is this machine.

    That is a loopback address in any notation, "any address" (0.0.0.0), an address that one of
    this machine's own network cards has, and a name that stands for nothing else. Only names that
    a local network gives are looked up: a lookup of others would tell who is going to be asked.

    Args:
        host: an address without brackets, or a name.
    """
    name = host.rstrip(".").lower()
    if name == "localhost":
        return True
    addresses = _addresses(name, socket.AI_NUMERICHOST)
    if not addresses and _is_local_name(name):
        addresses = _addresses(name)
    return bool(addresses) and all(map(_is_own, addresses))


def _is_local_name(name: str) -> bool:
    own = socket.gethostname().lower()
    return "." not in name or name.endswith(_LOCAL_ENDINGS) or name == own


def _addresses(name: str, flags: int = 0) -> set[str]:
    """Return the addresses that a name or a notation stands for; none if for nothing."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM, flags=flags)
    except (OSError, UnicodeError, ValueError):
        return set()
    return {str(where[0]) for _family, _kind, _protocol, _name, where in found}


def _is_own(address: str) -> bool:
    found = ipaddress.ip_address(address)
    if isinstance(found, ipaddress.IPv6Address):
        found = found.ipv4_mapped or found
    if found.is_loopback or found.is_unspecified:
        return True
    if found.is_multicast or str(found) == "255.255.255.255":
        return False
    family = socket.AF_INET if found.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(found), 0))  # which only its owner may
    except OSError:
        return False
    return True
