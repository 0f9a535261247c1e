"""Structured output: a type of Python's as a JSON schema, and an answer as a value of it.

pydantic is loaded with the first type that is asked for. Anything that it makes a schema of will
do: a model, a dataclass, a TypedDict, `list[int]`.
"""

from __future__ import annotations

from functools import cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def schema_of(output: Any) -> dict[str, Any] | None:
    """What the engine constrains the answer by. None for a text."""
    if output is None or output is str:
        return None
    schema: dict[str, Any] = _adapter(output).json_schema()
    return schema


def parsed(output: Any, text: str) -> Any:
    """The answer as a value of the type. Raises ValueError (pydantic's)."""
    if output is None or output is str:
        return text
    return _adapter(output).validate_json(text)


@cache
def _adapter(output: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(output)
