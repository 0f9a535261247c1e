"""The verbs that look at the scheduler: scheduler, why."""

from __future__ import annotations

from .arguments import PID
from .errors import UsageError
from .output import count_text, seconds, table
from .verb import Context, Outcome, option, verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..kernel.messages import BlockInfo, SchedulerInfo, WhyInfo


@verb(
    "scheduler",
    "show who is scheduled how, or use another policy until the kernel halts",
    option("action", nargs="?", choices=("use",), metavar="use", help="use POLICY from now on"),
    option("policy", nargs="?", metavar="POLICY", completes="policy", help="its name"),
)
async def scheduler(ctx: Context) -> Outcome:
    args = ctx.args
    if args.action is None:
        info: SchedulerInfo = await ctx.ask("scheduler")
        return Outcome(info, _overview(info, ctx.out.width))
    if args.policy is None:
        known = (await ctx.ask("scheduler")).policies
        raise UsageError("which policy is to be used?", f"there are {', '.join(known)}")
    info = await ctx.ask("use_policy", policy=args.policy)
    return Outcome(info, f"the policy is {info.policy} now")


def _overview(info: SchedulerInfo, width: int | None) -> str:
    others = [name for name in info.policies if name != info.policy]
    longest = f", a new one waits about {seconds(info.wait_s)}" if info.waiting else ""
    rows = [
        ("policy", f"{info.policy} (there are also {', '.join(others)})"),
        *([("", f"not asked any more: {info.fault}")] if info.fault else ()),
        ("slots", f"{info.slots}: {info.running} running, {info.slots - info.running} free"),
        ("queue", f"{count_text(info.waiting)} of at most {info.max_waiting:,}{longest}"),
        ("blocks", _blocks(info.blocks)),
        ("hit rate", f"{info.hit_rate:.0%} of prompt tokens were in the prefix cache"),
    ]
    lines = [f"{name:<9} {words}".rstrip() for name, words in rows]
    if not info.levels:
        return "\n".join(lines)
    levels = [
        (
            str(one.level),
            count_text(one.waiting),
            count_text(one.running),
            seconds(one.longest_s) if one.waiting else "-",
        )
        for one in info.levels
    ]
    header = ("LEVEL", "WAITING", "RUNNING", "LONGEST WAIT")
    return "\n".join([*lines, "", table(header, levels, width)])


def _blocks(blocks: BlockInfo | None) -> str:
    if blocks is None:
        return "the engine does not say what it has: whenever a slot is free, the next one goes"
    return (
        f"{count_text(blocks.total)} of {blocks.tokens} tokens: {blocks.running} running,"
        f" {blocks.kept} kept, {blocks.shared} shared, {max(blocks.free, 0)} free"
    )


@verb("why", "say what a process waits for", PID)
async def why(ctx: Context) -> Outcome:
    found: WhyInfo = await ctx.ask("why", pid=ctx.args.pid)
    return Outcome(found, "\n".join(found.sentences))
