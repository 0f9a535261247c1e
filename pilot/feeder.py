"""Batches, made ahead of the training step that takes them.

On a CPU the step itself needs every core, and a batch is made in a fiftieth of its time: it is
made when it is asked for. A GPU takes batches faster than one process can write them: there, worker
processes stay a few steps ahead.
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from torch import Tensor
from transformers import PreTrainedTokenizerFast

from .batches import Stage, batch
from .tokenizer import load

AHEAD = 2  # batches for each worker

Batch: TypeAlias = tuple[Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class Order:
    """One batch to be made: what `batches.batch` takes."""

    key: str
    stage: Stage
    rows: int
    length: int


class Feeder:
    """Hands out the batches of steps that are asked for in order. Close it, or use ``with``.

    ``order`` says which batch a step takes; it is asked up to ``AHEAD * workers`` steps early.
    """

    def __init__(self, vocabulary: Path, workers: int, order: Callable[[int], Order]) -> None:
        self._order = order
        self._tokenizer = load(vocabulary)
        self._pool: ProcessPoolExecutor | None = None
        self._ahead = AHEAD * workers
        self._made: deque[tuple[int, Order, Future[Batch]]] = deque()
        if workers:
            self._pool = ProcessPoolExecutor(
                workers,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_start,
                initargs=(vocabulary,),
            )

    def __enter__(self) -> Feeder:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def batch(self, step: int) -> tuple[Order, Batch]:
        """What step ``step`` trains on."""
        if self._pool is None:
            order = self._order(step)
            return order, _make(self._tokenizer, order)
        following = self._made[-1][0] + 1 if self._made else step
        for number in range(following, step + self._ahead + 1):
            order = self._order(number)
            self._made.append((number, order, self._pool.submit(_make_here, order)))
        number, order, future = self._made.popleft()
        assert number == step, "steps are asked for in order"
        return order, future.result()


def _make(tokenizer: PreTrainedTokenizerFast, order: Order) -> Batch:
    return batch(tokenizer, order.key, order.stage, order.rows, order.length)


# ---- in a worker process ------------------------------------------------------------------

_here: list[PreTrainedTokenizerFast] = []


def _start(vocabulary: Path) -> None:
    import torch

    torch.set_num_threads(1)
    _here.append(load(vocabulary))


def _make_here(order: Order) -> Batch:
    return _make(_here[0], order)
