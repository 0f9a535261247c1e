"""The files of `/proc` that are of no process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ... import __version__
from .. import memory_view, scheduling_view
from ..kernel import Kernel
from . import lines


@dataclass(frozen=True, slots=True)
class KernelFile:
    about: str
    read: Callable[[Kernel], Awaitable[str]]


async def _engine(kernel: Kernel) -> str:
    engine, totals = kernel.engine.status(kernel.scheduler.num_waiting), kernel.engine.totals()
    return lines(
        {
            "driver": engine.driver,
            "model": engine.model,
            "state": f"{engine.state}{': ' if engine.detail else ''}{engine.detail}",
            "running": engine.running,
            "waiting": engine.waiting,
            "tokens/s": f"{engine.tokens_per_s:.1f}",
            "tokens in": totals.tokens_in,
            "tokens cached": totals.tokens_cached,
            "window": "-" if kernel.window_tokens is None else f"{kernel.window_tokens} tokens",
            "restarts": engine.restarts,
        }
    )


async def _scheduler(kernel: Kernel) -> str:
    info = scheduling_view.info(kernel)
    rows: dict[str, object] = {
        "policy": info.policy,
        "slots": info.slots,
        "running": info.running,
        "waiting": f"{info.waiting} of at most {info.max_waiting}",
        "a new one waits": f"{info.wait_s:.1f} s",
        "hit rate": f"{info.hit_rate:.1%}",
    }
    rows |= {
        f"level {one.level}": f"{one.waiting} wait, the longest {one.longest_s:.1f} s,"
        f" {one.running} run"
        for one in info.levels
    }
    rows |= {f"session {number}": f"share {weight:g}" for number, weight in info.shares.items()}
    return lines(rows)


async def _meminfo(kernel: Kernel) -> str:
    """KV blocks of the engine, then what pages take."""
    blocks = scheduling_view.info(kernel).blocks
    rows: dict[str, object] = {}
    if blocks is not None:
        rows |= {
            "block tokens": blocks.tokens,
            "blocks": blocks.total,
            "blocks free": max(blocks.free, 0),
            "blocks running": blocks.running,
            "blocks kept": blocks.kept,
            "blocks shared": blocks.shared,
        }
    found = await memory_view.usage(kernel)
    return lines(
        rows
        | {
            "tokens resident": sum(one.resident_tokens for one in found.processes),
            "tokens evicted": sum(one.evicted_tokens for one in found.processes),
            "pages": found.frames,
            "text bytes": found.text_bytes,
            "swap bytes": found.swap_bytes,
            "index bytes": found.index_bytes,
        }
    )


async def _version(kernel: Kernel) -> str:
    return f"llmos {__version__}\n"


FILES: dict[str, KernelFile] = {
    "engine": KernelFile("driver, model, state, tokens per second", _engine),
    "scheduler": KernelFile("policy, slots, queue, levels", _scheduler),
    "meminfo": KernelFile("KV blocks, tokens, pages, bytes on disk", _meminfo),
    "version": KernelFile("of llmos", _version),
}
