"""The caller's own pages: back into the window, kept there, let go."""

from __future__ import annotations

from functools import partial

from ...memory import swap
from ...memory.blocks import rendered
from ...memory.page import Page
from ...memory.pager import Pager
from ...memory.quoting import fitting, quoted, whole
from ...syscalls.errno import EINVAL, EIO, ENOENT, ENOMEM
from .calling import Calling


class Pages(Calling):
    """Page in, pin, forget. What is held of an address space changes with the call's result."""

    async def page_in(self, page: int, start: int = 0, length: int | None = None) -> str:
        """A page, or characters of it from `start` on, as a copy at the end of the window: as much
        of it as one page may take there. Raises EINVAL, ENOENT."""
        space = self._caller.space
        entry = space.find(page)
        if entry is not None and not entry.cut and (start, length) == (0, None):
            self.effects.actions.append(lambda: self._asked_for(page))
            return f"page {page} is in the window, whole"
        found = await self._page(page)
        size = len(whole(found))
        if not 0 <= start < max(size, 1):
            raise EINVAL(f"page {page} has {size} characters, and none at {start}")
        if length is not None and length < 1:
            raise EINVAL(f"length {length} is not 1 or more")
        pager, count = await self._pager(), self._kernel.engine.count_tokens
        text = fitting(found, start, length, pager.page_tokens, count)
        for copy in space.resident:
            if copy.page.recalled and copy.page.text == text:
                self.effects.actions.append(partial(self._asked_for, copy.page.vpn))
                return f"that is in the window, as page {copy.page.vpn}"
        self.effects.recalled = True
        self.effects.actions.append(lambda: self._asked_for(page))
        return text

    async def pin(self, page: int) -> str:
        """Keep a page in the window; one that has left comes back as a copy, and that is kept.
        Raises ENOENT, ENOMEM."""
        space, pager = self._caller.space, await self._pager()
        if space.find(page) is None:
            return await self._pin_copy(page, pager)
        await self._check_room(page, pager.held_tokens(space, page), pager)
        self._pin(page, True)
        return f"pinned page {page}"

    async def unpin(self, page: int) -> None:
        """Raises ENOENT."""
        self._check_number(page)
        self._pin(page, False)

    async def forget(self, page: int) -> None:
        """Let a page leave before others, and be recalled no more; swap keeps it. Raises ENOENT."""
        self._check_number(page)
        caller = self._caller

        def forget() -> None:
            entry = caller.space.find(page)
            if entry is not None:
                entry.unwanted, entry.pinned = True, False

        self._change((swap.forget(caller.pid, caller.image, page), forget))

    async def _pin_copy(self, page: int, pager: Pager) -> str:
        space, found = self._caller.space, await self._page(page)
        copy, size = len(space), len(whole(found))
        text = f"pinned as page {copy}:\n{quoted(found, 0, size)}"
        # It is going to stand behind the newest page, in the same turn.
        newest = -1 if space.last is None else space.last.vpn
        held = pager.held_tokens(space, newest) + self._kernel.engine.count_tokens(text)
        await self._check_room(page, held, pager)
        self.effects.recalled = True
        self.effects.actions.append(lambda: self._asked_for(page))
        self._pin(copy, True)
        return text

    def _pin(self, page: int, pinned: bool) -> None:
        caller = self._caller

        def pin() -> None:
            entry = caller.space.find(page)
            if entry is not None:
                entry.pinned = pinned

        self._change(([swap.pin(caller.pid, caller.image, page, pinned)], pin))

    def _asked_for(self, page: int) -> None:
        """A page fault, if it had left; else a use."""
        space = self._caller.space
        entry = space.find(page)
        if entry is None:
            space.faults.came_back(page)
        else:
            entry.used = len(space) - 1

    async def _page(self, page: int) -> Page:
        self._check_number(page)
        caller = self._caller
        entry = caller.space.find(page)
        if entry is not None:
            return entry.page
        try:
            stored = await self._kernel.journal.read(
                lambda connection: swap.read_page(connection, caller.pid, caller.image, page)
            )
        except swap.SwapDamaged as error:
            raise EIO(str(error)) from error
        assert stored is not None, "page tables have no gaps"
        return stored.page

    def _check_number(self, page: int) -> None:
        newest = len(self._caller.space) - 1
        if not 0 <= page <= newest:
            raise ENOENT(f"there is no page {page}", hint=f"there are 0 to {newest}")

    async def _check_room(self, page: int, held: int, pager: Pager) -> None:
        """May so many tokens be pinned, beside the blocks? Raises ENOMEM."""
        space, limit = self._caller.space, pager.pinned_tokens
        held += self._kernel.engine.count_tokens(rendered(space.blocks.values()))
        if held <= limit:
            return
        pinned = [str(entry.page.vpn) for entry in space.resident if entry.pinned]
        hint = f"unpin one of the pages {', '.join(pinned)}" if pinned else ""
        if space.blocks:
            hint = f"{hint}, or delete a block" if hint else "delete a block"
        raise ENOMEM(
            f"with page {page}, and what it cannot stand without, {held} tokens would be kept;"
            f" {limit} may be",
            hint=hint or f"page_in(page={page}) shows it without keeping it",
        )
