"""On the real engine: a small model that was never taught it brings its own pages back."""

from __future__ import annotations

from typing import Any

from harness import KernelProcess, Wire

FACT = "hello, the blue key is under the old mat"
MOST_TURNS = 30


def table(wire: Wire, pid: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = wire.get("pages", pid=pid)["pages"]
    return found


def test_the_pilot_pages_in_pins_and_forgets(kernel: KernelProcess) -> None:
    with kernel.wire() as wire:
        tools = ["page_in", "pin", "forget"]
        pid = wire.get("spawn", interactive=True, tools=tools, attach=True)["pid"]

        def say(text: str) -> None:
            wire.get("send", pid=pid, text=text)
            wire.until("turn")

        say(FACT)
        for _ in range(MOST_TURNS):
            if table(wire, pid)[0]["left"] is not None:
                break
            say("hello " + "again and " * 200)
        assert table(wire, pid)[0]["left"] is not None
        say("page in page 0")
        answer = wire.get("logs", pid=pid)["pages"][-2]
        assert answer["role"] == "tool" and answer["text"].endswith(FACT)
        copy = table(wire, pid)[answer["vpn"]]
        assert copy["recalled"] and copy["left"] is None
        say(f"pin page {copy['vpn']}")
        say("forget page 1")
        marks = {page["vpn"]: page for page in table(wire, pid)}
        assert marks[copy["vpn"]]["pinned"]
        assert marks[1]["unwanted"]
        assert wire.get("fsck")["problems"] == []
        wire.get("kill", pid=pid, signal="KILL")
