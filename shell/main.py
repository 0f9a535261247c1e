"""The command `llmos`: finds the verb, runs it, and turns what came of it into an exit status."""

from __future__ import annotations

import gc
import os
import sys
import time

from .client import Client
from .errors import Interrupted, ShellError, UnknownVerb, mistake
from .output import Output
from .paths import Paths
from .verb import ANY_FILE, Context, Outcome, Verb, find, parse, run_to_end, show
from .verbs import TABLE as TABLE  # without it, there are none

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ..kernel.messages import ExitInfo

EXIT_INTERRUPTED = 130


def main(argv: list[str] | None = None) -> int:
    """The console script. Returns the exit status."""
    _ready_streams()
    try:
        status = _run(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # The reader (`| head -1`) has what it wanted. Python would complain at exit otherwise.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _ready_streams() -> None:
    """A closed stdout swallows, and no character is worth an exception."""
    for name in ("stdin", "stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w"))  # noqa: SIM115
        elif name != "stdin":
            stream.reconfigure(errors="replace")


def _run(argv: list[str]) -> int:
    if argv[:1] == ["--version"]:
        from .. import __version__

        print(f"llmos {__version__}")
        return 0
    if argv[:1] in (["-h"], ["--help"]):
        argv = ["help", *argv[1:]]
    elif not argv or argv[0].startswith("-"):
        argv = ["shell", *argv]
    is_script = argv[0] not in TABLE and os.path.isfile(argv[0])
    out = Output(as_json="--json" in argv and not is_script)  # which has it as an argument
    try:
        return _verb(_with_verb(argv) if is_script else argv, out)
    except ShellError as error:
        out.failure(error)
        return error.exit_status
    except Interrupted:
        out.failure(_interrupted())
        return EXIT_INTERRUPTED
    except SystemExit as end:  # argparse has shown its help
        return int(end.code or 0)
    except (BrokenPipeError, KeyboardInterrupt):
        raise
    except Exception as error:
        if os.environ.get("LLMOS_DEBUG"):
            raise
        out.failure(mistake(error))
        return 1


def _with_verb(argv: list[str]) -> list[str]:
    """`llmos FILE …` is `llmos source FILE …`."""
    from .scripts.lines import as_script

    return as_script(argv, Paths(None))


def _interrupted() -> ShellError:
    error = ShellError("interrupted")
    error.code = "EINTR"
    return error


def _verb(argv: list[str], out: Output) -> int:
    found = _found(argv, out)
    args, rest = parse(found, argv[1:])
    out.as_json = args.json  # behind a script's name it would be the script's
    if args.json and found.runs_scripts == ANY_FILE:
        out.keep_stdout()  # its lines are of anybody
    first, out = out, Output(as_json=args.json, verbose=args.verbose)
    out.share_stdout(first)
    with OneShot(args, rest, out, Paths(args.state_dir)) as ctx:
        outcome = run_to_end(found.handler(ctx))
    show(outcome, out)
    return outcome.status


def _found(argv: list[str], out: Output) -> Verb:
    """A verb of ours, or else of a plugin's, whose code may print as it likes."""
    try:
        return find(argv[0])
    except UnknownVerb:
        from .extensions import find as find_of_plugin

        if out.as_json:
            out.keep_stdout()
        own = argv[argv.index("--state-dir") + 1 :] if "--state-dir" in argv else []
        found = find_of_plugin(argv[0], Paths(own[0] if own else None))
        if found is None or found.kind == "session":
            raise
        return found


class OneShot(Context):
    """The context of a verb from the command line: everything blocks."""

    _client: Client | None = None

    def __enter__(self) -> OneShot:
        return self

    def __exit__(self, *_: object) -> None:
        if self._client is not None:
            self._client.close()

    def _connected(self) -> Client:
        if self._client is None:
            self._client = Client(self.paths.socket)
        return self._client

    async def ask(self, op: str, **fields: Any) -> Any:
        return self._connected().ask(op, **fields)

    async def event(self, pid: int, timeout_s: float | None = None) -> Any:
        return self._connected().event(pid, timeout_s)

    async def wait_any(self, pids: Sequence[int], timeout_s: float | None = None) -> ExitInfo:
        info: ExitInfo = self._connected().wait_any(pids, timeout_s)
        return info

    async def sleep(self, duration_s: float) -> None:
        try:
            time.sleep(duration_s)
        except KeyboardInterrupt:
            raise Interrupted from None

    async def enter(self, pid: int | None, *, own: bool = False) -> Outcome:
        # The garbage collector finds nothing while modules load, and takes a tenth of the time.
        gc.disable()
        from .interactive.repl import run

        gc.enable()
        return Outcome(status=run(self.paths, pid, own=own))
