"""Going on with a conversation: `-c` and `-r ID`, of the verbs that take them."""

from __future__ import annotations

import time

from .arguments import root_of
from .errors import UsageError
from .output import one_line, seconds
from .verb import Context, option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..kernel.messages import ConversationInfo, Resumed

CONTINUE = option(
    "-c",
    "--continue",
    dest="go_on",
    action="store_true",
    help="go on with the newest conversation of this folder, or else of all",
)
RESUME = option(
    "-r",
    "--resume",
    metavar="ID",
    completes="session",
    help="go on with this conversation: its number or a pid, its name, or how it begins",
)
WORDS_WIDTH = 60


def goes_on(ctx: Context) -> bool:
    """Is this to go on with a conversation that there is?"""
    if ctx.args.go_on and ctx.args.resume is not None:
        raise UsageError("-c is the newest conversation, -r one by its name: give one of the two")
    return bool(ctx.args.go_on) or ctx.args.resume is not None


async def resume(
    ctx: Context, task: str | None = None, means: dict[str, Any] | None = None
) -> Resumed:
    """Goes on with it, and says which one it is. With a `task`, in a process for that alone whose
    events come here."""
    args, here = ctx.args, root_of(getattr(ctx.args, "root", None))
    resumed: Resumed = await ctx.ask(
        "resume",
        which=args.resume,
        root=here,
        task=task,
        interactive=task is None,
        attach=task is not None,
        name=getattr(args, "name", None),
        **(means or {}),
    )
    if not ctx.out.as_json and (task is None or ctx.out.notes_progress):
        ctx.out.note(which_text(resumed, None if args.resume is not None else here))
    return resumed


def which_text(resumed: Resumed, wanted: str | None) -> str:
    """One line: which conversation goes on. `wanted` is the folder that it should be of."""
    info = resumed.info
    turns = "1 turn" if info.turns == 1 else f"{info.turns} turns"
    line = f"{info.id}: {begins_text(info)} ({turns}, {ago(info.last)} ago)"
    if not resumed.lives:
        line += f", in process {resumed.pid}"
    if wanted is not None and info.root != wanted:
        return f"no conversation of this folder; going on with {line}, of {info.root}"
    return f"going on with {line}"


def begins_text(info: ConversationInfo) -> str:
    return one_line(info.begins or info.name, WORDS_WIDTH)


def ago(moment: float) -> str:
    return seconds(max(time.time() - moment, 0))
