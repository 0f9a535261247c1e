"""A state folder has one kernel; what a dead one left behind is no obstacle."""

from __future__ import annotations

import os
import socket
import stat

import pytest

from harness import KernelProcess


def test_a_second_boot_says_who_is_there(own_kernel: KernelProcess) -> None:
    own_kernel.start().ready()
    second = KernelProcess("--driver=simulated", folder=own_kernel.folder)
    second.log = own_kernel.folder / "second.log"
    try:
        second.start()
    except AssertionError as error:
        assert "the kernel ended: 75" in str(error)
        assert f"a kernel already runs for {own_kernel.state_dir}" in str(error)
        assert f"os pid {own_kernel.os_pid}" in str(error)
    else:
        # The first kernel's socket answered before the second one gave up.
        assert second._process is not None
        assert second._process.wait(30) == 75
        assert f"os pid {own_kernel.os_pid}" in second.log.read_text()
    with own_kernel.wire() as wire:
        assert wire.get("status")["os_pid"] == own_kernel.os_pid


def test_a_stale_socket_and_lock_are_taken_over(own_kernel: KernelProcess) -> None:
    own_kernel.start().ready()
    own_kernel.kill9()
    assert own_kernel.socket.exists(), "a crash leaves the socket behind"
    own_kernel.start().ready()
    with own_kernel.wire() as wire:
        assert wire.get("status")["os_pid"] == own_kernel.os_pid


def test_the_socket_and_the_journal_are_for_their_owner_alone(own_kernel: KernelProcess) -> None:
    own_kernel.start()
    for path in (own_kernel.socket, own_kernel.state_dir / "llmos.db"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE(own_kernel.state_dir.stat().st_mode) == 0o700


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else to try it")
def test_another_user_is_turned_away(own_kernel: KernelProcess) -> None:
    """Even where the file's mode would let one in: the peer's uid is asked of the system."""
    own_kernel.start()
    for folder in (own_kernel.folder, own_kernel.state_dir):
        folder.chmod(0o755)
    own_kernel.socket.chmod(0o666)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.setuid(65533)
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(own_kernel.socket))
            connection.sendall(b'{"id": 1, "op": "ps"}\n')
            os.write(writer, connection.recv(4096))
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        text = answer.read().decode()
    os.waitpid(child, 0)
    assert "EPERM" in text and "65533" in text
    assert '"processes"' not in text
