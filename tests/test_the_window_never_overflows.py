"""However long a conversation gets, the prompt fits, only grows at its end, and loses nothing."""

from __future__ import annotations

import asyncio
import itertools
import re
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from llmos.kernel.engine.driver import Capacity, ChatRequest
from llmos.kernel.engine.simulated import Reply, SimulatedDriver
from llmos.kernel.kernel import Kernel
from llmos.memory.address_space import AddressSpace
from llmos.memory.draft import EMPTY
from llmos.memory.page import Call
from llmos.memory.pager import Pager
from simulation import simulate

WINDOW = Capacity(max_num_seqs=4, window_tokens=400, kv_cache_tokens=4000)

turn = st.tuples(
    st.integers(1, 60),  # the user's tokens
    st.lists(st.tuples(st.integers(1, 20), st.integers(1, 200)), max_size=4),  # calls, results
    st.integers(1, 60),  # the answer's tokens
)


def fill(space: AddressSpace, turns: list[tuple[int, list[tuple[int, int]], int]]) -> None:
    for user, calls, answer in turns:
        space.append(space.new_page("user", "u", user))
        for asked, result in calls:
            call = Call(f"{len(space)}", "f", "{}")
            space.append(space.new_page("assistant", "", asked, calls=(call,)))
            space.append(space.new_page("tool", "r", result, call_id=call.call_id))
        space.append(space.new_page("assistant", "a", answer))


@settings(max_examples=300, deadline=None)
@given(st.lists(turn, min_size=1, max_size=12), st.integers(100, 2000))
def test_what_stays_is_a_conversation_and_the_pages_add_up(
    turns: list[tuple[int, list[tuple[int, int]], int]], window: int
) -> None:
    space = AddressSpace("text")
    fill(space, turns)
    table = space.resident
    total = sum(entry.num_tokens for entry in table)
    before = space.num_resident_tokens
    evicted = Pager(window, window // 8).flush(space, before)
    held = space.resident
    assert before == total
    assert sum(e.num_tokens for e in evicted) + space.num_resident_tokens == total
    assert len(evicted) + len(held) == len(space)
    # The newest message stays, and so does what came after the last call.
    last_user = max(e.page.vpn for e in table if e.page.role == "user")
    assert table[last_user] in held
    assert table[-1] in held
    # No result without its call, no call without its result.
    called = {c.call_id for e in held for c in e.page.calls}
    assert called == {e.page.call_id for e in held if e.page.role == "tool"}
    # It begins as a conversation does.
    assert held[0].page.role == "user"
    # Eviction is of the oldest: whole turns, and of the next one the first steps.
    assert re.fullmatch("g*(kg+)?k*", "".join("gk"[e in held] for e in table[:last_user]))


def chatter(request: ChatRequest) -> Reply:
    return Reply(" ".join(f"word{number}" for number in range(20)))


def test_a_conversation_of_many_windows_goes_on_and_every_page_is_on_disk(tmp_path: Path) -> None:
    prompts: list[tuple[int, tuple[int, ...]]] = []

    async def main(kernel: Kernel, driver: SimulatedDriver) -> tuple[int, int]:
        generate = driver.generate

        def watched(prompt, draft=EMPTY):  # type: ignore[no-untyped-def]
            prompts.append((prompt.num_tokens, prompt.payload))
            return generate(prompt, draft)

        driver.generate = watched  # type: ignore[method-assign]
        process = await kernel.spawn(task=None, name="p", root=Path("/"), interactive=True)
        for number in range(100):
            await kernel.send(process.pid, f"message {number} " + "x " * 20)
            while len(process.space) < 2 * (number + 1):
                await asyncio.sleep(0.01)
        pages = await kernel.journal.read(
            lambda c: c.execute("SELECT COUNT(*), SUM(evicted IS NULL) FROM page_table").fetchone()
        )
        assert pages[0] == 200
        assert pages[1] == len(process.space.resident)
        (flushes,) = await kernel.journal.read(
            lambda c: c.execute("SELECT COUNT(*) FROM flush").fetchone()
        )
        return process.space.num_evicted, flushes

    evicted, flushes = simulate(tmp_path, main, script=chatter, capacity=WINDOW, recall_tokens=0)
    assert evicted > 100
    assert len(prompts) == 100
    assert all(num_tokens < WINDOW.window_tokens for num_tokens, _ in prompts)
    grew = sum(
        later[: len(earlier)] == earlier for (_, earlier), (_, later) in itertools.pairwise(prompts)
    )
    assert grew >= 99 - flushes, "between two flushes the prompt only grows at its end"
    assert flushes < 35


def test_a_message_larger_than_the_window_is_shown_in_part_and_kept_whole(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> tuple[str, str]:
        process = await kernel.spawn(task="word " * 5000, name="p", root=Path("/"))
        await process.exited.wait()
        assert process.exit is not None and process.exit.status == 0
        entry = process.space.resident[0]
        return entry.page.text, entry.shown()

    whole, shown = simulate(tmp_path, main, script=chatter, capacity=WINDOW)
    assert whole == "word " * 5000
    assert len(shown.split()) < 200
    assert "of 25000 are not shown" in shown
