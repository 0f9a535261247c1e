"""What a prompt finds in the engine's cache is known before it is sent: the model of the cache and
a slow one that keeps whole prefixes agree, whatever runs beside what. (That the engine agrees is
tested with it: test_a_conversation_of_ten_windows_never_fails.py.)"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmos.kernel.engine.prefix import PrefixCache, Running

BLOCK = 4
NUM_BLOCKS = 7  # one of them a placeholder

tokens = st.builds(lambda token, count: [token] * count, st.integers(0, 2), st.integers(1, 14))
"""Of few kinds, so that many prompts begin alike."""
prompt = st.tuples(tokens, st.sampled_from(("", "salt")))
event = st.one_of(prompt, st.tuples(st.integers(0, 2), tokens), st.integers(0, 2))
"""A prompt comes, one of those that run goes on, one ends."""


@dataclass
class Block:
    number: int
    prefix: tuple[object, ...] | None = None  # all that stands before its end, salt first
    users: int = 0


@dataclass
class Known:
    prefix: list[object]
    blocks: list[Block] = field(default_factory=list)


class Slow:
    """As vLLM's block pool does it, without hashes: whole prefixes are compared."""

    def __init__(self) -> None:
        self.blocks = [Block(number) for number in range(1, NUM_BLOCKS)]
        self.free = list(self.blocks)
        self.filled: list[Block] = []  # in the order in which they were

    def hits(self, salt: str, ids: Sequence[int]) -> list[Block]:
        found = []
        for end in range(BLOCK, len(ids), BLOCK):
            same = [block for block in self.filled if block.prefix == (salt, *ids[:end])]
            if not same:
                break
            found.append(same[0])
        return found

    def begin(self, salt: str, ids: Sequence[int]) -> Known:
        sequence = Known([salt, *ids], self.hits(salt, ids))
        for block in sequence.blocks:
            if block in self.free:
                self.free.remove(block)
            block.users += 1
        self.compute(sequence, len(ids))
        return sequence

    def compute(self, sequence: Known, num_tokens: int) -> None:
        while len(sequence.blocks) * BLOCK < num_tokens:
            block = self.free.pop(0)
            if block.prefix is not None:
                self.filled.remove(block)
            block.prefix, block.users = None, 1
            sequence.blocks.append(block)
        for index, block in enumerate(sequence.blocks):
            end = (index + 1) * BLOCK
            if block.prefix is None and end <= num_tokens:
                block.prefix = tuple(sequence.prefix[: end + 1])
                self.filled.append(block)

    def end(self, sequence: Known) -> None:
        for block in reversed(sequence.blocks):
            block.users -= 1
            if block.users == 0 and block.prefix is None:
                self.free.insert(0, block)
            elif block.users == 0:
                self.free.append(block)

    def room(self, num_tokens: int, held: int) -> bool:
        return -(-num_tokens // BLOCK) - held <= len(self.free)


@settings(max_examples=400, deadline=None)
@given(st.lists(event, min_size=10, max_size=50))
def test_it_agrees_with_one_that_compares_whole_prefixes(events: list[object]) -> None:
    cache, slow = PrefixCache(NUM_BLOCKS, BLOCK), Slow()
    running: list[tuple[Running, Known]] = []
    for one in events:
        match one:
            case (list(ids), str(salt)):
                hits = slow.hits(salt, ids)
                assert cache.predict(ids, salt=salt) == len(hits) * BLOCK
                taken = sum(block in slow.free for block in hits)
                if len(slow.free) - taken >= -(-len(ids) // BLOCK) - len(hits):
                    ours = cache.begin(ids, salt=salt)
                    assert ours.num_cached == len(hits) * BLOCK
                    running.append((ours, slow.begin(salt, ids)))
            case (int(index), list(ids)) if index < len(running):
                ours, theirs = running[index]
                length = len(theirs.prefix) - 1 + len(ids)
                if slow.room(length - 1, len(theirs.blocks)):
                    ours.generated(ids)
                    theirs.prefix += ids
                    slow.compute(theirs, length - 1)
            case int(index) if index < len(running):
                ours, theirs = running.pop(index)
                ours.end()
                slow.end(theirs)
        assert len(cache) == len(slow.filled) <= NUM_BLOCKS - 1


def test_the_last_token_is_computed_always() -> None:
    cache = PrefixCache(NUM_BLOCKS, BLOCK)
    assert cache.computed(range(8)) == 0
    assert cache.predict(range(8)) == 4, "its logits are wanted"
    assert cache.predict(range(9)) == 8


def test_an_answer_is_in_the_cache_but_for_its_last_token() -> None:
    cache = PrefixCache(NUM_BLOCKS, BLOCK)
    cache.computed(range(6), (6, 7))
    assert cache.predict(range(9)) == 4
    cache.computed(range(6), (6, 7, 8))
    assert cache.predict(range(9)) == 8


def test_what_was_used_longest_ago_is_lost_first_and_of_that_its_end() -> None:
    cache = PrefixCache(1 + 4, BLOCK)
    cache.computed([1] * 8)
    cache.computed([2] * 8)
    cache.computed([3] * 4)
    assert cache.predict([1] * 9) == 4
    assert cache.predict([2] * 9) == 8


def test_a_longer_prompt_than_there_are_blocks_is_refused() -> None:
    cache = PrefixCache(1 + 3, BLOCK)
    cache.computed(range(8))
    with pytest.raises(MemoryError, match="2 blocks wanted"):
        cache.computed(range(16))
    assert cache.computed(range(12)) == 8, "and nothing was lost by it"
