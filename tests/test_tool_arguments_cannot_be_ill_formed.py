"""Whatever the model samples, a call that it completes fits the schema of its arguments."""

from __future__ import annotations

import json

import pydantic_core

from harness import KernelProcess

REQUESTS = (
    "list the files here",
    "what is 37 * 12",
    "read notes.txt",
    "write hello to greet.txt",
    "kill process 9999",
    "wait for process 9999",
    "search for milk",
    "remember that my flight is at nine",
)


def test_hot_sampling_still_calls_well(kernel_at_random: KernelProcess) -> None:
    """At a temperature where the words are nonsense, the arguments are still of their types."""
    seen = 0
    with kernel_at_random.wire() as wire:
        schemas = {s["name"]: s["parameters"] for s in wire.get("syscalls")["syscalls"]}
        root = str(kernel_at_random.root)
        pids = [wire.get("spawn", task=request, root=root)["pid"] for request in REQUESTS * 4]
        for pid in pids:
            wire.get("wait", pid=pid, timeout_s=200.0)
            for page in wire.get("logs", pid=pid)["pages"]:
                for call in page["calls"]:
                    seen += check(call, schemas)
    assert seen >= 10, "hardly any calls: this proves nothing"


def check(call: dict[str, str], schemas: dict[str, dict[str, object]]) -> int:
    """1 for a call that fits; 0 for one that the token limit cut off."""
    schema = schemas[call["name"]]  # a name that is no syscall is a KeyError
    try:
        arguments = json.loads(call["arguments"])
    except json.JSONDecodeError:
        pydantic_core.from_json(call["arguments"], allow_partial=True)
        return 0
    properties: dict[str, dict[str, str]] = schema["properties"]  # type: ignore[assignment]
    assert set(arguments) <= set(properties)
    assert set(schema.get("required", ())) <= set(arguments)  # type: ignore[call-overload]
    kinds = {"string": str, "integer": int, "boolean": bool, "number": (int, float)}
    for name, value in arguments.items():
        assert isinstance(value, kinds[properties[name]["type"]]), call  # type: ignore[arg-type]
    return 1
