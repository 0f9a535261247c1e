"""Generation: one answer of the engine, from admission to the page.

What each engine step brings is charged, shown and kept as the draft, from which an answer that was
broken off goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from ..memory.address_space import Entry
from ..memory.draft import Draft
from ..memory.page import Call
from ..memory.pager import Pager, head
from ..memory.swap import page_out, write_space
from . import deadlock, messages
from .agent import Shape
from .chat import chat_of
from .engine.driver import (
    INTERACTIVE,
    ChatRequest,
    Completion,
    Correction,
    Delta,
    EngineError,
    EngineRefused,
    Item,
    Message,
    Prefill,
    Prompt,
    PromptTooLong,
)
from .footing import Interrupted
from .form import form_of
from .lease import Lease
from .obedience import Obedience
from .outlet import SAVE_EVERY_S
from .pipe import End, Pipe
from .process import State, Waiting
from .scheduling.job import Head
from .signals import Signal
from .summaries import summarise

log = logging.getLogger(__name__)

DRAFT_EVERY_S = 0.25
"""How much of a generation a crash may cost."""

UNSEEN_TOKENS = 4
"""That come at a time where nobody looks at each: with 64 at once, what the kernel does for every
token is a third of a processor, and whoever is interactive waits for it."""


class Generation(Obedience):
    """Of one process: what it does when the newest page wants an answer."""

    async def _generate(self) -> None:
        process = self._process
        if process.space.steps >= self._kernel.config.max_steps:
            await self._fail(f"no answer after {self._kernel.config.max_steps} steps")
            return
        completion = await self._interruptible(self._converse())
        meant = self._kernel.plugins.table.meant
        page = process.space.new_page(
            "assistant",
            completion.text,
            len(process.draft.token_ids),
            calls=tuple(
                # Ids of our own: unique in the address space, the same after a restart, and nine
                # digits long, which every chat template takes.
                Call(f"{len(process.space):06d}{index:03d}", meant(call.name), call.arguments)
                for index, call in enumerate(completion.calls)
            ),
        )
        await self._append(page)
        if self._outlet.must_wait and process.stdout is not None and process.stdout.broken:
            await self._exit(Signal.PIPE.exit_status, page.text)
        elif not page.calls and (shape := self._shape()) is not Shape.UNHELD:
            self._publish_turn("done" if shape is Shape.FITS else "failed", page.text)

    async def _wait_for_room(self) -> None:
        """Until the reader of its stdout has taken some; without a reader, it ends."""
        process, pipe = self._process, self._process.stdout
        assert pipe is not None
        if pipe.broken:
            await self._exit(Signal.PIPE.exit_status, process.draft.text)
            return
        self._become(State.BLOCKED, Waiting(f"room in pipe {pipe.id}"))
        self._kernel.scheduler.pause(process, "(a pipe)")
        await self._interruptible(self._room(pipe))

    async def _room(self, pipe: Pipe) -> None:
        while not (pipe.drained or pipe.broken):
            readers = pipe.pids(End.READ)  # which may change meanwhile
            deadlock.check(self._kernel.table, self._process, readers)
            words = self._process.waits_for
            self._process.waiting = Waiting(words, readers, lambda: pipe.drained or pipe.broken)
            await pipe.change()

    async def _converse(self) -> Completion:
        """One generation, from admission to the last token; with the draft, from there on."""
        process, kernel = self._process, self._kernel
        interactive = self._is_interactive
        await kernel.engine.ready()
        async with kernel.scheduler.admitted(
            process,
            head=await self._head(),
            tokens=process.space.num_resident_tokens + len(process.draft.token_ids),
            interactive=interactive,
        ) as lease:
            self._publish_state()
            process.touched = self._metered = asyncio.get_running_loop().time()
            try:
                refusal: PromptTooLong | None = None
                while True:
                    async with contextlib.nullcontext() if interactive else kernel.rendering:
                        prompt = await self._fitting_prompt(refusal)
                    stream = kernel.engine.generate(prompt, process.draft)
                    try:
                        async with contextlib.aclosing(stream):  # type: ignore[type-var]
                            return await self._follow(stream, lease)
                    except PromptTooLong as error:  # by an engine that alone can count its tokens
                        log.info("process %d: %s", process.pid, error)
                        refusal = error
            finally:
                self._meter()

    @property
    def _is_interactive(self) -> bool:
        """Does somebody wait for it at a screen?"""
        return self._process.interactive and self._kernel.bus.watched(self._process.pid)

    async def _head(self) -> Head:
        """What its prompt begins with. How long that is, is measured once for all."""
        process, kernel = self._process, self._kernel
        head = kernel.scheduler.head((process.space.text, process.tools))
        async with kernel.measuring:
            if not head.unseen:
                nothing = (Message("system", process.space.text), Message("user", ""))
                try:
                    prompt = await kernel.engine.render(ChatRequest(nothing, kernel.tools(process)))
                    head.tokens = head.unseen = prompt.num_tokens
                except EngineRefused:
                    head.unseen = 1  # it will be told with the first prompt of a process
        return head

    def _meter(self) -> None:
        """Charge the engine time since it was charged last."""
        now = asyncio.get_running_loop().time()
        self._process.accounting.engine_s += now - self._metered
        self._metered = now

    async def _follow(self, stream: AsyncIterator[Item], lease: Lease) -> Completion:
        """Take what the engine brings: charge it, show it, keep it as the draft."""
        process, kernel = self._process, self._kernel
        accounting, loop = process.accounting, asyncio.get_running_loop()
        token_ids, texts = list(process.draft.token_ids), [process.draft.text]
        process.saying = texts
        saved, in_words = loop.time(), True
        try:
            async for item in stream:
                process.touched = loop.time()  # each step of the engine is one of the process
                match item:
                    case Prefill():
                        accounting.tokens_in += item.tokens_in
                        accounting.tokens_cached += item.tokens_cached
                        lease.prefilled(item, len(token_ids))
                        del token_ids[item.draft_tokens :]
                    case Delta():
                        accounting.tokens_out += item.num_tokens
                        self._turn.tokens_out += item.num_tokens
                        lease.generated(item.num_tokens)
                        token_ids += item.token_ids
                        texts.append(item.text)
                        in_words = bool(item.text) and not self._is_held
                        if item.text:
                            kernel.bus.publish(messages.Text(process.pid, item.text))
                    case Correction():
                        accounting.tokens_in += item.tokens_in
                        accounting.tokens_cached += item.tokens_cached
                    case Completion():
                        lease.completed(len(token_ids))
                        return item
                if process.bounded:
                    self._meter()
                    if self._limits_reached():
                        raise Interrupted  # the next step says so
                if in_words and lease.must_yield:  # what is broken off in a call is lost
                    raise Interrupted  # the next step queues again, and goes on from the draft
                if loop.time() - saved > (SAVE_EVERY_S if self._outlet.is_open else DRAFT_EVERY_S):
                    saved = loop.time()
                    process.draft = Draft(tuple(token_ids), "".join(texts))
                    await self._save_draft(wait=False)
                    if self._outlet.must_wait:
                        raise Interrupted  # the next step waits
        finally:
            process.draft, process.saying = Draft(tuple(token_ids), "".join(texts)), None
        raise EngineError("the engine ended a stream without a completion")

    async def _fitting_prompt(self, refusal: PromptTooLong | None = None) -> Prompt:
        """The rendered conversation, after as many pages went out as must; after a refusal, one at
        least. Raises EngineRefused."""
        process, kernel = self._process, self._kernel
        assert kernel.pager is not None, "made when the engine became ready"
        draft_tokens = len(process.draft.token_ids)
        refused: EngineRefused | None = refusal
        if refusal is not None and refusal.window_tokens is not None:
            kernel.fit_window(refusal.window_tokens)
        while True:
            if refused is None:
                try:
                    prompt = await kernel.engine.render(self._request())
                    num_tokens = prompt.num_tokens
                except EngineRefused as error:
                    refused = error
            if refused is not None:
                # How long it is was not told; only that it is too long.
                held = process.space.num_resident_tokens
                num_tokens = max(held, kernel.pager.high_tokens + 1)
            # A draft counts when it is a page: to flush under it would be to generate anew.
            elif draft_tokens or not kernel.pager.over(num_tokens):
                return prompt
            victims = kernel.pager.victims(process.space, num_tokens)
            if not victims:
                if refused is not None:
                    raise refused
                return prompt
            refused = None
            await self._page_out(kernel.pager, victims, num_tokens)

    async def _page_out(self, pager: Pager, victims: Sequence[Entry], num_tokens: int) -> None:
        """They leave the window, which holds `num_tokens` with them."""
        process, kernel = self._process, self._kernel
        space, pages = process.space, [entry.page for entry in victims]
        gone = sum(entry.num_tokens for entry in victims)
        log.info("process %d: %d pages out", process.pid, len(pages))
        statements = page_out(
            process.pid,
            process.image,
            pages,
            kernel.clock(),
            tokens_before=num_tokens,
            tokens_after=num_tokens - gone,
        )
        statements.append(write_space(process.pid, process.image, space, head(space, len(victims))))

        def gone_from_the_window() -> None:
            pager.evict(space, victims)
            kernel.scheduler.flushed(process, gone)

        await kernel.journal.commit(statements, gone_from_the_window)
        kernel.pastime(kernel.retrieval.warm_up())
        if kernel.config.summaries:
            kernel.pastime(summarise(kernel, process, pages))

    def _request(self) -> ChatRequest:
        process, kernel = self._process, self._kernel
        sampling = kernel.config.sampling
        if process.ending:
            longest = kernel.config.last_turn_tokens
            sampling = replace(sampling, max_tokens=min(sampling.max_tokens or longest, longest))
        priority = INTERACTIVE if self._is_interactive else 0
        looked_at = kernel.bus.watched(process.pid) or process.bounded or self._outlet.is_open
        together = 1 if looked_at else UNSEEN_TOKENS
        schema = process.output_schema if self._is_held else None
        chat, tools = chat_of(process.space), kernel.tools(process)
        return ChatRequest(chat, tools, sampling, priority, together, schema, process.pid)

    @property
    def _is_held(self) -> bool:
        """Is the answer that comes next held to a schema?"""
        process = self._process
        if process.output_schema is None or process.ending:
            return False
        return form_of(process.output_schema).holds(process.space, process.tools)

    def _shape(self) -> Shape:
        """Of the newest page, if that is an answer."""
        process = self._process
        page = process.space.last
        if page is None or page.role != "assistant" or page.calls or process.output_schema is None:
            return Shape.FITS
        return form_of(process.output_schema).shape(process.space, process.tools)
