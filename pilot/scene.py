"""A scene: one request of a user and everything that an ideal agent does about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from .tools import Tool

Message: TypeAlias = dict[str, Any]

MISTAKEN = "mistaken"
"""Key of an assistant's message that is not to be learnt."""


@dataclass(frozen=True, slots=True)
class Step:
    """One tool call and the result that came back.

    A ``mistaken`` call shows how to mend one; the model is not taught to make it.
    """

    tool: str
    arguments: dict[str, Any]
    result: str
    mistaken: bool = False


@dataclass(frozen=True, slots=True)
class Scene:
    """A request, the calls in order, the final answer.

    ``tools`` are tools beyond the syscalls that must be on the list; ``absent`` ones must not be.
    ``manners`` says whether politeness may be wrapped around the request. ``follow_ups`` are
    scenes that only make sense directly after this one.
    """

    request: str
    steps: tuple[Step, ...]
    answer: str
    tools: tuple[Tool, ...] = ()
    absent: tuple[str, ...] = ()
    manners: bool = True
    follow_ups: tuple[Scene, ...] = ()

    def needs(self) -> set[str]:
        """The names of the tools that must be on the list."""
        own = {step.tool for step in self.steps}
        return own.union(*(later.needs() for later in self.follow_ups))


def messages(scene: Scene, request: str) -> list[Message]:
    """The scene as chat messages, the user's words being ``request``."""
    turns: list[Message] = [{"role": "user", "content": request}]
    for step in scene.steps:
        function = {"name": step.tool, "arguments": step.arguments}
        call: Message = {
            "role": "assistant",
            "tool_calls": [{"type": "function", "function": function}],
        }
        if step.mistaken:
            call[MISTAKEN] = True
        turns.append(call)
        turns.append({"role": "tool", "content": step.result})
    turns.append({"role": "assistant", "content": scene.answer})
    return turns
