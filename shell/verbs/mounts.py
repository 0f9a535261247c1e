"""The verb about MCP servers and mounted services: mcp. By itself it serves llmos."""

from __future__ import annotations

import os
import sys

from ..arguments import ROOT, root_of
from ..errors import UsageError
from ..output import table
from ..verb import Context, Outcome, did_you_mean, option, verb
from .boot import OPTIONS, boot_if_need_be

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...kernel.messages import MountedTool, MountInfo

ACTIONS = ("serve", "list", "show", "approve")


@verb(
    "mcp",
    "serve llmos to an MCP client on stdin and stdout; or list, show, approve the mounted servers",
    option(
        "action",
        nargs="?",
        default="serve",
        metavar="ACTION",
        help="serve (the default), list, show SERVER, approve SERVER",
    ),
    option("server", nargs="?", metavar="SERVER", help="its name in mcp.json"),
    ROOT,
    *OPTIONS,
)
async def mcp(ctx: Context) -> Outcome:
    action, server = ctx.args.action, ctx.args.server
    if action not in ACTIONS:
        raise UsageError(
            f"mcp does not {action}{did_you_mean(action, ACTIONS)}", f"it does {', '.join(ACTIONS)}"
        )
    if action in ("show", "approve") and server is None:
        raise UsageError(f"say which server to {action}", "llmos mcp list lists them")
    match action:
        case "list":
            return await _list(ctx)
        case "show":
            return await _show(ctx, server)
        case "approve":
            return await _approve(ctx, server)
    return await _serve(ctx)


async def _list(ctx: Context) -> Outcome:
    listed = await ctx.ask("mounts")
    mounts: list[MountInfo] = listed.mounts
    rows = [(info.name, info.state, str(_in_use(info)), info.what, info.origin) for info in mounts]
    text = table(("SERVER", "STATE", "TOOLS", "RUNS", "ORIGIN"), rows, ctx.out.width)
    words = [f"{info.name}: {line}" for info in mounts for line in (info.error, info.note) if line]
    if not mounts:
        text = "nothing is mounted: " + " and ".join(ctx.paths.mounts) + " name nothing"
    return Outcome(listed, "\n".join([text, *(["", *words] if words else [])]))


def _in_use(info: MountInfo) -> int:
    return sum(tool.standing == "approved" for tool in info.tools)


async def _show(ctx: Context, server: str) -> Outcome:
    shown = await ctx.ask("mounts", name=server)
    info: MountInfo = shown.mounts[0]
    restarts = f", {info.restarts} restarts" if info.restarts else ""
    lines = [
        f"server  {info.name} ({info.kind or 'not mounted'})",
        f"origin  {info.origin}",
        f"runs    {info.what}",
        f"state   {info.state}{restarts}",
        *(f"error   {info.error}" for _ in [0] if info.error),
        *(f"note    {info.note}" for _ in [0] if info.note),
    ]
    for tool in info.tools:
        lines += ["", *_tool(tool)]
    if info.output:
        lines += ["", "what it has printed last:", *(f"    {line}" for line in info.output)]
    return Outcome(shown, "\n".join(lines))


def _tool(tool: MountedTool) -> list[str]:
    """A changed one with both descriptions, so that they can be compared."""
    mark = "" if tool.standing == "approved" else f"  ({tool.standing})"
    lines = [f"{tool.name}{mark}"]
    if tool.standing != "changed":
        return [*lines, *_indented(tool.description)]
    lines += ["  approved:", *_indented(tool.before), "  now:", *_indented(tool.description)]
    if tool.parameters != tool.parameters_before:
        lines += ["  its arguments have changed:", *_differences(tool)]
    return lines


def _differences(tool: MountedTool) -> list[str]:
    import difflib
    import json

    before, now = (
        json.dumps(schema, indent=1, sort_keys=True, ensure_ascii=False).splitlines()
        for schema in (tool.parameters_before, tool.parameters)
    )
    return [f"    {line}" for line in difflib.unified_diff(before, now, "", "", "", "", 1, "")]


def _indented(text: str) -> list[str]:
    return [f"    {line}" for line in text.splitlines()]


async def _approve(ctx: Context, server: str) -> Outcome:
    agreed = await ctx.ask("approve_mount", name=server)
    words = ", ".join(agreed.syscalls)
    ctx.out.note(f"{server} is approved" + (f"; in use now: {words}" if words else ""))
    return Outcome({"server": server, **agreed})


async def _serve(ctx: Context) -> Outcome:
    """Becomes the server: its stdout is the protocol's alone, and its imports are heavy."""
    if ctx.in_session:
        raise UsageError("a server needs stdin and stdout for itself", "llmos mcp, from outside")
    if sys.stdin.isatty():
        raise UsageError(
            "an MCP client starts this, and speaks to it on stdin",
            'in its settings: {"mcpServers": {"llmos": {"command": "llmos", "args": ["mcp"]}}}',
        )
    await boot_if_need_be(ctx)
    command = [sys.executable, "-P", "-m", "llmos.gateway.main"]
    command += [f"--socket={ctx.paths.socket}", f"--root={root_of(ctx.args.root)}"]
    os.execv(sys.executable, command)
