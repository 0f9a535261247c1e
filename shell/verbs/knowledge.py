"""The verbs of the knowledge base: ingest, kb."""

from __future__ import annotations

import os

from ..arguments import pid
from ..documents import documents
from ..errors import UsageError
from ..output import count_text, table
from ..verb import Context, Outcome, option, verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...kernel.messages import DocumentInfo, FoundPassage, NamespaceInfo

DEFAULT_NAMESPACE = "main"
WHO = ("owner", "tree", "group", "session", "all")

NAMESPACE = option(
    "-n", "--namespace", default=DEFAULT_NAMESPACE, metavar="NAME", help="which (default: main)"
)
AS = option(
    "--as", dest="on_behalf", type=pid, default=1, metavar="PID", completes="pid",
    help="on behalf of that process (default: of the user)",
)  # fmt: skip


@verb(
    "ingest",
    "read files and folders into the knowledge base",
    option("paths", nargs="+", metavar="PATH", completes="path", help="files and folders"),
    NAMESPACE,
    option("--readers", choices=WHO, help="who may search it (at first: all)"),
    option("--writers", choices=WHO, help="who may add to it (at first: owner)"),
    option("--remove", action="store_true", help="remove their documents; the files stay"),
    option("--prune", action="store_true", help="remove documents whose files are gone"),
    option("-w", "--watch", action="store_true", help="and go on with what changes, until Ctrl-C"),
    AS,
    kind="outside",
)
async def ingest(ctx: Context) -> Outcome:
    from ..ingestion import Ingestion  # heavy: it reads files, the other verbs do not

    args = ctx.args
    paths = [absolute(path) for path in args.paths]
    if args.remove:
        return await _remove(ctx, paths)
    for path in paths:
        if not os.path.exists(path) and not (args.prune or args.watch):
            raise UsageError(f"there is no {path}", "--prune removes what is gone")
    fields = {"readers": args.readers, "writers": args.writers}
    await ctx.ask("kb_open", namespace=args.namespace, pid=args.on_behalf, **fields)
    with Ingestion(ctx, args.namespace, args.on_behalf) as ingestion:
        await ingestion.run(paths, prune=args.prune or args.watch)
        if args.watch:
            ctx.out.progress(f"{ingestion.text()}; watching, Ctrl-C ends it")
            await ingestion.watch(paths)
        status = 1 if ingestion.failed else 0
        return Outcome(ingestion.document(), ingestion.text(), status)


async def _remove(ctx: Context, paths: list[str]) -> Outcome:
    args, removed = ctx.args, 0
    for beneath in paths:
        done = await ctx.ask(
            "kb_remove", namespace=args.namespace, beneath=beneath, pid=args.on_behalf
        )
        removed += done.removed
    return Outcome({"removed": removed}, f"{args.namespace}: {removed:,} removed")


@verb(
    "kb",
    "list the knowledge base, or search it",
    option(
        "namespace",
        nargs="?",
        metavar="NAME",
        completes="namespace",
        help="a namespace (default: all)",
    ),
    option("-s", "--search", metavar="TEXT", help="the passages that have most to do with a text"),
    option("-k", type=int, default=5, metavar="N", help="how many passages (default: 5)"),
    option("--drop", action="store_true", help="remove the namespace and all its documents"),
    AS,
)
async def kb(ctx: Context) -> Outcome:
    args = ctx.args
    if args.search is not None:
        return await _search(ctx)
    if args.drop:
        if args.namespace is None:
            raise UsageError("name the namespace that is to be removed")
        done = await ctx.ask("kb_remove", namespace=args.namespace, pid=args.on_behalf)
        return Outcome(done, f"{args.namespace}: {done.removed:,} removed")
    if args.namespace is None:
        listed: list[NamespaceInfo] = (await ctx.ask("kb", pid=args.on_behalf)).namespaces
        return Outcome({"namespaces": listed}, _namespaces(listed, ctx.out.width))
    found = [one async for one in documents(ctx, args.namespace, "", args.on_behalf)]
    return Outcome({"documents": found}, _documents(found, ctx.out.width))


async def _search(ctx: Context) -> Outcome:
    args = ctx.args
    answer = await ctx.ask(
        "kb_search",
        query=args.search,
        namespaces=args.namespace and [args.namespace],
        k=args.k,
        pid=args.on_behalf,
    )
    found: list[FoundPassage] = answer.found
    shown = "\n\n".join(f"{_cited(one)}\n{one.text}" for one in found)
    return Outcome({"found": found}, shown, 0 if found else 1)


def absolute(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path))


def size_text(num_bytes: int) -> str:
    """`812`, `12k`, `3.4m`, in bytes."""
    if num_bytes < 10_000:
        return str(num_bytes)
    return f"{num_bytes / 1000:.0f}k" if num_bytes < 1_000_000 else f"{num_bytes / 1e6:.1f}m"


def _cited(found: FoundPassage) -> str:
    """`/home/ada/plan.md:12-18, /home/ada/old.md:3`, `/home/ada/paper.pdf, page 3`."""
    return ", ".join(
        f"{one.path}, page {one.first}"
        if one.unit == "page"
        else f"{one.path}:{one.first}" + (f"-{one.last}" if one.last > one.first else "")
        for one in found.cited
    )


def _namespaces(listed: list[NamespaceInfo], width: int | None) -> str:
    header = (
        "NAMESPACE",
        "DOCUMENTS",
        "PASSAGES",
        "SIZE",
        "OWNER",
        "READERS",
        "WRITERS",
    )
    rows = [
        (
            info.name,
            count_text(info.documents),
            count_text(info.passages),
            size_text(info.size),
            str(info.owner),
            info.readers,
            info.writers,
        )
        for info in listed
    ]
    return table(header, rows, width)


def _documents(listed: list[DocumentInfo], width: int | None) -> str:
    rows = [
        (
            count_text(info.passages),
            size_text(info.source.size),
            info.source.path if info.whole else f"{info.source.path} (not whole: ingest it again)",
        )
        for info in listed
    ]
    return table(("PASSAGES", "SIZE", "DOCUMENT"), rows, width)
