"""Summaries: what has left a window in a few words, written by the model itself in the background.

Optional. A flush starts a process of its own for it, last in the queue, without tools; its answer
becomes the block `summary` of the process whose pages they were, and stands in the head from the
next flush on. It is a help and no record: the pages are in swap, and recall finds them.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from ..memory.blocks import DEFAULT_LIMIT, Block, write_block
from ..memory.page import Page
from ..syscalls.errno import SyscallError
from .kernel import Kernel
from .limits import parse
from .process import INIT_PID, Process

log = logging.getLogger(__name__)

BLOCK = "summary"
NICE = 19
MAX_CHARACTERS = 6000
"""Of what is to be summarised."""
TOKENS = 2000
"""A summary that takes more is given up."""


async def summarise(kernel: Kernel, process: Process, pages: Sequence[Page]) -> None:
    """Of pages that have just left, and of the summary so far."""
    space, image = process.space, process.image
    known = space.blocks.get(BLOCK)
    said = "\n".join(f"{page.role}: {page.text}" for page in pages if _tells(page))
    if not said or process.tools == ():  # it is one that writes a summary
        return
    before = f"What came before: {known.text}\n\n" if known else ""
    try:
        writer = await kernel.spawn(
            task=f"Summarise in a few sentences what was said.\n\n{before}{said[-MAX_CHARACTERS:]}",
            name=f"summary of {process.pid}",
            root=process.root,
            parent=INIT_PID,
            spawn_key=process.call_key(f"summary {len(space)}"),  # nobody's conversation
            nice=NICE,
            tools=(),
            limits=parse({"tokens": TOKENS}),
        )
    except SyscallError as error:
        log.info("no summary for process %d: %s", process.pid, error)
        return
    await writer.exited.wait()
    ended = writer.exit
    assert ended is not None
    await kernel.reap(writer)
    if ended.status or not process.alive or process.image != image:
        return
    block = Block(BLOCK, ended.output[:DEFAULT_LIMIT])

    def take_place() -> None:
        space.blocks[BLOCK] = block

    await kernel.journal.commit([write_block(process.pid, image, block)], take_place)


def _tells(page: Page) -> bool:
    return bool(page.text) and not page.recalled
