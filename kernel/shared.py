"""Shared pages: named texts that several processes read and write, each with an owner who says who.

A write may name the version that it was made from, and is refused when somebody else was faster
(compare and set).
"""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import dataclass, replace

from ..memory.swap import Statement
from ..syscalls.errno import EAGAIN, EFBIG, EINVAL, ENOENT, EPERM, did_you_mean
from .permission import admits, check, whom
from .process import Process
from .table import ProcessTable

SCHEMA = """
CREATE TABLE IF NOT EXISTS shared (
    name TEXT PRIMARY KEY,
    owner INTEGER NOT NULL,
    session INTEGER NOT NULL,
    pgid INTEGER NOT NULL,
    readers TEXT NOT NULL,
    writers TEXT NOT NULL,
    version INTEGER NOT NULL,
    text TEXT NOT NULL
) WITHOUT ROWID;
"""

MAX_TEXT = 1 << 20
MAX_NAME = 100


@dataclass(frozen=True, slots=True)
class SharedPage:
    """`owner` made it, in that session and group; it stays when its owner has ended."""

    name: str
    owner: int
    session: int
    group: int
    readers: str = "session"
    writers: str = "session"
    version: int = 0
    text: str = ""


class SharedPages:
    """All of them, by name."""

    def __init__(self, table: ProcessTable) -> None:
        self.writing = asyncio.Lock()
        self._table = table
        self._pages: dict[str, SharedPage] = {}

    def adopt(self, pages: list[SharedPage], table: ProcessTable) -> None:
        """Take over what the journal holds."""
        self._table = table
        self._pages = {page.name: page for page in pages}

    def readable(self, process: Process) -> list[SharedPage]:
        """By name."""
        return [
            page
            for _, page in sorted(self._pages.items())
            if self._may(process, page, page.readers)
        ]

    def read(self, process: Process, name: str) -> SharedPage:
        """Raises ENOENT, EPERM."""
        page = self._pages.get(name)
        if page is None:
            known = [one.name for one in self.readable(process)]
            raise ENOENT(f"no shared page {name!r}", hint=did_you_mean(name, known))
        if not self._may(process, page, page.readers):
            raise EPERM(_denied(process, page, "read", page.readers))
        return page

    def written(
        self,
        process: Process,
        name: str,
        text: str,
        version: int | None,
        readers: str | None,
        writers: str | None,
    ) -> SharedPage:
        """The page as it would be. Raises EAGAIN, EFBIG, EINVAL, EPERM."""
        if not 0 < len(name) <= MAX_NAME:
            raise EINVAL(f"the name of a shared page has 1 to {MAX_NAME} characters")
        if len(text) > MAX_TEXT:
            raise EFBIG(f"a shared page holds {MAX_TEXT} characters, not {len(text)}")
        check(readers, writers)
        page = self._pages.get(name)
        if page is None:
            page = SharedPage(name, process.pid, process.session, process.group)
        elif not self._may(process, page, page.writers):
            raise EPERM(_denied(process, page, "write", page.writers))
        elif (readers or writers) and process.pid != page.owner:
            raise EPERM(f"process {page.owner} owns {name!r}, and it alone says who may use it")
        if version is not None and version != page.version:
            raise EAGAIN(
                f"{name!r} has version {page.version} by now, not {version}",
                hint="read it again, and write what follows from that",
            )
        return replace(
            page,
            text=text,
            version=page.version + 1,
            readers=readers or page.readers,
            writers=writers or page.writers,
        )

    def put(self, page: SharedPage) -> None:
        self._pages[page.name] = page

    def _may(self, process: Process, page: SharedPage, who: str) -> bool:
        return admits(self._table, process, page, who)


def write(page: SharedPage) -> Statement:
    return (
        "INSERT OR REPLACE INTO shared VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            page.name,
            page.owner,
            page.session,
            page.group,
            page.readers,
            page.writers,
            page.version,
            page.text,
        ),
    )


def read_shared(connection: sqlite3.Connection) -> list[SharedPage]:
    rows = connection.execute(
        "SELECT name, owner, session, pgid, readers, writers, version, text FROM shared"
    )
    return [SharedPage(*row) for row in rows]


def _denied(process: Process, page: SharedPage, what: str, who: str) -> str:
    return f"process {process.pid} may not {what} {page.name!r}: it is for {whom(page, who)}"
