"""Recall: which share of LoCoMo's evidence the index finds, beside plain vectors and plain BM25.

LoCoMo (Maharana et al., ACL 2024) holds long conversations, questions about them, and for each
question the turns that hold the answer. Its licence is CC BY-NC 4.0, so it is not part of llmos:
fetch locomo10.json from github.com/snap-research/locomo and say where it lies, with --data FILE or
LLMOS_LOCOMO.

Every turn is a page. The figures are, over all questions with evidence: the share of a question's
evidence among the first ten hits, and among the hits that fit into 1,024 tokens (as MiniLM's
tokenizer counts them, turn by turn). *dense* is one vector per turn; *bm25* one row of FTS5 per
turn; both without any of the index's keys. No language model takes part.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import re
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from llmos.memory import recall_store
from llmos.memory.embedding import EmbeddingProcess, Vectors, model_folder
from llmos.memory.recall import Index
from llmos.memory.recall_store import Entry
from report import report

CATEGORIES = {1: "multi_hop", 2: "temporal", 3: "open_domain", 4: "single_hop", 5: "adversarial"}
CACHE = Path(__file__).parent.parent / ".cache" / "recall"
BUDGET = 1024
DATE = "%I:%M %p on %d %B, %Y"


@dataclass(frozen=True)
class Asked:
    question: str
    category: int
    evidence: frozenset[int]


@dataclass(frozen=True)
class Conversation:
    name: str
    turns: list[Entry]
    asked: list[Asked]


class CachedEmbedder:
    """Vectors by text, kept under .cache/: the same texts are embedded in every run."""

    def __init__(self, embedder: EmbeddingProcess) -> None:
        self._embedder = embedder
        self._file = CACHE / f"{Path(embedder.name).name}.npz"
        self._known: dict[str, Vectors] = {}
        self._fresh = False
        if self._file.exists():
            with np.load(self._file) as kept:
                self._known = dict(zip(kept["keys"].tolist(), kept["vectors"], strict=True))

    @property
    def name(self) -> str:
        return self._embedder.name

    @property
    def ready(self) -> bool:
        return True

    async def dim(self) -> int:
        for vector in self._known.values():
            return len(vector)
        return await self._embedder.dim()

    async def embed(self, texts: Sequence[str]) -> Vectors:
        keys = [hashlib.sha256(text.encode()).hexdigest() for text in texts]
        missing = {
            key: text for key, text in zip(keys, texts, strict=True) if key not in self._known
        }
        if missing:
            vectors = await self._embedder.embed(list(missing.values()))
            self._known |= dict(zip(missing, vectors, strict=True))
            self._fresh = True
        return np.stack([self._known[key] for key in keys])

    def save(self) -> None:
        if self._fresh:
            CACHE.mkdir(parents=True, exist_ok=True)
            np.savez(
                self._file, keys=list(self._known), vectors=np.stack(list(self._known.values()))
            )


def load(file: Path, count_tokens: Callable[[str], int]) -> list[Conversation]:
    found = []
    for number, sample in enumerate(json.loads(file.read_text())):
        name = str(sample.get("sample_id", number))
        turns, ids = turns_of(name, sample["conversation"], count_tokens)
        asked = []
        for qa in sample["qa"]:
            named = {f"D{int(s)}:{int(t)}" for text in qa["evidence"] for s, t in ids_in(text)}
            evidence = frozenset(ids[turn] for turn in named if turn in ids)
            if evidence:
                asked.append(Asked(qa["question"], qa["category"], evidence))
        found.append(Conversation(name, turns, asked))
    return found


def ids_in(text: str) -> list[tuple[str, str]]:
    """The annotators wrote some as `D8:6; D9:17`, some as `D30:05`."""
    return re.findall(r"D(\d+):(\d+)", text)


def turns_of(
    owner: str, conversation: dict[str, Any], count_tokens: Callable[[str], int]
) -> tuple[list[Entry], dict[str, int]]:
    turns: list[Entry] = []
    ids: dict[str, int] = {}
    session = 1
    while f"session_{session}" in conversation:
        date = conversation[f"session_{session}_date_time"]
        created = datetime.strptime(date, DATE).replace(tzinfo=UTC).timestamp()
        for turn in conversation[f"session_{session}"]:
            caption = turn.get("blip_caption")
            text = turn["text"] + (f" [photo: {caption}]" if caption else "")
            ids[turn["dia_id"]] = len(turns)
            turns.append(
                Entry(
                    owner, len(turns), text, count_tokens(f"{turn['speaker']}: {text}"), created,
                    session=session, heading=turn["speaker"], date=date,
                )
            )  # fmt: skip
        session += 1
    return turns, ids


class Score:
    """Recall of one method, question by question."""

    def __init__(self) -> None:
        self.at_10: list[float] = []
        self.at_budget: list[float] = []

    def add(self, turns: Sequence[Entry], evidence: frozenset[int], order: Iterable[int]) -> None:
        ranked = list(order)
        self.at_10.append(len(evidence & set(ranked[:10])) / len(evidence))
        left, held = BUDGET, set()
        for page in ranked:
            if turns[page].num_tokens <= left:
                held.add(page)
                left -= turns[page].num_tokens
        self.at_budget.append(len(evidence & held) / len(evidence))


async def measure(file: Path) -> None:
    tokenizer = Tokenizer.from_file(str(model_folder("all-MiniLM-L6-v2") / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    conversations = load(
        file, lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)
    )
    process = EmbeddingProcess()
    embedder = CachedEmbedder(process)
    scores = {name: Score() for name in ("index", "words_only", "dense", "bm25")}
    seconds: list[float] = []
    try:
        for conversation in conversations:
            await measure_one(conversation, embedder, scores, seconds)
            print(
                f"{conversation.name}: {len(conversation.turns)} turns,"
                f" {len(conversation.asked)} questions",
                file=sys.stderr,
            )
    finally:
        embedder.save()
        await process.close()
    tell(conversations, scores, seconds, file)


async def measure_one(
    conversation: Conversation,
    embedder: CachedEmbedder,
    scores: dict[str, Score],
    seconds: list[float],
) -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(recall_store.SCHEMA)
    index, words = Index(connection, embedder), Index(connection)
    turns, owner = conversation.turns, conversation.name
    for turn in turns:
        index.add(turn)
    while await index.embed_pending():
        pass
    dense = await embedder.embed([turn.spoken for turn in turns])
    plain = fts5(turns)
    for asked in conversation.asked:
        question = await index.ask(asked.question)
        start = time.perf_counter()
        hits = index.find(question, [owner], k=len(turns))
        seconds.append(time.perf_counter() - start)
        assert question.vector is not None
        rankings = {
            "index": [hit.page for hit in hits],
            "words_only": [
                hit.page for hit in await words.search(asked.question, len(turns), [owner])
            ],
            "dense": np.argsort(-(dense @ question.vector), kind="stable").tolist(),
            "bm25": bm25(plain, asked.question),
        }
        for name, order in rankings.items():
            scores[name].add(turns, asked.evidence, order)


def fts5(turns: Sequence[Entry]) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE VIRTUAL TABLE turn USING fts5(text, tokenize='porter unicode61')")
    connection.executemany(
        "INSERT INTO turn(rowid, text) VALUES (?, ?)",
        [(number, turn.spoken) for number, turn in enumerate(turns)],
    )
    return connection


def bm25(connection: sqlite3.Connection, question: str) -> list[int]:
    match = " OR ".join(f'"{word}"' for word in re.findall(r"\w+", question))
    rows = connection.execute("SELECT rowid FROM turn WHERE turn MATCH ? ORDER BY rank", (match,))
    return [number for (number,) in rows]


def tell(
    conversations: Sequence[Conversation],
    scores: dict[str, Score],
    seconds: Sequence[float],
    file: Path,
) -> None:
    index = scores["index"]
    category = np.array([asked.category for c in conversations for asked in c.asked])
    name = np.array([c.name for c in conversations for _ in c.asked])
    at_10, at_budget = np.array(index.at_10), np.array(index.at_budget)
    figures = {
        "recall_at_10": mean(at_10),
        "recall_at_1024_tokens": mean(at_budget),
        "categories": {
            label: mean(at_10[category == number])
            for number, label in CATEGORIES.items()
            if (category == number).any()
        },
        "words_only_at_10": mean(scores["words_only"].at_10),
        "dense_at_10": mean(scores["dense"].at_10),
        "dense_at_1024_tokens": mean(scores["dense"].at_budget),
        "bm25_at_10": mean(scores["bm25"].at_10),
        "bm25_at_1024_tokens": mean(scores["bm25"].at_budget),
        "questions": len(at_10),
        "find_p50_ms": round(1000 * float(np.median(seconds)), 1),
    }
    details = {
        "data_sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "tokens": "MiniLM's tokenizer",
        "by_conversation": {
            conversation.name: {
                "at_10": mean(at_10[name == conversation.name]),
                "at_1024_tokens": mean(at_budget[name == conversation.name]),
            }
            for conversation in conversations
        },
        "at_1024_tokens_by_category": {
            label: mean(at_budget[category == number])
            for number, label in CATEGORIES.items()
            if (category == number).any()
        },
    }
    report("recall", figures, details)


def mean(values: Iterable[float]) -> float:
    return round(float(np.mean(list(values))), 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("LLMOS_LOCOMO"))
    file = parser.parse_args().data
    if file is None or not Path(file).is_file():
        parser.error(
            "LoCoMo is not here. It is a data set of long conversations under CC BY-NC 4.0, which"
            " llmos does not carry: fetch data/locomo10.json from github.com/snap-research/locomo"
            " yourself and say where it is, with --data FILE or LLMOS_LOCOMO=FILE"
        )
    asyncio.run(measure(Path(file)))


if __name__ == "__main__":
    main()
