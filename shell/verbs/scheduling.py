"""The verbs that look at the scheduler: scheduler, why."""

from __future__ import annotations

from ..arguments import PID
from ..errors import UsageError
from ..output import count_text, seconds, table
from ..verb import Context, Outcome, option, verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...kernel.messages import BlockInfo, SchedulerInfo, WhyInfo


@verb(
    "scheduler",
    "show who is scheduled how; until the kernel is halted, use another policy; share the engine",
    option(
        "action",
        nargs="?",
        choices=("use", "share"),
        metavar="use|share",
        help="use POLICY from now on, or give a SESSION another share than 1, for the policy fair",
    ),
    option("policy", nargs="?", metavar="POLICY|SESSION", completes="policy", help="which one"),
    option("weight", nargs="?", metavar="WEIGHT", help="2 is twice what another session has"),
)
async def scheduler(ctx: Context) -> Outcome:
    args = ctx.args
    if args.action == "share":
        return await _share(ctx)
    if args.action is None:
        info: SchedulerInfo = await ctx.ask("scheduler")
        return Outcome(info, _overview(info, ctx.out.width))
    if args.policy is None:
        known = (await ctx.ask("scheduler")).policies
        raise UsageError("which policy is to be used?", f"there are {', '.join(known)}")
    info = await ctx.ask("use_policy", policy=args.policy)
    return Outcome(info, f"the policy is {info.policy} now")


async def _share(ctx: Context) -> Outcome:
    session, weight = ctx.args.policy, ctx.args.weight
    try:
        info = await ctx.ask("share_engine", session=int(session), weight=float(weight))
    except (TypeError, ValueError):
        raise UsageError(
            f"{session or 'nothing'!r} and {weight or 'nothing'!r} are no session and no weight",
            "llmos scheduler share SESSION WEIGHT; ps -l shows sessions",
        ) from None
    return Outcome(info, f"session {session} counts {float(weight):g} against 1 of others now")


def _overview(info: SchedulerInfo, width: int | None) -> str:
    others = [name for name in info.policies if name != info.policy]
    longest = f", a new one waits about {seconds(info.wait_s)}" if info.waiting else ""
    rows = [
        ("policy", f"{info.policy} (there are also {', '.join(others)})"),
        *([("", f"not asked any more: {info.fault}")] if info.fault else ()),
        ("slots", f"{info.slots}: {info.running} running, {info.slots - info.running} free"),
        ("queue", f"{count_text(info.waiting)} of at most {info.max_waiting:,}{longest}"),
        ("blocks", _blocks(info.blocks)),
        *([("shares", _shares(info.shares))] if info.shares else ()),
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


def _shares(shares: dict[str, float]) -> str:
    told = (f"session {number} counts {weight:g}" for number, weight in shares.items())
    return f"{', '.join(told)}, others 1"


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
