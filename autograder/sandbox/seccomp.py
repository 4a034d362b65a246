"""Install a system call filter, as one of the last steps of a process that sandboxes itself.

The filter comes ready as machine code for the kernel's classic BPF (`syscall_policy` makes it,
outside and once); installing it is one system call, and nothing can take it off again.
"""

from __future__ import annotations

import ctypes
import os

_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2
_INSTRUCTION_BYTES = 8

_libc = ctypes.CDLL(None, use_errno=True)


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


def install(program: bytes) -> None:
    """Filter the calling process's system calls and those of all it will start.

    The caller has given up new privileges already, or has CAP_SYS_ADMIN.

    Args:
        program: what `syscall_policy.compiled` returned.

    Raises:
        OSError: the kernel refuses.
    """
    filled = _Program(len(program) // _INSTRUCTION_BYTES, program)
    mode = ctypes.c_ulong(_SECCOMP_MODE_FILTER)
    if _libc.prctl(_PR_SET_SECCOMP, mode, ctypes.byref(filled), 0, 0) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"system call filter: {os.strerror(number)}")
