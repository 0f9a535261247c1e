"""Agents on the real vLLM, with the real pilot, call what they are to each other by themselves."""

from __future__ import annotations

from harness import KernelProcess, Wire
from real import agent, calls, end, idle, pages, process, say, turn, until, waits


def test_an_agent_forks_a_helper_that_knows_the_conversation(
    wire: Wire, kernel: KernelProcess
) -> None:
    task, limits = "fork a helper to say hello", {"children": 1, "depth": 2}
    parent = idle(wire, kernel, "fork", limits=limits)
    say(wire, parent, task)
    (name, arguments, told), *_ = calls(wire, parent)
    assert (name, arguments) == ("fork", {"task": "say hello"})
    child = int(told.removeprefix("pid "))
    assert wire.get("wait", pid=child)["status"] == 0
    of_parent, of_child = pages(wire, parent), pages(wire, child)
    assert [page["text"] for page in of_child[:2]] == [task, ""]
    assert of_child[1]["calls"] == of_parent[1]["calls"]
    assert of_child[2]["text"] == f"0 (this is the child, pid {child})"
    assert "say hello" in [page["text"] for page in of_child if page["role"] == "user"]
    end(wire, parent)


def test_an_agent_begins_anew_in_its_place(wire: Wire, kernel: KernelProcess) -> None:
    pid = agent(wire, kernel, "begin a new task in its place: hello", "exec")
    ended = wire.get("wait", pid=pid)
    (task, answer) = pages(wire, pid)
    assert (ended["status"], task["text"], answer["text"]) == (0, "hello", ended["output"])
    assert "hello" in answer["text"].lower()
    assert ended["usage"]["tokens_out"] > answer["num_tokens"], "the call before it counts, too"


def test_an_agent_sends_and_another_one_receives(wire: Wire, kernel: KernelProcess) -> None:
    receiver = agent(wire, kernel, "receive a message", "receive")
    waits(wire, receiver, "receive")
    task = f'send "the walnut is ripe" to pid {receiver}'
    sender = agent(wire, kernel, task, "send")
    assert wire.get("wait", pid=sender)["status"] == 0
    assert calls(wire, sender)[0][2] == f"sent to pid {receiver}"
    assert wire.get("wait", pid=receiver)["status"] == 0
    assert calls(wire, receiver)[0] == ("receive", {}, f"pid {sender} says: the walnut is ripe")


def test_a_message_of_somebody_else_is_not_what_it_waits_for(
    wire: Wire, kernel: KernelProcess
) -> None:
    friend = idle(wire, kernel, "send")
    receiver = idle(wire, kernel, "receive")
    wire.get("send", pid=receiver, text=f"wait for a message of process {friend}")
    waits(wire, receiver, f"a message from process {friend}")
    wire.get("send", pid=receiver, text="hello")
    waits(wire, receiver, f"a message from process {friend}")
    say(wire, friend, f'send "the walnut is ripe" to pid {receiver}')
    turn(wire, receiver)
    assert calls(wire, receiver)[0][2] == f"pid {friend} says: the walnut is ripe"
    until(lambda: "hello" in [page["text"] for page in pages(wire, receiver)])
    end(wire, friend, receiver)


def test_a_wait_for_a_message_ends_with_its_time(wire: Wire, kernel: KernelProcess) -> None:
    pid = agent(wire, kernel, "receive the message of sender 0, timeout 1", "receive")
    assert wire.get("wait", pid=pid)["status"] == 0
    told = ("receive", {"sender": 0, "timeout": 1}, "ETIME: no message came within 1 s")
    assert calls(wire, pid)[0] == told


def test_agents_that_wait_for_each_other_are_told(wire: Wire, kernel: KernelProcess) -> None:
    one, two = idle(wire, kernel, "receive"), idle(wire, kernel, "receive")
    wire.get("send", pid=one, text=f"wait for a message of process {two}")
    waits(wire, one, f"a message from process {two}")
    say(wire, two, f"wait for a message of process {one}")
    circle = f"process {two} waits for {one}, process {one} waits for {two}"
    assert calls(wire, two)[0][2].startswith(f"EDEADLK: all would wait forever: {circle}")
    assert process(wire, one)["state"] == "blocked", "the other one may still be answered"
    end(wire, two)
    turn(wire, one)
    assert calls(wire, one)[0][2].startswith(f"ESRCH: process {two} has ended")
    end(wire, one)


def test_a_parent_and_a_child_cannot_wait_for_each_others_end(
    wire: Wire, kernel: KernelProcess
) -> None:
    parent = idle(wire, kernel, "wait")
    child = agent(wire, kernel, f"wait for pid {parent}", "wait", parent=parent)
    waits(wire, child, f"process {parent}")
    say(wire, parent, f"wait for pid {child}")
    assert calls(wire, parent)[0][2].startswith("EDEADLK: all would wait forever")
    end(wire, parent)
    until(lambda: len(pages(wire, child)) == 4)
    assert calls(wire, child)[0][2].startswith(f"pid {parent} exited with status 137")


def test_the_first_of_some_helpers_is_waited_for(wire: Wire, kernel: KernelProcess) -> None:
    parent = idle(wire, kernel, "wait_any")
    slow = idle(wire, kernel, "calculate", parent=parent)
    quick = agent(wire, kernel, "what is 6 * 7", "calculate", parent=parent)
    say(wire, parent, "wait until the first of all helpers ends")
    assert calls(wire, parent)[0][2].startswith(f"pid {quick} exited with status 0: ")
    assert "42" in calls(wire, parent)[0][2]
    wire.get("send", pid=parent, text=f'wait_any {{"pids": [{slow}]}}')
    waits(wire, parent, "a child")
    wire.get("kill", pid=slow, signal="KILL")
    turn(wire, parent)
    assert calls(wire, parent)[1][2].startswith(f"pid {slow} exited with status 137")
    assert {quick, slow}.isdisjoint(row["pid"] for row in wire.get("ps")["processes"])
    end(wire, parent)


def test_whatever_is_there_first_ends_a_select(wire: Wire, kernel: KernelProcess) -> None:
    other = idle(wire, kernel)
    pipe = wire.get("pipe")["pipe"]
    for_message = agent(wire, kernel, f'select {{"pids": [{other}], "messages": true}}', "select")
    for_input = idle(wire, kernel, "select", stdin=pipe)
    wire.get("send", pid=for_input, text=f'select {{"pids": [{other}], "input": true}}')
    for_end = agent(wire, kernel, f'select {{"pids": [{other}], "messages": true}}', "select")
    too_late = f'select {{"pids": [{other}], "messages": true, "timeout": 1}}'
    for_time = agent(wire, kernel, too_late, "select")
    for pid in (for_message, for_input, for_end):
        waits(wire, pid, "the first of several")
    wire.get("send", pid=for_message, text="hello")
    wire.get("wait", pid=for_message)
    assert calls(wire, for_message)[0][2] == "a message of pid 0 is there"
    assert "hello" in [page["text"] for page in pages(wire, for_message)], "it was not taken"
    wire.get("pipe_write", pipe=pipe, text="hello\n")
    turn(wire, for_input)
    assert calls(wire, for_input)[0][2] == "input is there"
    wire.get("wait", pid=for_time)
    assert calls(wire, for_time)[0][2] == "ETIME: nothing was there within 1 s"
    end(wire, other)
    wire.get("wait", pid=for_end)
    assert calls(wire, for_end)[0][2] == f"pid {other} has ended"
    end(wire, for_input)


def test_what_one_writes_to_a_shared_page_its_helper_reads(
    wire: Wire, kernel: KernelProcess
) -> None:
    owner = idle(wire, kernel, "shared_write")
    say(wire, owner, 'write "hello" to the shared page board')
    helper = agent(wire, kernel, "read the shared page board", "shared_read", parent=owner)
    assert "hello" in wire.get("wait", pid=helper)["output"]
    assert calls(wire, helper)[0] == ("shared_read", {"name": "board"}, "version 1:\nhello")
    stranger = agent(wire, kernel, "read the shared page board", "shared_read")
    wire.get("wait", pid=stranger)
    assert calls(wire, stranger)[0][2].startswith(f"EPERM: process {stranger} may not read")
    task = 'write "water the flowers" as the shared page board'
    another = agent(wire, kernel, task, "shared_write", parent=owner)
    wire.get("wait", pid=another)
    assert calls(wire, another)[0][2] == "board has version 2"
    end(wire, owner)


def test_an_agent_stops_and_continues_its_helper(wire: Wire, kernel: KernelProcess) -> None:
    parent = idle(wire, kernel, "signal")
    child = idle(wire, kernel, "calculate", parent=parent)
    say(wire, parent, f"send the signal STOP to process {child}")
    until(lambda: process(wire, child)["state"] == "stopped")
    wire.get("send", pid=child, text="what is 6 * 7")
    say(wire, parent, f"send the signal CONT to process {child}")
    assert "42" in turn(wire, child)["text"]
    say(wire, parent, f"send the signal KILL to process {child}")
    assert wire.get("wait", pid=child)["status"] == 137
    end(wire, parent)


def test_an_agent_shares_the_fate_of_its_helper(wire: Wire, kernel: KernelProcess) -> None:
    linked, parted = idle(wire, kernel, "link"), idle(wire, kernel, "unlink")
    children = [idle(wire, kernel, parent=parent) for parent in (linked, parted)]
    say(wire, linked, f"link to helper {children[0]}")
    assert calls(wire, linked)[0][2] == f"linked to pid {children[0]}"
    wire.get("link", pid=parted, partner=children[1])
    say(wire, parted, f"end the link to helper {children[1]}")
    assert calls(wire, parted)[0][2] == f"no longer linked to pid {children[1]}"
    end(wire, *children)
    ended = wire.get("wait", pid=linked)
    assert ended["status"] == 143
    reason = f"(process {children[0]}, which it was linked to, exited with 137)"
    assert ended["output"].endswith(reason)
    assert process(wire, parted)["state"] == "blocked"
    end(wire, parted)
