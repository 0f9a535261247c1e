"""Every error of this room.

    Exception
    ├── SyscallError   what a process reads as the result of its call
    │   │              the caller can mend it:
    │   ├── ENOSYS     no such syscall
    │   ├── EINVAL     an argument is wrong
    │   ├── EPERM      not allowed
    │   ├── ENOENT     no such file, folder or thing
    │   ├── EEXIST     it is there already
    │   ├── EISDIR     a folder, where a file was expected
    │   ├── ENOTDIR    a file, where a folder was expected
    │   ├── EFBIG      too big
    │   ├── EILSEQ     bytes that are not UTF-8 text
    │   ├── ESRCH      no such process
    │   ├── ECHILD     no such child
    │   ├── EDEADLK    all would wait for each other, forever
    │   ├── EPIPE      nobody reads the pipe any more
    │   │              the caller can try again:
    │   ├── EAGAIN     busy at the moment
    │   ├── EINTR      interrupted: it may or may not have happened
    │   ├── ECANCELED  called off
    │   │              the world or the plugin is at fault:
    │   ├── ETIME      took longer than it may
    │   ├── EIO        broke
    │   ├── ENOMEM     out of memory
    │   └── ENOSPC     out of disk
    └── LoadError      what the author of a plugin reads in `llmos plugins`

A plugin raises these: `raise ENOENT("no such file: nots.txt", hint="did you mean notes.txt?")`.
They cross a process boundary as (code, message, hint).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SyscallError(Exception):
    """A syscall failed, and its process is told why. `hint` is the way out, in words; `retry_s`
    says in how many seconds it may be tried again, if that can be foreseen."""

    code = "EIO"

    def __init__(
        self, message: str, *, hint: str = "", code: str = "", retry_s: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.retry_s = retry_s
        self.code = code or type(self).code

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.code}: {self.message}{hint}"


class ENOSYS(SyscallError):
    code = "ENOSYS"


class EINVAL(SyscallError):
    code = "EINVAL"


class EPERM(SyscallError):
    code = "EPERM"


class ENOENT(SyscallError):
    code = "ENOENT"


class EEXIST(SyscallError):
    code = "EEXIST"


class EISDIR(SyscallError):
    code = "EISDIR"


class ENOTDIR(SyscallError):
    code = "ENOTDIR"


class EFBIG(SyscallError):
    code = "EFBIG"


class EILSEQ(SyscallError):
    code = "EILSEQ"


class ESRCH(SyscallError):
    code = "ESRCH"


class ECHILD(SyscallError):
    code = "ECHILD"


class EAGAIN(SyscallError):
    code = "EAGAIN"


class EDEADLK(SyscallError):
    code = "EDEADLK"


class EPIPE(SyscallError):
    code = "EPIPE"


class EINTR(SyscallError):
    code = "EINTR"


class ECANCELED(SyscallError):
    code = "ECANCELED"


class ETIME(SyscallError):
    code = "ETIME"


class EIO(SyscallError):
    code = "EIO"


class ENOMEM(SyscallError):
    code = "ENOMEM"


class ENOSPC(SyscallError):
    code = "ENOSPC"


class LoadError(Exception):
    """A plugin cannot be used. `where` is the line to look at, as "grep.py:12"."""

    def __init__(self, message: str, *, where: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.where = where

    def __str__(self) -> str:
        return f"{self.message} ({self.where})" if self.where else self.message


_BY_CODE = {error.code: error for error in SyscallError.__subclasses__()}


def from_code(code: str, message: str, hint: str = "") -> SyscallError:
    """The error that crossed a process boundary; a code of a plugin's own keeps its name."""
    return _BY_CODE.get(code, SyscallError)(message, hint=hint, code=code)


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """A hint at the nearest of `names`, or ''."""
    near = difflib.get_close_matches(name, list(names), n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else ""
