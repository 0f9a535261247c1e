"""The verb completions, and what its scripts call while somebody presses Tab."""

from __future__ import annotations

from ..errors import ConfigError
from ..output import one_line
from ..paths import Paths
from ..verb import Context, Outcome, option, verb

SHELLS = ("bash", "zsh", "fish")
WIDTH = 80


@verb(
    "completions",
    "print a script with which bash, zsh or fish completes llmos",
    option("shell", choices=SHELLS, metavar="bash|zsh|fish", help="for which shell"),
)
async def completions(ctx: Context) -> Outcome:
    """The first lines of a script say where it goes."""
    from ..completion_scripts import script

    text = script(ctx.args.shell)
    return Outcome({"shell": ctx.args.shell, "script": text}, text)


@verb(
    "__complete",
    "what the last of the words may be, a line each, with its meaning after a tab",
    option("words", nargs="*", metavar="WORD"),
    kind="outside",
)
async def complete(ctx: Context) -> Outcome:
    """For the scripts. Quiet where nothing is known."""
    from ..completing import offers

    words = ctx.args.words or [""]
    own = words[words.index("--state-dir") + 1] if "--state-dir" in words[:-1] else None
    try:
        found = offers(words, Paths(own or ctx.args.state_dir))
    except ConfigError:  # a plugin that cannot be imported, a socket that is not ours
        found = []
    lines = [f"{name}\t{one_line(meta, WIDTH)}".rstrip("\t") for name, meta in found]
    document = {"offers": [{"text": name, "meaning": meta} for name, meta in found]}
    return Outcome(document, "\n".join(lines))
