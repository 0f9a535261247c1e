"""The client says nothing to a socket of another user, nor more than one message holds."""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path

import pytest

from fake_kernel import fake_kernel
from harness import KernelProcess
from llmos.kernel.messages import MAX_LINE
from llmos.shell import client as client_module
from llmos.shell.client import Client
from llmos.shell.errors import ConfigError, KernelError, NoKernel, TooLong


def test_a_socket_of_another_user_hears_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        path = f"{folder}/k.sock"
        listener.bind(path)
        listener.listen()
        monkeypatch.setattr(client_module, "getuid", lambda: os.getuid() + 1)
        with pytest.raises(ConfigError, match="belongs to a process of user"):
            Client(path)
        connection, _ = listener.accept()
        assert connection.recv(100) == b""
        connection.close()


def test_a_socket_that_nobody_serves_is_no_kernel() -> None:
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as stale:
        with pytest.raises(NoKernel, match="llmos boot starts one"):
            Client(f"{folder}/none.sock")
        stale.bind(f"{folder}/stale.sock")
        with pytest.raises(NoKernel, match="llmos boot starts one"):
            Client(f"{folder}/stale.sock")


def test_what_speaks_another_language_is_named() -> None:
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{folder}/k.sock")
        listener.listen()
        with Client(f"{folder}/k.sock", patience_s=5) as client:
            connection, _ = listener.accept()
            connection.sendall(b"SSH-2.0-OpenSSH_9.9\r\n")
            with pytest.raises(NoKernel, match="does not speak the protocol"):
                client.ask("status")
            connection.close()


def test_a_kernel_that_hangs_is_not_waited_for_without_end() -> None:
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{folder}/k.sock")
        listener.listen()
        with Client(f"{folder}/k.sock", patience_s=0.1) as client, pytest.raises(NoKernel):
            client.ask("status")


def test_a_text_too_long_is_refused_before_it_is_sent(sim_kernel: KernelProcess) -> None:
    with Client(str(sim_kernel.socket)) as client:
        with pytest.raises(TooLong) as refusal:
            client.ask("send", pid=1, text="x" * MAX_LINE)
        assert f"{MAX_LINE:,}" in refusal.value.message
        assert "save it to a file" in refusal.value.hint
        assert client.ask("status").os_pid == sim_kernel.os_pid, "the connection lives on"


def test_a_text_that_just_fits_goes_through(sim_kernel: KernelProcess) -> None:
    with Client(str(sim_kernel.socket)) as client, pytest.raises(KernelError) as error:
        client.ask("send", pid=999_999, text="é" * (MAX_LINE // 2 - 100))
    assert error.value.code == "ESRCH"


def test_the_command_line_says_the_way_out_too(sim_kernel: KernelProcess) -> None:
    run = sim_kernel.llmos("run", "-", input="x" * (MAX_LINE + 1))
    assert run.returncode == 2
    assert "save it to a file" in run.stderr


def test_bytes_that_are_no_text_arrive_as_replacement(tmp_path: Path) -> None:
    import subprocess
    import sys

    with fake_kernel() as fake:
        run = subprocess.run(
            [sys.executable, "-m", "llmos", "run", b"say \xff\xfe ok"],
            env=fake.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
        )
    assert run.returncode == 0
    assert run.stdout.decode() == "\ufffd\ufffd ok\n"
