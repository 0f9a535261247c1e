"""The examination's questions: every wording in worlds drawn from a seed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random
from typing import TypeAlias

from ..grammar import one_of
from . import plugins, pools, wordings
from .question import IDLE, PID, REPORT, RESULT, Call, Question

SEED = 2026

Maker: TypeAlias = Callable[[Random, str], Question]
"""A question for a wording."""


def _say(rng: Random, wording: str, **slots: str) -> str:
    """The sentence, sometimes with a capital and with its stop, as people type it."""
    said = one_of(rng, (wording,), **slots)
    if rng.random() < 0.5 and said[0].isalpha() and slots.get("path") != said.split(" ")[0]:
        said = said[0].upper() + said[1:]
    return said + rng.choice(("", "", "?" if said.split(" ")[0].lower() in _ASKING else "."))


_ASKING = frozenset("what which where who could can do does is has have how are any".split())


def _world(rng: Random, *names: str) -> dict[str, str]:
    """Files that stand in the folder besides those that the question is about."""
    world = {name: pools.text(rng) for name in pools.file_names(rng, rng.randint(1, 4))}
    return world | {name: pools.text(rng) for name in names}


# ---- one syscall --------------------------------------------------------------------------


def _list_here(rng: Random, wording: str) -> Question:
    files = _world(rng, *pools.file_names(rng, rng.randint(0, 2)))
    return Question(
        "single", "list", _say(rng, wording), (Call("list_files"),), tuple(files), files
    )


def _list_in(rng: Random, wording: str) -> Question:
    folder = pools.noun(rng)
    names = pools.file_names(rng, rng.randint(1, 4))
    files = _world(rng) | {f"{folder}/{name}": pools.text(rng) for name in names}
    return Question(
        "single",
        "list",
        _say(rng, wording, path=folder),
        (Call("list_files", {"path": folder}),),
        tuple(names),
        files,
    )


def _read(rng: Random, wording: str) -> Question:
    path = pools.file_name(rng)
    lines = [pools.text(rng) for _ in range(rng.choice((1, 1, 2, 3)))]
    files = _world(rng) | {path: "\n".join(lines)}
    return Question(
        "single",
        "read",
        _say(rng, wording, path=path),
        (Call("read_file", {"path": path}),),
        tuple(lines),
        files,
    )


def _write(rng: Random, wording: str) -> Question:
    path, text = pools.file_name(rng), pools.text(rng)
    quoted = rng.choice((text, text, f'"{text}"'))
    return Question(
        "single",
        "write",
        _say(rng, wording, path=path, text=quoted),
        (Call("write_file", {"path": path, "text": text}),),
        (path,),
        _world(rng),
    )


def _search(rng: Random, wording: str) -> Question:
    pattern = pools.noun(rng)
    folder = pools.noun(rng) if "{path}" in wording else ""
    path = f"{folder}/{pools.file_name(rng)}".lstrip("/")
    line = f"{pools.text(rng)} {pattern}"
    where = {"path": folder} if folder else {}
    return Question(
        "single",
        "search",
        _say(rng, wording, pattern=pattern, path=folder),
        (Call("search_files", {"pattern": pattern, **where}),),
        (f"{path}:1: {line}",),
        {path: line, pools.file_name(rng): "nothing here"},
    )


def _sum(rng: Random, wording: str) -> Question:
    sign = rng.choice("+-*/")
    a, b = rng.randint(2, 9999), rng.randint(2, 99)
    said = f"{a} {sign} {b}"
    return Question(
        "single",
        "calculate",
        _say(rng, wording, sum=said),
        (Call("calculate", {"expression": said}),),
        (RESULT,),
    )


def _sum_worded(rng: Random, wording: str) -> Question:
    meaning = dict(wordings.SUM_WORDED)[wording]
    a, b = str(rng.randint(100, 999)), str(rng.randint(2, 99))
    return Question(
        "single",
        "calculate",
        _say(rng, wording, a=a, b=b),
        (Call("calculate", {"expression": meaning.format(a=a, b=b)}),),
        (RESULT,),
    )


def _now(rng: Random, wording: str) -> Question:
    return Question("single", "now", _say(rng, wording), (Call("now"),), ("202",))


def _processes(rng: Random, wording: str) -> Question:
    return Question("single", "processes", _say(rng, wording), (Call("list_processes"),), (RESULT,))


def _kill(rng: Random, wording: str) -> Question:
    return Question(
        "single",
        "kill",
        _say(rng, wording, pid=PID),
        (Call("kill", {"pid": PID}),),
        (PID,),
        helper=IDLE,
    )


def _wait(rng: Random, wording: str) -> Question:
    return Question(
        "single",
        "wait",
        _say(rng, wording, pid=PID),
        (Call("wait", {"pid": PID}),),
        ("42",),
        helper="what is 6 * 7",
    )


def _spawn(rng: Random, wording: str) -> Question:
    path = pools.file_name(rng)
    task = one_of(
        rng,
        wordings.SPAWN_TASKS,
        path=path,
        a=str(rng.randint(2, 99)),
        b=str(rng.randint(2, 99)),
        noun=pools.noun(rng),
    )
    return Question(
        "single",
        "spawn",
        _say(rng, wording, task=task),
        (Call("spawn", {"task": task}), Call("wait", {"pid": PID})),
        (REPORT,),
        _world(rng, path),
    )


def _remember(rng: Random, wording: str) -> Question:
    fact = pools.fact(rng, pools.noun(rng))
    return Question(
        "single",
        "remember",
        _say(rng, wording, fact=fact).rstrip("."),
        (Call("remember", {"text": fact}),),
        (fact,),
    )


def _recall(rng: Random, wording: str) -> Question:
    topic = pools.noun(rng)
    fact = pools.fact(rng, topic)
    return Question(
        "single",
        "recall",
        _say(rng, wording, topic=topic),
        (Call("recall", {"query": topic}),),
        (fact,),
        notes=(fact,),
    )


def _enoent(rng: Random, wording: str) -> Question:
    path = pools.file_name(rng)
    return Question(
        "single",
        "error",
        _say(rng, wording, path=path),
        (Call("read_file", {"path": path}),),
        (f"no file {path}",),
        _world(rng),
    )


# ---- none, and several --------------------------------------------------------------------


def _talk(rng: Random, wording: str) -> Question:
    says = dict(wordings.TALK)[wording]
    said = _say(rng, wording, place=rng.choice(pools.PLACES), name=rng.choice(pools.PEOPLE))
    return Question("talk", "talk", said, (), (says,))


def _list_read(rng: Random, wording: str) -> Question:
    files = {name: pools.text(rng) for name in pools.file_names(rng, rng.randint(2, 4))}
    which = rng.choice(("first", "last"))
    name = list(files)[0 if which == "first" else -1]
    return Question(
        "multi_step",
        "list, read",
        _say(rng, wording, which=which),
        (Call("list_files"), Call("read_file", {"path": name})),
        (files[name],),
        files,
    )


def _sum_write(rng: Random, wording: str) -> Question:
    sign, path = rng.choice("+-*"), pools.file_name(rng)
    a, b = rng.randint(100, 999), rng.randint(2, 99)
    result = str({"+": a + b, "-": a - b, "*": a * b}[sign])
    said = f"{a} {sign} {b}"
    return Question(
        "multi_step",
        "calculate, write",
        _say(rng, wording, sum=said, path=path),
        (
            Call("calculate", {"expression": said}),
            Call("write_file", {"path": path, "text": result}),
        ),
        (path,),
    )


def _search_read(rng: Random, wording: str) -> Question:
    pattern, path = pools.noun(rng), pools.file_name(rng)
    text = f"{pools.text(rng)} {pattern}"
    return Question(
        "multi_step",
        "search, read",
        _say(rng, wording, pattern=pattern),
        (Call("search_files", {"pattern": pattern}), Call("read_file", {"path": path})),
        (text,),
        {path: text, pools.file_name(rng): "nothing here"},
    )


def _copy(rng: Random, wording: str) -> Question:
    path, other = pools.file_name(rng), pools.file_name(rng)
    text = pools.text(rng)
    return Question(
        "multi_step",
        "read, write",
        _say(rng, wording, path=path, other=other),
        (
            Call("read_file", {"path": path}),
            Call("write_file", {"path": other, "text": text}),
        ),
        (other,),
        _world(rng) | {path: text},
    )


def _now_write(rng: Random, wording: str) -> Question:
    path = pools.file_name(rng)
    return Question(
        "multi_step",
        "now, write",
        _say(rng, wording, path=path),
        (Call("now"), Call("write_file", {"path": path, "text": RESULT})),
        (path,),
    )


def _read_two(rng: Random, wording: str) -> Question:
    path, other = pools.file_name(rng), pools.file_name(rng)
    files = {path: pools.text(rng), other: pools.text(rng)}
    return Question(
        "multi_step",
        "read, read",
        _say(rng, wording, path=path, other=other),
        (Call("read_file", {"path": path}), Call("read_file", {"path": other})),
        tuple(files.values()),
        files,
    )


_MAKERS: tuple[tuple[Maker, Iterable[str], int], ...] = (
    (_list_here, wordings.LIST_HERE, 2),
    (_list_in, wordings.LIST_IN, 2),
    (_read, wordings.READ, 2),
    (_write, wordings.WRITE, 2),
    (_search, wordings.SEARCH, 2),
    (_search, wordings.SEARCH_IN, 2),
    (_sum, wordings.SUM, 2),
    (_sum_worded, [wording for wording, _ in wordings.SUM_WORDED], 2),
    (_now, wordings.NOW, 1),
    (_processes, wordings.PROCESSES, 1),
    (_kill, wordings.KILL, 1),
    (_wait, wordings.WAIT, 1),
    (_spawn, wordings.SPAWN, 2),
    (_remember, wordings.REMEMBER, 2),
    (_recall, wordings.RECALL, 2),
    (_enoent, wordings.ENOENT, 1),
    (_talk, [wording for wording, _ in wordings.TALK], 1),
    (_list_read, wordings.LIST_READ, 3),
    (_sum_write, wordings.SUM_WRITE, 3),
    (_search_read, wordings.SEARCH_READ, 3),
    (_copy, wordings.COPY, 3),
    (_now_write, wordings.NOW_WRITE, 3),
    (_read_two, wordings.READ_TWO, 3),
)


def questions(seed: int = SEED) -> list[Question]:
    """All of them, the same for the same seed."""
    rng = Random(seed)
    made = [
        maker(rng, wording)
        for maker, some, times in _MAKERS
        for wording in some
        for _ in range(times)
    ]
    return made + plugins.questions(rng)
