"""With each barrier down, its probe notices; with all of them up, none does."""

import os

import pytest

from autograder.sandbox import barriers, probes, syscalls
from autograder.sandbox.zygote_client import ZygoteClient


@pytest.fixture(scope="module", autouse=True)
def login():
    syscalls.new_session_keyring()  # as a login does: then every child would inherit it
    os.environ["BEYOND_GRADERS_OWN"] = "secret"
    yield
    del os.environ["BEYOND_GRADERS_OWN"]


def found(imports=()):
    with ZygoteClient(imports=imports) as parent, parent.fork() as one, parent.fork() as other:
        return {
            probe.barrier
            for probe in probes.failing_probes(one.socket, other.socket, parent.limits)
        }


def test_no_probe_finds_a_hole(bubblewrap):
    assert found() == set()


def test_every_barrier_that_can_be_seen_has_a_probe():
    assert {probe.barrier for probe in probes.PROBES} == barriers.ALL.keys() - probes.UNSEEN


@pytest.mark.parametrize("barrier", sorted(barriers.ALL.keys() - probes.UNSEEN))
def test_a_barrier_that_is_down_is_noticed(bubblewrap, monkeypatch, barrier):
    if barrier == barriers.USER and not syscalls.is_privileged():
        pytest.skip("only root changes its user")
    monkeypatch.setattr(barriers, "DOWN", frozenset({barrier}))
    # onnxruntime maps a database of its own in the zygote.
    imports = ("onnxruntime",) if barrier == barriers.OWN_MEMORY else ()
    assert barrier in found(imports)


def test_a_package_that_maps_shared_memory_when_it_is_imported(bubblewrap):
    assert found(("onnxruntime", "torch")) == set()


def test_a_barrier_has_to_be_known():
    with pytest.raises(KeyError):
        barriers.stands("moat")


def test_nothing_but_this_process_takes_a_barrier_down(bubblewrap, monkeypatch):
    for name in ("DOWN", "BARRIERS", "BARRIERS_DOWN", "AUTOGRADER_DOWN", "BEYOND_DOWN"):
        monkeypatch.setenv(name, barriers.NETWORK)
    assert barriers.NETWORK not in found()
