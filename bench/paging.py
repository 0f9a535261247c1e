"""What paging costs: prompt tokens that the engine computes again, under several policies.

Three agents' work of 100 turns each (agent_trace.py) in a window of 4,096 tokens, on the real vLLM
with its prefix cache. Every policy pages the same conversation, message lengths and all; what the
model says is taken as the answer, of a fixed length, so that it is in the cache as in life. The
pilot was trained for 2,048 positions and is served with 4,096 here (`hf_overrides`): what it says
is of no account, what is cached depends on tokens alone.

All of them page through the kernel's own AddressSpace and Pager; a sliding window is a pager whose
low watermark is the high one. MemGPT's flush (Packer and others, 2023) drops half at 100 % and asks
for a new recursive summary in a call of its own, which is counted. A *recomputed* token is one of a
prompt that the engine did not find in its cache; new text is among them. The cache is small (one
window and a half), so that it is full all the time, and before every call the model of it in
kernel/engine/prefix.py says what the engine will find.

Where results are cut at their arrival, what is asked for again costs nothing here, except under
*rereads*: there the agent reads every third of them whole. Its ratio is to the same sliding window,
which reads everything whole at once.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from agent_trace import Task, tasks
from llmos.kernel.agent import DEFAULT_TEXT
from llmos.kernel.engine.driver import ChatRequest, Message
from llmos.kernel.engine.prefix import PrefixCache
from llmos.kernel.engine.vllm import CPU_BLOCK_TOKENS, VllmDriver, VllmSettings
from llmos.memory.pager import Watermarks
from paged_work import WINDOW, Conversation, Cost, Engine, Policy
from report import report

ROOT = Path(__file__).parent.parent
MODEL = ROOT / "pilot" / "model"
SYSTEM_TOKENS = 700
NUM_BLOCKS = 6144 // CPU_BLOCK_TOKENS
SLIDING = "sliding window"
OURS = "oldest"
SEEDS = (7, 8, 9)

LIKE_OURS = Watermarks()
FULL = replace(LIKE_OURS, middle=0.0)  # every flush is a full one
WHOLE = WINDOW  # results are not cut, but to the share of the window that a page may take
POLICIES = [
    Policy(SLIDING, replace(FULL, low=1.0), head="none", preview_tokens=WHOLE),
    Policy(OURS),
    Policy("full flushes, low 50%", replace(FULL, low=0.5)),
    Policy("previews of 200", preview_tokens=200),
]
"""On all of the traces."""
VARIANTS = [
    Policy(
        "MemGPT: 100 %, half, summary", replace(FULL, low=0.5), head="summary", preview_tokens=WHOLE
    ),
    Policy("importance", eviction="importance"),
    *(Policy(f"{name}, rereads", eviction=name, rereads=3) for name in (OURS, "lru", "sieve")),
    Policy("whole results", preview_tokens=WHOLE),
    Policy("whole results, full flushes, low 50%", replace(FULL, low=0.5), preview_tokens=WHOLE),
]
"""On the first one."""


class ModelOfIt:
    """No engine: the cache's model alone, for looking around quickly (--dry)."""

    def __init__(self) -> None:
        self._cache = PrefixCache(NUM_BLOCKS, CPU_BLOCK_TOKENS)
        self._rng = random.Random(1)

    async def answer(self, ids: list[int], count: int, salt: str) -> tuple[list[int], int]:
        answer = [self._rng.randrange(100, 4000) for _ in range(count)]
        return answer, self._cache.computed(ids, answer, salt=salt)


class Vllm:
    """The real one, without the kernel around it."""

    def __init__(self, driver: VllmDriver) -> None:
        self._llm: Any = driver._llm
        self._numbers = itertools.count()

    async def answer(self, ids: list[int], count: int, salt: str) -> tuple[list[int], int]:
        from vllm.sampling_params import RequestOutputKind, SamplingParams

        params = SamplingParams(
            temperature=0.0,
            max_tokens=count,
            ignore_eos=True,
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        request_id = f"paging-{next(self._numbers)}"
        async for output in self._llm.generate(
            {"prompt_token_ids": ids, "cache_salt": salt}, params, request_id
        ):
            if output.finished:
                return list(output.outputs[0].token_ids), output.num_cached_tokens
        raise AssertionError("the engine gave no answer")


@asynccontextmanager
async def real_engine() -> AsyncIterator[tuple[VllmDriver, int]]:
    """vLLM with the pilot, and its number of blocks."""
    extra = {
        "hf_overrides": {"max_position_embeddings": WINDOW},
        "num_gpu_blocks_override": NUM_BLOCKS,
    }
    settings = VllmSettings(str(MODEL), max_model_len=WINDOW, max_num_seqs=4, extra=extra)
    driver = VllmDriver(settings)
    capacity = await driver.start(lambda words: print(words, flush=True))
    try:
        yield driver, capacity.kv_cache_tokens // CPU_BLOCK_TOKENS
    finally:
        await driver.stop()


def system_text(tokenizer: Tokenizer) -> str:
    """What an agent is told, of `SYSTEM_TOKENS` tokens."""
    text = f"{DEFAULT_TEXT}\n\n{(ROOT / 'docs' / 'architecture.md').read_text()}"
    return str(tokenizer.decode(tokenizer.encode(text).ids[:SYSTEM_TOKENS]))


async def rendered_alike(driver: VllmDriver, tokenizer: Tokenizer, text: str) -> None:
    """Are the tokens here those that the kernel would send?"""
    conversation = Conversation(
        POLICIES[0], Vllm(driver), PrefixCache(2, CPU_BLOCK_TOKENS), tokenizer, text
    )
    conversation.append("user", "what is 3 * 4")
    conversation.append("tool", "12")
    messages = (Message("system", text), Message("user", "what is 3 * 4"), Message("tool", "12"))
    prompt = await driver.render(ChatRequest(messages))
    assert prompt.payload.engine_input["prompt_token_ids"] == conversation.prompt_ids()


class Measurement:
    """Each policy after the other, in one engine; a salt keeps what one cached from the next."""

    def __init__(self, engine: Engine, num_blocks: int, tokenizer: Tokenizer, text: str) -> None:
        self._engine, self._tokenizer, self._text = engine, tokenizer, text
        self._cache = PrefixCache(num_blocks, CPU_BLOCK_TOKENS)
        self.figures: dict[str, dict[str, float]] = {}
        self._sliding: list[Cost] = []

    async def measure(self, policy: Policy, traces: list[list[Task]]) -> None:
        costs = []
        for number, trace in enumerate(traces):
            one = replace(policy, name=f"{policy.name}, trace {number}")
            conversation = Conversation(one, self._engine, self._cache, self._tokenizer, self._text)
            for task in trace:
                await conversation.work(task)
            costs.append(conversation.cost)
        self._sliding = self._sliding or costs
        shown = Cost.together(costs).figures(Cost.together(self._sliding[: len(costs)]))
        self.figures[policy.name] = shown
        print(policy.name, *(f"{name}={value}" for name, value in shown.items()), flush=True)

    async def measure_all(self, num_turns: int) -> None:
        traces = [list(tasks(num_turns, seed)) for seed in SEEDS]
        for policy in POLICIES:
            await self.measure(policy, traces)
        for policy in VARIANTS:
            await self.measure(policy, traces[:1])


async def main(num_turns: int, dry: bool) -> None:
    tokenizer = Tokenizer.from_file(str(MODEL / "tokenizer.json"))
    text = system_text(tokenizer)
    if dry:
        await Measurement(ModelOfIt(), NUM_BLOCKS, tokenizer, text).measure_all(num_turns)
        return
    async with real_engine() as (driver, num_blocks):
        await rendered_alike(driver, tokenizer, text)
        measurement = Measurement(Vllm(driver), num_blocks, tokenizer, text)
        await measurement.measure_all(num_turns)
    found = measurement.figures
    figures = {
        **found[OURS],
        "mispredicted": sum(one["mispredicted"] for one in found.values()),
        "calls": sum(one["calls"] for one in found.values()),
    }
    report("paging", figures, {"turns": num_turns, "window": WINDOW, "policies": found})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=100)
    parser.add_argument("--dry", action="store_true", help="the model of the cache, no engine")
    parser.add_argument("--main", action="store_true", help="only what runs on all of the traces")
    options = parser.parse_args()
    if options.main:
        VARIANTS.clear()
    asyncio.run(main(options.turns, options.dry))
