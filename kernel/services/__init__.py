"""What the kernel does for built-in syscalls, on behalf of the process that calls."""

from __future__ import annotations

from .alarms import Alarms
from .blocks import Blocks
from .calling import Effects
from .messages import Messages
from .notes import Notes
from .pages import Pages
from .proc import Proc
from .processes import Processes, wait_for_exit
from .shared import Shared

__all__ = ["Effects", "Services", "wait_for_exit"]


class Services(Processes, Messages, Alarms, Shared, Pages, Blocks, Notes, Proc):
    """`KernelServices` for one call of one process."""
