"""What a syscall is told about the process that calls it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .errno import ENOSYS
from .services import KernelServices


@dataclass(frozen=True, slots=True)
class Context:
    """One call, as the called function sees it: a parameter `ctx: Context` receives it.

    `root` is the folder that the process may see; a `def` runs with it as its current folder.
    `call_id` is the same when the kernel repeats an idempotent call after a crash. `kernel` is
    there for built-in `async def` syscalls alone.
    """

    pid: int
    call_id: str
    root: Path
    kernel: KernelServices | None = None

    @property
    def services(self) -> KernelServices:
        """`kernel`, for those who cannot do without."""
        if self.kernel is None:
            raise ENOSYS("only a syscall that runs inside the kernel can do this")
        return self.kernel
