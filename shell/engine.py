"""The state of the engine, in words."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..kernel.messages import EngineStatus


def engine_text(engine: EngineStatus) -> str:
    """`ready`, `loading weights (3 s)`, `failed: out of memory`."""
    detail = " ".join(engine.detail.split())
    if engine.state == "ready":
        return "ready"
    if engine.state == "failed":
        return f"failed: {detail}"
    what = detail if engine.state in detail else f"{engine.state}: {detail}".rstrip(": ")
    return f"{what} ({engine.elapsed_s:.0f} s)"


def still_loading(engine: EngineStatus) -> str:
    """For whoever asked something that the engine cannot answer yet."""
    return f"the engine is still {engine_text(engine)}… the answer comes when it is ready"
