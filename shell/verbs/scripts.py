"""The verb of files of shell lines: source, which `llmos FILE` stands for."""

from __future__ import annotations

from ..arguments import MEANS, NAME
from ..errors import UsageError
from ..output import explained
from ..verb import ANY_FILE, Context, Outcome, option, verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..errors import ShellError
    from ..scripts.lines import Line


@verb(
    "source",
    "run a file of shell lines as a process: verbs, talk, !cmd, TEXT &",
    option(
        "script",
        nargs="+",
        metavar="FILE",
        completes="path",
        help="the file, and behind it what $1, $2 … stand for in it",
    ),
    option("-n", "--check", action="store_true", help="tell every wrong line, and run none"),
    option("--keep-going", action="store_true", help="do not end at the first line that fails"),
    NAME,
    *MEANS,
    runs_scripts=ANY_FILE,
)
async def source(ctx: Context) -> Outcome:
    """No line runs before all of them are known to be well-formed."""
    from ..scripts.lines import faults, read
    from ..scripts.parameters import Parameters

    path, *arguments = ctx.args.script
    lines = read(path)
    given = Parameters(path, arguments, lenient=ctx.args.check)
    checked = Parameters(path, arguments, lenient=ctx.args.check)
    checked.last = 1  # whether there will be one is not known yet
    wrong = faults(lines, checked, ctx.paths)
    if wrong:
        return _told(ctx, path, wrong)
    if ctx.args.check:
        number = "1 line" if len(lines) == 1 else f"{len(lines)} lines"
        return Outcome({"file": path, "lines": len(lines)}, f"{path}: {number}, none is wrong")
    from ..scripts.runner import Runner

    return await Runner(ctx, path, lines, given).run()


def _told(ctx: Context, path: str, wrong: list[tuple[Line, ShellError]]) -> Outcome:
    for line, error in wrong:
        error.message = f"{path}:{line.number}: {error.message}"
        error.__dict__.pop("usage", None)  # it would stand between the lines
        if not ctx.out.as_json:
            ctx.out.failure(error)
    told = [{"line": line.number, **explained(error)} for line, error in wrong]
    first = explained(wrong[0][1])
    return Outcome({"file": path, "error": first, "wrong": told}, status=UsageError.exit_status)
