"""An ingestion: files are read, and what is new in them is sent to the kernel.

A file whose size and time are known is skipped, one whose content is known is not read. So what was
broken off, at whatever moment, is gone on with by the same command again.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from time import monotonic

from ..ingest import folder
from ..ingest.passage import Document, Passage, Unreadable
from ..ingest.reader import Reader
from .documents import documents
from .verb import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, Self

    from ..kernel.messages import DocumentInfo

BATCH = 64
"""Passages in one request: with the longest ones far below what a line may hold."""
PROGRESS_S = 1.0
COUNTED = ("added", "changed", "duplicate", "unchanged", "removed")


class Ingestion:
    """Of some paths into one namespace. `failed` are files that could not be read, and why."""

    def __init__(self, ctx: Context, namespace: str, on_behalf: int) -> None:
        self.failed: dict[str, str] = {}
        self._ctx = ctx
        self._namespace = namespace
        self._on_behalf = on_behalf
        self._counts: Counter[str] = Counter()
        self._passages = 0
        self._reader = Reader()
        self._known: dict[str, DocumentInfo] = {}
        self._told = monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()

    def text(self) -> str:
        """In words, for people."""
        done = [f"{self._counts[what]:,} {what}" for what in COUNTED if self._counts[what]]
        done += [f"{len(self.failed):,} unreadable"] if self.failed else []
        words = ", ".join(done) or "nothing to read"
        passages = "passage" if self._passages == 1 else "passages"
        return f"{self._namespace}: {words}; {self._passages:,} {passages} sent"

    def document(self) -> dict[str, Any]:
        """The same, for scripts."""
        failed = [{"path": path, "error": error} for path, error in self.failed.items()]
        counts = {what: self._counts[what] for what in COUNTED}
        return {"namespace": self._namespace, **counts, "failed": failed}

    async def run(self, paths: list[str], *, prune: bool) -> None:
        """All files below the paths. With `prune`, documents below them whose files are gone go."""
        for root in paths:
            await self._survey(root)
            for path in folder.files(root):
                if os.path.exists(path):
                    await self._take(path)
                self._tell(path)
            if prune:
                await self._prune(root)

    async def watch(self, paths: list[str]) -> None:
        """Goes on with what changes, until Ctrl-C."""
        try:
            for changed in folder.changes(paths):
                for path in sorted(changed):
                    await self.run([path], prune=True)
                    self._ctx.out.progress(self.text())
        except KeyboardInterrupt:
            return

    # ---- one file -------------------------------------------------------------------------

    async def _survey(self, root: str) -> None:
        """What the kernel knows below that path."""
        async for info in documents(self._ctx, self._namespace, root, self._on_behalf):
            self._known[info.source.path] = info

    async def _take(self, path: str) -> None:
        try:
            path.encode()
            self._counts[await self._outcome(path)] += 1
            self.failed.pop(path, None)
        except (Unreadable, OSError) as error:
            self._fail(path, getattr(error, "strerror", None) or str(error))
        except UnicodeEncodeError:
            self._fail(path, "its name is not UTF-8")

    async def _outcome(self, path: str) -> str:
        """Takes a file, and says what there was to do. Raises OSError, Unreadable."""
        before = os.stat(path)
        known = self._known.get(path)
        source = {"path": path, "size": before.st_size, "mtime_ns": before.st_mtime_ns}
        if known is not None and known.whole:
            times = (known.source.size, known.source.mtime_ns)
            if times == (before.st_size, before.st_mtime_ns):
                return "unchanged"
        source["digest"] = _digest(path)
        same = (
            await self._ctx.ask(
                "kb_same", source=source, namespace=self._namespace, pid=self._on_behalf
            )
        ).path
        if same is not None:
            return "unchanged" if same == path else "duplicate"
        document = self._reader.read(path)
        source |= {"digest": document.digest, "unit": document.unit}
        await self._send(source, document)
        return "changed" if known is not None and known.whole else "added"

    async def _send(self, source: dict[str, Any], document: Document) -> None:
        upload: int | None = None
        passages = document.passages
        for start in range(0, max(len(passages), 1), BATCH):
            batch = passages[start : start + BATCH]
            answer = await self._ctx.ask(
                "kb_add",
                source=source,
                passages=list(_written(batch)),
                position=start,
                upload=upload,
                last=start + BATCH >= len(passages),
                namespace=self._namespace,
                pid=self._on_behalf,
            )
            upload = answer.upload
            self._passages += len(batch)
            self._tell(str(source["path"]))

    # ---- what is gone ---------------------------------------------------------------------

    async def _prune(self, root: str) -> None:
        for path in [path for path in self._known if path == root or _is_below(path, root)]:
            if not os.path.exists(path):
                done = await self._ctx.ask(
                    "kb_remove", beneath=path, namespace=self._namespace, pid=self._on_behalf
                )
                self._counts["removed"] += done.removed
                del self._known[path]

    def _fail(self, path: str, why: str) -> None:
        self.failed[path] = why
        if not self._ctx.out.as_json:
            self._ctx.out.note(f"llmos: not read: {path}: {why}")

    def _tell(self, path: str) -> None:
        """Progress, now and then."""
        if monotonic() - self._told >= PROGRESS_S:
            self._told = monotonic()
            self._ctx.out.progress(f"{self.text()}: {path}")


def _written(passages: Iterable[Passage]) -> Iterator[dict[str, Any]]:
    for one in passages:
        yield {
            "heading": one.heading[:1000],
            "text": one.text,
            "first": one.first,
            "last": one.last,
        }


def _digest(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_below(path: str, root: str) -> bool:
    return path.startswith(root.rstrip("/") + "/")
