"""The verdict of the torture of memory: what was acknowledged, against what memory holds.

`lost` counts what did not come true; each is also said in words.
"""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from harness import KernelProcess, Wire
from library import search
from llmos.memory.embedding import MINILM
from llmos.memory.semantic import SemanticIndex

MAX_FACTS = 40
MOST_WORDS = 600
"""Characters that a problem is said in."""
MINILM_DIM = 384
ANSWERED_S = 60.0


@dataclass
class Conversation:
    """A process as it was told of: `sent` are the messages that were acknowledged, `facts` what
    some of them said. `pages` are those that the kernel has shown once."""

    pid: int
    sent: list[str] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)
    pages: list[dict[str, Any]] = field(default_factory=list)


class Verdict:
    def __init__(self, kernel: KernelProcess) -> None:
        self.lost = self.facts = self.found = self.num_pages = 0
        self.problems: list[str] = []
        self._kernel = kernel
        self._rng = random.Random(0)

    def is_lost(self, words: str) -> None:
        words = words[:MOST_WORDS]
        if words not in self.problems:
            self.lost += 1
            self.problems.append(words)
            print(f"LOST: {words}", flush=True)

    # ---- while work goes on ---------------------------------------------------------------

    def check_now(self, wire: Wire, talks: Iterable[Conversation]) -> None:
        """Every page that was ever shown is there, byte for byte, and every message is on its way
        in its order."""
        for talk in talks:
            self._check_pages(wire, talk)
        for problem in wire.get("fsck")["problems"]:
            self.is_lost(f"fsck: {problem}")

    def _check_pages(self, wire: Wire, talk: Conversation) -> bool:
        """Has all been read?"""
        sent = list(talk.sent)  # before the pages: it may go on meanwhile
        reply = wire.ask("logs", pid=talk.pid)
        if not reply["ok"]:
            self.is_lost(f"process {talk.pid} is gone: {reply['error']}")
            return True
        pages = reply["result"]["pages"]
        for page in pages:
            del page["resident"]  # the rest stays as it is
        for before, now in zip(talk.pages, pages, strict=False):
            if before != now:
                self.is_lost(f"page {before['vpn']} of process {talk.pid} was {before}, is {now}")
        if len(pages) < len(talk.pages):
            self.is_lost(f"process {talk.pid} had {len(talk.pages)} pages, has {len(pages)}")
        self.num_pages += len(pages) - len(talk.pages)
        talk.pages = pages
        known = set(sent)
        read = [p["text"] for p in pages if p["role"] == "user" and p["text"] in known]
        # One that was taken without an acknowledgement may be there as often as it was tried.
        if not in_order(read[: len(sent)], sent) and not in_order(sent, read):
            self.is_lost(f"process {talk.pid} read {read}, sent were {sent}")
        return in_order(sent, read)

    def settle(self, wire: Wire, timeout_s: float) -> bool:
        """Wait until all is embedded; is it?"""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            usage = wire.get("du")["recall"]
            if usage is None or usage["trouble"]:
                time.sleep(0.2)
            elif not (usage["behind"] or usage["unembedded"] or usage["rebuilding"]):
                return True
            time.sleep(0.2)
        return False

    # ---- at the end -----------------------------------------------------------------------

    def check_at_last(self, wire: Wire, talks: list[Conversation], timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        for talk in talks:
            while not self._check_pages(wire, talk):
                if time.monotonic() > deadline:
                    self.is_lost(f"process {talk.pid} has not read all that it was sent")
                    break
                time.sleep(0.2)
        self.check_now(wire, talks)

    def find_facts(
        self, wire: Wire, talks: list[Conversation], asking: Callable[[str], str]
    ) -> None:
        """What was told comes back to whoever has it no longer in view."""
        told = [(talk, fact) for talk in talks for fact in talk.facts]
        for talk, fact in self._rng.sample(told, min(MAX_FACTS, len(told))):
            if self._in_view(wire, talk, fact):
                continue
            self.facts += 1
            answer = self._ask(wire, talk, asking(fact))
            if fact in answer:
                self.found += 1
            else:
                self.is_lost(f"process {talk.pid} does not find {fact!r}, but {answer!r}")

    def _in_view(self, wire: Wire, talk: Conversation, fact: str) -> bool:
        rows = wire.get("pages", pid=talk.pid)["pages"]
        return any(row["left"] is None and fact in talk.pages[row["vpn"]]["text"]
                   for row in rows if row["vpn"] < len(talk.pages))  # fmt: skip

    def _ask(self, wire: Wire, talk: Conversation, question: str) -> str:
        before = len(talk.pages)
        wire.get("send", pid=talk.pid, text=question)
        talk.sent.append(question)
        deadline = time.monotonic() + ANSWERED_S
        while time.monotonic() < deadline:
            self._check_pages(wire, talk)
            new = talk.pages[before:]  # it may have been answering somebody still
            texts = [page["text"] for page in new]
            if question in texts:
                new = new[texts.index(question) :]
                if new[-1]["role"] == "assistant" and not new[-1]["calls"]:
                    return "\n".join(page["text"] for page in new if page["role"] == "tool")
            time.sleep(0.05)
        return "(no answer)"

    def find_documents(self, facts: list[str]) -> None:
        for fact in self._rng.sample(facts, min(MAX_FACTS // 2, len(facts))):
            self.facts += 1
            found = search(self._kernel, "harbour", fact, k=3)
            if any(fact in one["text"] for one in found):
                self.found += 1
            else:
                self.is_lost(f"the documents do not say {fact!r}, but {found}")

    def check_stores(self, with_meaning: bool) -> int:
        """After the kernel has halted: the files are whole. How many owners Chroma has."""
        state = self._kernel.state_dir
        for name in ("llmos.db", "recall.db"):
            with sqlite3.connect(state / name) as connection:
                (found,) = connection.execute("PRAGMA integrity_check").fetchone()
                if found != "ok":
                    self.is_lost(f"{name}: {found}")
        if not with_meaning:
            return 0
        with sqlite3.connect(state / "recall.db") as connection:
            semantic = SemanticIndex(state / "chroma", MINILM, MINILM_DIM)
            try:
                for damage in semantic.check(connection):
                    self.is_lost(f"Chroma: {damage.owner}: {damage.reason}")
            finally:
                semantic.close()
            (owners,) = connection.execute("SELECT count(*) FROM recall_semantic").fetchone()
            return int(owners)


def in_order(some: list[str], whole: list[str]) -> bool:
    """Is it the other one, with perhaps something left out?"""
    rest = iter(whole)
    return all(one in rest for one in some)
