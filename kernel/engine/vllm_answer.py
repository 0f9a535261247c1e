"""Tokens of an answer to its text and its calls, by vLLM's own detokenizer and tool parsers.

The engine's tokens are turned into text here and not by AsyncLLM, so that an answer which goes on
after a break is read by one detokenizer and one parser from its first token: a character, or the
mark of a call, may be spread over tokens from both sides of the break.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from .driver import ToolCall

CALL_TOKENS_AT_ONCE = 16
"""Parsers read a call from its beginning each time: token by token it would cost the square of its
length, and nobody sees anything of it before it is whole."""


class AnswerReader:
    """Reads one answer as its tokens come: what people may see, and the calls in it.

    Its owner is one generation. Tokens may come in any portions."""

    def __init__(
        self,
        chat_request: Any,
        parser: Any,
        tokenizer: Any,
        sampling_params: Any,
        prompt_token_ids: list[int],
    ) -> None:
        self._request = chat_request
        self._parser = parser
        self._detokenizer = _detokenizer(tokenizer, sampling_params, prompt_token_ids)
        self._prompt_token_ids = prompt_token_ids
        self._raw = ""  # all that was detokenised
        self._unparsed: list[int] = []  # tokens of a call that the parser has not seen yet,
        self._unparsed_raw = ""  # and their text
        self._calls: dict[int, list[str]] = {}
        self._call_names: dict[int, str] = {}
        self.text = ""
        """What people may see so far."""
        self.num_tokens = 0

    def read(self, token_ids: Sequence[int], finish_reason: str | None = None) -> None:
        """The next tokens; with a reason, the last."""
        self.num_tokens += len(token_ids)
        # The token that ends an answer is no text.
        self._detokenizer.update(list(token_ids), finish_reason == "stop")
        raw = self._detokenizer.get_next_output_text(finish_reason is not None, delta=True)
        self._raw += raw
        if self._parser is None:
            self.text += raw
        elif token_ids or finish_reason is not None:
            self._unparsed += token_ids
            self._unparsed_raw += raw
            finished = finish_reason is not None
            if finished or not self._call_names or len(self._unparsed) >= CALL_TOKENS_AT_ONCE:
                self._parse(finished)

    def _parse(self, finished: bool) -> None:
        raw, token_ids = self._unparsed_raw, self._unparsed
        self._unparsed_raw, self._unparsed = "", []
        message = self._parser.parse_delta(
            delta_text=raw,
            delta_token_ids=token_ids,
            request=self._request,
            prompt_token_ids=self._prompt_token_ids,
            finished=finished,
        )
        if message is None:
            return
        for call in message.tool_calls or ():
            function = call.function
            if function is not None and function.name:
                self._call_names[call.index] = function.name
            if function is not None and function.arguments:
                self._calls.setdefault(call.index, []).append(function.arguments)
        self.text += message.content or ""

    def is_text(self, marks: Sequence[str]) -> bool:
        """Is all that was read text, of which nothing may be the beginning of a call? `marks` are
        what calls begin with; the parser is asked too: it holds back what it is not sure of."""
        from vllm.tool_parsers.utils import partial_tag_overlap

        return (
            not self._call_names
            and self.text == self._raw
            and not any(mark in self._raw or partial_tag_overlap(self._raw, mark) for mark in marks)
        )

    def calls(self) -> tuple[ToolCall, ...]:
        from vllm.renderers.chat_utils import make_tool_call_id

        return tuple(
            ToolCall(make_tool_call_id(), name, "".join(self._calls.get(index, ())) or "{}")
            for index, name in sorted(self._call_names.items())
        )


def call_marks(structured_outputs: Any) -> tuple[str, ...] | None:
    """What the grammar of calls waits for while text is written. None where it does not wait (it
    has a form for the text before a call as well), so that it must see an answer's first token."""
    if structured_outputs is None:
        return ()
    tag = getattr(structured_outputs, "structural_tag", None)
    form = json.loads(tag).get("format", {}) if tag else {}
    if form.get("type") == "any_text":
        return ()
    if form.get("type") != "triggered_tags" or form.get("at_least_one"):
        return None
    return tuple(form["triggers"])


def _detokenizer(tokenizer: Any, sampling_params: Any, prompt_token_ids: list[int]) -> Any:
    from vllm.v1.engine import EngineCoreRequest
    from vllm.v1.engine.detokenizer import IncrementalDetokenizer

    return IncrementalDetokenizer.from_new_request(
        tokenizer,
        EngineCoreRequest(
            request_id="",
            prompt_token_ids=prompt_token_ids,
            mm_features=None,
            sampling_params=sampling_params,
            pooling_params=None,
            arrival_time=0.0,
            lora_request=None,
            cache_salt=None,
            data_parallel_rank=None,
        ),
    )
