"""A folder that no path can leave, whatever `..`, links and races do.

`openat2(RESOLVE_BENEATH)` makes the Linux kernel itself refuse, at the moment when it opens.
Where that is missing, or refuses a link that is absolute but stays inside, `_walk` resolves a
path itself: one component at a time, each from the open folder before it and none through a link.
Checking a resolved path first and opening it afterwards was turned down: a link put in between
wins that race.
"""

from __future__ import annotations

import ctypes
import errno as os_errno
import os
import secrets
import stat
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType

from .errno import EINVAL, EIO, EISDIR, ENOENT, ENOSPC, ENOTDIR, EPERM, SyscallError, did_you_mean

_SYS_OPENAT2 = 437  # the same number on every architecture that llmos runs on
_RESOLVE_NO_MAGICLINKS = 0x02
_RESOLVE_BENEATH = 0x08
_MAX_LINKS = 40
_MAX_TRIES = 16
_SAFE = os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK


class _OpenHow(ctypes.Structure):
    _fields_ = (
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    )


class Beneath:
    """An open folder. Paths are relative to it, or absolute and inside; errors are `errno`'s."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        try:
            self._fd = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise ENOENT(f"no such folder: {root}") from None
        except OSError as error:
            raise EPERM(f"{root} cannot be opened: {error.strerror}") from None

    def __enter__(self) -> Beneath:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._fd)

    @contextmanager
    def open(self, path: str, flags: int = os.O_RDONLY, *, kind: str = "file") -> Iterator[int]:
        """A descriptor of what is at `path`; `kind` is what an error calls it."""
        with self._errors(path, kind):
            fd = self._open(self.relative(path), flags)
        with _closing(fd):
            yield fd

    def names(self, path: str) -> list[str]:
        """What a folder holds, sorted; the names of folders end in /."""
        with (
            self.open(path, os.O_RDONLY | os.O_DIRECTORY, kind="folder") as folder,
            os.scandir(folder) as entries,
        ):
            return sorted(
                entry.name + "/" * self._is_folder(os.path.join(path, entry.name), entry)
                for entry in entries
            )

    def files(self, path: str) -> Iterator[tuple[str, int]]:
        """Every regular file in a folder and the folders in it, as (path, descriptor), sorted.

        Leaves out folders whose name begins with a dot, and links. A `path` that is a file
        yields that one.
        """
        with self.open(path, kind="folder") as fd:
            if stat.S_ISDIR(os.fstat(fd).st_mode):
                yield from _files(fd, "" if path in ("", ".") else path.rstrip("/") + "/")
            else:
                yield path, fd

    def replace(self, path: str, data: bytes) -> None:
        """Write a file so that any reader, and a power cut, finds all of the old or the new.

        Links are followed, as long as they stay inside; the mode of an old file is kept.
        """
        with self._errors(path, "file"):
            parent, name = self._target(path)
            with _closing(parent):
                old = _lstat(name, parent)
                if old is not None and stat.S_ISDIR(old.st_mode):
                    raise EISDIR(f"{path} is a folder")
                if old is not None and not stat.S_ISREG(old.st_mode):
                    raise EINVAL(f"{path} is not a regular file")
                if old is not None and not os.access(name, os.W_OK, dir_fd=parent):
                    raise EPERM(f"{path} is read-only")
                _write_and_rename(parent, name, data, old)

    def append(self, path: str, data: bytes) -> None:
        """Write at the end of a file, which is made if need be."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | _SAFE
        with self._errors(path, "file"):
            parent, name = self._target(path)
            with _closing(parent), _closing(os.open(name, flags, 0o666, dir_fd=parent)) as fd:
                if not stat.S_ISREG(os.fstat(fd).st_mode):
                    raise EINVAL(f"{path} is not a regular file")
                with open(fd, "ab", closefd=False) as file:
                    file.write(data)
                os.fsync(fd)

    def remove(self, path: str) -> None:
        """Delete a file; of a link, what it leads to."""
        with self._errors(path, "file"):
            parent, name = self._target(path)
            with _closing(parent):
                os.unlink(name, dir_fd=parent)

    def _target(self, path: str) -> tuple[int, str]:
        """The folder, opened, and the name where a file is to be put."""
        relative = self.relative(path)
        for _ in range(_MAX_LINKS):
            above, name = os.path.split(relative)
            if name in ("", ".", ".."):
                with self.open(relative.rstrip("/"), kind="folder"):
                    raise EISDIR(f"{path or '.'} is a folder")
            with self._errors(above, "folder"):
                parent = self._open(above or ".", os.O_RDONLY | os.O_DIRECTORY)
            link = _read_link(name, parent)
            if link is None:
                return parent, name
            os.close(parent)
            if os.path.isabs(link):
                try:
                    relative = self.relative(link)
                except EPERM:
                    raise self._outside(path) from None
            else:
                relative = os.path.join(above, link)
        raise EINVAL(f"{path}: {os.strerror(os_errno.ELOOP)}")

    def _is_folder(self, path: str, entry: os.DirEntry[str]) -> bool:
        if not entry.is_symlink():
            return entry.is_dir()
        try:
            with _closing(self._open(self.relative(path), _O_PATH | os.O_DIRECTORY)):
                return True
        except (OSError, SyscallError):
            return False

    def relative(self, path: str) -> str:
        """`path` as seen from the root, `..` and all; EPERM for an absolute path elsewhere."""
        if "\0" in path:
            raise EPERM("a path cannot hold a NUL byte")
        if not os.path.isabs(path):
            return path or "."
        for root in (str(self.root), os.path.realpath(self.root)):
            if path == root or path.startswith(root.rstrip("/") + "/"):
                return path[len(root) :].lstrip("/") or "."
        raise self._outside(path)

    def _outside(self, path: str) -> EPERM:
        return EPERM(f"{path} is outside of the folder that this process may see ({self.root})")

    def _open(self, path: str, flags: int, mode: int = 0o666) -> int:
        flags |= _SAFE
        if HAS_OPENAT2:
            for _ in range(_MAX_TRIES):  # it gives up when a folder is renamed under its feet
                try:
                    return _openat2(self._fd, path, flags, mode)
                except BlockingIOError:
                    continue
                except OSError as error:
                    if error.errno != os_errno.EXDEV:
                        raise
                    break
        return _walk(self._fd, (str(self.root), os.path.realpath(self.root)), path, flags, mode)

    @contextmanager
    def _errors(self, path: str, kind: str) -> Iterator[None]:
        """What the operating system says, in our words."""
        try:
            yield
        except FileNotFoundError:
            raise ENOENT(f"no such {kind}: {path}", hint=self._near(path)) from None
        except IsADirectoryError:
            raise EISDIR(f"{path} is a folder") from None
        except NotADirectoryError:
            raise self._not_a_folder(path) from None
        except OSError as error:
            raise self._explain(path, error) from None
        except ValueError as error:
            raise EINVAL(f"{path!r} is no path: {error}") from None

    def _explain(self, path: str, error: OSError) -> SyscallError:
        match error.errno:
            case os_errno.EXDEV:
                return self._outside(path)
            case os_errno.EACCES | os_errno.EPERM | os_errno.EROFS:
                return EPERM(f"{path}: {error.strerror}")
            case os_errno.ENOSPC | os_errno.EDQUOT:
                return ENOSPC(f"{path}: {error.strerror}")
            case os_errno.ENAMETOOLONG | os_errno.ELOOP | os_errno.ENXIO | os_errno.EINVAL:
                return EINVAL(f"{path}: {error.strerror}")
            case _:
                return EIO(f"{path}: {error.strerror}")

    def _not_a_folder(self, path: str) -> ENOTDIR:
        """Names the part of the path that is a file."""
        parts = path.rstrip("/").split("/")
        for count in range(1, len(parts)):
            part = "/".join(parts[:count])
            try:
                fd = self._open(self.relative(part or "/"), _O_PATH)
            except (OSError, SyscallError):
                break
            with _closing(fd):
                if not stat.S_ISDIR(os.fstat(fd).st_mode):
                    return ENOTDIR(f"{part} is a file")
        return ENOTDIR(f"{path.rstrip('/')} is a file")

    def _near(self, path: str) -> str:
        """A hint at a name like the missing one, beside it."""
        parent, name = os.path.split(path.rstrip("/"))
        try:
            fd = self._open(self.relative(parent), os.O_RDONLY | os.O_DIRECTORY)
            with _closing(fd):
                hint = did_you_mean(name, os.listdir(fd))
        except (OSError, SyscallError):
            return ""
        near = hint.removeprefix("did you mean ").removesuffix("?")
        return f"did you mean {os.path.join(parent, near)}?" if hint else ""


_O_PATH = getattr(os, "O_PATH", os.O_RDONLY)


@contextmanager
def _closing(fd: int) -> Iterator[int]:
    try:
        yield fd
    finally:
        os.close(fd)


def _lstat(name: str, folder: int) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _files(folder: int, prefix: str) -> Iterator[tuple[str, int]]:
    with os.scandir(folder) as entries:
        found = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
    for name, is_folder in found:
        if is_folder and name.startswith("."):
            continue
        try:
            fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | _SAFE, dir_fd=folder)
        except OSError:  # a link, or not ours to read, or gone
            continue
        with _closing(fd):
            mode = os.fstat(fd).st_mode
            if stat.S_ISDIR(mode):
                yield from _files(fd, f"{prefix}{name}/")
            elif stat.S_ISREG(mode):
                yield prefix + name, fd


def _write_and_rename(folder: int, name: str, data: bytes, old: os.stat_result | None) -> None:
    temporary = f".llmos-{secrets.token_hex(8)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(temporary, flags, 0o666, dir_fd=folder), "wb") as file:
        try:
            file.write(data)
            file.flush()
            if old is not None:
                with suppress(PermissionError):
                    os.fchown(file.fileno(), old.st_uid, old.st_gid)
                os.fchmod(file.fileno(), stat.S_IMODE(old.st_mode) & 0o777)
            os.fsync(file.fileno())
            os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary, dir_fd=folder)
            raise
    os.fsync(folder)


def _openat2(folder: int, path: str, flags: int, mode: int) -> int:
    if flags & _O_PATH:
        flags &= ~(os.O_NOCTTY | os.O_NONBLOCK)  # openat2 refuses flags that mean nothing
    how = _OpenHow(
        flags, mode if flags & os.O_CREAT else 0, _RESOLVE_BENEATH | _RESOLVE_NO_MAGICLINKS
    )
    fd = int(
        _libc.syscall(
            _SYS_OPENAT2, folder, os.fsencode(path), ctypes.byref(how), ctypes.sizeof(how)
        )
    )
    if fd < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), path)
    return fd


def _walk(root: int, roots: tuple[str, ...], path: str, flags: int, mode: int) -> int:
    """Open a path from the root, step by step; EXDEV when a step would leave it.

    `roots` are the root's own absolute names: a link to one of them stays inside.
    """
    parts = _split(path)
    links = 0
    with ExitStack() as opened:
        folders = [root]
        while parts:
            part = parts.pop(0)
            if part == "..":
                if len(folders) == 1:
                    raise OSError(os_errno.EXDEV, "it leads out", path)
                folders.pop()
                continue
            link = _read_link(part, folders[-1])
            if link is not None and not (not parts and flags & os.O_NOFOLLOW):
                links += 1
                if links > _MAX_LINKS:
                    raise OSError(os_errno.ELOOP, os.strerror(os_errno.ELOOP), path)
                if os.path.isabs(link):
                    link = _inside(link, roots, path)
                    folders[1:] = []
                parts = _split(link) + parts
            elif parts:
                fd = os.open(
                    part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | _SAFE, dir_fd=folders[-1]
                )
                opened.callback(os.close, fd)
                folders.append(fd)
            else:
                return os.open(part, flags | os.O_NOFOLLOW, mode, dir_fd=folders[-1])
        return os.open(".", flags, dir_fd=folders[-1])


def _split(path: str) -> list[str]:
    """Components; a trailing slash says that the last one is a folder."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    return [*parts, "."] if parts and path.endswith(("/", "/.")) else parts


def _read_link(name: str, folder: int) -> str | None:
    try:
        return os.readlink(name, dir_fd=folder)
    except OSError:
        return None


def _inside(link: str, roots: tuple[str, ...], path: str) -> str:
    for root in roots:
        if link == root or link.startswith(root.rstrip("/") + "/"):
            return link[len(root) :].lstrip("/")
    raise OSError(os_errno.EXDEV, "a link leads out", path)


def _has_openat2() -> bool:
    if sys.platform != "linux":
        return False
    try:
        with _closing(os.open("/", os.O_RDONLY | os.O_CLOEXEC)) as folder:
            os.close(_openat2(folder, ".", os.O_RDONLY, 0))
    except OSError:
        return False
    return True


_libc = ctypes.CDLL(None, use_errno=True)
HAS_OPENAT2 = _has_openat2()
