"""Scenes about processes: helpers that are started, waited for, listed and ended."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from . import text_pool, words
from .asking import say
from .clock_scenes import calculate_scene, now_scene
from .file_scenes import (
    denial,
    failure,
    list_scene,
    read_scene,
    search_scene,
    write_scene,
)
from .grammar import one_of, templates
from .note_scenes import recall_scene
from .scene import Scene, Step

# Third person, as said of a helper, and the order that the helper gets.
_VERB_FORMS = {
    "list": "lists", "read": "reads", "show": "shows", "find": "finds", "search": "searches",
    "write": "writes", "count": "counts", "work": "works", "calculate": "calculates",
    "tell": "tells", "look": "looks", "check": "checks", "print": "prints", "open": "opens",
    "save": "saves", "put": "puts", "create": "creates", "make": "makes", "give": "gives",
    "display": "displays", "compute": "computes", "add": "adds", "multiply": "multiplies",
    "divide": "divides", "grep": "greps", "replace": "replaces", "overwrite": "overwrites",
    "fill": "fills", "view": "views", "see": "sees", "inspect": "inspects", "recall": "recalls",
    "subtract": "subtracts", "store": "stores", "set": "sets", "change": "changes", "let": "lets",
    "have": "has", "take": "takes", "output": "outputs", "quote": "quotes", "evaluate": "evaluates",
    "remember": "remembers", "note": "notes", "keep": "keeps", "dump": "dumps", "clean": "cleans",
    "fix": "fixes", "test": "tests", "watch": "watches", "sort": "sorts", "copy": "copies",
    "update": "updates", "draw": "draws", "wait": "waits", "sum": "sums", "report": "reports",
    "collect": "collects", "pack": "packs", "repair": "repairs", "describe": "describes",
}  # fmt: skip


# An agent that has delegated everything would start helpers for ever: what helpers get is direct.
_TASKS: tuple[Callable[[Random], Scene], ...] = (
    list_scene, list_scene, list_scene, read_scene, read_scene, search_scene, write_scene,
    calculate_scene, now_scene, recall_scene,
)  # fmt: skip


def _third_person(task: str) -> str | None:
    """``lists the files`` for ``list the files``; None for what is not an order."""
    verb, _, rest = task.partition(" ")
    form = _VERB_FORMS.get(verb)
    return f"{form} {rest}" if form and rest else None


def _pid(rng: Random) -> int:
    return rng.choice(
        (rng.randint(2, 9), rng.randint(2, 9), rng.randint(2, 60), rng.randint(2, 4000))
    )


def _short_task(rng: Random) -> Scene:
    """A scene whose request is an order that fits into the request for a helper."""
    while True:
        scene = rng.choice(_TASKS)(rng)
        is_order = scene.request.split(" ")[0] in _VERB_FORMS
        if scene.request.isprintable() and (is_order or rng.random() < 0.15):
            return scene


def _report(rng: Random, job: Scene) -> str:
    """What a helper answered: mostly as the pilot itself would, sometimes as another model."""
    draw = rng.random()
    if draw < 0.75:
        return job.answer
    if draw < 0.85:
        return ", ".join(words.file_name(rng) for _ in range(rng.randint(2, 6)))
    return text_pool.sentence(rng)


def exit_words(rng: Random, pid: int, answer: str) -> tuple[str, str]:
    """What ``wait`` returns about a process, and what the agent says of it."""
    draw = rng.random()
    if draw < 0.86:
        return f"pid {pid} exited with status 0: {answer}", f"The helper (pid {pid}) says: {answer}"
    if draw < 0.96:
        status = rng.choice((1, 1, 1, 2, 124, 137, 152))
        cause = rng.choice(("it was killed", "the engine failed", "out of budget", answer))
        return (
            f"pid {pid} exited with status {status}: {cause}",
            f"The helper (pid {pid}) failed with status {status}: {cause}",
        )
    result = f"ETIME: pid {pid} is still running"
    return result, failure(result)


def spawn_scene(rng: Random) -> Scene:
    job, pid = _short_task(rng), _pid(rng)
    task, said = job.request, _third_person(job.request)
    if said and rng.random() < 0.5:
        request = say(rng, "spawn_third", task=said)
    else:
        request = say(rng, "spawn", task=task)
    start = Step("spawn", {"task": task}, f"pid {pid}")
    result, answer = exit_words(rng, pid, _report(rng, job))
    wait = Step("wait", {"pid": pid}, result)
    draw = rng.random()
    if draw < 0.05:
        refusal = denial(rng, "proc.spawn", task[:20])
        return Scene(request, (Step("spawn", {"task": task}, refusal),), failure(refusal))
    if draw < 0.2:
        request += " " + one_of(rng, templates("background"))
        follow = one_of(
            rng,
            ("[now|] wait for [it|the helper|that]", "what did [it|the helper] [say|answer|find]"),
        )
        follow_ups = (Scene(follow, (wait,), answer),) if rng.random() < 0.5 else ()
        return Scene(request, (start,), f"Started pid {pid}.", follow_ups=follow_ups)
    return Scene(request, (start, wait), answer)


def wait_scene(rng: Random) -> Scene:
    pid = _pid(rng)
    request = say(rng, "wait", pid=str(pid))
    result, answer = exit_words(rng, pid, _report(rng, _short_task(rng)))
    if rng.random() < 0.12:
        result = f"ESRCH: no process {pid}"
        answer = failure(result)
    return Scene(request, (Step("wait", {"pid": pid}, result),), answer)


def kill_scene(rng: Random) -> Scene:
    pid = _pid(rng)
    request = say(rng, "kill", pid=str(pid))
    result, answer = f"killed pid {pid}", f"Killed pid {pid}."
    draw = rng.random()
    if draw < 0.15:
        result = f"ESRCH: no process {pid}"
        answer = failure(result)
    elif draw < 0.25:
        result = denial(rng, "proc.signal", str(pid))
        answer = failure(result)
    return Scene(request, (Step("kill", {"pid": pid}, result),), answer)


def _table(rng: Random) -> list[tuple[int, str, str]]:
    """Rows of pid, state and name, as ``list_processes`` gives them."""
    rows = [(1, "blocked", "init")]
    pid = 1
    for _ in range(rng.choice((0, 1, 1, 2, 2, 3, 4, 5))):
        pid += rng.choice((1, 1, 2, rng.randint(1, 40)))
        state = rng.choice(("running", "running", "ready", "blocked", "stopped", "zombie"))
        name = rng.choice(("shell", "agent", words.noun(rng), words.identifier(rng)))
        if rng.random() < 0.35:
            name = rng.choice(_TASKS)(rng).request[:40].strip()
        rows.append((pid, state, name.replace("\n", " ")))
    return rows


def table_words(rows: list[tuple[int, str, str]]) -> str:
    """The answer to ``list_processes``."""
    return "Processes:\n" + "\n".join(f"{pid} {state} {name}" for pid, state, name in rows)


def processes_scene(rng: Random) -> Scene:
    rows = _table(rng)
    result = "\n".join(f"{pid} {state} {name}" for pid, state, name in rows)
    return Scene(say(rng, "processes"), (Step("list_processes", {}, result),), table_words(rows))


def kill_named_scene(rng: Random) -> Scene:
    """Two steps: the pid of a named process must be looked up first."""
    rows = _table(rng)
    while len(rows) < 2:
        rows = _table(rng)
    pid, _, name = rng.choice(rows[1:])
    request = say(rng, "kill_named", name=name)
    look = Step("list_processes", {}, "\n".join(f"{p} {state} {n}" for p, state, n in rows))
    return Scene(
        request, (look, Step("kill", {"pid": pid}, f"killed pid {pid}")), f"Killed pid {pid}."
    )


SCENES: tuple[tuple[float, Callable[[Random], Scene]], ...] = (
    (1.4, spawn_scene),
    (0.5, wait_scene),
    (0.5, kill_scene),
    (0.65, processes_scene),
    (0.08, kill_named_scene),
)
