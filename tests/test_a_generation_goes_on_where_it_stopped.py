"""Broken off at any token, an answer goes on from there, and is the one that it would have been."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import pytest

from llmos.kernel.config import PILOT, KernelConfig
from llmos.kernel.engine.driver import (
    ChatRequest,
    Completion,
    Delta,
    Item,
    Message,
    Prefill,
    Prompt,
    Sampling,
    ToolSpec,
    Totals,
)
from llmos.kernel.engine.simulated import Reply, SimulatedDriver
from llmos.kernel.engine.supervisor import Engine
from llmos.kernel.engine.vllm import VllmDriver, VllmSettings
from llmos.memory.draft import Draft
from llmos.syscalls.registry import PluginRegistry
from llmos.trace import virtual_time

BLOCK_TOKENS = 16  # of the simulated engine, if it is told nothing else


class Generates(Protocol):
    """A driver, or the engine around it."""

    def generate(self, prompt: Prompt, draft: Draft = ...) -> AsyncIterator[Item]: ...


@dataclass
class Answer:
    """What a consumer holds of an answer, over as many submissions as it took."""

    token_ids: list[int] = field(default_factory=list)
    text: str = ""
    charged: Totals = field(default_factory=Totals)
    prefills: list[Prefill] = field(default_factory=list)
    completion: Completion | None = None

    @property
    def draft(self) -> Draft:
        return Draft(tuple(self.token_ids), self.text)

    @property
    def calls(self) -> list[tuple[str, str]]:
        assert self.completion is not None
        return [(call.name, call.arguments) for call in self.completion.calls]

    def take(self, item: Item) -> None:
        self.charged = self.charged.plus(item)
        match item:
            case Prefill(draft_tokens=kept):
                assert kept <= len(self.token_ids)
                del self.token_ids[kept:]
                self.prefills.append(item)
            case Delta(text, num_tokens, token_ids):
                assert num_tokens == len(token_ids) > 0
                self.token_ids += token_ids
                self.text += text
            case Completion():
                self.completion = item


async def follow(
    engine: Generates, prompt: Prompt, answer: Answer, stop_after: int | None = None
) -> Answer:
    """Go on with an answer; leave it after so many new tokens."""
    new = 0
    async with contextlib.aclosing(engine.generate(prompt, answer.draft)) as stream:  # type: ignore[type-var]
        async for item in stream:
            answer.take(item)
            new += item.num_tokens if isinstance(item, Delta) else 0
            if stop_after is not None and new >= stop_after:
                break
    return answer


def assert_same(resumed: Answer, whole: Answer) -> None:
    assert resumed.token_ids == whole.token_ids
    assert resumed.text == whole.text
    assert resumed.completion is not None and whole.completion is not None
    assert resumed.completion.text == whole.completion.text == whole.text
    assert resumed.calls == whole.calls
    assert resumed.completion.finish_reason == whole.completion.finish_reason
    last = resumed.prefills[-1]
    assert resumed.completion.tokens_in == last.tokens_in
    assert resumed.completion.tokens_cached == last.tokens_cached
    assert resumed.completion.tokens_out == len(whole.token_ids) - last.draft_tokens


# ---- the simulated engine -------------------------------------------------------------------

WORDS = " ".join(f"word{number}" for number in range(40))
CALL = ("read_file", '{"path": "notes.txt", "start": 1}')
REPLIES = (Reply(WORDS), Reply(WORDS, (CALL,)), Reply("", (CALL, CALL)), Reply(""), Reply("word"))


def asking(text: str = "go " * 50) -> ChatRequest:
    return ChatRequest((Message("system", "be brief"), Message("user", text)))


@pytest.mark.parametrize("reply", REPLIES)
def test_wherever_it_is_broken_off(reply: Reply) -> None:
    async def main(_: virtual_time.VirtualLoop) -> None:
        driver = SimulatedDriver(lambda request: reply)
        await driver.start(lambda words: None)
        prompt = await driver.render(asking())
        whole = await follow(driver, prompt, Answer())
        assert whole.text == reply.text
        assert whole.calls == list(reply.calls)
        num_text_tokens = driver.count_tokens(reply.text)
        charged = whole.charged
        for stop in range(1, len(whole.token_ids) + 1):
            answer = await follow(driver, prompt, Answer(), stop)
            assert len(answer.token_ids) == stop
            assert_same(await follow(driver, prompt, answer), whole)
            kept = min(stop, num_text_tokens, len(whole.token_ids) - 1)
            assert answer.prefills[-1].draft_tokens == kept
            assert answer.prefills[-1].tokens_in == prompt.num_tokens + kept
            again = answer.prefills[-1].tokens_in - answer.prefills[-1].tokens_cached
            assert again <= BLOCK_TOKENS + 1, "only the block that was not full, and one token"
            charged = added(charged, answer.charged)
        assert driver.totals == charged
        await driver.stop()

    virtual_time.run(main)


def added(one: Totals, other: Totals) -> Totals:
    return Totals(
        one.tokens_in + other.tokens_in,
        one.tokens_cached + other.tokens_cached,
        one.tokens_out + other.tokens_out,
        one.requests + other.requests,
    )


def test_a_draft_may_come_from_another_engine_and_be_broken_off_again() -> None:
    async def main(_: virtual_time.VirtualLoop) -> None:
        answer = Answer()
        for _try in itertools.count():
            driver = SimulatedDriver(lambda request: Reply(WORDS, (CALL,)))
            await driver.start(lambda words: None)
            await follow(driver, await driver.render(asking("other words first")), Answer())
            prompt = await driver.render(asking())
            await follow(driver, prompt, answer, 7)
            if len(answer.token_ids) >= 40:
                break
            await driver.stop()
        await follow(driver, prompt, answer)
        await driver.stop()
        assert answer.completion is not None
        assert answer.text == answer.completion.text == WORDS
        assert answer.calls == [CALL]

    virtual_time.run(main)


def test_an_engine_that_dies_goes_on_from_what_had_come() -> None:
    async def main(_: virtual_time.VirtualLoop) -> None:
        driver = SimulatedDriver(lambda request: Reply(WORDS, (CALL,)))
        engine = Engine(driver)
        running = asyncio.create_task(engine.run())
        prompt = await engine.render(asking())
        whole = await follow(engine, prompt, Answer())
        answer = Answer()
        before = engine.totals()
        async with contextlib.aclosing(engine.generate(prompt)) as stream:  # type: ignore[type-var]
            async for item in stream:
                answer.take(item)
                if isinstance(item, Delta) and len(answer.token_ids) in (13, 29):
                    driver.crash()
        assert [prefill.draft_tokens for prefill in answer.prefills] == [0, 13, 29]
        assert_same(answer, whole)
        assert engine.totals() == added(before, answer.charged), "each token is charged once"
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    virtual_time.run(main)


# ---- the real engine ------------------------------------------------------------------------

STOPS = 10
MARK = "<tool_call>"
A_CALL = '{"name": "read_file", "arguments": {"path": "a.txt"}}'
QUESTIONS = {
    "text": "what is llmos?",
    "long": "how do I write a plugin?",
    "call": "write hello to greet.txt",
}


class Real:
    """The driver with the pilot, on an event loop of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        folder = Path("/nonexistent")
        model = KernelConfig(folder, folder, folder, model=PILOT).model_path()
        self.driver = VllmDriver(VllmSettings(model))
        self.tools: tuple[ToolSpec, ...] = ()

    def __enter__(self) -> Real:
        self.loop.run_until_complete(self._boot())
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.run_until_complete(self.driver.stop())
        self.loop.close()

    async def _boot(self) -> None:
        await self.driver.start(lambda words: None)
        plugins = PluginRegistry(Path("/nonexistent"))
        await plugins.load()
        self.tools = tuple(
            ToolSpec(spec.name, spec.summary, spec.parameters)
            for spec in plugins.table.specs()
            if spec.listed
        )
        await plugins.close()

    @property
    def chat(self) -> Any:
        return self.driver._chat

    async def ask(self, question: str) -> Prompt:
        return await self.driver.render(ChatRequest((Message("user", question),), self.tools))

    def unfinished(self) -> int:
        unfinished: int = self.driver._llm.get_num_unfinished_requests()
        return unfinished


@pytest.fixture(scope="module")
def real() -> Iterator[Real]:
    with Real() as real:
        yield real


@pytest.mark.parametrize("kind", QUESTIONS)
def test_on_the_real_engine(
    real: Real, kind: str, record_property: Callable[[str, object], None]
) -> None:
    async def main() -> None:
        prompt = await real.ask(QUESTIONS[kind])
        whole = await follow(real.driver, prompt, Answer())
        assert bool(whole.calls) == (kind == "call")
        before, charged = real.driver.totals, Totals()
        chosen = random.Random(kind)
        for _ in range(STOPS):
            stop = chosen.randrange(1, len(whole.token_ids))
            answer = await follow(real.driver, prompt, Answer(), stop)
            assert real.unfinished() == 0, "what was left is aborted at once"
            came = len(answer.token_ids)
            await follow(real.driver, prompt, answer)
            assert_same(answer, whole)
            charged = added(charged, answer.charged)
            resumed = answer.prefills[-1]
            again = resumed.tokens_in - resumed.tokens_cached
            figures = (came, resumed.draft_tokens, resumed.tokens_in, again)
            record_property("came, kept, prompt and draft, prefilled again", figures)
            print(kind, len(whole.token_ids), *figures)
        assert real.driver.totals == added(before, charged)

    real.loop.run_until_complete(main())


@pytest.mark.parametrize(
    ("written", "text_ends"),
    [
        ("Naïve café: 日本語 🦙🦙 done", None),
        ("1 < 2, <tool> is no call", None),
        (f"Let me see 🦙.\n{MARK}\n{A_CALL}\n</tool_call>", MARK),
        (f"{MARK}{A_CALL}</tool_call>\n{MARK}{A_CALL}</tool_call>", MARK),
    ],
)
def test_whatever_the_model_was_writing(real: Real, written: str, text_ends: str | None) -> None:
    """Characters of many tokens, half a mark, calls: read by the real parser, broken anywhere."""

    async def main() -> None:
        rendered = (await real.ask("say it")).payload
        token_ids = real.chat._tokenizer.encode(written, add_special_tokens=False)
        text = written if text_ends is None else written[: written.index(text_ends)]
        for stop in range(len(token_ids) + 1):
            reader = real.chat.resume(rendered, tuple(token_ids[:stop]))
            assert text.startswith(reader.text)
            kept = reader.num_tokens
            assert kept <= stop
            assert not any(reader._raw.endswith(MARK[:end]) for end in range(1, len(MARK) + 1))
            if text_ends is None and "<" not in written:
                assert kept == stop
            for token in token_ids[kept:]:
                reader.read((token,))
            reader.read((), "length")
            assert reader.text == text
            calls = [(call.name, call.arguments) for call in reader.calls()]
            assert calls == [("read_file", '{"path": "a.txt"}')] * written.count(MARK)

    real.loop.run_until_complete(main())


def test_an_answer_that_had_ended_ends_again(real: Real) -> None:
    """The consumer may have lost the Completion, and with it that there was nothing to come."""

    async def main() -> None:
        prompt = await real.ask(QUESTIONS["text"])
        whole = await follow(real.driver, prompt, Answer())
        answer = Answer(list(whole.token_ids), whole.text)
        await follow(real.driver, prompt, answer)
        assert_same(answer, whole)

        short = replace(prompt.request, sampling=Sampling(max_tokens=9))
        prompt = await real.driver.render(short)
        whole = await follow(real.driver, prompt, Answer())
        assert whole.completion is not None and whole.completion.finish_reason == "length"
        for stop in (4, 8, 9):
            answer = await follow(real.driver, prompt, Answer(), stop)
            assert_same(await follow(real.driver, prompt, answer), whole)

    real.loop.run_until_complete(main())
