"""What is written and what runs: settings, the journal, the kernel and its plugins."""

from __future__ import annotations

import os
import stat
import time

from .. import config_files
from ..client import Client
from ..engine import engine_text
from ..errors import NoKernel, ShellError
from .finding import failure, ok, warning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ..paths import Paths
    from .finding import Finding

PATIENCE_S = 5.0
QUICK_S = 3.0
MANY_STEPS = 10_000
"""Of SQLite's machine, between two looks at the clock."""


def settings(paths: Paths) -> Iterator[Finding]:
    """As `llmos config check`."""
    from pathlib import Path

    from ...config.faults import faults_of, faults_of_environment

    files = config_files.of_kernel(paths)
    faults = [fault for path in files for fault in faults_of(Path(path))]
    for fault in [*faults, *faults_of_environment(os.environ)]:
        yield failure(str(fault), fault.hint or "llmos config edit")
    project = config_files.project_file()
    if project and project not in files:
        yield warning(f"{project} is not trusted and counts for nothing", "llmos trust")
    if not faults:
        yield ok(", ".join(files) or "there is no file; the first boot writes one")


def journal(paths: Paths) -> Iterator[Finding]:
    """As far as can be read in a few seconds; a kernel that runs is not held up by it."""
    import sqlite3
    from urllib.parse import quote

    path = os.path.join(paths.state_dir, "llmos.db")
    if not os.path.exists(path):
        yield ok("there is none yet")
        return
    limit = time.monotonic() + QUICK_S
    try:
        connection = sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True)
        try:
            connection.set_progress_handler(lambda: time.monotonic() > limit, MANY_STEPS)
            problems = [row[0] for row in connection.execute("PRAGMA quick_check(5)")]
        finally:
            connection.close()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            yield failure(f"{path}: {error}", "who may read it? ls -l")
            return
        yield ok(f"nothing is wrong as far as {QUICK_S:g} s lead; llmos fsck reads all of it")
    except sqlite3.DatabaseError as error:
        yield failure(f"{path}: {error}", "a copy from before; llmos halt first")
    else:
        for problem in problems:
            if problem != "ok":
                yield failure(f"{path}: {problem}", "a copy from before; llmos halt first")
        if problems == ["ok"]:
            yield ok(f"{path} is sound; llmos fsck looks at each page")


def kernel(paths: Paths) -> Iterator[Finding]:
    """Whether one runs and answers, and who may speak to it."""
    status = _ask(paths, "status")
    if isinstance(status, NoKernel) and not _listens(paths):
        yield ok("none runs: llmos boot")
        return
    if isinstance(status, ShellError):
        yield failure(status.message, status.hint or f"its log: {paths.log}")
        return
    words = f"os pid {status.os_pid}, {status.engine.model} {engine_text(status.engine)}"
    if status.engine.state == "failed":
        yield failure(words, f"its log: {paths.log}; llmos halt, then boot again")
    elif status.engine.restarts:
        yield warning(f"{words}, restarted {status.engine.restarts} times", f"see {paths.log}")
    else:
        yield ok(words)
    if stat.S_IMODE(os.stat(paths.socket).st_mode) & 0o077:
        yield failure(f"others may open {paths.socket}", f"chmod 600 {paths.socket}")


def plugins(paths: Paths) -> Iterator[Finding]:
    """Those that could not be loaded, by their own errors."""
    found = _ask(paths, "plugins")
    if isinstance(found, ShellError):
        yield ok("only a kernel that runs can tell")
        return
    broken = [one for one in found.plugins if one.error]
    for one in broken:
        first = one.error.strip().splitlines()[-1]
        yield failure(f"{one.name}: {first}", f"llmos plugins show {one.name}")
    yield ok(f"{len(found.plugins) - len(broken)} of {len(found.plugins)} are in use")


def _listens(paths: Paths) -> bool:
    try:
        Client(paths.socket).close()
    except ShellError:
        return False
    return True


def _ask(paths: Paths, op: str) -> Any:
    """The answer, or the error for want of one. By a connection of its own, which a kernel that
    hangs holds up for a few seconds and no longer."""
    try:
        with Client(paths.socket, PATIENCE_S) as client:
            return client.ask(op)
    except ShellError as error:
        return error
