"""What a server streams, put together: text, calls from their pieces, and what it has cost.

The form is that of OpenAI's chat completions, as others serve it: some leave out a call's index or
its id, send a call whole, its arguments as an object, or never say what it has cost.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from .driver import ToolCall


class StreamBroken(Exception):
    """The stream ended, or made no sense, before the answer was whole."""


async def chunks(lines: AsyncIterator[str]) -> AsyncIterator[dict[str, Any]]:
    """The objects of a stream of server-sent events, up to `[DONE]`. Raises StreamBroken."""
    async for line in lines:
        name, _, data = line.partition(":")
        if name != "data":  # a comment, which keeps the connection alive, or the kind of event
            continue
        data = data.strip()
        if data == "[DONE]":
            return
        try:
            chunk = json.loads(data)
        except json.JSONDecodeError:
            raise StreamBroken(f"it sent no JSON: {data[:80]!r}") from None
        if not isinstance(chunk, dict):
            raise StreamBroken(f"it sent no object: {data[:80]!r}")
        yield chunk
    raise StreamBroken("it ended the stream in the middle")


@dataclass(slots=True)
class _Call:
    call_id: str
    name: str = ""
    arguments: list[str] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        with suppress(json.JSONDecodeError):
            return isinstance(json.loads("".join(self.arguments)), dict)
        return False


class Answer:
    """One answer of a server, as far as it has come."""

    def __init__(self) -> None:
        self.text = ""
        self.finish_reason = ""
        self.tokens_in: int | None = None
        """Of the prompt, as the server says."""
        self.tokens_cached: int | None = None
        self.tokens_out: int | None = None
        self._calls: list[_Call] = []
        self._by_index: dict[int, _Call] = {}

    def take(self, chunk: dict[str, Any]) -> tuple[str, bool]:
        """The next object of the stream: what people may read of it, and whether it brings anything
        that the model has generated. Raises StreamBroken."""
        try:
            return self._take(chunk)
        except (AttributeError, TypeError, KeyError, IndexError, ValueError) as error:
            words = json.dumps(chunk)[:80]
            raise StreamBroken(f"it sent what is no part of an answer: {words}") from error

    def _take(self, chunk: dict[str, Any]) -> tuple[str, bool]:
        self._cost(chunk.get("usage"))
        choices = chunk.get("choices") or ()
        if not choices:
            return "", False
        choice = choices[0]
        delta = choice.get("delta") or {}
        text = delta.get("content") or ""
        pieces = delta.get("tool_calls") or ()
        if not isinstance(text, str):
            raise TypeError(text)
        self.text += text
        for piece in pieces:
            self._add(piece)
        self.finish_reason = choice.get("finish_reason") or self.finish_reason
        thought = delta.get("reasoning_content") or delta.get("reasoning")
        return text, bool(text or pieces or thought)

    def calls(self) -> tuple[ToolCall, ...]:
        return tuple(
            ToolCall(call.call_id or f"call_{number}", call.name, "".join(call.arguments) or "{}")
            for number, call in enumerate(self._calls)
            if call.name
        )

    def _cost(self, usage: dict[str, Any] | None) -> None:
        if not usage:
            return
        self.tokens_in = usage.get("prompt_tokens", self.tokens_in)
        self.tokens_out = usage.get("completion_tokens", self.tokens_out)
        details = usage.get("prompt_tokens_details") or {}
        self.tokens_cached = details.get("cached_tokens", self.tokens_cached)

    def _add(self, piece: dict[str, Any]) -> None:
        function = piece.get("function") or {}
        name, arguments = function.get("name") or "", function.get("arguments")
        call = self._call(piece.get("index"), piece.get("id") or "", name)
        if name and name != call.name:
            call.name += name
        if arguments:
            text = arguments if isinstance(arguments, str) else json.dumps(arguments)
            call.arguments.append(text)

    def _call(self, index: int | None, call_id: str, name: str) -> _Call:
        """To which call a piece belongs: by its index where there is one. Two calls may have one
        index, and some have none: then a name, behind arguments that are whole or under another
        id, begins another call."""
        known = self._by_index.get(index) if index is not None else None
        if known is None and index is None and self._calls:
            known = self._calls[-1]
        another_id = bool(known and call_id and known.call_id and call_id != known.call_id)
        if known is None or (name and (another_id or known.is_whole)):
            known = _Call(call_id)
            self._calls.append(known)
            if index is not None:
                self._by_index[index] = known
        known.call_id = known.call_id or call_id
        return known
