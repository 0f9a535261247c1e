"""What has left a window comes back when it is asked for, or when a message is about it."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

from llmos.kernel.engine.driver import Capacity, ChatRequest
from llmos.kernel.engine.simulated import Reply, SimulatedDriver
from llmos.kernel.kernel import Kernel
from llmos.kernel.process import Process
from simulation import simulate, until

WINDOW = Capacity(max_num_seqs=4, window_tokens=400, kv_cache_tokens=4000)
FACT = "the spare key is under the blue flowerpot"


def chatter(request: ChatRequest) -> Reply:
    last = request.messages[-1]
    _, asked, words = last.text.partition("look up ")
    if asked and last.role == "user":
        query = json.dumps({"query": words})
        return Reply(calls=(("recall", query),))
    return Reply(" ".join(f"word{number}" for number in range(20)))


async def say(kernel: Kernel, process: Process, text: str) -> None:
    await kernel.send(process.pid, text)
    await until(lambda: not process.mailbox and process.waits_for == "a message")


async def forgetful(kernel: Kernel) -> Process:
    """A process that was told a fact, and then so much that the fact has left its window."""
    process = await kernel.spawn(task=None, name="p", root=Path("/"), interactive=True)
    await say(kernel, process, FACT)
    for number in range(15):
        await say(kernel, process, f"nothing of note on day {number}")
    assert FACT not in [entry.page.text for entry in process.space.resident]
    return process


def test_a_message_brings_back_what_it_is_about(tmp_path: Path) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        process = await forgetful(kernel)
        await say(kernel, process, "tell me of the flowerpot")
        [reminder] = [e.page for e in process.space.resident if e.page.recalled]
        assert FACT in reminder.text and "page 0" in reminder.text
        assert process.space.resident[-2].page.text == "tell me of the flowerpot"
        await say(kernel, process, "good morning")
        assert len([e for e in process.space.resident if e.page.recalled]) == 1, "not about it"

    simulate(tmp_path, main, script=chatter, capacity=WINDOW, recall_tokens=100)


def test_recall_finds_what_is_out_of_sight_and_not_what_is_in_sight(tmp_path: Path) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        process = await forgetful(kernel)
        await say(kernel, process, "look up flowerpot key")
        found = next(e.page for e in reversed(process.space.resident) if e.page.role == "tool")
        assert FACT in found.text and found.recalled
        await say(kernel, process, "look up day 14")
        found = next(e.page for e in reversed(process.space.resident) if e.page.role == "tool")
        in_sight = [e.page.text for e in process.space.resident if e.page.role == "user"]
        assert any("nothing of note" in text for text in in_sight)
        assert not any(text in found.text for text in in_sight)

    simulate(tmp_path, main, script=chatter, capacity=WINDOW, recall_tokens=100)


def test_what_comes_back_is_no_key_to_itself(tmp_path: Path) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        process = await forgetful(kernel)
        for number in range(3):
            await say(kernel, process, "look up flowerpot")
            for day in range(12):
                await say(kernel, process, f"again nothing on day {number}{day}")
        await say(kernel, process, "look up flowerpot")
        found = next(e.page for e in reversed(process.space.resident) if e.page.role == "tool")
        assert found.text.count(FACT) == 1, "the page, and no copy of it"

    simulate(tmp_path, main, script=chatter, capacity=WINDOW, recall_tokens=100)


def test_a_fork_remembers_what_its_parent_was_told(tmp_path: Path) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        parent = await forgetful(kernel)
        child = await kernel.fork(parent, interactive=True)
        await say(kernel, parent, "the parrot is called Hugo")
        for day in range(15):
            await say(kernel, parent, f"nothing on day {day}")
            await say(kernel, child, f"nothing on day {day}")
        await say(kernel, child, "look up flowerpot parrot")
        found = next(e.page for e in reversed(child.space.resident) if e.page.role == "tool")
        assert FACT in found.text and "Hugo" not in found.text

    simulate(tmp_path, main, script=chatter, capacity=WINDOW, recall_tokens=100)


def test_it_comes_back_after_a_restart_and_without_the_index(tmp_path: Path) -> None:
    async def first(kernel: Kernel, driver: SimulatedDriver) -> int:
        return (await forgetful(kernel)).pid

    async def then(kernel: Kernel, driver: SimulatedDriver) -> None:
        process = kernel.table.find(pid)
        await say(kernel, process, "look up flowerpot")
        found = next(e.page for e in reversed(process.space.resident) if e.page.role == "tool")
        assert FACT in found.text

    pid = simulate(tmp_path, first, script=chatter, capacity=WINDOW, recall_tokens=100)
    for file in tmp_path.glob("recall.db*"):
        file.unlink()
    simulate(tmp_path, then, script=chatter, capacity=WINDOW, recall_tokens=100)


def test_between_two_flushes_the_prompt_grows_at_its_end_whatever_comes_back(
    tmp_path: Path,
) -> None:
    prompts: list[tuple[int, ...]] = []

    async def main(kernel: Kernel, driver: SimulatedDriver) -> int:
        generate = driver.generate

        def watched(prompt, draft):  # type: ignore[no-untyped-def]
            prompts.append(prompt.payload)
            assert prompt.num_tokens < WINDOW.window_tokens
            return generate(prompt, draft)

        driver.generate = watched  # type: ignore[method-assign,assignment]
        process = await forgetful(kernel)
        for day in range(40):
            await say(kernel, process, f"what of the flowerpot on day {day}")
        flushes = await kernel.journal.read(
            lambda c: c.execute("SELECT count(*) FROM flush").fetchone()
        )
        return int(flushes[0])

    flushes = simulate(tmp_path, main, script=chatter, capacity=WINDOW, recall_tokens=60)
    breaks = sum(later[: len(earlier)] != earlier for earlier, later in itertools.pairwise(prompts))
    assert 0 < breaks <= flushes
