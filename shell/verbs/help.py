"""The verbs help and exit: what there is to type, and the way out."""

from __future__ import annotations

from .. import extensions
from ..output import table
from ..verb import TABLE, Context, Outcome, Verb, find, option, parser_of, verb

BESIDES = """
A line whose first word is no verb is said to the session's agent.
  ? TEXT    says TEXT to the agent, whatever it begins with
  @PID TEXT says TEXT to another process, by pid or name, and shows its answer here
  !CMD      runs CMD in the system's shell
  TEXT &    gives TEXT, or what run takes, to an agent of its own in the background
  run A < FILE | run B | !CMD > FILE   a pipeline of agents, files and commands; & as well
  Ctrl-C    interrupts the turn and keeps what was said; Ctrl-D detaches, agents live on
  Ctrl-Z    stops the agent where it is; fg lets it go on, bg in the background
  Ctrl-O    unfolds the last call or thought; Ctrl-R searches what was typed before
  Alt-Enter begins another line, as a \\ at the end does; Ctrl-X Ctrl-E opens $EDITOR
"""

STATUSES = """\
The exit status is that of the process, for run and wait: 0, 1 when it failed, 130 INT, 137 KILL,
141 PIPE, 143 TERM, 147 stopped, 152 a limit. Our own: 2 mistyped, 69 no kernel, 75 try again,
77 not allowed, 78 not fit to run, 124 too late, 127 unknown, 1 anything else.
"""


@verb(
    "help",
    "list the verbs, or explain one",
    option("verb", nargs="?", completes="verb", help="its name"),
)
async def help_(ctx: Context) -> Outcome:
    if ctx.args.verb is None:
        here = "session" if ctx.in_session else "outside"
        listed = [found for found in TABLE.values() if found.kind in ("both", here)]
        brought = extensions.summaries(ctx.paths)
        listed += [Verb(name, summary, (), help_) for name, summary in brought.items()]
        document = {"verbs": [{"name": v.name, "summary": v.summary} for v in listed]}
        return Outcome(document, overview(listed, in_session=ctx.in_session))
    name = ctx.args.verb
    found = TABLE.get(name) or extensions.find(name, ctx.paths) or find(name)
    text = parser_of(found, ctx.in_session).format_help()
    return Outcome({"name": found.name, "summary": found.summary, "text": text}, text)


def overview(listed: list[Verb], *, in_session: bool) -> str:
    """All verbs, a line each."""
    rows = [(f"  {found.name}", found.summary) for found in listed]
    verbs = table(("", ""), rows, None).strip("\n")
    if in_session:
        return f"{verbs}\n{BESIDES}"
    return (
        "usage: llmos [VERB …]\n\n"
        "llmos alone boots the kernel if need be and opens the interactive shell.\n\n"
        f"{verbs}\n\n"
        "llmos FILE runs a file of such lines (llmos help source).\n"
        "llmos help VERB explains one. Every verb takes --json.\n\n"
        f"{STATUSES}"
    )


@verb("exit", "end the session's agent and leave", kind="session")
async def exit_(ctx: Context) -> Outcome:
    return await ctx.leave()


@verb("quit", "the same as exit", kind="session")
async def quit_(ctx: Context) -> Outcome:
    return await ctx.leave()
