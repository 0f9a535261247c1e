"""Copying drills: random tokens, and later the same ones again.

A few rows of nothing but repetition keep the copying circuit sharp (see ``circuit``), and make even
the rarest token of the vocabulary one that can be copied.
"""

from __future__ import annotations

from random import Random


def drill(rng: Random, vocabulary: range, length: int) -> tuple[list[int], list[float]]:
    """``length`` tokens and weight 1 for those that can be foreseen, being repeated."""
    ids: list[int] = []
    foreseen: list[float] = []
    seen: list[list[int]] = []
    while len(ids) < length:
        if seen and rng.random() < 0.6:
            chunk = rng.choice(seen[-4:])
            known = [float(place > 0) for place in range(len(chunk))]
        else:
            chunk = [rng.choice(vocabulary) for _ in range(rng.randint(3, 24))]
            known = [0.0] * len(chunk)
            seen.append(chunk)
        ids += chunk
        foreseen += known
    return ids[:length], foreseen[:length]
