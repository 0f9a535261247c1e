"""Many clients at once: each gets its own answers, and all of those it attached to."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from harness import KernelProcess


def converse(kernel: KernelProcess, name: str) -> list[str]:
    """Five turns with an agent of one's own."""
    answers = []
    with kernel.wire() as wire:
        pid = wire.get("spawn", interactive=True, name=name, root=str(kernel.root), attach=True)[
            "pid"
        ]
        for number in range(5):
            wire.get("send", pid=pid, text=f"{name} {number}")
            turn = wire.until("turn")
            assert turn["pid"] == pid, "an event of somebody else's process"
            answers.append(turn["text"])
        wire.get("kill", pid=pid)
        wire.until("exit")
        wire.get("wait", pid=pid)
    return answers


def test_sixteen_conversations_at_once_stay_apart(sim_kernel: KernelProcess) -> None:
    names = [f"client{number}" for number in range(16)]
    with ThreadPoolExecutor(len(names)) as pool:
        answers = list(pool.map(lambda name: converse(sim_kernel, name), names))
    for name, heard in zip(names, answers, strict=True):
        assert heard == [f"You said: {name} {number}" for number in range(5)]


def test_two_who_attach_to_one_process_hear_the_same(sim_kernel: KernelProcess) -> None:
    with sim_kernel.wire() as one, sim_kernel.wire() as two:
        pid = one.get("spawn", interactive=True, root=str(sim_kernel.root), attach=True)["pid"]
        assert two.get("attach", pid=pid)["pid"] == pid
        two.get("send", pid=pid, text="count 30")
        heard = []
        for wire in (one, two):
            text = ""
            while True:
                event = wire.events.pop(0) if wire.events else wire.read()
                if event.get("event") == "text":
                    text += event["text"]
                if event.get("event") == "turn":
                    break
            heard.append(text)
        assert heard[0] == heard[1] == " ".join(map(str, range(1, 31)))
        two.get("detach", pid=pid)
        one.get("kill", pid=pid, signal="KILL")
        assert one.get("wait", pid=pid)["status"] == 137
