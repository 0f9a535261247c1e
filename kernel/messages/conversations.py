"""Conversations: those that a person began with an agent, over all processes that went on with
one, and after their end.

`which` names one: a pid that it had, the pid that it is listed under, the name of its process (of
several, the newest), or the beginning of its first words.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Verdict = Literal["good", "bad"]
Order = Literal["rank", "newest"]


@dataclass(frozen=True, slots=True)
class ListConversations:
    """→ `{"conversations": [ConversationInfo, …], "more": 12}`: the newest first, at most `limit`
    (0: all), `more` are left out. Of one folder with `root`; with `all`, those that agents began,
    too."""

    root: str | None = None
    limit: int = 0
    all: bool = False
    op: Literal["conversations"] = "conversations"


@dataclass(frozen=True, slots=True)
class ShowConversation:
    """→ `Conversation`: its pages from number `first` on. EINVAL, ESRCH."""

    which: str
    first: int = 0
    op: Literal["conversation"] = "conversation"


@dataclass(frozen=True, slots=True)
class ResumeConversation:
    """→ `Resumed`: goes on with a conversation, or, without `which`, with the newest one, of the
    folder `root` if there is one (interactive ones first, when this is to be interactive).

    Is its process alive, it stays that one, `task` is sent to it, and means (`nice` to `budget`)
    are refused. Has it ended, a new process begins with its pages, and what is None is as the old
    one had it; but a budget is none. Events flow to this connection with `attach`. EAGAIN in the
    middle of a turn, EINVAL, ESRCH."""

    which: str | None = None
    root: str = "/"
    task: str | None = None
    interactive: bool = True
    attach: bool = False
    name: str | None = None
    nice: int | None = None
    tools: list[str] | None = None
    limits: dict[str, float | list[float | None]] = field(default_factory=dict)
    budget: int | None = None
    op: Literal["resume"] = "resume"


@dataclass(frozen=True, slots=True)
class RemoveConversation:
    """→ `{"id": 4, "pids": [4, 9, 10]}`: all pages of these processes are gone, and of those that
    their agents began. EAGAIN while one of them lives, EINVAL, ESRCH."""

    which: str
    op: Literal["remove_conversation"] = "remove_conversation"


@dataclass(frozen=True, slots=True)
class SearchConversations:
    """→ `{"hits": [FoundPage, …]}`: pages that have all words of the query, those in quotation
    marks next to each other, `word*` any that begins so. `since` and `before` are Unix seconds.
    EINVAL for a query without a word."""

    query: str
    roles: list[Literal["user", "assistant", "tool"]] = field(default_factory=list)
    since: float | None = None
    before: float | None = None
    order: Order = "rank"
    limit: int = 20
    all: bool = False
    op: Literal["search_conversations"] = "search_conversations"


@dataclass(frozen=True, slots=True)
class GiveFeedback:
    """→ `FeedbackGiven`, once it is in the journal: what the user thinks of an answer, the newest
    one or that of a page; in place of what was said of it before. None takes that back. EINVAL,
    ESRCH."""

    which: str
    verdict: Verdict | None
    text: str = ""
    page: int | None = None
    op: Literal["feedback"] = "feedback"


# ---- results ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ConversationInfo:
    """`id` is the pid that it began with, `pid` that of its newest process, `pids` all; `state` is
    that of the newest process, `ended` when it is over, and `exit_status` how. `begins` are its
    first words. Times in Unix seconds."""

    id: int
    pid: int
    pids: list[int]
    name: str
    root: str
    interactive: bool
    state: str
    exit_status: int | None
    began: float
    last: float
    turns: int
    pages: int
    tokens: int
    good: int
    bad: int
    begins: str


@dataclass(frozen=True, slots=True)
class Feedback:
    """What the user thinks of an answer."""

    verdict: Verdict
    text: str
    created: float


@dataclass(frozen=True, slots=True)
class SaidPage:
    """A page, whole. `calls` are those that it asks for, `{"call_id", "name", "arguments"}`;
    `call_id` is the call that it answers. An `interrupted` one was cut off, a `recalled` one
    quotes others."""

    page: int
    role: str
    text: str
    created: float
    num_tokens: int
    calls: list[dict[str, Any]]
    call_id: str
    interrupted: bool
    recalled: bool
    feedback: Feedback | None


@dataclass(frozen=True, slots=True)
class Conversation:
    """→ of `conversation`. A reply holds so many pages as are well sent at once: the others from
    number `next` on, None when these were the last."""

    info: ConversationInfo
    pages: list[SaidPage]
    next: int | None


@dataclass(frozen=True, slots=True)
class Resumed:
    """`lives`: the conversation had a process, and `pid` is that. Otherwise it is new."""

    pid: int
    lives: bool
    info: ConversationInfo


@dataclass(frozen=True, slots=True)
class FoundPage:
    """A page that a search has found: `excerpt` of it has the words at `matches`, (start, end)
    each."""

    conversation: int
    pid: int
    page: int
    role: str
    created: float
    excerpt: str
    matches: list[list[int]]
    begins: str
    root: str


@dataclass(frozen=True, slots=True)
class FeedbackGiven:
    """Of page number `page`; `feedback` is what stands there now."""

    conversation: int
    pid: int
    page: int
    feedback: Feedback | None


ConversationRequest = (
    ListConversations
    | ShowConversation
    | ResumeConversation
    | RemoveConversation
    | SearchConversations
    | GiveFeedback
)
