"""Texts and vectors for the benches of memory: as many as are wanted, the same ones every time.

Words are drawn as in natural text (Zipf), 20 to 60 a page, in sentences; each page has one word
that no other has. A page's vectors are made of MiniLM's vectors of its words, with noise: as many
numbers as MiniLM's own, about as far from each other, in no time.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from llmos.memory.embedding import EmbeddingProcess, Vectors

VOCABULARY = 10_000
SYLLABLES = [a + b for a in "bcdfghklmnprstvz" for b in ("a", "e", "i", "o", "u", "an", "er")]
ENGLISH = """the of and to in is that it was for on are with as they at be this from have or by
one had not but what all were when we there can an your which their said if do will each about how
up out them then she many some so these would other into has more her two like him see time could
make than first been its who now people my made over did down only way find use may water long
little very after words called just where most know""".split()
NOISE = 0.7


class Texts:
    """Page `number` says the same in every run."""

    def __init__(self) -> None:
        rng = np.random.default_rng(1)
        made = ["".join(rng.choice(SYLLABLES, rng.integers(2, 5))) for _ in range(VOCABULARY)]
        self.vocabulary = [*ENGLISH, *dict.fromkeys(made)]
        weights = 1 / np.arange(1, len(self.vocabulary) + 1)
        self._shares = weights / weights.sum()

    def page(self, number: int) -> str:
        rng = np.random.default_rng((2, number))
        size = int(rng.integers(20, 61))
        drawn = rng.choice(len(self.vocabulary), size, p=self._shares)
        words = [self.vocabulary[index] for index in drawn]
        words[size // 2] = unique(number)
        sentences = [words[at : at + 30] for at in range(0, size, 30)]
        return " ".join(f"{' '.join(sentence)}." for sentence in sentences)

    def question(self, number: int) -> str:
        """What somebody asks who remembers a few words of the page, not its own one."""
        rng = np.random.default_rng((3, number))
        said = [word for word in self.page(number).replace(".", "").split() if word.isalpha()]
        kept = rng.permutation(len(said))[:5]
        return f"what was it about {' '.join(said[index] for index in sorted(kept))}"


def unique(number: int) -> str:
    return f"item{number}"


class MadeUpEmbedder:
    """An Embedder with the width and the name of a real one, whose word vectors it has."""

    ready = True

    def __init__(self, name: str, words: Sequence[str], vectors: Vectors) -> None:
        self.name = name
        self._vectors = vectors
        self._known = {word: row for row, word in enumerate(words)}

    @classmethod
    async def of(cls, embedder: EmbeddingProcess, words: Sequence[str]) -> MadeUpEmbedder:
        return cls(embedder.name, words, await embedder.embed(words))

    async def dim(self) -> int:
        return int(self._vectors.shape[1])

    async def embed(self, texts: Sequence[str]) -> Vectors:
        rng = np.random.default_rng(len(texts[0]))
        found = rng.standard_normal((len(texts), await self.dim()), np.float32)
        found *= NOISE / np.sqrt(found.shape[1])
        for row, text in enumerate(texts):
            if text in self._known:
                found[row] = self._vectors[self._known[text]]
                continue
            words = text.replace(".", "").split()
            at = [self._known[word] for word in words if word in self._known]
            if at:
                mean = self._vectors[at].mean(axis=0)
                found[row] += mean / np.linalg.norm(mean)
        found /= np.linalg.norm(found, axis=1, keepdims=True)
        return found
