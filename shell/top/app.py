"""`top` on a screen: textual draws, the model says what."""

from __future__ import annotations

import os
import signal
from typing import ClassVar

from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from ..arguments import LEAST_NICE, NICEST
from ..async_client import AsyncClient
from ..errors import Interrupted, NoKernel, ShellError
from ..output import harmless
from ..verbs.signalling import SIGNALS
from . import detail
from .list_view import ProcessList
from .model import BY_NAME, COLUMNS, View, fitted, gauges
from .reading import Reading
from .screens import Line, Menu, Pane

KEYS = (
    ("F1 ?", "this help"),
    ("F4 /", "show only rows with these words"),
    ("F5 t", "children below their parents"),
    ("F6 s", "sort by a column"),
    ("I", "the other way round"),
    ("F7 F8", "a little less, or more, nice"),
    ("r", "set how nice it is"),
    ("F9 k", "send a signal"),
    ("Enter", "all about a process: why it waits, limits, what it said last"),
    ("w", "why it waits"),
    ("p", "hold the picture, and let it go on"),
    ("F10 q", "leave"),
)
SHORT_KEYS = "?Help /Filter tTree sSort kSignal rNice Enter wWhy pPause qQuit"


def run(socket: str, view: View, delay_s: float) -> int:
    """Until the user leaves. The exit status."""
    if not os.environ.get("NO_COLOR", "x"):  # set, but empty: the user wants colours
        del os.environ["NO_COLOR"]
    app = Top(socket, view, delay_s)
    app.run(mouse=True)
    return app.return_code or 0


class Top(App[None]):
    """A reading every `delay_s` seconds."""

    TITLE = "llmos top"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Screen { layout: vertical; }
    #gauges { height: auto; }
    #status { height: 1; text-style: dim; }
    #status.alarming { color: $text-error; text-style: bold; }
    #keys { height: 1; text-style: reverse; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,f10,ctrl+c", "quit", priority=False),
        Binding("question_mark,f1,h", "keys"),
        Binding("slash,f4", "filter"),
        Binding("t,f5", "tree"),
        Binding("s,f6", "sort"),
        Binding("I", "reverse"),
        Binding("f7", "nicer(-1)"),
        Binding("f8", "nicer(1)"),
        Binding("r", "renice"),
        Binding("k,f9", "signal"),
        Binding("enter", "detail"),
        Binding("w", "why"),
        Binding("p,space", "pause"),
        Binding("ctrl+z", "stop"),
    ]

    def __init__(self, socket: str, view: View, delay_s: float) -> None:
        super().__init__(ansi_color=True)  # the terminal's own, or with NO_COLOR none at all
        self.set_reactive(App.theme, "ansi-dark")
        self._client = AsyncClient(socket, lambda event: None, self._lost)
        self._view = view
        self._delay_s = delay_s
        self._reading: Reading | None = None
        self._paused = False
        self._reads = False
        self._news = ""
        self._alarm = ""

    def compose(self) -> ComposeResult:
        yield Static(id="gauges", markup=False)
        yield Static(id="status", markup=False)
        yield ProcessList()
        yield Static(SHORT_KEYS, id="keys", markup=False)

    def on_mount(self) -> None:
        self.query_one(ProcessList).focus()
        self._read()
        self.set_timer(min(self._delay_s, 0.3), self._read)  # rates need two
        self.set_interval(self._delay_s, self._read)

    def on_resize(self) -> None:
        self._draw()

    # ---- reading --------------------------------------------------------------------------

    @work
    async def _read(self) -> None:
        """One more reading, unless the one before is not there yet."""
        if self._reads or (self._paused and self._reading is not None):
            return
        self._reads = True
        try:
            reading = Reading(await self._client.ask("top"), self._reading)
        except NoKernel:
            self._alarm = "the kernel is gone; llmos boot starts it again"
        except ShellError as error:
            self._alarm = error.message
        except Interrupted:
            return
        else:
            if self._alarm:
                self._alarm, self._news = "", "the kernel is back"
            self._reading = reading
            self._show()
        finally:
            self._reads = False
            self._draw()

    def _lost(self) -> None:
        self._alarm = "the kernel is gone; llmos boot starts it again"
        if self.is_running:
            self._draw()

    # ---- drawing --------------------------------------------------------------------------

    def _show(self) -> None:
        if self._reading is not None:
            self.screen_stack[0].query_one(ProcessList).show(self._view.rows(self._reading))

    def _draw(self) -> None:
        if not self.screen_stack:
            return
        screen, width = self.screen_stack[0], self.size.width
        status = screen.query_one("#status", Static)
        status.set_class(bool(self._alarm), "alarming")
        held = "held (p lets it go on)" if self._paused else ""
        told = [part for part in (self._alarm, held, self._news, self._view.words) if part]
        status.update(fitted("; ".join(told), width))
        if self._reading is None:
            return
        shown = gauges(self._reading)[: max(1, min(6, self.size.height - 10))]
        lines = [fitted(f"{name:<7}{words}", width) for name, words in shown]
        screen.query_one("#gauges", Static).update("\n".join(lines))

    def _tell(self, news: str) -> None:
        self._news = harmless(news)
        self._draw()

    # ---- keys -----------------------------------------------------------------------------

    @property
    def _list(self) -> ProcessList:
        return self.screen_stack[0].query_one(ProcessList)

    def action_keys(self) -> None:
        keys = "\n".join(f"{key:<7}{words}" for key, words in KEYS)
        columns = "\n".join(f"{one.header:<10}{one.words}" for one in COLUMNS)
        self.push_screen(Pane("Keys", f"{keys}\n\nColumns, as many as fit:\n\n{columns}"))

    def action_tree(self) -> None:
        self._view.tree = not self._view.tree
        self._show()
        self._tell("")

    def action_reverse(self) -> None:
        self._view.reverse = not self._view.reverse
        self._show()
        self._tell("")

    def action_pause(self) -> None:
        self._paused = not self._paused
        self._tell("")

    def action_stop(self) -> None:
        """As the terminal's Ctrl-Z: the shell that lent the terminal stops as well. The terminal is
        given back first: once the shell has stopped it is not ours to change any more."""
        with self.suspend():
            os.killpg(os.getpgrp(), signal.SIGTSTP)

    @work
    async def action_sort(self) -> None:
        options = [(one.name, one.words) for one in COLUMNS]
        name = await self.push_screen_wait(Menu("Sort by", options, self._view.sort))
        if name in BY_NAME:
            self._view.sort, self._view.reverse = str(name), False
            self._show()
            self._tell("")

    @work
    async def action_filter(self) -> None:
        def narrow(words: str) -> None:
            self._view.filter = words
            self._show()
            self._tell("")

        before = self._view.filter
        title = "Show only rows with (Escape: all)"
        words = await self.push_screen_wait(Line(title, before, narrow))
        narrow(words or "")

    @work
    async def action_signal(self) -> None:
        row = self._list.row
        if row is None:
            return
        options = [(name, words) for name, (_, words) in SIGNALS.items() if name != "USR1"]
        title = f"Signal for {row.info.pid} {harmless(row.name)}"
        name = await self.push_screen_wait(Menu(title, options, "TERM"))
        if name is not None:
            await self._do(f"{name} sent to {row.info.pid}", "kill", pid=row.info.pid, signal=name)

    @work
    async def action_renice(self) -> None:
        row = self._list.row
        if row is None:
            return
        title = f"Nice of {row.info.pid}, {LEAST_NICE} (first) to {NICEST} (last)"
        typed = await self.push_screen_wait(Line(title, str(row.info.nice)))
        if typed is None:
            return
        try:
            value = int(typed)
        except ValueError:
            self._tell(f"{typed!r} is no number from {LEAST_NICE} to {NICEST}")
            return
        await self._renice(row.info.pid, value)

    @work
    async def action_nicer(self, by: int) -> None:
        row = self._list.row
        if row is not None:
            await self._renice(row.info.pid, max(LEAST_NICE, min(row.info.nice + by, NICEST)))

    async def _renice(self, pid: int, value: int) -> None:
        await self._do(f"nice of {pid} is {value} now", "renice", pid=pid, nice=value)

    async def _do(self, done: str, op: str, **fields: object) -> None:
        """A request that changes something; then what has changed."""
        try:
            await self._client.ask(op, **fields)
        except ShellError as error:
            self._tell(error.message)
        else:
            self._tell(done)
            self._read()

    @work
    async def action_detail(self) -> None:
        row = self._list.row
        if row is not None:
            await self._pane(f"Process {row.info.pid}", detail.everything(self._client, row))

    @work
    async def action_why(self) -> None:
        row = self._list.row
        if row is not None:
            await self._pane(f"Why {row.info.pid} waits", detail.why(self._client, row.info.pid))

    async def _pane(self, title: str, text: detail.Text) -> None:
        try:
            await self.push_screen(Pane(title, await text))
        except ShellError as error:
            self._tell(error.message)
