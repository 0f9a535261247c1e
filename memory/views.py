"""Views: one question seen through several keys, each a score per page.

Small pages, wide keys: what is returned is single pages, but a page is also found by what stands
around it. Each view's scores are scaled to 0…1 over all pages and summed with equal weights: on
LoCoMo's evidence that finds more than any single view and more than fusing ranks, and fitting the
weights adds nothing on conversations that they were not fitted to (bench/recall.py).

*words*: BM25 (Robertson and Zaragoza, 2009) over the page, its neighbours up to 1 and 3 pages away,
and its session, with the date. *related*: the same, each word standing for all that mean something
like it. *meaning*: cosine with the page, with the mean of its neighbourhood, and with its best
passage. *feedback*: the question moved towards the pages found so far (Rocchio, 1971), so that a
second step can find what the first one only led to. *size*: a page that says little is rarely the
answer. *tells*: nor is one that ends with a question; but the one after it may be (*answers*).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .corpus import SESSION, Corpus
from .embedding import Vectors
from .shelf import Floats

Mask = npt.NDArray[np.bool_]

WORDS = ("words", "related")
"""Views that need no vectors of pages begin with these."""
WORD_WIDTHS = (0, 1, 3, SESSION)
"""Without the first where there is `related`, which counts a page's own words, too."""
RELATED_WIDTHS = (0, 1, 3)
WIDEST = 3
MEANING_WIDTHS = (1, 3)
FEEDBACK_PAGES = 5
FEEDBACK_WEIGHT = 0.5

FULL_SIZE = 64
"""Words from which on a page counts as no longer small."""
TELLS = 1 / 12
"""Of all views together."""
ANSWERS = 0.5
"""Of what its question has."""

K1 = 1.2
B = 0.75


@dataclass(frozen=True, slots=True)
class Question:
    """`terms` are the stems it asks for, each with the word that it comes from. `related` has, for
    each word that is not common, the stems of its meaning and their weights, its own first. Without
    a vector only words count."""

    text: str
    terms: Mapping[str, str]
    related: tuple[Mapping[str, float], ...] = ()
    vector: Vectors | None = None

    @property
    def all_terms(self) -> list[str]:
        return list(dict.fromkeys((*self.terms, *(term for word in self.related for term in word))))


def score(corpus: Corpus, question: Question) -> dict[str, Floats]:
    """The views by name, each scaled to 0…1; their sum ranks the pages."""
    known = with_vectors(corpus)
    views = {
        name: scaled(scores) if name.startswith(WORDS) else scaled(scores, known)
        for name, scores in first_views(corpus, question).items()
    }
    views["size"] = size(corpus)
    views["tells"] = TELLS * len(views) * (1 - corpus.asks)
    if question.vector is not None and corpus.whole is not None and len(corpus):
        views["feedback"] = scaled(feedback(corpus, question.vector, summed(views)), known)
    views["answers"] = ANSWERS / len(views) * answers(corpus, summed(views))
    return views


def summed(views: Mapping[str, Floats]) -> Floats:
    """Of one view at least."""
    result: Floats = np.sum(list(views.values()), axis=0, dtype=np.float32)
    return result


def first_views(corpus: Corpus, question: Question) -> dict[str, Floats]:
    widths = WORD_WIDTHS[1:] if question.related else WORD_WIDTHS
    views = {f"words{_name(width)}": words(corpus, question, width) for width in widths}
    if question.related:
        for width in RELATED_WIDTHS:
            views[f"related{_name(width)}"] = related(corpus, question, width)
    if question.vector is not None and corpus.whole is not None:
        similar = corpus.whole @ question.vector
        views["meaning"] = similar
        for width in MEANING_WIDTHS:
            views[f"meaning{_name(width)}"] = neighbourhood(corpus, similar, width)
        views["passage"] = best_passage(corpus, question.vector)
    return views


def words(corpus: Corpus, question: Question, width: int) -> Floats:
    rows = [corpus.terms[term] for term in question.terms]
    counts = corpus.window(corpus.in_text[rows], width) + dates(corpus, corpus.in_date[rows], width)
    return bm25(counts, lengths(corpus, width), *others(corpus, corpus.others_with[rows], width))


def related(corpus: Corpus, question: Question, width: int) -> Floats:
    """A word's count is that of all its relatives, each by its weight."""
    in_text = np.zeros((len(question.related), len(corpus)), np.float32)
    in_date = np.zeros_like(in_text)
    elsewhere = np.zeros(len(question.related), np.float32)
    for row, word in enumerate(question.related):
        rows = [corpus.terms[term] for term in word]
        weights = np.array(list(word.values()), np.float32)
        in_text[row] = weights @ corpus.in_text[rows]
        elsewhere[row] = weights @ corpus.others_with[rows]
        in_date[row] = corpus.in_date[rows[0]]  # the word itself comes first; a date is exact
    counts = corpus.window(in_text, width) + dates(corpus, in_date, width)
    return bm25(counts, lengths(corpus, width), *others(corpus, elsewhere, width))


def others(corpus: Corpus, having: Floats, width: int) -> tuple[int, Floats]:
    """(keys of pages that are not here, how many of them have each term). A key of several pages
    has a term more often, as if no two of them had the same."""
    if not corpus.num_others:
        return 0, np.zeros_like(having)
    reach = 2 * (WIDEST if width == SESSION else width) + 1
    return corpus.num_others, np.minimum(having * reach, corpus.num_others)


def lengths(corpus: Corpus, width: int) -> Floats:
    dated = dates(corpus, corpus.num_date_terms, width)
    return corpus.window(corpus.num_terms, width) + dated


def dates(corpus: Corpus, values: Floats, width: int) -> Floats:
    """A key has one date, its page's; a session's is the mean of all. It has to be the same for
    all pages of it: scaling would make the slightest difference between them a great one."""
    if width != SESSION:
        return values
    ones = np.ones(len(corpus), np.float32)
    result: Floats = corpus.window(values, SESSION) / corpus.window(ones, SESSION)
    return result


def bm25(counts: Floats, length: Floats, num_others: int, others_with: Floats) -> Floats:
    """`counts` is (terms, pages). What is rare is judged among these very keys and the others."""
    if not counts.size:
        return np.zeros(len(length), np.float32)
    holders = np.minimum(counts, 1).sum(axis=1) + others_with
    rarity = np.log1p((len(length) + num_others - holders + 0.5) / (holders + 0.5))
    saturation = counts + K1 * (1 - B + B * length / max(float(length.mean()), 1.0))
    result: Floats = rarity @ (counts * (K1 + 1) / saturation)
    return result


def neighbourhood(corpus: Corpus, similar: Floats, width: int) -> Floats:
    """The cosine with the sum of the vectors around each page. The sum's product with the question
    is the sum of the products; only its length needs the vectors."""
    assert corpus.whole is not None
    lengths = np.maximum(window_lengths(corpus, width), 1e-6)
    result: Floats = corpus.window(similar, width) / lengths
    return result


def window_lengths(corpus: Corpus, width: int) -> Floats:
    """|sum of the vectors of each window|; the same for every question, so it is kept."""
    found = corpus.window_lengths.get(width)
    if found is None:
        assert corpus.whole is not None
        total = corpus.window(np.ascontiguousarray(corpus.whole.T), width)
        found = corpus.window_lengths[width] = np.sqrt(np.einsum("ij,ij->j", total, total))
    return found


def best_passage(corpus: Corpus, vector: Vectors) -> Floats:
    """The best cosine of a page's passages; a page that has none yet is as far as the farthest."""
    assert corpus.passages is not None
    similar = corpus.passages @ vector
    best = np.full(len(corpus), similar.min(initial=0.0), np.float32)
    np.maximum.at(best, corpus.passage_at, similar)
    return best


def feedback(corpus: Corpus, vector: Vectors, total: Floats) -> Floats:
    assert corpus.whole is not None
    top = np.argsort(-total, kind="stable")[:FEEDBACK_PAGES]
    moved = vector + FEEDBACK_WEIGHT * corpus.whole[top].mean(axis=0)
    return best_passage(corpus, moved / max(float(np.linalg.norm(moved)), 1e-6))


def answers(corpus: Corpus, scores: Floats) -> Floats:
    """What the page before has, if it asks."""
    found = np.zeros_like(scores)
    if len(corpus):
        same = corpus.sessions[1:] == corpus.sessions[:-1]
        found[1:] = scores[:-1] * corpus.asks[:-1] * same
    return found


def size(corpus: Corpus) -> Floats:
    """Not scaled by the others: a single long page would make all of them small."""
    result: Floats = np.minimum(np.log1p(corpus.num_terms) / np.log1p(FULL_SIZE), 1)
    return result


def with_vectors(corpus: Corpus) -> Mask | None:
    """Which pages have one by now; None if all have, or there are none."""
    if corpus.whole is None:
        return None
    known: Mask = np.any(corpus.whole != 0, axis=1)
    return None if known.all() else known


def scaled(scores: Floats, known: Mask | None = None) -> Floats:
    """To 0…1; a view that says the same of all pages says nothing. Pages of which it knows nothing
    are as good as the others are in the mean: else those whose vectors came first would win."""
    told = scores if known is None else scores[known]
    lowest, highest = told.min(initial=np.inf), told.max(initial=-np.inf)
    if not highest > lowest:
        return np.zeros(len(scores), np.float32)
    result: Floats = ((scores - lowest) / (highest - lowest)).astype(np.float32)
    if known is not None:
        result[~known] = float(result[known].mean())
    return result


def _name(width: int) -> str:
    return {0: "", SESSION: " in session"}.get(width, f" ±{width}")
