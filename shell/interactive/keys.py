"""The keys of the prompt, beside those of every Emacs-like line editor."""

from __future__ import annotations

from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import has_focus
from prompt_toolkit.key_binding import KeyBindings

from ..verb import TABLE
from .line import goes_on

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from prompt_toolkit.key_binding import KeyPressEvent


def keys(unfold: Callable[[], None]) -> KeyBindings:
    """`unfold` shows what was folded last."""
    bound = KeyBindings()

    @bound.add("enter", filter=has_focus(DEFAULT_BUFFER))
    def _enter(event: KeyPressEvent) -> None:
        """The line is given, unless its end says that it goes on."""
        buffer = event.current_buffer
        text = buffer.text
        first = text.split(None, 1)[0] if text.strip() else ""
        if buffer.document.is_cursor_at_the_end and goes_on(text, TABLE.get(first)):
            buffer.insert_text("\n")
        else:
            buffer.validate_and_handle()

    @bound.add("escape", "enter")
    def _newline(event: KeyPressEvent) -> None:
        """Alt-Enter: one more line."""
        event.current_buffer.insert_text("\n")

    @bound.add("c-z")
    def _nothing(event: KeyPressEvent) -> None:
        """Ctrl-Z at the prompt: there is nothing to stop."""

    @bound.add("c-o")
    def _unfold(event: KeyPressEvent) -> None:
        """Ctrl-O: what was folded last, in full."""
        unfold()

    return bound
