"""Map: the same task over many items, so many at once, in order."""

from __future__ import annotations

import asyncio
import contextlib
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from typing import Any


async def mapped(
    one: Callable[[str], Awaitable[Any]],
    items: list[str],
    limit: int,
    return_exceptions: bool,
    progress: bool | None,
) -> list[Any]:
    """What `one` makes of each, in their order. Raises ValueError for a limit below 1."""
    if limit < 1:
        raise ValueError(f"limit: {limit} is not 1 or more")
    results: list[Any] = [None] * len(items)
    left = iter(enumerate(items))

    async def work(done: Callable[[], None]) -> None:
        for index, item in left:  # shared by all who work
            try:
                results[index] = await one(item)
            except Exception as error:
                if not return_exceptions:
                    raise
                results[index] = error
            done()

    with _bar(len(items), progress) as done:
        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(min(limit, len(items))):
                    workers.create_task(work(done))
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None  # the first; the others were ended for it
    return results


@contextlib.contextmanager
def _bar(total: int, wanted: bool | None) -> Iterator[Callable[[], None]]:
    """Gives what is to be called for each item that is done."""
    shown = sys.stderr.isatty() if wanted is None else wanted
    if not shown or not total:
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=total)
        yield lambda: bar.advance(task)
