"""A plugin's embedding function, inside the embedding process."""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

PREFIX = "plugin:"
"""Before the plugin's module, file and the function's name, as JSON."""


class PluginModel:
    """Raises ValueError for a function whose vectors are no vectors."""

    def __init__(self, place: str) -> None:
        import pluggy

        module, file, name = json.loads(place)
        manager = pluggy.PluginManager("llmos")
        manager.register(importlib.import_module(module) if module else _import_file(Path(file)))
        functions: dict[str, Any] = {}
        for offered in manager.hook.llmos_embeddings():
            functions |= offered
        self._function = functions[name]
        self.dim = int(self._vectors(["dimension"]).shape[1])

    def embed(self, texts: list[str]) -> bytes:
        """float32, row after row, each of length one; one that is all zero stays so."""
        vectors = self._vectors(texts)
        if vectors.shape[1] != self.dim:
            raise ValueError(f"vectors of {vectors.shape[1]} numbers, and of {self.dim} before")
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        content: bytes = (vectors / np.where(lengths == 0, 1, lengths)).astype("<f4").tobytes()
        return content

    def _vectors(self, texts: list[str]) -> Any:
        vectors = np.asarray(self._function(texts), dtype=np.float32)
        if vectors.ndim != 2 or len(vectors) != len(texts) or not vectors.shape[1]:
            raise ValueError(f"{vectors.shape} is no row of numbers for each of {len(texts)} texts")
        if not np.isfinite(vectors).all():
            raise ValueError("a vector holds what is no number")
        return vectors


def _import_file(path: Path) -> ModuleType:
    sys.path.append(str(path.parent))  # for its helpers
    spec = importlib.util.spec_from_file_location(f"llmos_user_plugins.{path.stem}", path)
    assert spec is not None and spec.loader is not None, "a .py file always has a loader"
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    exec(compile(path.read_bytes(), path, "exec"), module.__dict__)
    return module
