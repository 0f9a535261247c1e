"""The knowledge base: namespaces, their documents, and what is found in them."""

from __future__ import annotations

from typing import Literal, assert_never

from ...memory.knowledge import Found
from ...memory.knowledge_store import DocumentRow, Excerpt, Namespace, Source
from ...syscalls.errno import EINVAL
from .. import messages
from ..kernel import Kernel

MAX_DOCUMENTS = 5000
"""Documents in one answer."""
MAX_FOUND = 100


async def answer(kernel: Kernel, request: messages.KnowledgeRequest) -> object:
    match request:
        case messages.OpenNamespace(namespace, readers, writers, pid):
            process = kernel.table.find(pid)
            await kernel.namespaces.open(process, namespace, readers, writers)
        case messages.ListNamespaces(pid):
            readable = kernel.namespaces.readable(kernel.table.find(pid))
            return {"namespaces": [await _row(kernel, namespace) for namespace in readable]}
        case messages.ListDocuments():
            return await _documents(kernel, request)
        case messages.SameDocument(namespace, source, pid):
            process = kernel.table.find(pid)
            path = await kernel.knowledge.same(process, namespace, _source(source))
            return {"path": path}
        case messages.AddPassages():
            return await _add(kernel, request)
        case messages.SearchNamespaces(query, namespaces, k, pid):
            if not 0 < k <= MAX_FOUND:
                raise EINVAL(f"k: from 1 to {MAX_FOUND}, not {k}")
            process = kernel.table.find(pid)
            found = await kernel.knowledge.search(process, query, k, namespaces)
            return {"found": [_found(one) for one in found]}
        case messages.RemoveDocuments(namespace, beneath, pid):
            process = kernel.table.find(pid)
            return {"removed": await kernel.knowledge.remove(process, namespace, beneath)}
        case _:
            assert_never(request)
    return {}


async def _row(kernel: Kernel, namespace: Namespace) -> messages.NamespaceInfo:
    size = await kernel.knowledge.size(namespace)
    return messages.NamespaceInfo(
        name=namespace.name,
        owner=namespace.owner,
        readers=namespace.readers,
        writers=namespace.writers,
        documents=size.documents,
        passages=size.passages,
        size=size.num_bytes,
    )


async def _documents(
    kernel: Kernel, request: messages.ListDocuments
) -> dict[str, list[messages.DocumentInfo]]:
    if not 0 < request.limit <= MAX_DOCUMENTS:
        raise EINVAL(f"limit: from 1 to {MAX_DOCUMENTS}, not {request.limit}")
    rows = await kernel.knowledge.documents(
        kernel.table.find(request.pid),
        request.namespace,
        request.beneath,
        request.after,
        request.limit,
    )
    return {"documents": [_document(row) for row in rows]}


async def _add(kernel: Kernel, request: messages.AddPassages) -> dict[str, int]:
    upload = await kernel.knowledge.add(
        kernel.table.find(request.pid),
        request.namespace,
        _source(request.source),
        [Excerpt(one.heading, one.text, one.first, one.last) for one in request.passages],
        request.position,
        request.upload,
        request.last,
    )
    if request.last:  # it will be found by its meaning, too, when that has been computed
        kernel.errand(kernel.retrieval.warm_up())
    return {"upload": upload}


def _found(found: Found) -> messages.FoundPassage:
    return messages.FoundPassage(
        namespace=found.namespace,
        heading=found.heading,
        text=found.text,
        score=found.hit.score,
        why=found.hit.why,
        cited=[
            messages.CitationInfo(one.source, _unit(one.unit), one.first, one.last)
            for one in found.citations
        ],
    )


def _unit(unit: str) -> Literal["line", "page"]:
    return "page" if unit == "page" else "line"


def _source(info: messages.SourceInfo) -> Source:
    return Source(info.path, info.size, info.mtime_ns, info.digest, info.unit)


def _document(row: DocumentRow) -> messages.DocumentInfo:
    source = row.source
    info = messages.SourceInfo(
        source.path, source.size, source.mtime_ns, source.digest, _unit(source.unit)
    )
    return messages.DocumentInfo(info, row.num_passages, row.whole)
