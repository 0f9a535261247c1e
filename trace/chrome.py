"""A trace in the Trace Event Format of Chrome's about:tracing, which Perfetto opens.

The kernel is one process in it, with a track for each process of ours: what it waited for, and when
it ran. Beside them counters: how many waited and ran, and the KV blocks that were held.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .lives import Generation, Life, lives
from .reading import Trace

KERNEL = 1
WAITING, PREFILL, DECODE = "waiting", "prefill", "decode"
COUNTERS = ("waiting", "running", "held")


def chrome(trace: Trace) -> dict[str, Any]:
    """The whole document."""
    end = trace.lasted_s
    events = [_metadata("process_name", KERNEL, 0, {"name": "llmos"})]
    for life in lives(trace):
        events.append(_metadata("thread_name", KERNEL, life.pid, {"name": life.label}))
        events += _track(life, end)
    events += _counters(trace)
    header = {key: trace.header.get(key) for key in ("llmos", "driver", "model", "began")}
    return {"traceEvents": events, "displayTimeUnit": "ms", "otherData": header}


def _track(life: Life, end: float) -> Iterator[dict[str, Any]]:
    for one in life.generations:
        yield from _generation(life.pid, one, end)
    for between in life.betweens:
        until = end if between.until is None else between.until
        name = between.name or "idle"
        yield _slice(life.pid, name, "idle" if not between.name else "gap", between.since, until)
    for when, blocks in life.drops:
        yield _instant(life.pid, "blocks dropped", when, {"blocks": blocks})
    for when, tokens in life.flushes:
        yield _instant(life.pid, "window flushed", when, {"tokens": tokens})


def _generation(pid: int, one: Generation, end: float) -> Iterator[dict[str, Any]]:
    out = one.left if one.left is not None else end
    begun = one.admitted if one.admitted is not None else one.withdrawn
    yield _slice(pid, WAITING, "scheduler", one.asked, begun if begun is not None else end)
    if one.admitted is None:
        return
    tokens = {"tokens_in": one.tokens_in, "tokens_cached": one.tokens_cached}
    yield _slice(
        pid, PREFILL, "engine", one.admitted, one.first if one.first is not None else out, tokens
    )
    if one.first is not None:
        made = {"tokens_out": one.tokens_out, "broken_off": one.answer_tokens is None}
        yield _slice(pid, DECODE, "engine", one.first, out, made)


def _counters(trace: Trace) -> Iterator[dict[str, Any]]:
    for event in trace.events:
        if COUNTERS[0] in event:
            queue = {"waiting": event["waiting"], "running": event["running"]}
            for name, values in (("processes", queue), ("KV blocks", {"held": event["held"]})):
                yield {
                    "name": name, "ph": "C", "ts": _us(event["t"]), "pid": KERNEL, "args": values
                }  # fmt: skip


def _metadata(name: str, pid: int, tid: int, args: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "ph": "M", "pid": pid, "tid": tid, "args": args}


def _slice(
    pid: int,
    name: str,
    category: str,
    since: float,
    until: float,
    args: dict[str, Any] | None = None,
) -> dict[str, Any]:
    begin = _us(since)
    return {
        "name": name,
        "cat": category,
        "ph": "X",
        "ts": begin,
        "dur": max(0, _us(until) - begin),
        "pid": KERNEL,
        "tid": pid,
        "args": args or {},
    }


def _instant(pid: int, name: str, when: float, args: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name, "cat": "memory", "ph": "i", "s": "t", "ts": _us(when), "pid": KERNEL,
        "tid": pid, "args": args,
    }  # fmt: skip


def _us(seconds: float) -> int:
    """What began before the trace begins with it."""
    return max(0, round(seconds * 1e6))
