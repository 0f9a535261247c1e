"""Terms: the words of a text as the index keeps them.

SQLite's own FTS5 tokenizer (unicode61, then Porter's stemmer) cuts and stems them, in a database
in memory that holds nothing else. FTS5 is not the index itself, for two reasons: its ranking
weighs a word by all rows of the table, so that one owner's pages would move another's scores; and
a page's neighbours would have to be written into its row again for every width of key.
"""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from collections.abc import Sequence
from functools import cache

# Words that nearly every page and every question has.
_COMMON = """a about am an and are as at be by did do does for from had has have i in is it its me
my of on or say said so tell that the their them they this to was we were what when where which who
will with you your"""
_ANY_WORD = re.compile(r"\w+")
_WORD = re.compile(r"[^\W\d_]{3,24}")


class Stemmer:
    """Private to one thread, as its connection is."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect(":memory:", isolation_level=None)
        self._connection.executescript(
            "CREATE VIRTUAL TABLE text USING fts5(t, content='', tokenize='porter unicode61');"
            "CREATE VIRTUAL TABLE word USING fts5vocab(text, 'instance');"
        )

    def terms(self, texts: Sequence[str]) -> list[Counter[str]]:
        """For each text its stems, and how often each occurs."""
        run = self._connection.execute
        run("INSERT INTO text(text) VALUES ('delete-all')")
        bags: list[Counter[str]] = [Counter() for _ in texts]
        for number, text in enumerate(texts):
            run("INSERT INTO text(rowid, t) VALUES (?, ?)", (number + 1, text))
        for term, number in run("SELECT term, doc FROM word"):
            bags[number - 1][term] += 1
        return bags

    def stem(self, words: Sequence[str]) -> list[str]:
        """For each word its stem; nothing for what is no word to the tokenizer."""
        return [next(iter(bag), "") for bag in self.terms(words)]

    def question(self, text: str) -> dict[str, str]:
        """The stems of a text, in its order, each with the first word that has it."""
        found = _ANY_WORD.findall(text.lower())
        stems = self.stem(found)
        (bag,) = self.terms([text])
        shown = {stem: word for stem, word in zip(reversed(stems), reversed(found), strict=True)}
        return {stem: shown[stem] for stem in dict.fromkeys(stems) if stem in bag} | {
            stem: stem for stem in bag if stem not in shown
        }

    def close(self) -> None:
        self._connection.close()


@cache
def common() -> frozenset[str]:
    """Stems that say nothing of what a text is about. BM25 needs no such list, since what all pages
    have weighs nothing; it is for what is said of a hit, and for meanings."""
    stemmer = Stemmer()
    (bag,) = stemmer.terms([_COMMON])
    stemmer.close()
    return frozenset(bag)


def words(text: str) -> set[str]:
    """Whole words, in lower case, that a meaning can be computed for: no numbers, no names of
    files."""
    return set(_WORD.findall(text.lower()))
