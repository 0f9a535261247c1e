"""The address space of a process: system prompt (text), named blocks (data), conversation (stack).

The stack is append-only, and every page of it is in swap from the moment it exists. What is held
here is the resident set: the pages of the next prompt. A page that is evicted is named in the
*head*, the part of the prompt that follows the text and changes only when pages go: so that between
two evictions the prompt only grows at its end, and the engine's prefix cache holds.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from .blocks import Block
from .faults import Faults
from .page import Call, Page, Role
from .quoting import preview


@dataclass(slots=True)
class Entry:
    """A row of the page table whose page is resident. `limit_tokens`: what of a long page is shown
    in the window. `pinned` pages stay, `unwanted` ones go first. `used` is the number of the page
    that was newest when this one was last asked for. `settled` pages have outlived a flush since
    they were read: the engine has them in its cache, where they stand."""

    page: Page
    limit_tokens: int | None = None
    pinned: bool = False
    unwanted: bool = False
    used: int = -1
    settled: bool = False

    @property
    def num_tokens(self) -> int:
        """Tokens that the page takes in the window."""
        if self.limit_tokens is None:
            return self.page.num_tokens
        return min(self.page.num_tokens, self.limit_tokens)

    @property
    def cut(self) -> bool:
        """Does the window hold a part of it only?"""
        return self.limit_tokens is not None and self.page.num_tokens > self.limit_tokens

    def shown(self) -> str:
        """The text as the window holds it: the page, or its beginning and how to get the rest."""
        if self.limit_tokens is None or not self.cut:
            return self.page.text
        return preview(self.page, self.limit_tokens)


@dataclass(frozen=True, slots=True)
class Origin:
    """Pages before number `before` that were written by another owner: a fork's parent."""

    owner: str
    before: int


@dataclass(slots=True)
class AddressSpace:
    """Private to one process; the pager alone makes pages leave.

    `steps` are the generations since the last message from outside, and `origins` the owners of
    the pages that a fork has from its parents, the nearest first.
    """

    text: str
    head: str = ""
    blocks: dict[str, Block] = field(default_factory=dict)
    origins: tuple[Origin, ...] = ()
    steps: int = 0
    faults: Faults = field(default_factory=Faults)
    _entries: list[Entry] = field(default_factory=list)
    _len: int = 0

    @classmethod
    def resumed(
        cls,
        text: str,
        entries: Iterable[Entry],
        num_pages: int,
        *,
        steps: int = 0,
        head: str = "",
        blocks: Iterable[Block] = (),
        origins: Sequence[Origin] = (),
    ) -> AddressSpace:
        """As it was left: `entries` are the resident pages of `num_pages`, oldest first."""
        named = {block.name: block for block in blocks}
        space = cls(text, head, named, tuple(origins), steps)
        space._entries, space._len = list(entries), num_pages
        return space

    def __len__(self) -> int:
        """Pages of the stack, resident or not."""
        return self._len

    @property
    def system(self) -> str:
        """The first message of every prompt."""
        return f"{self.text}\n{self.head}" if self.head else self.text

    @property
    def resident(self) -> tuple[Entry, ...]:
        """The pages of the next prompt, oldest first."""
        return tuple(self._entries)

    @property
    def last(self) -> Page | None:
        """The newest page, which is always resident."""
        return self._entries[-1].page if self._entries else None

    @property
    def num_resident_tokens(self) -> int:
        return sum(entry.num_tokens for entry in self._entries)

    @property
    def num_evicted(self) -> int:
        return self._len - len(self._entries)

    def find(self, vpn: int) -> Entry | None:
        """The row of a page that is resident."""
        return next((entry for entry in self._entries if entry.page.vpn == vpn), None)

    def new_page(
        self,
        role: Role,
        text: str,
        num_tokens: int,
        *,
        calls: tuple[Call, ...] = (),
        call_id: str = "",
        interrupted: bool = False,
        recalled: bool = False,
    ) -> Page:
        """The page that would come next. It is not there until it is appended: first the
        journal, then the window."""
        return Page(
            vpn=self._len,
            role=role,
            text=text,
            num_tokens=num_tokens,
            created=time.time(),
            calls=calls,
            call_id=call_id,
            interrupted=interrupted,
            recalled=recalled,
        )

    def append(self, page: Page, *, limit_tokens: int | None = None) -> None:
        """Put a page at the end of the stack."""
        assert page.vpn == self._len, "pages are appended in order"
        self._entries.append(Entry(page, limit_tokens))
        self._len += 1
        if page.role == "assistant":
            self.steps += 1
        elif page.role == "user":
            self.steps = 0

    def unanswered_calls(self) -> tuple[Call, ...]:
        """Calls of the newest assistant page that no tool page answers yet."""
        answered: set[str] = set()
        for entry in reversed(self._entries):
            page = entry.page
            if page.role == "tool":
                answered.add(page.call_id)
            elif page.role == "assistant":
                return tuple(call for call in page.calls if call.call_id not in answered)
            else:
                break
        return ()

    def evict(self, entries: Iterable[Entry]) -> None:
        """They leave the window; swap has them."""
        gone = {entry.page.vpn for entry in entries}
        self._entries = [entry for entry in self._entries if entry.page.vpn not in gone]
        for entry in self._entries:
            entry.settled = True

    def fork(self, owner: str = "") -> AddressSpace:
        """The same pages, copy-on-write: pages never change, so what is copied is the table.
        `owner` is whose pages they are."""
        space = AddressSpace(
            self.text,
            self.head,
            dict(self.blocks),
            (Origin(owner, self._len), *self.origins),
            self.steps,
        )
        space._entries, space._len = [replace(entry) for entry in self._entries], self._len
        return space
