"""Shared pages: texts by name."""

from __future__ import annotations

from .calling import Calling


class Shared(Calling):
    """What several processes read and write."""

    def read_shared(self, name: str) -> tuple[str, int]:
        page = self._kernel.shared.read(self._caller, name)
        return page.text, page.version

    async def write_shared(
        self,
        name: str,
        text: str,
        version: int | None = None,
        readers: str | None = None,
        writers: str | None = None,
    ) -> int:
        return await self._kernel.write_shared(
            self._caller, name, text, version=version, readers=readers, writers=writers
        )

    def list_shared(self) -> list[str]:
        return [page.name for page in self._kernel.shared.readable(self._caller)]
