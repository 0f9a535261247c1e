"""The verbs about the kernel itself: boot, halt, status, and the interactive shell.

The kernel is a daemon in a session of its own, so that neither Ctrl-C nor a closed terminal
reaches it. It answers `status` long before its engine is ready.
"""

from __future__ import annotations

import os
import sys
import time

from .. import config_files
from ..client import Client
from ..continuing import CONTINUE, RESUME, goes_on, resume
from ..engine import engine_text, server_text
from ..errors import BootFailed, Interrupted, KernelError, NoKernel, ShellError, UsageError
from ..output import Output, columns_of, cut, harmless, seconds
from ..verb import Context, Outcome, option, verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from subprocess import Popen

    from ...kernel.messages import KernelStatus
    from ..paths import Paths

PATIENCE_S = 5.0
EXIT_ANOTHER_RUNS = 75
START_LIMIT_S = 60.0
HALT_LIMIT_S = 60.0
POLL_S = 0.1
LAST_LINES = 15
PROJECT_FILE = ".mcp.json"
"""Where other MCP clients look for the servers of a project, too."""

OPTIONS = (
    option("--model", metavar="M", help="a model's name or folder (default: the built-in one)"),
    option("--driver", choices=("vllm", "openai", "simulated"), help="the engine (default: vllm)"),
)


# ---- verbs -------------------------------------------------------------------------------------


@verb(
    "shell",
    "open the interactive shell, after booting the kernel if need be (so does llmos alone)",
    *OPTIONS,
    CONTINUE,
    RESUME,
    kind="outside",
    open_ended=True,
)
async def shell(ctx: Context) -> Outcome:
    if not (sys.stdin.isatty() and sys.stdout.isatty()) or ctx.out.as_json:
        raise UsageError("the interactive shell needs a terminal", "llmos help lists the verbs")
    running = _running(ctx.paths)
    if running is None:
        await _start(ctx)
    elif given := _kernel_options(ctx):
        ctx.out.note(
            f"a kernel already runs with {running.engine.model}, os pid {running.os_pid}: "
            f"{' '.join(given)} would take effect after llmos halt"
        )
    if not goes_on(ctx):
        return await ctx.enter(None)
    resumed = await resume(ctx)
    return await ctx.enter(resumed.pid, own=not resumed.lives)


@verb(
    "boot",
    "start the kernel and wait until its engine is ready",
    *OPTIONS,
    option("--no-wait", action="store_true", help="do not wait for the engine"),
    open_ended=True,
)
async def boot(ctx: Context) -> Outcome:
    """Options that it does not know go to the kernel."""
    running = _running(ctx.paths)
    if running is not None:
        raise BootFailed(
            f"a kernel is already running, os pid {running.os_pid}", "llmos halt ends it"
        )
    status = await _start(ctx)
    if not ctx.args.no_wait:
        status = await _engine_ready(ctx)
    engine = status.engine
    ctx.out.note(f"{engine.state}: {engine.model} ({engine.driver}), kernel os pid {status.os_pid}")
    return Outcome(status)


@verb("halt", "park the processes and end the kernel")
async def halt(ctx: Context) -> Outcome:
    running: KernelStatus = await ctx.ask("status")
    await ctx.ask("halt")
    limit = time.monotonic() + HALT_LIMIT_S
    while _listens(ctx.paths) or _lives(running.os_pid):
        if time.monotonic() > limit:
            raise KernelError(
                "ETIME",
                f"the kernel (os pid {running.os_pid}) has not ended within {HALT_LIMIT_S:g} s",
                f"its log: {ctx.paths.log}",
            )
        await ctx.sleep(POLL_S / 2)
    ctx.out.note(f"halted: kernel os pid {running.os_pid}")
    return Outcome({"os_pid": running.os_pid})


@verb("status", "how the kernel and its engine are")
async def status(ctx: Context) -> Outcome:
    found: KernelStatus = await ctx.ask("status")
    engine, used = found.engine, found.usage
    restarts = f", {engine.restarts} restarts" if engine.restarts else ""
    lines = (
        f"kernel     llmos {found.version}, os pid {found.os_pid}, up {seconds(found.uptime_s)}",
        f"state      {found.state_dir}",
        f"engine     {engine.model} ({engine.driver}): {engine_text(engine)}{restarts}",
        f"requests   {engine.running} running, {engine.waiting} waiting, "
        f"{engine.tokens_per_s:.0f} tokens/s",
        *(f"server     {server_text(one)}" for one in engine.servers),
        f"processes  {found.processes}",
        f"usage      {used.tokens_in:,} tokens in ({used.tokens_cached:,} cached), "
        f"{used.tokens_out:,} out, {used.syscalls:,} syscalls",
    )
    return Outcome(found, "\n".join(lines))


# ---- starting ----------------------------------------------------------------------------------


def _running(paths: Paths) -> KernelStatus | None:
    """The status of the kernel that answers on the socket, if one does."""
    try:
        with Client(paths.socket, PATIENCE_S) as client:
            found: KernelStatus = client.ask("status")
            return found
    except NoKernel:
        return None


async def boot_if_need_be(ctx: Context) -> None:
    """For those who cannot do without a kernel; its engine may still start."""
    if _running(ctx.paths) is None:
        await _start(ctx)


async def _start(ctx: Context) -> KernelStatus:
    """Starts the daemon and waits until it answers."""
    ctx.paths.make_state_dir()
    log_began = os.path.getsize(ctx.paths.log) if os.path.exists(ctx.paths.log) else 0
    writing = config_files.begin_writing(ctx.paths)
    daemon = _launch(ctx)
    progress = Progress(ctx.out)
    began = time.monotonic()
    try:
        while (found := _running(ctx.paths)) is None:
            # Two shells may boot at once. The kernel that came second ends, and that is well: the
            # first one answers soon.
            if daemon.poll() not in (None, EXIT_ANOTHER_RUNS):
                found = _running(ctx.paths)
                if found is None:
                    raise _died(ctx.paths, log_began, daemon.returncode)
                break
            waited_s = time.monotonic() - began
            if waited_s > START_LIMIT_S:
                raise BootFailed(
                    f"the kernel has not answered for {waited_s:.0f} s, os pid {daemon.pid}",
                    f"its log: {ctx.paths.log}",
                )
            if waited_s > 1:
                progress.show("starting the kernel", waited_s)
            await ctx.sleep(POLL_S / 2)
    finally:
        progress.end()
    if writing is not None and writing.wait() == 0:
        ctx.out.note(f"settings, with what each one is: {ctx.paths.config}")
    return found


def _launch(ctx: Context) -> Popen[bytes]:
    from subprocess import DEVNULL, STDOUT, Popen

    paths = ctx.paths
    where = [
        *("--state-dir", paths.state_dir),
        *("--socket", paths.socket),
        *("--plugins-dir", paths.plugins),
        *(f"--mount={file}" for file in paths.mounts),
        *_project_mounts(),
        *(f"--config={file}" for file in config_files.of_kernel(paths)),
    ]
    # -P and the state folder: a module in the folder where the user happens to be must not get in.
    command = [sys.executable, "-P", "-m", "llmos.kernel.boot", *where, *_kernel_options(ctx)]
    os.makedirs(os.path.dirname(paths.socket), mode=0o700, exist_ok=True)
    log = os.open(ctx.paths.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        return Popen(
            command,
            stdin=DEVNULL,
            stdout=log,
            stderr=STDOUT,
            cwd=ctx.paths.state_dir,
            start_new_session=True,
        )
    finally:
        os.close(log)


def _project_mounts() -> list[str]:
    """What the folder where the kernel is booted brings along."""
    try:
        return [f"--project-mount={os.path.join(os.getcwd(), PROJECT_FILE)}"]
    except FileNotFoundError:  # the folder is gone
        return []


def _kernel_options(ctx: Context) -> list[str]:
    """What of the command line is the kernel's to read."""
    return [
        *(word for name in ("model", "driver") for word in _option(ctx, name)),
        *ctx.rest,
    ]


def _option(ctx: Context, name: str) -> list[str]:
    value = getattr(ctx.args, name, None)
    return [f"--{name}", value] if value else []


def _died(paths: Paths, log_began: int, returncode: int) -> ShellError:
    """Why the daemon ended, in its own last words."""
    with open(paths.log, "rb") as log:
        log.seek(log_began)
        said = log.read().decode("utf-8", "replace").rstrip().splitlines()[-LAST_LINES:]
    how = f"by signal {-returncode}" if returncode < 0 else f"with status {returncode}"
    last_words = "".join(f"\n  | {line}" for line in said)
    error = BootFailed(
        f"the kernel ended {how} while it started{last_words}", f"its log: {paths.log}"
    )
    if returncode in (2, 78):
        error.exit_status = returncode
    return error


async def _engine_ready(ctx: Context) -> KernelStatus:
    """Waits for the engine, and shows what it does meanwhile."""
    progress = Progress(ctx.out)
    try:
        while True:
            found: KernelStatus = await ctx.ask("status")
            if found.engine.state == "ready":
                return found
            if found.engine.state == "failed":
                raise BootFailed(
                    f"the engine failed: {found.engine.detail}",
                    f"the log: {ctx.paths.log}; the kernel lives on, llmos halt ends it",
                )
            detail = " ".join(found.engine.detail.split()) or found.engine.state
            progress.show(detail, found.engine.elapsed_s)
            await ctx.sleep(POLL_S)
    except Interrupted:
        ctx.out.note("the kernel goes on loading; llmos status shows how far it is")
        raise
    except NoKernel as error:
        raise BootFailed(f"the kernel died: {error.message}", f"its log: {ctx.paths.log}") from None
    finally:
        progress.end()


class Progress:
    """What goes on, on stderr: a spinner on a terminal, else a line for each new thing."""

    FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"

    def __init__(self, out: Output) -> None:
        self._on_terminal = sys.stderr.isatty() and not out.as_json
        self._silent = out.as_json and not out.notes_progress
        self._last = ""
        self._count = 0

    def show(self, what: str, elapsed_s: float) -> None:
        what = harmless(what)
        if self._on_terminal:
            frame = self.FRAMES[self._count % len(self.FRAMES)]
            line = cut(f"{frame} {what} ({elapsed_s:.0f} s)", columns_of(sys.stderr) - 1)
            sys.stderr.write(f"\r{line}\x1b[K")
        elif what != self._last and not self._silent:
            sys.stderr.write(f"{what} ({elapsed_s:.0f} s)\n")
        sys.stderr.flush()
        self._last = what
        self._count += 1

    def end(self) -> None:
        if self._on_terminal and self._count:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


# ---- ending ------------------------------------------------------------------------------------


def _listens(paths: Paths) -> bool:
    try:
        Client(paths.socket).close()
    except ShellError:
        return False
    return True


def _lives(os_pid: int) -> bool:
    """Whether the operating system's process runs. A zombie has ended, whoever reaps it."""
    try:
        with open(f"/proc/{os_pid}/stat", encoding="ascii", errors="replace") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
