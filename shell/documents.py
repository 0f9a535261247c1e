"""Which documents a namespace of the knowledge base has."""

from __future__ import annotations

from .verb import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ..kernel.messages import DocumentInfo

AT_ONCE = 1000
"""Documents that are asked for at once."""


async def documents(
    ctx: Context, namespace: str, beneath: str, on_behalf: int
) -> AsyncIterator[DocumentInfo]:
    """The document of that path, and all below that folder, by path."""
    after = ""
    while True:
        answer = await ctx.ask(
            "kb_documents", namespace=namespace, beneath=beneath, after=after, limit=AT_ONCE,
            pid=on_behalf,
        )  # fmt: skip
        for info in answer.documents:
            yield info
        if len(answer.documents) < AT_ONCE:
            return
        after = answer.documents[-1].source.path
