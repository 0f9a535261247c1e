"""Draw a run's log: ``python -m llmos.pilot.plot pilot/runs/pilot docs/pilot-training.svg``.

Loss over tokens, both on plain axes, the training loss as a line and the validation loss as dots.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

WIDTH, HEIGHT, MARGIN = 720, 320, 48

Point: TypeAlias = tuple[float, float]


def read(log: Path) -> tuple[list[Point], list[Point]]:
    """(tokens in millions, loss) of the training and of the validation."""
    training: list[Point] = []
    validation: list[Point] = []
    for line in log.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        millions = record.get("tokens", training[-1][0] * 1e6 if training else 0) / 1e6
        if "validation_loss" in record:
            validation.append((millions, record["validation_loss"]))
        else:
            training.append((millions, record["loss"]))
    return training, validation


def draw(training: Sequence[Point], validation: Sequence[Point]) -> str:
    """The plot as SVG."""
    right = max(x for x, _ in (*training, *validation))
    top = min(3.0, max(y for _, y in (*training, *validation)))

    def place(point: Point) -> tuple[float, float]:
        x = MARGIN + point[0] / right * (WIDTH - 2 * MARGIN)
        y = HEIGHT - MARGIN - min(point[1], top) / top * (HEIGHT - 2 * MARGIN)
        return round(x, 1), round(y, 1)

    line = " ".join("{},{}".format(*place(point)) for point in training)
    dots = "\n".join(
        '<circle cx="{}" cy="{}" r="3.5" fill="#d9480f"/>'.format(*place(point))
        for point in validation
    )
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"
 font-family="sans-serif" font-size="12" fill="#495057">
<rect width="100%" height="100%" fill="#fff"/>
{_grid(right, top, place)}
<polyline points="{line}" fill="none" stroke="#1c7ed6" stroke-width="1.5"/>
{dots}
<text x="{WIDTH / 2}" y="{HEIGHT - 10}" text-anchor="middle">million tokens</text>
<text x="{WIDTH - MARGIN}" y="24" text-anchor="end"><tspan fill="#1c7ed6">training loss</tspan>,
<tspan fill="#d9480f">validation loss</tspan></text>
</svg>
"""


def _grid(right: float, top: float, place: object) -> str:
    assert callable(place)
    parts = []
    for value in _ticks(top):
        x, y = place((0.0, value))
        parts.append(
            f'<path d="M{x} {y}H{WIDTH - MARGIN}" stroke="#dee2e6"/>'
            f'<text x="{x - 8}" y="{y + 4}" text-anchor="end">{value:g}</text>'
        )
    for value in _ticks(right):
        x, y = place((value, 0.0))
        parts.append(f'<text x="{x}" y="{y + 18}" text-anchor="middle">{value:g}</text>')
    return "\n".join(parts)


def _ticks(end: float) -> Iterable[float]:
    """Four to eight round numbers from 0 to ``end``."""
    step = next(s * 10.0**e for e in range(-3, 6) for s in (1, 2, 5) if end / (s * 10.0**e) <= 8)
    return [round(step * index, 6) for index in range(int(end / step) + 1)]


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw the log of a training run.")
    parser.add_argument("run", type=Path, help="the folder of the run")
    parser.add_argument("to", type=Path, help="the SVG file")
    arguments = parser.parse_args()
    arguments.to.write_text(draw(*read(arguments.run / "log.jsonl")), encoding="utf-8")


if __name__ == "__main__":
    main()
