"""Calls of the operating system that Python has no name for. Each raises OSError."""

from __future__ import annotations

import ctypes
import os
import platform
from contextlib import suppress

MACHINE = platform.machine()

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
MNT_DETACH = 2

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_SECCOMP = 22
_PR_CAPBSET_DROP = 24
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_MODE_FILTER = 2
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_CAPSET = {"x86_64": 126, "aarch64": 91}
_CAPABILITIES_V3 = 0x20080522
_MAX_CAPABILITIES = 64

_libc = ctypes.CDLL(None, use_errno=True)


def system(what: str, number: int, *arguments: object) -> int:
    """A call by its number."""
    return _checked(what, int(_libc.syscall(number, *arguments)))


def unshare(flags: int) -> None:
    _checked("unshare", _libc.unshare(flags))


def mount(
    source: str, target: str, kind: str | None = None, flags: int = 0, data: str | None = None
) -> None:
    kind_, data_ = (None if text is None else text.encode() for text in (kind, data))
    result = _libc.mount(
        os.fsencode(source), os.fsencode(target), kind_, ctypes.c_ulong(flags), data_
    )
    _checked(f"mount {target}", result)


def unmount(target: str) -> None:
    _checked(f"unmount {target}", _libc.umount2(os.fsencode(target), MNT_DETACH))


def pivot_root(new: str, old: str) -> None:
    system("pivot_root", _PIVOT_ROOT[MACHINE], os.fsencode(new), os.fsencode(old))


def die_with_parent(signal: int) -> None:
    _prctl("die with the parent", _PR_SET_PDEATHSIG, signal)


def inherit_orphans() -> None:
    """Whatever is started below this process becomes its child when its own parent ends."""
    _prctl("inherit orphans", _PR_SET_CHILD_SUBREAPER, 1)


def no_new_privileges() -> None:
    _prctl("no_new_privs", _PR_SET_NO_NEW_PRIVS, 1)


def drop_capabilities() -> None:
    """For good: what this process becomes has none either, were it root."""
    for number in range(_MAX_CAPABILITIES):
        with suppress(OSError):  # there is no such one, or none to drop
            _prctl("drop a capability", _PR_CAPBSET_DROP, number)
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_V3, 0)
    none = (ctypes.c_uint32 * 6)()
    system("capset", _CAPSET[MACHINE], ctypes.byref(header), ctypes.byref(none))


def install_filter(program: ctypes.Structure) -> None:
    _prctl("seccomp", _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program))


def _prctl(what: str, option: int, *arguments: object) -> None:
    padded = [ctypes.c_ulong(a) if isinstance(a, int) else a for a in arguments]
    padded += [ctypes.c_ulong(0)] * (4 - len(padded))
    _checked(what, _libc.prctl(option, *padded))


def _checked(what: str, result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result
