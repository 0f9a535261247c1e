"""What is chosen of scheduling while the kernel runs: another policy, and shares of the engine.

Both are in the journal. A policy holds until the kernel is halted, whatever happens to it until
then; a share holds as long as its session has a live process.
"""

from __future__ import annotations

import logging
import sqlite3

from ..memory.swap import Statement
from ..syscalls.errno import EINVAL, ESRCH, LoadError, SyscallError, did_you_mean
from .chosen import scheduling_policy
from .core import Core
from .scheduling import Policy
from .scheduling_view import policies

LEAST_SHARE = 0.01

SCHEMA = """
CREATE TABLE IF NOT EXISTS policy_in_use (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    name TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS engine_share (
    sid INTEGER PRIMARY KEY,
    weight REAL NOT NULL
);
"""

log = logging.getLogger(__name__)


def policy_named(kernel: Core, name: str) -> Policy:
    """Raises EINVAL."""
    try:
        return scheduling_policy(name, kernel.config.plugins_dir, kernel.config.scheduling)
    except LoadError as error:
        raise EINVAL(str(error), hint=did_you_mean(name, policies(kernel))) from None
    except Exception as error:  # of somebody's package
        words = f"the scheduling policy {name} cannot be loaded: {type(error).__name__}: {error}"
        raise EINVAL(words) from error


async def use(kernel: Core, name: str) -> None:
    """Schedule by another policy from now on. Raises EINVAL."""
    policy = policy_named(kernel, name)
    statement = ("INSERT OR REPLACE INTO policy_in_use VALUES (1, ?)", (name,))
    await kernel.journal.commit([statement], lambda: kernel.scheduler.use(policy, name))


async def share(kernel: Core, session: int, weight: float) -> None:
    """What a session has of the engine, against 1 of others. Raises ESRCH, EINVAL."""
    if not LEAST_SHARE <= weight <= 1 / LEAST_SHARE:
        raise EINVAL(
            f"a share of {weight:g} is not one from {LEAST_SHARE} to {1 / LEAST_SHARE:g}",
            hint="2 is twice what a session has of which nothing was said",
        )
    live = _live_sessions(kernel)
    if session not in live:
        raise ESRCH(f"there is no session {session} with a live process", hint="llmos ps -l")
    shares = {known: had for known, had in kernel.scheduler.shares.items() if known in live}
    shares.pop(session, None)
    if weight != 1:
        shares[session] = weight

    def apply() -> None:
        kernel.scheduler.shares = shares

    statements: list[Statement] = [("DELETE FROM engine_share", ())]
    statements += [("INSERT INTO engine_share VALUES (?, ?)", row) for row in shares.items()]
    await kernel.journal.commit(statements, apply)


async def adopt(kernel: Core) -> None:
    """What was chosen before a crash, and the shares of sessions that came back."""
    name, shares = await kernel.journal.read(_read)
    live = _live_sessions(kernel)
    kernel.scheduler.shares = {sid: weight for sid, weight in shares.items() if sid in live}
    if name is None:
        return
    try:
        kernel.scheduler.use(policy_named(kernel, name), name)
    except SyscallError as error:
        log.warning("scheduling goes by %s: %s", kernel.scheduler.policy_name, error)


async def forget_policy(kernel: Core) -> None:
    """At a halt: the next boot goes by its own options again."""
    await kernel.journal.commit([("DELETE FROM policy_in_use", ())])


def _read(connection: sqlite3.Connection) -> tuple[str | None, dict[int, float]]:
    row = connection.execute("SELECT name FROM policy_in_use").fetchone()
    return row and row[0], dict(connection.execute("SELECT sid, weight FROM engine_share"))


def _live_sessions(kernel: Core) -> set[int]:
    return {process.session for process in kernel.table if process.alive}
