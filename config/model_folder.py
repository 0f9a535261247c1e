"""What the folder of a model says of it, without loading it: its kind, its window, its files."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..kernel.engine import toolparser

WEIGHTS = (".safetensors", ".bin", ".pt", ".gguf")
TOKENIZERS = (
    "tokenizer.json",
    "tokenizer.model",
    "tekken.json",
    "vocab.json",
    "tokenizer_config.json",
)
WINDOWS = ("max_position_embeddings", "n_positions", "max_sequence_length", "seq_length")
MOST_HEADER = 100 << 20
"""Of a file of safetensors; the format's own bound."""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """None and empty where the folder does not say. `size_bytes` is that of the weights; the parser
    of tool calls is `known` if the chat template or the model's type tells it, else a guess."""

    folder: str
    architecture: str
    model_type: str
    window_tokens: int | None
    dtype: str
    quantization: str
    size_bytes: int
    chat_template: bool
    tool_parser: str
    tool_parser_known: bool

    def record(self) -> dict[str, Any]:
        return asdict(self)


def describe(folder: Path) -> ModelInfo:
    """Raises ValueError for a folder that is none of a model's."""
    config = _json(folder / "config.json")
    if config is None:
        raise ValueError(f"{folder} has no config.json, so it is no model's folder")
    inner = config.get("text_config")  # of a model that also sees
    text: dict[str, Any] = {**config, **(inner if isinstance(inner, dict) else {})}
    template, kind = _chat_template(folder), str(config.get("model_type", ""))
    quantized = config.get("quantization_config") or {}
    windows = [text[name] for name in WINDOWS if isinstance(text.get(name), int)]
    return ModelInfo(
        folder=str(folder),
        architecture=", ".join(map(str, config.get("architectures") or ())),
        model_type=kind,
        window_tokens=windows[0] if windows else None,
        dtype=str(text.get("dtype") or text.get("torch_dtype") or ""),
        quantization=str(quantized.get("quant_method", "")),
        size_bytes=sum(path.stat().st_size for path in _weights(folder)),
        chat_template=bool(template),
        tool_parser=toolparser.guess_tool_parser(kind, template),
        tool_parser_known=any(mark in template for mark, _ in toolparser.MARKS)
        or kind in toolparser.MODEL_TYPES,
    )


def faults_of_folder(folder: Path) -> list[str]:
    """What is missing or cut short among the files that an engine would load."""
    try:
        info = describe(folder)
    except ValueError as error:
        return [str(error)]
    found = []
    if not info.architecture:
        found.append("config.json names no architecture")
    if not any((folder / name).exists() for name in TOKENIZERS):
        found.append(f"there is no tokenizer ({TOKENIZERS[0]})")
    if not info.chat_template:
        found.append("there is no chat template, so it is no chat model")
    return found + _faults_of_weights(folder)


def _faults_of_weights(folder: Path) -> list[str]:
    index = _json(folder / "model.safetensors.index.json") or {}
    named = {str(name) for name in (index.get("weight_map") or {}).values()}
    missing = sorted(name for name in named if not (folder / name).exists())
    found = [f"{name} is missing, which the index names" for name in missing]
    weights = _weights(folder)
    if not weights and not missing:
        found.append("there are no weights (*.safetensors)")
    return found + [
        f"{path.name}: {fault}"
        for path in weights
        if path.suffix == ".safetensors" and (fault := _fault_of_tensors(path))
    ]


def _fault_of_tensors(path: Path) -> str:
    """A download that was cut off is shorter than its own header says."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or not 0 < length <= min(size - 8, MOST_HEADER):
            return "it is no file of safetensors, or cut off"
        try:
            header = json.loads(file.read(length))
            ends = [
                one["data_offsets"][1] for name, one in header.items() if name != "__metadata__"
            ]
        except (ValueError, KeyError, TypeError, IndexError, AttributeError):
            return "its header cannot be read"
    wanted = 8 + length + max(ends, default=0)
    return "" if size == wanted else f"{size:,} bytes, where its header says {wanted:,}"


def _weights(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix in WEIGHTS and path.is_file())


def _chat_template(folder: Path) -> str:
    """Empty if it has none."""
    try:
        return (folder / "chat_template.jinja").read_text(encoding="utf-8")
    except OSError:
        pass
    found = (_json(folder / "tokenizer_config.json") or {}).get("chat_template") or ""
    if isinstance(found, list):  # several by name
        named = {one.get("name"): one.get("template", "") for one in found if isinstance(one, dict)}
        found = named.get("tool_use") or named.get("default") or ""
    return str(found)


def _json(path: Path) -> dict[str, Any] | None:
    """None for a file that is not there or is no object of JSON."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


# ---- the cache of the model hub -----------------------------------------------------------------


def hub_cache() -> Path:
    """Where the hub's own library keeps what it has fetched."""
    environ = os.environ
    if named := environ.get("HF_HUB_CACHE"):
        return Path(named).expanduser()
    cache = environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(environ.get("HF_HOME") or f"{cache}/huggingface").expanduser() / "hub"


def cached_models() -> dict[str, Path]:
    """The folders of those that were fetched, by their names on the hub."""
    found = {}
    for place in sorted(hub_cache().glob("models--*--*")):
        name = "/".join(place.name.split("--", 2)[1:])
        snapshots = place / "snapshots"
        try:
            newest = snapshots / (place / "refs" / "main").read_text().strip()
        except OSError:
            newest = max(snapshots.glob("*"), default=snapshots)
        if (newest / "config.json").exists():
            found[name] = newest
    return found
