"""What docs/processes.md says in diagrams, tables and numbers is what the kernel does."""

from __future__ import annotations

import re
from pathlib import Path

from llmos.kernel import mailbox
from llmos.kernel.config import KernelConfig
from llmos.kernel.control import MAX_MAILBOX
from llmos.kernel.core import LEAST_NICE, NICEST
from llmos.kernel.generation import DRAFT_EVERY_S
from llmos.kernel.intake import MAX_COLLECTED
from llmos.kernel.limits import RESOURCES
from llmos.kernel.process import EXIT_FAILED, EXIT_MISSHAPEN, EXIT_OK, MOVES, State
from llmos.kernel.scheduler import NICE_S
from llmos.kernel.signals import STRENGTH, Signal

PAGE = (Path(__file__).parent.parent / "docs" / "processes.md").read_text()
TEXT = " ".join(PAGE.split())


def rows(heading: str) -> list[list[str]]:
    """The table whose first column has this heading."""
    (table,) = re.findall(rf"^\| {heading} \|.*\n\|[-|]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()]


def test_the_diagram_shows_the_moves() -> None:
    drawn = set(re.findall(r"^ +(\w+) --> (\w+)$", PAGE, re.MULTILINE))
    assert drawn == {(old.value, new.value) for old, news in MOVES.items() for new in news}
    assert [row[0] for row in rows("state")] == [state.value for state in State]


def test_every_signal_is_there_with_its_number() -> None:
    shown = [(row[0], int(row[1])) for row in rows("signal")]
    assert shown == [(signal.name, signal.value) for signal in Signal]
    assert ", ".join(signal.name for signal in STRENGTH) in TEXT


def test_every_limit_is_there() -> None:
    assert [row[0] for row in rows("resource")] == list(RESOURCES)


def test_every_exit_status_is_there() -> None:
    shown = {int(row[0]): row[1] for row in rows("exit status")}
    signals = {Signal.INT, Signal.KILL, Signal.PIPE, Signal.TERM, Signal.XCPU}
    of_agents = {EXIT_OK, EXIT_FAILED, EXIT_MISSHAPEN}
    assert set(shown) == of_agents | {signal.exit_status for signal in signals}
    for signal in signals:
        assert f"({signal.name})" in shown[signal.exit_status]


def test_the_numbers_are_the_kernels() -> None:
    config = KernelConfig(Path(), Path(), Path())
    assert f"at most {config.last_turn_tokens} tokens and {config.last_turn_s:.0f} seconds" in TEXT
    assert f"up to {MAX_COLLECTED:,} characters".replace(",", " ") in TEXT
    assert f"a mailbox of at most {MAX_MAILBOX}." in TEXT
    assert f"from {LEAST_NICE} (first) to {NICEST} (last), is worth half a second" in TEXT
    assert NICE_S == 0.5 and DRAFT_EVERY_S == 0.25 and mailbox.FROM_OUTSIDE == 0
