"""The real engine as a replay's server, and what its steps cost."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import numpy

from ..kernel.config import PILOT, KernelConfig
from ..kernel.engine.driver import Capacity, Costs, Progress
from ..kernel.engine.vllm import VllmDriver, VllmSettings
from .fitting import non_negative

PREFILLS = (64, 256, 768, 1800)
DECODES = ((1, 64), (1, 1500), (4, 512), (8, 1500), (16, 64), (16, 768))
DECODED = 48
ROUNDS = 3


class VllmServer:
    """`Server`: what an agent says is decided beforehand, so the engine generates as many tokens
    and they are taken for the agent's. Its next prompt then differs from what the engine has
    computed in these tokens, but not in their number: so the engine's own are remembered, and
    stand in the prompt in their place."""

    def __init__(self, llm: Any, capacity: Capacity) -> None:
        self.capacity = capacity
        self._llm = llm
        self._ids = itertools.count()
        self._said: dict[int, int] = {}
        self._vocabulary = llm.vllm_config.model_config.get_vocab_size()

    async def forget_all(self) -> None:
        """The prefix cache is empty."""
        self._said.clear()
        await self._llm.reset_prefix_cache()

    async def generate(
        self, prompt: Sequence[int], answer: Sequence[int]
    ) -> AsyncIterator[tuple[int, int]]:
        token_ids = [self._token(token) for token in prompt]
        stream = self._stream(token_ids, len(answer))
        done = 0
        async with contextlib.aclosing(stream):  # type: ignore[type-var]
            async for output in stream:
                new = output.outputs[0].token_ids
                self._said.update(zip(answer[done:], new, strict=False))
                done += len(new)
                yield len(new), output.num_cached_tokens or 0

    def _token(self, token: int) -> int:
        """Any, but always the same and not that of its neighbours."""
        known = self._said.get(token)
        return known if known is not None else 16 + hash((token, 7)) % (self._vocabulary - 16)

    async def _stream(self, token_ids: list[int], num_tokens: int) -> AsyncIterator[Any]:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        params = SamplingParams(
            max_tokens=num_tokens,
            ignore_eos=True,
            temperature=0,
            detokenize=False,
            output_kind=RequestOutputKind.DELTA,
        )
        stream = self._llm.generate(
            {"prompt_token_ids": token_ids}, params, f"replay-{next(self._ids)}"
        )
        async with contextlib.aclosing(stream):
            async for output in stream:
                yield output

    # ---- what it costs --------------------------------------------------------------------

    async def calibrate(self) -> Costs:
        """By least squares over the times of prompts and of batches, of random tokens."""
        rows, seconds = [], []
        for tokens in PREFILLS:
            took = [await self._time_prefill(tokens) for _ in range(ROUNDS)]
            rows.append([1, 1, tokens, 0, tokens * tokens / 2])
            seconds.append(statistics.median(took))
        for size, context in DECODES:
            took = [await self._time_decode(size, context) for _ in range(ROUNDS)]
            attended = size * (context + DECODED / 2)
            rows.append([1, size, size, attended, 0])
            seconds.append(statistics.median(took))
        weights = 1 / numpy.array(seconds)  # relative errors count
        found = non_negative(numpy.array(rows) * weights[:, None], numpy.ones(len(rows)))
        step_s, sequence_s, token_s, decode_s, prefill_s = map(float, found)
        return Costs(
            step_s=step_s,
            sequence_s=sequence_s,
            token_s=token_s,
            decode_s=decode_s,
            prefill_s=prefill_s,
        )

    def _random(self, tokens: int) -> list[int]:
        return [random.randrange(16, self._vocabulary) for _ in range(tokens)]

    async def _time_prefill(self, tokens: int) -> float:
        began = time.perf_counter()
        async for _ in self._stream(self._random(tokens), 1):
            pass
        return time.perf_counter() - began

    async def _time_decode(self, size: int, context: int) -> float:
        """Seconds of a step, when all have their prompts behind them."""

        async def one() -> list[float]:
            times = []
            async for output in self._stream(self._random(context), 2 * DECODED):
                times += [time.perf_counter()] * len(output.outputs[0].token_ids)
            return times

        times = await asyncio.gather(*(one() for _ in range(size)))
        begin, end = max(one[0] for one in times), min(one[-1] for one in times)
        steps = [sum(begin < moment <= end for moment in one) for one in times]
        return (end - begin) / statistics.fmean(steps)


@contextlib.asynccontextmanager
async def serving(
    model: str, capacity: Capacity, progress: Progress = print
) -> AsyncIterator[VllmServer]:
    """vLLM with a model, as a kernel would name it, and exactly that capacity. The pilot's windows
    may be longer than it was trained for: what it says does not matter here. Raises
    EngineUnusable."""
    here = Path()
    settings = VllmSettings(
        KernelConfig(here, here, here, model=model).model_path(),
        name=model,
        max_model_len=capacity.window_tokens,
        max_num_seqs=capacity.max_num_seqs,
        extra={
            # One block more: vLLM keeps one as a placeholder.
            "num_gpu_blocks_override": 1 + capacity.kv_cache_tokens // capacity.block_tokens,
            "max_num_batched_tokens": capacity.max_batched_tokens,
            **(
                {"hf_overrides": {"max_position_embeddings": capacity.window_tokens}}
                if model == PILOT
                else {}
            ),
        },
    )
    driver = VllmDriver(settings)
    found = await driver.start(progress)
    try:
        yield VllmServer(driver._llm, found)
    finally:
        await driver.stop()
