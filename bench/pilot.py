"""How good the pilot is: the held-out examination, through the real kernel and the real vLLM.

Every question of `llmos.pilot.held_out` is sent to an agent in a folder of its own, and judged by
the agent's pages: the names of its calls in order (`syscall`), their arguments (`arguments`), and
whether the answer holds what it must (`answer`), for requests that need one kind of syscall. Of
requests in several steps, and of those for a plugin that was saved a moment ago, a share counts
only when all three are right; `talk` is about requests that need no tool.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from in_process import in_process_kernel
from llmos.kernel import messages
from llmos.kernel.engine.vllm import VllmDriver
from llmos.kernel.kernel import Kernel
from llmos.kernel.process import Process
from llmos.kernel.services import Services
from llmos.kernel.signals import Signal
from llmos.memory.page import Page
from llmos.pilot.held_out.question import IDLE, PID, REPORT, RESULT, Question
from llmos.pilot.held_out.questions import questions
from report import report

AT_ONCE = 8
PLUGINS_AT_ONCE = 3
PATIENCE_S = 120.0
MANY_LINES = 6  # of a longer result nobody wants every line in the answer


@dataclass(frozen=True, slots=True)
class Verdict:
    question: Question
    syscall: bool
    arguments: bool
    answer: bool
    transcript: str

    @property
    def right(self) -> bool:
        return self.syscall and self.arguments and self.answer


def judge(question: Question, pid: int, pages: Sequence[Page]) -> Verdict:
    """`pid` is the helper's; if the agent itself started one, that one's."""
    calls = [call for page in pages for call in page.calls]
    results = [page.text for page in pages if page.role == "tool"]
    answer = pages[-1].text if pages and pages[-1].role == "assistant" else ""
    if results and results[0].startswith("pid "):
        pid = int(results[0].split()[1])
    syscall = [call.name for call in calls] == [call.name for call in question.calls]
    arguments = syscall
    for index, (made, expected) in enumerate(zip(calls, question.calls, strict=False)):
        before = results[index - 1] if 0 < index <= len(results) else ""
        known = {PID: pid, RESULT: before}
        wanted = {name: known.get(value, value) for name, value in expected.arguments.items()}
        arguments = arguments and _parsed(made.arguments) == wanted
    last = results[-1] if results else ""
    known_says = {RESULT: last, REPORT: last.partition(": ")[2], PID: str(pid)}
    lines = [line for say in question.says for line in _lines(known_says.get(say, say))]
    said = bool(lines) and all(line.lower() in answer.lower() for line in lines)
    shown = [f"{call.name} {call.arguments}" for call in calls] + [f"-> {answer}"]
    return Verdict(question, syscall, arguments, said, "\n    ".join(shown))


def _parsed(arguments: str) -> object:
    """None for a call that was cut off in the middle."""
    try:
        return json.loads(arguments)
    except ValueError:
        return None


def _lines(text: str) -> list[str]:
    lines = text.splitlines() or [text]
    return lines if len(lines) <= MANY_LINES else lines[:1]


async def ask(kernel: Kernel, question: Question, root: Path) -> Verdict:
    """One question in a world of its own."""
    root.mkdir()
    for name, text in question.files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    agent = await kernel.spawn(task=None, name="agent", root=root, interactive=True)
    helper = await _helper(kernel, question.helper, agent)
    pid = helper.pid if helper else 0
    for number, note in enumerate(question.notes):
        await Services(kernel, agent, f"note {number}").remember(note)
    await _turn(kernel, agent, question.request.replace(PID, str(pid)))
    pages = [entry.page for entry in agent.space.resident]
    for process in (agent, helper):
        if process is not None and process.pid in kernel.table:
            await kernel.signal(process, Signal.KILL)
            await process.exited.wait()
            await kernel.reap(process)
    return judge(question, pid, pages)


async def _helper(kernel: Kernel, task: str, agent: Process) -> Process | None:
    """A child that idles, or one that has done its task."""
    if not task:
        return None
    idle = task == IDLE
    helper = await kernel.spawn(
        task=None if idle else task,
        name="helper",
        root=agent.root,
        parent=agent.pid,
        interactive=idle,
    )
    if not idle:
        await helper.exited.wait()
    return helper


async def _turn(kernel: Kernel, agent: Process, text: str) -> None:
    """Send the request and wait for the turn's end."""
    over = asyncio.Event()

    def watch(event: messages.Event) -> None:
        if isinstance(event, messages.Turn):
            over.set()

    kernel.bus.attach(agent.pid, watch)
    await kernel.send(agent.pid, text)
    async with asyncio.timeout(PATIENCE_S):
        await over.wait()
    kernel.bus.detach(agent.pid, watch)


async def examine(
    kernel: Kernel, some: Sequence[Question], root: Path, at_once: int
) -> list[Verdict]:
    room = asyncio.Semaphore(at_once)

    async def one(number: int, question: Question) -> Verdict:
        async with room:
            return await ask(kernel, question, root / str(number))

    root.mkdir()
    return await asyncio.gather(*(one(*pair) for pair in enumerate(some)))


async def examine_plugins(kernel: Kernel, some: Sequence[Question], root: Path) -> list[Verdict]:
    """A few plugins at a time: they are saved, called, and removed again."""
    by_plugin = [list(group) for _, group in groupby(some, lambda one: one.intent)]
    verdicts: list[Verdict] = []
    root.mkdir()
    for start in range(0, len(by_plugin), PLUGINS_AT_ONCE):
        batch = [one for group in by_plugin[start : start + PLUGINS_AT_ONCE] for one in group]
        plugins = {one.plugin.name: one.plugin for one in batch if one.plugin}
        for plugin in plugins.values():
            (kernel.config.plugins_dir / f"{plugin.name}.py").write_text(plugin.source)
        await _until(kernel, plugins, there=True)
        verdicts += await examine(kernel, batch, root / str(start), AT_ONCE)
        for name in plugins:
            (kernel.config.plugins_dir / f"{name}.py").unlink()
        await _until(kernel, plugins, there=False)
    return verdicts


async def _until(kernel: Kernel, names: Iterable[str], *, there: bool) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while any((kernel.plugins.table.find(name) is not None) != there for name in names):
            await asyncio.sleep(0.05)


def _share(values: Iterable[bool]) -> float:
    drawn = list(values)
    return round(sum(drawn) / len(drawn), 3)


def figures(verdicts: Sequence[Verdict]) -> dict[str, float]:
    of = defaultdict(list)
    for verdict in verdicts:
        of[verdict.question.category].append(verdict)
    single = of["single"]
    return {
        "syscall": _share(one.syscall for one in single),
        "arguments": _share(one.arguments for one in single),
        "answer": _share(one.answer for one in single),
        "multi_step": _share(one.right for one in of["multi_step"]),
        "unknown_tool": _share(one.right for one in of["unknown_tool"]),
        "talk": _share(one.right for one in of["talk"]),
    }


def by_intent(verdicts: Sequence[Verdict]) -> dict[str, str]:
    """Right questions of all, for each intent."""
    rights: dict[str, list[bool]] = defaultdict(list)
    for verdict in verdicts:
        rights[f"{verdict.question.category}: {verdict.question.intent}"].append(verdict.right)
    return {intent: f"{sum(some)} of {len(some)}" for intent, some in sorted(rights.items())}


async def main(model: str, seed: int, show_all: bool) -> None:
    async with in_process_kernel(model, VllmDriver) as (kernel, _, root):
        asked = questions(seed)
        plain = [one for one in asked if one.plugin is None and one.intent != "processes"]
        # Alone: everybody else's agents would stand in the list.
        crowded = [one for one in asked if one.intent == "processes"]
        verdicts = await examine(kernel, plain, root / "plain", AT_ONCE)
        verdicts += await examine(kernel, crowded, root / "alone", 1)
        with_plugin = [one for one in asked if one.plugin is not None]
        verdicts += await examine_plugins(kernel, with_plugin, root / "plugins")
    for verdict in verdicts:
        if show_all or not verdict.right:
            mark = "right" if verdict.right else "WRONG"
            print(f"{mark} [{verdict.question.intent}] {verdict.question.request}")
            print(f"    {verdict.transcript}")
    intents = by_intent(verdicts)
    for intent, score in intents.items():
        print(f"{intent:32} {score}")
    details: dict[str, Any] = {"model": model, "seed": seed, "intents": intents}
    report("pilot", figures(verdicts), details)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="pilot", help="the pilot, or a folder")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--all", action="store_true", help="show right answers too")
    options = parser.parse_args()
    asyncio.run(main(options.model, options.seed, options.all))
