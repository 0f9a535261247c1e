"""Below whom a process is started: below the first, unless a script says otherwise."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FIRST = 1
STARTS = ("spawn", "supervise", "open_guest")
"""Requests that say it."""


def below(parent: int, op: str, fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of a request, with that parent if they name none but the first. The children of
    any other are in its process group, and in no other one."""
    if op not in STARTS or fields.get("parent", FIRST) != FIRST or parent == FIRST:
        return fields
    return {name: value for name, value in fields.items() if name != "group"} | {"parent": parent}
