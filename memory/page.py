"""The page: one immutable message of a context window."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

Role = Literal["user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class Call:
    """A syscall that an assistant page asks for; `arguments` is JSON text as it was written."""

    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Page:
    """One message, whole, never changed after it is written.

    `vpn` counts the pages of an address space from 0. `calls` on assistant pages, `call_id` on
    the tool page that answers one. `num_tokens` is of the text alone. An `interrupted` assistant
    page holds what was generated until a signal or an error ended the turn. A `recalled` page
    quotes other pages: it is never a key to anything, and goes first when room is needed.
    """

    vpn: int
    role: Role
    text: str
    num_tokens: int
    created: float
    calls: tuple[Call, ...] = ()
    call_id: str = ""
    interrupted: bool = False
    recalled: bool = False

    def checksum(self) -> str:
        """sha256 over what the page says."""
        digest = hashlib.sha256()
        for part in (
            str(self.vpn),
            f"{self.role}, recalled" if self.recalled else self.role,
            self.text,
            self.call_id,
            *(field for call in self.calls for field in (call.call_id, call.name, call.arguments)),
        ):
            raw = part.encode("utf-8", "surrogatepass")
            digest.update(len(raw).to_bytes(8, "little") + raw)
        return digest.hexdigest()
