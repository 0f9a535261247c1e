"""The doctor: looks at everything that llmos stands on, and names the mend for what is wrong.

A check is a function that gives findings. One that goes wrong itself is a finding, too, and the
others go on. None needs a kernel.
"""

from __future__ import annotations

from . import installation, machine, running, sandbox
from .finding import Finding, failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ..paths import Paths

    Check = Callable[[Paths], Iterable[Finding]]

CHECKS: dict[str, Check] = {
    "python": installation.python,
    "packages": installation.packages,
    "engine": installation.engine,
    "gpu": installation.gpu,
    "memory": machine.memory,
    "shm": machine.shared_memory,
    "disk": machine.disk,
    "clock": machine.clock,
    "terminal": machine.terminal,
    "sandbox": sandbox.escapes,
    "settings": running.settings,
    "journal": running.journal,
    "kernel": running.kernel,
    "plugins": running.plugins,
}


def examine(paths: Paths) -> Iterator[Finding]:
    """All findings, as they come."""
    for topic, check in CHECKS.items():
        try:
            for finding in check(paths):
                finding.topic = topic
                yield finding
        except Exception as error:
            found = failure(
                f"the check itself failed: {type(error).__name__}: {error}",
                "this is a mistake in llmos, or a machine that it does not know",
            )
            found.topic = topic
            yield found
