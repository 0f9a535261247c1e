"""The sandbox: known ways out of it are tried in earnest (`syscalls/sandbox/escapes.py`)."""

from __future__ import annotations

import json
import sys

from .finding import failure, ok, warning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ..paths import Paths
    from .finding import Finding

PATIENCE_S = 40.0


def escapes(paths: Paths) -> Iterator[Finding]:
    """In another process: it forks, and it imports what this one must not."""
    from subprocess import DEVNULL, SubprocessError, run

    command = [sys.executable, "-P", "-m", "llmos.syscalls.sandbox.escapes"]
    try:
        ended = run(
            command, stdin=DEVNULL, capture_output=True, text=True, timeout=PATIENCE_S, check=True
        )
    except SubprocessError as error:
        said = str(getattr(error, "stderr", None) or error).strip().splitlines()
        yield failure(f"it cannot be tried: {said[-1] if said else error}", " ".join(command))
        return
    yield from findings(json.loads(ended.stdout))


def findings(report: dict[str, Any]) -> Iterator[Finding]:
    """What a report of the escapes means."""
    if not report["level"]:
        yield warning(
            f"there is none, so run_python, run_shell, sql and git are refused: {report['reason']}",
            "Linux 5.13 or newer with Landlock (6.12 without namespaces)",
        )
        return
    for name in report["escaped"]:
        yield failure(
            f"a program got out of it: {name}",
            "llmos plugins disable code, and tell us the kernel's version (uname -a)",
        )
    if report["unfinished"]:
        yield failure(
            f"the tries ended before {', '.join(report['unfinished'])}", "run llmos doctor again"
        )
    held = report["tried"] - len(report["escaped"])
    yield ok(
        f"level {report['level']}: {held} of {report['tried']} known ways out are closed;"
        f" not covered: {'; '.join(report['not_covered'])}"
    )
