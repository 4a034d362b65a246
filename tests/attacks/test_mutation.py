"""Every barrier of the registry has a case that exists (`mutation.py` takes the barriers down)."""

import os
import subprocess
import sys

import pytest

from tests.attacks import families, launcher, mutation


def test_every_barrier_is_guarded():
    registered = mutation.registry()
    if not registered:
        pytest.skip(f"there is no {mutation.BARRIERS}")
    assert set(mutation.GUARDS) | set(mutation.UNSEEN) == set(registered)
    assert not set(mutation.GUARDS) & set(mutation.UNSEEN)


def test_every_guard_is_a_case():
    named = {name for guards in mutation.GUARDS.values() for name in guards}
    assert named <= set(families.by_name())
    assert all(mutation.GUARDS.values())
    assert set(mutation.COVERED_BY) <= set(mutation.GUARDS)
    assert set(mutation.UNSEEN_WHERE) <= set(mutation.GUARDS)


def test_a_barrier_is_down_in_every_process(tmp_path):
    """Taken down as the registry is imported, by the command and by processes it starts anew."""
    package = tmp_path / "autograder" / "sandbox"
    package.mkdir(parents=True)
    for folder in (package.parent, package):
        (folder / "__init__.py").touch()
    (package / "barriers.py").write_text("DOWN = frozenset()\n")
    script = tmp_path / "command.py"
    script.write_text(
        "import multiprocessing\n"
        "def show():\n"
        "    from autograder.sandbox.barriers import DOWN\n"
        "    print(sorted(DOWN), flush=True)\n"
        "if __name__ == '__main__':\n"
        "    show()\n"
        "    one = multiprocessing.get_context('spawn').Process(target=show)\n"
        "    one.start()\n"
        "    one.join()\n"
    )
    path = f"{launcher.patched_imports(['a barrier', 'another'])}:{tmp_path}"
    done = subprocess.run(
        [sys.executable, str(script)], env={**os.environ, "PYTHONPATH": path}, capture_output=True
    )
    assert done.stdout.decode() == "['a barrier', 'another']\n" * 2, done.stderr.decode()
