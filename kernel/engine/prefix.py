"""What the engine's prefix cache holds, without asking the engine.

A model of vLLM's (0.32: v1/core/block_pool.py, kv_cache_manager.py), token for token, for models
whose layers all attend to the whole sequence: so that a scheduler knows beforehand what a prompt
costs, and a bench that the engine does what it is thought to do.

- Tokens are cached in blocks of a fixed size, full ones only. A block's key is a chain: its tokens,
  and the key of the block before it.
- A prompt's last token is always computed, because its logits are wanted; so of a prompt that is
  cached whole the last block is not a hit. A sequence's last token is generated and never computed.
- Blocks that no running sequence holds are free, and stay cached until they are given out anew:
  first those without a key, then the longest unused, of one sequence the last block first.
- The same tokens computed by two sequences at once are two blocks with one key.

An engine that schedules ahead (vLLM on a GPU does) may take one block more for a sequence that has
just ended: what is evicted then may differ by that block.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import OrderedDict
from collections.abc import Iterable, Sequence

Key = bytes
KEY_BYTES = 16


class Running:
    """A sequence in the engine; it holds the blocks of its tokens until it ends."""

    def __init__(
        self, cache: PrefixCache, token_ids: Sequence[int], salt: str, num_tokens: int
    ) -> None:
        self.num_cached = cache.predict(token_ids, salt=salt)
        """Tokens of its prompt that were in the cache when it began."""
        self._cache = cache
        self._token_ids: list[int] = []
        self._keys: list[Key] = []
        self._last_key = _root(salt)
        self.append(token_ids)
        num_hits = self.num_cached // cache.block_tokens
        self._blocks = cache._hold(self._keys[:num_hits])
        self._num_keyed = num_hits
        try:
            self.compute(min(len(token_ids), self.num_cached + num_tokens))
        except MemoryError:
            self.end()
            raise

    @property
    def num_blocks(self) -> int:
        return len(self._blocks)

    def generated(self, token_ids: Sequence[int]) -> None:
        """It goes on by these; all but the newest are computed by now. Raises MemoryError when
        every block is held: the engine would preempt a sequence."""
        self.append(token_ids)
        self.compute(len(self._token_ids) - 1)

    def append(self, token_ids: Sequence[int]) -> None:
        """These follow; they are not computed yet."""
        size = self._cache.block_tokens
        self._token_ids += token_ids
        for start in range(len(self._keys) * size, len(self._token_ids) - size + 1, size):
            self._last_key = _key(self._last_key, self._token_ids[start : start + size])
            self._keys.append(self._last_key)

    def compute(self, num_tokens: int) -> None:
        """The first `num_tokens` are computed; blocks that are full are from now on cached. Raises
        MemoryError, and then nothing has changed."""
        size = self._cache.block_tokens
        wanted = -(-num_tokens // size) - len(self._blocks)
        if wanted > 0:
            self._blocks += self._cache._take(wanted)
        for index in range(self._num_keyed, num_tokens // size):
            self._cache._cache(self._blocks[index], self._keys[index])
            self._num_keyed = index + 1

    def end(self) -> None:
        """Its blocks are free; what is in them stays until they are needed."""
        self._cache._free(self._blocks)
        self._blocks = []


class PrefixCache:
    """Of an engine with `num_blocks` blocks of `block_tokens` tokens. What it takes in memory is
    bounded by the number of blocks."""

    def __init__(self, num_blocks: int, block_tokens: int) -> None:
        self.block_tokens = block_tokens
        # vLLM keeps block 0 as a placeholder, which never holds anything.
        self._unheld: OrderedDict[int, None] = OrderedDict.fromkeys(range(1, num_blocks))
        self._holders = [0] * num_blocks
        self._key_of: list[Key | None] = [None] * num_blocks
        self._blocks_of: dict[Key, dict[int, None]] = {}

    def __len__(self) -> int:
        """Blocks whose content can be found."""
        return sum(key is not None for key in self._key_of)

    @property
    def num_unheld(self) -> int:
        """Blocks that a sequence could have."""
        return len(self._unheld)

    @property
    def num_held(self) -> int:
        """Blocks that a sequence holds."""
        return len(self._key_of) - 1 - len(self._unheld)

    def predict(self, token_ids: Sequence[int], *, salt: str = "") -> int:
        """Tokens of a prompt that are in the cache now, as the engine would report them. Prompts
        with different salts share nothing."""
        size, key, cached = self.block_tokens, _root(salt), 0
        for start in range(0, (len(token_ids) - 1) // size * size, size):
            key = _key(key, token_ids[start : start + size])
            if key not in self._blocks_of:
                break
            cached += size
        return cached

    def begin(
        self, prompt_ids: Sequence[int], *, salt: str = "", num_tokens: int | None = None
    ) -> Running:
        """The engine takes a prompt, and computes `num_tokens` of what is not cached, or all of it.
        Raises MemoryError when every block is held."""
        return Running(
            self, prompt_ids, salt, len(prompt_ids) if num_tokens is None else num_tokens
        )

    def computed(
        self, prompt_ids: Sequence[int], answer_ids: Sequence[int] = (), *, salt: str = ""
    ) -> int:
        """The engine has answered a prompt, with nothing else meanwhile; how many tokens of the
        prompt were cached before."""
        sequence = self.begin(prompt_ids, salt=salt)
        if answer_ids:
            sequence.generated(answer_ids)
        sequence.end()
        return sequence.num_cached

    def clear(self) -> None:
        """Nothing can be found any more; sequences that run keep their blocks."""
        self._blocks_of.clear()
        self._key_of = [None] * len(self._key_of)

    # ---- for sequences --------------------------------------------------------------------

    def _hold(self, keys: Iterable[Key]) -> list[int]:
        """The blocks with these keys, held by one sequence more."""
        blocks = [next(iter(self._blocks_of[key])) for key in keys]
        for block in blocks:
            self._unheld.pop(block, None)
            self._holders[block] += 1
        return blocks

    def _take(self, count: int) -> list[int]:
        """So many blocks to write to: what was in them is gone."""
        if count > len(self._unheld):
            raise MemoryError(f"{count} blocks wanted, {len(self._unheld)} are not held")
        blocks = [self._unheld.popitem(last=False)[0] for _ in range(count)]
        for block in blocks:
            self._holders[block] = 1
            self._forget(block)
        return blocks

    def _cache(self, block: int, key: Key) -> None:
        self._key_of[block] = key
        self._blocks_of.setdefault(key, {})[block] = None

    def _forget(self, block: int) -> None:
        key = self._key_of[block]
        if key is not None:
            self._key_of[block] = None
            same = self._blocks_of[key]
            del same[block]
            if not same:
                del self._blocks_of[key]

    def _free(self, blocks: Sequence[int]) -> None:
        nameless = []
        for block in reversed(blocks):
            self._holders[block] -= 1
            if self._holders[block]:
                continue
            if self._key_of[block] is None:
                nameless.append(block)
            else:
                self._unheld[block] = None
        for block in reversed(nameless):
            self._unheld[block] = None
            self._unheld.move_to_end(block, last=False)


def _root(salt: str) -> Key:
    return hashlib.blake2b(salt.encode(), digest_size=KEY_BYTES).digest()


def _key(parent: Key, token_ids: Sequence[int]) -> Key:
    content = parent + array("q", token_ids).tobytes()
    return hashlib.blake2b(content, digest_size=KEY_BYTES).digest()
