"""The verb export: a conversation as a file."""

from __future__ import annotations

import json
import os

from ..errors import ConfigError
from ..transcript import as_document, as_markdown
from ..verb import Context, Outcome, option, verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...kernel.messages import Conversation, ConversationInfo, SaidPage

FORMATS = ("md", "json")

SESSION = option(
    "which",
    metavar="ID",
    completes="session",
    help="its number as sessions lists it or a pid, its name, or how it begins",
)


@verb(
    "export",
    "write a whole conversation, as Markdown or JSON",
    SESSION,
    option("-o", "--output", metavar="FILE", help="into this file, in place of what is in it"),
    option(
        "--format",
        choices=FORMATS,
        help="md to be read, json with all there is (default: by the name of the file, else md)",
    ),
)
async def export(ctx: Context) -> Outcome:
    from ... import __version__

    args = ctx.args
    info, pages = await whole(ctx, args.which)
    document = as_document(__version__, info, pages)
    as_json = (args.format or _format_of(args.output)) == "json"
    if args.output is None:
        if as_json or ctx.out.as_json:
            return Outcome(document, json.dumps(document, indent=2))
        return Outcome(document, as_markdown(info, pages))
    text = json.dumps(document, indent=2) + "\n" if as_json else as_markdown(info, pages)
    path = os.path.abspath(os.path.expanduser(args.output))
    _write(path, text)
    ctx.out.note(f"{len(pages)} pages of conversation {info.id} are in {args.output}")
    return Outcome({"id": info.id, "pages": len(pages), "path": path})


async def whole(ctx: Context, which: str) -> tuple[ConversationInfo, list[SaidPage]]:
    """A conversation with all of its pages, which come in parts."""
    part: Conversation = await ctx.ask("conversation", which=which)
    pages = list(part.pages)
    while part.next is not None:
        part = await ctx.ask("conversation", which=str(part.info.pid), first=part.next)
        pages += part.pages
    return part.info, pages


def _format_of(path: str | None) -> str:
    return "json" if path is not None and path.endswith(".json") else "md"


def _write(path: str, text: str) -> None:
    """Whole or not at all, for its owner alone."""
    draft = f"{path}.{os.getpid()}.part"
    try:
        opened = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            with open(opened, "w", encoding="utf-8", errors="replace") as file:
                file.write(text)
            os.replace(draft, path)
        except OSError:
            os.unlink(draft)
            raise
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from None
