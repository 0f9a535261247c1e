"""The diary of a supervisor: its pages, a sentence for each thing that happened.

They are written for people and read back by the supervisor, which has no other memory: what it
knows is what they say (`supervision.happened`, folded over them).
"""

from __future__ import annotations

import re

from pydantic import TypeAdapter

from .supervision import Event, Exited, Hung, NotStarted, Snapshot, Started, State, Told

OUTPUT_LENGTH = 200
_STATE: TypeAdapter[State] = TypeAdapter(State)

_STARTED = re.compile(r"started (\S+) as pid (\d+)")
_NOT_STARTED = re.compile(r"could not start (\S+): (.*)")
_EXITED = re.compile(r"(\S+) \(pid (\d+)\) exited with status (\d+)(?:, [a-z ]+)?(?:: (.*))?")
_HUNG = re.compile(r"(\S+) \(pid (\d+)\) made no step for (\S+) s: killed")
_TOLD = re.compile(r"told to end by (\S+), status (\d+)")
_SNAPSHOT = re.compile(r"so far: (.*)")


def sentence(event: Event, outcome: str = "") -> str:
    """What the page says; `outcome` tells people what comes of an end."""
    match event:
        case Started(name, pid):
            return f"started {name} as pid {pid}"
        case NotStarted(name, words):
            return f"could not start {name}: {words}"
        case Exited(name, pid, status, output):
            end = f"{name} (pid {pid}) exited with status {status}"
            end += f", {outcome}" if outcome else ""
            return f"{end}: {output}" if output else end
        case Hung(name, pid, idle_s):
            return f"{name} (pid {pid}) made no step for {idle_s:g} s: killed"
        case Told(signal, status):
            return f"told to end by {signal}, status {status}"
        case Snapshot(state):
            return f"so far: {_STATE.dump_json(state).decode()}"


def event_of(text: str) -> Event:
    """What a page tells. `sentence` wrote it: anything else is an error of ours."""
    if found := _STARTED.fullmatch(text):
        return Started(found[1], int(found[2]))
    if found := _NOT_STARTED.fullmatch(text):
        return NotStarted(found[1], found[2])
    if found := _EXITED.fullmatch(text):
        return Exited(found[1], int(found[2]), int(found[3]), found[4] or "")
    if found := _HUNG.fullmatch(text):
        return Hung(found[1], int(found[2]), float(found[3]))
    if found := _TOLD.fullmatch(text):
        return Told(found[1], int(found[2]))
    found = _SNAPSHOT.fullmatch(text)
    assert found is not None, f"no sentence of a supervisor: {text[:80]!r}"
    return Snapshot(_STATE.validate_json(found[1]))


def shortened(text: str) -> str:
    """On one line, as a sentence can hold it."""
    return " ".join(text.split())[:OUTPUT_LENGTH]
