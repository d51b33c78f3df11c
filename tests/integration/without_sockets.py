"""Run a command in which the kernel ends every process that makes a socket: `without_sockets.py COMMAND ARGUMENT…`.

A seccomp filter (man 2 seccomp) that each child inherits and none can remove. It looks at nothing that the command
says of itself. Linux on x86-64 and 64-bit ARM.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys

# architecture → (AUDIT_ARCH, system calls that make a socket or take one from a listening one)
ARCHITECTURES = {
    "x86_64": (0xC000003E, {"socket": 41, "accept": 43, "socketpair": 53, "accept4": 288}),
    "aarch64": (0xC00000B7, {"socket": 198, "socketpair": 199, "accept": 202, "accept4": 242}),
}

_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_RET|K
_KILL_PROCESS, _ALLOW = 0x80000000, 0x7FFF0000
_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 38, 22, 2


def install() -> None:
    architecture, calls = ARCHITECTURES[platform.machine()]
    numbers = sorted(number for name, number in calls.items() if name != "socketpair")
    program = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, architecture), (_RETURN, 0, 0, _KILL_PROCESS), (_LOAD, 0, 0, 0)]
    program += [(_EQUAL, len(numbers) - index, 0, number) for index, number in enumerate(numbers)]
    program += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _KILL_PROCESS)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))
    described = struct.pack("HxxxxxxP", len(program), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in ((_NO_NEW_PRIVILEGES, 1, 0, 0, 0), (_SET_SECCOMP, _FILTER, described, 0, 0)):
        if libc.prctl(*arguments):
            raise OSError(ctypes.get_errno(), "the filter cannot be installed")


if __name__ == "__main__":
    install()
    os.execvp(sys.argv[1], sys.argv[1:])
