"""The memory map: what a process had in its window over time, and what had left it, as a picture.

The window is above: its tokens are stacked, and go down when pages leave in a flush. Below, on a
scale of its own, is what has left. SVG is text, so that no library is needed; its colours follow
the light or the dark theme of whoever shows it.
"""

from __future__ import annotations

from bisect import bisect_left

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..kernel.messages import PageRow, PageTable

WIDTH, HEIGHT = 960, 520
LEFT, RIGHT = 70, 20
WINDOW = (84, 344)
DISK = (376, 474)
"""From the top to the bottom of each half."""
MOST_STEPS = WIDTH
"""More moments than there are pixels cannot be seen."""

LAYERS = (
    ("pinned", "pinned"),
    ("shared", "shared"),
    ("resident", "resident"),
    ("recalled", "recalled"),
    ("evicted", "on disk alone"),
)
"""From the bottom to the top: a class for the style, and a word for the legend. A page is in the
first that it belongs to."""

STYLE = """
  svg { --ground: #ffffff; --ink: #1f2328; --faint: #d8dee4; --soft: #656d76;
        --pinned: #c4432b; --shared: #8250df; --resident: #2f6fd0; --recalled: #d4a72c;
        --evicted: #dfe5ec; }
  @media (prefers-color-scheme: dark) {
    svg { --ground: #0d1117; --ink: #e6edf3; --faint: #2b323b; --soft: #8d96a0;
          --pinned: #f0776a; --shared: #a98bf5; --resident: #4f8ff7; --recalled: #e3b341;
          --evicted: #252c36; }
  }
  text { fill: var(--soft); font: 12px ui-sans-serif, system-ui, sans-serif; }
  .title { fill: var(--ink); font-size: 16px; font-weight: 600; }
  .ground { fill: var(--ground); }
  .grid { stroke: var(--faint); }
  .axis { stroke: var(--soft); }
  .flush { stroke: var(--ink); stroke-dasharray: 2 3; opacity: .55; }
  .window { stroke: var(--ink); stroke-dasharray: 7 4; }
  .pinned { fill: var(--pinned); } .shared { fill: var(--shared); }
  .resident { fill: var(--resident); } .recalled { fill: var(--recalled); }
  .evicted { fill: var(--evicted); }
"""


def drawing(found: PageTable, *, by_time: bool = True) -> str:
    """The picture as SVG. To the right goes time, or the number of pages, which leaves no gap
    where nobody spoke for a day."""
    moments, stacks = history(found.pages)
    births = [page.created for page in found.pages]
    xs = moments if by_time else [float(bisect_left(births, at)) for at in moments]
    in_window = [stack[:-1] for stack in stacks]
    on_disk = [stack[-1:] for stack in stacks]
    above = _Scale(xs, WINDOW, max([found.window_tokens or 0, *map(sum, in_window)]))
    below = _Scale(xs, DISK, max([0, *map(sum, on_disk)]))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
        f' role="img" aria-label="memory of process {found.pid}">',
        f"<style>{STYLE}</style>",
        f'<rect class="ground" width="{WIDTH}" height="{HEIGHT}"/>',
        *_heading(found),
        *_grid(above, 4),
        *_grid(below, 2),
        *_axis(below, by_time),
        *_areas(above, xs, in_window, LAYERS[:-1]),
        *_areas(below, xs, on_disk, LAYERS[-1:]),
        *_flushes(above, found, births, by_time),
        *_mark(above, found.window_tokens),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def history(pages: Sequence[PageRow]) -> tuple[list[float], list[list[int]]]:
    """(moments, tokens in each layer from each moment on), at most `MOST_STEPS` of them. Marks and
    sharing are those of today."""
    changes: list[tuple[float, int, int]] = []  # (when, layer, tokens)
    top = len(LAYERS) - 1
    for page in pages:
        layer = _layer(page)
        changes.append((page.created, layer, page.shown_tokens))
        if page.left is not None:
            changes.append((page.left, layer, -page.shown_tokens))
            changes.append((page.left, top, page.num_tokens))
    changes.sort(key=lambda change: change[0])
    moments: list[float] = []
    stacks: list[list[int]] = []
    now = [0] * len(LAYERS)
    least = (changes[-1][0] - changes[0][0]) / MOST_STEPS if len(changes) > MOST_STEPS else 0
    for when, layer, tokens in changes:
        now[layer] += tokens
        if moments and when - moments[-1] <= least:
            stacks[-1] = list(now)
        else:
            moments.append(when)
            stacks.append(list(now))
    return moments, stacks


def _layer(page: PageRow) -> int:
    if page.pinned:
        return 0
    if page.processes > 1:
        return 1
    return 3 if page.recalled else 2


class _Scale:
    """Where a moment and a number of tokens are on the picture."""

    def __init__(self, xs: Sequence[float], half: tuple[int, int], most: int) -> None:
        self.first = xs[0] if xs else 0.0
        self.last = max(xs[-1] if xs else 0.0, self.first + 1e-9)
        self.most = _round_up(max(most, 10))
        self.top, self.bottom = half

    def x(self, at: float) -> float:
        share = (at - self.first) / (self.last - self.first)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def y(self, tokens: float) -> float:
        return round(self.bottom - tokens / self.most * (self.bottom - self.top), 1)


def _heading(found: PageTable) -> list[str]:
    resident = [page for page in found.pages if page.left is None]
    tokens = sum(page.shown_tokens for page in resident)
    words = (
        f"{len(found.pages):,} pages, {len(resident):,} resident with {tokens:,} tokens,"
        f" {len(found.flushes):,} flushes"
    )
    lines = [
        f'<text class="title" x="{LEFT}" y="28">Memory of process {found.pid}:'
        f" {_escaped(' '.join(found.name.split()))}</text>",
        f'<text x="{LEFT}" y="48">{words}</text>',
    ]
    x = LEFT
    for name, word in LAYERS:
        lines.append(f'<rect class="{name}" x="{x}" y="60" width="11" height="11" rx="2"/>')
        lines.append(f'<text x="{x + 17}" y="70">{word}</text>')
        x += 38 + 7 * len(word)
    lines.append(f'<line class="flush" x1="{x + 4}" y1="59" x2="{x + 4}" y2="72"/>')
    lines.append(f'<text x="{x + 12}" y="70">flush</text>')
    lines.append(f'<line class="window" x1="{x + 56}" y1="66" x2="{x + 78}" y2="66"/>')
    lines.append(f'<text x="{x + 84}" y="70">high watermark</text>')
    return lines


def _grid(scale: _Scale, steps: int) -> list[str]:
    lines = []
    for step in range(steps + 1):
        tokens = scale.most * step // steps
        y = scale.y(tokens)
        kind = "grid" if step else "axis"
        lines.append(f'<line class="{kind}" x1="{LEFT}" y1="{y}" x2="{WIDTH - RIGHT}" y2="{y}"/>')
        lines.append(f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{tokens:,}</text>')
    lines.append(f'<text x="{LEFT - 8}" y="{scale.top - 14}" text-anchor="end">tokens</text>')
    return lines


def _axis(scale: _Scale, by_time: bool) -> list[str]:
    lines = []
    for step in range(5):
        at = scale.first + (scale.last - scale.first) * step / 4
        label = _ago(at - scale.first) if by_time else f"{at:.0f}"
        anchor = ("start", "middle", "middle", "middle", "end")[step]
        lines.append(
            f'<text x="{scale.x(at)}" y="{scale.bottom + 18}" text-anchor="{anchor}">{label}</text>'
        )
    what = "time since its first page" if by_time else "pages"
    middle = (LEFT + WIDTH - RIGHT) // 2
    lines.append(f'<text x="{middle}" y="{HEIGHT - 10}" text-anchor="middle">{what}</text>')
    return lines


def _areas(
    scale: _Scale,
    xs: Sequence[float],
    stacks: Sequence[Sequence[int]],
    layers: Sequence[tuple[str, str]],
) -> list[str]:
    """From the top layer down to the axis, each painted over the one above it."""
    lines = []
    for number, (name, _) in reversed(list(enumerate(layers))):
        if not any(stack[number] for stack in stacks):
            continue
        heights = [sum(stack[: number + 1]) for stack in stacks]
        points = [(scale.x(xs[0]), scale.y(0))]
        for index, (x, height) in enumerate(zip(xs, heights, strict=True)):
            points.append((scale.x(x), scale.y(heights[index - 1] if index else 0)))
            points.append((scale.x(x), scale.y(height)))
        end = WIDTH - RIGHT
        points += [(end, scale.y(heights[-1])), (end, scale.y(0))]
        path = "L".join(f"{x:g} {y:g}" for x, y in points)
        lines.append(f'<path class="{name}" d="M{path}Z"/>')
    return lines


def _flushes(scale: _Scale, found: PageTable, births: Sequence[float], by_time: bool) -> list[str]:
    lines = []
    for flush in found.flushes:
        at = flush.created if by_time else float(bisect_left(births, flush.created))
        x = scale.x(min(max(at, scale.first), scale.last))
        lines.append(
            f'<line class="flush" x1="{x}" y1="{WINDOW[0]}" x2="{x}" y2="{DISK[1]}"><title>'
            f"{flush.num_pages:,} pages left: {flush.tokens_before:,} tokens became"
            f" {flush.tokens_after:,}</title></line>"
        )
    return lines


def _mark(scale: _Scale, window_tokens: int | None) -> list[str]:
    if window_tokens is None:
        return []
    y = scale.y(window_tokens)
    return [f'<line class="window" x1="{LEFT}" y1="{y}" x2="{WIDTH - RIGHT}" y2="{y}"/>']


def _ago(duration_s: float) -> str:
    from .output import seconds

    return seconds(duration_s) if duration_s else "0"


def _round_up(number: int) -> int:
    """To what can be read off an axis with four marks."""
    step = 4
    while step * 10 < number:
        step *= 10
    return -(-number // step) * step


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
