"""The list of processes on the screen: a header, and of the rows only those that are in view.

A widget of a line each, or textual's own table, would take a second for ten thousand rows.
"""

from __future__ import annotations

from typing import ClassVar

from rich.segment import Segment
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from .model import header, layout, line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rich.style import Style
    from textual.events import Click, Resize

    from .reading import Row


LOOKS = ("cursor", "header", "running", "waiting", "gone", "alarming")


class ProcessList(ScrollView, can_focus=True):
    """The rows of a reading, with a cursor that stays on its process when they are sorted anew."""

    COMPONENT_CLASSES: ClassVar[set[str]] = set(LOOKS)
    DEFAULT_CSS = """
    ProcessList { height: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1; }
    ProcessList > .header { text-style: bold reverse; }
    ProcessList > .cursor { text-style: reverse; }
    ProcessList > .running { color: $text-success; }
    ProcessList > .waiting { }
    ProcessList > .gone { color: $text-disabled; }
    ProcessList > .alarming { color: $text-error; text-style: bold; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", show=False),
        Binding("down", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home", "move(-1000000)", show=False),
        Binding("end", "move(1000000)", show=False),
    ]

    cursor: reactive[int] = reactive(0)

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[tuple[Row, int]] = []
        self._columns = layout(80)

    @property
    def row(self) -> Row | None:
        """That under the cursor."""
        return self.rows[self.cursor][0] if self.cursor < len(self.rows) else None

    def show(self, rows: list[tuple[Row, int]], *, follow: bool = True) -> None:
        """Other rows; the cursor stays on its process if that is among them and it should `follow`,
        else where it is."""
        row = self.row
        self.rows = rows
        at = self.cursor
        if follow and row is not None:
            pid = row.info.pid
            at = next((i for i, (one, _) in enumerate(rows) if one.info.pid == pid), at)
        self.cursor = max(0, min(at, len(rows) - 1))
        self._measure()
        self._keep_in_view()
        self.refresh()

    def action_move(self, by: int) -> None:
        self.cursor = max(0, min(self.cursor + by, len(self.rows) - 1))
        self._keep_in_view()
        self.refresh()

    def action_page(self, by: int) -> None:
        self.action_move(by * max(1, self.size.height - 2))

    def on_resize(self, event: Resize) -> None:
        self._measure()

    def on_click(self, event: Click) -> None:
        at = event.y - 1 + self.scroll_offset.y
        if event.y > 0 and at < len(self.rows):
            self.cursor = at
            self.refresh()

    def _measure(self) -> None:
        # A column is left to the scrollbar, so that nothing moves when it comes.
        width = self.size.width or self.app.size.width
        self._columns = layout(max(20, width - 1))
        self.virtual_size = Size(0, len(self.rows) + 1)

    def _keep_in_view(self) -> None:
        in_view = max(1, self.size.height - 1)
        top = self.scroll_offset.y
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False, immediate=True)
        elif self.cursor >= top + in_view:
            self.scroll_to(y=self.cursor - in_view + 1, animate=False, immediate=True)

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y == 0:
            return self._strip(header(self._columns), "header", width)
        at = y - 1 + self.scroll_offset.y
        if at >= len(self.rows):
            return Strip.blank(width, self.rich_style)
        row, depth = self.rows[at]
        return self._strip(line(row, depth, self._columns), self._look(at, row), width)

    def _look(self, at: int, row: Row) -> str:
        if at == self.cursor:
            return "cursor"
        if row.info.thrashing:
            return "alarming"
        kinds = {"running": "running", "stopped": "gone", "zombie": "gone", "new": "gone"}
        return kinds.get(row.info.state, "waiting")

    def _strip(self, text: str, look: str, width: int) -> Strip:
        style: Style = self.get_component_rich_style(look)
        return Strip([Segment(text, style)]).adjust_cell_length(width, style)
