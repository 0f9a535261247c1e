"""How a verb is declared: once, for `llmos VERB`, the interactive shell, help and completion.

    @verb("kill", "end a process, or interrupt its turn", PID, option("-s", "--signal", …))
    async def kill(ctx: Context) -> Outcome:
        await ctx.ask("kill", pid=ctx.args.pid, signal=ctx.args.signal)
        return Outcome()

A verb is a coroutine, so that one body serves both clocks: from the command line `run_to_end`
drives it over the blocking client, without asyncio; in the interactive shell the event loop
does, and other processes' news keep coming meanwhile.
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Mapping
from importlib import import_module

from .errors import UnknownVerb, UsageError
from .output import Output, columns_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
    from typing import Any, NoReturn

    from ..kernel.messages import ExitInfo
    from .job import Job
    from .paths import Paths
    from .turn import TurnView

    Handler = Callable[["Context"], Coroutine[Any, Any, "Outcome"]]


# ---- what a verb gets and gives ----------------------------------------------------------------


class Outcome:
    """What a verb came to: a document for `--json`, a text for people, an exit status.

    A verb that has already streamed its text gives none here; one that is `shown` has written its
    documents too.
    """

    __slots__ = ("document", "shown", "status", "text")

    def __init__(
        self, document: Any = None, text: str = "", status: int = 0, *, shown: bool = False
    ) -> None:
        self.document: dict[str, Any] = dict(document or {})
        self.text = text
        self.status = status
        self.shown = shown


def show(outcome: Outcome, out: Output) -> None:
    """The outcome on stdout: as its text, or as the one JSON document."""
    if outcome.shown:
        return
    if out.as_json:
        out.document({"ok": outcome.status == 0, **outcome.document})
    else:
        out.line(outcome.text)


class Context:
    """One run of a verb: its arguments, its output, and its way to the kernel.

    `ask`, `event` and `sleep` raise `Interrupted` on Ctrl-C, and `Suspended` on Ctrl-Z in the
    interactive shell.
    """

    in_session = False
    partner: int | None = None
    """The process that the interactive shell talks to, if it talks to one."""
    in_background = False
    """True for a line that ends in &: the process is started, and not followed."""
    fed: str | None = None
    """What the stage before it in a pipeline of the interactive shell has said, or a file holds."""

    def __init__(
        self, args: argparse.Namespace, rest: list[str], out: Output, paths: Paths
    ) -> None:
        self.args = args
        self.rest = rest
        self.out = out
        self.paths = paths

    async def ask(self, op: str, **fields: Any) -> Any:
        """One request to the kernel, one result back; errors are raised."""
        raise NotImplementedError

    async def event(self, pid: int, timeout_s: float | None = None) -> Any:
        """The next event of an attached process; `TimeoutError` after `timeout_s`."""
        raise NotImplementedError

    async def wait_any(self, pids: Sequence[int], timeout_s: float | None = None) -> ExitInfo:
        """How the first of these processes ended, which is reaped; `TimeoutError` after
        `timeout_s`. Whom it was asked for once is waited for until it has ended."""
        raise NotImplementedError

    async def begun(self, pid: int) -> None:
        """The verb has started this process, which is one of several."""

    async def sleep(self, duration_s: float) -> None:
        """Waits."""
        raise NotImplementedError

    def live_view(self, *, tells: bool) -> TurnView | None:
        """Shows a turn on the interactive shell's terminal; None where there is none."""
        return None

    def unfold(self, number: int) -> str | None:
        """The last but `number` - 1 of what was shown folded; None if there is none."""
        raise NotImplementedError

    async def watch(self, pid: int, name: str) -> int:
        """Makes the process a job of this shell, which tells when it ends: the job's number. 0
        where there are no jobs."""
        return 0

    async def stopped(self, pid: int, heard: str) -> None:
        """Makes a process that was followed, and is stopped now, a job of this shell. `heard` is
        what the user has read of its answer."""

    async def jobs(self) -> list[Job]:
        """The jobs of the interactive shell, as they are now."""
        raise NotImplementedError

    async def job(self, named: str | None) -> Job:
        """The job that is named `%1`, `%+`, `%-` or by its pid; the current one for None."""
        raise NotImplementedError

    async def foreground(self, job: Job) -> bool:
        """Lets the job go on in the foreground. True if the shell itself shows it from here on,
        False if the verb has to follow it."""
        raise NotImplementedError

    async def background(self, job: Job) -> None:
        """Lets the job go on in the background."""
        raise NotImplementedError

    async def finished(self, job: Job) -> None:
        """The job has been followed to its end."""
        raise NotImplementedError

    async def enter(self, pid: int | None, *, own: bool = False) -> Outcome:
        """The interactive shell talks to process `pid` from here on (None: to a new one). It ends
        with the shell if it is its `own`."""
        raise NotImplementedError

    async def with_terminal(self, command: list[str]) -> int:
        """Runs a program that has the interactive shell's terminal to itself: its exit status."""
        raise NotImplementedError

    async def leave(self) -> Outcome:
        """Ends the interactive shell and its agent."""
        raise NotImplementedError


def run_to_end(coroutine: Coroutine[Any, Any, Outcome]) -> Outcome:
    """Drives a coroutine whose awaits all block; it never truly suspends."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        outcome: Outcome = end.value
        return outcome
    raise AssertionError("a verb waited for something else than its context")


# ---- declarations ------------------------------------------------------------------------------


class Arg:
    """One argument: argparse's flags and options, and what completes it."""

    __slots__ = ("completes", "flags", "options")

    def __init__(self, flags: tuple[str, ...], completes: str, options: dict[str, Any]) -> None:
        self.flags = flags
        self.completes = completes
        self.options = options

    @property
    def is_option(self) -> bool:
        return self.flags[0].startswith("-")

    @property
    def is_listed(self) -> bool:
        """Does help show it? Not the old ways of writing what another one says."""
        return self.options.get("help") != argparse.SUPPRESS

    @property
    def takes_value(self) -> bool:
        return self.options.get("action") in (None, "append")


def option(*flags: str, completes: str = "", **options: Any) -> Arg:
    """An option or a positional, as `ArgumentParser.add_argument` takes it.

    `completes` is what Tab offers for it (`completion.py`): "pid", "syscall", "verb" and so on.
    """
    return Arg(flags, completes, options)


def words(name: str, help: str) -> Arg:
    """Free text up to the end of the line, quoted or not."""
    return Arg((name,), "words", {"nargs": "*", "metavar": name.upper(), "help": help})


class Verb:
    """A declared verb. A plugin makes one and returns it from its hook `llmos_verbs`."""

    __slots__ = ("args", "handler", "kind", "name", "open_ended", "runs_scripts", "summary")

    def __init__(
        self,
        name: str,
        summary: str,
        args: tuple[Arg, ...],
        handler: Handler,
        kind: str = "both",
        open_ended: bool = False,
        runs_scripts: str | None = None,
    ) -> None:
        self.name = name
        self.summary = summary
        self.args = args
        self.handler = handler
        self.kind = kind
        self.open_ended = open_ended
        self.runs_scripts = runs_scripts

    @property
    def takes_words(self) -> bool:
        return any(arg.completes == "words" for arg in self.args)


class Table(Mapping[str, Verb]):
    """All verbs by name, in the order in which help shows them. The file in which one is declared
    is imported when that verb, or all of them, is asked for. One whose name begins with _ is for
    programs: it can be called, and is listed nowhere."""

    def __init__(self) -> None:
        self._files: dict[str, str] = {}
        self._declared: dict[str, Verb] = {}

    def lists(self, module: str, names: str) -> None:
        """The verbs `names`, with spaces between them, are declared in `module`."""
        self._files |= dict.fromkeys(names.split(), module)

    def declare(self, declared: Verb) -> None:
        """What the decorator does. A verb that its file is not listed with would not be found."""
        assert declared.name in self._files, f"{declared.name} is not in shell/verbs/__init__.py"
        self._declared[declared.name] = declared

    def __getitem__(self, name: str) -> Verb:
        if name not in self._declared:
            import_module(self._files[name])
        return self._declared[name]

    def __contains__(self, name: object) -> bool:
        return name in self._files

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._files if name[0] != "_")

    def __len__(self) -> int:
        return sum(1 for _ in self)


TABLE = Table()


ANY_FILE = ""
"""How the names end of scripts of whatever name."""


def verb(
    name: str,
    summary: str,
    *args: Arg,
    kind: str = "both",
    open_ended: bool = False,
    runs_scripts: str | None = None,
) -> Callable[[Handler], Handler]:
    """Declares a verb. `kind` is "both", "session" (of the interactive shell only) or "outside".
    An `open_ended` one passes options that it does not know on to somebody else. One that
    `runs_scripts`, files whose names end so, leaves all that stands behind that name to them."""

    def declare(handler: Handler) -> Handler:
        TABLE.declare(Verb(name, summary, args, handler, kind, open_ended, runs_scripts))
        return handler

    return declare


# ---- parsing -----------------------------------------------------------------------------------


def find(name: str, *, in_session: bool = False) -> Verb:
    """The verb of that name, or `UnknownVerb` with the nearest one."""
    found = TABLE.get(name)
    here = "session" if in_session else "outside"
    if found is None or found.kind not in ("both", here):
        known = [verb.name for verb in TABLE.values() if verb.kind in ("both", here)]
        raise UnknownVerb(
            f"there is no verb {name!r}{did_you_mean(name, known)}",
            f'llmos help lists the verbs; to give the agent a task: llmos run "{name} …"',
        )
    return found


def parse(
    found: Verb, argv: Sequence[str], *, in_session: bool = False
) -> tuple[argparse.Namespace, list[str]]:
    """The verb's arguments, and what an open-ended verb passes on."""
    parser = parser_of(found, in_session)
    if found.runs_scripts is not None:
        argv = _shielded(found, list(argv), found.runs_scripts)
    args, rest = parser.parse_known_args(argv)
    if rest and not found.open_ended:
        if not found.takes_words or any(word.startswith("-") for word in rest):
            parser.refuse_unknown(rest)
        # argparse takes the words before the first option alone.
        getattr(args, next(arg.flags[0] for arg in found.args if arg.completes == "words")).extend(
            rest
        )
    return args, rest


def _shielded(found: Verb, argv: list[str], ending: str) -> list[str]:
    """With `--` before the first word that is no option, if that has the ending: what stands behind
    it is the script's."""
    take_value = {flag for arg in found.args if arg.takes_value for flag in arg.flags}
    take_value.add("--state-dir")
    index = 0
    while index < len(argv) and argv[index].startswith("-") and argv[index] != "--":
        index += 2 if argv[index] in take_value else 1
    if index < len(argv) and argv[index] != "--" and argv[index].endswith(ending):
        return [*argv[:index], "--", *argv[index:]]
    return argv


def did_you_mean(word: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """`; did you mean X?` when something known is near, else nothing."""
    from difflib import get_close_matches

    near = get_close_matches(word, list(known), n=1, cutoff=cutoff)
    return f"; did you mean {near[0]}?" if near else ""


class Parser(argparse.ArgumentParser):
    """argparse that raises `UsageError` in place of ending the process."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, usage=self.format_usage())

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            known = [str(choice) for choice in action.choices]
            near = did_you_mean(str(value), known)
            raise argparse.ArgumentError(
                action, f"there is no {value!r}{near} (there are {', '.join(known)})"
            )

    def refuse_unknown(self, rest: Sequence[str]) -> NoReturn:
        flags = [flag for flag in self._option_string_actions if flag.startswith("--")]
        near = did_you_mean(rest[0].partition("=")[0], flags) if rest[0][:1] == "-" else ""
        self.error(f"unrecognized arguments: {' '.join(rest)}{near}")


@functools.cache
def parser_of(found: Verb, in_session: bool = False) -> Parser:
    """The verb's parser. Only the verb in use gets one: a parser of them all is slow to build."""
    parser = Parser(
        prog=found.name if in_session else f"llmos {found.name}",
        description=found.summary,
        allow_abbrev=False,
        # A width in advance, or argparse loads shutil and five compressors to ask for it.
        formatter_class=functools.partial(
            argparse.HelpFormatter, width=min(columns_of(sys.stdout), 100) - 2
        ),
    )
    for arg in (*found.args, *COMMON):
        parser.add_argument(*arg.flags, **arg.options)
    return parser


COMMON = (
    option("--json", action="store_true", help="one JSON document on stdout, failures too"),
    option("-v", "--verbose", action="store_true", help="show progress even off a terminal"),
    option("--state-dir", metavar="DIR", help="the kernel of that state folder"),
)
"""What every verb takes."""
