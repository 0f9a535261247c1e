"""Scenes about files: list, read, write, search."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from . import text_pool, words
from .asking import say
from .grammar import one_of
from .scene import Scene, Step

_MANY_LINES = 6
_MANY_CHARACTERS = 330


def failure(result: str) -> str:
    """The words for an error result. Every errno has one form of answer."""
    code, _, message = result.partition(": ")
    if code == "ENOENT":
        kind, _, path = message.partition(": ")
        return f"There is no {kind.removeprefix('no such ')} {path}."
    if code in {"EISDIR", "ENOTDIR"}:
        return f"{message}, not a {'file' if code == 'EISDIR' else 'folder'}."
    if code == "EPERM":
        return f"That is not allowed: {message}."
    if code == "ESRCH":
        return f"There is {message}."
    if code == "ETIME":
        return f"It took too long: {message}."
    return f"That did not work: {message}."


def denial(rng: Random, capability: str, thing: str) -> str:
    """An EPERM result for lack of ``capability``."""
    wording = (
        f"needs {capability}:{thing}",
        f"{capability} {thing} is not granted",
        f"no capability for {capability}:{thing}",
        f"{thing} is read only",
        "denied by the user",
        f"you may not touch {thing}",
        f"needs {capability}; run: llmos grant {rng.randint(2, 40)} {capability}:{thing}",
    )
    return "EPERM: " + rng.choice(wording)


def _near(rng: Random, path: str) -> str:
    """A name that somebody may have meant who typed ``path``."""
    at = rng.randrange(len(path))
    draw = rng.random()
    if draw < 0.4:
        return path[:at] + rng.choice("aeiorstln") + path[at:]
    if draw < 0.7 and len(path) > 3:
        return path[:at] + path[at + 1 :]
    return f"{words.stem(rng)}.{rng.choice(words.EXTENSIONS)}"


def path_failure(rng: Random, kind: str, capability: str, path: str) -> str:
    """The result of a call whose ``kind``, file or folder, is not there or not to be touched."""
    draw = rng.random()
    if draw < 0.35:
        return f"ENOENT: no such {kind}: {path}"
    if draw < 0.6:
        return f"ENOENT: no such {kind}: {path} (did you mean {_near(rng, path)}?)"
    if draw < 0.8:
        return f"EISDIR: {path} is a folder" if kind == "file" else f"ENOTDIR: {path} is a file"
    return denial(rng, capability, path)


def _alike(rng: Random, count: int) -> set[str]:
    """Names that begin or end with the same, as in most folders that people have."""
    start = rng.choice(("", "", "", f"{words.noun(rng)}_", f"{words.noun(rng)}-"))
    end = f".{rng.choice(words.EXTENSIONS)}"
    if rng.random() < 0.2:
        first = rng.randint(1, 12)
        return {f"{start}{number}{end}" for number in range(first, first + count)}
    if rng.random() < 0.15:
        return {f"{start}{letter}{end}" for letter in "abcdefghijkl"[:count]}
    return {f"{start}{words.stem(rng)}{end}" for _ in range(count)}


_SIZES = (0, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 5, 6, 7, 8, 9, 11, 14, 18, 24)
SHORT = (1, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 6, 7)


def names_of(rng: Random, sizes: Sequence[int] = _SIZES) -> list[str]:
    """What a folder holds, sorted; the names of folders end in a slash."""
    count = rng.choice(sizes)
    names = _alike(rng, count) if rng.random() < 0.4 else {_name(rng) for _ in range(count)}
    return sorted(names)


def _name(rng: Random) -> str:
    """Something that may stand in any folder."""
    draw = rng.random()
    if draw < 0.2:
        return rng.choice(words.COMMON_NAMES)
    if draw < 0.35:
        return words.noun(rng) + "/"
    name = words.file_name(rng)
    if draw < 0.45:
        return words.invented(rng).capitalize() + rng.choice(("", "/", ".md", ".txt", ".pdf"))
    if draw < 0.55:
        return name[0].upper() + name[1:]
    return name


def listing(names: list[str], place: str) -> str:
    """The answer to ``list_files``."""
    if not names:
        return f"{place} is empty."
    return f"{place} holds:\n" + "\n".join(names)


def list_scene(rng: Random) -> Scene:
    here = rng.random() < 0.5
    path = "." if here else words.folder(rng)
    place = "This folder" if here else path
    counting = rng.random() < 0.08
    if counting:
        request = say(rng, "count_here" if here else "count_in", path=path)
    else:
        request = say(rng, "list_here" if here else "list_in", path=path)
    names = names_of(rng)
    result = "\n".join(names) or "(empty)"
    answer = listing(names, place)
    if counting and names:
        answer = f"{answer}\n{len(names)} in all."
    follow_ups: tuple[Scene, ...] = ()
    if not here and rng.random() < 0.1:
        result = path_failure(rng, "folder", "fs.read", path)
        answer = failure(result)
    elif rng.random() < 0.15 and (files := [one for one in names if not one.endswith("/")]):
        chosen, ask = rng.choice((("first", files[0]), ("last", files[-1])))
        if names[0 if chosen == "first" else -1] == ask:
            target = ask if here else f"{path.rstrip('/')}/{ask}"
            follow = one_of(rng, (f"[read|show me|open] the {chosen} [one|file|]",))
            follow_ups = (read_scene(rng, target, follow),)
    step = Step("list_files", {} if here else {"path": path}, result)
    return Scene(request, (step,), answer, follow_ups=follow_ups)


def contents(path: str, lines: list[str]) -> str:
    """The answer to ``read_file``: the text itself, or how it begins where it is long."""
    text = "\n".join(lines)
    if not text:
        return f"{path} is empty."
    if len(lines) > _MANY_LINES or len(text) > _MANY_CHARACTERS:
        return f"{path} begins:\n" + "\n".join(lines[:2]) + "\n..."
    return f"{path} says:\n{text}"


def read_scene(rng: Random, path: str | None = None, request: str | None = None) -> Scene:
    path = path or words.file_path(rng)
    request = request or say(rng, "read", path=path)
    lines = text_pool.file_text(rng)
    result, answer = "\n".join(lines), contents(path, lines)
    draw = rng.random()
    if draw < 0.1:
        result = path_failure(rng, "file", "fs.read", path)
        answer = failure(result)
    elif draw < 0.12:
        result, answer = "", contents(path, [])
    return Scene(request, (Step("read_file", {"path": path}, result),), answer)


def _dictated(rng: Random, text: str) -> str:
    """The text as it stands in a request: plain, or in one of the usual quotes."""
    if '"' in text:
        return text
    return rng.choice((text, text, text, text, f"'{text}'", f'"{text}"', f'"{text}"'))


def write_scene(rng: Random) -> Scene:
    path = words.file_path(rng)
    text = text_pool.line(rng).strip() if rng.random() < 0.15 else text_pool.plain(rng)
    request = say(rng, "write", path=path, text=_dictated(rng, text))
    result = f"wrote {len(text.encode())} bytes to {path}"
    answer = result[0].upper() + result[1:] + "."
    follow_ups: tuple[Scene, ...] = ()
    if rng.random() < 0.07:
        result = denial(rng, "fs.write", path)
        if rng.random() < 0.3:
            result = f"EISDIR: {path} is a folder"
        answer = failure(result)
    elif rng.random() < 0.15:
        ask = one_of(rng, ("[now|then|] [read|show me|open|check] [it|the file|that file]",))
        step = Step("read_file", {"path": path}, text)
        follow_ups = (Scene(ask, (step,), contents(path, [text])),)
    step = Step("write_file", {"path": path, "text": text}, result)
    return Scene(request, (step,), answer, manners=request[:4] != "echo", follow_ups=follow_ups)


def found(hits: list[str], pattern: str, place: str) -> str:
    """The answer to ``search_files``."""
    if not hits:
        return f"No line in {place} contains {pattern}."
    return "Found:\n" + "\n".join(hits)


def search_scene(rng: Random) -> Scene:
    pattern = " ".join(words.token(rng) for _ in range(rng.choice((1, 1, 1, 1, 2, 3))))
    here = rng.random() < 0.6
    path = "." if here else words.folder(rng)
    if not here and rng.random() < 0.2:
        path = words.file_path(rng)
    asked = _dictated(rng, pattern)
    request = say(rng, "search_here" if here else "search_in", pattern=asked, path=path)
    hits = [
        f"{words.file_path(rng)}:{rng.randint(1, 240)}: "
        + rng.choice((f"{pattern} {words.noun(rng)}", f"{words.noun(rng)} {pattern}", pattern))
        for _ in range(rng.choice((0, 1, 1, 1, 2, 2, 3, 4)))
    ]
    result = "\n".join(hits) or "no matches"
    answer = found(hits, pattern, "these files" if here else path)
    if rng.random() < 0.06:
        result = path_failure(rng, "folder", "fs.read", path if not here else words.folder(rng))
        answer = failure(result)
    arguments = {"pattern": pattern} if here else {"pattern": pattern, "path": path}
    return Scene(request, (Step("search_files", arguments, result),), answer)


SCENES: tuple[tuple[float, Callable[[Random], Scene]], ...] = (
    (1.5, list_scene),
    (1.0, read_scene),
    (1.3, write_scene),
    (1.4, search_scene),
)
