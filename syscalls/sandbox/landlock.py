"""Landlock: which files a process may touch, from now on and for good, whatever it becomes.

It says nothing of names, modes and times of files, nor of most sockets: `seccomp` does.
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterable

from . import linux

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION = 1
_PATH_BENEATH = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_MAKE_CHAR, _MAKE_BLOCK = 1 << 6, 1 << 11
_NEWEST = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}  # how many rights an ABI has
_ALL_TCP = 0b11
_ABSTRACT_SOCKETS_AND_SIGNALS = 0b11

SCOPED = 6
"""From this ABI on, signals and abstract sockets stay among the restricted, too."""


class _Ruleset(ctypes.Structure):
    _fields_ = (
        ("fs", ctypes.c_uint64),
        ("net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


def abi() -> int:
    """What the kernel has of it; 0 for nothing."""
    try:
        return linux.system("landlock", _CREATE_RULESET, None, 0, _VERSION)
    except OSError:
        return 0


def restrict(reads: Iterable[str], writes: Iterable[str]) -> None:
    """Leave this thread, and what it starts, these folders and files. Raises OSError."""
    version = abi()
    handled = (1 << _NEWEST.get(version, 16)) - 1
    size = 8 if version < 4 else 16 if version < SCOPED else 24
    ruleset = _Ruleset(handled, _ALL_TCP, _ABSTRACT_SOCKETS_AND_SIGNALS)
    rules = linux.system("landlock", _CREATE_RULESET, ctypes.byref(ruleset), size, 0)
    try:
        for path in reads:
            _allow(rules, path, _READ)
        for path in writes:
            _allow(rules, path, handled & ~(_MAKE_CHAR | _MAKE_BLOCK))
        linux.no_new_privileges()
        linux.system("landlock", _RESTRICT_SELF, rules, 0)
    finally:
        os.close(rules)


def _allow(rules: int, path: str, rights: int) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            rights &= _OF_FILES
        handled = (1 << _NEWEST.get(abi(), 16)) - 1
        rule = _Beneath(rights & handled, fd)
        linux.system(f"landlock {path}", _ADD_RULE, rules, _PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(fd)
