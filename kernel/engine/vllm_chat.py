"""Conversations to tokens and back, by vLLM's own serving modules.

Chat template, tool schemas, tool-call parsing and the grammar that constrains tool arguments are
those of `vllm serve`, so that any model family it serves works here; only HTTP is left out.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import Any

from .driver import ChatRequest, Completion, EngineRefused, Message, Prompt, ToolCall, ToolSpec
from .toolparser import guess_tool_parser

log = logging.getLogger(__name__)

MAX_GRAMMARS = 256


@dataclass(frozen=True, slots=True)
class Rendered:
    """What `render` found out and `generate` needs."""

    chat_request: Any
    engine_input: Any
    sampling_params: Any


class Chat:
    """vLLM's chat serving modules, put together for requests that never cross HTTP."""

    def __init__(self, llm: Any, tool_parser: str | None) -> None:
        from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
        from vllm.parser import ParserManager
        from vllm.renderers.online_renderer import OnlineRenderer

        self._request_class = ChatCompletionRequest
        self._model_config = llm.model_config
        self._tokenizer = llm.renderer.get_tokenizer()
        parser_name = tool_parser or guess_tool_parser(
            llm.model_config.hf_config.model_type, _chat_template(self._tokenizer)
        )
        log.info("tool calls are parsed as %s", parser_name)
        # `parameter`: every argument is constrained by its schema, so that an ill-formed call
        # cannot be generated.
        self._parser_class = ParserManager.get_parser(
            tool_parser_name=parser_name,
            enable_auto_tools=True,
            tool_strict_level="parameter",
            model_name=llm.model_config.model,
            is_harmony=llm.model_config.hf_config.model_type == "gpt_oss",
            tokenizer=self._tokenizer,
        )
        self._renderer = OnlineRenderer(
            llm.model_config,
            llm.renderer,
            request_logger=None,
            chat_template=None,
            chat_template_content_format="auto",
            enable_auto_tools=True,
            tool_parser=parser_name,
            tool_strict_level="parameter",
        )
        self._grammars: dict[tuple[ToolSpec, ...], Any] = {}
        self._defaults = _default_sampling(llm.model_config)

    async def render(self, request: ChatRequest) -> Prompt:
        from vllm.exceptions import VLLMClientError

        chat = self._chat_request(request)
        try:
            engine_input = await self._tokenize(chat)
            chat = self._constrained(chat, request.tools)
        except (VLLMClientError, ValueError, TypeError) as error:
            raise EngineRefused(str(error)) from error
        num_tokens = len(engine_input["prompt_token_ids"])
        return Prompt(
            request,
            num_tokens,
            Rendered(chat, engine_input, self._sampling_params(chat, request, num_tokens)),
        )

    async def _tokenize(self, chat: Any) -> Any:
        if self._renderer.use_harmony:
            _, (engine_input,) = await self._renderer.render_chat(chat)
            return engine_input
        # No parser here: it would make the grammar anew on every turn; `_constrained` keeps it.
        _, (engine_input,) = await self._renderer.preprocess_chat(
            chat,
            chat.messages,
            default_template=None,
            default_template_content_format="auto",
            default_template_kwargs=None,
            tool_dicts=[tool.model_dump() for tool in chat.tools] if chat.tools else None,
        )
        return engine_input

    def _chat_request(self, request: ChatRequest) -> Any:
        return self._request_class(
            model=self._model_config.model,
            messages=[_openai_message(message) for message in request.messages],
            tools=[_openai_tool(tool) for tool in request.tools] or None,
            tool_choice="auto" if request.tools else None,
            temperature=request.sampling.temperature,
            seed=request.sampling.seed,
            stream=True,
        )

    def _constrained(self, chat: Any, tools: tuple[ToolSpec, ...]) -> Any:
        """The request with its grammar, which depends on the tools alone: made once for each
        set of tools (a millisecond or more), then shared."""
        if not tools or self._parser_class is None:
            return chat
        grammar = self._grammars.get(tools)
        if grammar is None:
            parser = self._parser_class(
                self._tokenizer, chat.tools, model_config=self._model_config
            )
            adjusted = parser.adjust_request(request=chat)
            grammar = (_without_blanks(adjusted.structured_outputs), adjusted.skip_special_tokens)
            if len(self._grammars) >= MAX_GRAMMARS:
                self._grammars.clear()
            self._grammars[tools] = grammar
        chat.structured_outputs, chat.skip_special_tokens = grammar
        return chat

    def count_tokens(self, text: str) -> int:
        return len(self._tokenizer.encode(text, add_special_tokens=False))

    def _sampling_params(self, chat: Any, request: ChatRequest, num_tokens: int) -> Any:
        from vllm.sampling_params import RequestOutputKind

        room = self._model_config.max_model_len - num_tokens
        if room <= 0:
            raise EngineRefused(
                f"the prompt has {num_tokens} tokens, the model's window "
                f"{self._model_config.max_model_len}"
            )
        longest = request.sampling.max_tokens or self._defaults.get("max_tokens") or room
        params = chat.to_sampling_params(min(room, longest), self._defaults)
        params.output_kind = RequestOutputKind.DELTA
        return params

    def reader(self, rendered: Rendered) -> OutputReader:
        parser = None
        if self._parser_class is not None:
            parser = self._parser_class(
                self._tokenizer, rendered.chat_request.tools, model_config=self._model_config
            )
        return OutputReader(rendered.chat_request, parser)


class OutputReader:
    """Reads one request's outputs: what people may see now, and at the end text and calls."""

    def __init__(self, chat_request: Any, parser: Any) -> None:
        self._request = chat_request
        self._parser = parser
        self._shown: list[str] = []
        self._calls: dict[int, list[str]] = {}
        self._call_names: dict[int, str] = {}
        self._tokens_in = self._tokens_cached = self._tokens_out = 0
        self._finish_reason = ""

    def feed(self, output: Any) -> str:
        """Takes a RequestOutput with a delta; returns the text that can be shown."""
        part = output.outputs[0]
        if output.prompt_token_ids is not None:
            self._tokens_in = len(output.prompt_token_ids)
        self._tokens_cached = output.num_cached_tokens or self._tokens_cached
        self._tokens_out += len(part.token_ids)
        self._finish_reason = part.finish_reason or self._finish_reason
        text: str = part.text
        if self._parser is not None:
            text = self._parse(part, output.prompt_token_ids)
        if text:
            self._shown.append(text)
        return text

    def _parse(self, part: Any, prompt_token_ids: Any) -> str:
        message = self._parser.parse_delta(
            delta_text=part.text,
            delta_token_ids=list(part.token_ids),
            request=self._request,
            prompt_token_ids=prompt_token_ids,
            finished=part.finish_reason is not None,
        )
        if message is None:
            return ""
        for call in message.tool_calls or ():
            function = call.function
            if function is not None and function.name:
                self._call_names[call.index] = function.name
            if function is not None and function.arguments:
                self._calls.setdefault(call.index, []).append(function.arguments)
        return message.content or ""

    def completion(self) -> Completion:
        from vllm.renderers.chat_utils import make_tool_call_id

        calls = tuple(
            ToolCall(make_tool_call_id(), name, "".join(self._calls.get(index, ())) or "{}")
            for index, name in sorted(self._call_names.items())
        )
        return Completion(
            text="".join(self._shown),
            calls=calls,
            finish_reason=self._finish_reason,
            tokens_in=self._tokens_in,
            tokens_cached=self._tokens_cached,
            tokens_out=self._tokens_out,
        )


def _openai_message(message: Message) -> dict[str, Any]:
    chat: dict[str, Any] = {"role": message.role, "content": message.text}
    if message.calls:
        chat["tool_calls"] = [
            {
                "id": call.call_id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in message.calls
        ]
    if message.role == "tool":
        chat["tool_call_id"] = message.call_id
    return chat


def _openai_tool(tool: ToolSpec) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.parameters,
        },
    }


def _without_blanks(structured_outputs: Any) -> Any:
    """At most one blank in a row inside constrained JSON: a weak model otherwise fills its
    budget with them."""
    tag = getattr(structured_outputs, "structural_tag", None)
    if tag is None:
        return structured_outputs

    def visit(node: Any) -> None:
        if isinstance(node, dict):
            if node.get("type") == "json_schema" and node.get("style", "json") == "json":
                node["max_whitespace_cnt"] = 1
            else:
                for child in node.values():
                    visit(child)
        elif isinstance(node, list):
            for child in node:
                visit(child)

    tree = json.loads(tag)
    visit(tree)
    structured_outputs.structural_tag = json.dumps(tree)
    return structured_outputs


def _default_sampling(model_config: Any) -> dict[str, Any]:
    """The model's own sampling. vLLM reads the numbers of its generation config, but not the
    switch that says to take the likeliest token always."""
    defaults: dict[str, Any] = model_config.get_diff_sampling_param()
    if model_config.try_get_generation_config().get("do_sample") is False:
        defaults = {"temperature": 0.0} | defaults
    return defaults


def _chat_template(tokenizer: Any) -> str:
    template = getattr(tokenizer, "chat_template", None)
    return str(template) if isinstance(template, str) else ""
