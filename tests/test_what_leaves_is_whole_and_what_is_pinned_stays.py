"""Whatever a conversation looks like and whichever policy is chosen: what leaves the window is
whole, copies and what is unwanted leave first, what is pinned or newest stays, and what one flush
has left in its place is left there by some more."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmos.memory import eviction
from llmos.memory.address_space import AddressSpace, Entry
from llmos.memory.blocks import Block
from llmos.memory.faults import THRASHING
from llmos.memory.page import Call
from llmos.memory.pager import Pager, Watermarks, _pieces
from llmos.memory.turn import FRAME_TOKENS, freed

WINDOW = 1000
SYSTEM_TOKENS = 100
POLICIES = eviction.names()

step = st.tuples(st.integers(1, 30), st.integers(1, 120), st.booleans())
turn = st.tuples(
    st.integers(0, 40),  # tokens that are recalled for the message; 0: nothing is
    st.integers(1, 40),  # the message's
    st.lists(step, max_size=4),  # calls, their results, whether these are recalled
    st.integers(1, 40),  # the answer's
)
Turns = list[tuple[int, int, list[tuple[int, int, bool]], int]]


def tell(space: AddressSpace, turns: Turns, *, answered: bool = True) -> None:
    """Without the last answer, as it is when a prompt is rendered, or with it."""
    for number, (reminder, message, steps, answer) in enumerate(turns):
        if reminder:
            space.append(space.new_page("user", "r", reminder, recalled=True))
        space.append(space.new_page("user", "m", message))
        take_steps(space, steps)
        if answered or number < len(turns) - 1:
            space.append(space.new_page("assistant", "a", answer))


def take_steps(space: AddressSpace, steps: list[tuple[int, int, bool]]) -> None:
    for asked, result, recalled in steps:
        call = Call(f"{len(space)}", "f", "{}")
        space.append(space.new_page("assistant", "", asked, calls=(call,)))
        space.append(space.new_page("tool", "t", result, call_id=call.call_id, recalled=recalled))


def prompt_tokens(space: AddressSpace) -> int:
    return SYSTEM_TOKENS + freed(space.resident)


def vpns(entries: Sequence[Entry]) -> list[int]:
    return [entry.page.vpn for entry in entries]


def last_message(entries: Sequence[Entry]) -> int:
    return max(e.page.vpn for e in entries if e.page.role == "user" and not e.page.recalled)


conversation = st.lists(turn, min_size=1, max_size=9)
policies = st.sampled_from(POLICIES)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(conversation, st.lists(step, max_size=3)), max_size=5), policies)
def test_what_stays_is_a_conversation_after_any_number_of_flushes(
    stretches: list[tuple[Turns, list[tuple[int, int, bool]]]], policy: str
) -> None:
    """A flush comes in the middle of a turn, which then goes on."""
    space = AddressSpace("text")
    pager = Pager(WINDOW, WINDOW // 8, policy=eviction.load(policy))
    for turns, steps in stretches:
        tell(space, turns, answered=False)
        before, tokens = space.resident, prompt_tokens(space)
        if pager.over(tokens):
            gone = pager.flush(space, tokens)
            held = space.resident
            assert sorted(vpns(gone) + vpns(held)) == vpns(before), "each page once"
            assert held[0].page.role == "user", "it begins as a conversation does"
            called = [call.call_id for entry in held for call in entry.page.calls]
            results = [entry.page.call_id for entry in held if entry.page.role == "tool"]
            assert called == results, "no call without its result, no result without its call"
            assert last_message(before) in vpns(held) and before[-1] in held
            for earlier, later in itertools.pairwise(held):
                if later.page.role == "user":
                    assert earlier.page.role == "assistant" or earlier.page.recalled, (
                        "no message stands without its answer"
                    )
        take_steps(space, steps)
        space.append(space.new_page("assistant", "a", 10))


@settings(max_examples=100, deadline=None)
@given(conversation, policies, st.data())
def test_copies_and_what_is_unwanted_leave_before_anything_else(
    turns: Turns, policy: str, data: st.DataObject
) -> None:
    space = AddressSpace("text")
    tell(space, turns)
    for group in _pieces(space).wanted:
        if data.draw(st.booleans()):
            for entry in group.entries:
                entry.unwanted = True
    first = {entry.page.vpn for group in _pieces(space).first for entry in group.entries}
    gone = Pager(WINDOW, 0, policy=eviction.load(policy)).victims(space, prompt_tokens(space))
    if not set(vpns(gone)) <= first:
        assert first <= set(vpns(gone))


def test_a_recalled_page_leaves_without_its_turn() -> None:
    space = AddressSpace("text")
    tell(space, [(300, 20, [(10, 300, True)], 20), (0, 20, [], 20), (0, 20, [], 20)])
    gone = Pager(WINDOW, 0, Watermarks(high=0.5, low=0.6)).victims(space, prompt_tokens(space))
    assert [(entry.page.role, entry.page.recalled) for entry in gone] == [("user", True)]
    gone = Pager(WINDOW, 0, Watermarks(high=0.5, low=0.3)).victims(space, prompt_tokens(space))
    assert vpns(gone) == [0, 2, 3], "the reminder, and the call with what it brought back"


@settings(max_examples=100, deadline=None)
@given(conversation, policies, st.data())
def test_pinned_pages_stay_and_with_them_their_turns(
    turns: Turns, policy: str, data: st.DataObject
) -> None:
    space = AddressSpace("text")
    tell(space, turns)
    pager = Pager(WINDOW, 0, policy=eviction.load(policy))
    pinned = data.draw(st.sets(st.sampled_from(range(len(space))), max_size=2))
    for entry in space.resident:
        entry.pinned = entry.page.vpn in pinned
    gone = set(vpns(pager.victims(space, prompt_tokens(space))))
    if pinned & gone:
        leaving = _pieces(space)
        groups = (*leaving.first, *leaving.wanted)
        free = [entry for group in groups for entry in group.entries]
        assert set(vpns(free)) <= gone, "a pin went while something else could have gone"


@settings(max_examples=100, deadline=None)
@given(conversation, conversation, policies)
def test_a_small_flush_moves_nothing_that_outlived_one_before(
    first: Turns, second: Turns, policy: str
) -> None:
    space = AddressSpace("text")
    pager = Pager(WINDOW, 0, policy=eviction.load(policy))
    tell(space, first)
    pager.flush(space, prompt_tokens(space) + WINDOW)
    stayed, head = space.resident, space.head
    tell(space, second)
    gone = pager.flush(space, prompt_tokens(space))
    if not gone or not head:
        return  # one of the two was none
    if space.resident[: len(stayed)] == stayed:
        assert space.head == head
        return
    newest = [e for e in space.resident if e.page.vpn >= last_message(space.resident)]
    recent = max(pager.recent_tokens, freed(newest) + 100)  # a reminder may stand before it
    assert (
        any(entry.page.recalled for entry in stayed)
        or SYSTEM_TOKENS + freed(stayed) + recent > pager.middle_tokens
    ), "a small flush would have done"


def test_flushes_come_in_rows_of_one_full_and_some_small_ones() -> None:
    space, pager = AddressSpace("text"), Pager(WINDOW, 0)
    kept: list[int] = []
    for _ in range(400):
        tell(space, [(0, 10, [], 10)], answered=False)
        tokens = prompt_tokens(space)
        if pager.over(tokens):
            before = vpns(space.resident)
            pager.flush(space, tokens)
            after = vpns(space.resident)
            kept.append(next(i for i, vpn in enumerate(after) if vpn != before[i]))
            assert prompt_tokens(space) <= pager.middle_tokens
        space.append(space.new_page("assistant", "a", 10))
    full = [index for index, same in enumerate(kept) if same == 0]
    assert full[0] == 0 and len(full) >= 3
    assert all(2 <= later - earlier <= 8 for earlier, later in itertools.pairwise(full))
    for index, same in enumerate(kept[1:], 1):
        assert same == 0 or same > kept[index - 1], "each leaves what the one before left"


def test_the_head_changes_in_a_flush_alone() -> None:
    space, pager = AddressSpace("text"), Pager(WINDOW, 0)
    space.blocks["plan"] = Block("plan", "first this, then that")
    for _ in range(60):
        head = space.head
        tell(space, [(0, 20, [], 20)])
        assert space.head == head
        if pager.over(prompt_tokens(space)):
            pager.flush(space, prompt_tokens(space))
            assert "first this" in space.head
    settled = vpns(space.resident)[0]
    space.blocks["plan"] = Block("plan", "something else")
    while not pager.over(prompt_tokens(space)):
        tell(space, [(0, 20, [], 20)])
    pager.flush(space, prompt_tokens(space))
    assert "something else" in space.head
    assert vpns(space.resident)[0] > settled, "all is computed again, so the oldest leaves"


def test_a_process_that_thrashes_keeps_more() -> None:
    def flushed(came_back: int) -> int:
        space = AddressSpace("text")
        tell(space, [(0, 10, [], 10)] * 40)
        for vpn in range(came_back):
            space.faults.came_back(vpn)
        pager = Pager(WINDOW, 0)
        pager.flush(space, prompt_tokens(space))
        low = pager.thrashing_tokens if came_back >= THRASHING else pager.low_tokens
        assert low - 2 * (10 + FRAME_TOKENS) < prompt_tokens(space) <= low
        return prompt_tokens(space)

    assert flushed(THRASHING) > flushed(THRASHING - 1)


def ordered(policy: str, used: dict[int, int]) -> list[int]:
    """The messages of five equal turns, in the order in which the policy lets them go."""
    space = AddressSpace("text")
    tell(space, [(0, 10, [], 10)] * 6)
    for entry in space.resident:
        entry.used = used.get(entry.page.vpn, -1)
    order: list[int] = []
    pager = Pager(WINDOW, 0, policy=eviction.load(policy))
    while gone := pager.victims(space, pager.low_tokens + 1):
        space.evict(gone)
        for entry in space.resident:
            entry.settled = False  # so that each flush is a full one
        order.append(gone[0].page.vpn)
    return order


@pytest.mark.parametrize(
    ("policy", "order"),
    [
        ("oldest", [0, 2, 4, 6, 8]),
        ("lru", [2, 4, 6, 8, 0]),
        ("sieve", [2, 0, 4, 6, 8]),
        ("importance", [2, 4, 6, 8, 0]),
    ],
)
def test_a_policy_says_who_survives(policy: str, order: list[int]) -> None:
    assert ordered(policy, {0: 11}) == order


def test_importance_lets_long_results_leave_before_words_of_the_user() -> None:
    space = AddressSpace("text")
    tell(space, [(0, 30, [], 10), (0, 10, [(5, 400, False)], 10), (0, 10, [], 10)])
    pager = Pager(WINDOW, 0, policy=eviction.load("importance"))
    gone = pager.victims(space, pager.low_tokens + 1)
    assert {entry.page.vpn for entry in gone} <= {2, 3, 4, 5}
