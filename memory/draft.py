"""The draft: an answer that is being generated, as far as it has come.

It is what a stopped process keeps of its half-written page, and what a crash leaves of it: the
token ids, so that the engine can go on after exactly these, and the text they show. It becomes a
page when it is whole.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Draft:
    """`token_ids` are of the model's vocabulary; `text` is what they show, which is less than
    they say while a call is being written."""

    token_ids: tuple[int, ...] = ()
    text: str = ""

    def __bool__(self) -> bool:
        return bool(self.token_ids)


EMPTY = Draft()
