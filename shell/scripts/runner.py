"""A script at work. It is a process of its own, a guest of this connection; its lines run one
after the other, below it, and the first that fails ends it.

What a line started in the foreground ends with the script. What went into the background lives on
when the script ends by itself, well or not, as in Unix; Ctrl-C, a limit, and whoever ends the
script's process end all of it.
"""

from __future__ import annotations

import contextlib
import os
import sys

from ..arguments import root_of
from ..errors import Interrupted, KernelError, NoKernel, ShellError, mistake
from ..following import EXIT_INTERRUPTED, status_text
from ..output import Output, explained, one_line
from ..script import end_program, follow_program
from ..verb import TABLE, Context, Outcome, parse, show
from .line_context import Below, LineContext
from .lines import statement
from .talk import pid_of, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any

    from .lines import Line, Statement
    from .parameters import Parameters

WIDEST_LINE = 60


class Leaves(Exception):
    """The script has said exit."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Kept(Output):
    """What a verb writes by itself, when stdout is for one document."""

    def __init__(self, verbose: bool) -> None:
        super().__init__(as_json=True, verbose=verbose)
        self.is_tty, self.width = False, None
        self.parts: list[str] = []
        self.documents: list[dict[str, Any]] = []

    def data(self, text: str) -> None:
        self.parts.append(text)

    def document(self, document: dict[str, Any]) -> None:
        self.documents.append(document)


class Runner:
    """One run of a script: `ctx` is that of the verb, whose connection it has."""

    def __init__(self, ctx: Context, path: str, lines: list[Line], given: Parameters) -> None:
        self._ctx = ctx
        self._path = path
        self._lines = lines
        self._given = given
        self._below: Below
        self._agent: int | None = None
        self._told: list[dict[str, Any]] = []
        """With `--json`: of each line."""

    async def run(self) -> Outcome:
        """To its end; the status is that of the last line that failed, or 0."""
        self._below = Below(await self._open())
        status, kept = EXIT_INTERRUPTED, False
        try:
            status = await self._run_lines()
            kept = not self._below.interrupted
        except Leaves as leaving:
            status, kept = leaving.status, True
        except Interrupted:
            pass
        finally:
            await self._close(status, self._below.background if kept else [])
        document: dict[str, Any] = {"file": self._path, "pid": self._below.pid, "status": status}
        if kept:
            document["background"] = await self._mention_living()
        failed = [told["error"] for told in self._told if "error" in told]
        if status and failed:
            document["error"] = failed[-1]
        return Outcome(document | {"lines": self._told}, status=status)

    async def _open(self) -> int:
        args = self._ctx.args
        opened = await self._ctx.ask(
            "open_guest",
            root=self._folder,
            name=args.name or os.path.basename(self._path),
            tools=args.tools,
            limits=dict(args.limit),
            budget=args.budget,
            nice=args.nice,
            attach=True,
        )
        return int(opened.pid)

    @property
    def _folder(self) -> str:
        return root_of(os.path.dirname(os.path.abspath(os.path.expanduser(self._path))))

    async def _close(self, status: int, keep: list[int]) -> None:
        with contextlib.suppress(ShellError, Interrupted):  # it has ended already
            await self._ctx.ask("close_guest", pid=self._below.pid, status=status, keep=keep)

    async def _mention_living(self) -> list[int]:
        """Who lives on."""
        if not self._below.background:
            return []
        try:
            listed = (await self._ctx.ask("ps")).processes
        except ShellError:  # the kernel is gone; they come back with it
            return self._below.background
        alive = {info.pid for info in listed if info.exit_status is None}
        living = [pid for pid in self._below.background if pid in alive]
        if living and not self._ctx.out.as_json and not self._ctx.in_session:
            pids = ", ".join(map(str, living))
            self._ctx.out.progress(f"still at work: {pids} (llmos logs PID shows what one says)")
        return living

    # ---- line after line ------------------------------------------------------------------

    async def _run_lines(self) -> int:
        status = 0
        for line in self._lines:
            try:
                await self._look()
                if self._below.ended is None:
                    failed = await self._run_line(line)
                    status = failed or status
            except NoKernel as error:
                self._fail(line, error, error.exit_status)
                raise Leaves(error.exit_status) from None
            if self._below.ended is not None:
                self._fail(line, _ended(self._below), self._below.ended)
                return self._below.ended
            if failed and not self._ctx.args.keep_going:
                return failed
        return status

    async def _run_line(self, line: Line) -> int:
        """Its status. What failed has been told, unless it is that the script has been ended."""
        out = self._output()
        error: ShellError | None = None
        try:
            outcome = await self._outcome(line, out)
        except SystemExit as end:  # argparse has shown its help
            outcome = Outcome(status=int(end.code or 0))
        except (Interrupted, Leaves, NoKernel, BrokenPipeError):
            raise
        except Exception as raised:
            if os.environ.get("LLMOS_DEBUG") and not isinstance(raised, ShellError):
                raise
            error = raised if isinstance(raised, ShellError) else mistake(raised)
            outcome = Outcome(status=error.exit_status)
        if self._below.interrupted:
            raise Interrupted
        self._show(line, outcome, out)
        if outcome.status:
            await self._look()  # it may be the script that was ended
            if self._below.ended is None:
                self._fail(line, error or _why(line, outcome), outcome.status)
        return outcome.status

    def _output(self) -> Output:
        verbose = self._ctx.args.verbose
        return Kept(verbose) if self._ctx.out.as_json else Output(verbose=verbose)

    def _show(self, line: Line, outcome: Outcome, out: Output) -> None:
        """What came of a line, shown or put by."""
        if not isinstance(out, Kept):
            show(outcome, out)
            return
        told: dict[str, Any] = {"line": line.number, "text": line.text}
        told |= {"status": outcome.status, "result": outcome.document}
        told |= {"output": "".join(out.parts)} if out.parts else {}
        told |= {"documents": out.documents} if out.documents else {}
        self._told.append(told)

    def _fail(self, line: Line, error: ShellError, status: int) -> None:
        """Told as FILE:LINE."""
        error.message = f"{self._path}:{line.number}: {error.message}"
        if not self._ctx.out.as_json:
            self._ctx.out.failure(error)
            return
        if not self._told or self._told[-1]["line"] != line.number:  # it has not even begun
            self._told.append({"line": line.number, "text": line.text, "status": status})
        self._told[-1]["error"] = explained(error)

    async def _look(self) -> None:
        """What was told of the script's process meanwhile. While it is stopped, nothing goes on."""
        ctx = self._context(Output())
        while self._below.ended is None:
            try:
                await ctx.event(self._below.pid, None if self._below.is_stopped else 0.001)
            except TimeoutError:
                return

    # ---- one line -------------------------------------------------------------------------

    def _context(self, out: Output, made: Statement | None = None) -> LineContext:
        if made is None or made.kind != "verb":
            args, rest = parse(TABLE["spawn"], [], in_session=True)  # all that it needs is --json
            return LineContext(self._ctx, self._below, args, rest, out)
        ctx = LineContext(self._ctx, self._below, made.args, made.rest, out, made.verb.name)
        ctx.in_background = made.in_background
        return ctx

    async def _outcome(self, line: Line, out: Output) -> Outcome:
        made = statement(line, self._given, self._ctx.paths)
        if made.kind == "verb" and (made.args.json or made.args.verbose) and not out.as_json:
            out = Output(as_json=made.args.json, verbose=made.args.verbose)
        ctx = self._context(out, made)
        match made.kind:
            case "exit":
                raise Leaves(made.status)
            case "system":
                return await self._system(ctx, made.text)
            case "say":
                return await self._talk(ctx, made.text)
            case "address":
                return await say(ctx, await pid_of(ctx, made.who, self._below.pid), made.text)
            case "wait":
                return await self._wait(ctx)
            case "pipeline":
                from .piping import run_pipeline

                return await run_pipeline(self._ctx, self._below, made.line, out)
        outcome = await self._verb(ctx, made)
        if ctx.out is not self._ctx.out and ctx.out.as_json and not self._ctx.out.as_json:
            show(outcome, ctx.out)  # a line's own --json
            return Outcome(status=outcome.status)
        return outcome

    async def _verb(self, ctx: LineContext, made: Statement) -> Outcome:
        num_before = len(self._below.background)
        outcome = await made.verb.handler(ctx)
        if len(self._below.background) > num_before:
            self._given.last = self._below.background[-1]
        if made.in_background and not ctx.in_session:
            ctx.out.progress(f"in the background: {self._given.last}")
            outcome.text = ""
        return outcome

    async def _talk(self, ctx: LineContext, text: str) -> Outcome:
        """To the script's own agent, which the first text brings to life."""
        if self._agent is None:
            args = self._ctx.args
            born = await ctx.ask(
                "spawn",
                root=self._folder,
                name=args.name or os.path.basename(self._path),
                interactive=True,
                attach=True,
                tools=args.tools,
            )
            self._agent = int(born.pid)
        outcome = await say(ctx, self._agent, text)
        if outcome.document.get("turn") == "exit":
            self._agent = None
        return outcome

    async def _wait(self, ctx: LineContext) -> Outcome:
        """For all in the background that have a task; their answers, in the order of their birth.
        The status is that of the last one that failed."""
        status, documents = 0, []
        for pid in list(self._below.waited_for):
            args, rest = parse(TABLE["wait"], [str(pid)], in_session=True)
            waiting = LineContext(self._ctx, self._below, args, rest, ctx.out, "wait")
            outcome = await TABLE["wait"].handler(waiting)
            status = outcome.status or status
            documents.append(outcome.document)
            if not ctx.out.as_json:
                show(outcome, ctx.out)
        return Outcome({"waited": documents}, status=status)

    async def _system(self, ctx: LineContext, text: str) -> Outcome:
        """A command of the system's shell, which has the script's arguments for its own."""
        from .program import Program

        where = {
            "LLMOS_SOCKET": ctx.paths.socket,
            "LLMOS_STATE_DIR": ctx.paths.state_dir,
            "LLMOS_PARENT": str(self._below.pid),
        }
        argv = self._given.system_argv(text)
        sys.stdout.flush()
        with contextlib.ExitStack() as stack:
            written = stack.enter_context(_file()) if ctx.out.as_json else None
            program = Program(argv, env=os.environ | where, stdout=written)
            try:
                status = await follow_program(ctx, self._below.pid, program)
            finally:
                end_program(program)
            if written is None:
                return Outcome(status=status)
            written.seek(0)
            return Outcome({"output": written.read().decode("utf-8", "replace")}, status=status)


def _file() -> IO[bytes]:
    from tempfile import TemporaryFile

    return TemporaryFile()


def _why(line: Line, outcome: Outcome) -> ShellError:
    """The failure of a line that has told it by its status alone."""
    given = outcome.document.get("error") or {}
    words = f"{one_line(line.text, WIDEST_LINE)}: exit {status_text(outcome.status)}"
    return KernelError(
        given.get("code", "EXIT"), given.get("message", words), given.get("hint", "")
    )


def _ended(below: Below) -> ShellError:
    status = status_text(below.ended or 0)
    error = ShellError(f"the script's process {below.pid} has ended with {status}")
    error.code = "EXIT"
    return error
