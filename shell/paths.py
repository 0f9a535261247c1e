"""Where things lie: the state folder, the kernel's socket, the history, the user's settings,
plugins and mounts.

Strings and `os.path` on purpose: this runs before every verb, and `pathlib` alone costs a tenth
of a one-shot verb's CPU budget.
"""

from __future__ import annotations

import os
import stat

from .errors import ConfigError

MAX_SOCKET_PATH = 100
"""Longest socket path in bytes that we use as it is; the system ends at 107 (`sun_path`)."""


class Paths:
    """All paths of one llmos. An explicit `state_dir` (the flag) wins over the environment."""

    __slots__ = (
        *("config", "history", "log", "mounts", "plugins", "socket"),
        *("state_dir", "trusted", "tuned"),
    )

    def __init__(self, state_dir: str | None = None) -> None:
        own = state_dir or os.environ.get("LLMOS_STATE_DIR")
        self.state_dir = os.path.abspath(os.path.expanduser(own or _xdg("STATE", "~/.local/state")))
        self.socket = _socket(self.state_dir, is_own=bool(own), is_flag=bool(state_dir))
        self.history = os.path.join(self.state_dir, "history")
        self.log = os.path.join(self.state_dir, "kernel.log")
        config = _xdg("CONFIG", "~/.config")
        named = os.environ.get("LLMOS_CONFIG") or os.path.join(config, "config.toml")
        self.config = os.path.abspath(os.path.expanduser(named))
        self.tuned = os.path.join(config, "kernel.toml")
        self.trusted = os.path.join(self.state_dir, "trusted.json")
        self.plugins = os.path.join(config, "syscalls")
        self.mounts = [os.path.join(config, name) for name in ("mcp.json", "openapi.json")]

    def make_state_dir(self) -> None:
        """Makes the state folder, for our eyes only, if it is not there yet."""
        try:
            os.makedirs(self.state_dir, mode=0o700, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"cannot make the state folder {self.state_dir}: {error.strerror}",
                "set LLMOS_STATE_DIR to a folder that you can write to",
            ) from None


def _xdg(kind: str, fallback: str) -> str:
    """`$XDG_<kind>_HOME/llmos`. A relative value counts as unset, as the XDG rules say."""
    home = os.environ.get(f"XDG_{kind}_HOME", "")
    return os.path.join(home if os.path.isabs(home) else os.path.expanduser(fallback), "llmos")


def _socket(state_dir: str, *, is_own: bool, is_flag: bool) -> str:
    """The socket that belongs to a state folder; client and kernel meet there.

    `LLMOS_SOCKET` names it outright (but not for a folder given by flag, which is another
    kernel's). The default folder's socket lies in the runtime folder, which is gone after a
    logout; that of any other folder lies inside it, so that two folders never share a kernel.
    """
    named = os.environ.get("LLMOS_SOCKET")
    if named and not is_flag:
        return os.path.abspath(os.path.expanduser(named))
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if os.path.isabs(runtime) and not is_own:
        path = os.path.join(runtime, "llmos", "kernel.sock")
    else:
        path = os.path.join(state_dir, "kernel.sock")
    return path if len(os.fsencode(path)) <= MAX_SOCKET_PATH else short_socket(state_dir)


def short_socket(state_dir: str) -> str:
    """A socket path for a state folder whose own path is too long for `sun_path`.

    It lies in a folder of /tmp, where anybody could have put something under that name first:
    the folder must be ours, a real folder, and closed to everybody else.
    """
    from hashlib import sha1

    folder = f"/tmp/llmos-{os.getuid()}"
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        _check_private(folder)
    name = sha1(os.fsencode(os.path.realpath(state_dir)), usedforsecurity=False).hexdigest()[:12]
    return os.path.join(folder, f"{name}.sock")


def _check_private(folder: str) -> None:
    found = os.lstat(folder)
    if (
        not stat.S_ISDIR(found.st_mode)
        or found.st_uid != os.getuid()
        or stat.S_IMODE(found.st_mode) & 0o077
    ):
        raise ConfigError(
            f"{folder} is not a folder that is yours alone (mode 0700), "
            "so the kernel's socket cannot lie there",
            "set LLMOS_SOCKET, or LLMOS_STATE_DIR to a shorter path",
        )
