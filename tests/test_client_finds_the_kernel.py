"""Client and kernel meet at the same socket, wherever the state folder is."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from llmos.shell import paths as paths_module
from llmos.shell.errors import ConfigError
from llmos.shell.paths import MAX_SOCKET_PATH, Paths, short_socket


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LLMOS_STATE_DIR", "LLMOS_SOCKET", "XDG_RUNTIME_DIR", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/ada")


@pytest.mark.parametrize(
    ("environment", "state_dir", "socket"),
    [
        ({}, "/home/ada/.local/state/llmos", "/home/ada/.local/state/llmos/kernel.sock"),
        (
            {"XDG_RUNTIME_DIR": "/run/user/7"},
            "/home/ada/.local/state/llmos",
            "/run/user/7/llmos/kernel.sock",
        ),
        (
            {"XDG_STATE_HOME": "/s", "XDG_RUNTIME_DIR": "/r"},
            "/s/llmos",
            "/r/llmos/kernel.sock",
        ),
        (
            {"LLMOS_STATE_DIR": "/own", "XDG_RUNTIME_DIR": "/run/user/7"},
            "/own",
            "/own/kernel.sock",
        ),
        (
            {"LLMOS_STATE_DIR": "/own", "LLMOS_SOCKET": "/there/k.sock"},
            "/own",
            "/there/k.sock",
        ),
        (
            {"XDG_STATE_HOME": "relative", "XDG_RUNTIME_DIR": "relative"},
            "/home/ada/.local/state/llmos",
            "/home/ada/.local/state/llmos/kernel.sock",
        ),
    ],
)
def test_the_environment_says_where(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], state_dir: str, socket: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = Paths()
    assert (found.state_dir, found.socket) == (state_dir, socket)
    assert found.log == f"{state_dir}/kernel.log"
    assert found.history == f"{state_dir}/history"


def test_the_flag_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMOS_STATE_DIR", "/own")
    monkeypatch.setenv("LLMOS_SOCKET", "/own/elsewhere.sock")
    assert Paths("/flag").socket == "/flag/kernel.sock"


def test_a_long_path_gets_a_short_private_socket() -> None:
    long = "/" + "deep/" * 30
    socket = Paths(long).socket
    assert len(os.fsencode(socket)) <= MAX_SOCKET_PATH
    assert socket == Paths(long).socket, "the same for all who ask"
    assert socket != Paths(long + "er").socket
    folder = os.stat(os.path.dirname(socket))
    assert stat.S_IMODE(folder.st_mode) == 0o700
    assert folder.st_uid == os.getuid()


@pytest.mark.parametrize("trap", ["open", "link", "file"])
def test_a_short_socket_is_never_put_into_a_folder_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trap: str
) -> None:
    folder = tmp_path / f"llmos-{os.getuid()}"
    if trap == "open":
        folder.mkdir(mode=0o755)
        folder.chmod(0o777)
    elif trap == "link":
        (tmp_path / "theirs").mkdir(mode=0o700)
        folder.symlink_to(tmp_path / "theirs")
    else:
        folder.touch(mode=0o600)
    with pytest.raises(ConfigError, match="not a folder that is yours alone"):
        paths_module._check_private(str(folder))


def test_a_short_socket_follows_the_real_folder(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert short_socket(str(tmp_path / "real")) == short_socket(str(tmp_path / "link"))
