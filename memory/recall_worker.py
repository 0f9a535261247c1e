"""The recall process: `python -m llmos.memory.recall_worker SOCKET_FD PARENT_PID JOURNAL MODEL
EXACT_PAGES`.

It answers questions about what is in swap, and between them brings its library up to date: words
first, then meanings, then Chroma; for half of the time at most, since the engine needs the cores
more. Lines of JSON go both ways, as on the kernel's own socket; `-` as
the model means that words alone are looked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
import sqlite3
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .corpus import Scope
from .embedding import EmbeddingError, EmbeddingProcess
from .embedding_worker import NICENESS, die_with
from .library import Library, Wanted, destroy
from .recall import When

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
"""For pages that have come. A question looks by itself."""
EMBED_AGAIN_S = 30.0
MAX_LINE = 1 << 20


async def serve(channel: socket.socket, journal: Path, model: str, exact_pages: int) -> None:
    reader, writer = await asyncio.open_unix_connection(sock=channel, limit=MAX_LINE)
    embedder = None if model == "-" else EmbeddingProcess(model)
    database = journal.with_name("recall.db")
    chroma = journal.with_name("chroma")
    library = Library(journal, database, embedder, chroma, exact_pages=exact_pages)
    # To check and mend the semantic index, at leisure.
    nice = ThreadPoolExecutor(1, initializer=os.nice, initargs=(NICENESS,))
    asyncio.get_running_loop().set_default_executor(nice)
    keeping_up = asyncio.create_task(keep_up(library))
    try:
        while line := await reader.readline():
            request = json.loads(line)
            found = await answer(library, request) | {"id": request["id"]}
            writer.write(json.dumps(found).encode() + b"\n")
            await writer.drain()
            if keeping_up.done():
                keeping_up.result()
    except sqlite3.DatabaseError as error:
        # The next process makes it anew.
        log.error("%s is damaged: %s", database, error)
        destroy(database)
    finally:
        keeping_up.cancel()
        with contextlib.suppress(asyncio.CancelledError, sqlite3.Error):
            await keeping_up
        if embedder is not None:
            await embedder.close()
        library.close()


async def answer(library: Library, request: dict[str, Any]) -> dict[str, Any]:
    if request["op"] == "status":
        return {"status": asdict(library.status())}
    wanted = Wanted(
        query=request["query"],
        scopes=tuple(Scope(owner, before) for owner, before in request["scopes"]),
        k=request["k"],
        max_tokens=request["max_tokens"],
        when=When(*(float(moment) for moment in request["when"])),
    )
    return {"hits": [asdict(hit) for hit in await library.search(wanted)]}


async def keep_up(library: Library) -> None:
    """Forever."""
    while True:
        wait_s = LOOK_EVERY_S
        while await rested(library.catch_up):
            pass
        try:
            while await library.embed():  # which mostly waits for the embedding process
                await asyncio.sleep(0)
            await library.tend_semantic_index()
        except EmbeddingError as error:
            log.warning("pages are found by their words only: %s", error)
            wait_s = EMBED_AGAIN_S
        await asyncio.sleep(wait_s)


async def rested(step: Callable[[], bool]) -> bool:
    """Take a step, then a rest that is as long."""
    started = time.perf_counter()
    more = step()
    await asyncio.sleep(time.perf_counter() - started if more else 0)
    return more


def main() -> None:
    channel = socket.socket(fileno=int(sys.argv[1]))
    channel.set_inheritable(False)
    die_with(int(sys.argv[2]))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s recall %(levelname)s %(message)s")
    asyncio.run(serve(channel, Path(sys.argv[3]), sys.argv[4], int(sys.argv[5])))


if __name__ == "__main__":
    main()
