"""A request as servers take it, and what of a draft they can go on from."""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
from collections.abc import Sequence
from typing import Any

from ...memory.draft import Draft
from .driver import Message, Prompt, ToolSpec
from .openai_server import Server

SHOWN, HIDDEN = -1, -2
"""In place of token ids: a token of text that people may see, and any other one."""


def body(server: Server, prompt: Prompt, begun: str, window_tokens: int) -> dict[str, Any]:
    """Of a request for what follows `begun`, which has been generated before."""
    request, sampling = prompt.request, prompt.request.sampling
    messages, (tools, _) = chat_messages(request.messages), described(request.tools)
    usage: dict[str, Any] = {"include_usage": True}
    fields: dict[str, Any] = {"model": server.model, "messages": messages, "stream": True}
    if server.continues:
        usage["continuous_usage_stats"] = True
    if begun:
        messages.append({"role": "assistant", "content": begun})
        fields |= {"continue_final_message": True, "add_generation_prompt": False}
    fields["stream_options"] = usage
    if tools:
        fields["tools"] = tools
    if sampling.temperature is not None:
        fields["temperature"] = sampling.temperature
    if sampling.seed is not None:
        fields["seed"] = sampling.seed
    if sampling.max_tokens is not None:
        room = window_tokens - prompt.num_tokens
        fields["max_tokens"] = max(1, min(sampling.max_tokens, room))
    return fields


def kept_of(draft: Draft) -> int:
    """How many tokens of a draft a server can go on after: those of its text, if nothing stands
    before that, which a server would have thought."""
    if not draft.text:
        return 0
    return len(list(itertools.takewhile(lambda one: one == SHOWN, draft.token_ids)))


@functools.lru_cache(maxsize=256)
def described(tools: tuple[ToolSpec, ...]) -> tuple[list[dict[str, Any]], int]:
    """Tools as a server takes them, and the bytes of that. Not to be changed."""
    found = [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.parameters,
            },
        }
        for tool in tools
    ]
    return found, len(json.dumps(found, ensure_ascii=False).encode()) if found else 0


def chat_messages(messages: Sequence[Message]) -> list[dict[str, Any]]:
    return [_message(message) for message in messages]


def _message(message: Message) -> dict[str, Any]:
    chat: dict[str, Any] = {"role": message.role, "content": message.text}
    if message.calls:
        chat["tool_calls"] = [
            {
                "id": call.call_id,
                "type": "function",
                "function": {"name": call.name, "arguments": _arguments(call.arguments)},
            }
            for call in message.calls
        ]
    if message.role == "tool":
        chat["tool_call_id"] = message.call_id
    return chat


def _arguments(text: str) -> str:
    """A server reads the arguments of earlier calls, and refuses the whole conversation if those of
    one are ill-formed; the result of that call says what was wrong with them."""
    with contextlib.suppress(json.JSONDecodeError):
        if isinstance(json.loads(text), dict):
            return text
    return json.dumps({"arguments": text})
