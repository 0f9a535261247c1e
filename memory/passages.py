"""Passages: the sentences of a page, each a narrow key to it.

A question is mostly about one sentence, and the vector of a whole page is an average in which that
sentence drowns; and an embedding model reads only the beginning of a long text (MiniLM: 256
tokens).
"""

from __future__ import annotations

import re

MIN_WORDS = 4
MAX_PASSAGES = 48
MAX_CHARACTERS = 1000  # about 256 tokens: the model does not read on

_END = re.compile(r"(?<=[.!?])\s+|\n+|\s*\[|\]\s*")


def passages(text: str) -> list[str]:
    """Sentences of at least `MIN_WORDS`, none over `MAX_CHARACTERS`; of a long text several go
    into one, so that there are never more than `MAX_PASSAGES`. A short text is one passage."""
    sentences = [
        sentence[start : start + MAX_CHARACTERS]
        for sentence in _END.split(text)
        for start in range(0, len(sentence), MAX_CHARACTERS)
    ]
    found = [sentence for sentence in sentences if len(sentence.split()) >= MIN_WORDS]
    if not found:
        return [text[:MAX_CHARACTERS]]
    together = -(-len(found) // MAX_PASSAGES)
    return [
        " ".join(found[first : first + together])[:MAX_CHARACTERS]
        for first in range(0, len(found), together)
    ]
