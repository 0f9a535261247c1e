"""A trace becomes a file of the Trace Event Format: every event is well-formed, each process has a
track of its own on which nothing overlaps, and the counters end where everybody has left."""

from __future__ import annotations

import json
from collections import defaultdict
from itertools import pairwise
from typing import Any

import pytest

from llmos.trace import comparing
from llmos.trace.chrome import chrome
from llmos.trace.reading import Trace
from recording import crowd, traced

Event = dict[str, Any]


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    return traced(tmp_path_factory.mktemp("trace"), crowd)


def events(trace: Trace) -> list[Event]:
    document = json.loads(json.dumps(chrome(trace), allow_nan=False))
    assert document["displayTimeUnit"] in ("ms", "ns")
    found: list[Event] = document["traceEvents"]
    return found


def test_every_event_is_well_formed(trace: Trace) -> None:
    for event in events(trace):
        assert isinstance(event["name"], str) and event["name"]
        assert isinstance(event["pid"], int)
        if event["ph"] == "M":
            assert event["name"] in ("process_name", "thread_name") and event["args"]["name"]
            continue
        assert isinstance(event["ts"], int) and event["ts"] >= 0
        match event["ph"]:
            case "X":
                assert isinstance(event["dur"], int) and event["dur"] >= 0
                assert isinstance(event["tid"], int)
            case "C":
                assert all(isinstance(value, int) for value in event["args"].values())
            case "i":
                assert event["s"] == "t" and isinstance(event["tid"], int)
            case other:
                raise AssertionError(f"no such phase: {other}")


def test_each_process_has_a_track_on_which_nothing_overlaps(trace: Trace) -> None:
    tracks: defaultdict[int, list[Event]] = defaultdict(list)
    named = set()
    for event in events(trace):
        if event["ph"] == "X":
            tracks[event["tid"]].append(event)
        elif event["name"] == "thread_name":
            named.add(event["tid"])
    assert len(tracks) == 30 and named == set(tracks)
    for track in tracks.values():
        track.sort(key=lambda event: (event["ts"], event["dur"]))
        for one, other in pairwise(track):
            assert one["ts"] + one["dur"] <= other["ts"] + 1
    whose = {event["name"] for track in tracks.values() for event in track}
    assert {"waiting", "prefill", "decode", "now"} <= whose


def test_the_counters_end_where_everybody_has_left(trace: Trace) -> None:
    counters: defaultdict[str, list[Event]] = defaultdict(list)
    for event in events(trace):
        if event["ph"] == "C":
            counters[event["name"]].append(event["args"])
    assert max(one["waiting"] for one in counters["processes"]) > 5
    assert max(one["running"] for one in counters["processes"]) == 8
    assert counters["processes"][-1] == {"waiting": 0, "running": 0}
    assert max(one["held"] for one in counters["KV blocks"]) > 100


def test_a_replay_can_be_drawn_too(trace: Trace) -> None:
    replayed: list[Event] = []
    comparing.setup(trace).run("fifo", write=replayed.append)
    drawn = events(Trace(trace.header, tuple(replayed), True))
    assert len({event["tid"] for event in drawn if event["ph"] == "X"}) == 30
