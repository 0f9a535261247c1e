"""The embedding process: `python -m llmos.memory.embedding_worker SOCKET_FD PARENT_PID MODEL`.

A model folder in, unit vectors out: tokens through the transformer, mean over those that are not
padding, length one. That is what a sentence-transformers folder with mean pooling says; others are
refused. The process says hello with the width of its vectors, then answers requests in order. What
is short is a question, for which somebody waits; the rest is computed when nobody needs the cores.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import struct
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from .plugin_embedding import PREFIX as PLUGIN_PREFIX
from .plugin_embedding import PluginModel
from .vllm_embedding import PREFIX, VllmModel

HEADER = struct.Struct("<IBII")
"""Bytes of the body, kind, rows, columns."""
HELLO, TEXTS, VECTORS, FAILED = range(4)
BATCH_TOKENS = 512
"""Padding included. More at once are computed no faster, and few texts have the same length."""
QUESTION_CHARACTERS = 400
NICENESS = 10
"""Of all that is no question: the engine needs the cores more."""
_PR_SET_PDEATHSIG = 1


def main() -> None:
    channel = socket.socket(fileno=int(sys.argv[1]))
    channel.set_inheritable(False)
    die_with(int(sys.argv[2]))
    try:
        model = load(sys.argv[3])
    except Exception as error:
        send(channel, FAILED, f"{type(error).__name__}: {error}".encode())
        return
    send(channel, HELLO, b"", 0, model.dim)
    # Niceness belongs to a thread, and is not taken back: so there are two, never both at work.
    nice = ThreadPoolExecutor(1, initializer=os.nice, initargs=(NICENESS,))
    while (request := receive(channel)) is not None:
        # A lone surrogate is no text for a tokenizer.
        texts = [text.encode("utf-8", "replace").decode() for text in json.loads(request[1])]
        is_question = sum(map(len, texts)) <= QUESTION_CHARACTERS
        try:
            vectors = (
                model.embed(texts) if is_question else nice.submit(model.embed, texts).result()
            )
        except Exception as error:
            send(channel, FAILED, f"{type(error).__name__}: {error}".encode())
        else:
            send(channel, VECTORS, vectors, len(texts), model.dim)


def load(model: str) -> Model | PluginModel | VllmModel:
    """A folder, or a name on the hub, which is looked for on this machine first."""
    if model.startswith(PLUGIN_PREFIX):
        return PluginModel(model.removeprefix(PLUGIN_PREFIX))
    if model.startswith(PREFIX):
        return VllmModel(model.removeprefix(PREFIX))
    folder = Path(model)
    if not folder.is_absolute():
        from huggingface_hub import snapshot_download

        folder = Path(snapshot_download(model))
    return Model(folder)


def die_with(parent: int) -> None:
    """End with the kernel, however it ends; and be the first to go when memory runs out."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("800")


class Model:
    """Raises ValueError for a folder whose vectors would not be what its author meant."""

    def __init__(self, folder: Path) -> None:
        os.environ["HF_HUB_OFFLINE"] = "1"
        import torch
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging

        logging.set_verbosity_error()
        logging.disable_progress_bar()
        check_pooling(folder)
        if "OMP_NUM_THREADS" not in os.environ:  # the engine needs the cores more
            torch.set_num_threads(min(4, torch.get_num_threads()))
        self._torch: Any = torch
        self._tokenizer: Any = AutoTokenizer.from_pretrained(str(folder))
        # In half the bytes, where the processor multiplies such numbers itself: twice as fast, and
        # the vectors are the same to three digits, which is what is kept of them.
        fast = torch.cpu.get_capabilities().get("avx512_bf16", False)
        dtype = torch.bfloat16 if fast else torch.float32
        self._model: Any = AutoModel.from_pretrained(str(folder), dtype=dtype).eval()
        self._max_tokens = max_tokens(folder, self._model.config.max_position_embeddings)
        self.dim = int(self._model.config.hidden_size)

    def embed(self, texts: list[str]) -> bytes:
        """float32, row after row."""
        torch = self._torch
        rows = torch.zeros(len(texts), self.dim)
        tokens = self._tokenizer(texts, truncation=True, max_length=self._max_tokens)["input_ids"]
        with torch.inference_mode():
            for batch in batches([len(ids) for ids in tokens]):
                inputs = self._tokenizer.pad(
                    {"input_ids": [tokens[index] for index in batch]}, return_tensors="pt"
                )
                hidden = self._model(**inputs).last_hidden_state.float()
                mask = inputs["attention_mask"].unsqueeze(-1)
                mean = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1)
                rows[batch] = torch.nn.functional.normalize(mean, dim=1)
        content: bytes = rows.numpy().astype("<f4").tobytes()
        return content


def batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Indices of texts of about one length: all are padded to the longest, and what is padded is
    computed."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[index] > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def check_pooling(folder: Path) -> None:
    file = folder / "1_Pooling" / "config.json"
    if file.exists():
        config = json.loads(file.read_text())
        if not config.get("pooling_mode_mean_tokens"):
            raise ValueError(f"{file} asks for a pooling other than the mean")


def max_tokens(folder: Path, positions: int) -> int:
    file = folder / "sentence_bert_config.json"
    if file.exists():
        return min(positions, int(json.loads(file.read_text()).get("max_seq_length") or positions))
    return positions


def send(channel: socket.socket, kind: int, body: bytes, rows: int = 0, columns: int = 0) -> None:
    channel.sendall(HEADER.pack(len(body), kind, rows, columns) + body)


def receive(channel: socket.socket) -> tuple[int, bytes] | None:
    """(kind, body) of the next request; None when the other side has gone."""
    header = _read(channel, HEADER.size)
    if len(header) < HEADER.size:
        return None
    size, kind, _, _ = HEADER.unpack(header)
    return kind, _read(channel, size)


def _read(channel: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = channel.recv(min(size - len(data), 1 << 20))
        if not piece:
            break
        data += piece
    return bytes(data)


if __name__ == "__main__":
    main()
