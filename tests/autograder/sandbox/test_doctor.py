"""What the doctor finds here, and what it says where something is missing."""

from autograder.grading.run_privileges import try_roles
from autograder.sandbox import doctor as module
from autograder.sandbox.doctor import can_grade, doctor
from autograder.sandbox.errors import SandboxUnavailable


def test_a_machine_that_can_grade(bubblewrap):
    findings = doctor(try_roles)
    assert can_grade(findings), findings
    assert [one.name for one in findings] == [
        "bubblewrap",
        "user namespaces",
        "control groups",
        "memory",
        "privileges",
        "trial",
    ]
    assert all(one.text for one in findings)


def test_a_machine_without_bubblewrap(monkeypatch):
    def nowhere(*_args, **_more):
        raise SandboxUnavailable("Grading needs bubblewrap; install it.")

    monkeypatch.setattr(module, "find_bwrap", nowhere)
    monkeypatch.setattr(module, "ZygoteClient", nowhere)
    findings = {one.name: one for one in doctor(try_roles)}
    assert not can_grade(list(findings.values()))
    assert "install" in findings["bubblewrap"].text
    assert not findings["trial"].ok


def test_a_kernel_that_keeps_user_namespaces_to_root(monkeypatch):
    monkeypatch.setattr(module, "is_privileged", lambda: False)
    monkeypatch.setattr(module, "_setting", lambda name: 1 if "apparmor" in name else None)
    finding = module._user_namespaces()
    assert not finding.ok
    assert "kernel.apparmor_restrict_unprivileged_userns=0" in finding.text
