"""Arguments against a JSON schema that somebody else has written, and what is wrong, in words.

In the bridge, not in the kernel: a schema may hold a pattern that takes forever to match.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jsonschema import ValidationError
from jsonschema.exceptions import SchemaError
from jsonschema.protocols import Validator
from jsonschema.validators import Draft202012Validator, validator_for
from referencing import Registry
from referencing.exceptions import Unresolvable

from ..constraints import check_constrainable
from ..errno import EINVAL, LoadError, did_you_mean

MAX_ERRORS = 3
MAX_SHOWN = 60
MAX_WORDS = 200
_VALUES = ("default", "const", "enum", "examples")
_LOOKING = re.compile(r"\(\?[^:]")
"""A group that looks ahead or back, has a name or sets a flag."""

_TYPES = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


def tidy(schema: Mapping[str, Any] | None) -> dict[str, Any]:
    """A schema of arguments as models are shown it: an object with properties."""
    tidied: dict[str, Any] = {"type": "object", "properties": {}} | dict(schema or {})
    tidied.pop("$schema", None)
    return tidied


def for_models(schema: dict[str, Any]) -> dict[str, Any]:
    """As an engine can hold a model to it. An author here would change a pattern of which no
    grammar can be made; this one is somebody else's, and is left out."""
    plain: dict[str, Any] = _without(schema, _is_beyond_grammars)
    return plain


def _without(node: Any, unfit: Callable[[str], bool]) -> Any:
    """A schema without those of its patterns that do not fit."""
    if isinstance(node, list):
        return [_without(one, unfit) for one in node]
    if not isinstance(node, dict):
        return node
    kept = {}
    for key, value in node.items():
        if key == "pattern" and isinstance(value, str) and unfit(value):
            continue
        if key == "patternProperties" and isinstance(value, dict):
            value = {pattern: one for pattern, one in value.items() if not unfit(pattern)}
        kept[key] = value if key in _VALUES else _without(value, unfit)
    return kept


def _is_beyond_grammars(pattern: str) -> bool:
    try:
        check_constrainable({"pattern": pattern})
    except ValueError:
        return True
    return _LOOKING.search(pattern) is not None


def _is_no_pattern_here(pattern: str) -> bool:
    """JSON Schema has the patterns of JavaScript, of which Python knows most."""
    try:
        re.compile(pattern)
    except re.error:
        return True
    return False


def _check_references(node: Any, whole: dict[str, Any]) -> None:
    """Raises LoadError for a reference to what is not in the schema."""
    if isinstance(node, list):
        for one in node:
            _check_references(one, whole)
    elif isinstance(node, dict):
        if isinstance(reference := node.get("$ref"), str):
            target: Any = whole
            for part in reference.removeprefix("#").split("/")[1:]:
                part = part.replace("~1", "/").replace("~0", "~")
                target = target.get(part) if isinstance(target, dict) else None
            if not reference.startswith("#") or target is None:
                raise LoadError(f"its schema refers to {reference}, which is not in it")
        for value in node.values():
            _check_references(value, whole)


class Checker:
    """Holds arguments against one schema. Raises LoadError for what is no schema."""

    def __init__(self, schema: dict[str, Any]) -> None:
        schema = _without(schema, _is_no_pattern_here)
        kind = validator_for(schema, default=Draft202012Validator)
        try:
            kind.check_schema(schema)
        except SchemaError as error:
            raise LoadError(f"its schema is none: {error.message[:MAX_WORDS]}") from None
        _check_references(schema, schema)
        # An empty registry: what a schema refers to is in it, and nothing is fetched.
        self._validator: Validator = kind(schema, registry=Registry())
        self._schema = schema

    def check(self, arguments: Mapping[str, Any]) -> None:
        """Raises EINVAL."""
        try:
            errors = sorted(self._validator.iter_errors(arguments), key=lambda e: list(e.path))
        except (Unresolvable, RecursionError) as error:
            raise EINVAL(f"the schema of the arguments cannot be followed: {error}") from None
        if not errors:
            return
        texts = [_explain(error) for error in errors[:MAX_ERRORS]]
        if len(errors) > MAX_ERRORS:
            texts.append(f"and {len(errors) - MAX_ERRORS} more")
        raise EINVAL("; ".join(texts), hint=self._hint(errors))

    def _hint(self, errors: Sequence[ValidationError]) -> str:
        """The nearest name for the first argument that there is not."""
        known = list(self._schema.get("properties", {}))
        for error in errors:
            if error.validator == "additionalProperties" and not error.path:
                for name in error.instance:
                    if name not in known:
                        named = f"the arguments are {', '.join(known)}"
                        return did_you_mean(name, known) or (known and named) or ""
        return ""


def _explain(error: ValidationError) -> str:
    path = ".".join(map(str, error.path))
    given = _shown(error.instance)
    match error.validator:
        case "required":
            missing = next(
                (name for name in error.validator_value if name not in error.instance), "?"
            )
            wanted = error.schema.get("properties", {}).get(missing, {})
            kind = wanted.get("type", "") if isinstance(wanted, dict) else ""
            where = f"{path}.{missing}" if path else missing
            return f"{where}: expected {_type(kind)}, got nothing"
        case "additionalProperties" if error.validator_value is False:
            known = error.schema.get("properties", {})
            names = [name for name in error.instance if name not in known]
            return ", ".join(f"unknown argument {name}" for name in names[:MAX_ERRORS])
        case "type":
            return (
                f"{path or 'the arguments'}: expected {_type(error.validator_value)}, got {given}"
            )
        case "enum":
            choices = " or ".join(map(_shown, error.validator_value[:20]))
            return f"{path}: expected {choices}, got {given}"
        case _:
            words = error.message.replace("\n", " ")[:MAX_WORDS]
            return f"{path or 'the arguments'}: {words}"


def _type(kind: str | list[str]) -> str:
    if isinstance(kind, list):
        return " or ".join(_type(one) for one in kind)
    return _TYPES.get(kind, "a value")


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"
