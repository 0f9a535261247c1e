"""Whatever comes through the socket, the kernel says what is wrong with it and lives on."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness import KernelProcess, Wire


@pytest.fixture
def wire(sim_kernel: KernelProcess) -> Iterator[Wire]:
    with sim_kernel.wire() as wire:
        yield wire
        assert wire.get("status")["engine"]["state"] == "ready", "the kernel is alive after it"


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        (b"{", "EINVAL", "not JSON"),
        (b"[1, 2]", "EINVAL", "a request is a JSON object"),
        (b'"ps"', "EINVAL", "a request is a JSON object"),
        (b"{}", "EINVAL", "unknown op None"),
        (b'{"id": 1, "op": "fly"}', "EINVAL", "unknown op 'fly'"),
        (b'{"id": [], "op": "ps"}', "EINVAL", "an id is a number or a string"),
        (b'{"id": 1, "op": "kill"}', "EINVAL", "pid: Field required"),
        (b'{"id": 1, "op": "kill", "pid": "3"}', "EINVAL", "pid: Input should be a valid integer"),
        (b'{"id": 1, "op": "kill", "pid": 3, "signal": "NAP"}', "EINVAL", "signal: Input should"),
        (b'{"id": 1, "op": "ps", "all": true}', "EINVAL", "all: "),
        (b'{"id": 1, "op": "send", "pid": 99999, "text": "x"}', "ESRCH", "no process 99999"),
        (b'{"id": 1, "op": "wait", "pid": 1}', "EINVAL", "process 1 ends with the kernel"),
        (b'{"id": 1, "op": "kill", "pid": 1}', "EPERM", "process 1 ends with the kernel"),
        (b'{"id": 1, "op": "spawn", "root": "/"}', "EINVAL", "needs a task"),
        (b'{"id": 1, "op": "spawn", "task": "x", "root": "a"}', "EINVAL", "'a' is not an absolute"),
        (b'{"id": 1, "op": "spawn", "task": "x", "root": "/none"}', "EINVAL", "is not a folder"),
        (b'{"id": 1, "op": "syscalls", "name": "read_fil"}', "ENOSYS", "no syscall read_fil"),
        (b'{"id": 1, "op": "logs", "pid": 99999}', "ESRCH", "there never was one"),
        (b"\xff\xfe", "EINVAL", "not JSON"),
        (b'{"id": 1, "op": "send", "pid": 3, "text": "\\ud800"}', "EINVAL", "not JSON"),
        (b"[" * 100_000, "EINVAL", "not JSON"),
    ],
)
def test_a_bad_line_gets_an_error_that_names_it(
    wire: Wire, line: bytes, code: str, words: str
) -> None:
    wire.send_raw(line + b"\n")
    reply = wire.read()
    assert reply["ok"] is False
    assert reply["error"]["code"] == code
    assert words in reply["error"]["message"]


def test_an_empty_line_is_nothing(wire: Wire) -> None:
    wire.send_raw(b"\n  \n")
    assert wire.get("ps")["processes"]


def test_a_line_of_10_mib_is_refused_and_the_connection_goes_on(wire: Wire) -> None:
    line = json.dumps({"id": 1, "op": "send", "pid": 3, "text": "x" * (10 << 20)}).encode()
    sender = threading.Thread(target=wire.send_raw, args=(line + b"\n",))
    sender.start()
    reply = wire.read()
    sender.join()
    assert reply["error"]["code"] == "EFBIG"
    assert "1048576 bytes" in reply["error"]["message"]
    assert "write long text to a file" in reply["error"]["hint"]
    assert wire.get("ps")["processes"]


def test_a_client_that_hangs_up_in_mid_line_hurts_nobody(sim_kernel: KernelProcess) -> None:
    for cut in (b"", b'{"id": 1, "op"', b'{"id": 1, "op": "ps"}'):
        wire = sim_kernel.wire()
        wire.send_raw(cut)
        wire.close()
    with sim_kernel.wire() as wire:
        assert wire.get("ps")["processes"]


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    line=st.one_of(
        st.binary(max_size=200).filter(lambda raw: b"\n" not in raw and raw.strip()),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=10,
        ).map(
            lambda value: json.dumps({"id": 1, "op": "spawn", "task": value, "root": 7}).encode()
        ),
    )
)
def test_any_line_gets_exactly_one_answer(sim_kernel: KernelProcess, line: bytes) -> None:
    with sim_kernel.wire() as wire:
        wire.send_raw(line + b"\n")
        assert wire.read()["ok"] is False
        assert wire.get("status")["os_pid"] == sim_kernel.os_pid


def test_a_client_that_does_not_read_is_cut_off(sim_kernel: KernelProcess) -> None:
    with sim_kernel.wire() as deaf:
        request = b'{"id": 1, "op": "syscalls"}\n'
        with pytest.raises(OSError):
            while True:
                deaf.send_raw(request * 100)
                if not os.path.exists(sim_kernel.socket):
                    break
    with sim_kernel.wire() as wire:
        assert wire.get("ps")["processes"]
