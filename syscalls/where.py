"""Where in a plugin something stands, as "grep.py:12"."""

from __future__ import annotations

import importlib
import inspect
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Lines of these say nothing about the plugin that they import.
_MACHINERY = ("<frozen", importlib.__file__, str(Path(__file__).parent))


def of_function(function: Callable[..., Any]) -> str:
    """The line of its `def`, past the decorators."""
    inner = inspect.unwrap(function)
    code = inner.__code__
    line = code.co_firstlineno
    try:
        source, first = inspect.getsourcelines(inner)
    except (OSError, SyntaxError):
        source, first = [], line
    for offset, text in enumerate(source):
        if text.lstrip().startswith(("def ", "async def ")):
            line = first + offset
            break
    return f"{Path(code.co_filename).name}:{line}"


def file_of(function: Callable[..., Any]) -> str:
    filename: str = inspect.unwrap(function).__code__.co_filename
    return filename


def of_error(error: BaseException, file: str | None) -> str:
    """The last line of `file` that the error passed; without one, the last line of all."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{Path(error.filename).name}:{error.lineno}"
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(_MACHINERY)
    ]
    own = [frame for frame in frames if frame.filename == file]
    if not frames:
        return ""
    last = (own or frames)[-1]
    return f"{Path(last.filename).name}:{last.lineno}"


def describe(error: BaseException) -> str:
    """`ValueError: text`, without the file that a SyntaxError repeats."""
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    if isinstance(error, SystemExit):
        text = f"it called sys.exit({'' if error.code is None else repr(error.code)})"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
