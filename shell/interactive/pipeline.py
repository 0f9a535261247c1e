"""A pipeline of the interactive shell: a job whose stages are connected by pipes of the kernel.

It has a connection of its own, which lives as long as it does, in the foreground or not. Agents are
one process group and hold their ends themselves: if the shell goes, they work on.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal

from ..errors import Interrupted, KernelError, ShellError, Suspended, mistake
from ..following import EXIT_INTERRUPTED, EXIT_STOPPED, GRACE_S, exit_line, status_text
from ..verb import Context, Outcome, Verb, words
from .command_line import Line, parse
from .in_session import InSession
from .pipeline_stages import Stages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .in_session import Session

NOBODY_READS = 141
"""How a stage ends whose reader has had enough; that is no failure of the pipeline."""


class Pipeline(Stages):
    """Started with `start`; `done` is the exit status of the last stage, when all have ended."""

    def __init__(self, session: Session, line: Line) -> None:
        super().__init__(session, line)
        self.is_stopped = False
        self.done: asyncio.Future[int]

    # ---- from the keyboard ----------------------------------------------------------------

    def start(self) -> None:
        self.done = asyncio.ensure_future(self._run())

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

    def news(self, job: int) -> str:
        """That it has ended, in a line."""
        status = EXIT_INTERRUPTED if self._ending else self.statuses[-1] or 0
        return exit_line(self.pids[0] if self.pids else 0, status, "".join(self._said), job)


async def _line(ctx: Context) -> Outcome:
    assert isinstance(ctx, InSession)
    pipeline = Pipeline(ctx.session, parse(" ".join(ctx.args.line)))
    pipeline.start()
    if pipeline.line.in_background:
        return await pipeline.leave_alone()
    return await pipeline.follow(ctx)


PIPELINE = Verb("pipeline", "a line with pipes", (words("line", "the line"),), _line)
"""Not in the table: a line is recognised by what it holds."""
