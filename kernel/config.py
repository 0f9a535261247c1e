"""All that can be chosen about a kernel; how it is said is in `command_line.py`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..memory import eviction
from ..memory.embedding import MINILM
from ..memory.pager import Watermarks
from ..memory.recall import EXACT_PAGES
from ..syscalls.mounts.settings import ConfigFile
from . import scheduling
from .engine.driver import Sampling
from .scheduling.settings import Settings

# The pilot is a sibling room that the kernel must not import: it is named, not known.
PILOT = "pilot"
DRIVERS = ("vllm", "openai", "simulated")
MAX_NUM_SEQS = 64
RECALL_TOKENS = 256
PLUGIN_MEMORY_MIB = 2048
KEEP_CONVERSATIONS = 1000
PREVIEW_TOKENS = 100
"""Of a longer result, an agent that can page in the rest sees so much (bench/paging.py)."""


@dataclass(frozen=True, slots=True)
class KernelConfig:
    """Everything that can be chosen at boot."""

    state_dir: Path
    socket: Path
    plugins_dir: Path
    driver: str = "vllm"
    model: str = PILOT
    tool_parser: str | None = None
    dtype: str | None = None
    max_model_len: int | None = None
    max_num_seqs: int | None = None
    compile: bool = False
    engine_args: dict[str, Any] = field(default_factory=dict)
    endpoints: tuple[str, ...] = ()
    key_env: str = ""
    context_length: int | None = None
    sampling: Sampling = field(default_factory=Sampling)
    max_steps: int = 32
    max_processes: int = 10_000
    max_session_processes: int = 256
    max_depth: int = 8
    keep_conversations: int = KEEP_CONVERSATIONS
    last_turn_s: float = 10.0
    last_turn_tokens: int = 128
    scheduler: str = scheduling.DEFAULT
    scheduling: Settings = field(default_factory=Settings)
    max_waiting: int = 4096
    eviction: str = eviction.DEFAULT
    recall_tokens: int | None = None
    summaries: bool = False
    embedding_model: str = MINILM
    exact_pages: int = EXACT_PAGES
    watermarks: Watermarks = field(default_factory=Watermarks)
    preview_tokens: int = PREVIEW_TOKENS
    mounts: tuple[ConfigFile, ...] = ()
    safe_mode: bool = False
    plugin_memory_mib: int = PLUGIN_MEMORY_MIB

    @property
    def journal(self) -> Path:
        return self.state_dir / "llmos.db"

    @property
    def approvals(self) -> Path:
        return self.state_dir / "approvals.json"

    @property
    def reminder_tokens(self) -> int:
        """How much may come back with a message, unasked."""
        if self.recall_tokens is not None:
            return self.recall_tokens
        return 0 if self.model == PILOT else RECALL_TOKENS

    @property
    def lock(self) -> Path:
        return self.state_dir / "kernel.lock"

    @property
    def vocabulary(self) -> str:
        """Whose tokens a draft is made of: another's cannot be gone on from."""
        return f"openai:{self.model}" if self.driver == "openai" else self.model

    def model_path(self) -> str:
        """What the engine loads: a folder, or a name that it looks up."""
        if self.model == PILOT:
            return str(Path(__file__).parent.parent / "pilot" / "model")
        path = Path(self.model).expanduser()
        return str(path.absolute()) if path.is_dir() else self.model
