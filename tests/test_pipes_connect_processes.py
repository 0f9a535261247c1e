"""What one process says another one reads, through a pipe that holds only so much."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from harness import KernelProcess, Wire
from llmos.kernel.engine.driver import ChatRequest
from llmos.kernel.engine.simulated import Reply, SimulatedDriver, echo
from llmos.kernel.intake import MAX_COLLECTED
from llmos.kernel.kernel import Kernel
from llmos.kernel.limits import Limit, Limits
from llmos.kernel.pipe import End, Pipe
from llmos.kernel.process import Process, State
from llmos.kernel.signals import Signal
from llmos.syscalls.errno import EAGAIN, EPIPE
from simulation import Machine, ended, live, simulate, until

ROOT = Path("/")
NUMBERS = [str(number) for number in range(1, 301)]


def counter(request: ChatRequest) -> Reply:
    """`tally` says how many words its input had; everything else echoes."""
    text = request.messages[-1].text
    if text.startswith("tally"):
        return Reply(f"{len(text.split()) - 1} words")
    return echo(request)


async def pipe_between(kernel: Kernel, capacity: int = 65536) -> Pipe:
    return await kernel.make_pipe(capacity)


def let_go(kernel: Kernel, pipe: Pipe) -> None:
    for end in End:
        kernel.close_end(pipe, end)


async def output(process: Process) -> str:
    await process.exited.wait()
    assert process.exit is not None
    return process.exit.output


def test_a_process_reads_what_another_one_says(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> tuple[str, int]:
        pipe = await pipe_between(kernel)
        await kernel.spawn(task="count 300", name=None, root=ROOT, stdout=pipe)
        reader = await kernel.spawn(task="tally", name=None, root=ROOT, stdin=pipe)
        let_go(kernel, pipe)
        return await output(reader), len(kernel.pipes)

    assert simulate(tmp_path, main, script=counter) == ("300 words", 0)


def test_three_in_a_row(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> str:
        one, two = await pipe_between(kernel), await pipe_between(kernel)
        await kernel.spawn(task="count 40", name=None, root=ROOT, stdout=one)
        await kernel.spawn(task="tally", name=None, root=ROOT, stdin=one, stdout=two)
        last = await kernel.spawn(task="and so", name=None, root=ROOT, stdin=two)
        let_go(kernel, one)
        let_go(kernel, two)
        return await output(last)

    assert simulate(tmp_path, main, script=counter) == "You said: and so\n\n40 words"


def test_a_slow_reader_stops_the_writer_and_frees_its_slot(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> tuple[int, int, int, str]:
        pipe = await pipe_between(kernel, 100)
        writer = await kernel.spawn(task="count 300", name=None, root=ROOT, stdout=pipe)
        kernel.close_end(pipe, End.WRITE)
        await until(lambda: writer.waits_for == f"room in pipe {pipe.id}")
        running, held = kernel.scheduler.num_running, pipe.num_bytes
        stuck = writer.accounting.tokens_out
        await asyncio.sleep(5)
        assert writer.accounting.tokens_out == stuck, "it is stopped"
        assert writer.state is State.BLOCKED
        text, eof = "", False
        while not eof:
            part, eof = await kernel.read(pipe, 50, None)
            text += part
        return running, held, writer.accounting.tokens_out, text

    running, held, tokens, text = simulate(tmp_path, main)
    assert running == 0
    assert 100 <= held < 400
    assert text.split() == NUMBERS
    assert tokens == 300, "nothing is generated twice"


def test_a_gone_reader_ends_the_writer_with_141(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> tuple[int, int, int]:
        pipe = await pipe_between(kernel, 100)
        reader = await kernel.spawn(
            task="tally", name=None, root=ROOT, stdin=pipe, interactive=True
        )
        await kernel.signal(reader, Signal.STOP)  # it would collect the line
        writer = await kernel.spawn(task="count 300", name=None, root=ROOT, stdout=pipe)
        late = await kernel.spawn(task="count 3", name=None, root=ROOT, stdout=pipe)
        let_go(kernel, pipe)
        await kernel.signal(late, Signal.STOP)
        await until(lambda: writer.waits_for.startswith("room"))
        await kernel.signal(reader, Signal.KILL)
        await output(writer)
        await kernel.signal(late, Signal.CONT)
        await output(late)
        with pytest.raises(EPIPE, match="nobody reads pipe 1 any more"):
            await kernel.write(pipe, "more")
        assert writer.exit is not None
        assert late.exit is not None
        return writer.exit.status, late.exit.status, writer.accounting.tokens_out

    writer, late, tokens = simulate(tmp_path, main)
    assert (writer, late) == (141, 141)
    assert tokens < 300


def test_an_interactive_process_takes_each_line_for_a_message(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> list[str]:
        pipe = await pipe_between(kernel)
        agent = await kernel.spawn(task=None, name="a", root=ROOT, interactive=True, stdin=pipe)
        await kernel.write(pipe, "first li")
        await kernel.write(pipe, "ne\nsecond\nthe rest")
        await until(lambda: len(agent.space) == 4)
        kernel.close_end(pipe, End.WRITE)
        await until(lambda: len(agent.space) == 6 and agent.stdin is None)
        await kernel.send(agent.pid, "and mail")
        await until(lambda: len(agent.space) == 8)
        return [entry.page.text for entry in agent.space.resident if entry.page.role == "user"]

    assert simulate(tmp_path, main) == ["first line", "second", "the rest", "and mail"]


def lines_read(agent: Process) -> list[str]:
    return [entry.page.text for entry in agent.space.resident if entry.page.role == "user"]


def test_a_blank_line_is_no_turn(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> list[str]:
        pipe = await pipe_between(kernel)
        agent = await kernel.spawn(task=None, name="a", root=ROOT, interactive=True, stdin=pipe)
        for text in ("\n", " \t\n\n", "  one\n\r\n", "\n", "two\n\n\nthree", "\n\n \n"):
            await kernel.write(pipe, text)
            await asyncio.sleep(1)
        assert len(lines_read(agent)) == 3
        kernel.close_end(pipe, End.WRITE)
        await until(lambda: agent.stdin is None)
        return lines_read(agent)

    assert simulate(tmp_path, main) == ["  one", "two", "three"]


def test_blank_lines_do_not_fill_a_pipe(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> list[str]:
        pipe = await pipe_between(kernel, 50)
        agent = await kernel.spawn(task=None, name="a", root=ROOT, interactive=True, stdin=pipe)
        await kernel.write(pipe, "\n" * 500 + "at last\n")
        await until(lambda: len(lines_read(agent)) > 0)
        return lines_read(agent)

    assert simulate(tmp_path, main) == ["at last"]


@pytest.mark.parametrize("ends", [True, False])
@pytest.mark.parametrize("crashes", [True, False])
def test_a_line_longer_than_its_pipe_is_one_message(
    tmp_path: Path, ends: bool, crashes: bool
) -> None:
    words = " ".join(NUMBERS)

    async def main(machine: Machine) -> list[str]:
        kernel = machine.kernel
        pipe = await pipe_between(kernel, 100)
        agent = await kernel.spawn(task=None, name="a", root=ROOT, interactive=True, stdin=pipe)
        await kernel.write(pipe, f"\nbegin\n{words}")
        if crashes:
            await machine.crash()
            kernel = await machine.boot()
            pipe, agent = kernel.pipe(pipe.id), kernel.table.find(agent.pid)
            pipe.open(End.WRITE, None)
        await until(lambda: lines_read(agent) == ["begin"])
        await kernel.send(agent.pid, "in between")
        await until(lambda: len(lines_read(agent)) == 2)
        await kernel.write(pipe, "!\nshort" if ends else "!")
        kernel.close_end(pipe, End.WRITE)
        await until(lambda: agent.stdin is None)
        return lines_read(agent)

    read = ["begin", "in between", f"{words}!", *(["short"] if ends else [])]
    assert live(tmp_path, main) == read


def test_a_line_that_is_too_long_is_refused(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> tuple[int, str]:
        pipe = await pipe_between(kernel)
        agent = await kernel.spawn(task=None, name="a", root=ROOT, interactive=True, stdin=pipe)
        kernel.close_end(pipe, End.READ)
        with pytest.raises(EPIPE):
            await kernel.write(pipe, "x" * (MAX_COLLECTED + 200_000))
        return await ended(agent)

    status, output = simulate(tmp_path, main)
    assert status == 1
    assert output == (
        "EFBIG: a line of more than 1048576 characters came through stdin"
        " (write it to a file and ask for the file to be read)"
    )


def test_two_that_would_read_each_other_are_told(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> list[str]:
        one, two = await pipe_between(kernel), await pipe_between(kernel)
        pair = [
            await kernel.spawn(task="tally", name=None, root=ROOT, stdin=a, stdout=b)
            for a, b in ((one, two), (two, one))
        ]
        let_go(kernel, one)
        let_go(kernel, two)
        return [await output(process) for process in pair]

    told = simulate(tmp_path, main, script=counter)
    assert any(text.startswith("EDEADLK: all would wait forever") for text in told)


def test_a_limit_on_pipes_refuses_one_more(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        pipe = await pipe_between(kernel)
        with pytest.raises(EAGAIN, match="it would hold 2 ends of pipes, and 1 is its limit"):
            await kernel.spawn(
                task="tally", name=None, root=ROOT, stdin=pipe, stdout=pipe,
                limits=Limits({"pipes": Limit(1, 1)}),
            )  # fmt: skip
        assert pipe.pids(End.READ) == frozenset()

    simulate(tmp_path, main)


@pytest.mark.parametrize("how", ["crash", "park"])
def test_the_number_of_a_pipe_never_comes_again(tmp_path: Path, how: str) -> None:
    async def main(machine: Machine) -> None:
        ids = []
        for _boot in range(3):
            for _pipe in range(2):
                pipe = await pipe_between(machine.kernel)
                ids.append(pipe.id)
                let_go(machine.kernel, pipe)
            assert not machine.kernel.pipes
            await machine.kernel.journal.read(lambda _: None)  # what was posted is kept
            await (machine.crash() if how == "crash" else machine.park())
            await machine.boot()
        assert ids == [1, 2, 3, 4, 5, 6]

    live(tmp_path, main)


def test_stop_and_continue_write_each_word_once(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> str:
        pipe = await pipe_between(kernel)
        writer = await kernel.spawn(task="count 300", name=None, root=ROOT, stdout=pipe)
        while writer.exit is None:
            await kernel.signal(writer, Signal.STOP)
            await asyncio.sleep(0.07)
            await kernel.signal(writer, Signal.CONT)
            await asyncio.sleep(0.03)
        kernel.close_end(pipe, End.WRITE)
        return (await kernel.read(pipe, 10_000, None))[0]

    assert simulate(tmp_path, main).split() == NUMBERS


def pipeline(wire: Wire, kernel: KernelProcess, capacity: int) -> tuple[int, int]:
    """A writer of many words and a reader that says them back, on a real kernel."""
    pipe = wire.get("pipe", capacity=capacity)["pipe"]
    root = str(kernel.root)
    writer = wire.get("spawn", task="count 600", root=root, stdout=pipe)["pid"]
    reader = wire.get("spawn", task="said", root=root, stdin=pipe)["pid"]
    for end in ("read", "write"):
        wire.get("pipe_close", pipe=pipe, end=end)
    return writer, reader


def test_over_kill_9_no_word_is_lost_and_none_comes_twice(own_kernel: KernelProcess) -> None:
    own_kernel.start().ready()
    with own_kernel.wire() as wire:
        pids = [pipeline(wire, own_kernel, capacity) for capacity in (60, 500, 65536)]
    for _ in range(4):
        own_kernel.kill9()
        own_kernel.start().ready()
    with own_kernel.wire() as wire:
        for writer, reader in pids:
            assert wire.get("wait", pid=writer, timeout_s=60.0)["status"] == 0
            said = wire.get("wait", pid=reader, timeout_s=60.0)["output"]
            assert said.split()[3:] == [str(number) for number in range(1, 601)]


def test_a_client_feeds_and_reads_and_its_ends_go_with_it(own_kernel: KernelProcess) -> None:
    own_kernel.start().ready()
    root = str(own_kernel.root)
    with own_kernel.wire() as wire:
        into, out = (wire.get("pipe")["pipe"] for _ in range(2))
        pid = wire.get("spawn", task="said", root=root, stdin=into, stdout=out)["pid"]
        wire.get("pipe_write", pipe=into, text="one two ")
        wire.get("pipe_write", pipe=into, text="three")
        wire.get("pipe_close", pipe=into, end="write")
        wire.get("pipe_close", pipe=out, end="write")
        text, eof = "", False
        while not eof:
            read = wire.get("pipe_read", pipe=out)
            text, eof = text + read["text"], read["eof"]
        assert text == "You said: said\n\none two three\n"
        assert wire.get("wait", pid=pid)["status"] == 0
        refused = wire.ask("pipe_write", pipe=into, text="more")
        assert refused["error"]["code"] in ("ENOENT", "EPERM")
        out = wire.get("pipe", capacity=50)["pipe"]
        pid = wire.get("spawn", task="count 900", root=root, stdout=out)["pid"]
    with own_kernel.wire() as other:  # the first connection is gone, and its read end with it
        assert other.get("wait", pid=pid, timeout_s=30.0)["status"] == 141


def test_an_input_that_was_cut_off_is_not_taken_for_the_whole(own_kernel: KernelProcess) -> None:
    own_kernel.start().ready()
    root = str(own_kernel.root)
    with own_kernel.wire() as wire:
        pids = []
        for _ in range(2):
            pipe = wire.get("pipe")["pipe"]
            pids.append(wire.get("spawn", task="said", root=root, stdin=pipe)["pid"])
            wire.get("pipe_write", pipe=pipe, text="the first half")
        wire.get("pipe_close", pipe=pipe, end="write")
        assert wire.get("wait", pid=pids.pop(), timeout_s=30.0)["status"] == 0
        pipe = wire.get("pipe")["pipe"]
        pids.append(wire.get("spawn", task="said", root=root, stdin=pipe)["pid"])
        own_kernel.kill9()
    own_kernel.start().ready()
    with own_kernel.wire() as wire:
        for pid in pids:
            ended = wire.get("wait", pid=pid, timeout_s=30.0)
            assert ended["status"] == 1
            assert ended["output"].startswith("EPIPE: its input was cut off")
