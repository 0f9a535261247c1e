"""The smallest value of a JSON schema: what an engine without a model says under one."""

from __future__ import annotations

from typing import Any


def smallest(schema: Any, whole: Any = None) -> Any:
    """A value of the schema, with as little in it as it allows. Patterns and conditions are not
    looked at."""
    whole = schema if whole is None else whole
    if not isinstance(schema, dict):
        return None
    if "$ref" in schema:
        return smallest(_found(whole, schema["$ref"]), whole)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in schema:
            return smallest(schema[choice][0], whole)
    kind = schema.get("type", "object" if "properties" in schema else "null")
    match kind[0] if isinstance(kind, list) else kind:
        case "object":
            properties = schema.get("properties", {})
            return {
                name: smallest(properties.get(name, {}), whole)
                for name in schema.get("required", ())
            }
        case "array":
            return [smallest(schema.get("items", {}), whole)] * schema.get("minItems", 0)
        case "string":
            return "x" * schema.get("minLength", 0)
        case "integer":
            return int(schema.get("minimum", schema.get("exclusiveMinimum", -1) + 1))
        case "number":
            return schema.get("minimum", schema.get("exclusiveMinimum", -1.0) + 1.0)
        case "boolean":
            return False
    return None


def _found(whole: Any, reference: str) -> Any:
    for part in reference.split("/")[1:]:
        whole = whole[part.replace("~1", "/").replace("~0", "~")]
    return whole
