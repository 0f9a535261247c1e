"""The recorder: one scheduling trace at a time, from the scheduler into a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from .. import __version__
from ..syscalls.errno import EAGAIN, EEXIST, EINVAL, EIO, ENOENT
from .engine.supervisor import Engine
from .messages import TraceInfo
from .scheduler import Scheduler
from .trace_file import TraceFile
from .tracer import Tracer


class Recorder:
    """Owned by the kernel. `clock` gives Unix seconds."""

    def __init__(self, scheduler: Scheduler, engine: Engine, clock: Callable[[], float]) -> None:
        self._scheduler, self._engine, self._clock = scheduler, engine, clock
        self._file: TraceFile | None = None
        self._began = 0.0

    def start(self, path: Path, max_bytes: int) -> None:
        """Record into a new file, of at most so many bytes about. Raises EAGAIN while another
        trace is recorded, EEXIST, ENOENT, EIO."""
        if self._file is not None:
            raise EAGAIN(f"a trace is being recorded into {self._file.path}")
        if max_bytes < 1:
            raise EINVAL(f"a trace of at most {max_bytes} bytes holds nothing")
        status, costs = self._engine.status(0), self._engine.costs
        began = self._clock()
        header = {
            "llmos": __version__,
            "began": began,
            "driver": status.driver,
            "model": status.model,
            "costs": None if costs is None else asdict(costs),
        }
        try:
            self._file = TraceFile(path, header, max_bytes)
        except FileExistsError:
            raise EEXIST(f"{path} is there already", hint="name another file") from None
        except FileNotFoundError:
            raise ENOENT(f"there is no folder {path.parent}") from None
        except OSError as error:
            raise EIO(f"{path} cannot be written: {error.strerror}") from None
        self._began = self._scheduler.now()
        self._scheduler.watch(Tracer(self._file.add, self._scheduler.now, began))

    async def stop(self) -> TraceInfo:
        """Raises ENOENT when nothing is recorded."""
        if self._file is None:
            raise ENOENT("no trace is being recorded", hint="llmos trace record FILE")
        file, self._file = self._file, None
        self._scheduler.watch(None)
        lasted_s = self._scheduler.now() - self._began
        await file.close(lasted_s)
        return TraceInfo(
            path=str(file.path),
            events=file.num_events,
            lost=file.num_lost,
            bytes=file.num_bytes,
            lasted_s=lasted_s,
            error=file.error,
        )

    async def close(self) -> None:
        """Stop, if something is recorded."""
        if self._file is not None:
            await self.stop()
