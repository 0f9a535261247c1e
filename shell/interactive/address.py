"""`@PID text`: a text for another process, whose turn is shown without leaving the conversation."""

from __future__ import annotations

from ..errors import Interrupted, KernelError, ShellError, Suspended, UsageError
from ..following import follow_turn, view_of
from ..verb import Context, Outcome, did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...kernel.messages import ProcessInfo
    from ..async_client import AsyncClient

BETWEEN_TURNS = "a message"


async def pid_of(client: AsyncClient, who: str) -> int:
    """The living process of that pid or name. Raises UsageError with those that are near."""
    if not who:
        raise UsageError("who is it for?", "@PID TEXT, or @NAME TEXT; ps lists them")
    listed: list[ProcessInfo] = (await client.ask("ps")).processes
    living = {info.pid: info.name or info.program for info in listed if info.exit_status is None}
    if who.isdecimal() and int(who) in living:
        return int(who)
    named = [pid for pid, name in living.items() if name == who]
    if len(named) == 1:
        return named[0]
    if named:
        raise UsageError(f"several are called {who}: {', '.join(map(str, named))}", "say which")
    near = did_you_mean(who, [*map(str, living), *living.values()])
    raise ShellError(f"there is no living process {who}{near}", "ps lists those that there are")


async def speak_to(ctx: Context) -> Outcome:
    """Sends `ctx.args.text` to `ctx.args.pid` and shows the turn that answers it. Ctrl-C interrupts
    that turn; Ctrl-Z leaves it to itself."""
    pid, text = ctx.args.pid, " ".join(ctx.args.text)
    if not text.strip():
        raise UsageError("there is no text", f"@{pid} TEXT says it; attach {pid} stays there")
    info: ProcessInfo = await ctx.ask("attach", pid=pid)
    if info.exit_status is not None:
        raise KernelError("ESRCH", f"process {pid} has ended", f"logs {pid} shows what it said")
    await ctx.ask("send", pid=pid, text=text)
    view = view_of(ctx, streams=True)
    try:
        if info.interactive and info.waits_for != BETWEEN_TURNS:
            ctx.out.progress(f"{pid} is in the middle of a turn; its answer comes after that")
            await follow_turn(ctx, info, view)
        outcome = await follow_turn(ctx, info, view)
    except Suspended:
        view.end()
        ctx.out.progress(f"{pid} goes on by itself; logs {pid} shows its answer")
        return Outcome({"pid": pid})
    except Interrupted:
        view.end()
        ctx.out.progress("interrupted")
        await ctx.ask("kill", pid=pid, signal="INT")
        return Outcome({"pid": pid}, status=130)
    finally:
        view.end()
    return Outcome({"pid": pid}, status=outcome.status)
