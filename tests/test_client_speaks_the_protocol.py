"""Every request in the code of clients is one that `kernel/messages/` knows.

The client builds its requests without those classes, which would cost it as much CPU as Python's
own start; this test is the price.
"""

from __future__ import annotations

import ast
from dataclasses import MISSING, fields
from pathlib import Path
from typing import get_args

from llmos.kernel import messages

ROOT = Path(__file__).parent.parent
CLIENTS = (ROOT / "shell", ROOT / "gateway")
REQUESTS = {
    next(f.default for f in fields(request) if f.name == "op"): {
        f.name: f.default is MISSING and f.default_factory is MISSING
        for f in fields(request)
        if f.name != "op"
    }
    for request in get_args(messages.Request)
}


def requests() -> list[tuple[str, str, set[str]]]:
    """(where, op, fields) of each `….ask("op", field=…)`."""
    found = []
    for file in (file for room in CLIENTS for file in sorted(room.rglob("*.py"))):
        for node in ast.walk(ast.parse(file.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            if node.func.attr != "ask" or not isinstance(node.args[0], ast.Constant):
                continue
            given = {keyword.arg for keyword in node.keywords if keyword.arg}
            found.append((f"{file.name}:{node.lineno}", str(node.args[0].value), given))
    return found


def test_every_request_is_known_and_complete() -> None:
    found = requests()
    assert len(found) > 20
    for where, op, given in found:
        assert op in REQUESTS, f"{where} asks for {op!r}"
        unknown = given - REQUESTS[op].keys()
        missing = {name for name, required in REQUESTS[op].items() if required} - given
        assert not unknown and not missing, f"{where}: {op} {unknown=} {missing=}"


def test_every_request_of_the_protocol_is_used() -> None:
    assert {op for _, op, _ in requests()} == set(REQUESTS)
