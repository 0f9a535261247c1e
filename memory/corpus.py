"""The corpus of one search: the shelves of all owners that may be seen, side by side."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .embedding import Vectors
from .shelf import Floats, Ints, Shelf

Mask = npt.NDArray[np.bool_]
SESSION = -1
"""As a width: the whole session."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose pages a search may see: all of an owner's, or those whose number is below `before`
    (a fork sees what its parent had until then)."""

    owner: str
    before: int | None = None


@dataclass(slots=True)
class Corpus:
    """One position per page. `in_text` and `in_date` have a row per term of `terms`. `whole` and
    `passages` are None where there are no vectors. `num_others` pages may be seen and are not here,
    and `others_with` says how many of them have each term."""

    terms: dict[str, int]
    in_text: Floats
    in_date: Floats
    owner_at: Ints
    ids: Ints
    pages: Ints
    created: npt.NDArray[np.float64]
    num_tokens: Ints
    num_terms: Floats
    num_date_terms: Floats
    asks: Floats
    sessions: Ints
    whole: Vectors | None
    passages: Vectors | None
    passage_at: Ints
    window_lengths: dict[int, Floats]
    num_others: int
    others_with: Floats

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def gather(
        cls,
        connection: sqlite3.Connection,
        shelves: Sequence[tuple[Shelf, int | None]],
        terms: Sequence[str],
    ) -> Corpus:
        """Of each shelf the pages below the number beside it. What may not be seen is cut away
        here, before anything is counted: it moves no score."""
        parts = [_Part.of(connection, shelf, before, terms) for shelf, before in shelves]
        offsets = np.cumsum([0, *(len(part.seen) for part in parts)])
        owner_at = np.repeat(np.arange(len(parts)), [len(part.seen) for part in parts])
        num_sessions = [int(part.shelf.session_at.max(initial=-1)) + 1 for part in parts]
        firsts = np.cumsum([0, *num_sessions[:-1]])
        with_vectors = all(part.shelf.whole is not None for part in parts)
        return cls(
            terms={term: row for row, term in enumerate(terms)},
            in_text=np.concatenate([part.in_text for part in parts], axis=1),
            in_date=np.concatenate([part.in_date for part in parts], axis=1),
            owner_at=owner_at,
            ids=_joined([part.shelf.ids[part.seen] for part in parts]),
            pages=_joined([part.shelf.pages[part.seen] for part in parts]),
            created=np.concatenate([part.shelf.created[part.seen] for part in parts]),
            num_tokens=_joined([part.shelf.num_tokens[part.seen] for part in parts]),
            num_terms=np.concatenate([part.shelf.num_terms[part.seen] for part in parts]),
            num_date_terms=np.concatenate([part.shelf.num_date_terms[part.seen] for part in parts]),
            asks=np.concatenate([part.shelf.asks[part.seen] for part in parts]),
            sessions=_joined(
                [
                    part.shelf.session_at[part.seen] + first
                    for part, first in zip(parts, firsts, strict=True)
                ]
            ),
            whole=_vectors([part.whole() for part in parts]) if with_vectors else None,
            passages=_vectors([part.passages() for part in parts]) if with_vectors else None,
            passage_at=_joined(
                [part.passage_at() + offset for part, offset in zip(parts, offsets, strict=False)]
            ),
            window_lengths=(
                parts[0].shelf.window_lengths if len(parts) == 1 and parts[0].all_seen else {}
            ),
            num_others=sum(part.shelf.num_others for part in parts),
            others_with=np.array(
                [sum(part.shelf.others_with(term) for part in parts) for term in terms], np.float32
            ),
        )

    def window(self, values: Floats, width: int) -> Floats:
        """For each page the sum over itself and its neighbours up to `width` pages away in its
        session; `values` has the pages as its last axis."""
        if not values.size:
            return values
        if width == SESSION:
            rows = values.reshape(-1, len(self))
            count = int(self.sessions.max(initial=-1)) + 1
            sums = np.stack([np.bincount(self.sessions, row, count)[self.sessions] for row in rows])
            return sums.reshape(values.shape).astype(np.float32)
        total = values.copy()
        for distance in range(1, min(width, len(self) - 1) + 1):
            same = self.sessions[distance:] == self.sessions[:-distance]
            total[..., distance:] += values[..., :-distance] * same
            total[..., :-distance] += values[..., distance:] * same
        return total


@dataclass(slots=True)
class _Part:
    """What may be seen of one shelf."""

    shelf: Shelf
    seen: Ints
    in_text: Floats
    in_date: Floats

    @classmethod
    def of(
        cls, connection: sqlite3.Connection, shelf: Shelf, before: int | None, terms: Sequence[str]
    ) -> _Part:
        in_text, in_date = shelf.postings(connection, terms)
        if before is None:
            return cls(shelf, np.arange(len(shelf)), in_text, in_date)
        seen = np.flatnonzero(shelf.pages < before)
        return cls(shelf, seen, in_text[:, seen], in_date[:, seen])

    @property
    def all_seen(self) -> bool:
        return len(self.seen) == len(self.shelf)

    def whole(self) -> Vectors:
        assert self.shelf.whole is not None
        return self.shelf.whole if self.all_seen else self.shelf.whole[self.seen]

    def passages(self) -> Vectors:
        assert self.shelf.passages is not None
        if self.all_seen:
            return self.shelf.passages
        return self.shelf.passages[np.isin(self.shelf.passage_at, self.seen)]

    def passage_at(self) -> Ints:
        """Positions among the pages that are seen."""
        if self.all_seen:
            return self.shelf.passage_at
        at = self.shelf.passage_at
        return np.searchsorted(self.seen, at[np.isin(at, self.seen)]).astype(np.int64)


def _joined(arrays: Sequence[Ints]) -> Ints:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _vectors(arrays: Sequence[Vectors]) -> Vectors:
    """One shelf's vectors are not copied: they may be tens of megabytes."""
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
