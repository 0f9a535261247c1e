"""A client of the torture: it asks the kernel for all sorts of things and notes what was
acknowledged, until somebody kills it.

Its notes are lines of JSON in a file of its own, each written when the kernel's answer has come: a
line that is there outlives the client. Whatever breaks, it connects again and goes on.
"""

from __future__ import annotations

import contextlib
import json
import random
import sys
import time
from pathlib import Path
from typing import Any

from harness import Wire

MAX_TALKS = 4
PAUSE_S = 0.05
LONG_WAIT_S = 60.0

TASKS = {
    "simulated": {"effect": 'call append {{"word": "{word}"}}', "long": "count 300"},
    "vllm": {"effect": "append the word {word}", "long": "tell me what you can do"},
}
"""What makes an agent do something once, and what makes it talk for long, with either engine."""


class Client:
    """Acts at random, one request at a time."""

    def __init__(self, folder: Path, name: str, seed: str, engine: str) -> None:
        self._socket = folder / "state" / "kernel.sock"
        self._root = str(folder / "root")
        self._notes = (folder / "notes" / f"{name}.jsonl").open("a")
        self._name = name
        self._rng = random.Random(seed)
        self._tasks = TASKS[engine]
        self._talks: list[int] = []
        self._number = 0
        self._wire: Wire | None = None

    def run(self) -> None:
        acts = [self.effect, self.effect, self.talk, self.talk, self.long, self.fork, self.kill]
        while True:
            try:
                self._rng.choice(acts)()
                time.sleep(self._rng.uniform(0.0, PAUSE_S))
            except (OSError, EOFError):
                self._connect()

    def effect(self) -> None:
        """A task with a call that must not be made twice."""
        word = self._word()
        task = self._tasks["effect"].format(word=word)
        pid = self._spawn("effect", task, word, tools=["append"])
        if self._rng.random() < 0.6:
            self._wait(pid)

    def talk(self) -> None:
        """A message or a few to an interactive process."""
        if len(self._talks) < MAX_TALKS:
            pid = self._ask("spawn", interactive=True, root=self._root, attach=True)["pid"]
            self._note(what="spawn", pid=pid, kind="talk", task="")
            self._talks.append(pid)
        pid = self._rng.choice(self._talks)
        for _ in range(self._rng.randint(1, 3)):
            text = f"hello {self._word()}"
            self._ask("send", pid=pid, text=text)
            self._note(what="send", pid=pid, text=text)

    def fork(self) -> None:
        """A conversation, gone on with by a child."""
        if self._talks:
            parent, task = self._rng.choice(self._talks), f"hello {self._word()}"
            pid = self._ask("fork", pid=parent, task=task, interactive=False)["pid"]
            self._note(what="spawn", pid=pid, kind="fork", task=task)
            if self._rng.random() < 0.3:
                self._wait(pid)

    def long(self) -> None:
        """An answer of many tokens; it may be stopped and continued on the way."""
        pid = self._spawn("long", self._tasks["long"])
        while self._rng.random() < 0.5:
            time.sleep(self._rng.uniform(0.0, 0.3))
            self._ask("kill", pid=pid, signal="STOP")
            self._note(what="stopped", pid=pid)
            time.sleep(self._rng.uniform(0.0, 0.3))
            self._note(what="continuing", pid=pid)  # before it is: the reply may not come
            self._ask("kill", pid=pid, signal="CONT")
        if self._rng.random() < 0.5:
            self._wait(pid)

    def kill(self) -> None:
        pid = self._spawn("killed", self._tasks["long"])
        time.sleep(self._rng.uniform(0.0, 0.2))
        self._ask("kill", pid=pid, signal="KILL")
        self._note(what="killed", pid=pid)

    def _word(self) -> str:
        self._number += 1
        return f"{self._name}-{self._number}"

    def _spawn(self, kind: str, task: str, word: str = "", tools: list[str] | None = None) -> int:
        pid: int = self._ask("spawn", task=task, root=self._root, tools=tools)["pid"]
        self._note(what="spawn", pid=pid, kind=kind, task=task, word=word)
        return pid

    def _wait(self, pid: int) -> None:
        ended = self._ask("wait", pid=pid, timeout_s=LONG_WAIT_S)
        if ended:
            self._note(what="ended", pid=pid, status=ended["status"], output=ended["output"])

    def _ask(self, op: str, **fields: Any) -> dict[str, Any]:
        if self._wire is None:
            raise ConnectionError("not connected")
        reply = self._wire.ask(op, **fields)
        self._wire.events.clear()
        if reply["ok"]:
            result: dict[str, Any] = reply["result"]
            return result
        error = reply["error"]
        if error["code"] not in ("EAGAIN", "ETIME"):
            self._note(what="refused", op=op, pid=fields.get("pid"), error=str(error))
        raise ConnectionError(str(error))

    def _connect(self) -> None:
        if self._wire is not None:
            self._wire.close()
            self._wire = None
        with contextlib.suppress(OSError):
            self._wire = Wire(self._socket)
            return
        time.sleep(PAUSE_S)

    def _note(self, **what: Any) -> None:
        self._notes.write(json.dumps(what) + "\n")
        self._notes.flush()


if __name__ == "__main__":
    Client(Path(sys.argv[1]), *sys.argv[2:]).run()
