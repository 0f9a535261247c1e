"""The verdict of the torture: what clients were told, against what the kernel holds.

`lost` counts acknowledgements that did not come true, `repeated` what happened twice. Each is also
said in words.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import Wire

OBEYED_S = 0.5
COUNTED = " ".join(map(str, range(1, 301)))


@dataclass
class Subject:
    """A process as clients were told of it."""

    pid: int
    kind: str
    task: str
    word: str = ""
    messages: list[str] = field(default_factory=list)
    stopped: bool = False
    changes: int = 0  # how many times that changed
    settled: bool = False


class Verdict:
    """Reads the notes of all clients, asks the kernel, counts what does not agree. `whole` is
    what a long answer must be; None: not known yet, they must only be equal."""

    def __init__(self, folder: Path, whole: str | None) -> None:
        self.subjects: dict[int, Subject] = {}
        self.lost = self.repeated = self.messages = 0
        self.problems: list[str] = []
        self.words = folder / "words.txt"
        self._echoes = whole is not None
        self._whole = whole
        self._notes = folder / "notes"
        self._read: Counter[Path] = Counter()
        self._reported: set[str] = set()
        self._effects: Counter[str] = Counter()
        self._closing = False

    @property
    def num_effects(self) -> int:
        return self._effects.total()

    # ---- what clients were told -----------------------------------------------------------

    def read_notes(self) -> None:
        for path in sorted(self._notes.iterdir()):
            with path.open("rb") as file:
                file.seek(self._read[path])
                for line in file:
                    if line.endswith(b"\n"):  # else the client is writing, or was killed then
                        self._read[path] += len(line)
                        self._take(json.loads(line))

    def _take(self, note: dict[str, Any]) -> None:
        match note:
            case {"what": "spawn", "pid": pid, "kind": kind, "task": task}:
                if pid in self.subjects:
                    self._is_repeated(f"pid {pid} was given to two processes")
                self.subjects[pid] = Subject(pid, kind, task, note.get("word", ""))
                self.subjects[pid].messages += [task] if task else []
            case {"what": "send", "pid": pid, "text": text}:
                self.subjects[pid].messages.append(text)
                self.messages += 1
            case {"what": "stopped", "pid": pid}:
                self._changed(pid, stopped=True)
            case {"what": "continuing", "pid": pid}:
                self._changed(pid, stopped=False)
            case {"what": "killed"}:
                pass  # that it has ended is looked at when all is over
            case {"what": "ended", "pid": pid, "output": output}:
                self._check_output(self.subjects[pid], output)
            case {"what": "refused", "op": "wait"}:
                pass  # reaped by a wait whose answer did not arrive
            case {"what": "refused"}:
                self._is_lost(f"{note['op']} of process {note['pid']}: {note['error']}")

    def _changed(self, pid: int, *, stopped: bool) -> None:
        subject = self.subjects[pid]
        subject.stopped, subject.changes = stopped, subject.changes + 1

    # ---- what the kernel holds ------------------------------------------------------------

    def check_now(self, wire: Wire) -> None:
        """While work goes on: everything acknowledged is there, at least as a beginning."""
        self.read_notes()
        for subject in [one for one in self.subjects.values() if not one.settled]:
            self._check_pages(subject, wire)
        self._check_stopped(wire)
        self._check_words()

    def _check_stopped(self, wire: Wire) -> None:
        """One that goes on is looked at again: a token's time may pass until a stop is obeyed."""
        stopped = {one.pid: one.changes for one in self.subjects.values() if one.stopped}
        for _ in range(2):
            working = {
                row["pid"]
                for row in wire.get("ps")["processes"]
                if row["state"] in ("ready", "running")
            }
            self.read_notes()  # a client may have continued it meanwhile
            stopped = {
                pid: changes
                for pid, changes in stopped.items()
                if pid in working and self.subjects[pid].changes == changes
            }
            if not stopped:
                return
            time.sleep(OBEYED_S)
        for pid in stopped:
            self._is_lost(f"process {pid} was stopped and goes on")

    def check_at_last(self, wire: Wire, timeout_s: float) -> None:
        """When no client is at work any more: let all come to its end, and look at that."""
        self.read_notes()
        self._closing = True
        deadline = time.monotonic() + timeout_s
        for subject in self.subjects.values():
            if not subject.settled:  # a STOP may have been obeyed whose answer did not arrive
                wire.ask("kill", pid=subject.pid, signal="CONT")
        for subject in self.subjects.values():
            if not subject.settled and subject.kind != "talk":
                self._await_end(subject, wire, max(deadline - time.monotonic(), 1.0))
            self._await_settled(subject, wire, deadline)
        self._check_words()

    def _await_settled(self, subject: Subject, wire: Wire, deadline: float) -> None:
        while not subject.settled:
            self._check_pages(subject, wire)
            if not subject.settled and time.monotonic() > deadline:
                self._is_lost(f"{subject} did not come to its end")
                return
            time.sleep(0.0 if subject.settled else 0.05)

    def _await_end(self, subject: Subject, wire: Wire, timeout_s: float) -> None:
        reply = wire.ask("wait", pid=subject.pid, timeout_s=timeout_s)
        if reply["ok"]:
            self._check_output(subject, reply["result"]["output"])
        if subject.kind == "killed":
            subject.settled = reply["ok"] or reply["error"]["code"] == "ESRCH"

    def _check_pages(self, subject: Subject, wire: Wire) -> None:
        reply = wire.ask("logs", pid=subject.pid)
        if not reply["ok"]:
            self._is_lost(f"process {subject.pid} is gone: {reply['error']}")
            subject.settled = True
            return
        pages = reply["result"]["pages"]
        said = [page["text"] for page in pages if page["role"] == "user"]
        for text, times in Counter(said).items():
            if times > 1:
                self._is_repeated(f"process {subject.pid} read {text!r} {times} times")
        read = [text for text in said if text in set(subject.messages)]
        if read != subject.messages[: len(read)]:
            self._is_lost(f"process {subject.pid} read {read}, sent were {subject.messages}")
        for page in pages:
            if page["role"] == "tool" and page["text"].startswith("added "):
                self._check_happened(subject, page["text"].removeprefix("added "))
        if len(read) == len(subject.messages):
            self._check_answer(subject, pages, said)

    def _check_answer(self, subject: Subject, pages: list[dict[str, Any]], said: list[str]) -> None:
        """All that it was sent has been read. Is it answered?"""
        if not pages:
            subject.settled = self._closing
        elif pages[-1]["role"] == "assistant" and not pages[-1]["calls"]:
            self._check_output(subject, pages[-1]["text"], last_read=said[-1])
            # A conversation goes on as long as there are clients.
            subject.settled = self._closing or subject.kind not in ("talk", "killed")

    def _check_output(self, subject: Subject, output: str, last_read: str | None = None) -> None:
        """`last_read`: the last message that it read, which may be one without a note."""
        match subject.kind:
            case "long":
                self._whole = self._whole or output
                if output != self._whole:
                    self._is_lost(f"{subject.pid} says {output!r} instead of the whole")
            case "effect" if self._echoes:
                if output == f"added {subject.word}":
                    self._check_happened(subject, subject.word)
                elif not output.startswith("EINTR"):
                    self._is_lost(f"process {subject.pid} with {subject.word} says {output!r}")
            case "talk" | "fork" if self._echoes:
                if output != f"You said: {last_read or subject.messages[-1]}":
                    self._is_lost(f"process {subject.pid} answers {output!r}")

    # ---- what happened in the world -------------------------------------------------------

    def _check_happened(self, subject: Subject, word: str) -> None:
        self._read_effects()
        if word not in self._effects:
            self._is_lost(f"process {subject.pid} was told of {word}, which never happened")

    def _check_words(self) -> None:
        self._read_effects()
        for word, times in self._effects.items():
            if times > 1:
                self._is_repeated(f"{word} happened {times} times")

    def _read_effects(self) -> None:
        if self.words.exists():
            with self.words.open("rb") as file:
                file.seek(self._read[self.words])
                for line in file:
                    self._read[self.words] += len(line)
                    self._effects[line.decode().strip()] += 1

    def _is_lost(self, words: str) -> None:
        if words not in self._reported:
            self.lost += 1
            self._report(f"LOST: {words}")

    def _is_repeated(self, words: str) -> None:
        if words not in self._reported:
            self.repeated += 1
            self._report(f"REPEATED: {words}")

    def _report(self, words: str) -> None:
        self._reported.add(words.partition(": ")[2])
        self.problems.append(words)
        print(words, flush=True)
