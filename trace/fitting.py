"""What the steps of an engine cost, from the times in a trace.

A generation's prefill and its decode each take a number of steps; what the engine computed in that
time, its own tokens and those of all who ran beside it, is known up to when exactly in their time
the others' were computed: evenly, it is taken. Least squares over all of them, of relative errors,
with no cost below 0; and then all of it by so much that the sum of the times is right.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..kernel.engine.driver import Costs
from .lives import Generation, lives, ran
from .reading import Trace

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Array = NDArray[numpy.float64]

LEAST_GENERATIONS = 20
"""From fewer than these nothing is concluded."""

Span = tuple[float, float, float]
"""From, to, and how much was done in between."""


def costs_of(trace: Trace) -> tuple[Costs, str]:
    """And where they are from, in words."""
    if trace.costs is not None:
        return trace.costs, "the engine's, as the trace says"
    fitted = fit(trace)
    if fitted is not None:
        return fitted, "fitted to the times in the trace"
    return Costs(), f"made up: fewer than {LEAST_GENERATIONS} generations say nothing of them"


def fit(trace: Trace) -> Costs | None:
    """None if there is too little to go by."""
    import numpy

    capacity = trace.capacity
    found = [one for life in lives(trace) for one in ran(life) if one.admitted is not None]
    if len(found) < LEAST_GENERATIONS:
        return None
    prefills = [_prefill(one) for one in found]
    decodes = [_decode(one) for one in found]
    prefilled = _Total([(*when, tokens) for when, tokens, _ in prefills])
    attended = _Total([(*when, pairs) for when, _, pairs in prefills])
    decoded = _Total([(*when, tokens) for when, tokens, _ in decodes])
    looked_at = _Total([(*when, pairs) for when, _, pairs in decodes])
    rows, seconds = [], []
    for (when, tokens, _), (later, made, _) in zip(prefills, decodes, strict=True):
        steps: float = math.ceil(tokens / capacity.max_batched_tokens)
        if decoded.between(*when) > 0:
            steps += 0.5  # it came in the middle of a step of others
        for (since, until), count in ((when, steps), (later, made)):
            if count and until > since:
                sums = (decoded, prefilled, looked_at, attended)
                rows.append([count, *(total.between(since, until) for total in sums)])
                seconds.append(until - since)
    table, times = numpy.array(rows), numpy.array(seconds)
    found_s = non_negative(table / times[:, None], numpy.ones(len(times)))
    # Where times scatter, relative errors are least when all is foreseen too short.
    found_s *= times.sum() / (table @ found_s).sum()
    step_s, decoded_s, token_s, decode_s, prefill_s = map(float, found_s)
    return Costs(
        step_s=step_s,
        sequence_s=max(0.0, decoded_s - token_s),
        token_s=min(token_s, decoded_s) if decoded_s else token_s,
        decode_s=decode_s,
        prefill_s=prefill_s,
    )


def non_negative(rows: Array, values: Array) -> Array:
    """Least squares; what would be below 0 is left out."""
    import numpy

    columns = list(range(rows.shape[1]))
    while True:
        found, *_ = numpy.linalg.lstsq(rows[:, columns], values, rcond=None)
        if (found >= 0).all():
            result = numpy.zeros(rows.shape[1])
            result[columns] = found
            return result
        del columns[int(found.argmin())]


def _prefill(one: Generation) -> tuple[tuple[float, float], float, float]:
    """(when, tokens computed, tokens attended to)"""
    assert one.admitted is not None and one.first is not None
    tokens = max(1, one.tokens_in - one.tokens_cached)
    return (one.admitted, one.first), tokens, tokens * (one.tokens_in - tokens / 2)


def _decode(one: Generation) -> tuple[tuple[float, float], float, float]:
    """The same, after the first token, which comes of the prefill."""
    assert one.first is not None and one.left is not None
    tokens = one.tokens_out - 1
    return (one.first, one.left), tokens, tokens * (one.tokens_in + tokens / 2)


class _Total:
    """What was done by all in some time, each evenly in its own."""

    def __init__(self, spans: list[Span]) -> None:
        import numpy

        begins, ends, amounts = (numpy.array(one, dtype=float) for one in zip(*spans, strict=True))
        rates = amounts / numpy.maximum(ends - begins, 1e-9)
        moments = numpy.concatenate([begins, numpy.maximum(ends, begins + 1e-9)])
        order = numpy.argsort(moments, kind="stable")
        self._moments = moments[order]
        slopes = numpy.cumsum(numpy.concatenate([rates, -rates])[order])
        grown = numpy.cumsum(slopes[:-1] * numpy.diff(self._moments))
        self._done = numpy.concatenate([[0.0], grown])

    def between(self, since: float, until: float) -> float:
        import numpy

        first, last = numpy.interp([since, until], self._moments, self._done)
        return float(last - first)
