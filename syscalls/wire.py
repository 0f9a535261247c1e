"""What a plugin host and its workers say to each other: frames of a length and a JSON object.

The kernel trusts none of it: a frame is checked against these models, and its length is bounded,
before anything else looks at it.
"""

from __future__ import annotations

import struct
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from .spec import SyscallSpec

HEADER = struct.Struct(">I")


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True)


class Source(_Message):
    """Where a plugin's code is: a module's name or one file."""

    plugin: str
    module: str = ""
    file: str = ""


class Start(_Message):
    """First of all, to a worker: import these."""

    kind: Literal["start"] = "start"
    sources: tuple[Source, ...]
    max_output: int


class Call(_Message):
    """Run a syscall. A worker that has run an `async def` once runs nothing else from then on."""

    kind: Literal["call"] = "call"
    id: int
    name: str
    arguments: dict[str, Any]
    pid: int
    call_id: str
    root: str


class Cancel(_Message):
    """Cancel an `async def` that runs."""

    kind: Literal["cancel"] = "cancel"
    id: int


class Loaded(_Message):
    """First answer of a worker: these syscalls are there."""

    kind: Literal["loaded"] = "loaded"
    specs: tuple[SyscallSpec, ...]


class Refused(_Message):
    """Or else: the plugin cannot be loaded."""

    kind: Literal["refused"] = "refused"
    message: str
    where: str


class Returned(_Message):
    kind: Literal["returned"] = "returned"
    id: int
    text: str


class Raised(_Message):
    kind: Literal["raised"] = "raised"
    id: int
    code: str
    message: str
    hint: str


Request = Annotated[Start | Call | Cancel, Field(discriminator="kind")]
Reply = Annotated[Loaded | Refused | Returned | Raised, Field(discriminator="kind")]
REQUEST: TypeAdapter[Start | Call | Cancel] = TypeAdapter(Request)
REPLY: TypeAdapter[Loaded | Refused | Returned | Raised] = TypeAdapter(Reply)


def pack(message: _Message) -> bytes:
    data = message.model_dump_json().encode()
    return HEADER.pack(len(data)) + data
