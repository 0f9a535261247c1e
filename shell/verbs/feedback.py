"""The verb feedback: what the user thinks of an answer."""

from __future__ import annotations

from ..errors import UsageError
from ..verb import Context, Outcome, option, verb, words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...kernel.messages import FeedbackGiven

VERDICTS = ("good", "bad", "none")


@verb(
    "feedback",
    "say what you think of an answer: good or bad, and why (none takes it back)",
    words("said", "[ID] good|bad|none [text]; ID is a conversation or pid (default: this one)"),
    option(
        "--page",
        type=int,
        metavar="N",
        help="of that page, as sessions show numbers them (default: the newest answer)",
    ),
)
async def feedback(ctx: Context) -> Outcome:
    which, verdict, text = _parts(ctx.args.said, ctx.partner)
    given: FeedbackGiven = await ctx.ask(
        "feedback",
        which=which,
        verdict=None if verdict == "none" else verdict,
        text=text,
        page=ctx.args.page,
    )
    where = f"page {given.page} of conversation {given.conversation}"
    said = f"{where}: {verdict}" if given.feedback else f"{where}: nothing is said of it any more"
    return Outcome(given, said)


def _parts(said: list[str], partner: int | None) -> tuple[str, str, str]:
    """(whose answer, verdict, text)."""
    if said and said[0] in VERDICTS:
        which, rest = "" if partner is None else str(partner), said
    else:
        which, rest = (said[0] if said else ""), said[1:]
    if not which:
        raise UsageError("whose answer?", "llmos feedback ID good, with an ID of llmos sessions")
    if not rest or rest[0] not in VERDICTS:
        raise UsageError(f"good, bad or none, not {' '.join(rest[:1]) or 'nothing'!r}")
    return which, rest[0], " ".join(rest[1:])
