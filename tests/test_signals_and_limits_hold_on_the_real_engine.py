"""Signals, limits, timeouts, links and groups, on agents that the real vLLM generates for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from harness import KernelProcess, Wire
from real import (
    QUESTION,
    agent,
    calls,
    end,
    idle,
    pages,
    process,
    say,
    speaks,
    stopped_or_ended,
    turn,
    until,
    waits,
)

LAST_WORDS = "say in a few words what is done and what is not)"
TRIES = 20
"""An answer may be over before a signal arrives."""


def in_the_middle(wire: Wire, kernel: KernelProcess, signal: str, status: int) -> dict[str, Any]:
    """How an agent has ended that got the signal when it had begun to answer."""
    for _ in range(TRIES):
        pid = agent(wire, kernel, QUESTION, attach=True)
        speaks(wire, pid)
        wire.get("kill", pid=pid, signal=signal)
        ended: dict[str, Any] = wire.get("wait", pid=pid)
        if ended["status"] == status:
            return ended
        assert ended["status"] == 0, ended
    raise AssertionError(f"none of {TRIES} was in the middle of its answer")


def answer(wire: Wire, kernel: KernelProcess) -> dict[str, Any]:
    """The end of an agent that nobody disturbs."""
    ended: dict[str, Any] = wire.get("wait", pid=agent(wire, kernel, QUESTION))
    return ended


# ---- signals ------------------------------------------------------------------------------


def test_int_ends_an_answer_and_keeps_what_there_is(wire: Wire, kernel: KernelProcess) -> None:
    whole = answer(wire, kernel)["output"]
    partial = in_the_middle(wire, kernel, "INT", 130)["output"]
    assert whole.startswith(partial)
    assert 0 < len(partial) < len(whole)


def test_int_breaks_a_syscall_off_and_the_next_message_is_answered(
    wire: Wire, kernel: KernelProcess
) -> None:
    pid = idle(wire, kernel, "receive", "calculate")
    wire.get("send", pid=pid, text="receive a message")
    waits(wire, pid, "receive")
    wire.get("kill", pid=pid, signal="INT")
    assert turn(wire, pid)["status"] == "interrupted"
    assert calls(wire, pid)[0][2] == "EINTR: interrupted"
    assert "42" in say(wire, pid, "what is 6 * 7")
    end(wire, pid)


def test_xcpu_gives_an_agent_a_last_turn(wire: Wire, kernel: KernelProcess) -> None:
    ended = in_the_middle(wire, kernel, "XCPU", 152)
    told, last = pages(wire, ended["pid"])[-2:]
    assert told["text"] == f"(you are told to end: {LAST_WORDS}"
    assert (last["role"], last["text"]) == ("assistant", ended["output"])


def test_a_tree_is_stopped_goes_on_and_is_killed_as_one(wire: Wire, kernel: KernelProcess) -> None:
    whole = answer(wire, kernel)["output"]
    top, stranger = idle(wire, kernel), idle(wire, kernel)
    children = [agent(wire, kernel, QUESTION, parent=top) for _ in range(3)]
    below = idle(wire, kernel, parent=idle(wire, kernel, parent=top))
    wire.get("kill", pid=top, signal="STOP", to="tree")
    members = [top, below, *children]
    until(lambda: all(stopped_or_ended(wire, pid) for pid in members))
    assert {process(wire, pid)["state"] for pid in (top, below)} == {"stopped"}
    assert process(wire, stranger)["state"] == "blocked"
    wire.get("kill", pid=top, signal="CONT", to="tree")
    assert [wire.get("wait", pid=pid)["output"] for pid in children] == [whole] * 3
    wire.get("kill", pid=top, signal="KILL", to="tree")
    assert wire.get("wait", pid=below)["status"] == 137
    assert wire.get("wait", pid=top)["status"] == 137
    assert "42" in say(wire, stranger, "what is 6 * 7")
    end(wire, stranger)


def test_a_group_is_ended_as_one(wire: Wire, kernel: KernelProcess) -> None:
    leader, stranger = idle(wire, kernel), idle(wire, kernel)
    members = [idle(wire, kernel, parent=leader), idle(wire, kernel, parent=leader)]
    assert {process(wire, pid)["group"] for pid in members} == {leader}
    for pid in members:
        say(wire, pid, "what is 6 * 7")
    wire.get("kill", pid=members[0], signal="TERM", to="group")
    assert [wire.get("wait", pid=pid)["status"] for pid in (*members, leader)] == [143] * 3
    assert process(wire, stranger)["state"] == "blocked"
    end(wire, stranger)


def test_when_one_of_two_linked_agents_fails_the_other_has_its_last_turn(
    wire: Wire, kernel: KernelProcess
) -> None:
    one = idle(wire, kernel)
    other = agent(wire, kernel, "receive a message", "receive")
    waits(wire, other, "receive")
    wire.get("link", pid=one, partner=other)
    end(wire, one)
    ended = wire.get("wait", pid=other)
    assert ended["status"] == 143
    assert ended["output"].endswith(f"(process {one}, which it was linked to, exited with 137)")
    assert [page["text"] for page in pages(wire, other)][2:4] == [
        "EINTR: interrupted",
        f"(you are told to end: {LAST_WORDS}",
    ]


# ---- limits and timeouts ------------------------------------------------------------------


def test_a_soft_limit_lets_an_agent_say_what_is_done(wire: Wire, kernel: KernelProcess) -> None:
    free = answer(wire, kernel)
    usage = free["usage"]
    soft = usage["tokens_in"] - usage["tokens_cached"] + usage["tokens_out"] // 2
    limits = {"tokens": [soft, soft + 1000]}
    ended = wire.get("wait", pid=agent(wire, kernel, QUESTION, limits=limits))
    assert ended["status"] == 152
    _, partial, told, last = pages(wire, ended["pid"])
    assert free["output"].startswith(partial["text"])
    assert told["text"] == f"(the limit of tokens is reached: {LAST_WORDS}"
    assert last["text"] == ended["output"]
    # The last turn's prompt alone is more; on a busy machine a step brings several tokens.
    hard = {"tokens": [soft, soft + 8]}
    ended = wire.get("wait", pid=agent(wire, kernel, QUESTION, limits=hard))
    assert ended["status"] == 152
    assert ended["output"].endswith("(the limit of tokens is reached)")
    assert len(pages(wire, ended["pid"])) == 3


def test_a_limit_on_time_ends_one_that_waits(wire: Wire, kernel: KernelProcess) -> None:
    pid = agent(wire, kernel, "receive a message", "receive", limits={"wall_s": 1})
    ended = wire.get("wait", pid=pid)
    assert (ended["status"], ended["output"]) == (152, "(the limit of wall_s is reached)")


@contextlib.contextmanager
def plugin(wire: Wire, kernel: KernelProcess, name: str, text: str) -> Iterator[None]:
    """A syscall that is there for the length of a block."""
    file = kernel.plugins_dir / f"{name}.py"
    file.parent.mkdir(parents=True, exist_ok=True)

    def is_there() -> bool:
        return name in [one["name"] for one in wire.get("syscalls")["syscalls"]]

    file.write_text(text)
    try:
        until(is_there)
        yield
    finally:
        file.unlink()
        until(lambda: not is_there())


HANGS = '''
import time
from llmos import syscall

@syscall(timeout=1)
def umbrella() -> str:
    """Say whether an umbrella is needed today."""
    time.sleep(3600)
    return "yes"
'''


def test_a_syscall_that_hangs_costs_its_time_and_nobody_elses(
    wire: Wire, kernel: KernelProcess
) -> None:
    with plugin(wire, kernel, "umbrella", HANGS):
        pid = idle(wire, kernel, "umbrella")
        wire.get("send", pid=pid, text="do I need an umbrella today")
        waits(wire, pid, "umbrella")
        assert "42" in wire.get("wait", pid=agent(wire, kernel, "what is 6 * 7"))["output"]
        assert turn(wire, pid)["status"] == "done"
        assert calls(wire, pid)[0][2].startswith("ETIME")
        end(wire, pid)


APPEND = '''
from llmos import syscall

@syscall(effect="once")
def append(word: str) -> str:
    """Add a word to the list."""
    with open({path!r}, "a") as file:
        file.write(word + "\\n")
    return f"added {{word}}"
'''


def test_what_must_not_be_repeated_happens_once_whatever_interrupts_it(
    wire: Wire, kernel: KernelProcess
) -> None:
    file, words = kernel.folder / "words.txt", [f"c1-{number}" for number in range(10, 20)]
    with plugin(wire, kernel, "append", APPEND.format(path=str(file))):
        pids = [agent(wire, kernel, f"append the word {word}", "append") for word in words]
        for pid in pids:
            wire.get("kill", pid=pid, signal="STOP")
        until(lambda: all(stopped_or_ended(wire, pid) for pid in pids))
        for pid in pids:
            wire.get("kill", pid=pid, signal="CONT")
        for pid in pids:
            wire.get("wait", pid=pid)
        assert [calls(wire, pid)[0][1]["word"] for pid in pids] == words
    assert sorted(file.read_text().split()) == words


# ---- supervisors --------------------------------------------------------------------------


def diary(wire: Wire, pid: int) -> str:
    return "\n".join(page["text"] for page in pages(wire, pid))


def child(wire: Wire, team: int, name: str) -> int | None:
    """The pid of a supervisor's child that lives."""
    listed = [one for one in wire.get("ps")["processes"] if one["state"] != "zombie"]
    return next(
        (one["pid"] for one in listed if (one["parent"], one["name"]) == (team, name)), None
    )


def test_a_watchdog_kills_who_hangs_and_nobody_who_works(wire: Wire, kernel: KernelProcess) -> None:
    children = [
        {"name": name, "interactive": True, "watchdog_s": 1.0, "tools": ["wait"]}
        for name in ("hangs", "waits")
    ]
    team = wire.get("supervise", spec={"children": children}, root=str(kernel.root))["pid"]
    until(lambda: child(wire, team, "waits") is not None)
    hangs, waiting = child(wire, team, "hangs"), child(wire, team, "waits")
    assert hangs is not None
    wire.get("send", pid=hangs, text=f"wait for pid {team}")
    until(lambda: child(wire, team, "hangs") not in (hangs, None))
    assert f"hangs (pid {hangs}) made no step for 1 s: killed" in diary(wire, team)
    assert calls(wire, hangs) == [], "it was in the middle of its call"
    assert child(wire, team, "waits") == waiting
    wire.get("kill", pid=team, signal="TERM")
    assert wire.get("wait", pid=team)["status"] == 143


def test_a_child_may_run_for_so_long_and_no_longer(wire: Wire, kernel: KernelProcess) -> None:
    children = [
        {
            "name": "late",
            "task": "receive a message",
            "tools": ["receive"],
            "restart": "temporary",
            "timeout_s": 1.0,
        },
        {"name": "quick", "task": "what is 6 * 9", "restart": "temporary", "timeout_s": 60.0},
    ]
    team = wire.get("supervise", spec={"children": children}, root=str(kernel.root))["pid"]
    assert wire.get("wait", pid=team)["status"] == 0
    _, *starts, first, second = diary(wire, team).splitlines()
    assert len(starts) == 2
    assert first.startswith("quick ")
    assert first.endswith(" exited with status 0, for good: 6 * 9 = 54")
    assert second.startswith("late ")
    assert second.endswith(" exited with status 152, for good: (the limit of wall_s is reached)")
