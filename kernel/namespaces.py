"""Namespaces of the knowledge base: which there are, and who may read and write them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from dataclasses import replace

from ..memory import knowledge_store as store
from ..memory.corpus import Scope
from ..memory.knowledge import scope
from ..memory.knowledge_store import Namespace
from ..syscalls.errno import EINVAL, ENOENT, EPERM, did_you_mean
from .journal import Journal
from .permission import admits, check, whom
from .process import INIT_PID, Process
from .table import ProcessTable

_NAME = re.compile(r"[\w.-]{1,64}")


class Namespaces:
    """All of them, by name. Owned by the kernel's loop."""

    def __init__(self, journal: Journal, table: ProcessTable) -> None:
        self.journal = journal
        self.writing = asyncio.Lock()
        self._table = table
        self._namespaces: dict[str, Namespace] = {}

    async def adopt(self, table: ProcessTable) -> None:
        """Take over what the journal holds."""
        self._table = table
        found = await self.journal.read(store.read_namespaces)
        self._namespaces = {namespace.name: namespace for namespace in found}

    def scopes(self, process: Process, names: Iterable[str] | None = None) -> list[Scope]:
        """What a search by this process may see: these namespaces, or all that it may read. Raises
        ENOENT, EPERM."""
        if names is None:
            return [scope(namespace.name) for namespace in self.readable(process)]
        return [scope(self.readable_one(process, name).name) for name in names]

    def readable(self, process: Process) -> list[Namespace]:
        """By name."""
        return [
            namespace
            for _, namespace in sorted(self._namespaces.items())
            if self._may(process, namespace, namespace.readers)
        ]

    def readable_one(self, process: Process, name: str) -> Namespace:
        namespace = self._find(process, name)
        if not self._may(process, namespace, namespace.readers):
            raise EPERM(_denied(process, namespace, "read", namespace.readers))
        return namespace

    def writable(self, process: Process, name: str) -> Namespace:
        namespace = self._find(process, name)
        if not self._may(process, namespace, namespace.writers):
            raise EPERM(_denied(process, namespace, "write", namespace.writers))
        return namespace

    async def open(
        self, process: Process, name: str, readers: str | None, writers: str | None
    ) -> Namespace:
        """The namespace, made if need be; its owner may say anew who may use it. Raises EINVAL,
        EPERM."""
        check(readers, writers)
        if not _NAME.fullmatch(name):
            raise EINVAL(
                f"{name!r} is no name of a namespace",
                hint="it has 1 to 64 letters, digits, _ . or -",
            )
        async with self.writing:
            namespace = self._namespaces.get(name)
            if namespace is None:
                namespace = Namespace(name, process.pid, process.session, process.group)
            elif self.writable(process, name) and not (readers or writers):
                return namespace
            elif process.pid not in (namespace.owner, INIT_PID):
                raise EPERM(
                    f"process {namespace.owner} owns {name!r}, and it alone says who may use it"
                )
            changed = replace(
                namespace,
                readers=readers or namespace.readers,
                writers=writers or namespace.writers,
            )
            await self.journal.commit(
                [store.write_namespace(changed)],
                lambda: self._namespaces.update({name: changed}),
            )
        return changed

    def may_drop(self, process: Process, name: str) -> None:
        """Raises ENOENT, EPERM."""
        namespace = self._find(process, name)
        if process.pid not in (namespace.owner, INIT_PID):
            raise EPERM(f"process {namespace.owner} owns {name!r}, and it alone may remove it")

    async def drop(self, name: str) -> None:
        """Its documents must be gone, and `writing` held."""

        def gone() -> None:
            self._namespaces.pop(name, None)

        await self.journal.commit([store.delete_namespace(name)], gone)

    def _find(self, process: Process, name: str) -> Namespace:
        namespace = self._namespaces.get(name)
        if namespace is None:
            near = [one.name for one in self.readable(process)]
            raise ENOENT(f"no namespace {name!r}", hint=did_you_mean(name, near))
        return namespace

    def _may(self, process: Process, namespace: Namespace, who: str) -> bool:
        """Process 1 runs nothing: it stands for the user, who may do everything."""
        return process.pid == INIT_PID or admits(self._table, process, namespace, who)


def _denied(process: Process, namespace: Namespace, what: str, who: str) -> str:
    return (
        f"process {process.pid} may not {what} namespace {namespace.name!r}:"
        f" it is for {whom(namespace, who)}"
    )
