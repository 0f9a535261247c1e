"""The form of an answer: a JSON schema that a process's final answers must be of.

The engine holds an answer to it token by token, where it can: a process that is offered no syscalls
writes under its schema from the first token on. One that is must be free to call, so its answer is
looked at when it is there; if it does not fit, the process is asked once more, and that answer is
held to the schema.

What fits is asked of `jsonschema`, but for patterns: one that takes forever to match would hold up
the whole kernel. The engine's grammar holds an answer to those too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from ..memory.address_space import AddressSpace
from ..syscalls.errno import EINVAL
from .agent import DEFAULT_TEXT, Shape

ONCE_MORE = "(Say this answer once more, as JSON of the schema, and nothing else.)"
"""What a process is asked whose answer does not fit. That page is its newest: the next answer is
held to the schema."""

MAX_LENGTH = 16_384


class Form:
    """Made by `form_of`; `schema` is JSON text."""

    def __init__(self, schema: str) -> None:
        from jsonschema.validators import Draft202012Validator, extend
        from referencing import Registry

        matching = ("pattern", "patternProperties", "unevaluatedProperties")
        without: dict[str, Any] = dict.fromkeys(matching, lambda *_: None)
        closed = Draft202012Validator.VALIDATORS["additionalProperties"]

        def additional(validator: Any, allowed: Any, instance: Any, whole: Any) -> Iterator[Any]:
            if "patternProperties" not in whole:
                yield from closed(validator, allowed, instance, whole) or ()

        plain = extend(Draft202012Validator, without | {"additionalProperties": additional})
        self.schema = schema
        self._validator = plain(json.loads(schema), registry=Registry())

    def fits(self, text: str) -> bool:
        """Is the text a value of it?"""
        try:
            return bool(self._validator.is_valid(json.loads(text)))
        except (ValueError, RecursionError):
            return False

    def holds(self, space: AddressSpace, tools: tuple[str, ...] | None) -> bool:
        """Is the next answer of a process held to it from its first token on?"""
        return tools == () or (space.last is not None and space.last.text == ONCE_MORE)

    def shape(self, space: AddressSpace, tools: tuple[str, ...] | None) -> Shape:
        """Of the newest page, which is an answer."""
        answer = space.last
        assert answer is not None
        if self.fits(answer.text):
            return Shape.FITS
        before = space.find(answer.vpn - 1)
        held = tools == () or before is None or before.page.text == ONCE_MORE
        return Shape.MISSHAPEN if held else Shape.UNHELD


@lru_cache(maxsize=64)
def form_of(schema: str) -> Form:
    return Form(schema)


def checked(schema: dict[str, Any] | None) -> str | None:
    """The schema as text. Raises EINVAL for one that is none, is too long, or is not whole."""
    if schema is None:
        return None
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import Draft202012Validator

    text = json.dumps(schema, ensure_ascii=False, separators=(",", ":"))
    if len(text) > MAX_LENGTH:
        raise EINVAL(f"output_schema: {len(text)} characters, {MAX_LENGTH} are the limit")
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        where = ".".join(str(part) for part in error.absolute_path)
        words = f"output_schema{'.' * bool(where)}{where}: {error.message}"
        raise EINVAL(words[:300]) from None
    for reference in _references(schema):
        if not _resolves(schema, reference):
            raise EINVAL(f"output_schema: {reference!r} is not in it")
    return text


def system_text(schema: str | None) -> str:
    """The first message of a process whose answers are to be of this schema."""
    if schema is None:
        return DEFAULT_TEXT
    return f"{DEFAULT_TEXT}\nYour final answer is JSON of this schema, and nothing else: {schema}"


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        node = list(node.values())
    if isinstance(node, list):
        for one in node:
            yield from _references(one)


def _resolves(schema: Any, reference: str) -> bool:
    """Does it point into the schema itself, as `#/$defs/Name`?"""
    if reference.partition("/")[0] != "#":
        return False
    for part in reference.split("/")[1:]:
        part = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(schema, dict) or part not in schema:
            return False
        schema = schema[part]
    return True
