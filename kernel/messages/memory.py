"""Memory: what processes have in their windows and on disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Pages:
    """→ `PageTable`: all pages of a process, ended ones included."""

    pid: int
    op: Literal["pages"] = "pages"


@dataclass(frozen=True, slots=True)
class DiskUsage:
    """→ `MemoryUsage`."""

    op: Literal["du"] = "du"


@dataclass(frozen=True, slots=True)
class Cat:
    """→ `{"text": "…"}`: a file of `/proc`. ENOENT, ESRCH; EISDIR for a folder."""

    path: str
    op: Literal["cat"] = "cat"


@dataclass(frozen=True, slots=True)
class Fsck:
    """→ `{"pages": 812, "problems": ["…"]}`: every page is read; no problem is an empty list."""

    op: Literal["fsck"] = "fsck"


# ---- results ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PageRow:
    """A row of a page table. `shown_tokens` are what it takes in the window, of `num_tokens`, or
    would. `processes` have it in their page tables. It `left` the window at that time, in Unix
    seconds; None: it is there. `begins` are its first words."""

    vpn: int
    role: str
    num_tokens: int
    shown_tokens: int
    processes: int
    pinned: bool
    unwanted: bool
    recalled: bool
    created: float
    left: float | None
    begins: str


@dataclass(frozen=True, slots=True)
class FlushRow:
    """Pages that left together, and the prompt's tokens before and after."""

    created: float
    tokens_before: int
    tokens_after: int
    num_pages: int


@dataclass(frozen=True, slots=True)
class PageTable:
    """→ of `pages`, oldest first. `window_tokens` are those that a prompt may have, None while the
    engine is not ready."""

    pid: int
    name: str
    pages: list[PageRow]
    flushes: list[FlushRow]
    window_tokens: int | None


@dataclass(frozen=True, slots=True)
class SpaceUsage:
    """What the pages of one process take. `bytes` are those on disk, those that it shares with
    others included; `own_bytes` are those that it wrote."""

    pid: int
    name: str
    pages: int
    resident_tokens: int
    evicted_tokens: int
    bytes: int
    own_bytes: int


@dataclass(frozen=True, slots=True)
class RecallUsage:
    """How far recall has come: `pages` are found by their words, `unembedded` of them not yet by
    their meaning, and `behind` not at all. `rebuilding` names whose vectors are handed to Chroma
    again, `rebuilt` of `to_rebuild` pages are. `trouble` is why something is not to be had."""

    pages: int
    behind: int
    unembedded: int
    rebuilding: str = ""
    rebuilt: int = 0
    to_rebuild: int = 0
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class MemoryUsage:
    """→ of `du`. Sizes in bytes: of the texts in swap, each counted once, and of the files that
    they, the indexes of their words and Chroma's folder are. `recall` is None while nothing was
    asked of it."""

    processes: list[SpaceUsage]
    frames: int
    text_bytes: int
    swap_bytes: int
    index_bytes: int
    chroma_bytes: int
    recall: RecallUsage | None = None


MemoryRequest = Pages | DiskUsage | Cat | Fsck
