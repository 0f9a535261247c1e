"""An agent at work on this repository, the same way each time.

A user asks for something; the agent makes a call, reads what the tool says, makes the next one, and
answers in the end. Each of these is a turn: something new to read, then a generation. Tools say
what is really there: folders, files or parts of them, lines that hold a word, a short word of
success. The agent's own words are not in the trace: they are generated. Lengths of the results
differ as they do in such work: most are short, some are long.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROOMS = ("kernel", "memory", "syscalls", "plugins", "shell", "docs")
WORDS = ("journal", "mailbox", "checksum", "capability", "draft", "pinned", "victims", "dispatch")
MAX_GREP_LINES = 12


@dataclass(frozen=True, slots=True)
class Task:
    """A user's message, and what the tools say to the calls that the agent makes for it."""

    user: str
    results: tuple[str, ...]


def tasks(num_turns: int, seed: int = 7) -> Iterator[Task]:
    """The agent's work, one after the other, until it has taken so many turns."""
    rng, files = random.Random(seed), _files()
    kinds: list[Callable[[random.Random, list[Path]], tuple[str, str]]]
    kinds = [_list, _head, _head, _part, _grep, _grep, _write, _calculate]
    while num_turns > 0:
        count = min(rng.choice((1, 2, 4, 6, 8)), num_turns - 1)
        calls = [rng.choice(kinds)(rng, files) for _ in range(count)]
        asked = ", then ".join(request for request, _ in calls) or "what have you found?"
        yield Task(asked, tuple(result for _, result in calls))
        num_turns -= 1 + count


def _files() -> list[Path]:
    return sorted(
        file
        for room in ROOMS
        for file in (ROOT / room).rglob("*")
        if file.suffix in (".py", ".md") and file.stat().st_size
    )


def _name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def _list(rng: random.Random, files: list[Path]) -> tuple[str, str]:
    folder = rng.choice(files).parent
    names = [f"{_name(file)} ({file.stat().st_size} bytes)" for file in sorted(folder.glob("*.*"))]
    return f"list the files in {_name(folder)}", "\n".join(names[:30])


def _head(rng: random.Random, files: list[Path]) -> tuple[str, str]:
    file, count = rng.choice(files), rng.choice((6, 12, 24))
    lines = file.read_text().splitlines()[:count]
    return f"show me how {_name(file)} begins", "\n".join(lines)


def _part(rng: random.Random, files: list[Path]) -> tuple[str, str]:
    file = rng.choice(files)
    lines = file.read_text().splitlines()
    start = rng.randrange(len(lines))
    count = rng.choice((20, 40, 60))
    return f"read {_name(file)} from line {start + 1} on", "\n".join(lines[start : start + count])


def _grep(rng: random.Random, files: list[Path]) -> tuple[str, str]:
    word = rng.choice(WORDS)
    hits = [
        f"{_name(file)}:{number}: {line.strip()}"
        for file in rng.sample(files, 12)
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if word in line
    ]
    return f"find where {word} is mentioned", "\n".join(hits[:MAX_GREP_LINES]) or "no lines match"


def _write(rng: random.Random, files: list[Path]) -> tuple[str, str]:
    name = f"notes-{rng.randrange(100)}.txt"
    return f"write what you have found to {name}", f"{rng.randrange(40, 400)} characters written"


def _calculate(rng: random.Random, files: list[Path]) -> tuple[str, str]:
    first, second = rng.randrange(10, 1000), rng.randrange(10, 1000)
    return f"what is {first} * {second}", str(first * second)
