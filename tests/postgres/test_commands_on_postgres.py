"""The commands as their own processes, which give up root, with the gradebook on a real server."""

import shutil
import subprocess

import pytest

from tests.attacks import stations
from tests.attacks.test_instructors_faults import _taught


@pytest.mark.parametrize("mode", [0o700, 0o755], ids=["a private socket", "a public socket"])
def test_grade_and_feedback_reach_the_server(server, tmp_path, mode):
    address = server()
    folder = address.partition("host=")[2]
    root = _taught(tmp_path / "course")
    (root / "term" / "gradebook.db").unlink()
    shutil.rmtree(root / "term" / "released")
    before = subprocess.run(["stat", "-c", "%a", folder], capture_output=True, text=True)
    subprocess.run(["chmod", f"{mode:o}", folder], check=True)
    try:
        for verb in ("release", "collect", "grade", "feedback"):
            done = stations.run(verb, "small", "--db", address, course=root)
            assert done.code == 0, done.said
    finally:
        subprocess.run(["chmod", before.stdout.strip(), folder], check=True)
    assert len(list((root / "term" / "feedback").glob("*/small/*.html"))) == 3
