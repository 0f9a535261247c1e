"""What Unix does to programs, done to agents on the real vLLM with the real pilot."""

from __future__ import annotations

import random
import time

from harness import KernelProcess, Wire
from real import QUESTION, end, process, stopped_or_ended, talk, until


def test_a_stopped_answer_goes_on_where_it_stopped(wire: Wire, kernel: KernelProcess) -> None:
    first = wire.get("spawn", task=QUESTION, root=str(kernel.root))["pid"]
    whole = wire.get("wait", pid=first)["output"]
    rng, stops = random.Random(20), 0
    for _ in range(10):
        pid = wire.get("spawn", task=QUESTION, root=str(kernel.root))["pid"]
        for _ in range(4):
            time.sleep(rng.uniform(0.0, 0.06))
            wire.get("kill", pid=pid, signal="STOP")
            until(lambda pid=pid: stopped_or_ended(wire, pid))  # type: ignore[misc]
            stops += process(wire, pid)["state"] == "stopped"
            wire.get("kill", pid=pid, signal="CONT")
        assert wire.get("wait", pid=pid)["output"] == whole
    assert stops >= 10


def test_a_fork_knows_what_was_said_and_pays_for_none_of_it(
    wire: Wire, kernel: KernelProcess
) -> None:
    (kernel.root / "forked.txt").write_text("the walnut is ripe")
    parent = talk(wire, kernel, "read forked.txt")
    child = wire.get("fork", pid=parent, task="what is 6 * 7", interactive=False)["pid"]
    ended = wire.get("wait", pid=child)
    assert "42" in ended["output"]
    pages = [page["text"] for page in wire.get("logs", pid=child)["pages"]]
    assert pages[0] == "read forked.txt"
    assert "the walnut is ripe" in pages[2]
    usage = ended["usage"]
    # Two generations, each with a prompt of which nearly all was computed for the parent.
    assert usage["tokens_cached"] > 0.8 * usage["tokens_in"]
    end(wire, parent)


def test_exec_begins_anew_under_the_same_pid(wire: Wire, kernel: KernelProcess) -> None:
    pid = talk(wire, kernel, "hello")
    wire.get("exec", pid=pid, task="what is 5 * 5")
    while "25" not in wire.until("turn")["text"]:
        pass
    pages = wire.get("logs", pid=pid)["pages"]
    assert pages[0]["text"] == "what is 5 * 5"
    end(wire, pid)


def test_a_token_limit_ends_an_answer(wire: Wire, kernel: KernelProcess) -> None:
    free = wire.get("spawn", task=QUESTION, root=str(kernel.root))["pid"]
    usage = wire.get("wait", pid=free)["usage"]
    out = usage["tokens_out"]
    assert out > 4
    allowed = usage["tokens_in"] + out - 2  # even if nothing of the prompt is cached
    limits = {"tokens": usage["tokens_in"] - usage["tokens_cached"] + out // 2}
    pid = wire.get("spawn", task=QUESTION, root=str(kernel.root), limits=limits)["pid"]
    ended = wire.get("wait", pid=pid)
    assert ended["status"] == 152
    assert "the limit of tokens is reached" in ended["output"]
    assert ended["usage"]["tokens_out"] < allowed


def test_term_gives_a_last_turn_and_kill_does_not(wire: Wire, kernel: KernelProcess) -> None:
    pids = [wire.get("spawn", task=QUESTION, root=str(kernel.root))["pid"] for _ in range(2)]
    for pid, signal in zip(pids, ("TERM", "KILL"), strict=True):
        wire.get("kill", pid=pid, signal="STOP")
        until(lambda pid=pid: stopped_or_ended(wire, pid))  # type: ignore[misc]
        wire.get("kill", pid=pid, signal=signal)
    statuses = [wire.get("wait", pid=pid)["status"] for pid in pids]
    assert statuses in ([143, 137], [0, 137], [143, 0])  # one may have answered before


def test_an_agent_sends_a_message_and_another_one_reads_it(
    wire: Wire, kernel: KernelProcess
) -> None:
    pid = talk(wire, kernel, "hello")
    wire.get("kill", pid=pid, signal="USR1", payload="what is 3 * 4")
    until(lambda: len(wire.get("logs", pid=pid)["pages"]) >= 4)
    assert wire.get("logs", pid=pid)["pages"][2]["text"] == "(USR1) what is 3 * 4"
    end(wire, pid)


def test_a_checkpoint_is_the_same_conversation_again(wire: Wire, kernel: KernelProcess) -> None:
    pid = talk(wire, kernel, "what is 7 * 8")
    file = kernel.folder / "seven.llmos"
    wire.get("checkpoint", pid=pid, path=str(file))
    before = [page["text"] for page in wire.get("logs", pid=pid)["pages"]]
    end(wire, pid)
    again = wire.get("restore", path=str(file))["pid"]
    assert again != pid
    assert [page["text"] for page in wire.get("logs", pid=again)["pages"]] == before
    wire.get("attach", pid=again)
    wire.get("send", pid=again, text="what is 9 * 9")
    while "81" not in wire.until("turn")["text"]:
        pass
    end(wire, again)


def test_usage_adds_up_over_all_that_ran_here(wire: Wire, kernel: KernelProcess) -> None:
    before = wire.get("status")["usage"]
    pids = [
        wire.get("spawn", task=f"what is {n} * 3", root=str(kernel.root))["pid"]
        for n in range(2, 10)
    ]
    used = [wire.get("wait", pid=pid)["usage"] for pid in pids]
    after = wire.get("status")["usage"]
    for name in ("tokens_in", "tokens_cached", "tokens_out", "syscalls"):
        assert after[name] - before[name] == sum(one[name] for one in used)


def test_an_agent_speaks_into_a_pipe_and_another_one_reads_its_lines(
    wire: Wire, kernel: KernelProcess
) -> None:
    root = str(kernel.root)
    pipe = wire.get("pipe")["pipe"]
    reader = wire.get("spawn", interactive=True, root=root, stdin=pipe, attach=True)["pid"]
    wire.get("pipe_write", pipe=pipe, text="what is 8 * 8\nwhat is 9 * 9\n")
    out = wire.get("pipe")["pipe"]
    writer = wire.get("spawn", task="what is 7 * 7", root=root, stdout=out)["pid"]
    wire.get("pipe_close", pipe=out, end="write")
    text, eof = "", False
    while not eof:
        read = wire.get("pipe_read", pipe=out)
        text, eof = text + read["text"], read["eof"]
    assert text == wire.get("wait", pid=writer)["output"] + "\n"
    assert "49" in text
    said = ""
    while not ("64" in said and "81" in said):
        said += wire.until("turn")["text"]
    end(wire, reader)


def test_a_supervisor_restarts_an_agent_that_was_killed(wire: Wire, kernel: KernelProcess) -> None:
    children = [
        {"name": "idle", "interactive": True},
        {"name": "sum", "task": "what is 6 * 9", "restart": "transient"},
    ]
    team = wire.get("supervise", spec={"children": children}, root=str(kernel.root))["pid"]

    def running() -> list[int]:
        listed = wire.get("ps")["processes"]
        return [one["pid"] for one in listed if one["parent"] == team and one["name"] == "idle"]

    def diary() -> str:
        return "\n".join(page["text"] for page in wire.get("logs", pid=team)["pages"])

    until(lambda: len(running()) == 1 and "sum (pid" in diary())
    assert "54" in diary()
    (first,) = running()
    wire.get("kill", pid=first, signal="KILL")
    until(lambda: running() not in ([], [first]))
    wire.get("kill", pid=team, signal="TERM")
    assert wire.get("wait", pid=team)["status"] == 143


def test_a_budget_is_shared_with_a_child_and_ends_who_spends_it(
    wire: Wire, kernel: KernelProcess
) -> None:
    pid = wire.get("spawn", interactive=True, root=str(kernel.root), budget=2000, attach=True)[
        "pid"
    ]
    child = wire.get("spawn", task="what is 3 * 9", root=str(kernel.root), parent=pid, budget=600)
    assert process(wire, pid)["budget"] == 1400
    wire.get("wait", pid=child["pid"])
    until(lambda: process(wire, pid)["budget"] > 1400)  # what the child left has come back
    for _ in range(200):
        if process(wire, pid)["state"] == "zombie":
            break
        wire.ask("send", pid=pid, text="what is a process")
        time.sleep(0.05)
    assert wire.get("wait", pid=pid)["status"] == 152
