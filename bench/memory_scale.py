"""How memory carries many pages: each figure at 1,000, 10,000 and 100,000 pages (or `--sizes`).

One process has nearly all of the pages; another has a few thousand of them, in between. Pages are
written by swap's own statements, indexed by the library, and asked for as the kernel does it: out
of swap through the journal's thread, and through the recall process with MiniLM. Two things are not
as in life. The pages' vectors are made up (`memory_texts.py`), because MiniLM would need hours for
them; they are written by the index's own functions, and Chroma has them as any others. And above
`--meaning` pages there are none at all: there, only words are measured. MiniLM's own rate is taken
from a few hundred pages.

- page_in_ms: one page by its number, at random, through the journal (p50, p95)
- words_ms, meaning_ms: a question to the recall process, of the owner of nearly all pages; without
  vectors, and with those of question, words and pages (p50, p95). small_…: of the other owner;
  …_cpu_ms: what it takes of a core (mean), which depends less on other work on the machine
- first_ms: the first question of all, with the start of the recall process without MiniLM's
- found: the share of questions, with a page's own words, whose page is among the ten best
- kernel_mb, recall_mb: resident memory after all that; recall_mb is without MiniLM's own process
- boot_s: recover and adopt, without the engine
- swap_bytes, recall_bytes, chroma_bytes: on disk, for each page
- index_pages_s, chroma_pages_s: how many a second; minilm_pages_s: with the real embedder
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import multiprocessing
import os
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import psutil

from llmos.kernel.boot import PROGRAMS
from llmos.kernel.config import KernelConfig
from llmos.kernel.engine.simulated import SimulatedDriver
from llmos.kernel.engine.supervisor import Engine
from llmos.kernel.kernel import Kernel
from llmos.kernel.recovery import recover
from llmos.kernel.storage import open_journal
from llmos.memory import swap
from llmos.memory.corpus import Scope
from llmos.memory.embedding import MINILM, EmbeddingProcess
from llmos.memory.library import Library, Wanted
from llmos.memory.page import Page
from llmos.memory.recall_process import RecallProcess
from llmos.syscalls.registry import PluginRegistry
from memory_texts import MadeUpEmbedder, Texts, unique
from report import report

SIZES = (1_000, 10_000, 100_000)
MEANING = 100_000
SMALL = 4_000
RESIDENT = 20
AT_ONCE = 2_000
PAGE_INS, QUESTIONS, SAMPLE = 2_000, 60, 200
MAY_8 = 1_778_227_200.0
SECONDS_BETWEEN = 60.0
UP_TIMEOUT_S = 300.0


class Store:
    """A folder with a journal in which two processes have `size` pages."""

    def __init__(self, folder: Path, size: int) -> None:
        self.config = KernelConfig(folder, folder / "s", folder / "plugins")
        self.size = size
        self.small = min(SMALL, size // 4)
        self.every = size // self.small
        self.texts = Texts()

    def split(self, number: int) -> tuple[int, int]:
        """(which of the two, its page number) of a page."""
        if number % self.every == 0 and number // self.every < self.small:
            return 1, number // self.every
        return 0, number - min(number // self.every + 1, self.small)

    async def fill(self) -> tuple[int, int]:
        """The pids."""
        kernel = await boot(self.config)
        pids = [
            (await kernel.spawn(task=None, name="p", root=Path("/"), interactive=True)).pid
            for _ in range(2)
        ]
        lasts = [self.size - self.small, self.small]
        for first in range(0, self.size, AT_ONCE):
            statements: list[swap.Statement] = []
            for number in range(first, min(first + AT_ONCE, self.size)):
                which, vpn = self.split(number)
                text = self.texts.page(number)
                role = ("user", "assistant")[vpn % 2]
                created = MAY_8 + number * SECONDS_BETWEEN
                page = Page(vpn, role, text, len(text.split()), created)  # type: ignore[arg-type]
                statements += swap.write_page(pids[which], 0, page, None)
                if vpn < lasts[which] - RESIDENT:
                    statements += swap.page_out(
                        pids[which], 0, [page], created, tokens_before=0, tokens_after=0
                    )[:1]
            await kernel.journal.commit(statements)
        await kernel.park()
        kernel.journal.close()
        return pids[0], pids[1]


async def boot(config: KernelConfig) -> Kernel:
    """As far as memory is concerned."""
    kernel = Kernel(
        config,
        open_journal(config.journal),
        Engine(SimulatedDriver()),
        PluginRegistry(config.plugins_dir),
        PROGRAMS,
    )
    kernel.adopt_all(await kernel.journal.read(recover))
    await kernel.start_init()
    return kernel


# ---- the kernel ---------------------------------------------------------------------------


async def measure_kernel(folder: Path, pid: int, num_pages: int) -> dict[str, Any]:
    config = KernelConfig(folder, folder / "s", folder / "plugins")
    started = time.perf_counter()
    kernel = await boot(config)
    figures: dict[str, Any] = {"boot_s": time.perf_counter() - started}
    rng = random.Random(1)

    async def page_in() -> None:
        vpn = rng.randrange(num_pages)
        stored = await kernel.journal.read(lambda c: swap.read_page(c, pid, 0, vpn))
        assert stored is not None and stored.page.vpn == vpn

    figures |= latencies("page_in_ms", await timed(page_in, PAGE_INS))
    gc.collect()
    figures["kernel_mb"] = psutil.Process().memory_info().rss / 1e6
    await kernel.park()
    kernel.journal.close()
    return figures


# ---- recall -------------------------------------------------------------------------------


async def index(folder: Path, size: int, embedder: MadeUpEmbedder | None) -> dict[str, Any]:
    """Words, then vectors, then Chroma, in this process."""
    journal = folder / "llmos.db"
    chroma = folder / "chroma" if embedder else None
    library = Library(journal, folder / "recall.db", embedder, chroma)
    started = time.perf_counter()
    while library.catch_up():
        pass
    seconds = {"index_pages_s": time.perf_counter() - started}
    if embedder is not None:
        started = time.perf_counter()
        while await library.embed():
            pass
        seconds["write_vectors_pages_s"] = time.perf_counter() - started
        started = time.perf_counter()
        await library.tend_semantic_index()
        if any((folder / "chroma").glob("*")):
            seconds["chroma_pages_s"] = time.perf_counter() - started
    status = library.status()
    assert (status.behind, status.trouble) == (0, ""), status
    library.close()
    return {name: size / value for name, value in seconds.items()}


class Asked:
    """Questions to a recall process about one owner's pages."""

    def __init__(self, recall: RecallProcess, store: Store, owner: str, which: int) -> None:
        self._recall, self._store, self._owner, self._which = recall, store, owner, which
        self._rng = random.Random(2)
        self.asked = self.found = 0

    async def __call__(self) -> None:
        store = self._store
        number = self._rng.randrange(store.size)
        while store.split(number)[0] != self._which:
            number = self._rng.randrange(store.size)
        self.asked += 1
        # Each second question has the page's own word.
        own = f" {unique(number)}" if self.asked % 2 else ""
        query = store.texts.question(number) + own
        hits = await self._recall.search(Wanted(query, (Scope(self._owner),), k=10))
        if own:
            self.found += store.split(number)[1] in [hit.page for hit in hits]


async def measure_recall(store: Store, pids: tuple[int, int], model: str) -> dict[str, Any]:
    """With a model, of meaning; `-`: of words."""
    recall = RecallProcess(store.config.journal, model)
    name = "words" if model == "-" else "meaning"
    figures: dict[str, Any] = {}
    found = asked = 0
    try:
        started = time.perf_counter()
        await recall.search(Wanted("hello", (Scope(f"{pids[0]}.0"),), k=10))
        figures["first_ms"] = 1e3 * (time.perf_counter() - started)
        assert recall.pid is not None
        process = psutil.Process(recall.pid)
        await until_up(recall, process, model)
        for which, prefix in enumerate(("", "small_")):
            ask = Asked(recall, store, f"{pids[which]}.0", which)
            await ask()
            before_s = cpu_s(process)
            figures |= latencies(f"{prefix}{name}_ms", await timed(ask, QUESTIONS))
            figures[f"{prefix}{name}_cpu_ms"] = 1e3 * (cpu_s(process) - before_s) / QUESTIONS
            found, asked = found + ask.found, asked + (ask.asked + 1) // 2
        figures["recall_mb"] = process.memory_info().rss / 1e6
        figures["found"] = found / asked
    finally:
        await recall.close()
    return figures


async def until_up(recall: RecallProcess, process: psutil.Process, model: str) -> None:
    """The model is loaded, and what it had to look after is done."""
    async with asyncio.timeout(UP_TIMEOUT_S):
        while True:
            status = await recall.status()
            assert status is not None and not status.trouble, status
            before_s = cpu_s(process)
            await asyncio.sleep(1.5)
            busy_s = cpu_s(process) - before_s
            if busy_s < 0.1 and len(process.children()) >= (model != "-"):
                return


def cpu_s(process: psutil.Process) -> float:
    """Of it and its children."""
    return sum(sum(one.cpu_times()[:2]) for one in (process, *process.children()))


async def real_rate(embedder: EmbeddingProcess, texts: Texts) -> float:
    """Pages a second with MiniLM, with their passages, as the index asks for them."""
    batch = 8
    await embedder.embed(["hello"])
    started = time.perf_counter()
    for first in range(0, SAMPLE, batch):
        pages = [texts.page(number) for number in range(first, first + batch)]
        await embedder.embed([*pages, *(one for page in pages for one in page.split(". "))])
    return SAMPLE / (time.perf_counter() - started)


# ---- together -----------------------------------------------------------------------------


async def timed(act: Callable[[], Awaitable[None]], times: int) -> list[float]:
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        await act()
        seconds.append(time.perf_counter() - started)
    return sorted(seconds)


def latencies(name: str, seconds: list[float]) -> dict[str, float]:
    return {
        f"{name}_p50": 1e3 * seconds[len(seconds) // 2],
        f"{name}_p95": 1e3 * seconds[int(0.95 * len(seconds))],
    }


def disk_bytes(folder: Path, pattern: str) -> int:
    files = [path for path in folder.rglob(pattern) if path.is_file()]
    return sum(path.stat().st_size for path in files)


def kernel_in_child(folder: Path, pid: int, num_pages: int) -> dict[str, Any]:
    return asyncio.run(measure_kernel(folder, pid, num_pages))


async def measure(size: int, meaning: int, embedder: MadeUpEmbedder) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="llmos-bench-") as name:
        folder = Path(name)
        store = Store(folder, size)
        pids = await store.fill()
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as fresh:
            job = fresh.submit(kernel_in_child, folder, pids[0], size - store.small)
            figures = await asyncio.wrap_future(job)
        with_meaning = size <= meaning
        figures |= await index(folder, size, embedder if with_meaning else None)
        figures |= await measure_recall(store, pids, "-")
        if with_meaning:
            figures |= await measure_recall(store, pids, MINILM)
        for what, pattern in (
            ("swap", "llmos.db"),
            ("recall", "recall.db"),
            ("chroma", "chroma/**/*"),
        ):
            figures[f"{what}_bytes"] = disk_bytes(folder, pattern) / size
        return figures


async def main(sizes: list[int], meaning: int) -> None:
    texts = Texts()
    real = EmbeddingProcess(MINILM)
    made_up = await MadeUpEmbedder.of(real, texts.vocabulary)
    minilm_pages_s = await real_rate(real, texts)
    await real.close()
    measured: dict[int, dict[str, Any]] = {}
    for size in sizes:
        started = time.perf_counter()
        measured[size] = await measure(size, meaning, made_up)
        measured[size]["bench_s"] = time.perf_counter() - started
        print(size, json.dumps({k: round(v, 3) for k, v in measured[size].items()}), flush=True)
    names = dict.fromkeys(name for figures in measured.values() for name in figures)
    figures: dict[str, Any] = {
        name: {str(size): round(one[name], 3) for size, one in measured.items() if name in one}
        for name in names
    }
    figures["minilm_pages_s"] = round(minilm_pages_s, 1)
    details = {
        "vectors": "made up, of MiniLM's width; words and questions have MiniLM's own",
        "no vectors above": meaning,
        "small owner's pages": {str(size): min(SMALL, size // 4) for size in sizes},
        "sqlite": sqlite3.sqlite_version,
        "omp_threads": os.environ.get("OMP_NUM_THREADS", ""),
    }
    report("memory-scale", figures, details)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--meaning", type=int, default=MEANING)
    options = parser.parse_args()
    sys.exit(asyncio.run(main(options.sizes, options.meaning)))
