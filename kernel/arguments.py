"""The arguments of a call, for who looks at it."""

from __future__ import annotations

import contextlib
from typing import Any

from pydantic_core import from_json

LONGEST_TEXT = 1000
"""Characters of a text that are shown."""


def arguments_of(text: str) -> dict[str, Any]:
    """As an object, also when the model wrote something else."""
    with contextlib.suppress(ValueError):
        parsed = from_json(text)
        if isinstance(parsed, dict):
            return parsed
    return {"arguments": text}


def shortened(value: Any) -> Any:
    """With no text in it longer than what is shown."""
    if isinstance(value, str):
        return value if len(value) <= LONGEST_TEXT else f"{value[:LONGEST_TEXT]}…"
    if isinstance(value, dict):
        return {key: shortened(one) for key, one in value.items()}
    if isinstance(value, list):
        return [shortened(one) for one in value]
    return value
