"""A conversation as a document: Markdown for people, JSON for programs.

What was said is foreign, and in Markdown nothing of it can change what stands around it: texts are
block quotes, which end where they end whatever is open in them, and calls and results stand between
fences that are longer than any inside.
"""

from __future__ import annotations

import json
import re
import time

from .output import harmless

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from ..kernel.messages import ConversationInfo, Feedback, SaidPage

FORMAT = "llmos conversation 1"
"""Its number changes when a reader of the older one would go wrong."""

SPEAKERS = {"user": "User", "assistant": "Agent", "tool": "Result"}
SHORTEST_FENCE = 3


def as_document(version: str, info: ConversationInfo, pages: list[SaidPage]) -> dict[str, Any]:
    """Everything that the kernel knows of it."""
    return {
        "format": FORMAT,
        "llmos": version,
        "exported": time.time(),
        "conversation": info,
        "pages": pages,
    }


def as_markdown(info: ConversationInfo, pages: Iterable[SaidPage]) -> str:
    """For people to read."""
    return "\n\n".join(_sections(info, pages)) + "\n"


def _sections(info: ConversationInfo, pages: Iterable[SaidPage]) -> Iterator[str]:
    yield f"# Conversation {info.id}"
    yield "\n".join(
        (
            f"- folder: {_code(info.root)}",
            f"- from {moment(info.began)} to {moment(info.last)}",
            f"- {info.turns} turns, {info.pages} pages, {info.tokens:,} tokens",
        )
    )
    calls: dict[str, str] = {}
    for page in pages:
        yield f"## {page.page} · {_heading(page, calls)}"
        yield f"{moment(page.created)}, {page.num_tokens:,} tokens{_marks(page)}"
        if page.role == "tool":
            yield fenced(harmless(page.text))
        elif page.text.strip():
            yield _quote(page.text)
        for call in page.calls:
            calls[call["call_id"]] = call["name"]
            yield f"Calls {_code(call['name'])}:"
            yield fenced(harmless(_arguments(call["arguments"])), "json")
        if page.feedback is not None:
            yield f"**Feedback: {page.feedback.verdict}**"
            if page.feedback.text:
                yield _quote(page.feedback.text)


def _heading(page: SaidPage, calls: dict[str, str]) -> str:
    speaker = SPEAKERS.get(page.role, page.role)
    name = calls.get(page.call_id, "") if page.role == "tool" else ""
    return f"{speaker} of {_code(name)}" if name else speaker


def _marks(page: SaidPage) -> str:
    marks = ("cut off" if page.interrupted else "", "a quotation" if page.recalled else "")
    return "".join(f", {mark}" for mark in marks if mark)


def feedback_text(feedback: Feedback) -> str:
    """`good: as I like it`, on one line."""
    return ": ".join(part for part in (feedback.verdict, " ".join(feedback.text.split())) if part)


def fenced(text: str, language: str = "") -> str:
    """A code block that the text cannot end."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(longest + 1, SHORTEST_FENCE)
    return f"{fence}{language}\n{text.removesuffix(chr(10))}\n{fence}"


def moment(created: float) -> str:
    """In the time of this machine."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(created))


def _quote(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in harmless(text).strip("\n").split("\n"))


def _code(text: str) -> str:
    """A code span on one line."""
    text = " ".join(harmless(text).split())
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    ticks = "`" * (longest + 1)
    return f"{ticks} {text} {ticks}" if longest else f"`{text}`"


def _arguments(text: str) -> str:
    try:
        return json.dumps(json.loads(text or "{}"), indent=2, ensure_ascii=False)
    except ValueError:
        return text
