"""The interactive shell: a line whose first word is a verb is a command, all else is said to
the session's agent.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal

from ...config import shell_settings
from .. import config_files, extensions
from ..async_client import AsyncClient
from ..errors import Interrupted, ShellError, UsageError, mistake
from ..live.folds import Folds
from ..output import Output
from ..parentage import FIRST
from ..verb import TABLE, Verb, parse, show
from . import line as lines
from .address import pid_of, speak_to
from .advice import advise, as_talk
from .command_line import is_pipeline
from .conversation import Conversation
from .in_session import InSession, Leave
from .job_table import Jobs
from .pipeline import PIPELINE
from .prompt import prompt_of
from .stage import Keyboard, MadeWay, Stage
from .toolbar import Toolbar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ...kernel.messages import ProcessInfo
    from ..paths import Paths
    from ..verb import Handler

BACKGROUND = " &"
TO_THE_AGENT = "to say this to the agent, begin with ?"


def run(paths: Paths, pid: int | None = None, *, own: bool = False) -> int:
    """Runs the shell until the user leaves, talking to process `pid` if one is given. It ends with
    the shell if it is its `own`."""
    paths.make_state_dir()
    return asyncio.run(Shell(paths).main(pid, own=own))


class Shell:
    """One session: a prompt, a conversation, and the jobs that were started here."""

    parent = FIRST

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        settings = shell_settings.read(config_files.of_kernel(paths))
        if not settings["colour"]:
            os.environ["NO_COLOR"] = "1"  # prompt_toolkit reads it there, as we do
        if not settings["rendered"]:
            os.environ["LLMOS_PLAIN"] = "1"
        self.client = AsyncClient(paths.socket, self._on_event, self._lost, self._back)
        self._toolbar = Toolbar(self.client, lambda: self.stage.refresh())
        prompt = prompt_of(
            self.client,
            paths,
            self._toolbar,
            jobs=lambda: self.jobs.refresh(),
            refresh=lambda: self.stage.refresh(),
            unfold=self._unfold,
            settings=settings,
        )
        self.stage = Stage(prompt)
        self.jobs = Jobs(self.client, self.stage)
        self.folds = Folds()
        self.conversation = Conversation(self.client, self.stage, self.jobs, self.folds)
        self._keyboard = Keyboard()
        self._on_interrupt: Callable[[], object] | None = None
        self._on_suspend: Callable[[], object] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def main(self, pid: int | None, *, own: bool = False) -> int:
        """The loop. Returns the exit status."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self._interrupt)
        loop.add_signal_handler(signal.SIGTSTP, self._suspend)
        if pid is not None:
            await self.conversation.attach(pid)
            self.conversation.is_own(own)
        poll = asyncio.create_task(self._toolbar.poll())
        try:
            with self._keyboard.ours():
                if self.conversation.is_speaking:
                    with contextlib.suppress(Interrupted):
                        await self._foreground(self.conversation.follow())
                while await self._turn():
                    pass
        finally:
            poll.cancel()
            self.client.close()
        return 0

    async def _turn(self) -> bool:
        """One line from the user, or one answer that came unasked. False when it was the last."""
        try:
            line = await self.stage.prompt()
        except KeyboardInterrupt:
            return True
        except MadeWay:
            with contextlib.suppress(Interrupted):
                await self._foreground(self.conversation.follow())
            return True
        except EOFError:
            await self._detach()
            return False
        return await self._obey(line)

    async def _obey(self, line: str) -> bool:
        try:
            await self._dispatch(line.strip())
        except Leave:
            await self.conversation.leave()
            return False
        except UsageError as error:
            error.hint = f"{error.hint}\n  {TO_THE_AGENT}".strip()
            Output().failure(error)
        except ShellError as error:
            Output().failure(error)
        except (Interrupted, SystemExit):
            pass
        except Exception as error:
            if os.environ.get("LLMOS_DEBUG"):
                raise
            Output().failure(mistake(error))
        return True

    # ---- lines ----------------------------------------------------------------------------

    async def _dispatch(self, line: str) -> None:
        first = line.split(None, 1)[0] if line else ""
        if not line:
            return
        found = TABLE.get(first) or extensions.find(first, self.paths)
        line = lines.joined(line, found)
        addressed = lines.addressed(line)
        if is_pipeline(line):
            await self._run(PIPELINE, ["--", line])
        elif line[0] == lines.SYSTEM:
            await self._system(line[1:].strip())
        elif line[0] == lines.SAY:
            await self._say(line[1:].strip())
        elif addressed:
            await self._address(*addressed)
        elif line == BACKGROUND.strip() or line.endswith(BACKGROUND):
            await self._background(found, line.removesuffix(BACKGROUND.strip()).rstrip())
        elif found and found.kind != "outside" and ("\n" not in line or found.takes_words):
            await self._verb(found, line)
        else:
            if note := await as_talk(self.client, self.paths, line):
                self.stage.note(note)
            await self._say(line)

    async def _background(self, found: Verb | None, line: str) -> None:
        """A line that ended in &: a task for a process of its own."""
        if found is None or found.kind == "outside":
            if not line:
                raise UsageError("there is no task before the &", "list the files &")
            await self._run(TABLE["spawn"], ["--", line], in_background=True)
        elif found.name in ("run", "spawn"):
            await self._run(found, lines.arguments_of(found, line), in_background=True)
        else:
            raise UsageError(
                f"{found.name} does not go into the background", "a task does: run … &"
            )

    async def _say(self, text: str) -> None:
        if text:
            await self._foreground(self.conversation.say(text))

    async def _address(self, who: str, text: str) -> None:
        """`@5 text`: said to another process, whose turn is shown; this conversation goes on."""
        pid = await pid_of(self.client, who)
        if pid == self.conversation.pid:
            await self._say(text)
        elif text.endswith(BACKGROUND):
            await self._run(TABLE["send"], [str(pid), "--", text.removesuffix(BACKGROUND)])
        else:
            args, rest = parse(TABLE["send"], [str(pid), "--", text], in_session=True)
            await self._drive(InSession(self, args, rest, Output()), speak_to)

    async def _foreground(self, saying: Any) -> None:
        """A turn, which Ctrl-C interrupts and Ctrl-Z stops."""
        task = asyncio.ensure_future(saying)

        def interrupt() -> None:
            self.start(self.conversation.interrupt())
            task.cancel()

        def suspend() -> None:
            if self.conversation.step_aside():
                self.start(self.conversation.stop())
                task.cancel()

        try:
            with self.stage.in_front(self.conversation.place):
                await self._until_done(task, interrupt, suspend)
        except asyncio.CancelledError:
            raise Interrupted from None

    async def _until_done(
        self, task: Any, interrupt: Callable[[], object], suspend: Callable[[], object]
    ) -> Any:
        """The result of a task that has the keyboard's signals."""
        self._on_interrupt, self._on_suspend = interrupt, suspend
        try:
            return await task
        finally:
            self._on_interrupt = self._on_suspend = None

    async def _verb(self, found: Verb, line: str) -> None:
        await self._run(found, lines.arguments_of(found, line))

    async def _run(self, found: Verb, argv: list[str], *, in_background: bool = False) -> None:
        try:
            args, rest = parse(found, argv, in_session=True)
        except ShellError as error:
            raise await advise(self.client, error, argv) from None
        ctx = InSession(self, args, rest, Output(as_json=args.json, verbose=args.verbose))
        ctx.in_background = in_background
        try:
            await self._drive(ctx, found.handler)
        except ShellError as error:
            error = await advise(self.client, error, argv)
            if not args.json:
                raise error from None
            ctx.out.failure(error)
        if ctx.shows_turn:
            await self._foreground(self.conversation.follow())

    async def _drive(self, ctx: InSession, handler: Handler) -> None:
        """Runs a verb's body in the foreground, and shows what came of it."""
        task = asyncio.ensure_future(handler(ctx))

        def suspend() -> None:
            ctx.suspend()
            task.cancel()

        try:
            show(await self._until_done(task, task.cancel, suspend), ctx.out)
        except asyncio.CancelledError:
            raise Interrupted from None
        finally:
            ctx.close()

    async def _system(self, command: str) -> None:
        """The system's shell, with the terminal to itself."""
        shell = os.environ.get("SHELL", "/bin/sh")
        status = await self.with_terminal([shell, "-c", command] if command else [shell])
        if status:
            self.stage.note(f"exit {status}")

    async def with_terminal(self, command: list[str]) -> int:
        """Runs a program that has the terminal to itself: its exit status."""
        from subprocess import run as run_command

        loop = asyncio.get_running_loop()
        # Ctrl-Z stops the command and this shell together, as one job of the system's shell: a
        # command that alone was stopped would be waited for, and nobody could continue it.
        loop.remove_signal_handler(signal.SIGTSTP)
        try:
            with self._keyboard.lent():
                ended = await loop.run_in_executor(None, lambda: run_command(command, check=False))
        finally:
            loop.add_signal_handler(signal.SIGTSTP, self._suspend)
        return ended.returncode

    # ---- leaving --------------------------------------------------------------------------

    async def _detach(self) -> None:
        """Ctrl-D. All processes live on."""
        try:
            processes: list[ProcessInfo] = (await self.client.ask("ps")).processes
        except ShellError:
            return
        num_alive = sum(info.exit_status is None and info.parent > 0 for info in processes)
        if num_alive:
            lives = "1 process lives" if num_alive == 1 else f"{num_alive} processes live"
            pid = self.conversation.pid
            back = f", llmos attach {pid} to this conversation" if pid else ""
            self.stage.note(f"detached: {lives} on; llmos attaches again{back}")

    # ---- news -----------------------------------------------------------------------------

    def _interrupt(self) -> None:
        if self._on_interrupt is not None:
            self._on_interrupt()

    def _suspend(self) -> None:
        if self._on_suspend is not None:
            self._on_suspend()

    def _on_event(self, event: Any) -> None:
        is_partner = event.pid == self.conversation.pid
        self.conversation.on_event(event)
        if not is_partner:
            self.jobs.on_event(event)

    def _lost(self) -> None:
        self.conversation.lost()
        self.stage.note("the kernel is gone; boot starts it again")

    async def _back(self) -> None:
        """The connection stands again after it was lost."""
        self.stage.note("the kernel is back")
        await self.conversation.rejoin()
        await self.jobs.rejoin()

    def start(self, coroutine: Any) -> None:
        """Runs beside everything else; what goes wrong is told, not raised."""

        async def guarded() -> None:
            try:
                await coroutine
            except (ShellError, Interrupted) as error:
                self.stage.note(str(error))

        task = asyncio.ensure_future(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _unfold(self) -> None:
        """Ctrl-O at the prompt; pressed again, what was folded before that."""
        text = self.folds.turn()
        self.stage.note(text if text is not None else "nothing more was folded")
