"""What can go wrong on the client's side, and the exit status that each thing has.

ShellError
├── UsageError      2    the line was mistyped
├── UnknownVerb     127
├── NoKernel        69   nobody answers on the socket
├── ConfigError     78   the surroundings are not fit: paths, owners, versions
├── TooLong         2    a text that does not fit into one message
├── TimedOut        124  `--timeout` passed
├── BootFailed      1    the kernel or its engine did not come up
└── KernelError     the kernel's own answer: an errno with words
Interrupted         Ctrl-C
└── Suspended       Ctrl-Z
"""

from __future__ import annotations

EXIT_OF_ERRNO = {
    "EAGAIN": 75,
    "ECANCELED": 130,
    "EINTR": 130,
    "EINVAL": 2,
    "ENOSYS": 127,
    "EPERM": 77,
    "ETIME": 124,
}
"""Exit status of a `KernelError`; any other errno is 1."""


class ShellError(Exception):
    """An error with a way out. `code` is for scripts, `hint` for people."""

    code = "EFAIL"
    exit_status = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(ShellError):
    """The line does not parse. `usage` is what would."""

    code = "EUSAGE"
    exit_status = 2

    def __init__(self, message: str, hint: str = "", usage: str = "") -> None:
        super().__init__(message, hint)
        self.usage = usage


class UnknownVerb(ShellError):
    """The first word is not a verb."""

    code = "ENOVERB"
    exit_status = 127


class NoKernel(ShellError):
    """Nobody listens on the socket, or it closed under us."""

    code = "ENOKERNEL"
    exit_status = 69

    def __init__(
        self,
        message: str = "no kernel is running (llmos boot starts one)",
        hint: str = "llmos boot",
    ) -> None:
        super().__init__(message, hint)


class ConfigError(ShellError):
    """A path, an owner or a setting makes it impossible."""

    code = "ECONFIG"
    exit_status = 78


class TooLong(ShellError):
    """A text larger than one message of the protocol."""

    code = "E2BIG"
    exit_status = 2


class TimedOut(ShellError):
    """`--timeout` passed before the thing was done."""

    code = "ETIME"
    exit_status = 124


class BootFailed(ShellError):
    """The kernel died while it started, or its engine failed."""

    code = "EBOOT"


class KernelError(ShellError):
    """An error reply of the kernel."""

    def __init__(self, code: str, message: str, hint: str = "", retry_s: int | None = None) -> None:
        super().__init__(message, hint)
        self.code = code
        self.retry_s = retry_s
        self.exit_status = EXIT_OF_ERRNO.get(code, 1)


class Interrupted(Exception):
    """Ctrl-C while a verb waited for the kernel. From the command line it may also come while
    something is shown, as a KeyboardInterrupt: who has something to undo catches both."""


class Suspended(Interrupted):
    """Ctrl-Z in its place: what the verb follows is to be stopped, not ended."""


def mistake(error: Exception) -> ShellError:
    """What no user can have caused, in one line."""
    return ShellError(
        f"a mistake in llmos: {type(error).__name__}: {error}", "LLMOS_DEBUG=1 shows where"
    )
