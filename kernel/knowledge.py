"""The knowledge base: documents that clients fill namespaces with, and processes search.

Reading files is the client's work (`ingest/`): what arrives here are passages, in batches. Each
batch is a transaction, and the last one says that the document is whole. What was cut off before
that is sent again; what is there already is not written twice. Recall follows by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePath

from ..memory import knowledge_store as store
from ..memory.knowledge import Found, resolve
from ..memory.knowledge_store import DocumentRow, Excerpt, Namespace, Size, Source
from ..memory.library import Wanted
from ..memory.recall_process import Recall, RecallError
from ..memory.recall_store import MAX_TEXT
from ..memory.swap import Statement
from ..syscalls.errno import EAGAIN, EINVAL, EIO
from .namespaces import Namespaces
from .process import Process

MAX_PASSAGES = 256
"""Passages in one batch."""
MAX_HEADING = 1000
AT_ONCE = 64
"""Places that are removed in one transaction."""


class Knowledge:
    """The documents of all namespaces. Owned by the kernel's loop."""

    def __init__(self, namespaces: Namespaces, recall: Recall) -> None:
        self.namespaces = namespaces
        self._journal = namespaces.journal
        self._recall = recall

    async def size(self, namespace: Namespace) -> Size:
        return await self._journal.read(lambda c: store.read_size(c, namespace.name))

    async def documents(
        self, process: Process, name: str, beneath: str, after: str, limit: int
    ) -> list[DocumentRow]:
        """By path, those after the path `after`. Raises ENOENT, EPERM."""
        self.namespaces.readable_one(process, name)
        return await self._journal.read(
            lambda c: store.read_documents(c, name, beneath, after, limit)
        )

    # ---- documents come ---------------------------------------------------------------------

    async def same(self, process: Process, name: str, source: Source) -> str | None:
        """Is this very content there already? Then the file is a document from now on, and whose
        content it has is the answer. Raises ENOENT, EPERM."""
        async with self.namespaces.writing:
            self.namespaces.writable(process, name)
            twin = await self._journal.read(lambda c: store.twin(c, name, source))
            if twin is None:
                return None
            number, path, version, unit = twin
            if path == source.path:
                await self._journal.commit([store.touch(number, source)])
                return path
            upload, document = await self._upload(name, source.path, None)
            await self._journal.commit([store.copy_places(document, upload, number, version)])
            await self._trim(document, upload)
            await self._journal.commit(store.finish(document, upload, replace(source, unit=unit)))
            return path

    async def add(
        self,
        process: Process,
        name: str,
        source: Source,
        excerpts: Sequence[Excerpt],
        position: int,
        upload: int | None,
        last: bool,
    ) -> int:
        """A batch of a document's passages, the first of which is its passage number `position`;
        the number of the upload, which the next batch has to name. With the `last` one the document
        is whole, and takes the place of what it was. Raises EAGAIN, EINVAL, ENOENT, EPERM."""
        _check_batch(source, excerpts)
        async with self.namespaces.writing:
            self.namespaces.writable(process, name)
            upload, document = await self._upload(name, source.path, upload)
            statements: list[Statement] = []
            for place, excerpt in enumerate(excerpts, position):
                statements += store.write_excerpt(name, source, document, upload, place, excerpt)
            await self._journal.commit(statements)
            if last:
                await self._trim(document, upload)
                await self._journal.commit(store.finish(document, upload, source))
        return upload

    async def _upload(self, name: str, path: str, upload: int | None) -> tuple[int, int]:
        """(upload, document). Raises EAGAIN."""
        if upload is None:
            upload = await self._journal.write(lambda c: store.begin(c, name, path))
        found = await self._journal.read(lambda c: store.document_of(c, upload))
        if found is None or found[1:] != (name, path):
            raise EAGAIN(
                f"{path!r} is being read by somebody else, or was removed",
                hint="send it again from its beginning",
            )
        return upload, found[0]

    # ---- documents go -----------------------------------------------------------------------

    async def remove(self, process: Process, name: str, beneath: str) -> int:
        """Remove a document, or all below a folder; without a path the namespace itself. How many
        documents it were. Raises ENOENT, EPERM."""
        self.namespaces.writable(process, name)
        if not beneath:
            self.namespaces.may_drop(process, name)
        removed = 0
        while True:
            async with self.namespaces.writing:
                rows = await self._journal.read(
                    lambda c: store.read_documents(c, name, beneath, "", 1)
                )
                if rows:
                    await self._trim(rows[0].id, None)
                    await self._journal.commit(store.delete_document(rows[0].id))
                    removed += 1
                    continue
                if not beneath:
                    await self.namespaces.drop(name)
                return removed

    async def _trim(self, document: int, keep: int | None) -> None:
        """Remove what the document was before the upload `keep`, and passages that no document of
        the namespace has any more; a little at a time, since everybody's commits wait meanwhile."""
        while places := await self._journal.read(
            lambda c: store.stale_places(c, document, keep, AT_ONCE)
        ):
            await self._delete(document, places)

    async def _delete(self, document: int, places: Sequence[tuple[int, int, int]]) -> None:
        pages = await self._journal.read(lambda c: store.orphans(c, document, places))
        statements = store.delete_places(document, places)
        for page in pages:
            statements += store.delete_passage(page)
        await self._journal.commit(statements)

    # ---- searching ------------------------------------------------------------------------

    async def search(
        self, process: Process, query: str, k: int, names: Sequence[str] | None = None
    ) -> list[Found]:
        """The `k` best passages of these namespaces, or of all that the process may read, the best
        first. Raises EIO, ENOENT, EPERM."""
        scopes = tuple(self.namespaces.scopes(process, names))
        if not scopes:
            return []
        try:
            hits = await self._recall.search(Wanted(query, scopes, k=k))
        except RecallError as error:
            raise EIO(str(error)) from error
        return await self._journal.read(lambda c: resolve(c, hits))


def _check_batch(source: Source, excerpts: Sequence[Excerpt]) -> None:
    if not PurePath(source.path).is_absolute():
        raise EINVAL(f"path {source.path!r} is not an absolute path")
    if len(excerpts) > MAX_PASSAGES:
        raise EINVAL(f"a batch has at most {MAX_PASSAGES} passages, not {len(excerpts)}")
    for index, excerpt in enumerate(excerpts):
        if not excerpt.text or len(excerpt.text) > MAX_TEXT or len(excerpt.heading) > MAX_HEADING:
            raise EINVAL(
                f"passages.{index}: a passage has 1 to {MAX_TEXT} characters,"
                f" its heading at most {MAX_HEADING}"
            )
