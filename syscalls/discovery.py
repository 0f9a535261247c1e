"""Where plugins are: entry points of packages, and files of the user's folder."""

from __future__ import annotations

import re
import stat
from contextlib import suppress
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from .errno import LoadError, did_you_mean
from .wire import Source

GROUP = "llmos"

Signature = tuple[int, ...]

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


def packages() -> tuple[list[EntryPoint], list[EntryPoint]]:
    """(built in, outside) entry points."""
    builtins: list[EntryPoint] = []
    outside: list[EntryPoint] = []
    for point in entry_points(group=GROUP):
        (builtins if is_ours(point) else outside).append(point)
    return builtins, outside


def is_ours(point: EntryPoint) -> bool:
    """Built in: an entry point of llmos itself that leads into llmos itself."""
    package = __name__.partition(".")[0]
    ours = point.dist is not None and point.dist.name == package
    return ours and point.module.startswith(f"{package}.plugins.")


def version_of(point: EntryPoint) -> str:
    return point.dist.version if point.dist else ""


def files(folder: Path) -> dict[Path, Signature]:
    """The plugin files of a folder, with what changes when one of them or a helper is saved."""
    plugins: dict[Path, Signature] = {}
    helpers: Signature = ()
    with suppress(OSError):
        for path in sorted(folder.glob("*.py")):
            with suppress(OSError):
                status = path.stat()
                if path.name.startswith(".") or not stat.S_ISREG(status.st_mode):
                    continue
                one = (status.st_mtime_ns, status.st_size, status.st_ino)
                if path.name.startswith("_"):
                    helpers += one
                else:
                    plugins[path] = one
    return {path: own + helpers for path, own in plugins.items()}


def check_name(name: str) -> None:
    """Raises LoadError."""
    if not _NAME.fullmatch(name):
        raise LoadError(f"a plugin cannot be called {name}: letters, digits, _ and -")


def source_of(name: str, folder: Path) -> Source:
    """Where a plugin of that name is, a file of the folder or a package. Raises LoadError."""
    outside = packages()[1]
    found = [Source(plugin=name, module=one.module) for one in outside if one.name == name]
    file = folder / f"{name}.py"
    if file.is_file():
        found.append(Source(plugin=name, file=str(file)))
    if not found:
        known = [one.name for one in outside] + [path.stem for path in files(folder)]
        hint = did_you_mean(name, known)
        raise LoadError(f"there is no plugin {name}" + (f" ({hint})" if hint else ""))
    if len(found) > 1:
        both = " and ".join(one.module or one.file for one in found)
        raise LoadError(f"the plugin name {name} is that of {both}")
    return found[0]
