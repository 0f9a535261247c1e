"""Boot: the init calls, in order. `python -m llmos.kernel.boot` runs it in the foreground."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from ..memory.recall_process import RecallProcess
from ..memory.swap import SwapDamaged, keep_drafts_of
from ..syscalls.errno import LoadError
from ..syscalls.host import HostLimits
from ..syscalls.mounts.mount_table import MountTable
from ..syscalls.registry import PluginFiles, PluginRegistry
from .chosen import embedding_model, engine_driver, eviction_policy
from .command_line import parse
from .config import MAX_NUM_SEQS, KernelConfig
from .core import OF_PLUGINS, Running
from .engine.driver import Capacity, EngineDriver
from .engine.fork import guard_forks
from .engine.simulated import SimulatedDriver
from .engine.supervisor import Engine
from .engine.vllm import VllmDriver, VllmSettings
from .guest import Guest
from .journal import JournalError
from .kernel import Kernel
from .outsider import Outsider
from .overseer import Overseer
from .process import Process
from .recovery import recover
from .scheduling_choices import forget_policy
from .server import Server
from .service import Service
from .stepper import Stepper
from .storage import open_journal

log = logging.getLogger(__name__)

PROGRAMS: dict[str, Callable[[Kernel, Process], Running]] = {
    "agent": Stepper,
    "guest": Guest,
    "supervisor": Overseer,
    OF_PLUGINS: Outsider,
}

EXIT_RUNNING_ALREADY = 75
EXIT_CONFIG = 78


async def boot(config: KernelConfig) -> None:
    """Run a kernel until it is told to halt."""
    halt = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, halt.set)

    guard_forks(config.state_dir, config.socket)  # before anything can fork
    journal = open_journal(config.journal)
    engine = Engine(make_driver(config))
    plugins = make_plugins(config)
    eviction_policy(config.eviction, config.plugins_dir)  # a wrong name is told now
    vectors = embedding_model(config.embedding_model, config.plugins_dir)
    limits = HostLimits(max_memory=config.plugin_memory_mib << 20)
    mounts = MountTable(plugins.table, config.mounts, config.approvals, limits)
    recall = RecallProcess(config.journal, vectors, config.exact_pages)
    kernel = Kernel(config, journal, engine, plugins, PROGRAMS, recall=recall, mounts=mounts)

    await journal.write(lambda connection: keep_drafts_of(connection, config.vocabulary))
    recovered = await journal.read(recover)  # before anyone can ask for a process
    kernel.adopt_all(recovered)
    await kernel.start_init()
    server = Server(config.socket, Service(kernel, halt.set), kernel.bus)
    await server.start()  # from here on the shell is usable; the engine comes later
    background = [
        asyncio.create_task(engine.run(), name="engine"),
        asyncio.create_task(kernel.follow_engine(), name="engine follower"),
    ]
    # Before processes step: they must find their syscalls.
    await asyncio.gather(plugins.load(), mounts.load())
    background.append(asyncio.create_task(plugins.watch(), name="plugin watcher"))
    background.append(asyncio.create_task(mounts.watch(), name="mount watcher"))
    kernel.start_all()
    background.append(asyncio.create_task(kernel.keep_conversations(), name="keeper"))
    log.info("kernel %d is up, %d processes", os.getpid(), kernel.table.num_alive())

    await halt.wait()
    log.info("halting")
    await kernel.park()  # while the journal still takes results
    await forget_policy(kernel)
    await server.stop()
    await kernel.recorder.close()
    for task in background:
        task.cancel()
    await asyncio.gather(*background, return_exceptions=True)  # the engine stops in here
    await mounts.close()
    await plugins.close()
    await kernel.retrieval.close()
    journal.close()  # last: everything above may still write
    log.info("halted")


def make_plugins(config: KernelConfig) -> PluginRegistry:
    """Beside the folder of one-file plugins lies what the user has decided, and their secrets."""
    beside = config.plugins_dir.parent
    return PluginRegistry(
        config.plugins_dir,
        limits=HostLimits(max_memory=config.plugin_memory_mib << 20),
        files=PluginFiles(
            settings=beside / "plugins.json",
            secrets=beside / "secrets.json",
            manifest=config.state_dir / "plugin-manifest.json",
        ),
        safe_mode=config.safe_mode,
    )


def make_driver(config: KernelConfig) -> EngineDriver:
    """The engine driver that the configuration names. Raises LoadError for a plugin's that cannot
    be had."""
    if config.driver == "simulated":
        batch = config.engine_args.get("max_num_batched_tokens")
        capacity = Capacity(config.max_num_seqs or MAX_NUM_SEQS, 4096, 65536)
        if batch is not None:
            capacity = replace(capacity, max_batched_tokens=batch)
        return SimulatedDriver(capacity=capacity)
    if config.driver == "openai":
        return _openai_driver(config)
    if config.driver != "vllm":
        return engine_driver(config.driver, config.model, config.plugins_dir)
    return VllmDriver(
        VllmSettings(
            model=config.model_path(),
            name=config.model,
            tool_parser=config.tool_parser,
            dtype=config.dtype,
            max_model_len=config.max_model_len,
            max_num_seqs=config.max_num_seqs or MAX_NUM_SEQS,
            compile=config.compile,
            extra=config.engine_args,
        )
    )


def _openai_driver(config: KernelConfig) -> EngineDriver:
    from .engine.openai import OpenAIDriver, OpenAISettings  # its HTTP is nobody else's

    known = {"patience_s", "read_timeout_s"}
    if unknown := sorted(config.engine_args.keys() - known):
        raise LoadError(
            f"--engine-arg {unknown[0]} is nothing to the openai driver; "
            f"it knows {', '.join(sorted(known))}"
        )
    return OpenAIDriver(
        OpenAISettings(
            endpoints=config.endpoints,
            model=config.model,
            key_env=config.key_env,
            context_length=config.context_length,
            max_num_seqs=config.max_num_seqs,
            **config.engine_args,
        )
    )


@contextlib.contextmanager
def single_instance(lock: Path) -> Iterator[None]:
    """Hold the state folder for this kernel alone. The lock goes with the process, however it
    ends. Raises BlockingIOError when another kernel holds it."""
    # Inherited by no child: a forked engine would keep the folder locked.
    fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(fd, 0)
        os.write(fd, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(fd)


def main() -> int:
    config = parse()
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    config.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with single_instance(config.lock):
            asyncio.run(boot(config))
    except BlockingIOError:
        holder = config.lock.read_text().strip()
        print(
            f"a kernel already runs for {config.state_dir} (os pid {holder}): "
            "`llmos` attaches to it, `llmos halt` ends it",
            file=sys.stderr,
        )
        return EXIT_RUNNING_ALREADY
    except (JournalError, SwapDamaged, LoadError) as error:
        print(error, file=sys.stderr)
        return EXIT_CONFIG
    return 0


if __name__ == "__main__":
    sys.exit(main())
