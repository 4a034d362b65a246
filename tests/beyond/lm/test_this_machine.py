"""Which hosts are this machine, for what must not leave it."""

import socket

import pytest

from beyond.lm.this_machine import is_this_machine


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LocalHost.",
        "127.0.0.1",
        "127.255.0.9",
        "127.1",
        "0x7f.1",
        "2130706433",
        "::1",
        "0:0:0:0:0:0:0:1",
        "::ffff:127.0.0.1",
        "0.0.0.0",
        "::",
        socket.gethostname(),
    ],
)
def test_here(host):
    assert is_this_machine(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "example.org",
        "8.8.8.8",
        "192.0.2.1",
        "2001:db8::1",
        "128.0.0.1",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "224.0.0.1",
        "255.255.255.255",
        "no-such-name",
        "a b",
        "x" * 300,
        "\udcff",
    ],
)
def test_elsewhere(host):
    assert not is_this_machine(host)


def test_names_of_other_places_are_not_looked_up(monkeypatch):
    asked = []

    def getaddrinfo(name, *_arguments, flags=0, **_options):
        if not flags & socket.AI_NUMERICHOST:
            asked.append(name)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert not is_this_machine("pictures.example.org")
    assert not is_this_machine("workstation")
    assert asked == ["workstation"]


@pytest.mark.parametrize(
    ("addresses", "here"),
    [(["127.0.1.1"], True), (["127.0.1.1", "::1"], True), (["127.0.1.1", "192.0.2.7"], False)],
)
def test_a_name_is_this_machine_if_it_stands_for_nothing_else(addresses, here, monkeypatch):
    def getaddrinfo(name, *_arguments, flags=0, **_options):
        if flags & socket.AI_NUMERICHOST:
            raise socket.gaierror
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 0)) for one in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert is_this_machine("workstation") is here
