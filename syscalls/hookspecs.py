"""The hooks that a plugin may implement, each with an example. Most plugins need none:
`@syscall` is enough.

Where they run is as important as what they do. What a syscall, a program or an observer does, it
does in a process of its own. A policy, an engine driver and an embedding function are part of the
process that they are chosen for, so they are imported there: but only when the user names them,
as `--eviction PLUGIN.NAME`. A verb runs in the client.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

import pluggy

from .context import AsyncContext
from .observing import Observed

PROJECT = "llmos"
hookspec = pluggy.HookspecMarker(PROJECT)


@hookspec
def llmos_syscalls() -> Iterable[Callable[..., Any]]:
    """Syscalls beside those that `@syscall` marks in the module itself: made in a loop, or taken
    from another module. Unmarked ones get the defaults of `@syscall`.

    ```python
    from llmos import hookimpl

    def make(unit, factor):
        def convert(metres: float) -> float:
            return metres * factor
        convert.__name__ = f"to_{unit}"
        convert.__doc__ = f"Convert metres to {unit}."
        return convert

    @hookimpl
    def llmos_syscalls():
        return [make("feet", 3.28084), make("miles", 0.000621371)]
    ```
    """
    return ()


@hookspec
def llmos_programs() -> Mapping[str, Callable[[AsyncContext, str], Awaitable[str]]]:
    """Programs: what runs in a process in the place of the agent (`llmos run --program`). It gets
    its task, and what it returns is the output of the process.

    ```python
    from llmos import AsyncContext, hookimpl

    async def twice(ctx: AsyncContext, task: str) -> str:
        "Gives a task to two agents, and tells both answers."
        pids = [await ctx.spawn(task) for _ in range(2)]
        ends = [await ctx.wait(pid) for pid in pids]
        return " / ".join(end.output for end in ends)

    @hookimpl
    def llmos_programs():
        return {"twice": twice}
    ```
    """
    return {}


@hookspec
def llmos_verbs() -> Iterable[Any]:
    """Verbs of the shell and of the command `llmos`, as `llmos.shell.verb.Verb`.

    ```python
    from llmos import hookimpl
    from llmos.shell.verb import Outcome, Verb, option

    async def crowd(ctx):
        processes = (await ctx.ask("ps")).processes
        count = sum(one.state != "zombie" for one in processes)
        return Outcome({"alive": count}, f"{count * ctx.args.times} alive")

    @hookimpl
    def llmos_verbs():
        times = option("--times", type=int, default=1, help="multiply by this")
        return [Verb("crowd", "count the processes", (times,), crowd)]
    ```
    """
    return ()


@hookspec
def llmos_scheduling_policies() -> Mapping[str, Callable[[], Any]]:
    """Scheduling policies, by name; each is made without arguments and keeps the contract of
    `llmos.kernel.scheduling.Policy` (`llmos boot --scheduler PLUGIN.NAME`). One that raises is
    asked no more: first come, first served takes its place.

    ```python
    from llmos import hookimpl
    from llmos.kernel.scheduling.fifo import FirstInFirstOut

    class SmallestFirst(FirstInFirstOut):
        def key(self, job):
            return (job.lack, *super().key(job))

    @hookimpl
    def llmos_scheduling_policies():
        return {"smallest": SmallestFirst}
    ```
    """
    return {}


@hookspec
def llmos_eviction_policies() -> Mapping[str, Callable[[], Any]]:
    """Eviction policies, by name; each is made without arguments and keeps the contract of
    `llmos.memory.eviction.EvictionPolicy` (`llmos boot --eviction PLUGIN.NAME`).

    ```python
    from llmos import hookimpl

    class LongestFirst:
        def order(self, groups):
            return sorted(groups, key=lambda group: -group.num_tokens)

    @hookimpl
    def llmos_eviction_policies():
        return {"longest": LongestFirst}
    ```
    """
    return {}


@hookspec
def llmos_engine_drivers() -> Mapping[str, Callable[[str], Any]]:
    """Engine drivers, by name; each is made with the model that the user names and keeps the
    contract of `llmos.kernel.engine.driver.EngineDriver` (`llmos boot --driver PLUGIN.NAME`).

    ```python
    from llmos import hookimpl
    from llmos.kernel.engine.simulated import SimulatedDriver

    def make(model):
        driver = SimulatedDriver()
        driver.model = model
        return driver

    @hookimpl
    def llmos_engine_drivers():
        return {"parrot": make}
    ```
    """
    return {}


@hookspec
def llmos_embeddings() -> Mapping[str, Callable[[Sequence[str]], Any]]:
    """Embedding functions, by name: texts in, a vector for each out, all of one length (`llmos boot
    --embedding-model PLUGIN.NAME`). They run in the embedding process.

    ```python
    from llmos import hookimpl

    LETTERS = "abcdefghijklmnopqrstuvwxyz"

    def letters(texts):
        return [[text.lower().count(letter) for letter in LETTERS] for text in texts]

    @hookimpl
    def llmos_embeddings():
        return {"letters": letters}
    ```
    """
    return {}


@hookspec
def llmos_before_syscall(call: Observed) -> None:
    """A call of any process's is about to run. An observer sees and changes nothing; it runs in a
    worker of its plugin, after the fact, and one that cannot keep up misses some.

    ```python
    from llmos import hookimpl

    @hookimpl
    def llmos_before_syscall(call):
        print(f"{call.pid} calls {call.name}({call.arguments})", flush=True)
    ```
    """


@hookspec
def llmos_after_syscall(call: Observed, text: str) -> None:
    """A call has ended; `text` is what its process reads.

    ```python
    from llmos import hookimpl

    @hookimpl
    def llmos_after_syscall(call, text):
        print(f"{call.name} of {call.plugin} gave {len(text)} characters", flush=True)
    ```
    """


@hookspec
def llmos_syscall_failed(call: Observed, error: str) -> None:
    """A call has failed, or was broken off: `ENOENT: no such file: nots.txt`.

    ```python
    from llmos import hookimpl

    @hookimpl
    def llmos_syscall_failed(call, error):
        print(f"{call.name}: {error}", flush=True)
    ```
    """
