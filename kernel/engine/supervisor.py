"""The engine as the rest of the kernel sees it: always there, sometimes late.

It starts the driver, watches it, restarts it when it dies, and submits again what was in flight,
as far as it had come, so that a process never learns of a crash but for the delay. Too many
restarts in a short time mean that the engine cannot run at all: then it is `failed`, and every
request says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import AsyncIterator

from ...memory.draft import EMPTY, Draft
from ..messages import EngineState, EngineStatus
from .driver import (
    Capacity,
    ChatRequest,
    Completion,
    Costs,
    Delta,
    EngineDied,
    EngineDriver,
    EngineError,
    EngineUnusable,
    HasServers,
    Item,
    Load,
    Prefill,
    Prompt,
    Totals,
)

log = logging.getLogger(__name__)

MAX_RESTARTS = 3
RESTART_WINDOW_S = 60.0
RESTART_POLL_S = 0.05
METER_WINDOW_S = 3.0


class Engine:
    """A driver under supervision. `run()` is its task; the rest may be called at any time."""

    def __init__(self, driver: EngineDriver) -> None:
        self._driver = driver
        self._state: EngineState = "loading"
        self._detail = "waiting"
        self._since = time.monotonic()
        self._settled = asyncio.Event()  # ready, or failed for good
        self._capacity: Capacity | None = None
        self._epoch = 0  # how many times the engine became ready
        self._deaths: deque[float] = deque()
        self._restarts = 0
        self._running = 0
        self._meter = TokenMeter()

    async def run(self) -> None:
        """Start, watch, restart; returns only when the engine has failed for good."""
        try:
            while True:
                self._capacity = await self._driver.start(self._tell)
                self._epoch += 1
                self._change("ready", "")
                self._settled.set()
                await self._driver.wait_until_dead()
                self._settled.clear()
                self._restarts += 1
                log.warning("the engine died; restarting it")
                self._change("restarting", "the engine died")
                await self._driver.stop()
                if not self._capacity.elsewhere:
                    self._count_death()
        except EngineUnusable as error:
            log.error("the engine is unusable: %s", error)
            self._change("failed", str(error))
            self._settled.set()
        finally:
            with contextlib.suppress(Exception):
                await self._driver.stop()

    async def ready(self) -> Capacity:
        """Wait until requests can be served. Raises EngineUnusable when they never will be."""
        while True:
            await self._settled.wait()
            if self._state == "failed":
                raise EngineUnusable(self._detail)
            if self._state == "ready" and self._capacity is not None:
                return self._capacity

    async def render(self, request: ChatRequest) -> Prompt:
        """Tokens of a request; waits out a restart. Raises EngineRefused, EngineUnusable."""
        while True:
            await self.ready()
            epoch = self._epoch
            try:
                return await self._driver.render(request)
            except EngineDied:
                await self._await_restart(epoch)

    def count_tokens(self, text: str) -> int:
        """Tokens of a text, by the model's tokenizer once it is loaded."""
        return self._driver.count_tokens(text)

    async def generate(self, prompt: Prompt, draft: Draft = EMPTY) -> AsyncIterator[Item]:
        """A Prefill, Deltas, one Completion. After a crash another Prefill follows, and Deltas go
        on from there: the request was submitted again with all that had come as its draft."""
        token_ids, text = list(draft.token_ids), [draft.text]
        self._running += 1
        try:
            while True:
                epoch = self._epoch
                draft = Draft(tuple(token_ids), "".join(text))
                try:
                    async with contextlib.aclosing(self._driver.generate(prompt, draft)) as stream:  # type: ignore[type-var]
                        async for item in stream:
                            match item:
                                case Prefill(draft_tokens=kept):
                                    del token_ids[kept:]
                                case Delta():
                                    token_ids += item.token_ids
                                    text.append(item.text)
                                    self._meter.add(item.num_tokens)
                            yield item
                            if isinstance(item, Completion):
                                return
                    raise EngineError("the engine ended a stream without a completion")
                except EngineDied:
                    await self._await_restart(epoch)
                    prompt = await self.render(prompt.request)
        finally:
            self._running -= 1

    def totals(self) -> Totals:
        """What the engine has done in all, over its restarts; counted by the driver, apart from
        what processes are charged."""
        return self._driver.totals

    @property
    def costs(self) -> Costs | None:
        """Of the engine's steps, where they are known."""
        return self._driver.costs

    @property
    def load(self) -> Load | None:
        """What the engine holds now. None while it does not run, or if its driver does not tell,
        as one of a plugin's may not."""
        return getattr(self._driver, "load", None) if self._state == "ready" else None

    def status(self, waiting: int) -> EngineStatus:
        """`waiting`: processes in the run queue, which the engine does not know of."""
        return EngineStatus(
            driver=self._driver.name,
            model=self._driver.model,
            state=self._state,
            detail=self._detail,
            elapsed_s=time.monotonic() - self._since,
            running=self._running,
            waiting=waiting,
            tokens_per_s=self._meter.rate(),
            restarts=self._restarts,
            servers=self._driver.servers() if isinstance(self._driver, HasServers) else [],
        )

    async def _await_restart(self, epoch: int) -> None:
        """Wait for an engine later than that of `epoch`. A request may notice the death before
        the watcher does, and a restart may be over before anyone looks: hence the count."""
        while self._epoch == epoch and self._state != "failed":
            await asyncio.sleep(RESTART_POLL_S)
        await self.ready()

    def _tell(self, words: str) -> None:
        self._detail = words
        log.info("engine: %s", words)

    def _change(self, state: EngineState, detail: str) -> None:
        self._state, self._detail, self._since = state, detail, time.monotonic()
        log.info("engine is %s %s", state, detail)

    def _count_death(self) -> None:
        now = time.monotonic()
        self._deaths.append(now)
        while self._deaths and now - self._deaths[0] > RESTART_WINDOW_S:
            self._deaths.popleft()
        if len(self._deaths) > MAX_RESTARTS:
            raise EngineUnusable(
                f"the engine died {len(self._deaths)} times in {RESTART_WINDOW_S:.0f} s; "
                "the log says why"
            )


class TokenMeter:
    """Tokens per second over the last few seconds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()
        self._sum = 0

    def add(self, num_tokens: int) -> None:
        self._seen.append((time.monotonic(), num_tokens))
        self._sum += num_tokens
        self._forget()

    def rate(self) -> float:
        self._forget()
        return self._sum / METER_WINDOW_S

    def _forget(self) -> None:
        horizon = time.monotonic() - METER_WINDOW_S
        while self._seen and self._seen[0][0] < horizon:
            self._sum -= self._seen.popleft()[1]
