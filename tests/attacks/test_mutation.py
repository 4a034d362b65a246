"""Every barrier of the registry has a case that exists (`mutation.py` takes the barriers down)."""

import os
import subprocess
import sys

import pytest

from tests.attacks import families, launcher, mutation, stations


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


@pytest.mark.parametrize("name", [launcher.LEAST_RUN, launcher.JUDGE])
def test_a_limit_is_shorter_in_every_process(name):
    code = (
        "import multiprocessing\n"
        "def show():\n"
        f"    from {launcher.LIMITS} import longest_job, {name}\n"
        f"    print({name}, longest_job(1), flush=True)\n"
        "if __name__ == '__main__':\n"
        "    show()\n"
        "    one = multiprocessing.get_context('fork').Process(target=show)\n"
        "    one.start()\n"
        "    one.join()\n"
    )

    def said(limits):
        path = f"{launcher.patched_imports([], limits)}:{stations.ROOT}"
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.splitlines() or done.stderr

    first, second = said({name: 7})
    assert first == second and first.startswith("7 ")
    assert float(first.split()[1]) < float(said({})[0].split()[1])
    assert f"has no {name}_TOO" in said({f"{name}_TOO": 7})
