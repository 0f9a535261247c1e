"""A pooling model of vLLM's as the embedding model, named `vllm:FOLDER` or `vllm:HUB/NAME`: for
models that need more than a mean over tokens, or a GPU. It runs in the embedding process."""

from __future__ import annotations

import os
from typing import Any

PREFIX = "vllm:"
GPU_SHARE = 0.1
"""Of the GPU's memory; the rest is the engine's."""


class VllmModel:
    """Raises what vLLM raises for a folder that is no pooling model."""

    def __init__(self, model: str) -> None:
        os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")  # one process is enough
        os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        from vllm import LLM

        self._model: Any = LLM(
            model=model,
            runner="pooling",
            dtype="float32",
            enforce_eager=True,
            gpu_memory_utilization=GPU_SHARE,
            disable_log_stats=True,
        )
        self._max_tokens = int(self._model.model_config.max_model_len)
        self.dim = len(self._vectors(["a"])[0])

    def embed(self, texts: list[str]) -> bytes:
        """float32, row after row, each of length one."""
        import numpy as np

        rows = np.array(self._vectors(texts), np.float32)
        rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        content: bytes = rows.astype("<f4").tobytes()
        return content

    def _vectors(self, texts: list[str]) -> list[list[float]]:
        outputs = self._model.embed(
            [text or " " for text in texts],
            use_tqdm=False,
            tokenization_kwargs={"truncation": True, "max_length": self._max_tokens},
        )
        return [output.outputs.embedding for output in outputs]
