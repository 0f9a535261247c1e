"""The torture of memory: pages leave windows, come back, are embedded and indexed, documents are
ingested, and meanwhile `kill -9` hits the kernel, the recall process or the embedding process.

Windows are small (pages leave every few turns) and few pages make a large owner, so that Chroma is
always in play. While the kernel is dead, Chroma's folder or recall's database is now and then
deleted. After each recovery and at the end, what was acknowledged is held against what there is
(`memory_verdict.py`); and a second kernel is refused. `make torture-memory` runs it; the last line
is its report as JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import sys
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass, field

import psutil

from harness import KernelProcess, Wire
from llmos.kernel.boot import EXIT_RUNNING_ALREADY
from memory_verdict import Conversation, Verdict

EXACT_PAGES = 30
MAX_MESSAGES = 40
"""Of a conversation; then another one begins."""
FILLER_WORDS = 100
FACTS_AT_ONCE = 3
SETTLED_S = 90.0
LAST_CHECK_S = 180.0
FILES = [f"{letter}{letter}.md" for letter in "abcdefghijklmnopqrst"]
"""Without numbers in their names: those of berths would mean them too."""
WORDS = """anchor basket candle dagger engine feather garden hammer island jacket kettle ladder
magnet needle orchid pepper quiver ribbon saddle timber umbrella velvet wagon yarrow""".split()


@dataclass
class Report:
    kills: int
    lost: int
    killed: dict[str, int]
    deleted: dict[str, int]
    refused_kernels: int
    pages: int
    messages: int
    facts: int
    found: int
    large_owners: int
    problems: list[str] = field(default_factory=list)


class Talker(threading.Thread):
    """Tells facts to processes, with much else, asks after some, and notes what was
    acknowledged. Whatever breaks, it connects again and goes on."""

    def __init__(self, name: str, seed: str, kernel: KernelProcess) -> None:
        super().__init__(name=name, daemon=True)
        self.conversations: list[Conversation] = []
        self.running, self.over = threading.Event(), threading.Event()
        self.running.set()
        self._rng = random.Random(seed)
        self._kernel = kernel
        self._number = 0

    def run(self) -> None:
        while not self.over.is_set():
            with contextlib.suppress(OSError, EOFError), self._kernel.wire() as wire:
                while not self.over.is_set():
                    self.running.wait()
                    self._say(wire)
                    time.sleep(self._rng.uniform(0.05, 0.4))
            time.sleep(0.05)

    def _say(self, wire: Wire) -> None:
        if not self.conversations or len(self.conversations[-1].sent) >= MAX_MESSAGES:
            reply = wire.ask("spawn", interactive=True, root=str(self._kernel.root))
            if not reply["ok"]:
                raise ConnectionError(str(reply["error"]))
            self.conversations.append(Conversation(reply["result"]["pid"]))
        talk = self.conversations[-1]
        fact = None
        if talk.facts and self._rng.random() < 0.25:
            text = asking(self._rng.choice(talk.facts))
        else:
            self._number += 1
            fact = f"{self._rng.choice(WORDS)}{self._number} of {self.name}"
            told = f"the {fact} lies in box {self._rng.randrange(10**6)}"
            text = f"{told}. {' '.join(self._rng.choices(WORDS, k=FILLER_WORDS))}"
        reply = wire.ask("send", pid=talk.pid, text=text)
        if not reply["ok"]:
            raise ConnectionError(str(reply["error"]))
        talk.sent.append(text)
        if fact is not None:
            talk.facts.append(told)


def asking(fact: str) -> str:
    query = json.dumps({"query": fact.partition(" lies")[0]})
    return f"call search_memory {query}"


class Reader(threading.Thread):
    """Writes facts into files and ingests them; those that `llmos ingest` has acknowledged are
    `facts`."""

    def __init__(self, seed: str, kernel: KernelProcess) -> None:
        super().__init__(daemon=True)
        self.facts: list[str] = []
        self.over = threading.Event()
        self._rng = random.Random(seed)
        self._kernel = kernel
        self._folder = kernel.folder / "documents"
        self._folder.mkdir()

    def run(self) -> None:
        number, pending = 0, list[str]()
        while not self.over.is_set():
            if len(pending) < 10 * FACTS_AT_ONCE:
                for _ in range(FACTS_AT_ONCE):
                    number += 1
                    fact = f"the harbour's berth {number} is for the {self._rng.choice(WORDS)}"
                    with (self._folder / self._rng.choice(FILES)).open("a") as file:
                        file.write(f"# Berth {number}\n\n{fact}.\n\n")
                    pending.append(fact)
            if self.ingest():
                self.facts += pending
                pending = []
            self.over.wait(0.2)

    def ingest(self) -> bool:
        """All of it; False when the kernel was killed meanwhile."""
        return self._kernel.llmos("ingest", str(self._folder), "-n", "harbour").returncode == 0


class MemoryTorture:
    """One kernel folder, from the first boot to the last check."""

    def __init__(self, seed: int, num_talkers: int = 3, model: str | None = None) -> None:
        self._rng = random.Random(seed)
        options = ["--driver=simulated", "--high=0.3", "--low=0.12", f"--exact-pages={EXACT_PAGES}"]
        if model is not None:
            options.append(f"--embedding-model={model}")
        self._with_meaning = model != "-"
        self._kernel = KernelProcess(*options)
        self._talkers = [Talker(f"t{n}", f"{seed} {n}", self._kernel) for n in range(num_talkers)]
        self._reader = Reader(f"{seed} reader", self._kernel)
        self._workers: tuple[Talker | Reader, ...] = (*self._talkers, self._reader)
        self._verdict = Verdict(self._kernel)
        self._killed: Counter[str] = Counter()
        self._deleted: Counter[str] = Counter()
        self._refused = 0

    def run(self, kills: int) -> Report:
        try:
            self._kernel.start().ready()
            for worker in self._workers:
                worker.start()
            while self._killed.total() < kills:
                if self._rng.random() < 0.15:
                    self._let_it_settle()
                time.sleep(self._rng.uniform(0.1, 2.5))
                self._kill_something()
                self._say_how_it_goes()
            return self._finish()
        finally:
            for worker in self._workers:
                worker.over.set()
            self._kernel.close()

    def _kill_something(self) -> None:
        choice = self._rng.random()
        if choice < 0.2 and self._kill_child("recall_worker", "recall"):
            return
        if choice < 0.4 and self._kill_child("embedding_worker", "embedding"):
            return
        self._kill_kernel()

    def _kill_child(self, module: str, name: str) -> bool:
        found = self._children(module)
        for child in found:
            os.kill(child, signal.SIGKILL)
            self._killed[name] += 1
        return bool(found)

    def _children(self, module: str) -> list[int]:
        with contextlib.suppress(psutil.NoSuchProcess):
            family = psutil.Process(self._kernel.os_pid).children(recursive=True)
            return [one.pid for one in family if any(module in word for word in cmdline(one))]
        return []

    def _kill_kernel(self) -> None:
        orphans = [*self._children("recall_worker"), *self._children("embedding_worker")]
        self._kernel.kill9()
        self._killed["kernel"] += 1
        while any(psutil.pid_exists(pid) and not is_zombie(pid) for pid in orphans):
            time.sleep(0.01)  # they die with their parent
        self._delete_something()
        self._kernel.start()
        if self._rng.random() < 0.1:
            self._refuse_a_second_kernel()
        with self._kernel.wire() as wire:
            self._verdict.check_now(wire, self._conversations())

    def _delete_something(self) -> None:
        state, choice = self._kernel.state_dir, self._rng.random()
        if choice < 0.2 and (state / "chroma").exists():
            shutil.rmtree(state / "chroma")
            self._deleted["chroma"] += 1
        elif choice < 0.3 and (state / "recall.db").exists():
            for path in state.glob("recall.db*"):
                path.unlink()
            self._deleted["recall.db"] += 1

    def _refuse_a_second_kernel(self) -> None:
        second = KernelProcess(*self._kernel.options, folder=self._kernel.folder)
        second.launch()
        assert second._process is not None
        status = second._process.wait(60.0)
        if status == EXIT_RUNNING_ALREADY:
            self._refused += 1
        else:
            self._verdict.is_lost(f"a second kernel ended with {status}, and was not refused")

    def _let_it_settle(self) -> None:
        """Mostly a recall process does not live here until it has embedded anything: now and then
        it may go on to the end, without anything new."""
        for talker in self._talkers:
            talker.running.clear()
        with self._kernel.wire() as wire:
            self._verdict.settle(wire, SETTLED_S)
        for talker in self._talkers:
            talker.running.set()

    def _conversations(self) -> list[Conversation]:
        return [talk for talker in self._talkers for talk in list(talker.conversations)]

    def _finish(self) -> Report:
        for worker in self._workers:
            worker.over.set()
        for worker in self._workers:
            worker.join()
        self._kernel.ready()
        verdict, talks = self._verdict, self._conversations()
        with self._kernel.wire() as wire:
            verdict.check_at_last(wire, talks, LAST_CHECK_S)
            verdict.settle(wire, SETTLED_S)  # the indexes follow the journal
            verdict.find_facts(wire, talks, asking)
        if not self._reader.ingest():
            verdict.is_lost("the documents cannot be ingested")
        with self._kernel.wire() as wire:
            verdict.settle(wire, SETTLED_S)
        verdict.find_documents(self._reader.facts)
        self._kernel.terminate()
        large = verdict.check_stores(self._with_meaning)
        return Report(
            kills=self._killed.total(),
            lost=verdict.lost,
            killed=dict(self._killed),
            deleted=dict(self._deleted),
            refused_kernels=self._refused,
            pages=verdict.num_pages,
            messages=sum(len(talk.sent) for talk in talks),
            facts=verdict.facts,
            found=verdict.found,
            large_owners=large,
            problems=verdict.problems,
        )

    def _say_how_it_goes(self) -> None:
        print(
            f"{self._killed.total()} kills {dict(self._killed)}: {self._verdict.num_pages} pages,"
            f" {len(self._reader.facts)} facts in documents, deleted {dict(self._deleted)},"
            f" lost {self._verdict.lost}",
            flush=True,
        )


def cmdline(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.Error):
        return list(process.cmdline())
    return []


def is_zombie(pid: int) -> bool:
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    return True


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--talkers", type=int, default=3)
    parser.add_argument("--model", help="the embedding model, or - for words alone")
    options = parser.parse_args()
    report = MemoryTorture(options.seed, options.talkers, options.model).run(options.kills)
    print(json.dumps(asdict(report)), flush=True)
    sys.exit(bool(report.lost))
