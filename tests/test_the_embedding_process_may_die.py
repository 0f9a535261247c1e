"""The embedding process can be killed at any time: the next request, and the one that it took with
it, are answered by a new one."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from llmos.memory.embedding import MINILM, EmbeddingError, EmbeddingProcess, Vectors, model_folder

SAME = 0.999
"""Cosine: vectors are computed with two or three digits where the processor is made for it."""
TEXTS = ["a cat sits on the mat", "a kitten rests on a rug", "interest rates were raised"]


def same(some: Vectors, others: Vectors) -> bool:
    return bool(((some * others).sum(axis=1) > SAME).all())


@pytest.fixture
async def embedder() -> AsyncIterator[EmbeddingProcess]:
    embedder = EmbeddingProcess()
    yield embedder
    await embedder.close()


async def test_vectors_are_the_same_after_a_kill(embedder: EmbeddingProcess) -> None:
    before = await embedder.embed(TEXTS)
    assert before.shape == (3, 384) and before.dtype == np.float32
    assert np.allclose(np.linalg.norm(before, axis=1), 1, atol=1e-5)
    assert before[0] @ before[1] > 0.5 > before[0] @ before[2]
    assert embedder.pid
    os.kill(embedder.pid, signal.SIGKILL)
    assert same(await embedder.embed(TEXTS), before)

    request = asyncio.create_task(embedder.embed(TEXTS * 60))
    await asyncio.sleep(0.05)
    os.kill(embedder.pid, signal.SIGKILL)
    assert same((await request)[-3:], before)


async def test_a_cancelled_request_leaves_no_answer_to_the_next(embedder: EmbeddingProcess) -> None:
    before = await embedder.embed(TEXTS)
    request = asyncio.create_task(embedder.embed(["something else"] * 200))
    await asyncio.sleep(0.05)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert same(await embedder.embed(TEXTS), before)


async def test_what_is_no_model_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(EmbeddingError, match="nosuchmodel"):
        EmbeddingProcess("nosuchmodel")
    (tmp_path / "config.json").write_text("{}")
    embedder = EmbeddingProcess(str(tmp_path))
    with pytest.raises(EmbeddingError, match="cannot be loaded"):
        await embedder.embed(["a"])
    await embedder.close()


async def test_a_model_of_the_hub_is_found_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, embedder: EmbeddingProcess
) -> None:
    """As the hub's own library keeps what it has downloaded."""
    kept = tmp_path / "hub" / "models--someone--minilm"
    (kept / "refs").mkdir(parents=True)
    (kept / "refs" / "main").write_text("a1")
    shutil.copytree(model_folder(MINILM), kept / "snapshots" / "a1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    named = EmbeddingProcess("someone/minilm")
    assert same(await named.embed(TEXTS), await embedder.embed(TEXTS))
    await named.close()
    missing = EmbeddingProcess("someone/else")
    with pytest.raises(EmbeddingError, match="someone/else cannot be loaded"):
        await missing.embed(TEXTS)
    await missing.close()


async def test_vllm_computes_the_same_vectors(embedder: EmbeddingProcess) -> None:
    pooling = EmbeddingProcess(f"vllm:{model_folder(MINILM)}")
    assert same(await pooling.embed(TEXTS), await embedder.embed(TEXTS))
    await pooling.close()


async def test_a_text_has_its_vector_whatever_it_is_asked_with(embedder: EmbeddingProcess) -> None:
    """Others are longer, shorter, and too many for one batch."""
    words = ["cat", "rate", "war", "tree", "", "ship"] * 15
    texts = [" ".join([word] * (1 + 37 * at % 90)) + f" {at}" for at, word in enumerate(words)]
    together = await embedder.embed(texts)
    for at in (1, 4, 41, 89):
        assert same(await embedder.embed([texts[at]]), together[at : at + 1])
        assert not same(together[at : at + 1], together[at - 1 : at])


def test_it_ends_with_its_parent() -> None:
    code = (
        "import asyncio, os\n"
        "from llmos.memory.embedding import EmbeddingProcess\n"
        "async def main():\n"
        "    embedder = EmbeddingProcess()\n"
        "    await embedder.embed(['a'])\n"
        "    print(embedder.pid, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())\n"
    )
    output = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True).stdout
    child = Path(f"/proc/{int(output)}")
    deadline = time.monotonic() + 20
    while child.exists() and "\nState:\tZ" not in (child / "status").read_text():
        assert time.monotonic() < deadline, "it outlived its parent"
        time.sleep(0.05)
