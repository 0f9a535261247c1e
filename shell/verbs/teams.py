"""The verbs of team files: up, down."""

from __future__ import annotations

import os
import re

from ..errors import Interrupted, KernelError, ShellError, UsageError
from ..following import EXIT_INTERRUPTED, EXIT_TIMEOUT, status_text
from ..output import harmless
from ..team import Team
from ..verb import Context, Outcome, option, verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ...kernel.messages import ProcessInfo

SUPERVISOR = "supervisor"
DOWN_S = 30.0
_EXITED = re.compile(r"(\S+) \(pid (\d+)\) exited with status (\d+)")


@verb(
    "up",
    "start what a team file describes, and print its supervisor's pid",
    option("file", metavar="FILE", completes="path", help="the team, as TOML"),
    option("--wait", action="store_true", help="until it ends; what nobody in it reads is output"),
    option("--check", action="store_true", help="read the file, and start nothing"),
)
async def up(ctx: Context) -> Outcome:
    team = Team(ctx.args.file, _read(ctx.args.file))
    if ctx.args.check:
        units = {name: len(children) for name, children in team.units.items()}
        return Outcome({"name": team.name, "units": units}, f"{ctx.args.file} is a team")
    running = await _supervisor(ctx, team.name)
    if running is not None:
        raise KernelError(
            "EEXIST",
            f"the team {team.name} is up already (pid {running.pid})",
            f"llmos down {team.name} ends it",
        )
    born = await ctx.ask(
        "supervise",
        spec=team.spec,
        root=team.root,
        name=team.name,
        limits=team.limits,
        budget=team.budget,
        attach=ctx.args.wait,
    )
    if not ctx.args.wait:
        await ctx.watch(born.pid, team.name)
        return Outcome({"pid": born.pid, "name": team.name}, str(born.pid))
    return await _wait(ctx, team, born.pid)


async def _wait(ctx: Context, team: Team, pid: int) -> Outcome:
    try:
        status, words = await _follow(ctx, pid)
    except (Interrupted, KeyboardInterrupt):
        await ctx.ask("kill", pid=pid, signal="TERM")
        status, words = await _follow(ctx, pid)
        status = EXIT_INTERRUPTED
    await ctx.ask("wait", pid=pid)  # so that it is reaped
    units = await _results(ctx, team, pid)
    document: dict[str, Any] = {
        "pid": pid,
        "name": team.name,
        "status": status,
        "units": units,
    }
    if status:
        ctx.out.note(f"llmos: the team {team.name} exited with {status_text(status)}: {words}")
    return Outcome(document, _output(team, units), status)


async def _follow(ctx: Context, pid: int) -> tuple[int, str]:
    """Tells the supervisor's diary, until its end: the status, and its last words."""
    while True:
        event = await ctx.event(pid)
        if event.event == "text":
            ctx.out.progress(event.text.rstrip("\n"))
        elif event.event == "exit":
            return event.status, event.output


async def _results(ctx: Context, team: Team, pid: int) -> dict[str, Any]:
    """Of each child its last end, by name."""
    units: dict[str, Any] = {}
    for page in (await ctx.ask("logs", pid=pid)).pages:
        if page.role == "assistant" and (ended := _EXITED.match(page.text)):
            units[ended[1]] = {"pid": int(ended[2]), "status": int(ended[3])}
    for unit in units.values():
        unit["output"] = await _said(ctx, unit["pid"]) if unit["status"] == 0 else ""
    return units


async def _said(ctx: Context, pid: int) -> str:
    said = ""
    for page in (await ctx.ask("logs", pid=pid)).pages:
        said = str(page.text) if page.role == "assistant" else said
    return said


def _output(team: Team, units: dict[str, Any]) -> str:
    """What nobody in the team reads; of several, each under its name."""
    said = {name: units[name]["output"] for name in team.unread if name in units}
    if len(said) == 1:
        return str(next(iter(said.values())))
    return "\n".join(f"== {name}\n{text.rstrip()}" for name, text in said.items() if text)


@verb(
    "down",
    "end a team: its units in reverse order, then its supervisor",
    option("team", metavar="TEAM", completes="path", help="its name, its file, or the pid"),
)
async def down(ctx: Context) -> Outcome:
    name = ctx.args.team
    if os.path.isfile(name):
        name = Team(name, _read(name)).name
    found = await _supervisor(ctx, name)
    if found is None:
        raise KernelError("ESRCH", f"there is no team {name!r} that is up", "llmos ps -t")
    await ctx.ask("kill", pid=found.pid, signal="TERM")
    try:
        await ctx.ask("wait", pid=found.pid, timeout_s=DOWN_S)
    except KernelError as error:
        if error.code != "ETIME":
            raise
        words = f"the team {found.name} (pid {found.pid}) has not ended within {DOWN_S:g} s"
        late = ShellError(words, f"llmos kill -s KILL {found.pid}")
        late.exit_status = EXIT_TIMEOUT
        raise late from None
    document = {"pid": found.pid, "name": found.name}
    return Outcome(document, f"the team {harmless(found.name)} (pid {found.pid}) has ended")


async def _supervisor(ctx: Context, named: str) -> ProcessInfo | None:
    """The team that is up under a name, or as a pid."""
    for info in (await ctx.ask("ps")).processes:
        if info.program == SUPERVISOR and info.exit_status is None:
            found: ProcessInfo = info
            if named in (info.name, str(info.pid)):
                return found
    return None


def _read(path: str) -> str:
    try:
        with open(os.path.expanduser(path), encoding="utf-8") as file:
            return file.read()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"cannot read {path}: it is not UTF-8 text") from None
