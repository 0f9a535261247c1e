"""The verb that makes a syscall itself: call."""

from __future__ import annotations

import json

from ..arguments import NAME, ROOT, root_of
from ..errors import EXIT_OF_ERRNO, UsageError
from ..verb import Context, Outcome, option, verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

EXIT_FAILED = 1


@verb(
    "call",
    "make a syscall yourself, as a process of its own: call read_file path=notes.txt",
    option("syscall", metavar="SYSCALL", completes="syscall", help="its name"),
    option(
        "arguments",
        nargs="*",
        metavar="NAME=VALUE",
        completes="argument",
        help="its arguments, a VALUE being JSON or a text; or all of them as one JSON object",
    ),
    ROOT,
    NAME,
)
async def call(ctx: Context) -> Outcome:
    name = ctx.args.syscall
    found = (await ctx.ask("syscalls", name=name)).syscalls[0]
    arguments = _arguments(ctx.args.arguments, found.parameters.get("properties", {}))
    guest = await ctx.ask("open_guest", root=root_of(ctx.args.root), name=ctx.args.name or name)
    result = await ctx.ask("call", pid=guest.pid, name=name, arguments=arguments)
    document = {"pid": guest.pid, "text": result.text}
    if result.ok:
        return Outcome(document, result.text)
    errno, _, words = result.text.partition(": ")
    if not ctx.out.as_json:
        ctx.out.note(result.text)
    document["error"] = {"code": errno, "message": words, "hint": ""}
    return Outcome(document, "", EXIT_OF_ERRNO.get(errno, EXIT_FAILED))


def _arguments(given: list[str], properties: dict[str, Any]) -> dict[str, Any]:
    """What was typed, as a JSON object. A text that the schema wants stays one: `path=1` is "1"."""
    if len(given) == 1 and given[0].lstrip().startswith("{"):
        try:
            whole: dict[str, Any] = json.loads(given[0])
        except ValueError as error:
            raise UsageError(f"the arguments are not JSON: {error}") from None
        return whole
    arguments = {}
    for one in given:
        name, equals, text = one.partition("=")
        if not equals or not name:
            raise UsageError(f"{one!r} is not NAME=VALUE", "or give one JSON object")
        arguments[name] = _value(text, properties.get(name, {}))
    return arguments


def _value(text: str, schema: dict[str, Any]) -> Any:
    if schema.get("type") == "string":
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text
