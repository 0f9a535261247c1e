"""The prompt: prompt_toolkit's line editor with our keys, colours, completion and history."""

from __future__ import annotations

import sys

from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.layout import BufferControl
from prompt_toolkit.shortcuts.prompt import PromptSession

from ..output import columns_of
from .completion import VerbCompleter
from .highlight import STYLE, LineLexer
from .history import LineHistory
from .keys import keys
from .known import Known

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from typing import Any

    from ..async_client import AsyncClient
    from ..job import Job
    from ..paths import Paths
    from .toolbar import Toolbar


def prompt_of(
    client: AsyncClient,
    paths: Paths,
    toolbar: Toolbar,
    jobs: Callable[[], Awaitable[list[Job]]],
    refresh: Callable[[], None],
    unfold: Callable[[], None],
    settings: Mapping[str, Any],
) -> PromptSession[str]:
    """`refresh` draws the prompt anew if it stands, `unfold` is what Ctrl-O does, `settings` are
    those of `config.toml` for the shell."""
    session: PromptSession[str] = PromptSession(
        history=LineHistory(paths.history),
        # Of these two, prompt_toolkit can do but one.
        enable_history_search=not settings["complete_while_typing"],
        completer=VerbCompleter(client, jobs, paths),
        complete_while_typing=settings["complete_while_typing"],
        auto_suggest=AutoSuggestFromHistory() if settings["suggestions"] else None,
        vi_mode=settings["editing"] == "vi",
        style=STYLE,
        prompt_continuation=_continuation,
        bottom_toolbar=lambda: toolbar.text(columns_of(sys.stdout)),
        key_bindings=keys(unfold),
        enable_open_in_editor=True,
        tempfile_suffix=".md",
        include_default_pygments_style=False,
        reserve_space_for_menu=6,
    )
    # Given to the session, a lexer could not say that its colours are no longer true.
    for control in session.layout.find_all_controls():
        if isinstance(control, BufferControl) and control.buffer is session.default_buffer:
            control.lexer = LineLexer(Known(client, refresh), paths)
    return session


def _continuation(width: int, line_number: int, is_soft_wrapped: int) -> str:
    """What stands before the second line and those after it."""
    return " " * width if is_soft_wrapped else "… ".rjust(width)
