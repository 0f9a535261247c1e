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
from llmos.syscalls.sandbox.escapes import ESCAPES, PRELUDE


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
