"""What opens over the list: menus, a line to type, and texts to read."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from textual.app import ComposeResult
    from textual.events import Key

CANCEL = Binding("escape", "cancel", "cancel", show=False)


class Menu(ModalScreen["str | None"]):
    """Choose one of several by arrows or first letter, and Enter: its name; None for Escape."""

    DEFAULT_CSS = """
    Menu { align: center middle; background: transparent; }
    Menu > Vertical { width: auto; max-width: 96%; height: auto; max-height: 90%; border: solid; }
    Menu OptionList { width: auto; min-width: 40; height: auto; max-height: 18; }
    Menu OptionList, Menu OptionList:focus { border: none; padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [CANCEL]

    def __init__(self, title: str, options: Iterable[tuple[str, str]], at: str = "") -> None:
        super().__init__()
        self._title = title
        self._options = list(options)
        self._at = at

    def compose(self) -> ComposeResult:
        longest = max(len(name) for name, _ in self._options)
        listed = [Option(f"{name:<{longest}}  {words}", id=name) for name, words in self._options]
        with Vertical():
            yield Static(self._title, markup=False)
            yield OptionList(*listed, markup=False)

    def on_mount(self) -> None:
        names = [name for name, _ in self._options]
        menu = self.query_one(OptionList)
        menu.highlighted = names.index(self._at) if self._at in names else 0
        menu.focus()

    def on_key(self, event: Key) -> None:
        """The next one that begins with this letter."""
        menu = self.query_one(OptionList)
        at = (menu.highlighted or 0) + 1
        names = [name.lower() for name, _ in self._options]
        for index in (*range(at, len(names)), *range(at)):
            if event.character and names[index].startswith(event.character.lower()):
                menu.highlighted = index
                break

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option_id)

    def action_cancel(self) -> None:
        self.dismiss(None)


class Line(ModalScreen["str | None"]):
    """A line to type; what `changed` is told of each key, and None for Escape."""

    DEFAULT_CSS = """
    Line { align: left bottom; background: transparent; }
    Line > Vertical { width: 100%; height: auto; }
    Line Input, Line Input:focus { border: none; height: 1; padding: 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [CANCEL]

    def __init__(
        self, title: str, value: str = "", changed: Callable[[str], None] | None = None
    ) -> None:
        super().__init__()
        self._title, self._value, self._changed = title, value, changed

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(self._title, markup=False)
            yield Input(self._value, select_on_focus=False)

    def on_mount(self) -> None:
        self.query_one(Input).focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        if self._changed is not None:
            self._changed(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value)

    def action_cancel(self) -> None:
        self.dismiss(None)


class Pane(ModalScreen[None]):
    """A text to read; the text is harmless already."""

    DEFAULT_CSS = """
    Pane { align: center middle; background: transparent; }
    Pane > Vertical { width: 96%; height: 90%; border: solid; }
    Pane VerticalScroll { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        CANCEL,
        *(Binding(key, "cancel", show=False) for key in ("q", "enter", "w", "question_mark")),
    ]

    def __init__(self, title: str, text: str) -> None:
        super().__init__()
        self._title, self._text = title, text

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(f"{self._title} (Escape closes)", markup=False)
            with VerticalScroll():
                yield Static(self._text, markup=False)

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()

    def action_cancel(self) -> None:
        self.dismiss(None)
