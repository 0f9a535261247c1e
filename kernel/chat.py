"""The chat that an address space is: what the model is told, message by message."""

from __future__ import annotations

from ..memory.address_space import AddressSpace
from ..syscalls.table import spoken
from .engine.driver import Message, ToolCall


def chat_of(space: AddressSpace) -> tuple[Message, ...]:
    """The system text, and what is resident, each page as much of it as is shown."""
    chat, reminder = [Message("system", space.system)], False
    for entry in space.resident:
        page = entry.page
        calls = tuple(
            ToolCall(call.call_id, spoken(call.name), call.arguments) for call in page.calls
        )
        text = entry.shown()
        if reminder and page.role == "user":  # one message, as every chat template wants it
            text = f"{chat.pop().text}\n{text}"
        reminder = page.recalled and page.role == "user"
        chat.append(Message(page.role, text, calls, page.call_id))
    return tuple(chat)
