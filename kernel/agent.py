"""The `agent` program: the tool-calling loop, as a state machine without a state of its own.

What an agent does next follows from the newest page of its stack alone. So there is nothing to
save beside the pages, and after a crash an agent goes on exactly where its last page stands.

    newest page                            next
    ───────────────────────────────────    ─────────────────────────────
    none                                   receive its task
    user                                   generate
    assistant with unanswered calls        trap
    tool                                   generate
    assistant without calls                receive, or exit with it as output
"""

from __future__ import annotations

from dataclasses import dataclass

from ..memory.address_space import AddressSpace
from ..memory.page import Call
from .process import EXIT_FAILED, EXIT_OK

DEFAULT_TEXT = (
    "You are an agent of llmos. Use the tools to do what is asked, then answer in a few words."
)
"""The system prompt. It holds nothing that changes (no clock), so that the prefix cache holds."""


@dataclass(frozen=True, slots=True)
class Receive:
    """Wait for a message and make it a page."""


@dataclass(frozen=True, slots=True)
class Generate:
    """Let the engine go on with the conversation."""


@dataclass(frozen=True, slots=True)
class Trap:
    """Make these syscalls."""

    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class Exit:
    """End with a status and an output."""

    status: int
    output: str


Action = Receive | Generate | Trap | Exit


def next_action(space: AddressSpace, interactive: bool, has_mail: bool) -> Action:
    """What the agent does now. One that is not interactive ends when nobody has more to say."""
    page = space.last
    if page is None:
        return Receive()
    if page.role != "assistant":
        unanswered = space.unanswered_calls()
        return Trap(unanswered) if unanswered else Generate()
    if page.calls:
        return Trap(space.unanswered_calls())
    if interactive or has_mail:
        return Receive()
    return Exit(EXIT_FAILED if page.interrupted else EXIT_OK, page.text)
