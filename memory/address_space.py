"""The address space of a process: its system prompt (text) and its conversation (stack).

The stack is append-only. Each page has an entry in the page table, which says whether the page is
resident, that is, part of the next prompt. Nothing is ever deleted: a page that is evicted stays
in swap, and the window names what went (the stub).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from .page import Call, Page, Role


@dataclass(slots=True)
class Entry:
    """A row of the page table. `limit_tokens`: what of a long page is shown in the window."""

    page: Page
    resident: bool = True
    limit_tokens: int | None = None

    @property
    def num_tokens(self) -> int:
        """Tokens that the page takes in the window."""
        if self.limit_tokens is None:
            return self.page.num_tokens
        return min(self.page.num_tokens, self.limit_tokens)

    def shown(self) -> str:
        """The text as the window holds it: the page, or its beginning and what is missing."""
        page = self.page
        if self.limit_tokens is None or page.num_tokens <= self.limit_tokens:
            return page.text
        end = len(page.text) * self.limit_tokens // page.num_tokens
        return (
            f"{page.text[:end]}\n"
            f"(cut here: {page.num_tokens - self.limit_tokens} of {page.num_tokens} tokens "
            "are not shown)"
        )


class AddressSpace:
    """Private to one process; the pager alone changes what is resident."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._table: list[Entry] = []

    def __len__(self) -> int:
        return len(self._table)

    @property
    def table(self) -> tuple[Entry, ...]:
        """The page table, oldest page first."""
        return tuple(self._table)

    @property
    def last(self) -> Page | None:
        """The newest page."""
        return self._table[-1].page if self._table else None

    @property
    def num_resident_tokens(self) -> int:
        return sum(entry.num_tokens for entry in self._table if entry.resident)

    @property
    def num_evicted(self) -> int:
        return sum(not entry.resident for entry in self._table)

    def new_page(
        self,
        role: Role,
        text: str,
        num_tokens: int,
        *,
        calls: tuple[Call, ...] = (),
        call_id: str = "",
        interrupted: bool = False,
    ) -> Page:
        """The page that would come next. It is not there until it is appended: first the
        journal, then the window."""
        return Page(
            vpn=len(self._table),
            role=role,
            text=text,
            num_tokens=num_tokens,
            created=time.time(),
            calls=calls,
            call_id=call_id,
            interrupted=interrupted,
        )

    def append(self, page: Page, *, resident: bool = True, limit_tokens: int | None = None) -> None:
        """Put a page at the end of the stack."""
        assert page.vpn == len(self._table), "pages are appended in order"
        self._table.append(Entry(page, resident, limit_tokens))

    def resident(self) -> Iterator[Entry]:
        """The pages of the next prompt, oldest first."""
        return (entry for entry in self._table if entry.resident)

    def unanswered_calls(self) -> tuple[Call, ...]:
        """Calls of the newest assistant page that no tool page answers yet."""
        answered: set[str] = set()
        for entry in reversed(self._table):
            page = entry.page
            if page.role == "tool":
                answered.add(page.call_id)
            elif page.role == "assistant":
                return tuple(call for call in page.calls if call.call_id not in answered)
            else:
                break
        return ()

    def stub(self) -> str:
        """A line that stands for what was evicted, or nothing."""
        evicted = self.num_evicted
        return f"({evicted} earlier messages are no longer shown.)" if evicted else ""

    def evict(self, entry: Entry) -> None:
        entry.resident = False

    def fork(self) -> AddressSpace:
        """The same pages, copy-on-write: pages never change, so what is copied is the table."""
        copy = AddressSpace(self.text)
        copy._table = [replace(entry) for entry in self._table]
        return copy
