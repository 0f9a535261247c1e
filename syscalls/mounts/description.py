"""An OpenAPI description: read, its references followed, its operations found.

Of OpenAPI 3.0 and 3.1 what a call needs: paths, parameters, JSON and form bodies, servers. How a
service wants to know its caller is not read from it: the settings name the headers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urljoin, urlsplit

import yaml

from ..errno import LoadError

METHODS = ("get", "put", "post", "delete", "head", "patch")
MAX_DEPTH = 8
"""So deep schemas are followed that hold others, or themselves; below that anything goes."""

JSON_BODY = "application/json"
FORM_BODY = "application/x-www-form-urlencoded"

NOT_PARAMETERS = ("accept", "authorization", "content-type")
"""Headers of these names are the caller's own (OpenAPI 3.1, 4.8.12.1)."""

_WORD = re.compile(r"[^A-Za-z0-9]+")

In = Literal["path", "query", "header"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """`name` as the service calls it, `argument` as a model does."""

    name: str
    argument: str
    place: In


@dataclass(frozen=True, slots=True)
class Operation:
    """`body` is the media type of the body, which is the argument `body`; or ''."""

    name: str
    method: str
    path: str
    about: str
    parameters: tuple[Parameter, ...]
    schema: dict[str, Any]
    body: str = ""


@dataclass(slots=True)
class Description:
    base: str
    operations: list[Operation] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    """Operations that cannot be called, each with why."""


def parse(text: str) -> dict[str, Any]:
    """JSON or YAML, which JSON is part of. Raises LoadError."""
    try:
        content = json.loads(text) if text.lstrip().startswith("{") else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise LoadError(f"the description is neither JSON nor YAML: {_line(error)}") from None
    if not isinstance(content, dict) or not str(content.get("openapi", "")).startswith("3."):
        raise LoadError("it is no OpenAPI 3 description: it does not begin with openapi: 3")
    return content


def read(content: dict[str, Any], url: str, origin: str) -> Description:
    """Its operations; `url` is where the service is if not where the description says, `origin`
    where the description was read. Raises LoadError."""
    operations = list(_operations(content))
    description = Description(_base(content, url, origin))
    for path, method, item, operation in operations:
        name = _name(operation, method, path)
        try:
            description.operations.append(_read_one(content, path, method, item, operation, name))
        except LoadError as error:
            description.left_out.append(f"{name}: {error.message}")
    return description


def _operations(
    content: dict[str, Any],
) -> Iterator[tuple[str, str, dict[str, Any], dict[str, Any]]]:
    paths = content.get("paths")
    if not isinstance(paths, dict):
        raise LoadError("the description has no paths")
    for path, item in paths.items():
        item = _followed(content, item)
        for method in METHODS:
            if isinstance(operation := item.get(method), dict):
                yield str(path), method, item, operation


def _base(content: dict[str, Any], url: str, origin: str) -> str:
    servers = content.get("servers") or [{"url": "/"}]
    base = url or str(servers[0].get("url", "/"))
    if not url:
        for name, one in servers[0].get("variables", {}).items():
            base = base.replace(f"{{{name}}}", str(one.get("default", "")))
    base = urljoin(origin, base)
    if urlsplit(base).scheme not in ("http", "https"):
        raise LoadError(f"the description does not say where the service is ({base}): name its url")
    return base.rstrip("/")


def _name(operation: Mapping[str, Any], method: str, path: str) -> str:
    """The operationId, or one made of method and path: `get_pets_id`."""
    given = str(operation.get("operationId") or f"{method} {path}")
    return _WORD.sub("_", given).strip("_") or method


def _read_one(
    content: dict[str, Any],
    path: str,
    method: str,
    item: dict[str, Any],
    operation: dict[str, Any],
    name: str,
) -> Operation:
    """Raises LoadError for what cannot be called with arguments of JSON."""
    declared: dict[tuple[str, str], dict[str, Any]] = {}
    for raw in (*item.get("parameters", ()), *operation.get("parameters", ())):
        one = _followed(content, raw)
        declared[str(one.get("name")), str(one.get("in"))] = one
    parameters: list[Parameter] = []
    properties: dict[str, Any] = {}
    required: list[str] = []
    for (given, place), one in declared.items():
        if place not in ("path", "query", "header") or given.lower() in NOT_PARAMETERS:
            if one.get("required") and place == "cookie":
                raise LoadError(f"it needs the cookie {given}")
            continue
        argument = given if given not in properties and given != "body" else f"{place}_{given}"
        parameters.append(Parameter(given, argument, place))  # type: ignore[arg-type]
        properties[argument] = _described(content, one)
        if one.get("required") or place == "path":
            required.append(argument)
    body = _body(content, operation, properties, required)
    about = [operation.get("summary"), operation.get("description")]
    return Operation(
        name=name,
        method=method.upper(),
        path=path,
        about="\n\n".join(str(text) for text in about if text) or f"{method.upper()} {path}",
        parameters=tuple(parameters),
        schema={
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": False,
        },
        body=body,
    )


def _described(content: dict[str, Any], parameter: dict[str, Any]) -> dict[str, Any]:
    schema = _schema(content, parameter.get("schema") or {}, MAX_DEPTH)
    if parameter.get("description"):
        schema.setdefault("description", str(parameter["description"]))
    return schema


def _body(
    content: dict[str, Any],
    operation: dict[str, Any],
    properties: dict[str, Any],
    required: list[str],
) -> str:
    if "requestBody" not in operation:
        return ""
    body = _followed(content, operation["requestBody"])
    kinds = body.get("content", {})
    for kind in kinds:
        media = str(kind).partition(";")[0].strip().lower()
        if media in (JSON_BODY, FORM_BODY) or media.endswith("+json"):
            properties["body"] = _schema(content, kinds[kind].get("schema") or {}, MAX_DEPTH)
            if body.get("required"):
                required.append("body")
            return str(kind)
    if body.get("required"):
        raise LoadError(f"its body is none of JSON or a form, but {', '.join(map(str, kinds))}")
    return ""


# ---- references ---------------------------------------------------------------------------


def _followed(content: dict[str, Any], node: Any) -> dict[str, Any]:
    """What stands where a `$ref` points, in this description. Raises LoadError."""
    for _ in range(MAX_DEPTH):
        if not isinstance(node, dict):
            raise LoadError("a part of it is no object")
        if "$ref" not in node:
            return node
        target: Any = content
        reference = str(node["$ref"])
        if not reference.startswith("#/"):
            raise LoadError(f"it refers to {reference}, which is in another file")
        for part in reference[2:].split("/"):
            part = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(target, dict) or part not in target:
                raise LoadError(f"it refers to {reference}, which is not there")
            target = target[part]
        node = target
    raise LoadError("its references lead nowhere")


def _schema(content: dict[str, Any], node: Any, depth: int) -> dict[str, Any]:
    """A schema without references, as JSON Schema: a model is shown it, arguments are held
    against it."""
    if isinstance(node, bool) or depth == 0:
        return {}
    plain = dict(_followed(content, node))
    nullable = plain.pop("nullable", False)  # of OpenAPI 3.0
    for key in ("xml", "externalDocs", "discriminator", "example", "deprecated", "readOnly"):
        plain.pop(key, None)
    for key in ("exclusiveMinimum", "exclusiveMaximum"):  # of OpenAPI 3.0: true or false
        if isinstance(plain.get(key), bool) and plain.pop(key):
            bound = plain.pop("minimum" if key == "exclusiveMinimum" else "maximum", None)
            plain |= {} if bound is None else {key: bound}
    for key in ("items", "additionalProperties", "not"):
        if isinstance(plain.get(key), dict):
            plain[key] = _schema(content, plain[key], depth - 1)
    for key in ("allOf", "anyOf", "oneOf", "prefixItems"):
        if isinstance(plain.get(key), list):
            plain[key] = [_schema(content, one, depth - 1) for one in plain[key]]
    if isinstance(plain.get("properties"), dict):
        plain["properties"] = {
            name: _schema(content, one, depth - 1) for name, one in plain["properties"].items()
        }
    if nullable and isinstance(plain.get("type"), str):
        plain["type"] = [plain["type"], "null"]
    return plain


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
