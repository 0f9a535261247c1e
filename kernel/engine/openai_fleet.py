"""The servers: which of them answer, and which one a prompt goes to.

That is the least loaded, or the one that has computed what the prompt begins with, unless it is
clearly more loaded.

A prompt is a chain: what an agent is told with its tools, then message after message. A server that
was sent a chain has it in its prefix cache, most likely, and so has every beginning of it. So a
process stays where it was, and a fork goes where its parent went.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import Iterable, Sequence

from .driver import ChatRequest, EngineRefused, EngineUnusable
from .openai_server import Server, ServerGone

log = logging.getLogger(__name__)

FIRST_RETRY_S, LONGEST_RETRY_S = 0.5, 10.0
MEND_EVERY_S = 0.25

MAX_LINKS = 20_000
"""Of chains that are remembered of each server; the longest unused are forgotten first."""

SLACK = 2
"""So many requests more than the least loaded one, or a quarter more, a server may have and still
be preferred for what it has computed."""


def chain(request: ChatRequest) -> list[int]:
    """A key for each beginning of a prompt, the shortest first."""
    keys, key = [], hash(tuple(tool.name for tool in request.tools))
    for message in request.messages:
        key = hash((key, message))
        keys.append(key)
    return keys


class Fleet:
    """The servers, and what each was sent. Owned by the driver."""

    def __init__(self, servers: Sequence[Server]) -> None:
        self.servers = servers
        self._sent: dict[Server, OrderedDict[int, None]] = {one: OrderedDict() for one in servers}

    @property
    def up(self) -> list[Server]:
        return [server for server in self.servers if server.up]

    def choose(self, keys: Sequence[int], now: float, but: Iterable[Server] = ()) -> Server | None:
        """For a prompt with this chain; None if no server is up. One of `but`, which have just
        failed it, only if there is no other; and of those that asked to be left alone for a while,
        the one that did so for the shortest."""
        up = self.up
        if not up:
            return None
        tried = set(but)
        able = [one for one in up if one.rests_until <= now]
        able = [one for one in able if one not in tried] or able
        if not able:
            return min(up, key=lambda one: one.rests_until)
        least = min(one.running for one in able)
        near = [one for one in able if one.running <= least + max(SLACK, least // 4)]
        best = max(near, key=lambda one: self.known(one, keys))
        # What all agents are told is soon everywhere, and ties nobody to anywhere.
        if self.known(best, keys) > 1:
            return best
        return min(able, key=lambda one: (one.running, one.totals.requests))

    def known(self, server: Server, keys: Sequence[int]) -> int:
        """How many links of a chain a server was sent before."""
        sent = self._sent[server]
        count = 0
        for key in keys:
            if key not in sent:
                break
            count += 1
        return count

    def sent(self, server: Server, keys: Sequence[int]) -> None:
        sent = self._sent[server]
        for key in keys:
            sent[key] = None
            sent.move_to_end(key)
        while len(sent) > MAX_LINKS:
            sent.popitem(last=False)

    # ---- health ---------------------------------------------------------------------------

    async def probe(self, servers: Sequence[Server]) -> None:
        """Ask those that are down. Raises EngineUnusable if none can ever be used as it is."""
        faults: list[EngineUnusable] = []

        async def ask(server: Server) -> None:
            try:
                await server.probe()
            except (ServerGone, EngineRefused) as error:
                self.is_down(server, str(error))
            except EngineUnusable as error:
                self.is_down(server, str(error))
                faults.append(error)
            else:
                if not server.up:
                    log.info("%s is up", server.endpoint)
                server.up, server.words, server.failures = True, "", 0

        await asyncio.gather(*(ask(server) for server in servers))
        if faults and len(faults) == len(self.servers):
            raise EngineUnusable("; ".join(map(str, faults)))

    def is_down(self, server: Server, words: str) -> None:
        """It does not answer. Who is asked in vain is asked less and less often."""
        if server.up or server.words != words:
            log.warning("%s", words)
        server.up, server.words = False, words
        server.retry_at = asyncio.get_running_loop().time() + min(
            FIRST_RETRY_S * 2**server.failures, LONGEST_RETRY_S
        )
        server.failures = min(server.failures + 1, 16)
        if server in self._sent:  # a request may outlive the fleet that it was sent with
            self._sent[server].clear()

    async def mend(self) -> None:
        """Ask again those that went away, while others serve."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(MEND_EVERY_S)
            due = [one for one in self.servers if not one.up and one.retry_at <= loop.time()]
            with contextlib.suppress(EngineUnusable):  # each server's words say so
                await self.probe(due)
