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
    assistant of another form than asked   ask once more for that form, or exit with 65
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from ..memory.address_space import AddressSpace
from ..memory.page import Call
from .process import EXIT_FAILED, EXIT_MISSHAPEN, EXIT_OK

DEFAULT_TEXT = (
    "You are an agent of llmos. Use the tools to do what is asked, then answer in a few words."
)
"""The system prompt. It holds nothing that changes (no clock), so that the prefix cache holds."""


class Shape(enum.Enum):
    """How an answer stands to the form that it is to be of (`form.py`)."""

    FITS = "fits"  # or there is no form
    UNHELD = "unheld"  # it does not fit, and the engine was not told of the form
    MISSHAPEN = "misshapen"  # it does not fit though the engine was


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
class AskOnceMore:
    """The answer is not of the form that it is to be of: it is to be said once more."""


@dataclass(frozen=True, slots=True)
class Exit:
    """End with a status and an output."""

    status: int
    output: str


Action = Receive | Generate | Trap | AskOnceMore | Exit


def next_action(
    space: AddressSpace, interactive: bool, has_mail: bool, shape: Shape = Shape.FITS
) -> Action:
    """What the agent does now. One that is not interactive ends when nobody has more to say.
    `shape` is that of its newest page, where that is an answer."""
    page = space.last
    if page is None:
        return Receive()
    if page.role != "assistant":
        unanswered = space.unanswered_calls()
        return Trap(unanswered) if unanswered else Generate()
    if page.calls:
        return Trap(space.unanswered_calls())
    if shape is Shape.UNHELD and not page.interrupted:
        return AskOnceMore()
    if interactive or has_mail:
        return Receive()
    if page.interrupted:
        return Exit(EXIT_FAILED, page.text)
    return Exit(EXIT_OK if shape is Shape.FITS else EXIT_MISSHAPEN, page.text)
