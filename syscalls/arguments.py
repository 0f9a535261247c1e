"""From a function's signature: the pydantic model of its arguments, and their JSON schema.

The model's fields are numbered and the parameters are their aliases, so that a parameter may be
called `copy`, `json` or `_x`, which a pydantic field may not.
"""

from __future__ import annotations

import inspect
import json
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, PydanticUserError, ValidationError, create_model
from pydantic.errors import PydanticSchemaGenerationError
from pydantic_core import ErrorDetails

from . import where
from .constraints import check_constrainable
from .context import AnyContext, AsyncContext, Context, as_context
from .errno import EINVAL, LoadError, did_you_mean

MAX_ERRORS = 3
MAX_GIVEN = 60

_VARIADIC: dict[Any, str] = {
    inspect.Parameter.VAR_POSITIONAL: "*",
    inspect.Parameter.VAR_KEYWORD: "**",
}


@dataclass(frozen=True, slots=True)
class Arguments:
    """What a function takes. `context` names the parameter that receives the context, if any, and
    `context_kind` is the kind that it wants."""

    model: type[BaseModel]
    names: tuple[str, ...]
    context: str | None
    schema: dict[str, Any]
    context_kind: type[AnyContext] = Context

    def bind(self, given: Mapping[str, Any], ctx: AnyContext) -> dict[str, Any]:
        """Keyword arguments for the function; EINVAL says what is wrong with those given."""
        try:
            model = self.model.model_validate(given)
        except ValidationError as error:
            raise self._explain(error) from None
        values = {name: getattr(model, _field(i)) for i, name in enumerate(self.names)}
        if self.context:
            values[self.context] = as_context(self.context_kind, ctx)
        return values

    def _explain(self, error: ValidationError) -> EINVAL:
        errors = error.errors(include_url=False)
        unknown = [str(e["loc"][-1]) for e in errors if _is_unknown_argument(e)]
        texts = [_explain_one(e, self.schema) for e in errors]
        if len(texts) > MAX_ERRORS:
            texts[MAX_ERRORS:] = [f"and {len(texts) - MAX_ERRORS} more"]
        hint = ""
        if unknown:
            names = ", ".join(self.names)
            otherwise = f"the arguments are {names}" if names else "it takes no arguments"
            hint = did_you_mean(unknown[0], self.names) or otherwise
        return EINVAL("; ".join(texts), hint=hint)


def read_signature(
    function: Callable[..., Any], name: str, descriptions: Mapping[str, str]
) -> Arguments:
    """Raises LoadError, naming the parameter and the line, for what cannot be a syscall."""
    place = where.of_function(function)
    try:
        signature = inspect.signature(function)
        scope = {
            "Context": Context,
            "AsyncContext": AsyncContext,
            **inspect.unwrap(function).__globals__,
        }
        hints = get_type_hints(function, globalns=scope, include_extras=True)
    except Exception as error:
        raise LoadError(
            f"{name}: an annotation cannot be read: {where.describe(error)}", where=place
        ) from error
    context, kind = None, _kind_for(function)
    fields: dict[str, tuple[Any, Any]] = {}
    for parameter in signature.parameters.values():
        if _takes_context(parameter, hints):
            context, kind = parameter.name, hints.get(parameter.name, kind)
            if kind is AsyncContext and not _is_async(function):
                raise LoadError(f"{name}: a def takes ctx: Context", where=place)
            continue
        _check(parameter, hints, name, place)
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[parameter.name] = (hints[parameter.name], default)
    model = _model(name, fields, place)
    schema = _schema(model, fields, descriptions)
    for group, what in (("properties", "parameter"), ("$defs", "type")):
        for one, annotated in schema.get(group, {}).items():
            try:
                check_constrainable(annotated)
            except ValueError as error:
                raise LoadError(f"{name}: {what} {one}: {error}", where=place) from None
    return Arguments(model, tuple(fields), context, schema, kind)


def _field(index: int) -> str:
    return f"arg_{index}"


def _takes_context(parameter: inspect.Parameter, hints: Mapping[str, Any]) -> bool:
    if parameter.name not in hints:
        return parameter.name == "ctx"
    return hints[parameter.name] in (Context, AsyncContext)


def _is_async(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


def _kind_for(function: Callable[..., Any]) -> type[AnyContext]:
    return AsyncContext if _is_async(function) else Context


def _check(parameter: inspect.Parameter, hints: Mapping[str, Any], name: str, place: str) -> None:
    """What stops a parameter from being an argument that a model can give by name."""
    if stars := _VARIADIC.get(parameter.kind):
        raise LoadError(
            f"{name}: {stars}{parameter.name} cannot be an argument: name each one", where=place
        )
    if parameter.kind is parameter.POSITIONAL_ONLY:
        raise LoadError(
            f"{name}: parameter {parameter.name} is positional-only, and arguments come by name:"
            " take the / away",
            where=place,
        )
    if parameter.name not in hints:
        raise LoadError(
            f"{name}: parameter {parameter.name} has no type:"
            f" write for example {parameter.name}: str",
            where=place,
        )


def _model(name: str, fields: Mapping[str, tuple[Any, Any]], place: str) -> type[BaseModel]:
    try:
        return _create(name, fields)
    except Exception as error:
        for parameter, (annotation, default) in fields.items():
            try:
                _create(name, {parameter: (annotation, default)})
            except Exception as cause:
                raise LoadError(_no_json(name, parameter, annotation, cause), where=place) from None
        raise LoadError(f"{name}: {where.describe(error)}", where=place) from error


def _create(name: str, fields: Mapping[str, tuple[Any, Any]]) -> type[BaseModel]:
    aliases = {_field(i): parameter for i, parameter in enumerate(fields)}
    config = ConfigDict(extra="forbid", alias_generator=lambda field: aliases[field])
    numbered: dict[str, Any] = dict(zip(aliases, fields.values(), strict=True))
    model: type[BaseModel] = create_model(name, __config__=config, **numbered)
    _json_schema(model)  # a type that has no JSON form shows itself here
    return model


def _no_json(name: str, parameter: str, annotation: Any, cause: Exception) -> str:
    text = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    if isinstance(cause, PydanticSchemaGenerationError | PydanticUserError):
        return f"{name}: parameter {parameter} is of type {text}, which has no form in JSON"
    return f"{name}: parameter {parameter}: {where.describe(cause)}"


# ---- the schema ---------------------------------------------------------------------------


def _json_schema(model: type[BaseModel]) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a default without a JSON form is left out, no more
        return model.model_json_schema(by_alias=True)


def _schema(
    model: type[BaseModel],
    fields: Mapping[str, tuple[Any, Any]],
    descriptions: Mapping[str, str],
) -> dict[str, Any]:
    raw = _json_schema(model)
    definitions = raw.get("$defs", {})
    inlined = _tidy(raw, definitions, ())
    properties: dict[str, Any] = inlined.get("properties", {})
    for name in fields:
        if name in descriptions:
            properties[name].setdefault("description", descriptions[name])
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {name: properties[name] for name in fields},
        "required": [name for name in fields if name in inlined.get("required", [])],
        "additionalProperties": False,
    }
    if "#/$defs/" in json.dumps(schema):  # a type that holds itself cannot be inlined
        schema["$defs"] = {
            name: _tidy(definition, definitions, tuple(definitions))
            for name, definition in definitions.items()
        }
    return schema


def _tidy(node: Any, definitions: Mapping[str, Any], inside: tuple[str, ...]) -> Any:
    """Without titles, and every `$ref` replaced by what it stands for, unless it is `inside`."""
    if isinstance(node, list):
        return [_tidy(item, definitions, inside) for item in node]
    if not isinstance(node, dict):
        return node
    name = str(node.get("$ref", "")).removeprefix("#/$defs/")
    if name in definitions and name not in inside:
        rest = {key: value for key, value in node.items() if key != "$ref"}
        return _tidy(definitions[name], definitions, (*inside, name)) | _tidy(
            rest, definitions, inside
        )
    tidy: dict[str, Any] = {}
    for key, value in node.items():
        if key == "$defs" or (key == "title" and isinstance(value, str)):
            continue
        if key in ("default", "const", "enum", "examples"):
            tidy[key] = value
        elif key == "properties":
            tidy[key] = {k: _tidy(v, definitions, inside) for k, v in value.items()}
        else:
            tidy[key] = _tidy(value, definitions, inside)
    return tidy


# ---- what was wrong, in words -------------------------------------------------------------

_EXPECTED = {
    "string": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "dict": "an object",
    "model": "an object",
    "none": "null",
}
_COMPARED = {
    "greater_than": "more than {gt}",
    "greater_than_equal": "{ge} or more",
    "less_than": "less than {lt}",
    "less_than_equal": "{le} or less",
    "literal_error": "{expected}",
    "enum": "{expected}",
}
_JSON_TYPES = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
}


def _is_unknown_argument(error: ErrorDetails) -> bool:
    return error["type"] == "extra_forbidden" and len(error["loc"]) == 1


def _explain_one(error: ErrorDetails, schema: Mapping[str, Any]) -> str:
    kind, path = error["type"], ".".join(map(str, error["loc"]))
    if kind == "extra_forbidden":
        return f"unknown argument {path}"
    if kind == "missing":
        declared = schema["properties"].get(path, {}).get("type", "")
        return f"{path}: expected {_JSON_TYPES.get(declared, 'a value')}, got nothing"
    return f"{path}: expected {_expected(error)}, got {_given(error['input'])}"


def _expected(error: ErrorDetails) -> str:
    kind = error["type"]
    if kind in _COMPARED:
        return _COMPARED[kind].format_map(error.get("ctx", {}))
    if (base := kind.split("_")[0]) in _EXPECTED and kind.endswith(("_type", "_parsing", "_float")):
        return _EXPECTED[base]
    _, _, wish = error["msg"].partition(" should ")
    return wish.removeprefix("be ") or error["msg"]


def _given(value: Any) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= MAX_GIVEN else text[: MAX_GIVEN - 1] + "…"
