"""The verbs that walk through /proc: ls, cat."""

from __future__ import annotations

from ..output import harmless, one_line, width_of
from ..verb import Context, Outcome, option, verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...kernel.messages import ProcEntry


@verb(
    "ls",
    "list a folder of /proc, the kernel as files",
    option(
        "path",
        nargs="?",
        default="/proc",
        metavar="PATH",
        completes="proc",
        help="such as /proc/2 (default: /proc)",
    ),
    option("-l", "--long", action="store_true", help="and what each of them is"),
)
async def ls(ctx: Context) -> Outcome:
    entries: list[ProcEntry] = (await ctx.ask("list_proc", path=ctx.args.path)).entries
    names = [harmless(entry.name) + ("/" if entry.folder else "") for entry in entries]
    lines = names
    if ctx.args.long:
        widest = max(map(width_of, names), default=0)
        room = max((ctx.out.width or 1000) - widest - 3, 20)
        lines = [
            f"{name:<{widest}}  {one_line(entry.about, room)}".rstrip()
            for name, entry in zip(names, entries, strict=True)
        ]
    return Outcome({"path": ctx.args.path, "entries": entries}, "\n".join(lines))


@verb(
    "cat",
    "show a file of /proc, as /proc/PID/status; llmos ls /proc/PID lists them",
    option("path", metavar="PATH", completes="proc", help="such as /proc/2/context"),
)
async def cat(ctx: Context) -> Outcome:
    text = (await ctx.ask("cat", path=ctx.args.path)).text
    return Outcome({"path": ctx.args.path, "text": text}, text)
