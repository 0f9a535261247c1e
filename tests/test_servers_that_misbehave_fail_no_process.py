"""Whatever a server sends, the answer becomes whole, or its failure has words."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from llmos.kernel.engine import openai, openai_fleet
from llmos.kernel.engine.driver import (
    ChatRequest,
    Completion,
    Delta,
    EngineDied,
    EngineRefused,
    EngineUnusable,
    Item,
    Message,
    Prefill,
    PromptTooLong,
    Sampling,
    ToolCall,
    Totals,
)
from llmos.kernel.engine.openai import OpenAIDriver, OpenAISettings
from llmos.memory.draft import Draft
from openai_server import (
    CUT,
    DONE,
    Body,
    FakeServer,
    Refusal,
    called,
    event,
    said,
    serving,
    usage,
)

ASKED = ChatRequest((Message("system", "You are an agent."), Message("user", "say something")))
WORDS = "one two three four five six"


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai, "FIRST_RETRY_S", 0.01)
    monkeypatch.setattr(openai_fleet, "FIRST_RETRY_S", 0.01)
    monkeypatch.setattr(openai_fleet, "MEND_EVERY_S", 0.01)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with serving(FakeServer()) as server:
        yield server


@pytest.fixture
def another() -> Iterator[FakeServer]:
    with serving(FakeServer()) as server:
        yield server


@dataclass
class Heard:
    """What a process holds of an answer, over as many submissions as it took."""

    ids: list[int] = field(default_factory=list)
    text: str = ""
    charged: Totals = field(default_factory=Totals)
    prefills: list[Prefill] = field(default_factory=list)
    completion: Completion | None = None

    def take(self, item: Item) -> None:
        self.charged = self.charged.plus(item)
        match item:
            case Prefill(draft_tokens=kept):
                del self.ids[kept:]
                self.prefills.append(item)
            case Delta(text, num_tokens, token_ids):
                assert num_tokens == len(token_ids) > 0
                self.ids += token_ids
                self.text += text
            case Completion():
                self.completion = item

    @property
    def calls(self) -> list[tuple[str, str]]:
        assert self.completion is not None
        return [(call.name, call.arguments) for call in self.completion.calls]


@contextlib.asynccontextmanager
async def running(*servers: FakeServer, **settings: Any) -> AsyncIterator[OpenAIDriver]:
    endpoints = tuple(server.endpoint for server in servers)
    driver = OpenAIDriver(OpenAISettings(endpoints, **settings))
    try:
        await driver.start(lambda words: None)
        yield driver
    finally:
        await driver.stop()


async def follow(
    driver: OpenAIDriver, heard: Heard, stop_after: int | None = None, asked: ChatRequest = ASKED
) -> Heard:
    prompt = await driver.render(asked)
    draft = Draft(tuple(heard.ids), heard.text)
    async with contextlib.aclosing(driver.generate(prompt, draft)) as stream:  # type: ignore[type-var]
        async for item in stream:
            heard.take(item)
            if stop_after is not None and len(heard.ids) >= stop_after:
                break
    return heard


def answer_of(*servers: FakeServer, asked: ChatRequest = ASKED, **settings: Any) -> Heard:
    async def main() -> Heard:
        async with running(*servers, **settings) as driver:
            heard = await follow(driver, Heard(), asked=asked)
            assert driver.totals == heard.charged
            return heard

    return asyncio.run(main())


def refusal_of(*servers: FakeServer, **settings: Any) -> str:
    with pytest.raises(EngineRefused) as refused:
        answer_of(*servers, **settings)
    return str(refused.value)


def in_turn(*answers: Any) -> Callable[[Body, int], Any]:
    """The first, the second …, and then the last again and again."""
    return lambda body, number: answers[min(number, len(answers) - 1)]


# ---- good answers ------------------------------------------------------------------------------


def test_an_answer_is_streamed_and_accounted_for(server: FakeServer) -> None:
    server.script = in_turn(
        [
            b": keep-alive\n\n",
            *WORDS.replace(" ", " \n").split("\n"),
            event({}, "stop"),
            usage(52, 9, 32),
            DONE,
        ]
    )
    heard = answer_of(server)
    assert heard.text == WORDS
    assert heard.completion is not None and heard.completion.text == WORDS
    assert heard.charged == Totals(tokens_in=52, tokens_cached=32, tokens_out=9, requests=1)
    (body,) = server.asked
    assert body["stream_options"] == {"include_usage": True}
    assert [message["role"] for message in body["messages"]] == ["system", "user"]


def test_a_server_that_never_says_what_it_costs_is_charged_by_a_guess(server: FakeServer) -> None:
    server.script = in_turn([*WORDS.replace(" ", " \n").split("\n"), event({}, "stop"), DONE])
    charged = answer_of(server).charged
    assert charged.tokens_out == 6
    assert 5 < charged.tokens_in < 60


def test_a_server_that_ends_without_done_has_ended(server: FakeServer) -> None:
    server.script = in_turn([WORDS, event({}, "stop")])
    assert answer_of(server).text == WORDS
    assert len(server.asked) == 1


def piece(arguments: Any, name: str = "", **fields: Any) -> dict[str, Any]:
    function = {"arguments": arguments} | ({"name": name} if name else {})
    return {"function": function, **fields}


READ, LIST = ("read_file", '{"path": "a b"}'), ("list_files", "{}")

ODD_CALLS = {
    "in small pieces": (
        [piece("", "read_file", index=0, id="x")],
        [piece('{"pa', index=0)],
        [piece('th": "a', index=0)],
        [piece(' b"}', index=0)],
        [piece("{}", "list_files", index=1, id="y")],
    ),
    "with pieces of both in one event": (
        [piece('{"path": ', "read_file", index=0, id="x"), piece("{", "list_files", index=1)],
        [piece("}", index=1), piece('"a b"}', index=0)],
    ),
    "whole, in one event": (
        [piece(READ[1], READ[0], index=0, id="x"), piece("{}", "list_files", index=1, id="y")],
    ),
    "without an index": (
        [piece('{"path": ', "read_file", id="x")],
        [piece('"a b"}')],
        [piece("{}", "list_files", id="y")],
    ),
    "both with index 0": (
        [piece(READ[1], READ[0], index=0, id="x")],
        [piece("{}", "list_files", index=0, id="y")],
    ),
    "with the name again in each piece": (
        [piece('{"path": ', "read_file", index=0, id="x")],
        [piece('"a b"}', "read_file", index=0, id="x")],
        [piece("{}", "list_files", index=1, id="y")],
    ),
    "with arguments as an object": (
        [piece({"path": "a b"}, "read_file", index=0)],
        [piece({}, "list_files", index=1)],
    ),
    "without arguments": (
        [piece(READ[1], READ[0], index=0)],
        [piece(None, "list_files", index=1)],
    ),
}


@pytest.mark.parametrize("pieces", ODD_CALLS.values(), ids=ODD_CALLS.keys())
def test_calls_are_put_together_from_their_pieces(
    server: FakeServer, pieces: tuple[list[dict[str, Any]], ...]
) -> None:
    server.script = in_turn(called(*pieces))
    heard = answer_of(server)
    assert heard.calls == [READ, LIST]
    assert heard.text == ""


# ---- bad streams -------------------------------------------------------------------------------

BAD = {
    "cut off": ["one ", "two ", CUT],
    "no JSON": ["one ", "two ", b"data: {oops\n\n"],
    "no object": ["one ", "two ", b"data: 7\n\n"],
    "no part of an answer": ["one ", "two ", b'data: {"choices": [{"delta": "no"}]}\n\n'],
    "an error in the stream": [
        "one ",
        "two ",
        b'data: {"error": {"message": "out of memory"}}\n\n',
    ],
    "nothing at all": [],
    "an internal error": Refusal(500, "oops"),
    "a gateway's error": Refusal(502, "bad gateway"),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_an_answer_that_breaks_off_is_asked_for_again(server: FakeServer, bad: Any) -> None:
    server.script = in_turn(bad, bad, said(WORDS))
    heard = answer_of(server)
    assert heard.text == WORDS, "each word once"
    assert heard.completion is not None and heard.completion.text == WORDS
    assert len(server.asked) == 3


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_a_server_that_always_does_it_is_given_up_with_its_words(
    server: FakeServer, bad: Any
) -> None:
    server.script = in_turn(bad)
    words = refusal_of(server)
    assert server.endpoint in words and "6 times in a row" in words
    assert len(server.asked) == 6


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_another_server_goes_on(server: FakeServer, another: FakeServer, bad: Any) -> None:
    server.script, another.script = in_turn(bad), in_turn(said(WORDS))
    assert answer_of(server, another).text == WORDS
    assert (len(server.asked), len(another.asked)) == (1, 1)


def test_a_server_of_vllm_goes_on_after_the_last_word(server: FakeServer) -> None:
    server.models = [{"id": "fake", "owned_by": "vllm", "max_model_len": 900}]
    server.script = in_turn(["one ", "two ", CUT], said("three four five six", tokens_in=44))
    heard = answer_of(server)
    assert heard.text == WORDS
    assert heard.completion is not None and heard.completion.text == WORDS
    assert [prefill.draft_tokens for prefill in heard.prefills] == [0, 2]
    _, second = server.asked
    assert second["messages"][-1] == {"role": "assistant", "content": "one two "}
    assert second["continue_final_message"] and not second["add_generation_prompt"]


def test_a_server_that_only_looks_like_vllm_generates_it_anew(server: FakeServer) -> None:
    server.models = [{"id": "fake", "owned_by": "vllm"}]
    unknown = Refusal(400, "unknown field: continue_final_message")
    server.script = in_turn(["one ", "two ", CUT], unknown, said(WORDS))
    heard = answer_of(server)
    assert heard.text == WORDS
    assert "continue_final_message" not in server.asked[2]


def test_a_stopped_answer_leaves_the_server_and_goes_on_later(server: FakeServer) -> None:
    def endless(body: Body, number: int) -> Any:
        begun = len(body["messages"]) == 3
        return said("three four five six") if begun else iter(["one ", "two "] + ["x ", 0.01] * 900)

    server.models = [{"id": "fake", "owned_by": "vllm"}]
    server.script = endless

    async def main() -> None:
        async with running(server) as driver:
            heard = await follow(driver, Heard(), stop_after=2)
            assert heard.text == "one two "
            assert await asyncio.to_thread(server.hung_up.wait, 10), "the request was aborted"
            assert (await follow(driver, heard)).text == WORDS

    asyncio.run(main())


def test_thoughts_are_not_shown_and_an_answer_after_them_is_not_gone_on_from(
    server: FakeServer,
) -> None:
    server.models = [{"id": "fake", "owned_by": "vllm"}]
    server.script = in_turn(
        [event({"reasoning_content": "hm"}), "one ", CUT],
        [event({"reasoning_content": "hm"}), *said(WORDS)],
    )
    heard = answer_of(server)
    assert heard.text == WORDS
    assert "continue_final_message" not in server.asked[1]


def test_a_server_that_says_nothing_is_left_for_another(
    server: FakeServer, another: FakeServer
) -> None:
    server.script, another.script = in_turn([2.0, "late"]), in_turn(said(WORDS))
    assert answer_of(server, another, read_timeout_s=0.2).text == WORDS


# ---- refusals ----------------------------------------------------------------------------------


def test_who_is_told_to_wait_waits(server: FakeServer) -> None:
    busy = Refusal(429, "slow down", {"Retry-After": "0.2"})
    server.script = in_turn(busy, said(WORDS))

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with running(server) as driver:
            began = loop.time()
            assert (await follow(driver, Heard())).text == WORDS
            assert loop.time() - began >= 0.2

    asyncio.run(main())


def test_who_would_wait_too_long_is_told_when_to_try_again(server: FakeServer) -> None:
    server.script = in_turn(Refusal(429, "slow down", {"Retry-After": "3600"}))
    words = refusal_of(server)
    assert words.startswith("EAGAIN: ")
    assert "slow down" in words and "try again in 3600 s" in words


def test_who_has_no_quota_left_is_told_at_once(server: FakeServer) -> None:
    server.script = in_turn(Refusal(429, "insufficient_quota: you are out of money"))
    assert "out of money" in refusal_of(server)
    assert len(server.asked) == 1


def test_a_busy_server_is_passed_over(server: FakeServer, another: FakeServer) -> None:
    server.script = in_turn(Refusal(429, "slow down", {"Retry-After": "30"}))
    another.script = in_turn(said(WORDS))
    assert answer_of(server, another).text == WORDS


TOO_LONG = {
    "This model's maximum context length is 800 tokens. However, your prompt contains at least"
    " 900 input tokens": (900, 800),
    "This model's maximum context length is 800 tokens. However, your messages resulted in"
    " 1200 tokens.": (1200, 800),
    "the request exceeds the available context size": (None, None),
    "Input is too long: context_length_exceeded": (None, None),
}


@pytest.mark.parametrize("words", TOO_LONG)
def test_a_prompt_that_is_too_long_is_told_as_that(server: FakeServer, words: str) -> None:
    server.script = in_turn(Refusal(400, words))
    with pytest.raises(PromptTooLong) as refused:
        answer_of(server)
    assert (refused.value.num_tokens, refused.value.window_tokens) == TOO_LONG[words]


def test_a_refusal_of_something_else_is_no_matter_of_length(server: FakeServer) -> None:
    server.script = in_turn(Refusal(400, '"auto" tool choice requires --enable-auto-tool-choice'))
    words = refusal_of(server)
    assert "--enable-auto-tool-choice" in words
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("words", "sent", "instead"),
    [
        ("Unknown parameter: 'stream_options'.", "stream_options", None),
        (
            "use 'max_completion_tokens' instead of 'max_tokens'",
            "max_tokens",
            "max_completion_tokens",
        ),
    ],
)
def test_what_a_server_does_not_know_is_left_out(
    server: FakeServer, words: str, sent: str, instead: str | None
) -> None:
    server.script = in_turn(Refusal(400, words), said(WORDS))
    asked = ChatRequest(ASKED.messages, sampling=Sampling(max_tokens=20))
    assert answer_of(server, asked=asked).text == WORDS
    first, second = server.asked
    assert sent in first and sent not in second
    assert instead is None or second[instead] == first[sent]


def test_ill_formed_arguments_of_an_earlier_call_are_sent_well_formed(server: FakeServer) -> None:
    call = ToolCall("000001000", "read_file", '{"path": ')
    asked = ChatRequest(
        (
            *ASKED.messages,
            Message("assistant", "", (call,)),
            Message("tool", "EINVAL", (), "000001000"),
        )
    )
    answer_of(server, asked=asked)
    sent = server.asked[0]["messages"][2]["tool_calls"][0]["function"]["arguments"]
    assert sent == '{"arguments": "{\\"path\\": "}'


# ---- starting ----------------------------------------------------------------------------------


def fault_of(*endpoints: str, **settings: Any) -> str:
    async def main() -> None:
        driver = OpenAIDriver(OpenAISettings(endpoints, patience_s=0.0, **settings))
        try:
            await driver.start(lambda words: None)
        finally:
            await driver.stop()

    with pytest.raises(EngineUnusable) as unusable:
        asyncio.run(main())
    return str(unusable.value)


def test_a_wrong_model_is_told_with_those_that_there_are(server: FakeServer) -> None:
    server.models = [{"id": "small"}, {"id": "large"}]
    assert "has no model smal; there are: large, small" in fault_of(server.endpoint, model="smal")
    assert "--model names none; there are: large, small" in fault_of(server.endpoint)


def test_the_only_model_need_not_be_named(server: FakeServer) -> None:
    answer_of(server)
    assert server.asked[0]["model"] == "fake"


def test_a_tag_may_be_left_out_as_ollama_lets_one(server: FakeServer) -> None:
    server.models = [{"id": "llama:latest"}, {"id": "llama:70b"}]
    answer_of(server, model="llama")
    assert server.asked[0]["model"] == "llama:latest"


def test_a_wrong_key_is_told_and_never_shown(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.key, server.tells_key = "right", True
    monkeypatch.setenv("THE_KEY", "wrong-1234")
    words = fault_of(server.endpoint, key_env="THE_KEY")
    assert "does not take the key (401)" in words
    assert "wrong-1234" not in words
    assert "--key-env names the variable" in fault_of(server.endpoint)
    monkeypatch.setenv("THE_KEY", "right")
    assert answer_of(server, key_env="THE_KEY").text == "well"


def test_a_key_that_a_server_tells_is_struck_out(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THE_KEY", "sk-1234")
    server.script = in_turn(Refusal(400, "Bearer sk-1234 may not do this"))
    words = refusal_of(server, key_env="THE_KEY")
    assert "Bearer (the key) may not do this" in words and "sk-1234" not in words


def test_a_variable_without_a_key_is_told(server: FakeServer) -> None:
    assert "NO_SUCH_KEY holds no key" in fault_of(server.endpoint, key_env="NO_SUCH_KEY")


def test_a_wrong_address_is_told(server: FakeServer) -> None:
    assert "connection refused" in fault_of("http://127.0.0.1:9/v1")
    wrong = server.endpoint.removesuffix("/v1") + "/v2"
    assert "has no /models: is it the right address?" in fault_of(wrong)


# ---- several servers ---------------------------------------------------------------------------


def asks(number: int, turns: int = 1) -> ChatRequest:
    """A conversation of so many turns, unlike any of another number."""
    messages = [Message("system", "You are an agent.")]
    for turn in range(turns):
        messages += [Message("user", f"question {turn} of {number}"), Message("assistant", "well")]
    return ChatRequest(tuple(messages[:-1]))


async def all_of(driver: OpenAIDriver, *asked: ChatRequest) -> None:
    jobs: list[Awaitable[Heard]] = [follow(driver, Heard(), asked=one) for one in asked]
    await asyncio.gather(*jobs)


def conversations(server: FakeServer) -> list[str]:
    """The numbers of the conversations that it has taken part in."""
    return sorted({body["messages"][1]["content"].split()[-1] for body in server.asked})


def test_a_conversation_stays_where_its_prefix_is(server: FakeServer, another: FakeServer) -> None:
    async def main() -> None:
        async with running(server, another) as driver:
            for turns in range(1, 5):
                await all_of(driver, *(asks(number, turns) for number in range(6)))

    asyncio.run(main())
    assert len(server.asked) == len(another.asked) == 12, "the load is even"
    assert not set(conversations(server)) & set(conversations(another)), "and nobody has moved"


def test_forks_go_where_their_parent_went_until_that_is_clearly_more_loaded(
    server: FakeServer, another: FakeServer
) -> None:
    server.script = another.script = in_turn([0.3, *said("well")])

    async def main() -> None:
        async with running(server, another) as driver:
            await all_of(driver, asks(0))
            there, elsewhere = sorted((server, another), key=lambda one: -len(one.asked))
            forks = [
                ChatRequest(
                    (*asks(0).messages, Message("assistant", "well"), Message("user", str(n)))
                )
                for n in range(12)
            ]
            await all_of(driver, *forks[:3])
            assert (len(there.asked), len(elsewhere.asked)) == (4, 0)
            await all_of(driver, *forks)
            assert len(elsewhere.asked) >= 4, "a flood of them spreads"

    asyncio.run(main())


def test_a_server_that_goes_away_is_left_out_and_comes_back(another: FakeServer) -> None:
    first = FakeServer()

    async def main() -> None:
        with serving(first):
            driver = OpenAIDriver(OpenAISettings((first.endpoint, another.endpoint)))
            await driver.start(lambda words: None)
            await all_of(driver, *(asks(number) for number in range(4)))
            assert first.asked and another.asked
        before = len(first.asked)
        await all_of(driver, *(asks(number) for number in range(10, 16)))
        assert len(first.asked) == before
        down = {one.endpoint: (one.state, one.detail) for one in driver.servers()}
        assert down[first.endpoint][0] == "down" and "refused" in down[first.endpoint][1]
        assert down[another.endpoint] == ("up", "")
        with serving(first, first.port):
            while driver.servers()[0].state != "up":
                await asyncio.sleep(0.01)
            await all_of(driver, *(asks(number) for number in range(20, 26)))
        assert len(first.asked) > before
        await driver.stop()

    asyncio.run(main())


def test_when_none_is_left_the_engine_has_died(server: FakeServer) -> None:
    async def main() -> None:
        with serving(FakeServer()) as only:
            driver = OpenAIDriver(OpenAISettings((only.endpoint,)))
            await driver.start(lambda words: None)
        with pytest.raises(EngineDied):
            await follow(driver, Heard())
        await asyncio.wait_for(driver.wait_until_dead(), 10)
        await driver.stop()

    asyncio.run(main())
