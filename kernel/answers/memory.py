"""Page tables, the disk, `/proc`, and whether all of it adds up."""

from __future__ import annotations

from .. import audit, memory_view, messages, procfs
from ..kernel import Kernel


async def answer(kernel: Kernel, request: messages.MemoryRequest) -> object:
    match request:
        case messages.Pages(pid):
            return await memory_view.pages(kernel, pid)
        case messages.DiskUsage():
            return await memory_view.usage(kernel)
        case messages.Cat(path):
            return {"text": await procfs.read(kernel, path)}
        case messages.Fsck():
            num_pages, problems = await audit.audit(kernel)
            return {"pages": num_pages, "problems": problems}
