"""What a process may use, as a script says it: `k.run("…", budget="20k", tools=["read_file"])`."""

from __future__ import annotations

import os
from typing import TypedDict

from . import amounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


class Means(TypedDict, total=False):
    """`tools` are the syscalls that it is offered (None: the usual ones, (): none). `limits`,
    `{"tokens": "10k", "wall_s": (50, 60)}`, may have a soft and a hard one; `budget` is a number of
    tokens for it and all below it. `root` is the folder that it sees (None: that of `connect`),
    `name` is for `ps`, `nice` from -20 (first) to 19 (last)."""

    tools: Sequence[str] | None
    limits: amounts.Limits | None
    budget: amounts.Amount | None
    name: str | None
    root: str | os.PathLike[str] | None
    nice: int | None


def asked(means: Means, root: str) -> dict[str, Any]:
    """The fields of a request; `root` is the folder if they name none. Raises ValueError."""
    tools, given = means.get("tools"), means.get("root")
    return {
        "tools": None if tools is None else list(tools),
        "limits": amounts.limits(means.get("limits")),
        "budget": amounts.tokens(means.get("budget")),
        "name": means.get("name"),
        "root": root if given is None else os.path.abspath(os.path.expanduser(given)),
        "nice": means.get("nice"),
    }
