"""The caller's blocks: small named texts, which its prompt begins with from the next flush on."""

from __future__ import annotations

import re

from ...memory.blocks import (
    DEFAULT_LIMIT,
    MAX_BLOCKS,
    MAX_NAME,
    Block,
    delete_block,
    rendered,
    write_block,
)
from ...syscalls.errno import EFBIG, EINVAL, ENOENT, ENOMEM, ENOSPC, did_you_mean
from ...syscalls.services import BlockRecord
from .calling import Calling

NAME = re.compile(rf"[\w-]{{1,{MAX_NAME}}}")


class Blocks(Calling):
    """What is written changes with the call's result."""

    async def write_block(self, name: str, text: str) -> None:
        """Raises EFBIG, EINVAL, ENOMEM, ENOSPC."""
        blocks = self._caller.space.blocks
        if not NAME.fullmatch(name):
            raise EINVAL(f"{name!r} is no name: letters, digits, _ and -, at most {MAX_NAME}")
        if name not in blocks and len(blocks) >= MAX_BLOCKS:
            raise ENOSPC(f"there are {MAX_BLOCKS} blocks, which is the limit", hint="delete one")
        await self._put(Block(name, text, blocks[name].limit if name in blocks else DEFAULT_LIMIT))

    async def edit_block(self, name: str, old: str, new: str) -> str:
        """Its new text. Raises what `write_block` does, and ENOENT."""
        block = self._block_named(name)
        times = block.text.count(old) if old else 0
        if not times:
            raise ENOENT(f"{old!r} does not stand in {name}", hint=f"block_read({name!r}) shows it")
        if times > 1:
            raise EINVAL(f"{old!r} stands in {name} {times} times", hint="give more of the text")
        text = block.text.replace(old, new)
        await self._put(Block(name, text, block.limit))
        return text

    def read_block(self, name: str) -> str:
        """Raises ENOENT."""
        return self._block_named(name).text

    def list_blocks(self) -> list[BlockRecord]:
        blocks = self._caller.space.blocks.values()
        return [
            BlockRecord(block.name, len(block.text), block.limit)
            for block in sorted(blocks, key=lambda block: block.name)
        ]

    async def delete_block(self, name: str) -> None:
        """Raises ENOENT."""
        caller = self._caller
        self._block_named(name)
        statement = delete_block(caller.pid, caller.image, name)
        self._change(([statement], lambda: caller.space.blocks.__delitem__(name)))

    async def _put(self, block: Block) -> None:
        caller = self._caller
        if len(block.text) > block.limit:
            raise EFBIG(
                f"{block.name} would have {len(block.text)} characters, more than {block.limit}",
                hint="keep what matters, or begin another block",
            )
        await self._check_blocks(block)
        statement = write_block(caller.pid, caller.image, block)
        self._change(([statement], lambda: caller.space.blocks.update({block.name: block})))

    async def _check_blocks(self, block: Block) -> None:
        """Blocks and pinned pages share what may be kept of a window. Raises ENOMEM."""
        space, pager = self._caller.space, await self._pager()
        blocks = space.blocks | {block.name: block}
        tokens = self._kernel.engine.count_tokens(rendered(blocks.values()))
        kept = pager.held_tokens(space)
        if kept + tokens > pager.pinned_tokens:
            raise ENOMEM(
                f"the blocks would have {tokens} tokens, beside {kept} of pinned pages;"
                f" {pager.pinned_tokens} may be kept",
                hint="shorten or delete a block, or unpin a page",
            )

    def _block_named(self, name: str) -> Block:
        blocks = self._caller.space.blocks
        if name not in blocks:
            raise ENOENT(f"there is no block {name}", hint=did_you_mean(name, blocks))
        return blocks[name]
