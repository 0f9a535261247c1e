"""Scenes of two or three steps: a later call takes its arguments from an earlier result."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from . import text_pool, words
from .asking import say
from .clock_scenes import expression, moment, value
from .file_scenes import SHORT, contents, failure, found, names_of, path_failure
from .note_scenes import fact, noted
from .scene import Scene, Step


def _wrote(path: str, text: str) -> tuple[Step, str]:
    """The call that writes, and the words for it."""
    size = f"{len(text.encode())} bytes to {path}"
    return Step("write_file", {"path": path, "text": text}, f"wrote {size}"), f"Wrote {size}."


def _short_file(rng: Random) -> list[str]:
    return text_pool.lines(rng, rng.choice((1, 1, 1, 2, 2, 3)))


def list_read_scene(rng: Random) -> Scene:
    """The name to read stands in the list."""
    here = rng.random() < 0.6
    folder = "." if here else words.folder(rng)
    names = names_of(rng, SHORT) if rng.random() < 0.8 else names_of(rng)
    if rng.random() < 0.8:  # mostly what is last in the list is a file
        names = [name for name in names if not name.endswith("/")]
    files = [name for name in names if not name.endswith("/")]
    if not files:
        names = files = [words.file_name(rng)]
    which = rng.choice(("first", "last", "last") if len(files) > 1 else ("first", "only"))
    request = say(rng, "read_first" if here else "read_first_in", which=which, path=folder)
    step = Step("list_files", {} if here else {"path": folder}, "\n".join(names))
    name = files[-1 if which == "last" else 0]
    path = name if here else f"{folder.rstrip('/')}/{name}"
    lines = _short_file(rng)
    read = Step("read_file", {"path": path}, "\n".join(lines))
    if not here and rng.random() < 0.1:
        failed = path_failure(rng, "folder", "fs.read", folder)
        step = Step("list_files", {"path": folder}, failed)
        return Scene(request, (step,), failure(failed))
    return Scene(request, (step, read), contents(path, lines))


def sum_write_scene(rng: Random) -> Scene:
    said, meant = expression(rng)
    result = value(meant)
    while result.startswith("E") or len(result) > 24:
        said, meant = expression(rng)
        result = value(meant)
    path = words.file_path(rng)
    write, told = _wrote(path, result)
    request = say(rng, "sum_write", sum=said, path=path)
    step = Step("calculate", {"expression": meant}, result)
    return Scene(request, (step, write), f"{meant} = {result}\n{told}")


def search_read_scene(rng: Random) -> Scene:
    pattern, path = words.token(rng), words.file_path(rng)
    request = say(rng, "search_read", pattern=pattern)
    lines = _short_file(rng)
    line = f"{pattern} {words.noun(rng)}"
    place = rng.randint(0, len(lines))
    lines.insert(place, line)
    if rng.random() < 0.12:
        none = Step("search_files", {"pattern": pattern}, "no matches")
        return Scene(request, (none,), found([], pattern, "these files"))
    search = Step("search_files", {"pattern": pattern}, f"{path}:{place + 1}: {line}")
    read = Step("read_file", {"path": path}, "\n".join(lines))
    return Scene(request, (search, read), contents(path, lines))


def _read_first(rng: Random, path: str) -> tuple[Step, str, str | None]:
    """A call that reads: the call, the text, and the words if there is no such file."""
    if rng.random() < 0.1:
        failed = path_failure(rng, "file", "fs.read", path)
        return Step("read_file", {"path": path}, failed), "", failure(failed)
    text = text_pool.line(rng).strip() if rng.random() < 0.7 else "\n".join(_short_file(rng))
    return Step("read_file", {"path": path}, text), text, None


def copy_scene(rng: Random) -> Scene:
    path, other = words.file_path(rng), words.file_path(rng)
    request = say(rng, "copy", path=path, other=other)
    read, text, failed = _read_first(rng, path)
    if failed:
        return Scene(request, (read,), failed, absent=("copy_file",))
    write, told = _wrote(other, text)
    return Scene(request, (read, write), told, absent=("copy_file",))


def read_remember_scene(rng: Random) -> Scene:
    path = words.file_path(rng)
    request = say(rng, "read_remember", path=path)
    read, text, failed = _read_first(rng, path)
    if failed:
        return Scene(request, (read,), failed)
    return Scene(request, (read, Step("remember", {"text": text}, "noted")), f"Noted: {text}.")


def now_write_scene(rng: Random) -> Scene:
    path, time = words.file_path(rng), moment(rng)
    write, told = _wrote(path, time)
    return Scene(say(rng, "now_write", path=path), (Step("now", {}, time), write), told)


def recall_write_scene(rng: Random) -> Scene:
    path, topic = words.file_path(rng), words.noun(rng)
    request = say(rng, "recall_write", path=path, topic=topic)
    if rng.random() < 0.12:
        none = Step("recall", {"query": topic}, f"no notes about {topic}")
        return Scene(request, (none,), noted([], topic))
    note = fact(rng, topic)
    write, told = _wrote(path, note)
    return Scene(request, (Step("recall", {"query": topic}, note), write), told)


def read_two_scene(rng: Random) -> Scene:
    path, other = words.file_path(rng), words.file_path(rng)
    request = say(rng, "read_two", path=path, other=other)
    steps, answers = [], []
    for one in (path, other):
        read, text, failed = _read_first(rng, one)
        steps.append(read)
        answers.append(failed or contents(one, text.split("\n")))
    return Scene(request, tuple(steps), "\n".join(answers))


def write_read_scene(rng: Random) -> Scene:
    path, text = words.file_path(rng), text_pool.plain(rng)
    write, _ = _wrote(path, text)
    read = Step("read_file", {"path": path}, text)
    request = say(rng, "write_read", path=path, text=text)
    return Scene(request, (write, read), contents(path, [text]))


def two_sums_scene(rng: Random) -> Scene:
    pairs = [expression(rng, num_signs=1) for _ in range(2)]
    results = [value(meant) for _, meant in pairs]
    request = say(rng, "two_sums", sum=pairs[0][0], other=pairs[1][0])
    steps = tuple(
        Step("calculate", {"expression": meant}, result)
        for (_, meant), result in zip(pairs, results, strict=True)
    )
    answers = [
        failure(result) if result.startswith("E") else f"{meant} = {result}"
        for (_, meant), result in zip(pairs, results, strict=True)
    ]
    return Scene(request, steps, "\n".join(answers))


SCENES: tuple[tuple[float, Callable[[Random], Scene]], ...] = (
    (0.7, list_read_scene),
    (0.35, sum_write_scene),
    (0.3, search_read_scene),
    (0.3, copy_scene),
    (0.15, read_remember_scene),
    (0.18, now_write_scene),
    (0.15, recall_write_scene),
    (0.7, read_two_scene),
    (0.15, write_read_scene),
    (0.18, two_sums_scene),
)
