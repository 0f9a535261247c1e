"""A command of the system's shell, with all that it starts."""

from __future__ import annotations

import os
import subprocess
import sys


class Program(subprocess.Popen[bytes]):
    """Signals go to all of it. At a terminal the terminal sends them, and its keys must reach it:
    there it stays in the group that is in the foreground."""

    def __init__(self, argv: list[str], **options: object) -> None:
        self._alone = not (sys.stdin.isatty() or sys.stdout.isatty())
        process_group = 0 if self._alone else None
        super().__init__(argv, process_group=process_group, **options)  # type: ignore[call-overload]

    def send_signal(self, sig: int) -> None:
        if self._alone and self.poll() is None:
            os.killpg(self.pid, sig)
        else:
            super().send_signal(sig)
