"""Seccomp: calls of the operating system that nothing in a sandbox may make.

A list of what is refused and not of what is allowed: which calls an interpreter makes changes with
every libc. What it holds: other namespaces and mounts, other processes' memory, sockets of every
family, the kernel's keys, modules, tracing and io_uring (which would pass by this filter), and bits
that make a file run as its owner. Numbers are those of x86_64 and aarch64; the rest is refused a
sandbox.
"""

from __future__ import annotations

import ctypes
import errno
from collections.abc import Sequence
from dataclasses import dataclass

from . import linux

_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32 = 0x40000000
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_LOAD, _AND, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x06
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16

# By name, (x86_64, aarch64); None where there is none.
_REFUSED: dict[str, tuple[int | None, int | None]] = {
    # namespaces and mounts
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433),
    "mount_setattr": (442, 442), "open_tree_attr": (467, 467), "setns": (308, 268),
    "unshare": (272, 97),
    # other processes
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "kcmp": (312, 272), "pidfd_getfd": (438, 438), "process_madvise": (440, 440),
    "process_mrelease": (448, 448), "setpriority": (141, 140), "ioprio_set": (251, 30),
    "move_pages": (279, 239), "migrate_pages": (256, 238),
    # sockets; socketpair reaches nobody else
    "socket": (41, 198), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201),
    "accept": (43, 202), "accept4": (288, 242),
    # the kernel itself
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "reboot": (169, 142),
    "swapon": (167, 224), "swapoff": (168, 225), "acct": (163, 89), "quotactl": (179, 60),
    "quotactl_fd": (443, 443), "settimeofday": (164, 170), "clock_settime": (227, 112),
    "adjtimex": (159, 171), "clock_adjtime": (305, 266), "sethostname": (170, 161),
    "setdomainname": (171, 162), "syslog": (103, 116), "vhangup": (153, 58),
    "personality": (135, 92), "fanotify_init": (300, 262), "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265), "lookup_dcookie": (212, 18), "iopl": (172, None),
    "ioperm": (173, None), "modify_ldt": (154, None), "memfd_secret": (447, 447),
}  # fmt: skip

# Where nothing but Landlock and this filter stands between a program and the files and processes
# of its user: modes, owners, times and attributes of files, shared memory, and leaving the group
# by which a program is ended.
_REFUSED_WITHOUT_NAMESPACES: dict[str, tuple[int | None, int | None]] = {
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452),
    "chown": (92, None), "fchown": (93, 55), "lchown": (94, None), "fchownat": (260, 54),
    "utime": (132, None), "utimes": (235, None), "futimesat": (261, None),
    "utimensat": (280, 88), "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7),
    "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16),
    "setxattrat": (463, 463), "removexattrat": (466, 466), "file_setattr": (469, 469),
    "shmget": (29, 194), "shmat": (30, 196), "shmctl": (31, 195), "msgget": (68, 186),
    "msgsnd": (69, 189), "msgrcv": (70, 188), "semget": (64, 190), "semop": (65, 193),
    "semctl": (66, 191), "semtimedop": (220, 192), "msgctl": (71, 187),
    "mq_open": (240, 180), "mq_unlink": (241, 181), "setsid": (112, 157), "setpgid": (109, 154),
}  # fmt: skip

# What must look as if this were an older kernel, so that libc takes a way that can be seen into.
_MISSING: dict[str, tuple[int | None, int | None]] = {
    "clone3": (435, 435), "openat2": (437, 437),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _When:
    """Refused when every (argument, mask) has a bit of the mask."""

    numbers: tuple[int | None, int | None]
    having: tuple[tuple[int, int], ...]


_NAMESPACES = 0x7E020000
_OWNERS_BITS = 0o6000
_CREATES = 0o100 | 0o20000000  # O_CREAT, O_TMPFILE
_ANY = 0xFFFFFFFF
_REFUSED_WHEN = (
    _When((56, 220), ((0, _NAMESPACES),)),  # clone
    _When((90, None), ((1, _OWNERS_BITS),)),  # chmod
    _When((91, 52), ((1, _OWNERS_BITS),)),  # fchmod
    _When((268, 53), ((2, _OWNERS_BITS),)),  # fchmodat
    _When((452, 452), ((2, _OWNERS_BITS),)),  # fchmodat2
    _When((83, None), ((1, _OWNERS_BITS),)),  # mkdir
    _When((258, 34), ((2, _OWNERS_BITS),)),  # mkdirat
    _When((133, None), ((1, _OWNERS_BITS),)),  # mknod
    _When((259, 33), ((2, _OWNERS_BITS),)),  # mknodat
    _When((85, None), ((1, _OWNERS_BITS),)),  # creat
    _When((2, None), ((1, _CREATES), (2, _OWNERS_BITS))),  # open
    _When((257, 56), ((2, _CREATES), (3, _OWNERS_BITS))),  # openat
    _When((302, 261), ((0, _ANY),)),  # prlimit64, of another process
    _When((203, 122), ((0, _ANY),)),  # sched_setaffinity
    _When((144, 119), ((0, _ANY),)),  # sched_setscheduler
    _When((142, 118), ((0, _ANY),)),  # sched_setparam
    _When((314, 274), ((0, _ANY),)),  # sched_setattr
)
_TERMINAL = ((16, 29), 1, (0x5412, 0x541C))  # ioctl: TIOCSTI and TIOCLINUX type into a terminal


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("yes", ctypes.c_uint8),
        ("no", ctypes.c_uint8),
        ("value", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("filter", ctypes.POINTER(_Instruction)))


Step = tuple[int, int, int, int]


def available() -> bool:
    return linux.MACHINE in _AUDIT_ARCH


def restrict(*, namespaces: bool) -> None:
    """Of this thread and what it starts, for good. `namespaces`: has it some of its own?"""
    steps = _steps(list(_AUDIT_ARCH).index(linux.MACHINE), namespaces)
    instructions = (_Instruction * len(steps))(*(_Instruction(*step) for step in steps))
    linux.no_new_privileges()
    linux.install_filter(_Program(len(steps), instructions))


def _steps(machine: int, namespaces: bool) -> list[Step]:
    steps: list[Step] = [
        (_LOAD, 0, 0, _ARCH),
        (_EQUAL, 1, 0, _AUDIT_ARCH[linux.MACHINE]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, _ERRNO | errno.ENOSYS),
    ]
    refused = _REFUSED if namespaces else _REFUSED | _REFUSED_WITHOUT_NAMESPACES
    steps += _always(refused, machine, errno.EPERM)
    steps += _always(_MISSING, machine, errno.ENOSYS)
    for when in _REFUSED_WHEN:
        if (number := when.numbers[machine]) is not None:
            steps += _when(number, when.having)
    numbers, argument, requests = _TERMINAL
    for request in requests:
        steps += [
            (_LOAD, 0, 0, _NUMBER),
            (_EQUAL, 0, 3, numbers[machine]),
            (_LOAD, 0, 0, _ARGUMENTS + 8 * argument),
            (_EQUAL, 0, 1, request),
            (_RETURN, 0, 0, _ERRNO | errno.EPERM),
        ]
    return [*steps, (_RETURN, 0, 0, _ALLOW)]


def _always(calls: dict[str, tuple[int | None, int | None]], machine: int, code: int) -> list[Step]:
    steps: list[Step] = []
    for numbers in calls.values():
        if (number := numbers[machine]) is not None:
            steps += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ERRNO | code)]
    return steps


def _when(number: int, having: Sequence[tuple[int, int]]) -> list[Step]:
    """Low halves of arguments: modes, flags and pids have no others."""
    tests: list[Step] = []
    left = 3 * len(having) + 1  # steps behind the first test, the refusal included
    for argument, mask in having:
        left -= 3
        tests += [
            (_LOAD, 0, 0, _ARGUMENTS + 8 * argument),
            (_AND, 0, 0, mask),
            (_EQUAL, left, 0, 0),
        ]
    return [
        (_LOAD, 0, 0, _NUMBER),
        (_EQUAL, 0, len(tests) + 1, number),
        *tests,
        (_RETURN, 0, 0, _ERRNO | errno.EPERM),
    ]
