"""Signals: what can be done to a process from outside, under the names that Unix gives.

A signal is in the journal before it is acknowledged. It takes effect at a token boundary when the
process is generating, and at once when it waits; a syscall under way is broken off by those that
end something, and finished before a STOP.

    STOP    the process gives its engine slot back and keeps what it has generated
    CONT    it goes on from there, as if nothing had been
    INT     the turn ends; what was generated stays
    TERM    the process ends; one that is in the middle of a turn gets a last, bounded turn before
    XCPU    the same for a limit that was reached
    KILL    the process ends
    CHLD    a child has ended: whoever waits is woken
    USR1    a text, delivered as a message
    PIPE    what a process ends with that writes where nobody reads
"""

from __future__ import annotations

import enum


class Signal(enum.Enum):
    """The numbers are those of Linux."""

    INT = 2
    KILL = 9
    USR1 = 10
    PIPE = 13
    TERM = 15
    CHLD = 17
    CONT = 18
    STOP = 19
    XCPU = 24

    @property
    def exit_status(self) -> int:
        """Of a process that the signal ends."""
        return 128 + self.value


STRENGTH = (Signal.INT, Signal.TERM, Signal.XCPU, Signal.PIPE, Signal.KILL)
"""Those that end a turn or a process. A stronger one replaces a weaker one that is pending."""


def stronger(new: Signal, old: Signal | None) -> bool:
    return old is None or STRENGTH.index(new) > STRENGTH.index(old)
