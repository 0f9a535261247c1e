"""Recall: the pages that answer a question, from one owner's or from several.

The `Index` ties the parts together: entries go in (`add`), vectors follow when they have been
computed (`embed_pending`), and `search` finds. Words are found at once; meaning as soon as the
vectors are there. An owner's pages are searched exactly, in memory, up to `EXACT_PAGES` and
`EXACT_PASSAGES`; of a larger owner's an excerpt (`excerpt.py`), for which the semantic index
(Chroma) names the nearest passages.
"""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from . import postings, recall_store
from .corpus import Corpus, Scope
from .embedding import Embedder, Vectors
from .excerpt import Within, excerpt
from .lexicon import Lexicon
from .recall_store import Entry, Unembedded
from .semantic import SemanticIndexBroken
from .shelf import Floats, Shelf
from .swap import Statement
from .terms import Stemmer, common, words
from .views import Question, score, summed

EXACT_PAGES = 10_000
EXACT_PASSAGES = 30_000
CACHE_BYTES = 512 << 20
"""Shelves in memory, all owners together; those used longest ago go first."""
POSTINGS_BYTES = 128 << 20
"""Of them, postings of one large owner."""
EMBED_AT_ONCE = 32
NEAREST = 128
FEW = 4
"""Pages among which no word is too frequent to tell one from another."""


@dataclass(frozen=True, slots=True)
class When:
    """Only pages created from `start` on and before `end`, in seconds since the epoch."""

    start: float = float("-inf")
    end: float = float("inf")


ALWAYS = When()


@dataclass(frozen=True, slots=True)
class Hit:
    """`page` is the number that the page was added under. `score` is the sum of all views, by name
    in `views`, and says how it compares with the other pages; `matched` are words of the question
    that the page itself has and most others have not, `similarity` the cosine of its best passage
    with the question: these two say whether it has to do with the question at all."""

    owner: str
    page: int
    score: float
    num_tokens: int
    matched: tuple[str, ...]
    similarity: float
    views: dict[str, float]

    @property
    def why(self) -> str:
        """In words, for a person."""
        best = sorted(self.views.items(), key=lambda view: -view[1])[:3]
        shares = ", ".join(f"{name} {share:.2f}" for name, share in best if share > 0)
        return f"{shares}; has {', '.join(self.matched)}" if self.matched else shares


@dataclass(frozen=True, slots=True)
class IndexStatistics:
    """`pages` of all owners, `unembedded` of them still without vectors; `words` in the lexicon;
    `cached_owners` and `cached_bytes` are in memory."""

    pages: int
    unembedded: int
    words: int
    cached_owners: int
    cached_bytes: int


class NearestPassages(Protocol):
    """What the semantic index offers: of an owner, (id, cosine) of the nearest passages' pages."""

    def nearest(self, owner: str, vector: Vectors, count: int) -> list[tuple[int, float]]: ...


class Index:
    """Belongs to the thread of its connection, except where a method is async: those await the
    embedder, and touch the connection in between. Everything it holds can be dropped at any time:
    the tables are the truth."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        embedder: Embedder | None = None,
        semantic: NearestPassages | None = None,
        *,
        exact_pages: int = EXACT_PAGES,
        exact_passages: int = EXACT_PASSAGES,
    ) -> None:
        self._connection = connection
        self._embedder = embedder
        self._semantic = semantic
        self._exact_pages = exact_pages
        self._exact_passages = exact_passages
        self._stemmer = Stemmer()
        self._shelves: OrderedDict[str, Shelf] = OrderedDict()
        self._lexicon: Lexicon | None = None
        self._large: set[str] = set()
        self._embedded = 0  # the last row before which every page has its vectors
        self._counted = (0, 0)  # (rows of pages up to, pages)

    def use(self, semantic: NearestPassages) -> None:
        """The semantic index, once there is one."""
        self._semantic = semantic

    # ---- writing --------------------------------------------------------------------------

    def add(self, entry: Entry) -> None:
        """Index a page; the same page again changes nothing."""
        self.execute(self.statements(entry))

    def statements(self, entry: Entry) -> list[Statement]:
        """What `add` would write, for a caller with a transaction of its own."""
        text, date = self._stemmer.terms([entry.spoken, entry.dated])
        return recall_store.write_entry(entry, text, date)

    async def embed_pending(self, limit: int = EMBED_AT_ONCE) -> set[str]:
        """Compute the vectors of up to `limit` pages that have none; whose pages it were, nobody's
        when all have theirs. Raises EmbeddingError."""
        embedder = self._embedder
        if embedder is None:
            return set()
        pages = recall_store.unembedded(self._connection, embedder.name, limit, self._embedded)
        if not pages:
            self._embedded = recall_store.last_row(self._connection)
            return set()
        self._embedded = pages[0].id - 1
        texts = [text for page in pages for text in page.texts]
        fresh = recall_store.unknown_words(
            self._connection, embedder.name, {word for page in pages for word in page.words}
        )
        vectors = await embedder.embed([*texts, *fresh])
        self.execute(self.vector_statements(pages, fresh, vectors))
        return {page.owner for page in pages}

    def vector_statements(
        self, pages: Sequence[Unembedded], fresh: Sequence[str], vectors: Vectors
    ) -> list[Statement]:
        """What `embed_pending` would write. `vectors` has a row for each text of each page, then
        one for each fresh word."""
        assert self._embedder is not None
        model = self._embedder.name
        found: list[Statement] = []
        first = 0
        for page in pages:
            last = first + len(page.texts)
            found += recall_store.write_vectors(page, model, vectors[first:last])
            first = last
        stems = self._stemmer.stem(fresh)
        return found + recall_store.write_words(model, fresh, stems, vectors[first:])

    def forget(self, owner: str) -> None:
        """Drop every key to an owner's pages."""
        self.execute(recall_store.forget(owner))
        self._shelves.pop(owner, None)
        self._large.discard(owner)
        self._counted = (0, 0)

    def seal(self, owner: str, least: int = postings.SEGMENT) -> None:
        """Keep the terms of an owner's pages together, once there are so many."""
        with self._connection:
            self._connection.execute("BEGIN")
            postings.seal(self._connection, owner, least)

    def forget_page(self, owner: str, page: int) -> None:
        """Drop every key to one page."""
        entry = recall_store.read_entry(self._connection, owner, page)
        if entry is not None:
            row = recall_store.row_of(self._connection, owner, page)
            terms = set[str]().union(*self._stemmer.terms([entry.spoken, entry.dated]))
            with self._connection:
                self._connection.execute("BEGIN")
                postings.forget(self._connection, owner, row, terms)
                for sql, parameters in recall_store.forget_page(owner, page, terms):
                    self._connection.execute(sql, parameters)
            self._shelves.pop(owner, None)
            self._counted = (0, 0)

    # ---- searching ------------------------------------------------------------------------

    async def search(
        self, query: str, k: int, owners: Iterable[str | Scope], when: When | None = None
    ) -> list[Hit]:
        """The `k` best pages, the best first."""
        question = await self.ask(query)
        return self.find(question, owners, k=k, when=when)

    async def search_within(
        self,
        query: str,
        max_tokens: int,
        owners: Iterable[str | Scope],
        when: When | None = None,
    ) -> list[Hit]:
        """The best pages that fit into `max_tokens` together, the best first. A page that does not
        fit is passed over for a smaller one."""
        question = await self.ask(query)
        return self.find(question, owners, max_tokens=max_tokens, when=when)

    async def ask(self, query: str) -> Question:
        """The question as the index takes it: the only part of a search that awaits."""
        plain = self.ask_by_words(query)
        query, terms = plain.text, plain.terms
        if self._embedder is None:
            return plain
        lexicon = await self._refreshed_lexicon()
        asked = sorted(words(query))
        known = [lexicon.vector(word) for word in asked]
        new = [word for word, vector in zip(asked, known, strict=True) if vector is None]
        question, *computed = await self._embedder.embed([query, *new])
        fresh = iter(computed)
        vectors = np.stack([question, *(next(fresh) if one is None else one for one in known)])
        stems = self._stemmer.stem(asked)
        meanings: dict[str, dict[str, float]] = {term: {term: 1.0} for term in terms}
        for stem, found in zip(stems, lexicon.related(vectors[1:]), strict=True):
            if stem in meanings and stem not in common():
                for term, weight in found.items():
                    meanings[stem].setdefault(term, weight)
        related = tuple(meanings[term] for term in terms if term not in common())
        return Question(query, terms, related, vectors[0])

    def ask_by_words(self, query: str) -> Question:
        """The question without its meaning, which takes an embedder."""
        query = query.encode("utf-8", "replace").decode()
        return Question(query, self._stemmer.question(query))

    def find(
        self,
        question: Question,
        owners: Iterable[str | Scope],
        *,
        k: int | None = None,
        max_tokens: int | None = None,
        when: When | None = None,
    ) -> list[Hit]:
        """Search with a question that is ready, without awaiting."""
        when = when or ALWAYS
        scopes = [Scope(owner) if isinstance(owner, str) else owner for owner in owners]
        shelves = [(self._shelf(scope, question, when), scope.before) for scope in scopes]
        shelves = [(shelf, before) for shelf, before in shelves if len(shelf)]
        if not shelves:
            return []
        corpus = Corpus.gather(self._connection, shelves, question.all_terms)
        if not len(corpus):
            return []
        views = score(corpus, question)
        total = summed(views)
        order: list[int] = np.argsort(-total, kind="stable").tolist()
        chosen = _choose(corpus, order, k, max_tokens, when)
        names = [shelf.owner for shelf, _ in shelves]
        return [_hit(corpus, question, names, views, total, at) for at in chosen]

    # ---- what is in memory ----------------------------------------------------------------

    def statistics(self) -> IndexStatistics:
        """What has come since the last time is counted, not all of it."""
        row, pages = self._counted
        pages += recall_store.count_rows(self._connection, row)
        self._counted = (recall_store.last_row(self._connection), pages)
        waiting = 0
        if self._embedder is not None:
            waiting = recall_store.count_unembedded(
                self._connection, self._embedder.name, self._embedded
            )
        size = sum(shelf.num_bytes for shelf in self._shelves.values())
        return IndexStatistics(pages, waiting, len(self._lexicon or ()), len(self._shelves), size)

    def is_large(self, owner: str) -> bool:
        """Are its pages too many to look at each? What is large stays so."""
        if owner not in self._large:
            model = self._embedder.name if self._embedder else ""
            if (
                postings.count_pages(self._connection, owner) > self._exact_pages
                or recall_store.count_passages(self._connection, owner, model)
                > self._exact_passages
            ):
                self._large.add(owner)
                self._shelves.pop(owner, None)
        return owner in self._large

    def _shelf(self, scope: Scope, question: Question, when: When) -> Shelf:
        owner = scope.owner
        large = self.is_large(owner)  # before the shelf is taken: it may be dropped
        shelf = self._shelves.pop(owner, None) or Shelf(owner)
        self._shelves[owner] = shelf
        if large:
            found = self._excerpt(shelf, scope, question, when)
        else:
            found = shelf
            model = self._embedder.name if self._embedder else ""
            dim = 0 if question.vector is None else len(question.vector)
            shelf.refresh(self._connection, model, dim)
        size = sum(shelf.num_bytes for shelf in self._shelves.values())
        while size > CACHE_BYTES and len(self._shelves) > 1:
            size -= self._shelves.popitem(last=False)[1].num_bytes
        return found

    def _excerpt(self, shelf: Shelf, scope: Scope, question: Question, when: When) -> Shelf:
        """The shelf has no pages: it keeps the postings."""
        if shelf.num_bytes > POSTINGS_BYTES:
            shelf.long_postings.clear()
        connection, owner = self._connection, scope.owner
        last = recall_store.last_row(connection, owner, scope.before)
        first, end = 1, last
        if when != ALWAYS:
            first, end = recall_store.rows_within(connection, owner, when.start, when.end)
        near: list[tuple[int, float]] = []
        if question.vector is not None and self._semantic is not None:
            with suppress(SemanticIndexBroken):  # words are left, until it is mended
                near = self._semantic.nearest(owner, question.vector, NEAREST)
        rows = dict.fromkeys(row for row, _ in near)
        within = Within(last, first, min(end, last))
        model = self._embedder.name if self._embedder else ""
        return excerpt(connection, shelf, question, within, rows, model)

    async def _refreshed_lexicon(self) -> Lexicon:
        assert self._embedder is not None
        if self._lexicon is None:
            self._lexicon = Lexicon(self._embedder.name, await self._embedder.dim())
        self._lexicon.refresh(self._connection)
        return self._lexicon

    def execute(self, statements: Sequence[Statement]) -> None:
        """All or nothing."""
        with self._connection:
            if not self._connection.in_transaction:
                self._connection.execute("BEGIN")
            for sql, parameters in statements:
                self._connection.execute(sql, parameters)


def _choose(
    corpus: Corpus, order: Sequence[int], k: int | None, max_tokens: int | None, when: When
) -> list[int]:
    in_time = (corpus.created >= when.start) & (corpus.created < when.end)
    sizes = corpus.num_tokens.tolist()
    left, smallest = float("inf") if max_tokens is None else max_tokens, min(sizes)
    chosen: list[int] = []
    for at in order:
        if len(chosen) == k or left < smallest:
            break
        if in_time[at] and sizes[at] <= left:
            chosen.append(at)
            left -= sizes[at]
    return chosen


def _telling(corpus: Corpus, term: str, at: int) -> bool:
    """Has the page a word that tells it from others?"""
    counts = corpus.in_text[corpus.terms[term]]
    holders = np.count_nonzero(counts) + corpus.others_with[corpus.terms[term]]
    return bool(counts[at]) and 2 * int(holders) <= max(len(corpus) + corpus.num_others, FEW)


def _hit(
    corpus: Corpus,
    question: Question,
    names: Sequence[str],
    views: dict[str, Floats],
    total: Floats,
    at: int,
) -> Hit:
    matched = tuple(
        word
        for term, word in question.terms.items()
        if len(word) > 1 and term not in common() and _telling(corpus, term, at)
    )
    similarity = 0.0
    if question.vector is not None and corpus.passages is not None:
        own = corpus.passages[corpus.passage_at == at]
        similarity = float((own @ question.vector).max(initial=0.0))
    return Hit(
        owner=names[corpus.owner_at[at]],
        page=int(corpus.pages[at]),
        score=float(total[at]),
        num_tokens=int(corpus.num_tokens[at]),
        matched=matched,
        similarity=similarity,
        views={name: float(scores[at]) for name, scores in views.items()},
    )
