"""The state of the engine, in words."""

from __future__ import annotations

from .output import harmless

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..kernel.messages import EngineStatus, ServerInfo


def engine_text(engine: EngineStatus) -> str:
    """`ready`, `loading weights (3 s)`, `failed: out of memory`."""
    detail = harmless(" ".join(engine.detail.split()))
    if engine.state == "ready":
        return "ready"
    if engine.state == "failed":
        return f"failed: {detail}"
    what = detail if engine.state in detail else f"{engine.state}: {detail}".rstrip(": ")
    return f"{what} ({engine.elapsed_s:.0f} s)"


def server_text(server: ServerInfo) -> str:
    """`http://host/v1: up, 2 running, 31 requests, 40,210 tokens in (39,000 cached), 900 out`."""
    detail = f" ({harmless(' '.join(server.detail.split()))})" if server.detail else ""
    return (
        f"{server.endpoint}: {server.state}{detail}, {server.running} running, "
        f"{server.requests:,} requests, {server.tokens_in:,} tokens in "
        f"({server.tokens_cached:,} cached), {server.tokens_out:,} out"
    )


def still_loading(engine: EngineStatus) -> str:
    """For whoever asked something that the engine cannot answer yet."""
    return f"the engine is still {engine_text(engine)}… the answer comes when it is ready"
