"""`top -b`: readings as text or as JSON, for scripts."""

from __future__ import annotations

import json

from ..errors import Interrupted
from ..output import cut
from ..verb import Context, Outcome
from .model import View, gauges, header, layout, line
from .reading import Reading

WIDTH = 140
"""Columns off a terminal."""


async def batch(ctx: Context, view: View, count: int | None, delay_s: float) -> Outcome:
    """So many readings (None: until Ctrl-C), `delay_s` apart and each over as long as that. With
    `--json` a single one is a document, several are a line each."""
    before = Reading(await ctx.ask("top"))
    shown = 0
    try:
        while count is None or shown < count:
            await ctx.sleep(delay_s)
            reading = before = Reading(await ctx.ask("top"), before)
            shown += 1
            if count == 1:
                rows = [row for row, _ in view.rows(reading)]
                return Outcome(reading.document(rows), text(reading, view, ctx.out.width))
            if ctx.out.as_json:
                rows = [row for row, _ in view.rows(reading)]
                print(json.dumps({"ok": True, **reading.document(rows)}), flush=True)
            else:
                parting = "\n" if shown > 1 else ""
                ctx.out.line(parting + text(reading, view, ctx.out.width))
    except (Interrupted, KeyboardInterrupt):
        return Outcome(status=130, shown=True)
    return Outcome(shown=True)


def text(reading: Reading, view: View, width: int | None) -> str:
    columns = layout(width or WIDTH)
    lines = [cut(f"{name:<7}{words}", width or WIDTH) for name, words in gauges(reading)]
    rows = [line(row, depth, columns) for row, depth in view.rows(reading)]
    return "\n".join(part.rstrip() for part in [*lines, "", header(columns), *rows])
