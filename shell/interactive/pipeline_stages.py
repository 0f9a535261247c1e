"""The stages of a pipeline at work: agents, other verbs and commands of the system.

Each reads what the one before it says through a pipe of the kernel.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import json
import os
import sys

from ..arguments import root_of
from ..errors import Interrupted, KernelError, ShellError, UsageError
from ..following import view_of
from ..output import Output, harmless
from ..replacing import Replacement
from ..verb import TABLE, show
from ..verb import parse as parse_verb
from ..verbs.running import schema_of
from .command_line import APPENDED, INPUT, OUTPUT, TOLD, Line, Stage
from .in_session import InSession

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .in_session import Session

MOST_AT_ONCE = 32_000
"""Characters of one write, well below what a request may hold."""


class Captured(Output):
    """What a verb says, as a text."""

    def __init__(self) -> None:
        super().__init__()
        self.is_tty, self.width = False, None
        self.notes_progress = False
        self.parts: list[str] = []

    def data(self, text: str) -> None:
        self.parts.append(text)


class StageContext(InSession):
    """Of a verb that is a stage: the processes that it starts are the pipeline's."""

    def __init__(self, stages: Stages, args: Any, rest: list[str], out: Output) -> None:
        super().__init__(stages.session, args, rest, out)
        self._stages = stages

    async def begun(self, pid: int) -> None:
        self._stages.has_begun(pid)


class Stages:
    """Those of one line. Each puts its exit status into `statuses` when it has ended."""

    def __init__(self, session: Session, line: Line) -> None:
        self.session = session
        self.line = line
        self.pids: list[int] = []
        self.statuses: list[int | None] = [None] * len(line.stages)
        self.in_foreground = not line.in_background
        self.began = asyncio.Event()
        self._commands: list[asyncio.subprocess.Process] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._verbs: list[asyncio.Task[None]] = []
        self._ending = False
        self._line_open = False
        self._said: list[str] = []
        self._file: Replacement | None = None
        self._ctx = InSession(
            session, parse_verb(TABLE["run"], ["-"], in_session=True)[0], [], Output()
        )

    def has_begun(self, pid: int) -> None:
        self.pids.append(pid)
        self.began.set()

    async def _start_stages(self) -> None:
        """Names the stage that cannot begin; then nothing of the pipeline goes on."""
        stdin: int | None = None
        for number, stage in enumerate(self.line.stages):
            if self._ending:
                return
            is_last = number == len(self.line.stages) - 1
            stdout = None if is_last else (await self._ctx.ask("pipe")).pipe
            try:
                if is_last and (path := stage.files.get(OUTPUT) or stage.files.get(APPENDED)):
                    self._file = Replacement(path, appends=APPENDED in stage.files)
                fed = _content(stage.files[INPUT]) if INPUT in stage.files else ""
                if stage.command:
                    await self._start_command(number, stage, stdin, stdout)
                elif stage.verb == "run":
                    await self._start_agent(number, stage, fed, stdin, stdout)
                else:
                    self._verbs.append(self._begin(self._verb(number, stage, fed, stdin, stdout)))
            except ShellError as error:
                error.message = f"stage {number + 1} ({stage.text}): {error.message}"
                raise
            stdin = stdout

    def _begin(self, work: Any) -> asyncio.Task[None]:
        async def until_the_shell_ends() -> None:
            with contextlib.suppress(Interrupted):
                await work

        task = asyncio.ensure_future(until_the_shell_ends())
        self._tasks.append(task)
        return task

    # ---- an agent -------------------------------------------------------------------------

    async def _start_agent(
        self, number: int, stage: Stage, fed: str, stdin: int | None, stdout: int | None
    ) -> None:
        args, _ = parse_verb(TABLE["run"], stage.words[1:], in_session=True)
        if args.timeout is not None:
            raise UsageError("no --timeout in a pipeline", f"--limit wall_s={args.timeout:g}")
        task = "\n\n".join(part for part in (" ".join(args.prompt), fed) if part.strip())
        if not task:
            raise UsageError("there is no task", 'run "what it does"')
        born = await self._ctx.ask(
            "spawn", task=task, root=root_of(args.root), name=args.name, program=args.program,
            interactive=False, attach=True, nice=args.nice, tools=args.tools,
            limits=dict(args.limit), budget=args.budget, stdin=stdin, stdout=stdout,
            output_schema=schema_of(args.output_schema),
            group=self.pids[0] if self.pids else None,
        )  # fmt: skip
        for pipe, end in ((stdin, "read"), (stdout, "write")):
            if pipe is not None:
                await self._ctx.ask("pipe_close", pipe=pipe, end=end)
        self.has_begun(born.pid)
        told = Replacement(stage.files[TOLD]) if TOLD in stage.files else None
        self._begin(self._agent(number, born.pid, args.json, stdout is None, told))

    async def _agent(
        self, number: int, pid: int, as_json: bool, is_last: bool, told: Replacement | None
    ) -> None:
        """To its end. On the terminal the last one is seen as it speaks."""
        streams = is_last and self._file is None and not as_json
        view = view_of(self._ctx, streams=False)
        if told is not None:
            view = type(view)(None, told.write, lambda: 1000)
        elif not is_last:
            view = type(view)(None, None, lambda: 80)
        heard = False
        while (event := await self._ctx.event(pid)).event != "exit":
            if event.event == "text" and streams:
                heard = True
                self._write(harmless(event.text))
            elif self.in_foreground or told is not None:
                view.show(event)
        if told is not None:
            told.commit()
            told.close()
        info = await self._ctx.ask("wait", pid=pid)
        self.statuses[number] = info.status
        if is_last and as_json:
            document = {"ok": not info.status, **info}
            self._write(json.dumps(document, indent=2) + "\n")
        elif is_last:
            self._write("\n" if heard else harmless(info.output).rstrip("\n") + "\n")

    # ---- another verb ---------------------------------------------------------------------

    async def _verb(
        self, number: int, stage: Stage, fed: str, stdin: int | None, stdout: int | None
    ) -> None:
        """It reads all before it begins, and is heard when it has ended."""
        if stdin is not None:
            fed = "".join([text async for text in self._texts(stdin)])
        found = TABLE[stage.verb]
        args, rest = parse_verb(found, stage.words[1:], in_session=True)
        is_alone = stdout is None and self._file is None and self.in_foreground
        out = Output(as_json=args.json) if is_alone else Captured()
        out.as_json = args.json
        ctx = StageContext(self, args, rest, out)
        ctx.fed, ctx.in_background = fed or None, not is_alone
        try:
            outcome = await found.handler(ctx)
            if is_alone:
                show(outcome, out)
            elif args.json:
                out.data(
                    json.dumps({"ok": not outcome.status, **outcome.document}, indent=2) + "\n"
                )
            else:
                out.line(outcome.text)
        except ShellError as error:
            error.message = f"stage {number + 1} ({stage.text}): {error.message}"
            raise
        finally:
            ctx.close()
        self.statuses[number] = outcome.status
        if isinstance(out, Captured):
            await self._give(harmless("".join(out.parts)), stdout)

    # ---- a command of the system ----------------------------------------------------------

    async def _start_command(
        self, number: int, stage: Stage, stdin: int | None, stdout: int | None
    ) -> None:
        """It gets no terminal, which may be the prompt's again before it ends; its group is its
        own, so that it can be stopped."""
        pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
        command = await asyncio.create_subprocess_exec(
            os.environ.get("SHELL", "/bin/sh"), "-c", stage.command,
            stdin=nothing if stdin is None else pipe, stdout=pipe,
            start_new_session=True,
        )  # fmt: skip
        self._commands.append(command)
        self._begin(self._command(number, command, stdin, stdout))

    async def _command(
        self,
        number: int,
        command: asyncio.subprocess.Process,
        stdin: int | None,
        stdout: int | None,
    ) -> None:
        assert command.stdout is not None
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        feeding = asyncio.ensure_future(self._feed(command, stdin))
        try:
            while data := await command.stdout.read(MOST_AT_ONCE):
                await self._give(decoder.decode(data), stdout, more=True)
            await self._give("", stdout)
            status = await command.wait()
            self.statuses[number] = status if status >= 0 else 128 - status
        finally:
            feeding.cancel()
        with contextlib.suppress(asyncio.CancelledError, Interrupted):
            await feeding

    async def _feed(self, command: asyncio.subprocess.Process, stdin: int | None) -> None:
        """What the stage before it says. If the command wants no more, neither do we."""
        if stdin is None or command.stdin is None:
            return
        try:
            async for text in self._texts(stdin):
                command.stdin.write(text.encode("utf-8", "replace"))
                await command.stdin.drain()
        except ConnectionError:
            pass
        finally:
            command.stdin.close()
            with contextlib.suppress(KernelError, Interrupted):
                await self._ctx.ask("pipe_close", pipe=stdin, end="read")

    # ---- text -----------------------------------------------------------------------------

    async def _texts(self, pipe: int) -> Any:
        eof = False
        while not eof:
            part = await self._ctx.ask("pipe_read", pipe=pipe)
            eof = part.eof
            yield part.text

    async def _give(self, text: str, stdout: int | None, *, more: bool = False) -> None:
        """To the next stage, or to whoever reads the last one."""
        if stdout is None:
            self._write(harmless(text))
            return
        with contextlib.suppress(KernelError):  # nobody reads on
            for start in range(0, len(text), MOST_AT_ONCE):
                part = text[start : start + MOST_AT_ONCE]
                await self._ctx.ask("pipe_write", pipe=stdout, text=part)
        if not more:
            await self._ctx.ask("pipe_close", pipe=stdout, end="write")

    def _write(self, text: str) -> None:
        """Of the last stage: into its file, on the screen, or kept while it is in the
        background."""
        if self._file is not None:
            self._file.write(text)
        elif self.in_foreground and text:
            sys.stdout.write(text)
            sys.stdout.flush()
            self._line_open = not text.endswith("\n")
        else:
            self._said.append(text)


def _content(path: str) -> str:
    try:
        with open(os.path.expanduser(path), "rb") as file:
            return file.read().decode("utf-8", "replace")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
