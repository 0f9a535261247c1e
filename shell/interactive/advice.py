"""What to type instead, where a verb was nearly right or a pid wrong: the kernel says who lives."""

from __future__ import annotations

from .. import extensions
from ..errors import Interrupted, ShellError, UsageError
from ..verb import TABLE, did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..async_client import AsyncClient
    from ..paths import Paths

MOST_NAMED = 5


async def as_talk(client: AsyncClient, paths: Paths, line: str) -> str:
    """What to note of a line that is said to the agent, and whose first word is nearly a verb. One
    that can only have been meant as a verb's raises UsageError."""
    near = _near_verb(line, paths)
    if near and await _is_command(client, line):
        raise UsageError(f"there is no verb {line.split()[0]!r}{near}")
    is_word = near and line.isalpha()
    return f"{line!r} is no verb{near} It is said to the agent." if is_word else ""


def _near_verb(line: str, paths: Paths) -> str:
    """`; did you mean status?` if the first word is nearly a verb, else ''. With more words behind
    it, it has to be nearer."""
    word = line.split()[0]
    verbs = [found.name for found in TABLE.values() if found.kind != "outside"]
    verbs += extensions.summaries(paths)
    cutoff = 0.6 if word == line else 0.8
    return did_you_mean(word, verbs, cutoff) if word.isalpha() and len(word) > 1 else ""


async def _is_command(client: AsyncClient, line: str) -> bool:
    """Whether the words behind the first are what only a verb takes: flags, jobs, living pids."""
    rest = line.split()[1:]
    if not rest or not all(word[0] in "-%" or word.isdecimal() for word in rest):
        return False
    living = map(str, await _living(client))
    return {word for word in rest if word.isdecimal()} <= set(living)


async def advise(client: AsyncClient, error: ShellError, argv: Sequence[str]) -> ShellError:
    """The error, with the nearest living process as its way out if a word of `argv` was to be
    one and is none."""
    if error.code != "ESRCH" and "is not a pid" not in error.message:
        return error
    living = await _living(client)
    for word in argv:
        # One that has ended and is still there is told of in the error's own words.
        is_meant = word in error.message and "has ended" not in error.message
        if living and is_meant and not word.startswith("-"):
            error.message += _nearest(word, living)
            break
    return error


async def _living(client: AsyncClient) -> dict[int, str]:
    """Names by pid; none if the kernel does not say."""
    try:
        listed = (await client.ask("ps")).processes
    except (ShellError, Interrupted):
        return {}
    return {info.pid: info.name or info.program for info in listed if info.exit_status is None}


def _nearest(word: str, living: Mapping[int, str]) -> str:
    """`; did you mean 17 (critic)?`, or who lives at all."""
    if word.isdecimal():
        near = did_you_mean(word, map(str, living))
        pids = [pid for pid in living if f"mean {pid}?" in near]
    else:
        near = did_you_mean(word, living.values())
        pids = [pid for pid, name in living.items() if f"mean {name}?" in near]
    if len(pids) == 1:
        return f"; did you mean {pids[0]} ({living[pids[0]]})?"
    shown = list(pids or living)[:MOST_NAMED]
    return "; there are " + ", ".join(f"{pid} ({living[pid]})" for pid in shown)
