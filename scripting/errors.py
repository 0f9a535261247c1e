"""What can go wrong in a script, beside what the client itself can meet (`shell/errors.py`).

ScriptError
├── ProcessFailed     a process has ended with another status than 0
│   └── OutputInvalid it has answered, and not in the form that was asked for
├── TurnFailed        a process lives on, and one of its turns came to nothing
└── SyscallFailed     a syscall that the script itself made came to an errno
"""

from __future__ import annotations

from ..shell.errors import EXIT_OF_ERRNO, ConfigError, KernelError, NoKernel, ShellError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..kernel.messages import Usage

__all__ = [
    "ConfigError",
    "KernelError",
    "NoKernel",
    "OutputInvalid",
    "ProcessFailed",
    "ScriptError",
    "ShellError",
    "SyscallFailed",
    "TurnFailed",
]

_WORDS = {
    130: "interrupted",
    137: "killed",
    141: "nobody read on",
    143: "told to end",
    152: "a limit or its budget was reached",
}
_LONGEST = 200


class ScriptError(Exception):
    """Base of the errors of processes that a script has started."""


class ProcessFailed(ScriptError):
    """`output` is what the process had said, or why it could not; `usage` what it has cost, None
    while it lives."""

    def __init__(
        self, pid: int, status: int, output: str, usage: Usage | None, words: str = ""
    ) -> None:
        words = words or f"exited with {status}" + (
            f" ({_WORDS[status]})" if status in _WORDS else ""
        )
        said = " ".join(output.split())
        super().__init__(f"process {pid} {words}" + (f": {said[:_LONGEST]}" if said else ""))
        self.pid = pid
        self.status = status
        self.output = output
        self.usage = usage


class OutputInvalid(ProcessFailed):
    """The answer does not validate as the type that was asked for; `output` is its text, and
    `__cause__` is what pydantic says of it."""


class TurnFailed(ScriptError):
    """A turn of an interactive process was interrupted or failed; the process lives on. `text` is
    what it had said, or why it could not."""

    def __init__(self, pid: int, status: str, text: str) -> None:
        said = " ".join(text.split())[:_LONGEST]
        how = "was interrupted" if status == "interrupted" else "failed"
        super().__init__(f"a turn of process {pid} {how}" + (f": {said}" if said else ""))
        self.pid = pid
        self.status = status
        self.text = text


class SyscallFailed(ScriptError):
    """A syscall came to an errno: `code` is its name, `text` what an agent would have read."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"{name}: {text}")
        self.name = name
        self.text = text
        self.code = text.partition(":")[0]
        self.exit_status = EXIT_OF_ERRNO.get(self.code, 1)
