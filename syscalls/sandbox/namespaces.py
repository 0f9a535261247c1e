"""Namespaces: a machine of its own, in which there is the process's folder and little else.

After bubblewrap: a new root in memory, the system's programs and libraries read-only, `/tmp`,
`/dev` and `/proc` of its own, no network. The folder is where it is outside, so that paths mean the
same.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from . import linux

USER_ID = 1000
"""Who the program is inside; outside it is whoever runs the kernel, without privileges."""

_ALL = (
    linux.CLONE_NEWUSER
    | linux.CLONE_NEWNS
    | linux.CLONE_NEWPID
    | linux.CLONE_NEWNET
    | linux.CLONE_NEWIPC
    | linux.CLONE_NEWUTS
    | linux.CLONE_NEWCGROUP
)
_BASE = "/tmp"
_OLD, _NEW = "/old", "/new"
_DEVICES = ("null", "zero", "full", "random", "urandom")
_ETC = {
    "passwd": f"agent:x:{USER_ID}:{USER_ID}:agent:/tmp:/bin/sh\n",
    "group": f"agent:x:{USER_ID}:\n",
    "hosts": "",
}
_FROM_ETC = ("ld.so.cache", "localtime", "alternatives")
MAX_PROCESSES = 310
"""The least that Linux takes for a pid namespace (since 6.14), a little above its reserve."""


def leave(user: int, group: int) -> None:
    """Begin namespaces of one's own; children are in a pid namespace. Raises OSError."""
    linux.unshare(_ALL)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{USER_ID} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{USER_ID} {group} 1")


def furnish(folder: str, *, writable: bool, system: Sequence[str], tmp_bytes: int) -> None:
    """As the first process of the namespaces: move into the new root. Raises OSError."""
    linux.mount("none", "/", None, linux.MS_REC | linux.MS_PRIVATE)
    linux.mount("tmpfs", _BASE, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "mode=0755,size=1m")
    os.mkdir(_BASE + _OLD)
    os.mkdir(_BASE + _NEW)
    linux.pivot_root(_BASE, _BASE + _OLD)
    os.chdir("/")
    linux.mount("tmpfs", _NEW, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "mode=0755,size=4m")
    _memory(_NEW + "/tmp", tmp_bytes)  # first: Python itself may be installed below it
    for path in system:
        _show(path)
    if system:
        _etc()
    _dev()
    _show(folder, writable=writable)
    os.makedirs(_NEW + "/proc", exist_ok=True)
    linux.mount("proc", _NEW + "/proc", "proc", 0xE)  # nosuid, nodev, noexec
    with suppress(OSError):
        Path(_NEW + "/proc/sys/kernel/pid_max").write_text(str(MAX_PROCESSES))
    linux.pivot_root(_NEW, _NEW + "/tmp")
    linux.unmount("/tmp")  # all that was there before, from /old on
    linux.mount("none", "/", None, linux.MS_REMOUNT | linux.MS_BIND | linux.MS_RDONLY | 0x6)


def _show(path: str, *, writable: bool = False) -> None:
    """A folder, or a link, where it is outside."""
    if os.path.islink(_OLD + path):
        os.makedirs(os.path.dirname(_NEW + path), exist_ok=True)
        with suppress(FileExistsError):
            os.symlink(os.readlink(_OLD + path), _NEW + path)
        return
    if not os.path.exists(_OLD + path):
        return
    if os.path.isdir(_OLD + path):
        os.makedirs(_NEW + path, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(_NEW + path), exist_ok=True)
        Path(_NEW + path).touch()
    linux.mount(_OLD + path, _NEW + path, None, linux.MS_BIND | linux.MS_REC)
    flags = linux.MS_REMOUNT | linux.MS_BIND | linux.MS_NOSUID | linux.MS_NODEV
    if not writable:
        flags |= linux.MS_RDONLY
    linux.mount("none", _NEW + path, None, flags | _locked(_NEW + path))


def _locked(path: str) -> int:
    """Flags of the outer mount that a remount in a user namespace must keep."""
    flags = os.statvfs(path).f_flag
    kept = {os.ST_NOEXEC: linux.MS_NOEXEC, os.ST_RDONLY: linux.MS_RDONLY}
    times = {os.ST_NOATIME: 0x400, os.ST_NODIRATIME: 0x800, os.ST_RELATIME: 0x200000}
    return sum(mount for have, mount in (kept | times).items() if flags & have)


def _etc() -> None:
    os.makedirs(_NEW + "/etc", exist_ok=True)
    for name, text in _ETC.items():
        Path(_NEW + "/etc", name).write_text(text)
    for name in _FROM_ETC:
        with suppress(OSError):
            if os.path.isdir(f"{_OLD}/etc/{name}"):
                _show(f"/etc/{name}")
            else:
                data = Path(os.path.realpath(f"{_OLD}/etc/{name}")).read_bytes()
                Path(_NEW + "/etc", name).write_bytes(data)


def _dev() -> None:
    os.mkdir(_NEW + "/dev")
    for name in _DEVICES:
        Path(_NEW + "/dev", name).touch()
        linux.mount(f"{_OLD}/dev/{name}", f"{_NEW}/dev/{name}", None, linux.MS_BIND)
    for name, target in (
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ):
        os.symlink(target, f"{_NEW}/dev/{name}")
    _memory(_NEW + "/dev/shm", 16 << 20)


def _memory(path: str, size: int) -> None:
    os.makedirs(path, exist_ok=True)
    linux.mount("tmpfs", path, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, f"mode=0700,size={size}")
