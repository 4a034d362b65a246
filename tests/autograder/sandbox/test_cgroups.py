"""Where groups are looked for, on the kinds of machines there are, and what is written there."""

import os
from pathlib import Path

import pytest

from autograder.sandbox.cgroups import Cgroup, candidates, find_parent_cgroups
from autograder.sandbox.limits import SandboxLimits

ALL = {"memory", "pids", "cpu"}

SYSTEMD = (
    "0::/user.slice/user-1000.slice/user@1000.service/app.slice/run-u7.scope\n",
    "31 24 0:27 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n",
)
CONTAINER = (
    "0::/\n",
    "900 899 0:27 /docker/abc /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw,nsdelegate\n",
)
OLD = (
    "5:memory:/jobs/7\n4:cpu,cpuacct:/\n3:pids:/\n0::/init.scope\n",
    "40 32 0:35 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "41 32 0:36 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "42 32 0:37 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
    "43 32 0:38 / /sys/fs/cgroup/blkio rw - cgroup cgroup rw,blkio\n",
)
OLD_CONTAINER = (
    "5:memory:/docker/abc\n",
    "40 32 0:35 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
)


def test_version_2_tries_the_own_group_and_its_parent():
    parent = Path("/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice")
    assert candidates(*SYSTEMD) == [(parent / "run-u7.scope", 2, ALL), (parent, 2, ALL)]
    assert candidates(*CONTAINER)[0] == (Path("/sys/fs/cgroup"), 2, ALL)


def test_version_1_has_a_hierarchy_for_each():
    assert candidates(*OLD) == [
        (Path("/sys/fs/cgroup/memory/jobs/7"), 1, {"memory"}),
        (Path("/sys/fs/cgroup/cpu,cpuacct"), 1, {"cpu"}),
        (Path("/sys/fs/cgroup/pids"), 1, {"pids"}),
    ]
    assert candidates(*OLD_CONTAINER) == [(Path("/sys/fs/cgroup/memory"), 1, {"memory"})]


@pytest.mark.parametrize(
    ("version", "files", "written"),
    [
        (
            2,
            ["memory.max", "memory.oom.group", "pids.max", "cpu.max", "cgroup.procs"],
            {"pids.max": "9", "cpu.max": "200000 100000", "memory.oom.group": "1"},
        ),
        (
            1,
            ["memory.limit_in_bytes", "pids.max", "cpu.cfs_quota_us", "cgroup.procs"],
            {"pids.max": "9", "cpu.cfs_quota_us": "200000"},
        ),
    ],
)
def test_what_a_group_is_given(tmp_path, monkeypatch, version, files, written):
    make = os.mkdir

    def with_files(name, *args, dir_fd=None, **more):
        make(name, *args, dir_fd=dir_fd, **more)
        for file in files:
            (tmp_path / name / file).touch()

    monkeypatch.setattr(os, "mkdir", with_files)
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        parents = [(folder, version, ("memory", "pids", "cpu"))]
        group = Cgroup(parents, "g", SandboxLimits(processes=9, cores=2, memory_bytes=1 << 30))
        group.enter()
        assert not group.ran_out_of_memory()
        (tmp_path / "g" / "memory.events").write_text("low 0\noom 2\noom_kill 1\n")
        (tmp_path / "g" / "memory.oom_control").write_text("under_oom 0\noom_kill 1\n")
        assert group.ran_out_of_memory()
    finally:
        os.close(folder)
    memory = "memory.max" if version == 2 else "memory.limit_in_bytes"
    assert int((tmp_path / "g" / memory).read_text()) >= 1 << 30
    assert (tmp_path / "g" / "cgroup.procs").read_text() == "0"
    for name, value in written.items():
        assert (tmp_path / "g" / name).read_text() == value


def test_looking_for_groups_leaves_none_behind():
    found = find_parent_cgroups()
    assert found == find_parent_cgroups()
    for parent in found:
        assert not list(parent.path.glob(f"autograder-{os.getpid()}-trial"))
