"""What an agent writes and runs sees its folder, and takes no more than it may."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmos.plugins import code
from llmos.plugins.code import run_python, run_shell
from llmos.syscalls import Context, SyscallError, sandbox
from llmos.syscalls.sandbox import Bounds, Level, Program, landlock
from llmos.syscalls.sandbox.box import BoxError


def _have(level: Level) -> bool:
    try:
        sandbox._try(level)
    except BoxError:
        return False
    return True


if not landlock.abi():
    pytest.skip("this machine has no Landlock", allow_module_level=True)
LEVELS = [
    pytest.param(level, marks=() if _have(level) else pytest.mark.skip(f"no {level.value} sandbox"))
    for level in Level
]


@pytest.fixture(params=LEVELS)
def level(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Level:
    """Each that this machine has."""
    monkeypatch.setattr(sandbox, "level", lambda: request.param)
    found: Level = request.param
    return found


@pytest.fixture
def ctx(tmp_path: Path) -> Context:
    (tmp_path / "root").mkdir()
    return Context(pid=3, call_id="c1", root=tmp_path / "root")


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A process of the same user, outside."""
    with subprocess.Popen(["sleep", "1000"]) as process:
        yield process
        process.kill()


def test_it_prints_and_fails_as_programs_do(ctx: Context) -> None:
    assert run_python(ctx, "print(6 * 7)") == "42"
    assert run_python(ctx, "pass") == "(no output)"
    told = run_python(ctx, "print('before')\n1 / 0").splitlines()
    assert told[0] == "before"
    assert told[-2:] == ["ZeroDivisionError: division by zero", "(exit status 1)"]
    assert run_shell(ctx, "echo one; echo two >&2; exit 3") == "one\ntwo\n(exit status 3)"
    assert run_shell(ctx, "kill -9 $$") == "(ended by signal 9)"
    assert run_python(ctx, "print(repr(input() if 0 else open(0).read()))") == "''"


def test_it_reads_and_writes_its_folder(ctx: Context, level: Level) -> None:
    (ctx.root / "helper.py").write_text("answer = 42\n")
    run_python(ctx, "import helper; open('out.txt', 'w').write(str(helper.answer))")
    assert (ctx.root / "out.txt").read_text() == "42"
    assert not (ctx.root / "__pycache__").exists()
    run_shell(ctx, f"mkdir a && mv out.txt a/ && echo more >> {ctx.root}/a/out.txt")
    assert (ctx.root / "a" / "out.txt").read_text() == "42more\n"


def test_what_is_there_for_it(ctx: Context, level: Level) -> None:
    told = run_python(ctx, "import os, tempfile; print(sorted(os.environ), tempfile.gettempdir())")
    for name in ("PATH", "HOME", "TMPDIR", "LANG"):
        assert repr(name) in told
    secrets = [name for name in os.environ if "KEY" in name or "TOKEN" in name]
    assert not any(name in told for name in secrets)
    told = run_python(ctx, "import tempfile; tempfile.NamedTemporaryFile().write(b'x')")
    assert told.removesuffix("(sandbox: restricted, without namespaces)").strip() in (
        "",
        "(no output)",
    )


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
    # where the folder is in /tmp, beside it is the program's own /tmp
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


@pytest.mark.parametrize("escape", ESCAPES)
def test_nothing_leads_out(
    ctx: Context, level: Level, escape: str, bystander: subprocess.Popen[bytes]
) -> None:
    secret = ctx.root.parent / "secret"
    secret.write_text("won!")
    secret.chmod(0o600)
    before = secret.stat()
    (ctx.root / "planted").symlink_to(secret)
    with socket.socket() as tcp, socket.socket(socket.AF_UNIX) as unix:
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
        folder = os.getcwd()
        os.chdir(ctx.root)  # a socket's path must be short
        unix.bind("server")
        os.chdir(folder)
        unix.listen()
        # The word is put together there: a traceback shows the line that has failed.
        names = (
            f"WON = 'w' + 'on!'; SECRET = {str(secret)!r}; PORT = {tcp.getsockname()[1]};"
            f" VICTIM = {bystander.pid}"
        )
        told = run_python(ctx, f"{PRELUDE}{names}\n{ESCAPES[escape]}")
    assert "won!" not in told, told
    assert "(exit status 1)" in told
    assert secret.read_text() == "won!" and not (ctx.root.parent / "owned").exists()
    after = secret.stat()
    assert (after.st_mode, after.st_mtime_ns, after.st_nlink) == (
        before.st_mode,
        before.st_mtime_ns,
        1,
    )
    assert bystander.poll() is None
    assert not any(path.lstat().st_mode & 0o6000 for path in ctx.root.iterdir())


def test_time_memory_and_number_are_bounded(ctx: Context, level: Level) -> None:
    with pytest.raises(SyscallError) as caught:
        run_python(ctx, "print('begun')\nwhile True: pass", timeout=0.5)
    assert str(caught.value) == (
        "ETIME: it ran longer than 0.5 s and was stopped; it had said: begun"
        " (give a longer timeout, up to 120, or do less at once)"
    )
    together = """
        import os, time
        for _ in range(8):
            if os.fork() == 0:
                memory = bytearray(30 << 20); time.sleep(20)
        time.sleep(20)
    """
    with pytest.raises(SyscallError) as caught:
        run_python(ctx, textwrap.dedent(together), memory_mb=128)
    assert caught.value.code == "ENOMEM"
    assert "MemoryError" in run_python(ctx, "x = bytearray(1 << 30)", memory_mb=128)
    bomb = """
        import os, time
        until = time.monotonic() + 2
        while time.monotonic() < until:
            try: os.fork()
            except OSError: pass
    """
    ended = sandbox.run(
        Program(lambda tmp: (sys.executable, "-c", textwrap.dedent(bomb))),
        ctx.root,
        writable=True,
        bounds=Bounds(timeout_s=5, max_processes=16),
    )
    assert ended.stopped == "it had more than 16 processes"


def test_a_flood_keeps_its_beginning_and_its_end(ctx: Context, level: Level) -> None:
    told = run_python(
        ctx, "print('first')\nfor _ in range(200_000): print('x' * 50)\nprint('last')"
    )
    assert told.startswith("first\nxxx") and "\nlast" in told
    assert "bytes are left out here]" in told and len(told) < 60_000


def test_nothing_of_it_goes_on(ctx: Context, level: Level) -> None:
    leave = """
        import os, sys, time
        if os.fork() == 0:
            try: os.setsid()
            except OSError: pass
            if os.fork() == 0:
                os.close(1); os.close(2)
                time.sleep(1); open('still-there', 'w')
                os._exit(0)
            os._exit(0)
        os.wait()
    """
    run_python(ctx, textwrap.dedent(leave))
    found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
    assert "main.py" not in found
    assert not (ctx.root / "still-there").exists()


WORKER = """
import sys
from pathlib import Path
from llmos.syscalls import sandbox
level = sandbox.Level[sys.argv[1]]
sandbox.level = lambda: level
program = sandbox.Program(lambda tmp: ("sh", "-c", "(sleep 98765.4321 &); sleep 98765.4321"))
sandbox.run(program, Path(sys.argv[2]), writable=True, bounds=sandbox.Bounds(timeout_s=60))
"""


def test_it_ends_with_the_worker_that_runs_it(ctx: Context, level: Level) -> None:
    """A worker whose call is stopped is killed, and what runs for it must not stay."""

    def running() -> int:
        found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
        return found.count("\nsleep 98765.4321")

    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, level.name, str(ctx.root)], start_new_session=True
    )
    deadline = time.monotonic() + 20
    while running() < 2 and time.monotonic() < deadline:
        assert worker.poll() is None
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()
    while running() and time.monotonic() < deadline:
        pass
    assert not running()


def test_without_a_sandbox_it_is_refused(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landlock, "abi", lambda: 0)
    sandbox.level.cache_clear()
    try:
        with pytest.raises(SyscallError) as caught:
            run_python(ctx, "open('ran', 'w')")
    finally:
        sandbox.level.cache_clear()
    assert caught.value.code == "EPERM" and "no Landlock" in caught.value.message
    assert not (ctx.root / "ran").exists()


def test_a_part_that_fails_is_no_silent_step_down(
    ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(**_: object) -> None:
        raise OSError(22, "seccomp: Invalid argument")

    monkeypatch.setattr(sandbox.seccomp, "restrict", broken)
    sandbox.level.cache_clear()
    try:
        with pytest.raises(SyscallError) as caught:
            run_python(ctx, "open('ran', 'w')")
    finally:
        sandbox.level.cache_clear()
    assert "full: seccomp: Invalid argument" in caught.value.message
    assert "restricted: seccomp: Invalid argument" in caught.value.message
    assert not (ctx.root / "ran").exists()


def test_the_whole_machine_is_no_folder(ctx: Context) -> None:
    with pytest.raises(SyscallError) as caught:
        run_python(Context(pid=3, call_id="c", root=Path("/")), "print(1)")
    assert caught.value.code == "EPERM"


def test_what_it_takes_is_said_and_bounded() -> None:
    from llmos.syscalls.loader import load_module

    calls = {call.spec.name: call.spec for call in load_module(code.__name__, "code")}
    assert not any(spec.listed for spec in calls.values())
    assert calls["run_python"].needs == "code.run"
    properties = calls["run_python"].parameters["properties"]
    assert list(properties) == ["code", "timeout", "memory_mb"]
    assert properties["timeout"]["maximum"] == code.MAX_SECONDS
