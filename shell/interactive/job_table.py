"""The jobs of one interactive shell: the processes that it started in the background or stopped.

A job is a number for a pid, and no more: how the process is, the kernel knows. Its number stays
until it has ended; the next job gets one more than the highest. News of jobs go above the prompt.
"""

from __future__ import annotations

from ..errors import ShellError
from ..following import exit_line
from ..job import Job
from ..output import harmless

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ...kernel.messages import ProcessInfo
    from ..async_client import AsyncClient
    from .stage import Stage

LONGEST_NEWS = 400


class Jobs:
    """The table, the newest job last, and the news."""

    def __init__(self, client: AsyncClient, stage: Stage) -> None:
        self._client = client
        self._stage = stage
        self._jobs: dict[int, Job] = {}
        """By pid. The last one is the current one (`%+`)."""

    def __contains__(self, pid: int | None) -> bool:
        return pid in self._jobs

    def add(self, pid: int, name: str) -> Job:
        """The job of a process, which is the current one from here on."""
        job = self._jobs.pop(pid, None)
        if job is None:
            number = max((one.number for one in self._jobs.values()), default=0) + 1
            job = Job(number, pid, name)
        self._jobs[pid] = job
        job.in_foreground = False
        return job

    def remove(self, pid: int) -> Job | None:
        return self._jobs.pop(pid, None)

    def find(self, named: str | None) -> Job:
        """`%1`, `%+` or `%%` (the current one, as None), `%-` (the one before), or a pid."""
        if not self._jobs:
            raise ShellError("there are no jobs", "a task with & behind it becomes one")
        newest = list(reversed(self._jobs.values()))
        if named in (None, "%", "%+", "%%"):
            return newest[0]
        if named == "%-":
            return newest[min(1, len(newest) - 1)]
        assert named is not None
        word = named.removeprefix("%")
        for job in newest:
            if word == str(job.number if named[0] == "%" else job.pid):
                return job
        listed = ", ".join(f"%{job.number} (pid {job.pid})" for job in newest[::-1])
        raise ShellError(f"there is no job {named}", f"there are {listed}")

    def mark(self, job: Job) -> str:
        """`+` for the current job, `-` for the one before it."""
        newest = list(reversed(self._jobs.values()))
        return "+" if newest[:1] == [job] else "-" if newest[1:2] == [job] else " "

    async def refresh(self) -> list[Job]:
        """All jobs by number, with their states, and without those that have ended."""
        listed: list[ProcessInfo] = (await self._client.ask("ps")).processes
        states = {info.pid: info.state for info in listed if info.exit_status is None}
        for job in self._jobs.values():
            if job.work is not None and not job.work.done.done():
                states[job.pid] = "stopped" if job.work.is_stopped else "running"
        for pid in [pid for pid in self._jobs if pid not in states]:
            self._jobs.pop(pid)
        for pid, job in self._jobs.items():
            job.state, job.mark = states[pid], self.mark(job)
        return sorted(self._jobs.values(), key=lambda job: job.number)

    # ---- news -----------------------------------------------------------------------------

    async def watch(self, pid: int) -> None:
        """Has the kernel tell what becomes of a job."""
        info: ProcessInfo = await self._client.ask("attach", pid=pid)
        if info.exit_status is not None and pid in self:
            pages = (await self._client.ask("logs", pid=pid)).pages
            self._exited(pid, info.exit_status, pages[-1].text if pages else "")

    async def rejoin(self) -> None:
        """After the kernel came back."""
        for pid in [pid for pid, job in self._jobs.items() if job.work is None]:
            try:
                await self.watch(pid)
            except ShellError:
                self.remove(pid)

    def on_event(self, event: Any) -> None:
        """Of a job that is not the session's agent."""
        job = self._jobs.get(event.pid)
        if job is None or job.in_foreground or job.work is not None:
            return
        if event.event == "exit":
            self._exited(event.pid, event.status, event.output)
        elif event.event == "state" and job.changed(event.state):
            self._tell(job, "stopped")

    def stopped(self, pid: int, name: str) -> Job:
        """A process was stopped that was in the foreground, or is the session's agent."""
        job = self.add(pid, name)
        if job.stops():
            self._tell(job, "stopped")
        return job

    def counts_as_stopped(self, pid: int, state: str) -> bool:
        """Whether the session's agent is stopped, by the kernel's word or because we are about
        to stop it."""
        job = self._jobs.get(pid)
        if job is None:
            return state == "stopped"
        job.changed(state)
        return job.is_stopped

    def goes_on(self, job: Job) -> None:
        """In the background."""
        job.in_foreground = False
        job.goes_on()
        self._stage.note(f"[{job.number}]{self.mark(job)} {job.pid} {job.name} &")

    def note(self, text: str) -> None:
        """News of a pipeline."""
        self._stage.note(text if len(text) <= LONGEST_NEWS else text[:LONGEST_NEWS] + "…")

    def done(self, pid: int, text: str) -> None:
        """The session's agent has ended the turn that it was left alone with."""
        job = self.remove(pid)
        if job is not None:
            self._stage.note(f"[{job.number}] {pid} done:")
            self._stage.write(harmless(text).rstrip() + "\n")

    def _tell(self, job: Job, what: str) -> None:
        self._stage.note(f"[{job.number}]{self.mark(job)} {what}  {job.pid} {job.name}")

    def _exited(self, pid: int, status: int, output: str) -> None:
        job = self.remove(pid)
        if job is None:
            return
        text = exit_line(pid, status, output, job.number)
        if len(text) > LONGEST_NEWS:
            text = text[:LONGEST_NEWS] + f"… (wait {pid} gives all)"
        self._stage.note(text)
