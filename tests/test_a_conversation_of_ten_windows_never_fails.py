"""Talks of ten windows on the real vLLM, with the real pilot: no prompt is over its budget by a
token, prompts grow at their end alone but for flushes, and what the engine finds in its cache is
what was foreseen, on every call."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from llmos.kernel.boot import PROGRAMS
from llmos.kernel.config import KernelConfig
from llmos.kernel.engine.driver import Completion, Delta, Item, Prefill, Prompt, Sampling
from llmos.kernel.engine.prefix import PrefixCache
from llmos.kernel.engine.supervisor import Engine
from llmos.kernel.engine.vllm import CPU_BLOCK_TOKENS, VllmDriver, VllmSettings
from llmos.kernel.kernel import Kernel
from llmos.kernel.messages import Event, Turn
from llmos.kernel.process import Process
from llmos.kernel.storage import open_journal
from llmos.memory.draft import EMPTY, Draft
from llmos.syscalls.registry import PluginRegistry

WINDOW = 1024
ANSWER_TOKENS = 64
NUM_BLOCKS = WINDOW * 3 // 2 // CPU_BLOCK_TOKENS
"""Of the engine's cache: not enough for two talks, so that each evicts the other's blocks."""
NUM_TOKENS = 10 * WINDOW


@dataclass(frozen=True, slots=True)
class Generation:
    """`flushes`: of its process, before it. `foreseen` and `cached` are tokens of the prompt."""

    prompt_ids: tuple[int, ...]
    flushes: int
    foreseen: int
    cached: int
    num_answered: int


class Watched(VllmDriver):
    """The vLLM driver; it keeps what was asked of it, and foresees what it will find."""

    def __init__(self, settings: VllmSettings) -> None:
        super().__init__(settings)
        self.cache = PrefixCache(NUM_BLOCKS, CPU_BLOCK_TOKENS)
        self.talking: Process | None = None
        self.generations: defaultdict[int, list[Generation]] = defaultdict(list)

    async def generate(self, prompt: Prompt, draft: Draft = EMPTY) -> AsyncIterator[Item]:
        assert self.talking is not None and draft == EMPTY
        prompt_ids = prompt.payload.engine_input["prompt_token_ids"]
        foreseen, flushes = self.cache.predict(prompt_ids), self.talking.space.faults.evictions
        cached, answer_ids = -1, list[int]()
        async for item in super().generate(prompt):
            match item:
                case Prefill():
                    cached = item.tokens_cached
                case Delta():
                    answer_ids += item.token_ids
                case Completion():
                    self.cache.computed(prompt_ids, answer_ids)
                    self.generations[self.talking.pid].append(
                        Generation(tuple(prompt_ids), flushes, foreseen, cached, len(answer_ids))
                    )
            yield item


class Machine:
    """A kernel with a small window and the real engine, on an event loop of its own."""

    def __init__(self, folder: Path) -> None:
        self.loop = asyncio.new_event_loop()
        self.root = folder / "root"
        self.root.mkdir()
        config = KernelConfig(
            folder, folder / "s", folder / "p", sampling=Sampling(max_tokens=ANSWER_TOKENS)
        )
        extra = {"num_gpu_blocks_override": NUM_BLOCKS}
        self.driver = Watched(
            VllmSettings(config.model_path(), max_model_len=WINDOW, max_num_seqs=4, extra=extra)
        )
        self._journal = open_journal(config.journal)
        self._engine, self._plugins = Engine(self.driver), PluginRegistry(config.plugins_dir)
        self.kernel = Kernel(config, self._journal, self._engine, self._plugins, PROGRAMS)

    async def boot(self) -> None:
        await self.kernel.start_init()
        await self._plugins.load()
        self._running = asyncio.create_task(self._engine.run())
        self.kernel.start_all()
        await self.kernel.follow_engine()

    async def halt(self) -> None:
        await self.kernel.park()
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        await self._plugins.close()
        await self.kernel.retrieval.close()
        self._journal.close()

    async def begin(self) -> Talk:
        process = await self.kernel.spawn(task=None, name="talk", root=self.root, interactive=True)
        return Talk(self, process)


class Talk:
    """A user's side of one conversation."""

    def __init__(self, machine: Machine, process: Process) -> None:
        self.process, self._machine = process, machine
        self._turns: asyncio.Queue[Turn] = asyncio.Queue()
        machine.kernel.bus.attach(process.pid, self._watch)

    def _watch(self, event: Event) -> None:
        if isinstance(event, Turn):
            self._turns.put_nowait(event)

    async def say(self, text: str) -> str:
        """The answer. A turn that does not end well fails the test."""
        self._machine.driver.talking = self.process
        await self._machine.kernel.send(self.process.pid, text)
        turn = await self._turns.get()
        assert turn.status == "done", turn.text
        return turn.text

    async def num_tokens(self) -> int:
        """Of all its pages."""
        total: int = await self._machine.kernel.journal.read(
            lambda connection: connection.execute(
                "SELECT sum(num_tokens) FROM page_table JOIN frame ON frame.id = frame"
                " WHERE pid = ?",
                (self.process.pid,),
            ).fetchone()[0]
        )
        return total

    async def num_flushes(self) -> int:
        """As swap remembers them."""
        count: int = await self._machine.kernel.journal.read(
            lambda connection: connection.execute(
                "SELECT count(*) FROM flush WHERE pid = ?", (self.process.pid,)
            ).fetchone()[0]
        )
        return count

    @property
    def generations(self) -> list[Generation]:
        return self._machine.driver.generations[self.process.pid]

    async def check(self) -> None:
        """What is promised of all that was generated."""
        pager = self._machine.kernel.pager
        assert pager is not None and pager.high_tokens == WINDOW - ANSWER_TOKENS
        for one in self.generations:
            assert len(one.prompt_ids) <= pager.high_tokens
            assert len(one.prompt_ids) + one.num_answered <= WINDOW
            assert one.cached == one.foreseen
        for earlier, later in itertools.pairwise(self.generations):
            if earlier.flushes == later.flushes:
                assert later.prompt_ids[: len(earlier.prompt_ids)] == earlier.prompt_ids
        assert await self.num_flushes() == self.generations[-1].flushes


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with tempfile.TemporaryDirectory(prefix="llmos-") as folder:
        machine = Machine(Path(folder))
        machine.loop.run_until_complete(machine.boot())
        yield machine
        machine.loop.run_until_complete(machine.halt())
        machine.loop.close()


FACTS = {
    "spare key": ("the spare key is under the blue flowerpot", "flowerpot"),
    "dentist": ("the dentist comes on tuesday at nine", "tuesday"),
    "sister": ("my sister moved to Lisbon in the spring", "Lisbon"),
}
"""What a question will be about, what is said of it, and what the answer must then hold."""


def said(number: int) -> str:
    """A user's message: words, sums that need a call, a list that needs a longer one."""
    match number % 4:
        case 0:
            return f"what is {number} * {number + 7}"
        case 1:
            return f"remember that box {number} holds {'nails, screws, hooks, ' * 6}and no lid"
        case 2:
            return "list the files here"
        case _:
            return "what is a process in llmos?"


def test_a_talk_of_ten_windows_and_what_was_said_in_the_first(machine: Machine) -> None:
    async def main() -> None:
        for number in range(30):
            (machine.root / f"report-of-day-{number}.txt").write_text("all well\n")
        talk = await machine.begin()
        for fact, _ in FACTS.values():
            await talk.say(fact)
        for number in itertools.count():
            await talk.say(said(number))
            if await talk.num_tokens() >= NUM_TOKENS:
                break
        assert await talk.num_flushes() >= 8
        cached = sum(one.cached for one in talk.generations)
        assert cached > 0.7 * sum(len(one.prompt_ids) for one in talk.generations)
        in_sight = "\n".join(entry.page.text for entry in talk.process.space.resident)
        assert not any(fact in in_sight for fact, _ in FACTS.values())
        answered = 0
        for topic, (fact, known) in FACTS.items():
            answer = await talk.say(f"what did I say about the {topic}?")
            found = [e.page.text for e in talk.process.space.resident if e.page.role == "tool"]
            assert fact in found[-1], "it asks for what has left, and gets it"
            answered += known in answer
        assert answered >= 2, "and the pilot answers from it"
        await talk.check()

    machine.loop.run_until_complete(main())


def test_two_talks_take_turns_in_a_cache_that_is_too_small_for_them(machine: Machine) -> None:
    async def main() -> None:
        talks = [await machine.begin(), await machine.begin()]
        for number in range(24):
            await talks[number % 2].say(said(number // 2))
        for talk in talks:
            await talk.check()

    machine.loop.run_until_complete(main())
