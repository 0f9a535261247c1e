"""What a script says to agents: to its own, and by `@PID` and `@NAME` to others."""

from __future__ import annotations

from ..errors import KernelError, ShellError, UsageError
from ..following import follow_turn, view_of
from ..verb import did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...kernel.messages import ProcessInfo
    from ..verb import Context, Outcome

BETWEEN_TURNS = "a message"


async def say(ctx: Context, pid: int, text: str) -> Outcome:
    """Sends a text, and shows the turn that answers it: as `run` does, on a terminal as it comes,
    anywhere else when it is there."""
    info: ProcessInfo = await ctx.ask("attach", pid=pid)
    if info.exit_status is not None:
        raise KernelError("ESRCH", f"process {pid} has ended", f"llmos logs {pid}")
    await ctx.ask("send", pid=pid, text=text)
    streams = ctx.out.is_tty and not ctx.out.as_json
    view = view_of(ctx, streams=streams)
    try:
        if info.interactive and info.waits_for != BETWEEN_TURNS:
            await follow_turn(ctx, info, view_of(ctx, streams=False))  # it is in the middle of one
        outcome = await follow_turn(ctx, info, view)
    finally:
        view.end()
    if not streams:
        outcome.text = str(outcome.document.get("output", ""))
    return outcome


async def pid_of(ctx: Context, who: str, above: int) -> int:
    """The living process of that pid or name; of several with that name, the one below `above`."""
    if not who:
        raise UsageError("who is it for?", "@PID TEXT, or @NAME TEXT")
    listed: list[ProcessInfo] = (await ctx.ask("ps")).processes
    living = {info.pid: info for info in listed if info.exit_status is None}
    if who.isdecimal() and int(who) in living:
        return int(who)
    named = [pid for pid, info in living.items() if info.name == who]
    below = [pid for pid in named if _is_below(pid, above, living)]
    found = below if len(named) > 1 and below else named
    if len(found) == 1:
        return found[0]
    if found:
        pids = ", ".join(map(str, found))
        raise UsageError(f"several are called {who}: {pids}", "say which by its pid")
    near = did_you_mean(who, [*map(str, living), *(info.name or "" for info in living.values())])
    raise ShellError(f"there is no living process {who}{near}", "llmos ps lists those that are")


def _is_below(pid: int, above: int, living: dict[int, ProcessInfo]) -> bool:
    while pid != above and pid in living:
        pid = living[pid].parent
    return pid == above
