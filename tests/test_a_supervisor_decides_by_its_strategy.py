"""Who is ended, who is started, and when it is too much: the functions, without a kernel."""

from __future__ import annotations

import pytest

from llmos.kernel.diary import event_of, sentence
from llmos.kernel.messages import ChildSpec, Restart, Strategy, Supervision
from llmos.kernel.supervision import (
    Action,
    Child,
    End,
    Event,
    Exit,
    Exited,
    Hung,
    NotStarted,
    Snapshot,
    Start,
    Started,
    State,
    Told,
    Verdict,
    Watch,
    beginning,
    happened,
    next_action,
)

NAMES = ("a", "b", "c")


def spec(
    strategy: Strategy = "one_for_one", restart: Restart = "permanent", **fields: object
) -> Supervision:
    children = [ChildSpec(name, task="x", restart=restart) for name in NAMES]
    return Supervision(children, strategy, **fields)  # type: ignore[arg-type]


def played(spec: Supervision, *events: Event, at: float = 0.0) -> State:
    state = beginning(spec)
    for event in events:
        state = happened(spec, state, event, at)
    return state


def in_short(action: Action) -> str:
    match action:
        case Start(child):
            return f"start {child.name}"
        case End(child, _):
            return f"end {child.name}"
        case Exit(status, _):
            return f"exit {status}"
    return "watch"


def obeyed(spec: Supervision, state: State, status: int = 143) -> list[str]:
    """Do what comes next, and again, until there is nothing to do."""
    done, pid = [], 100
    while not isinstance(action := next_action(spec, state), Watch):
        done.append(in_short(action))
        match action:
            case Start(child):
                state = happened(spec, state, Started(child.name, pid := pid + 1), 0.0)
            case End(child, ended):
                state = happened(spec, state, Exited(child.name, ended, status), 0.0)
            case Exit():
                break
    return done


ALL_RUN = (Started("a", 2), Started("b", 3), Started("c", 4))


def test_children_start_in_order() -> None:
    assert obeyed(spec(), beginning(spec())) == ["start a", "start b", "start c"]


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("one_for_one", ["start b"]),
        ("one_for_all", ["end c", "end a", "start a", "start b", "start c"]),
        ("rest_for_one", ["end c", "start b", "start c"]),
    ],
)
def test_the_middle_one_of_three_fails(strategy: Strategy, expected: list[str]) -> None:
    rules = spec(strategy)
    assert obeyed(rules, played(rules, *ALL_RUN, Exited("b", 3, 1))) == expected


@pytest.mark.parametrize(
    ("restart", "status", "expected"),
    [
        ("permanent", 0, ["start b"]),
        ("permanent", 1, ["start b"]),
        ("transient", 0, []),
        ("transient", 1, ["start b"]),
        ("temporary", 0, []),
        ("temporary", 1, []),
    ],
)
def test_the_restart_type_says_whether(restart: Restart, status: int, expected: list[str]) -> None:
    rules = spec(restart=restart)
    assert obeyed(rules, played(rules, *ALL_RUN, Exited("b", 3, status))) == expected


def test_a_temporary_child_that_goes_with_the_others_does_not_come_back() -> None:
    rules = spec("one_for_all")
    rules.children[2] = ChildSpec("c", task="x", restart="temporary")
    state = played(rules, *ALL_RUN, Exited("a", 2, 1))
    assert obeyed(rules, state) == ["end c", "end b", "start a", "start b"]


def test_those_that_are_ended_with_others_do_not_count_as_failures() -> None:
    rules = spec("one_for_all", max_restarts=1)
    state = played(rules, *ALL_RUN, Exited("a", 2, 1), Exited("c", 4, 143), Exited("b", 3, 143))
    assert (state.restarts, state.verdict) == (1, None)


def test_a_second_failure_while_others_end_is_one_more() -> None:
    rules = spec("rest_for_one")
    state = played(rules, *ALL_RUN, Exited("b", 3, 1), Exited("a", 2, 1))
    assert state.restarts == 2
    assert obeyed(rules, state) == ["end c", "start a", "start b", "start c"]


def test_too_many_restarts_end_all_in_reverse_order_and_say_whose() -> None:
    rules = spec(max_restarts=2)
    events: list[Event] = [Exited("b", 3, 1), Started("b", 5), Exited("b", 5, 1), Started("b", 6)]
    state = played(rules, *ALL_RUN, *events)
    assert obeyed(rules, state) == []
    state = happened(rules, state, Exited("b", 6, 152, "out of time"), 0.0)
    assert obeyed(rules, state) == ["end c", "end a", "exit 1"]
    assert state.verdict is not None
    assert state.verdict.words == (
        "gave up on b after 2 restarts within 60 s, which is the limit:"
        " b (pid 6) exited with status 152: out of time"
    )


def test_restarts_that_are_long_ago_do_not_count() -> None:
    rules = spec(max_restarts=2, window_s=10.0)
    state = played(rules, *ALL_RUN)
    for number in range(50):
        state = happened(rules, state, Exited("b", 3, 1), number * 6.0)
        state = happened(rules, state, Started("b", 3), number * 6.0)
    assert (state.restarts, state.verdict, len(state.recent)) == (50, None, 2)


def test_no_restart_at_all_may_be_the_limit() -> None:
    rules = spec(max_restarts=0)
    assert obeyed(rules, played(rules, *ALL_RUN, Exited("a", 2, 1))) == ["end c", "end b", "exit 1"]


def test_a_start_that_is_refused_counts_like_a_failure() -> None:
    rules = spec(max_restarts=1)
    state = played(rules, NotStarted("a", "EAGAIN: full"))
    assert obeyed(rules, state)[0] == "start a"
    state = happened(rules, state, NotStarted("a", "EAGAIN: full"), 0.0)
    assert state.verdict is not None
    assert "a could not be started: EAGAIN: full" in state.verdict.words


def test_who_is_told_to_end_ends_its_children_first() -> None:
    rules = spec()
    state = played(rules, *ALL_RUN, Told("TERM", 143))
    assert obeyed(rules, state) == ["end c", "end b", "end a", "exit 143"]


def test_it_ends_when_all_have_ended_for_good() -> None:
    rules = spec(restart="transient")
    state = played(rules, *ALL_RUN, Exited("a", 2, 0), Exited("b", 3, 0), Exited("c", 4, 0))
    assert next_action(rules, state) == Exit(0, "3 children ended for good, 0 restarts")


@pytest.mark.parametrize(
    "event",
    [
        Started("writer", 5),
        NotStarted("writer", "EAGAIN: no room (wait)"),
        Exited("writer", 5, 1),
        Exited("writer", 5, 137, "said: this, and (that)"),
        Hung("writer", 5, 2.5),
        Told("TERM", 143),
        Snapshot(State((Child(5), Child(done=True)), (1.5, 2.25), 7, Verdict(1, "gave up"))),
    ],
)
@pytest.mark.parametrize("outcome", ["", "restarting", "one restart too many"])
def test_the_diary_is_read_as_it_was_written(event: Event, outcome: str) -> None:
    assert event_of(sentence(event, outcome)) == event
