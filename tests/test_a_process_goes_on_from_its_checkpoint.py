"""What a checkpoint holds lives again, in this kernel or in another one, and goes on."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from llmos.kernel import checkpoint
from llmos.kernel.checkpoint_file import read_file, write_file
from llmos.kernel.engine.driver import ChatRequest
from llmos.kernel.engine.simulated import Reply, SimulatedDriver, echo
from llmos.kernel.kernel import Kernel
from llmos.kernel.pipe import End
from llmos.kernel.process import Process, State
from llmos.kernel.signals import Signal
from llmos.syscalls.errno import EEXIST, EINVAL, ENOENT
from simulation import simulate

ROOT = Path("/")


async def until(condition: object) -> None:
    while not condition():  # type: ignore[operator]
        await asyncio.sleep(0.001)


def said(process: Process) -> list[str]:
    return [entry.page.text for entry in process.space.resident]


async def finished(process: Process) -> str:
    await process.exited.wait()
    assert process.exit is not None
    return process.exit.output


def test_a_conversation_goes_on_in_another_kernel_under_a_new_pid(tmp_path: Path) -> None:
    file = tmp_path / "talk.llmos"

    async def save(kernel: Kernel, _: SimulatedDriver) -> tuple[list[str], int]:
        process = await kernel.spawn(task="hello", name="talk", root=ROOT, interactive=True)
        await until(lambda: process.waits_for == "a message")
        await kernel.signal(process, Signal.STOP)
        await kernel.send(process.pid, "still there?")  # waits in the mailbox
        write_file(file, await checkpoint.take(kernel, process, tree=False))
        return said(process), process.accounting.tokens

    before, tokens = simulate(tmp_path / "a", save)

    async def load(kernel: Kernel, _: SimulatedDriver) -> tuple[Process, int]:
        await kernel.spawn(task="count 1", name=None, root=ROOT)  # takes the old pid
        revived = await checkpoint.restore(kernel, read_file(file))
        (process,) = revived.processes
        assert process.state in (State.NEW, State.STOPPED)
        assert process.accounting.tokens == tokens
        await kernel.signal(process, Signal.CONT)
        await until(lambda: len(process.space) == 4)
        return process, kernel.usage().tokens_out

    process, used_here = simulate(tmp_path / "b", load)
    assert process.pid != 2
    assert said(process)[:2] == before
    assert said(process)[2:] == ["still there?", "You said: still there?"]
    assert used_here == 1 + 4, "what it had used before was another kernel's work"


def test_a_generation_goes_on_from_its_last_token(tmp_path: Path) -> None:
    file = tmp_path / "count.llmos"

    async def save(kernel: Kernel, driver: SimulatedDriver) -> int:
        process = await kernel.spawn(task="count 300", name=None, root=ROOT)
        await until(lambda: process.state is State.RUNNING)
        await asyncio.sleep(0.3)
        await kernel.signal(process, Signal.STOP)
        await until(lambda: process.state is State.STOPPED)
        write_file(file, await checkpoint.take(kernel, process, tree=False))
        return len(process.draft.token_ids)

    done = simulate(tmp_path / "a", save)
    assert 10 < done < 300

    async def load(kernel: Kernel, driver: SimulatedDriver) -> tuple[str, int]:
        (process,) = (await checkpoint.restore(kernel, read_file(file))).processes
        await kernel.signal(process, Signal.CONT)
        return await finished(process), driver.totals.tokens_out

    output, generated = simulate(tmp_path / "b", load)
    assert output.split() == [str(number) for number in range(1, 301)]
    assert generated == 300 - done


def family(request: ChatRequest) -> Reply:
    """`parent` starts a child and waits for it; pids are those that it was told."""
    last = request.messages[-1]
    if last.text == "parent":
        return Reply(calls=(("spawn", '{"task": "count 200"}'),))
    if last.text.startswith("pid ") and "exited" not in last.text:
        return Reply(calls=(("wait", f'{{"pid": {last.text.split()[1]}}}'),))
    return echo(request)


def test_a_tree_finds_its_own_children_and_not_strangers_with_their_old_pids(
    tmp_path: Path,
) -> None:
    file = tmp_path / "tree.llmos"

    async def save(kernel: Kernel, _: SimulatedDriver) -> int:
        parent = await kernel.spawn(task="parent", name=None, root=ROOT)
        await until(lambda: parent.waits_for.startswith("process "))
        child = kernel.table.children(parent.pid)[0]
        await until(lambda: child.state is State.RUNNING)
        content = await checkpoint.take(kernel, parent, tree=True)
        write_file(file, content)
        # Those that stay go on, too.
        assert (await finished(parent)).endswith("200")
        return child.pid

    old_child = simulate(tmp_path / "a", save, script=family)

    async def load(kernel: Kernel, _: SimulatedDriver) -> tuple[str, str]:
        while len(kernel.table) <= old_child:  # strangers under the old pids
            await kernel.spawn(task=None, name="stranger", root=ROOT, interactive=True)
        revived = await checkpoint.restore(kernel, read_file(file))
        parent = revived.processes[0]
        assert kernel.table.find(old_child).name == "stranger"
        output = await finished(parent)
        return output, str(revived.pids[old_child])

    output, new_child = simulate(tmp_path / "b", load, script=family)
    assert output.startswith(f"pid {new_child} exited with status 0: 1 2 3")
    assert output.endswith("200")


SPEC = {
    "strategy": "one_for_one",
    "children": [{"name": name, "interactive": True} for name in ("left", "right")],
}


def test_a_supervisor_goes_on_watching_its_own_children(tmp_path: Path) -> None:
    file = tmp_path / "team.llmos"

    async def save(kernel: Kernel, _: SimulatedDriver) -> int:
        team = await kernel.spawn(
            task=json.dumps(SPEC), name="team", root=ROOT, program="supervisor"
        )
        await until(lambda: len(kernel.table.children(team.pid)) == 2)
        left, right = kernel.table.children(team.pid)
        await kernel.link(left, right)
        with pytest.raises(EINVAL, match="take it with its tree"):
            await checkpoint.take(kernel, team, tree=False)
        write_file(file, await checkpoint.take(kernel, team, tree=True))
        return left.pid

    old = simulate(tmp_path / "a", save)

    async def load(kernel: Kernel, _: SimulatedDriver) -> tuple[bool, set[str], int]:
        while len(kernel.table) <= old:
            await kernel.spawn(task=None, name="stranger", root=ROOT, interactive=True)
        team, left, right = (await checkpoint.restore(kernel, read_file(file))).processes
        await until(lambda: team.waits_for.startswith("2 children"))
        await kernel.signal(left, Signal.KILL)
        await right.exited.wait()  # they are linked
        await until(lambda: team.waits_for == "2 children, 2 restarts")
        names = {child.name for child in kernel.table.children(team.pid)}
        return kernel.table.find(old).alive, names, len(kernel.table.children(team.pid))

    stranger_lives, names, count = simulate(tmp_path / "b", load)
    assert stranger_lives
    assert (names, count) == ({"left", "right"}, 2)


def test_a_pipeline_loses_no_word(tmp_path: Path) -> None:
    file = tmp_path / "pipeline.llmos"

    async def save(kernel: Kernel, _: SimulatedDriver) -> int:
        team = await kernel.spawn(task=None, name="team", root=ROOT, interactive=True)
        pipe = await kernel.make_pipe(80)
        writer = await kernel.spawn(
            task="count 300", name="w", root=ROOT, parent=team.pid, stdout=pipe
        )
        reader = await kernel.spawn(task="said", name="r", root=ROOT, parent=team.pid, stdin=pipe)
        for end in End:
            kernel.close_end(pipe, end)
        await kernel.signal(reader, Signal.STOP)
        await until(lambda: writer.waits_for.startswith("room"))
        write_file(file, await checkpoint.take(kernel, team, tree=True))
        return writer.accounting.tokens_out

    done = simulate(tmp_path / "a", save)
    assert 10 < done < 300

    async def load(kernel: Kernel, driver: SimulatedDriver) -> tuple[str, int]:
        revived = await checkpoint.restore(kernel, read_file(file))
        reader = revived.processes[2]
        await kernel.signal(reader, Signal.CONT)
        return await finished(reader), driver.totals.tokens_out

    said, generated = simulate(tmp_path / "b", load)
    assert said.split()[3:] == [str(number) for number in range(1, 301)]
    assert generated == 300 - done + len(said.split())


def test_a_restored_process_survives_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "talk.llmos"

    async def save(kernel: Kernel, _: SimulatedDriver) -> None:
        process = await kernel.spawn(task="hello", name="talk", root=ROOT, interactive=True)
        await until(lambda: process.waits_for == "a message")
        write_file(file, await checkpoint.take(kernel, process, tree=False))

    simulate(tmp_path / "a", save)

    async def load(kernel: Kernel, _: SimulatedDriver) -> int:
        return (await checkpoint.restore(kernel, read_file(file))).processes[0].pid

    pid = simulate(tmp_path / "b", load)

    async def later(kernel: Kernel, _: SimulatedDriver) -> list[str]:
        return said(kernel.table.find(pid))

    assert simulate(tmp_path / "b", later) == ["hello", "You said: hello"]


def test_files_that_are_no_checkpoints_are_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "x.llmos"
    with pytest.raises(ENOENT, match=r"no such file: .*x\.llmos"):
        read_file(file)
    write_file(file, {"processes": []})
    with pytest.raises(EEXIST, match=r"x\.llmos exists"):
        write_file(file, {})
    assert file.stat().st_mode & 0o777 == 0o600
    raw = bytearray(file.read_bytes())
    raw[-3] ^= 1
    file.write_bytes(bytes(raw))
    with pytest.raises(EINVAL, match="damaged"):
        read_file(file)
    file.write_bytes(b"something else\n")
    with pytest.raises(EINVAL, match="it begins with 'something else'"):
        read_file(file)
