"""`/proc`, as the caller sees it."""

from __future__ import annotations

from .. import procfs
from .calling import Calling


class Proc(Calling):
    """Itself, and what is below it."""

    async def read_proc(self, path: str) -> str:
        return await procfs.read(self._kernel, path, self._caller)

    async def list_proc(self, path: str) -> list[str]:
        found = await procfs.listing(self._kernel, path, self._caller)
        return [f"{one.name}/" if one.folder else one.name for one in found]
