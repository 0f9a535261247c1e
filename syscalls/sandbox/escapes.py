"""Known ways out of a sandbox, tried in earnest: `python -m llmos.syscalls.sandbox.escapes`.

Each is a program that says the word `won!` if it has got out, which it reads from a file or puts
together itself, and else raises an exception. They are tried one after the other in one program,
in a folder of their own, with a secret beside it, a server and a process that they are after.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errno import EPERM
from . import Bounds, Level, Program, level, run

WORD = "won!"
NOT_COVERED = (
    "the folder's disk is not bounded",
    "a fault of the Linux kernel in what the filter lets through",
    "memory between two looks at it, fifty times a second",
)
NOT_COVERED_WITHOUT_NAMESPACES = "that other files and other processes exist can be seen"

ESCAPES = {
    "read a file": "print(open(SECRET).read())",
    "read by a link": "import os; os.symlink(SECRET, 'link'); print(open('link').read())",
    "read by a link that was there": "print(open('planted').read())",
    "read by a hard link": "import os; os.link(SECRET, 'hard'); print(open('hard').read())",
    "read by ..": "print(open('../secret').read())",
    "read by an open folder": (
        "import os\nfor fd in range(3, 200):\n"
        "  try: print(open(os.open('secret', os.O_RDONLY, dir_fd=fd)).read())\n"
        "  except OSError: pass\n"
        "raise OSError"
    ),
    "read the kernel's environment": (
        "import os; print(WON, open(f'/proc/{os.getppid()}/environ').read())"
    ),
    "read its memory": "import os; open(f'/proc/{os.getppid()}/mem', 'rb'); print(WON)",
    "see the root by /proc": "import os; print(WON, os.listdir('/proc/1/root'))",
    # Where the folder is in /tmp, beside it is the program's own /tmp.
    "write beside the folder": "open('../owned', 'w'); raise OSError",
    "change a mode": "import os; os.chmod(SECRET, 0o777); print(WON)",
    "change a time": "import os; os.utime(SECRET); print(WON)",
    "delete a file": "import os; os.unlink(SECRET); print(WON)",
    "move a file in": "import os; os.rename(SECRET, 'mine'); print(WON)",
    "cut a file": "import os; os.truncate(SECRET, 0); print(WON)",
    "change the system": "open('/usr/owned', 'w'); print(WON)",
    "open a connection": (
        "import socket; socket.create_connection(('127.0.0.1', PORT)); print(WON)"
    ),
    "send a datagram": (
        "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "s.sendto(b'x', ('127.0.0.1', 9)); print(WON)"
    ),
    "speak to a Unix socket": (
        "import socket; socket.socket(socket.AF_UNIX).connect('server'); print(WON)"
    ),
    "speak to the netlink": "import socket; socket.socket(16, 3, 0); print(WON)",
    "kill another process": "import os; os.kill(VICTIM, 9); print(WON)",
    "limit another process": (
        "import resource; resource.prlimit(VICTIM, resource.RLIMIT_CPU, (1, 1)); print(WON)"
    ),
    "trace its parent": "import os; assert libc.ptrace(16, os.getppid(), 0, 0) == 0; print(WON)",
    "begin a user namespace": "assert libc.unshare(0x10000000) == 0; print(WON)",
    "fork into one": (
        "pid = libc.syscall(56 if MACHINE == 'x86_64' else 220, 0x10000011, 0, 0, 0, 0)\n"
        "assert pid >= 0; print(WON)"
    ),
    "mount": "assert libc.mount(b'none', b'/tmp', b'tmpfs', 0, 0) == 0; print(WON)",
    "change the root": "import os; os.chroot('.'); print(WON)",
    "use io_uring": "assert libc.syscall(425, 1, buffer) >= 0; print(WON)",
    "use the kernel's keys": (
        "assert libc.syscall(250 if MACHINE == 'x86_64' else 219, 0, -3, 0) >= 0; print(WON)"
    ),
    "load into the kernel": (
        "assert libc.syscall(321 if MACHINE == 'x86_64' else 280, 0, buffer, 64) >= 0\nprint(WON)"
    ),
    "open a disk": "import os; os.mknod('disk', 0o60600, os.makedev(254, 0)); print(WON)",
    "make a file that runs as its owner": (
        "import os; open('s', 'w'); os.chmod('s', 0o4755); print(WON)"
    ),
    "create one": "import os; os.open('t', os.O_CREAT | os.O_WRONLY, 0o4755); print(WON)",
    "change the kernel's settings": "open('/proc/sys/vm/swappiness', 'w'); print(WON)",
}
PRELUDE = """
import ctypes, platform
libc, buffer = ctypes.CDLL(None, use_errno=True), ctypes.create_string_buffer(256)
MACHINE = platform.machine()
"""

TRIES = """
import contextlib, io, json
for name, code in json.loads(ESCAPES).items():
    said, names = io.StringIO(), {"WON": WON, "SECRET": SECRET, "PORT": PORT, "VICTIM": VICTIM}
    try:
        with contextlib.redirect_stdout(said):
            exec(PRELUDE + code, names)
    except BaseException:
        pass
    print(json.dumps([name, "w" + "on!" in said.getvalue()]), flush=True)
"""


@dataclass(frozen=True, slots=True)
class Report:
    """`level` is empty where nothing is run at all, and `reason` says why. `unfinished` is what was
    not tried, because the program ended before."""

    level: str
    reason: str = ""
    tried: int = 0
    escaped: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    not_covered: list[str] = field(default_factory=list)


def attempt() -> Report:
    """Tries them all in the best sandbox that this machine has."""
    try:
        best = level()
    except EPERM as error:
        return Report("", error.message)
    with tempfile.TemporaryDirectory(prefix="llmos-escapes-") as outer:
        root, secret = Path(outer, "root"), Path(outer, "secret")
        root.mkdir()
        secret.write_text(WORD)
        secret.chmod(0o600)
        (root / "planted").symlink_to(secret)
        victim = subprocess.Popen(["sleep", "60"])
        try:
            tried = _tried(root, secret, victim.pid)
            changed = _changed(secret, victim)
        finally:
            victim.kill()
            victim.wait()
    blind = [NOT_COVERED_WITHOUT_NAMESPACES] if best is not Level.FULL else []
    return Report(
        level=best.value,
        tried=len(tried),
        escaped=[name for name, won in tried.items() if won] + changed,
        unfinished=[name for name in ESCAPES if name not in tried],
        not_covered=[*NOT_COVERED, *blind],
    )


def _tried(root: Path, secret: Path, victim: int) -> dict[str, bool]:
    """Whether each of them got out; without those that were not tried."""
    with socket.socket() as tcp, socket.socket(socket.AF_UNIX) as unix:
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
        os.chdir(root)  # a socket's path must be short
        unix.bind("server")
        os.chdir("/")
        unix.listen()
        names: dict[str, Any] = {
            "SECRET": str(secret),
            "PORT": tcp.getsockname()[1],
            "VICTIM": victim,
            "ESCAPES": json.dumps(ESCAPES),
            "PRELUDE": PRELUDE,
        }
        lines = ["WON = 'w' + 'on!'", *(f"{name} = {value!r}" for name, value in names.items())]
        code = "\n".join([*lines, TRIES]).encode()
        program = Program(lambda tmp: (sys.executable, f"{tmp}/main.py"), {"main.py": code})
        ended = run(program, root, writable=True, bounds=Bounds(timeout_s=20))
    found = {}
    for line in ended.output.decode(errors="replace").splitlines():
        try:
            name, won = json.loads(line)
        except ValueError:
            continue
        found[str(name)] = bool(won)
    return found


def _changed(secret: Path, victim: subprocess.Popen[bytes]) -> list[str]:
    """What happened outside, whatever they say of themselves."""
    found = []
    if (secret.parent / "owned").exists():
        found.append("write beside the folder")
    if not secret.exists() or secret.read_text() != WORD or secret.stat().st_mode & 0o777 != 0o600:
        found.append("change a file outside")
    if victim.poll() is not None:
        found.append("kill another process")
    return found


if __name__ == "__main__":
    os.umask(0o077)
    json.dump(asdict(attempt()), sys.stdout)
