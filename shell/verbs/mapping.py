"""The verb map: one agent a file, several at a time, their answers in the order of the files."""

from __future__ import annotations

import argparse
import os
import sys

from ..arguments import (
    MEANS,
    NAME,
    PROGRAM,
    ROOT,
    TIMEOUT,
    piped_text,
    root_of,
)
from ..errors import Interrupted, ShellError, UsageError
from ..fleet import Fleet, Item
from ..following import EXIT_INTERRUPTED, status_text
from ..output import explained, harmless, one_line
from ..verb import Context, Outcome, option, verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

EXIT_FAILED = 1
AT_ONCE, MOST_AT_ONCE = 4, 200
"""A connection may wait for 256 things at a time (`kernel/server.py`)."""

WIDEST_HEADING = 100


def at_once(text: str) -> int:
    if not (text.isdecimal() and 1 <= int(text) <= MOST_AT_ONCE):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {MOST_AT_ONCE}")
    return int(text)


@verb(
    "map",
    "run one agent for each file, several at a time: map -j4 summarise docs/*.md",
    option("task", metavar="TASK", help="what each of them does, in quotes; its file is context"),
    option("files", metavar="FILE", nargs="*", completes="file", help="a file for each agent"),
    option("-l", "--lines", action="store_true", help="an agent for each line, of FILEs or stdin"),
    option(
        "-j",
        "--jobs",
        type=at_once,
        default=AT_ONCE,
        metavar="N",
        help=f"at most N at a time (default: {AT_ONCE})",
    ),
    option("--out-dir", metavar="DIR", help="write each answer into a file of that name in DIR"),
    ROOT,
    NAME,
    *MEANS,
    PROGRAM,
    TIMEOUT,
)
async def map_(ctx: Context) -> Outcome:
    """Answers are written as soon as all before them are. What goes wrong with one file leaves the
    others alone, is told, and is the status."""
    task = ctx.args.task.strip()
    if not task:
        raise UsageError("there is no task", 'map "summarise this" docs/*.md')
    items = _line_items(ctx) if ctx.args.lines else _file_items(ctx.args.files)
    report = Report(ctx, items)
    fleet = Fleet(ctx, items, _birth(ctx, task), at_once=ctx.args.jobs, timeout_s=ctx.args.timeout)
    interrupted = False
    try:
        while await fleet.fill():
            report.show(fleet.num_running)
            await fleet.wait()
    except (Interrupted, KeyboardInterrupt):  # the latter comes while an answer is written
        report.close()
        await fleet.end()
        interrupted = True
    except BaseException:  # nobody reads on, or the kernel refuses
        report.close()
        await fleet.end()
        raise
    report.show(0, all_of_it=interrupted)
    report.close()
    return report.outcome(interrupted)


def _birth(ctx: Context, task: str) -> dict[str, Any]:
    """What `spawn` is asked for each of them."""
    args = ctx.args
    return {
        "task": task,
        "root": root_of(args.root),
        "name": args.name,
        "program": args.program,
        "nice": args.nice,
        "tools": args.tools,
        "limits": dict(args.limit),
        "budget": args.budget,
        "interactive": False,
        "attach": False,
    }


# ---- what there is to do -----------------------------------------------------------------------


def _file_items(files: list[str]) -> list[Item]:
    if not files:
        raise UsageError(
            "there are no files", "map TASK docs/*.md, or -l for an agent for each line of stdin"
        )
    return [_read(path) for path in files]


def _read(path: str) -> Item:
    item = Item("file", path)
    try:
        with open(path, "rb") as file:
            item.text = file.read().decode("utf-8", "replace")
    except OSError as error:
        item.fail(ShellError(f"{path}: {error.strerror}"))
    return item


def _line_items(ctx: Context) -> list[Item]:
    """Of each line that is not blank."""
    if ctx.args.files:
        texts = []
        for item in _file_items(ctx.args.files):
            if item.error is not None:
                raise item.error
            texts.append(item.text)
        text = "\n".join(texts)
    else:
        text = ctx.fed or ("" if ctx.in_session else piped_text(even_from_device=True))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise UsageError("there are no lines: pipe them in, or name a file of them")
    items = []
    for line in lines:
        items.append(Item("line", line))
        items[-1].text = line
    return items


# ---- what came of it ---------------------------------------------------------------------------


class Report:
    """Writes the answers in the order of the items, and meanwhile how far it is."""

    def __init__(self, ctx: Context, items: list[Item]) -> None:
        self._out = ctx.out
        self._items = items
        self._num_shown = 0
        self._folder = _Folder(ctx.args.out_dir, items) if ctx.args.out_dir else None
        # In the interactive shell it may become a job, and the prompt have the terminal again.
        watched = sys.stderr.isatty() and not ctx.out.as_json and not ctx.in_session
        self._bar = _Bar(len(items)) if watched else None

    def show(self, num_running: int, *, all_of_it: bool = False) -> None:
        """All up to the first that has not ended; with `all_of_it`, all that have."""
        ready = []
        for item in self._items[self._num_shown :]:
            if item.status is None and not all_of_it:
                break
            self._num_shown += 1
            if item.status is not None:
                ready.append(item)
        if ready and self._bar is not None:
            self._bar.hide()
        for item in ready:
            self._one(item)
        if self._bar is not None:
            self._bar.show(sum(item.status is not None for item in self._items), num_running)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.hide()
            self._bar = None

    def _one(self, item: Item) -> None:
        if self._folder is not None and not item.error:
            path = self._folder.write(item)
            if not self._out.as_json:
                self._out.line(path)
        elif not self._out.as_json and item.pid:
            between = "\n" if self._items.index(item) else ""
            self._out.data(f"{between}==> {one_line(item.name, WIDEST_HEADING)} <==\n")
            self._out.line(item.output)
        if item.error is not None and not self._out.as_json:
            self._out.note(f"llmos: map: {_why(item)}")

    def outcome(self, interrupted: bool) -> Outcome:
        failed = [item for item in self._items if item.status != 0]
        document: dict[str, Any] = {"results": [_document(item) for item in self._items]}
        if not failed:
            return Outcome(document)
        names = ", ".join(one_line(item.name, WIDEST_HEADING) for item in failed)
        words = f"{len(failed)} of {len(self._items)} failed: {names}"
        if interrupted:
            words = f"interrupted; {words.replace(' failed: ', ' are not done: ')}"
        if not self._out.as_json:
            self._out.note(f"llmos: map: {words}")
        error = ShellError(words, "llmos logs PID shows what one has read and said")
        document["error"] = explained(error)
        return Outcome(document, status=EXIT_INTERRUPTED if interrupted else EXIT_FAILED)


def _document(item: Item) -> dict[str, Any]:
    known = {
        item.kind: item.name,
        "pid": item.pid,
        "status": item.status,
        "output": item.output,
        "usage": item.usage,
    }
    return known if item.error is None else known | {"error": explained(item.error)}


def _why(item: Item) -> str:
    assert item.error is not None
    if not item.pid:
        return item.error.message
    exited = f"process {item.pid} exited with {status_text(item.status or 0)}"
    return f"{one_line(item.name, WIDEST_HEADING)}: {exited}"


class _Folder:
    """Where each answer gets a file."""

    def __init__(self, folder: str, items: list[Item]) -> None:
        self._folder = folder
        self._names: dict[int, str] = {}
        taken: dict[str, str] = {}
        for number, item in enumerate(items, 1):
            name = f"{number}.txt" if item.kind == "line" else os.path.basename(item.name)
            if name in taken:
                raise UsageError(
                    f"{taken[name]} and {item.name} would both be written to {name}",
                    "give one of them another folder",
                )
            if item.kind == "file" and _same(os.path.join(folder, name), item.name):
                raise UsageError(f"{item.name} would be overwritten with its own answer")
            taken[name] = item.name
            self._names[id(item)] = name
        try:
            os.makedirs(folder, exist_ok=True)
        except OSError as error:
            raise UsageError(f"--out-dir {folder}: {error.strerror}") from None

    def write(self, item: Item) -> str:
        """A whole file or none; its path."""
        from ..replacing import Replacement

        path = os.path.join(self._folder, self._names[id(item)])
        with Replacement(path) as file:
            file.write(harmless(item.output).rstrip("\n") + "\n")
            file.commit()
        return path


def _same(path: str, other: str) -> bool:
    return os.path.realpath(path) == os.path.realpath(other)


class _Bar:
    """How far it is, on the terminal; taken away while something else is written there."""

    def __init__(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self._progress = Progress(
            SpinnerColumn(),
            BarColumn(),
            TextColumn("{task.completed:.0f} of {task.total:.0f}, {task.fields[running]} at work"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._progress.add_task("map", total=total, running=0)

    def show(self, done: int, running: int) -> None:
        self._progress.update(self._task, completed=done, running=running)
        self._progress.start()

    def hide(self) -> None:
        self._progress.stop()
