"""The verbs about syscalls: man, unfold."""

from __future__ import annotations

import argparse
import json

from ..errors import KernelError, ShellError
from ..output import table
from ..verb import TABLE, Context, Outcome, did_you_mean, option, verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ...kernel.messages import SyscallInfo

INDENT = "    "
APPROVAL = "refused until its user allows it: llmos plugins approve PLUGIN.SYSCALL"

_EFFECTS = {
    "pure": "pure: changes nothing, may be repeated",
    "idempotent": "idempotent: doing it again changes nothing more",
    "once": "once: never repeated in silence; after a crash the agent gets EINTR",
}


@verb(
    "man",
    "the manual page of a syscall, or the list of all",
    option("syscall", nargs="?", completes="syscall", help="its name"),
)
async def man(ctx: Context) -> Outcome:
    width = ctx.out.width or 100
    name = ctx.args.syscall
    if name is None:
        listed = await ctx.ask("syscalls")
        return Outcome(listed, _index(listed.syscalls, ctx.out.width))
    try:
        found = (await ctx.ask("syscalls", name=name)).syscalls[0]
    except KernelError as error:
        raise await _unknown(ctx, name, error) from None
    return Outcome(found, page(found, width))


def _index(syscalls: list[SyscallInfo], width: int | None) -> str:
    rows = [(info.name, info.plugin, info.needs or "", info.summary) for info in syscalls]
    return table(("SYSCALL", "PLUGIN", "NEEDS", ""), rows, width)


async def _unknown(ctx: Context, name: str, error: KernelError) -> KernelError:
    """The kernel's error, with the verb of that name or the nearest syscall as the way out."""
    if error.code != "ENOSYS" or "did you mean" in error.message + error.hint:
        return error
    if name in TABLE:
        return KernelError("ENOSYS", error.message, f"{name} is a verb: llmos help {name}")
    listed = await ctx.ask("syscalls")
    near = did_you_mean(name, [info.name for info in listed.syscalls])
    return KernelError("ENOSYS", error.message + near, "llmos man lists the syscalls")


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number (1 is the last)")
    return int(text)


@verb(
    "unfold",
    "show a call with its result, or a thought, in full (Ctrl-O: the last)",
    option(
        "number",
        nargs="?",
        type=_number,
        default=1,
        metavar="N",
        help="the last but N - 1 of what was shown in one line (default: 1)",
    ),
    kind="session",
)
async def unfold(ctx: Context) -> Outcome:
    text = ctx.unfold(ctx.args.number)
    if text is None:
        raise ShellError("so many calls and thoughts were not shown here", "logs PID has all pages")
    return Outcome({"number": ctx.args.number, "text": text}, text)


# ---- the page ----------------------------------------------------------------------------------


def page(info: SyscallInfo, width: int) -> str:
    """A manual page, made from the function's own declaration."""
    width = min(width, 100)
    sections = (
        ("NAME", _wrapped(f"{info.name}: {info.summary}", width)),
        ("SYNOPSIS", INDENT + synopsis(info)),
        ("DESCRIPTION", _paragraphs(info.description, width)),
        ("ARGUMENTS", _arguments(info, width)),
        ("EXAMPLE", _block(info.example)),
        ("CAPABILITY", INDENT + (info.needs or "none: every process may call it")),
        ("TIMEOUT", f"{INDENT}{info.timeout_s:g} s"),
        ("OUTPUT", _output(info)),
        ("APPROVAL", f"{INDENT}{APPROVAL}" if info.approve else ""),
        ("EFFECT", INDENT + _EFFECTS.get(info.effect, info.effect)),
        ("PLUGIN", INDENT + info.plugin),
        ("SOURCE", INDENT + info.source),
    )
    return "\n\n".join(f"{title}\n{body}" for title, body in sections if body.strip())


def synopsis(info: SyscallInfo) -> str:
    """`grep(pattern: string, path: string = ".")`."""
    required = info.parameters.get("required", ())
    arguments = []
    for name, schema in info.parameters.get("properties", {}).items():
        default = "" if name in required else f" = {_json(schema.get('default'))}"
        arguments.append(f"{name}: {type_text(schema)}{default}")
    return f"{info.name}({', '.join(arguments)})"


def type_text(schema: dict[str, Any]) -> str:
    """A JSON schema's type in a word or a few: `string`, `integer | null`, `string[]`."""
    if "enum" in schema:
        return " | ".join(_json(value) for value in schema["enum"])
    if "const" in schema:
        return _json(schema["const"])
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices:
        return " | ".join(type_text(choice) for choice in choices)
    kind = schema.get("type", "any")
    if kind == "array" and "items" in schema:
        return type_text(schema["items"]) + "[]"
    return " | ".join(kind) if isinstance(kind, list) else str(kind)


def _output(info: SyscallInfo) -> str:
    """What there is to say beside the usual."""
    facts = ["comes in pieces, as it is made"] if info.streams else []
    facts += [f"at most {info.max_output:,} bytes"] if info.max_output else []
    return INDENT + ", ".join(facts) if facts else ""


def _block(text: str) -> str:
    return "\n".join(INDENT + line for line in text.splitlines())


def _arguments(info: SyscallInfo, width: int) -> str:
    """Each argument with its type, its default, its bounds and what it means."""
    parameters, trusted = info.parameters, info.trusted_args
    required = parameters.get("required", ())
    lines = []
    for name, schema in parameters.get("properties", {}).items():
        facts = [type_text(schema)]
        facts.append("required" if name in required else f"default {_json(schema.get('default'))}")
        facts += [f"{word} {_json(schema[key])}" for key, word in _BOUNDS.items() if key in schema]
        facts += ["not out of an untrusted text"] if name in trusted else []
        lines.append(f"{INDENT}{name}  ({', '.join(facts)})")
        if schema.get("description"):
            lines.append(_wrapped(schema["description"], width, INDENT * 2))
    return "\n".join(lines)


_BOUNDS = {
    "minimum": "at least",
    "maximum": "at most",
    "exclusiveMinimum": "more than",
    "exclusiveMaximum": "less than",
    "minLength": "shortest",
    "maxLength": "longest",
    "pattern": "matching",
}


def _paragraphs(text: str, width: int) -> str:
    from textwrap import dedent, indent

    return "\n\n".join(
        # An indented block is an example: it stays as it is.
        indent(part, INDENT) if "\n " in f"\n{part}" else _wrapped(" ".join(part.split()), width)
        for part in dedent(text).strip().split("\n\n")
    )


def _wrapped(text: str, width: int, indent: str = INDENT) -> str:
    from textwrap import fill

    return fill(text, max(width, 30), initial_indent=indent, subsequent_indent=indent)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
