"""Draws docs/pictures/ with the tests' own terminal: a real shell, the real engine, the pilot.

    python docs/make_pictures.py [NAME …]

A picture is the screen as it stood; a recording is what came out of the terminal, with its times,
as an asciicast (`asciinema play docs/pictures/session.cast`) and as an SVG that moves.
"""

from __future__ import annotations

import html
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pyte

ROOT = Path(__file__).parent.parent
PICTURES = ROOT / "docs" / "pictures"
sys.path.insert(0, str(ROOT / "tests"))

from harness import KernelProcess  # noqa: E402
from terminal import Terminal  # noqa: E402

CELL, LINE, FONT, EDGE = 8.4, 18, 14, 14
LONGEST_PAUSE_S = 1.2
"""Of a recording: nobody wants to watch an engine load."""

COLOURS = {
    "default": "#d8dee9",
    "black": "#4c566a",
    "red": "#e06c75",
    "green": "#98c379",
    "brown": "#e5c07b",
    "blue": "#61afef",
    "magenta": "#c678dd",
    "cyan": "#56b6c2",
    "white": "#eceff4",
}
PAPER = "#1e222a"

Row = list[Any]


# ---- drawing -----------------------------------------------------------------------------------


def rows_of(screen: pyte.Screen) -> list[Row]:
    """The characters of the screen, without empty lines at its end."""
    rows = [[screen.buffer[y][x] for x in range(screen.columns)] for y in range(screen.lines)]
    while rows and all(char.data == " " and char.bg == "default" for char in rows[-1]):
        rows.pop()
    return rows


def drawn(rows: list[Row]) -> Iterator[str]:
    """The lines as SVG, a run of one style an element."""
    for y, row in enumerate(rows):
        x = 0
        for style, run in groupby(row, key=_style):
            chars = "".join(char.data or "" for char in run)
            columns = len(chars)
            yield from _run(chars, style, x, y)
            x += columns


def _style(char: Any) -> tuple[str, str, bool, bool]:
    ink, paper = (char.bg, char.fg) if char.reverse else (char.fg, char.bg)
    ink = "black" if char.reverse and ink == "default" else ink
    return (
        ink,
        paper if not char.reverse or paper != "default" else "white",
        char.bold,
        char.italics,
    )


def _run(chars: str, style: tuple[str, str, bool, bool], x: int, y: int) -> Iterator[str]:
    ink, paper, bold, italic = style
    left, top = EDGE + x * CELL, EDGE + y * LINE
    if paper != "default":
        yield (
            f'<rect x="{left:.1f}" y="{top}" width="{len(chars) * CELL:.1f}" height="{LINE}"'
            f' fill="{_colour(paper)}"/>'
        )
    if not chars.strip():
        return
    marks = (' font-weight="bold"' if bold else "") + (' font-style="italic"' if italic else "")
    text = html.escape(chars.rstrip())
    yield (
        f'<text x="{left:.1f}" y="{top + FONT}" fill="{_colour(ink)}"{marks}'
        f' textLength="{len(chars.rstrip()) * CELL:.1f}" xml:space="preserve">{text}</text>'
    )


def _colour(name: str) -> str:
    plain = name.removeprefix("bright")
    return COLOURS.get(plain, f"#{name}" if len(name) == 6 else COLOURS["default"])


def framed(columns: int, lines: int, body: str, style: str = "") -> str:
    width, height = 2 * EDGE + columns * CELL, 2 * EDGE + lines * LINE
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}"'
        f' font-family="ui-monospace, Menlo, Consolas, monospace" font-size="{FONT}">\n'
        f'{style}<rect width="100%" height="100%" rx="8" fill="{PAPER}"/>\n{body}\n</svg>\n'
    )


# ---- recording ---------------------------------------------------------------------------------


class Recorder(Terminal):
    """A terminal that keeps what came, and when."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self.came: list[tuple[float, bytes]] = []
        super().__init__(*args, **options)

    def _read(self, wait_s: float) -> None:
        before = len(self.raw)
        super()._read(wait_s)
        if len(self.raw) > before:
            self.came.append((time.monotonic(), self.raw[before:]))

    def type(self, line: str) -> None:
        """As a person types."""
        for char in line:
            self.send(char)
            self._read(0.05)
            time.sleep(0.04)
        self.key("enter")

    def watch(self, duration_s: float) -> None:
        """Let the viewer read."""
        until = time.monotonic() + duration_s
        while time.monotonic() < until:
            self._read(0.05)

    def picture(self) -> str:
        self._read(0.0)
        rows = rows_of(self._screen)
        return framed(self._screen.columns, len(rows), "\n".join(drawn(rows)))

    def times(self) -> list[tuple[float, bytes]]:
        """Seconds from the beginning, long pauses cut."""
        now, last, cut = 0.0, self.came[0][0], []
        for at, data in self.came:
            now += min(at - last, LONGEST_PAUSE_S)
            last = at
            cut.append((now, data))
        return cut

    def cast(self) -> str:
        """An asciicast, version 2."""
        head = {"version": 2, "width": self._screen.columns, "height": self._screen.lines}
        lines = [json.dumps(head)]
        lines += [json.dumps([round(at, 3), "o", data.decode("utf-8", "replace")])
                  for at, data in self.times()]  # fmt: skip
        return "\n".join(lines) + "\n"

    def moving(self, fewest_s: float = 0.12) -> str:
        """An SVG whose frames follow each other, for ever."""
        screen = pyte.Screen(self._screen.columns, self._screen.lines)
        stream = pyte.ByteStream(screen)
        frames: list[tuple[float, str]] = []
        for at, data in self.times():
            stream.feed(data)
            body = "\n".join(drawn(rows_of(screen)))
            if frames and (at - frames[-1][0] < fewest_s or body == frames[-1][1]):
                frames[-1] = (frames[-1][0], body)
            else:
                frames.append((at, body))
        whole = frames[-1][0] + 3.0
        ends = [at for at, _ in frames[1:]] + [whole]
        rules, groups = [f".f{{visibility:hidden;animation:{whole:.2f}s step-end infinite}}"], []
        for number, ((at, body), end) in enumerate(zip(frames, ends, strict=True)):
            begins, ends_at = 100 * at / whole, 100 * end / whole
            rules.append(
                f"@keyframes k{number}{{0%{{visibility:{'visible' if begins == 0 else 'hidden'}}}"
                f"{begins:.3f}%{{visibility:visible}}{ends_at:.3f}%{{visibility:hidden}}}}"
                f"#f{number}{{animation-name:k{number}}}"
            )
            groups.append(f'<g class="f" id="f{number}">{body}</g>')
        style = f"<style>{''.join(rules)}</style>\n"
        return framed(self._screen.columns, self._screen.lines, "\n".join(groups), style)


# ---- what is shown -----------------------------------------------------------------------------


def colourful(kernel: KernelProcess) -> dict[str, str]:
    return {name: value for name, value in kernel.env.items() if name != "NO_COLOR"}


def shell_in(kernel: KernelProcess, columns: int = 92, lines: int = 26) -> Recorder:
    command = [sys.executable, "-m", "llmos"]
    return Recorder(command, env=colourful(kernel), cwd=kernel.root, columns=columns, lines=lines)


def ask(shell: Recorder, line: str, pattern: str, read_s: float = 1.0) -> None:
    shell.type(line)
    shell.wait_for(pattern, 60)
    shell.watch(read_s)


def repl(kernel: KernelProcess) -> None:
    """The shell: an answer with its syscalls, a helper, the processes."""
    with shell_in(kernel) as shell:
        shell.wait_for("llmos>", 60)
        ask(shell, "list the files here", "todo.md")
        ask(shell, "what is 37 * 12", "444")
        ask(shell, "start a helper that lists the files", "pid")
        ask(shell, "ps -t", "shell")
        (PICTURES / "repl.svg").write_text(shell.picture())


def session(kernel: KernelProcess) -> None:
    """The tutorial's way: ask, plug in, look, stop, go on."""
    with shell_in(kernel) as shell:
        shell.wait_for("llmos>", 60)
        shell.watch(0.8)
        ask(shell, "read shopping.txt", "butter", 1.5)
        ask(shell, "what is 12 * 12 &", r"144", 1.5)
        kernel.plugins_dir.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "docs" / "pictures" / "shout.py", kernel.plugins_dir / "shout.py")
        kernel.plugin_in_use("shout")
        ask(shell, "man shout", "SOURCE", 1.5)
        ask(shell, "call shout text=hello", "HELLO", 1.5)
        ask(shell, "ps", "shell", 2.0)
        (PICTURES / "session.cast").write_text(shell.cast())
        (PICTURES / "session.svg").write_text(shell.moving())


def top(kernel: KernelProcess) -> None:
    """The processes and the engine, while many agents work."""
    command = [sys.executable, "-m", "llmos", "top", "-d", "0.5"]
    with (
        kernel.wire() as wire,
        Recorder(command, env=colourful(kernel), columns=110, lines=28) as screen,
    ):
        for one in wire.get("ps")["processes"]:
            if one["exit_status"] is not None:
                wire.get("wait", pid=one["pid"])
        screen.wait_for("PID", 30)
        for number in range(150):
            task = f"what is {30 + number} * {12 + number % 7}" if number % 3 else "list the files"
            name = f"{'sum' if number % 3 else 'list'}-{number}"
            wire.ask("spawn", task=task, name=name, root=str(kernel.root))
        screen.wait_for(r" running .*\n.* running ", 30)
        screen.watch(0.6)
        (PICTURES / "top.svg").write_text(screen.picture())


SHOWN: dict[str, Callable[[KernelProcess], None]] = {"repl": repl, "session": session, "top": top}


def main() -> int:
    names = sys.argv[1:] or list(SHOWN)
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="llmos-pictures-") as folder:
        kernel = KernelProcess(folder=Path(folder))
        shutil.copytree(ROOT / "examples" / "desk", kernel.root, dirs_exist_ok=True)
        try:
            kernel.start().ready()
            for name in names:
                SHOWN[name](kernel)
                print(f"drawn: {name}")
        finally:
            kernel.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
