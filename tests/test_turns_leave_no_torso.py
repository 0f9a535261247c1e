"""Whatever is pinned, forgotten or recalled: what stays in a window is a conversation."""

from __future__ import annotations

from typing import Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from llmos.memory.address_space import AddressSpace
from llmos.memory.page import Call
from llmos.memory.pager import Pager
from llmos.memory.turn import turns as split

Mark = Literal["", "pinned", "unwanted"]
mark = st.sampled_from(["", "", "", "pinned", "unwanted"])
step = st.tuples(mark, st.lists(st.tuples(mark, st.booleans(), st.integers(1, 60)), min_size=1))
turn = st.tuples(mark, st.lists(mark, max_size=2), st.lists(step, max_size=4), mark)


def fill(space: AddressSpace, turns: list[tuple[Mark, list[Mark], list, Mark]]) -> None:  # type: ignore[type-arg]
    def put(role: str, mark: Mark, size: int = 10, **fields: object) -> None:
        page = space.new_page(role, "x", size, **fields)  # type: ignore[arg-type]
        space.append(page)
        entry = space.resident[-1]
        entry.pinned, entry.unwanted = mark == "pinned", mark == "unwanted"

    for message, quoted, steps, answer in turns:
        for mark in quoted:
            put("user", mark, recalled=True)
        put("user", message)
        for asks, results in steps:
            calls = tuple(Call(f"{len(space)}.{n}", "f", "{}") for n in range(len(results)))
            put("assistant", asks, calls=calls)
            for call, (mark, recalled, size) in zip(calls, results, strict=True):
                put("tool", mark, size, call_id=call.call_id, recalled=recalled)
        put("assistant", answer)


@settings(max_examples=300, deadline=None)
@given(st.lists(turn, min_size=1, max_size=8), st.integers(100, 1500))
def test_calls_have_their_results_and_messages_their_answers(turns: list, window: int) -> None:  # type: ignore[type-arg]
    space = AddressSpace("text")
    fill(space, turns)
    pager = Pager(window, window // 8)
    before = space.resident
    held_tokens = pager.held_tokens(space)
    under_way = sum(entry.num_tokens for entry in split(before)[-1].entries)
    victims = pager.flush(space, space.num_resident_tokens)
    held = space.resident
    assert sorted(e.page.vpn for e in (*victims, *held)) == [e.page.vpn for e in before]
    called = [call.call_id for e in held for call in e.page.calls]
    assert called == [e.page.call_id for e in held if e.page.role == "tool"]
    assert held[0].page.role == "user"
    kept = {entry.page.vpn for entry in held}
    asked = [e.page for e in before if e.page.role == "user" and not e.page.recalled]
    for message, later in zip(asked, [*asked[1:], None], strict=True):
        end = len(space) if later is None else later.vpn
        answers = [
            e.page.vpn
            for e in before
            if message.vpn < e.page.vpn < end and e.page.role == "assistant"
        ]
        assert (message.vpn in kept) == (answers[-1] in kept), "a message and its answer are one"
    if held_tokens + under_way <= pager.high_tokens:
        pinned = {e.page.vpn for e in before if e.pinned}
        assert pinned <= kept, "there was room for what is pinned"
