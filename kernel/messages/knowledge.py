"""Requests about the knowledge base, and what they bring.

In every request, `pid` is the process on whose behalf it is made; 1 is the user, who may do
everything. `readers` and `writers` are owner, tree, group, session or all, as of shared pages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """A file as it was when it was read: its absolute path, size in bytes, time of its last change,
    the SHA-256 of its bytes, and what its passages are cited by."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "strict": True}
    path: str
    size: int
    mtime_ns: int
    digest: str
    unit: Literal["line", "page"] = "line"


@dataclass(frozen=True, slots=True)
class ExcerptInfo:
    """A passage: the headings that it stands under, its text, its first and last line, or page."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "strict": True}
    heading: str
    text: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class OpenNamespace:
    """→ `{}`: the namespace is there, made if need be, for these readers and writers (None: as they
    are; at first, all may read and the owner alone may write)."""

    namespace: str
    readers: str | None = None
    writers: str | None = None
    pid: int = 1
    op: Literal["kb_open"] = "kb_open"


@dataclass(frozen=True, slots=True)
class ListNamespaces:
    """→ `{"namespaces": [NamespaceInfo, …]}`: those that may be read, by name."""

    pid: int = 1
    op: Literal["kb"] = "kb"


@dataclass(frozen=True, slots=True)
class ListDocuments:
    """→ `{"documents": [DocumentInfo, …]}`: the document `beneath`, and those below that folder, by
    path; at most `limit` of those after the path `after`."""

    namespace: str
    beneath: str = ""
    after: str = ""
    limit: int = 1000
    pid: int = 1
    op: Literal["kb_documents"] = "kb_documents"


@dataclass(frozen=True, slots=True)
class SameDocument:
    """→ `{"path": "/…"}`: a document with this very content, which the file is from now on, too.
    `{"path": null}` if there is none: then its passages have to be added."""

    namespace: str
    source: SourceInfo
    pid: int = 1
    op: Literal["kb_same"] = "kb_same"


@dataclass(frozen=True, slots=True)
class AddPassages:
    """→ `{"upload": 7}`, once they are in the journal: up to 256 passages of a document, of which
    `position` have come before. The first batch has no `upload`, the others name that of the first;
    with the `last` one the document is whole. EAGAIN if somebody else began to add it meanwhile."""

    namespace: str
    source: SourceInfo
    passages: list[ExcerptInfo]
    position: int = 0
    upload: int | None = None
    last: bool = True
    pid: int = 1
    op: Literal["kb_add"] = "kb_add"


@dataclass(frozen=True, slots=True)
class RemoveDocuments:
    """→ `{"removed": 3}`: the document `beneath`, and all below that folder; without a path all,
    and the namespace itself."""

    namespace: str
    beneath: str = ""
    pid: int = 1
    op: Literal["kb_remove"] = "kb_remove"


@dataclass(frozen=True, slots=True)
class SearchNamespaces:
    """→ `{"found": [FoundPassage, …]}`: the `k` best passages of these namespaces (None: of all
    that may be read), the best first."""

    query: str
    namespaces: list[str] | None = None
    k: int = 5
    pid: int = 1
    op: Literal["kb_search"] = "kb_search"


@dataclass(frozen=True, slots=True)
class NamespaceInfo:
    """A row of `kb`: `size` is the files', in bytes."""

    name: str
    owner: int
    readers: str
    writers: str
    documents: int
    passages: int
    size: int


@dataclass(frozen=True, slots=True)
class DocumentInfo:
    """A document that is not `whole` is being added, or was cut off."""

    source: SourceInfo
    passages: int
    whole: bool


@dataclass(frozen=True, slots=True)
class CitationInfo:
    """Where a passage stands: `first` to `last` line, or page, both included."""

    path: str
    unit: Literal["line", "page"]
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class FoundPassage:
    """`why` says in words what it was found by; `cited` is every place that it stands in."""

    namespace: str
    heading: str
    text: str
    score: float
    why: str
    cited: list[CitationInfo]


KnowledgeRequest = (
    OpenNamespace
    | ListNamespaces
    | ListDocuments
    | SameDocument
    | AddPassages
    | RemoveDocuments
    | SearchNamespaces
)
