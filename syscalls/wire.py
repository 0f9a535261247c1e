"""What a plugin host and its workers say to each other: frames of a length and a JSON object.

The kernel trusts none of it: a frame is checked against these models, and its length is bounded,
before anything else looks at it.
"""

from __future__ import annotations

import struct
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from .observing import Observed
from .spec import SyscallSpec

HEADER = struct.Struct(">I")


class Message(BaseModel):
    model_config = ConfigDict(frozen=True)


class Source(Message):
    """Where a plugin's code is: a module's name or one file. `folders` are where modules are looked
    for beside the usual places. What is mounted has no code of ours, and a `mount` that says as
    JSON where it is."""

    plugin: str
    module: str = ""
    file: str = ""
    mount: str = ""
    folders: tuple[str, ...] = ()


class Start(Message):
    """First of all, to a worker: import these."""

    kind: Literal["start"] = "start"
    sources: tuple[Source, ...]
    max_output: int
    max_memory: int


class Call(Message):
    """Run a syscall. A worker that has run an `async def` once runs nothing else from then on."""

    kind: Literal["call"] = "call"
    id: int
    name: str
    arguments: dict[str, Any]
    pid: int
    call_id: str
    root: str


class Cancel(Message):
    """Cancel an `async def` that runs, or tell a `def` that looks for it."""

    kind: Literal["cancel"] = "cancel"
    id: int


class Answer(Message):
    """To what a call has asked: a value, or an error if there is a code."""

    kind: Literal["answer"] = "answer"
    id: int
    number: int
    value: Any = None
    code: str = ""
    message: str = ""
    hint: str = ""


class Observe(Message):
    """A call of anybody's has begun, ended or failed, for a plugin that observes. No reply."""

    kind: Literal["observe"] = "observe"
    event: Literal["before", "after", "failed"]
    call: Observed
    text: str = ""


class Offer(Message):
    """What a plugin offers beside syscalls, by the hook of which it comes."""

    hook: str
    name: str
    summary: str = ""


class Loaded(Message):
    """First answer of a worker: these are there. `files` are those that the plugin was read from,
    and `hooks` those that it implements."""

    kind: Literal["loaded"] = "loaded"
    specs: tuple[SyscallSpec, ...]
    hooks: tuple[str, ...] = ()
    offers: tuple[Offer, ...] = ()
    files: tuple[str, ...] = ()
    path: str = ""
    version: str = ""


class Refused(Message):
    """Or else: the plugin cannot be loaded."""

    kind: Literal["refused"] = "refused"
    message: str
    where: str


class Told(Message):
    """A call tells something and goes on: progress, a piece of its output, or that it looks out for
    its own cancellation."""

    kind: Literal["told"] = "told"
    id: int
    what: Literal["progress", "output", "watching"]
    text: str = ""


class Asked(Message):
    """A call asks the kernel, and waits for the answer of that number."""

    kind: Literal["asked"] = "asked"
    id: int
    number: int
    what: str
    arguments: dict[str, Any]


class Returned(Message):
    kind: Literal["returned"] = "returned"
    id: int
    text: str


class Raised(Message):
    kind: Literal["raised"] = "raised"
    id: int
    code: str
    message: str
    hint: str


Request = Start | Call | Cancel | Answer | Observe
Reply = Loaded | Refused | Told | Asked | Returned | Raised
REQUEST: TypeAdapter[Request] = TypeAdapter(Annotated[Request, Field(discriminator="kind")])
REPLY: TypeAdapter[Reply] = TypeAdapter(Annotated[Reply, Field(discriminator="kind")])


def pack(message: Message) -> bytes:
    data = message.model_dump_json().encode()
    return HEADER.pack(len(data)) + data
