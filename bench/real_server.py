"""The real engine that a bench replays on: the pilot, with a KV cache that does not hold all."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from llmos.kernel.config import PILOT
from llmos.kernel.engine.driver import Capacity
from llmos.trace.vllm_server import VllmServer as RealServer
from llmos.trace.vllm_server import serving

__all__ = ["CAPACITY", "RealServer", "real_server"]

CAPACITY = Capacity(
    max_num_seqs=32,
    window_tokens=16384,
    kv_cache_tokens=20480,
    block_tokens=32,
    max_batched_tokens=2048,
)


def real_server() -> AbstractAsyncContextManager[RealServer]:
    return serving(PILOT, CAPACITY)
