"""The verbs about the jobs of the interactive shell: jobs, fg, bg."""

from __future__ import annotations

from ..following import EXIT_STOPPED, ended, follow, view_of
from ..output import harmless, table
from ..verb import Context, Outcome, option, verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...kernel.messages import AttachInfo, ExitInfo
    from ..job import Job

JOB = option(
    "job",
    nargs="?",
    metavar="JOB",
    completes="job",
    help="%%1, %%+, %%- or a pid (default: the newest)",
)


@verb("jobs", "list what this shell runs in the background or has stopped", kind="session")
async def jobs(ctx: Context) -> Outcome:
    listed = await ctx.jobs()
    document = {
        "jobs": [
            {
                "job": job.number,
                "pid": job.pid,
                "state": job.state,
                "name": job.name,
                "mark": job.mark.strip(),
            }
            for job in listed
        ]
    }
    rows = [(f"[{job.number}]{job.mark}", job.state, str(job.pid), job.name) for job in listed]
    return Outcome(document, table(("JOB", "STATE", "PID", "NAME"), rows, ctx.out.width))


@verb("fg", "let a job go on in the foreground (Ctrl-Z stops it again)", JOB, kind="session")
async def fg(ctx: Context) -> Outcome:
    job = await ctx.job(ctx.args.job)
    document = {"job": job.number, "pid": job.pid}
    if await ctx.foreground(job):
        return Outcome(document)
    try:
        return await _follow(ctx, job)
    finally:
        job.in_foreground = False


async def _follow(ctx: Context, job: Job) -> Outcome:
    """A process with one task, to its end. An answer of which a part was not seen is shown whole
    then."""
    info: AttachInfo = await ctx.ask("attach", pid=job.pid)
    status = None
    view = view_of(ctx, streams=not ctx.out.as_json)
    if info.exit_status is None:
        if info.state == "stopped":
            await ctx.ask("kill", pid=job.pid, signal="CONT")
        from ..catching_up import catch_up

        await catch_up(ctx, info, view, job.heard)
        status = await follow(ctx, job.pid, view, None)
    if status == EXIT_STOPPED:
        return Outcome({"job": job.number, "pid": job.pid, "status": status}, status=status)
    done: ExitInfo = await ctx.ask("wait", pid=job.pid)
    await ctx.finished(job)
    shown = harmless(done.output).strip() in job.heard + "".join(view.heard)
    return ended(ctx, done, status if status is not None else done.status, shown=shown)


@verb("bg", "let a stopped job go on in the background", JOB, kind="session")
async def bg(ctx: Context) -> Outcome:
    job = await ctx.job(ctx.args.job)
    await ctx.background(job)
    return Outcome({"job": job.number, "pid": job.pid})
