"""A pipeline of the interactive shell at work: its stages, connected by pipes of the kernel.

It has a connection of its own, which lives as long as it does, in the foreground or not. Agents are
one process group and hold their ends themselves: if the shell goes, they work on.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import json
import os
import signal
import sys

from ..arguments import root_of
from ..errors import Interrupted, KernelError, ShellError, Suspended, UsageError, mistake
from ..following import (
    EXIT_INTERRUPTED,
    EXIT_STOPPED,
    GRACE_S,
    exit_line,
    status_text,
    view_of,
)
from ..output import Output, harmless
from ..replacing import Replacement
from ..verb import TABLE, Context, Outcome, Verb, show, words
from ..verb import parse as parse_verb
from ..verbs.running import schema_of
from .command_line import APPENDED, INPUT, OUTPUT, TOLD, Line, Stage, parse
from .in_session import InSession

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .in_session import Session

MOST_AT_ONCE = 32_000
"""Characters of one write, well below what a request may hold."""

NOBODY_READS = 141
"""How a stage ends whose reader has had enough; that is no failure of the pipeline."""


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

    def __init__(self, pipeline: Pipeline, args: Any, rest: list[str], out: Output) -> None:
        super().__init__(pipeline.session, args, rest, out)
        self._pipeline = pipeline

    async def begun(self, pid: int) -> None:
        self._pipeline.has_begun(pid)


class Pipeline:
    """Started with `start`; `done` is the exit status of the last stage, when all have ended."""

    def __init__(self, session: Session, line: Line) -> None:
        self.session = session
        self.line = line
        self.pids: list[int] = []
        self.statuses: list[int | None] = [None] * len(line.stages)
        self.is_stopped = False
        self.in_foreground = not line.in_background
        self.began = asyncio.Event()
        self.done: asyncio.Future[int]
        self._commands: list[asyncio.subprocess.Process] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._verbs: list[asyncio.Task[None]] = []
        self._ending = False
        self._line_open = False
        self._said: list[str] = []
        self._out = Output()
        self._file: Replacement | None = None
        self._ctx = InSession(
            session, parse_verb(TABLE["run"], ["-"], in_session=True)[0], [], self._out
        )

    # ---- from the keyboard ----------------------------------------------------------------

    def start(self) -> None:
        self.done = asyncio.ensure_future(self._run())

    def has_begun(self, pid: int) -> None:
        self.pids.append(pid)
        self.began.set()

    def _close_line(self) -> None:
        if self._line_open:
            self._write("\n")

    async def stop(self) -> None:
        self._close_line()
        self.is_stopped, self.in_foreground = True, False
        await self._signal("STOP", signal.SIGSTOP)

    async def go_on(self, *, in_foreground: bool) -> None:
        self.is_stopped, self.in_foreground = False, in_foreground
        if in_foreground and self._said:
            self._write("".join(self._said))
            self._said.clear()
        await self._signal("CONT", signal.SIGCONT)

    async def end(self) -> None:
        """Ctrl-C: all of it. Who does not obey is killed."""
        self._ending = True
        await self._signal("CONT", signal.SIGCONT)
        await self._signal("INT", signal.SIGTERM)
        for verb in self._verbs:
            verb.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=GRACE_S)
            await self._signal("KILL", signal.SIGKILL)

    async def follow(self, ctx: InSession) -> Outcome:
        """In the foreground, to its end, unless Ctrl-Z comes before."""
        try:
            status = await asyncio.shield(self.done)
        except asyncio.CancelledError:
            if isinstance(ctx.why(), Suspended):
                await self.stop()
                self._as_job(stopped=True)
                return Outcome(status=EXIT_STOPPED)
            await self.end()
            with contextlib.suppress(asyncio.CancelledError, ShellError):
                await self.done
            status = EXIT_INTERRUPTED
        finally:
            self._close_line()
            if self.done.done() and self.pids:
                self.session.jobs.remove(self.pids[0])
        if verdict := self.verdict():
            ctx.out.note(verdict)
        return Outcome(status=status)

    async def leave_alone(self) -> Outcome:
        """For a line that ended in &."""
        await self.began.wait()
        if self.done.done() and (error := self.done.exception()) is not None:
            raise error
        number = self._as_job(stopped=False)
        return Outcome(None, f"[{number}] {self.pids[0]}" if self.pids else "")

    def _as_job(self, *, stopped: bool) -> int:
        jobs = self.session.jobs
        pid = self.pids[0] if self.pids else 0
        known = pid in jobs
        job = jobs.stopped(pid, self.line.text) if stopped else jobs.add(pid, self.line.text)
        job.work = self
        if not known:
            self.session.start(self._tell_the_end())
        return job.number

    async def _tell_the_end(self) -> None:
        try:
            await asyncio.wait([self.done])
            error = None if self.done.cancelled() else self.done.exception()
        except asyncio.CancelledError:
            raise Interrupted from None
        if self.in_foreground or self.done.cancelled():
            return
        job = self.session.jobs.remove(self.pids[0]) if self.pids else None
        number = job.number if job is not None else 0
        self.session.jobs.note(str(error) if error is not None else self.news(number))
        if error is None and (verdict := self.verdict()):
            self.session.jobs.note(verdict)

    async def _signal(self, name: str, number: signal.Signals) -> None:
        for command in self._commands:
            with contextlib.suppress(ProcessLookupError):
                if command.returncode is None:
                    os.killpg(command.pid, number)
        for pid in self.pids:
            with contextlib.suppress(KernelError):
                await self._ctx.ask("kill", pid=pid, signal=name)

    # ---- at work --------------------------------------------------------------------------

    async def _run(self) -> int:
        try:
            await self._start_stages()
            if self._ending:  # Ctrl-C has come while the last of them was being started
                await self._signal("KILL", signal.SIGKILL)
            await asyncio.gather(*self._tasks)
        except Interrupted:
            pass
        except ShellError:
            await self.end()
            raise
        except Exception as error:
            await self.end()
            raise mistake(error) from error
        finally:
            self._finish()
            self._ctx.close()
            self.began.set()
        return EXIT_INTERRUPTED if self._ending else self.statuses[-1] or 0

    def _finish(self) -> None:
        """The file takes its place, if all went well."""
        if self._file is None:
            return
        if self.failed or self._ending or None in self.statuses:
            self.session.jobs.note(
                f"{self._file.path} is as it was: not all of the pipeline succeeded"
            )
        else:
            self._file.commit()
        self._file.close()

    @property
    def failed(self) -> bool:
        *before, last = self.statuses
        return bool(last) or any(status not in (0, None, NOBODY_READS) for status in before)

    def verdict(self) -> str:
        """Each stage's status; nothing when all is well, or the one stage has told it itself."""
        if not self.failed or [stage.verb for stage in self.line.stages] in (["map"], ["pipe"]):
            return ""
        told = (
            f"{stage.text}: {'not done' if status is None else status_text(status)}"
            for stage, status in zip(self.line.stages, self.statuses, strict=True)
        )
        return "exit " + " | ".join(told)

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

    def news(self, job: int) -> str:
        """That it has ended, in a line."""
        status = EXIT_INTERRUPTED if self._ending else self.statuses[-1] or 0
        return exit_line(self.pids[0] if self.pids else 0, status, "".join(self._said), job)


def _content(path: str) -> str:
    try:
        with open(os.path.expanduser(path), "rb") as file:
            return file.read().decode("utf-8", "replace")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None


async def _line(ctx: Context) -> Outcome:
    assert isinstance(ctx, InSession)
    pipeline = Pipeline(ctx.session, parse(" ".join(ctx.args.line)))
    pipeline.start()
    if pipeline.line.in_background:
        return await pipeline.leave_alone()
    return await pipeline.follow(ctx)


PIPELINE = Verb("pipeline", "a line with pipes", (words("line", "the line"),), _line)
"""Not in the table: a line is recognised by what it holds."""
