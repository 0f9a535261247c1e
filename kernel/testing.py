"""A kernel for the tests of a plugin: in the test's own process, with an engine that says back what
it is told. The plugin's calls take the way that an agent's do, through a worker."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from ..syscalls import Context
from ..syscalls.discovery import packages
from ..syscalls.errno import LoadError
from ..syscalls.registry import PluginFiles, PluginRegistry
from ..syscalls.wire import Source
from . import messages
from .boot import PROGRAMS
from .config import KernelConfig
from .engine.driver import ChatRequest
from .engine.simulated import Reply, SimulatedDriver, echo
from .engine.supervisor import Engine
from .journal import Journal
from .kernel import Kernel
from .process import Process
from .services import Services
from .storage import open_journal

T = TypeVar("T")

TIMEOUT_S = 60.0


class TestKernel:
    """Runs in a thread from `start` to `close`. `root` is the folder that the caller may see;
    `told` is what calls have told on their way, as (kind, text). `answers`, where it is set, says
    what the model answers to a text."""

    __test__ = False  # for pytest, which collects by names

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.told: list[tuple[str, str]] = []
        self.answers: Callable[[str], str] | None = None
        self._folder = folder
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="llmos", daemon=True)
        self._registry: PluginRegistry
        self._kernel: Kernel
        self._journal: Journal
        self._caller: Process
        self._background: list[asyncio.Task[None]] = []
        self._calls = 0

    # ---- for tests ------------------------------------------------------------------------

    def load(self, plugin: str | Path) -> list[str]:
        """Use a plugin: a file, a module by its name, or one that is installed by the name of its
        entry point. The names of its syscalls. Raises LoadError, as `llmos plugins` would say."""
        return self._run(self._load(_source(plugin)))

    def call(self, name: str, /, **arguments: Any) -> str:
        """Call a syscall, as an agent would; what the agent reads. Raises SyscallError."""
        return self._run(self._call(name, arguments))

    def approve(self, syscall: str) -> None:
        """Allow the calls of a syscall that wants to be approved, as `acme.deploy`."""
        self._run(self._registry.decide("approve", syscall))

    def give_secret(self, plugin: str, name: str, value: str) -> None:
        """As a user does."""
        file = self._folder / "secrets.json"
        found = json.loads(file.read_text()) if file.exists() else {}
        found.setdefault(plugin, {})[name] = value
        file.touch(mode=0o600)
        file.write_text(json.dumps(found))

    def run(self, task: str, program: str = "agent") -> tuple[int, str]:
        """Run a process to its end; its exit status and its output."""
        return self._run(self._run_process(task, program))

    @property
    def syscalls(self) -> dict[str, dict[str, Any]]:
        """What is known of each syscall, by name: its summary, its `parameters` as a JSON schema
        and so on."""
        return {spec.name: spec.model_dump() for spec in self._registry.table.specs()}

    # ---- its life -------------------------------------------------------------------------

    def start(self) -> TestKernel:
        self.root.mkdir(parents=True, exist_ok=True)
        self._thread.start()
        self._run(self._start())
        return self

    def close(self) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(TIMEOUT_S)

    async def _start(self) -> None:
        folder = self._folder
        config = KernelConfig(folder, folder / "s", folder / "plugins", driver="simulated")
        files = PluginFiles(settings=folder / "plugins.json", secrets=folder / "secrets.json")
        self._registry = PluginRegistry(config.plugins_dir, files=files, safe_mode=True)
        self._journal = open_journal(config.journal)
        engine = Engine(SimulatedDriver(self._reply))
        self._kernel = Kernel(config, self._journal, engine, self._registry, PROGRAMS)
        await self._kernel.start_init()
        self._background = [
            asyncio.create_task(engine.run()),
            asyncio.create_task(self._kernel.follow_engine()),
        ]
        await self._registry.load()
        self._kernel.start_all()
        self._caller = await self._kernel.spawn(
            task=None, name="test", root=self.root, interactive=True
        )
        self._kernel.bus.attach(self._caller.pid, self._hear)

    async def _close(self) -> None:
        await self._kernel.park()
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self._registry.close()
        self._journal.close()

    def _reply(self, request: ChatRequest) -> Reply:
        last = request.messages[-1]
        if self.answers is not None and last.role == "user":
            return Reply(self.answers(last.text))
        return echo(request)

    def _hear(self, event: messages.Event) -> None:
        if isinstance(event, messages.Told):
            self.told.append((event.kind, event.text))

    async def _load(self, source: Source) -> list[str]:
        self._registry.add(source)
        await self._registry.settled()
        (record,) = (r for r in self._registry.records() if r.name == source.plugin)
        if record.error:
            raise LoadError(record.error)
        return list(record.syscalls)

    async def _call(self, name: str, arguments: dict[str, Any]) -> str:
        self._calls += 1
        call_id = f"{self._calls:09d}"
        services = Services(self._kernel, self._caller, call_id)
        ctx = Context(self._caller.pid, call_id, self.root, services)
        text = await self._kernel.dispatcher.call(name, arguments, ctx)
        effects = services.effects
        await self._journal.commit(effects.statements, effects.take_place)
        return text

    async def _run_process(self, task: str, program: str) -> tuple[int, str]:
        process = await self._kernel.spawn(task=task, name=None, root=self.root, program=program)
        await process.exited.wait()
        assert process.exit is not None
        return process.exit.status, process.exit.output


def _source(plugin: str | Path) -> Source:
    """Where it is, as the test's own Python sees it. Raises LoadError."""
    folders = tuple(folder for folder in sys.path if folder)
    path = Path(plugin)
    if path.suffix == ".py":
        if not path.is_file():
            raise LoadError(f"there is no file {plugin}")
        return Source(plugin=path.stem, file=str(path.absolute()), folders=folders)
    name = str(plugin)
    for point in packages()[1]:
        if point.name == name:
            return Source(plugin=name, module=point.module, folders=folders)
    top = name.partition(".")[0]
    if importlib.util.find_spec(top) is None:
        raise LoadError(f"there is no module {top}, nor a plugin of that name")
    return Source(plugin=name.rpartition(".")[2], module=name, folders=folders)
