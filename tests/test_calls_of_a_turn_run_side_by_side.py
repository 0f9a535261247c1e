"""Calls of one turn that change nothing run side by side; their results come in order."""

from __future__ import annotations

import asyncio
import json
import textwrap
from pathlib import Path

import pytest

from llmos.kernel.engine.driver import ChatRequest
from llmos.kernel.engine.simulated import Reply, SimulatedDriver
from llmos.kernel.kernel import Kernel
from llmos.kernel.limits import parse
from llmos.kernel.process import Process
from llmos.kernel.side_by_side import MOST
from llmos.kernel.signals import Signal
from simulation import Machine, ended, live, live_really, simulate, until

PLUGIN = '''
    import asyncio, json, os, time
    from pathlib import Path
    from llmos import syscall
    from llmos.syscalls.errno import ENOENT

    @syscall(effect="pure")
    async def together(name: str, of: int) -> str:
        """Come back when as many are there at the same time."""
        async with asyncio.timeout(20):
            here.append(name)
            while len(here) < of:
                await asyncio.sleep(0.001)
        return name

    here = []

    @syscall(effect="pure")
    def gather(name: str, of: int, folder: str) -> str:
        """The same, each in a worker of its own."""
        (Path(folder) / name).touch()
        while len(os.listdir(folder)) < of:
            time.sleep(0.001)
        return name

    @syscall(effect="idempotent")
    def put(path: str, text: str) -> str:
        """Write."""
        Path(path).write_text(text)
        return "put"

    @syscall(effect="pure")
    def get(path: str) -> str:
        """Read."""
        return Path(path).read_text()

    def squares(calls: list) -> list:
        log("batch", [one["number"] for one in calls])
        return [ENOENT("thirteen") if one["number"] == 13 else one["number"] ** 2 for one in calls]

    @syscall(effect="pure", batch=squares)
    def square(number: int) -> int:
        """Square a number."""
        log("single", [number])
        return number ** 2

    async def shouts(ctx, calls: list) -> list:
        log("batch", [one["text"] for one in calls])
        return [one["text"].upper() for one in calls]

    @syscall(batch=shouts)
    async def shout(text: str) -> str:
        """Say it loud."""
        return text.upper()

    @syscall(effect="pure", batch=lambda calls: [1])
    def miscount(number: int) -> int:
        """Forget some."""
        return number

    def log(kind, numbers):
        with open(LOG, "a") as file:
            file.write(json.dumps([kind, numbers]) + "\\n")
'''


def turn(request: ChatRequest) -> Reply:
    """The task is the calls of one turn; the answer is the results, in the order in which they
    stand in the conversation."""
    results = [m.text for m in request.messages if m.role == "tool"]
    if results:
        return Reply(json.dumps(results))
    calls = json.loads(request.messages[-1].text)
    return Reply(calls=tuple((name, json.dumps(arguments)) for name, arguments in calls))


async def made(kernel: Kernel, root: Path, *calls: tuple[str, object], **given: object) -> Process:
    limits = parse(given.pop("limits", {}))  # type: ignore[arg-type]
    return await kernel.spawn(task=json.dumps(calls), name="t", root=root, limits=limits)


async def results(kernel: Kernel, root: Path, *calls: tuple[str, object]) -> list[str]:
    _, output = await ended(await made(kernel, root, *calls))
    found: list[str] = json.loads(output)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "plugins").mkdir()
    source = textwrap.dedent(PLUGIN) + f"\nLOG = {str(tmp_path / 'log')!r}\n"
    (tmp_path / "plugins" / "trial.py").write_text(source)
    (tmp_path / "root").mkdir()
    return tmp_path


def logged(folder: Path) -> list[list[object]]:
    path = folder / "log"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_eight_sleeps_take_as_long_as_one(tmp_path: Path) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        began = asyncio.get_running_loop().time()
        calls = [("sleep", {"seconds": 1 - n / 100}) for n in range(8)]
        told = await results(kernel, tmp_path, *calls)
        assert asyncio.get_running_loop().time() - began < 1.5
        assert told == [f"slept {1 - n / 100:g} s" for n in range(8)], "in the order of the calls"

    simulate(tmp_path, main, script=turn)


def test_a_plugins_calls_are_there_at_the_same_time(folder: Path) -> None:
    async def main(machine: Machine) -> None:
        calls = [("together", {"name": f"n{number}", "of": 8}) for number in range(8)]
        names = [f"n{number}" for number in range(8)]
        assert await results(machine.kernel, folder, *calls) == names
        (folder / "here").mkdir()
        here = {"of": 8, "folder": str(folder / "here")}
        calls = [("gather", {"name": name, **here}) for name in names]
        assert await results(machine.kernel, folder, *calls) == names

    live_really(folder, main, script=turn)


def test_what_changes_something_keeps_its_place(folder: Path) -> None:
    async def main(machine: Machine) -> None:
        path = str(folder / "note")
        got = await results(
            machine.kernel,
            folder,
            ("put", {"path": path, "text": "one"}),
            ("get", {"path": path}),
            ("get", {"path": path}),
            ("put", {"path": path, "text": "two"}),
            ("nonsense", {}),
            ("get", {"path": path}),
        )
        assert got[:4] + got[5:] == ["put", "one", "one", "put", "two"]
        assert got[4].startswith("ENOSYS")

    live_really(folder, main, script=turn)


def test_more_than_may_run_at_once_go_in_rounds(tmp_path: Path) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        began = asyncio.get_running_loop().time()
        await results(kernel, tmp_path, *[("sleep", {"seconds": 1})] * (2 * MOST))
        assert 2 <= asyncio.get_running_loop().time() - began < 2.5

    simulate(tmp_path, main, script=turn)


@pytest.mark.parametrize("resource", ["syscalls", "pages"])
def test_a_limit_is_not_passed_by_calls_at_once(tmp_path: Path, resource: str) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        calls = [("sleep", {"seconds": 1})] * 8
        most = 5 if resource == "syscalls" else 7  # two pages are there before the first result
        process = await made(kernel, tmp_path, *calls, limits={resource: most})
        status, output = await ended(process)
        assert (status, output) == (152, f"(the limit of {resource} is reached)")
        assert process.accounting.syscalls == 5

    simulate(tmp_path, main, script=turn)


def test_an_interrupt_keeps_what_was_answered(tmp_path: Path) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        process = await kernel.spawn(task=None, name="t", root=tmp_path, interactive=True)
        calls = [("sleep", {"seconds": seconds}) for seconds in (1, 100, 2)]
        await kernel.send(process.pid, json.dumps(calls))
        await until(lambda: process.waits_for == "3 calls of sleep")
        await asyncio.sleep(3)
        await kernel.signal(process, Signal.INT)
        await until(lambda: process.waits_for == "a message")
        told = [e.page.text for e in process.space.resident if e.page.role == "tool"]
        assert told == ["slept 1 s", "EINTR: interrupted", "EINTR: interrupted"]

    simulate(tmp_path, main, script=turn)


def test_a_crash_makes_them_again_and_none_is_answered_twice(tmp_path: Path) -> None:
    async def main(machine: Machine) -> None:
        calls = [("sleep", {"seconds": n + 1}) for n in range(4)]
        process = await made(machine.kernel, tmp_path, *calls)
        await asyncio.sleep(2.5)
        await machine.crash()
        await machine.boot()
        _, output = await ended(machine.kernel.table.find(process.pid))
        assert json.loads(output) == [f"slept {n + 1} s" for n in range(4)]

    live(tmp_path, main, script=turn)


def test_several_calls_of_one_syscall_arrive_as_one(folder: Path) -> None:
    async def main(machine: Machine) -> None:
        numbers: list[object] = [3, 13, "x", 4]
        calls = [("square", {"number": number}) for number in numbers]
        told = await results(machine.kernel, folder, *calls, ("square", {"": [{"number": 1}]}))
        assert told[:2] == ["9", "ENOENT: thirteen"]
        assert told[2].startswith("EINVAL: number: expected an integer")
        assert told[3:] == ["16", "EINVAL: an argument has no name"]
        assert await results(machine.kernel, folder, ("square", {"number": 5})) == ["25"]
        assert logged(folder) == [["batch", [3, 13, 4]], ["single", [5]]]

    live_really(folder, main, script=turn)


def test_a_batch_may_change_things_and_be_async(folder: Path) -> None:
    async def main(machine: Machine) -> None:
        calls = [("shout", {"text": text}) for text in ("a", "b", "c")]
        assert await results(machine.kernel, folder, *calls) == ["A", "B", "C"]
        assert logged(folder) == [["batch", ["a", "b", "c"]]]

    live_really(folder, main, script=turn)


def test_a_batch_that_miscounts_fails_all(folder: Path) -> None:
    async def main(machine: Machine) -> None:
        told = await results(machine.kernel, folder, *[("miscount", {"number": 1})] * 3)
        assert told == ["EIO: <lambda> returns a list of 3 results here, not 1"] * 3

    live_really(folder, main, script=turn)


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (7, "batch is a function, not 7"),
        (lambda one, other: [], "takes one list of arguments"),
    ],
)
def test_what_cannot_be_a_batch_is_refused(batch: object, message: str) -> None:
    from llmos import syscall

    with pytest.raises(TypeError, match=message):

        @syscall(batch=batch)  # type: ignore[call-overload,untyped-decorator]
        def one(number: int) -> int:
            return number


def test_a_batch_is_async_as_its_syscall_is() -> None:
    from llmos import syscall

    async def many(calls: list[object]) -> list[object]:
        return calls

    with pytest.raises(TypeError, match="many must be async if one is"):

        @syscall(batch=many)
        def one(number: int) -> int:
            return number
