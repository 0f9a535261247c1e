"""Copying drills: random tokens, and later the same ones again.

A few rows of nothing but repetition keep the copying circuit sharp (see ``circuit``), and make even
the rarest token of the vocabulary one that can be copied. Half of what is repeated are lists whose
lines begin and end alike, as the names of a folder do: there only the line before tells which line
comes next.
"""

from __future__ import annotations

from random import Random


def _lines(rng: Random, vocabulary: range, newline: int) -> list[int]:
    """Two to eight lines with the same beginning, the same end, and something between."""
    start = [rng.choice(vocabulary) for _ in range(rng.choice((0, 0, 1, 2)))]
    end = [rng.choice(vocabulary) for _ in range(rng.choice((0, 1, 2, 3)))]
    ids: list[int] = []
    for _ in range(rng.randint(2, 8)):
        ids += start + [rng.choice(vocabulary) for _ in range(rng.randint(1, 4))] + end + [newline]
    return ids


def drill(
    rng: Random, vocabulary: range, newline: int, length: int
) -> tuple[list[int], list[float]]:
    """``length`` tokens and weight 1 for those that can be foreseen, being repeated."""
    ids: list[int] = []
    foreseen: list[float] = []
    seen: list[list[int]] = []
    while len(ids) < length:
        if seen and rng.random() < 0.6:
            chunk = rng.choice(seen[-4:])
            known = [float(place > 0) for place in range(len(chunk))]
        else:
            if rng.random() < 0.5:
                chunk = _lines(rng, vocabulary, newline)
            else:
                chunk = [rng.choice(vocabulary) for _ in range(rng.randint(3, 24))]
            known = [0.0] * len(chunk)
            seen.append(chunk)
        ids += chunk
        foreseen += known
    return ids[:length], foreseen[:length]
