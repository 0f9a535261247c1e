"""The sandbox: runs a program that nobody has read, in one folder and with nothing else.

    full         namespaces, Landlock and seccomp: the program sees a machine with its folder, the
                 system's programs (read-only), a /tmp of its own and no network
    restricted   Landlock and seccomp, where namespaces are not to be had (in most containers): the
                 program may open the same files; that others exist, and other processes, it can see
    none         the call is refused; nothing runs unprotected

Of all three parts each alone lets a part of the known escapes pass. What stands here is for a
worker process: it forks, and the kernel must not.
"""

from __future__ import annotations

import enum
import functools
import os
import resource
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errno import EPERM
from . import landlock, seccomp
from .box import SPARE_MEMORY, Box, BoxError, Ended, run_in


class Level(enum.Enum):
    FULL = "full"
    RESTRICTED = "restricted"


@dataclass(frozen=True, slots=True)
class Bounds:
    """For a program and all that it starts. What is longer than `output_bytes` loses its middle."""

    timeout_s: float = 10.0
    memory_bytes: int = 512 << 20
    max_processes: int = 64
    output_bytes: int = 48 * 1024


SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64")


@dataclass(frozen=True, slots=True)
class Program:
    """`argv` is a function of the folder for temporary files, in which `files` are put."""

    argv: Callable[[str], Sequence[str]]
    files: Mapping[str, bytes] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)


def run(program: Program, folder: Path, *, writable: bool, bounds: Bounds = Bounds()) -> Ended:
    """Run a program in a folder. Raises EPERM where it cannot be done safely."""

    def work(tmp: str) -> None:
        _exec(program, bounds.memory_bytes, tmp)

    return _box(folder, writable, _system(), bounds, program.files, work)


def call(function: Callable[[], bytes], folder: Path, *, bounds: Bounds = Bounds()) -> Ended:
    """Call a function in a copy of this process, which may read the folder and nothing else; what
    it returns is the output. What it imports must be there. Raises EPERM."""

    def work(tmp: str) -> None:
        try:
            data = function()
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
        with open(1, "wb", closefd=False) as out:
            out.write(data)

    return _box(folder, False, (), bounds, {}, work)


@functools.cache
def level() -> Level:
    """The best that this machine has. Raises EPERM, with the reasons, if that is not enough."""
    reasons = []
    if sys.platform != "linux" or not seccomp.available():
        reasons.append("it needs Linux on x86_64 or aarch64")
    elif not landlock.abi():
        reasons.append("this Linux has no Landlock (5.13 and newer have, where it is turned on)")
    else:
        for one in Level:
            try:
                _try(one)
                return one
            except BoxError as error:
                reasons.append(f"{one.value}: {error}")
    raise EPERM(
        "nothing can be run safely on this machine: " + "; ".join(reasons),
        hint="file syscalls work without; see docs/plugins-built-in.md",
    )


def _try(level: Level) -> None:
    """Raises BoxError."""
    if level is Level.RESTRICTED and landlock.abi() < landlock.SCOPED:
        raise BoxError(
            f"Landlock ABI {landlock.abi()} leaves signals open; it takes 6 (Linux 6.12)"
        )
    folder = tempfile.mkdtemp(prefix="llmos-try-")
    try:
        run_in(_made(level, Path(folder), False, _system(), Bounds(), folder), lambda tmp: None)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _box(
    folder: Path,
    writable: bool,
    system: Sequence[str],
    bounds: Bounds,
    files: Mapping[str, bytes],
    work: Callable[[str], None],
) -> Ended:
    best = level()
    root = Path(os.path.realpath(folder))
    if root == Path("/"):
        raise EPERM(
            "the process may see all of /, and code is kept to a folder",
            hint="start the process in a folder",
        )
    outside = best is not Level.FULL
    tmp = tempfile.mkdtemp(prefix="llmos-code-") if outside else "/tmp"
    try:
        return run_in(_made(best, root, writable, system, bounds, tmp, files), work)
    except BoxError as error:
        raise EPERM(f"the sandbox cannot be made: {error}") from None
    finally:
        if outside:
            shutil.rmtree(tmp, ignore_errors=True)


def _made(
    level: Level,
    folder: Path,
    writable: bool,
    system: Sequence[str],
    bounds: Bounds,
    tmp: str,
    files: Mapping[str, bytes] | None = None,
) -> Box:
    return Box(
        namespaces=level is Level.FULL,
        folder=str(folder),
        writable=writable,
        system=tuple(system),
        tmp=tmp,
        files=dict(files or {}),
        timeout_s=bounds.timeout_s,
        memory_bytes=bounds.memory_bytes,
        max_processes=bounds.max_processes,
        output_bytes=bounds.output_bytes,
    )


def _system() -> tuple[str, ...]:
    """What is shown of the system: programs, libraries, and this Python with its packages."""
    found: list[str] = []
    for path in (*SYSTEM, os.path.realpath(sys.base_prefix), os.path.realpath(sys.prefix)):
        if not any(path == other or path.startswith(f"{other}/") for other in found):
            found.append(path)
    return tuple(found)


def _exec(program: Program, memory_bytes: int, tmp: str) -> None:
    environ = {
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": tmp,
        "TMPDIR": tmp,
        "LANG": "C.UTF-8",
    }
    argv = list(program.argv(tmp))
    most = memory_bytes + SPARE_MEMORY  # it begins with nothing, unlike this copy of the worker
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    os.execvpe(argv[0], argv, environ | dict(program.environ))


__all__ = ["Bounds", "Ended", "Level", "Program", "call", "level", "run"]
