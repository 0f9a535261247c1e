"""All that a client can ask for. The kernel finds the class of a request by its `op`."""

from __future__ import annotations

from .conversations import ConversationRequest
from .guests import GuestRequest
from .knowledge import KnowledgeRequest
from .memory import MemoryRequest
from .mounts import MountRequest
from .observing import ObservingRequest
from .pipes import PipeRequest
from .processes import ProcessRequest
from .scheduling import SchedulingRequest
from .supervision import SupervisionRequest
from .system import SystemRequest
from .tracing import TracingRequest

Request = (
    ProcessRequest
    | PipeRequest
    | SupervisionRequest
    | GuestRequest
    | MemoryRequest
    | ConversationRequest
    | KnowledgeRequest
    | SchedulingRequest
    | TracingRequest
    | ObservingRequest
    | MountRequest
    | SystemRequest
)
