"""Conversations to tokens, by vLLM's own serving modules; `vllm_answer.py` is the way back.

Chat template, tool schemas, tool-call parsing and the grammar that constrains tool arguments are
those of `vllm serve`, so that any model family it serves works here; only HTTP is left out.
"""

from __future__ import annotations

import itertools
import logging
from dataclasses import dataclass
from typing import Any

from .driver import ChatRequest, EngineRefused, Message, Prompt
from .toolparser import guess_tool_parser
from .vllm_answer import AnswerReader, call_marks
from .vllm_form import held_to
from .vllm_tools import Toolset, Toolsets

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rendered:
    """What `render` found out and `generate` needs."""

    chat_request: Any
    engine_input: Any
    sampling_params: Any
    toolset: Toolset | None = None
    is_formed: bool = False  # is the answer held to a schema?


class Chat:
    """vLLM's chat serving modules, put together for requests that never cross HTTP."""

    def __init__(self, llm: Any, tool_parser: str | None) -> None:
        from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
        from vllm.parser import ParserManager
        from vllm.renderers.online_renderer import OnlineRenderer

        self._request_class = ChatCompletionRequest
        self._config = llm.vllm_config
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
        self._stop_ids = _stop_ids(llm)
        self._toolsets = Toolsets(
            self._request_class, self._parser_class, self._tokenizer, self._model_config
        )
        self._defaults = _default_sampling(llm.model_config)

    async def render(self, request: ChatRequest) -> Prompt:
        from vllm.exceptions import VLLMClientError

        try:
            toolset = self._toolsets.of(request.tools)
            chat = self._chat_request(request, toolset)
            engine_input = await self._tokenize(chat, toolset)
        except (VLLMClientError, ValueError, TypeError) as error:
            raise EngineRefused(str(error)) from error
        num_tokens = len(engine_input["prompt_token_ids"])
        params = self._sampling_params(chat, request, num_tokens)
        formed = request.output_schema is not None
        rendered = Rendered(chat, engine_input, params, toolset, formed)
        return Prompt(request, num_tokens, rendered)

    async def _tokenize(self, chat: Any, toolset: Toolset | None) -> Any:
        if self._renderer.use_harmony:
            _, (engine_input,) = await self._renderer.render_chat(chat)
            return engine_input
        # No parser here: it would make the grammar anew on every turn; the toolset keeps it.
        _, (engine_input,) = await self._renderer.preprocess_chat(
            chat,
            chat.messages,
            default_template=None,
            default_template_content_format="auto",
            default_template_kwargs=None,
            tool_dicts=None if toolset is None else toolset.template_dicts,
        )
        return engine_input

    def _chat_request(self, request: ChatRequest, toolset: Toolset | None) -> Any:
        chat = self._request_class(
            model=self._model_config.model,
            messages=[_openai_message(message) for message in request.messages],
            tools=None if toolset is None else toolset.params,
            tool_choice=None if toolset is None else "auto",
            temperature=request.sampling.temperature,
            seed=request.sampling.seed,
            stream=True,
        )
        if request.output_schema is not None:
            chat.structured_outputs = held_to(request.output_schema)
        elif toolset is not None:
            chat.structured_outputs = toolset.structured_outputs
            chat.skip_special_tokens = toolset.skip_special_tokens
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

    def submission(self, rendered: Rendered, draft_tokens: int) -> Any:
        """Sampling parameters for what follows the draft. Raises ValueError where no backend of
        vLLM takes the grammar."""
        params = rendered.sampling_params.clone()
        params.max_tokens -= draft_tokens
        params.detokenize = False  # the reader does it
        if rendered.toolset is not None and not rendered.is_formed:
            rendered.toolset.verify(params, self._config, self._tokenizer)
        return params

    def reader(self, rendered: Rendered) -> AnswerReader:
        parser = None  # of what is held to a schema nothing is a call
        if self._parser_class is not None and not rendered.is_formed:
            parser = self._parser_class(
                self._tokenizer, rendered.chat_request.tools, model_config=self._model_config
            )
        return AnswerReader(
            rendered.chat_request,
            parser,
            self._tokenizer,
            rendered.sampling_params,
            rendered.engine_input["prompt_token_ids"],
        )

    def resume(self, rendered: Rendered, token_ids: tuple[int, ...]) -> AnswerReader:
        """A reader that has read as much of a draft as an engine can go on from: up to where a
        call may have begun (the grammar of calls has to see a call's first token), without the
        token that ended the answer, and so that one token can be generated."""
        if not token_ids:
            return self.reader(rendered)
        params = rendered.sampling_params
        stops = {*self._stop_ids, *(params.stop_token_ids or ())}
        token_ids = tuple(itertools.takewhile(lambda token: token not in stops, token_ids))
        token_ids = token_ids[: max(0, params.max_tokens - 1)]
        marks = call_marks(rendered.chat_request.structured_outputs)
        if marks is None:
            return self.reader(rendered)
        # In one go, since mostly all of it is text; token by token only where it is not.
        reader = self.reader(rendered)
        reader.read(token_ids)
        if reader.is_text(marks):
            return reader
        reader, kept = self.reader(rendered), 0
        for number, token in enumerate(token_ids, 1):
            reader.read((token,))
            if reader.is_text(marks):
                kept = number
        reader = self.reader(rendered)
        reader.read(token_ids[:kept])
        return reader


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


def _default_sampling(model_config: Any) -> dict[str, Any]:
    """The model's own sampling. vLLM reads the numbers of its generation config, but not the
    switch that says to take the likeliest token always."""
    defaults: dict[str, Any] = model_config.get_diff_sampling_param()
    if model_config.try_get_generation_config().get("do_sample") is False:
        defaults = {"temperature": 0.0} | defaults
    return defaults


def _stop_ids(llm: Any) -> frozenset[int]:
    """The tokens that end an answer: the tokenizer's, and those of the generation config."""
    ids = llm.model_config.try_get_generation_config().get("eos_token_id")
    listed = ids if isinstance(ids, list) else [ids]
    return frozenset(
        token for token in (llm.renderer.get_eos_token_id(), *listed) if token is not None
    )


def _chat_template(tokenizer: Any) -> str:
    template = getattr(tokenizer, "chat_template", None)
    return str(template) if isinstance(template, str) else ""
