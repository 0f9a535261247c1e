"""Conversations: listed, shown, searched, continued, removed, and judged by their user."""

from __future__ import annotations

from typing import assert_never

from ...syscalls.errno import EAGAIN, EINVAL
from .. import conversation_records, conversation_search, conversation_view, limits, messages
from ..conversation_records import Stored
from ..conversations import Means
from ..kernel import Kernel
from ..messages import ResumeConversation
from ..process import Process
from .checks import absolute
from .client import Client, begun

BETWEEN_TURNS = "a message"


async def answer(kernel: Kernel, request: messages.ConversationRequest, client: Client) -> object:
    match request:
        case messages.ListConversations():
            return await conversation_view.listing(kernel, request)
        case messages.ShowConversation(which, first):
            return await conversation_view.show(kernel, which, first)
        case messages.ResumeConversation():
            async with kernel.resuming:
                return await _resume(kernel, request, client)
        case messages.RemoveConversation(which):
            async with kernel.resuming:
                found = await conversation_view.find(kernel, which)
                pids = await kernel.remove(found)
            await conversation_search.drop_from_index(kernel)
            return {"id": found.id, "pids": pids}
        case messages.SearchConversations():
            return {"hits": await conversation_search.search(kernel, request)}
        case messages.GiveFeedback():
            return await _feedback(kernel, request)
        case _:
            assert_never(request)


async def _resume(kernel: Kernel, request: ResumeConversation, client: Client) -> messages.Resumed:
    root = str(absolute("root", request.root))
    if request.which is not None:
        found = await conversation_view.find(kernel, request.which)
    else:
        found = await conversation_view.newest(kernel, root, interactive=request.interactive)
    info = await conversation_view.info(kernel, found)
    process = kernel.table.get(found.pid)
    if process is not None and process.leaving:
        await process.exited.wait()
    if process is not None and process.alive:
        await _go_on(kernel, process, request, client)
        return messages.Resumed(process.pid, True, info)
    process = await kernel.resume(
        found, task=request.task, interactive=request.interactive, means=_means(request)
    )
    return messages.Resumed(begun(process, client, request.attach)["pid"], False, info)


async def _go_on(
    kernel: Kernel, process: Process, request: ResumeConversation, client: Client
) -> None:
    """With a process that lives. Raises EAGAIN, EINVAL."""
    pid = process.pid
    if request.tools is not None or request.limits or request.budget or request.nice is not None:
        raise EINVAL(
            f"process {pid} of this conversation lives, and has what it may use",
            hint=f"llmos kill {pid} first",
        )
    if request.task is not None:
        if not process.interactive:
            raise EAGAIN(f"process {pid} is at work on its task", hint=f"llmos wait {pid}")
        if process.waits_for != BETWEEN_TURNS or len(process.mailbox):
            raise EAGAIN(f"process {pid} is in the middle of a turn", hint=f"llmos attach {pid}")
    if request.attach:
        client.attach(pid, client.send_event)
    if request.task is not None:
        kernel.backlog.check_room()
        await kernel.send(pid, request.task)


def _means(request: ResumeConversation) -> Means:
    return Means(
        name=request.name,
        nice=request.nice,
        tools=None if request.tools is None else tuple(request.tools),
        limits=limits.parse(request.limits),
        budget=request.budget,
    )


async def _feedback(kernel: Kernel, request: messages.GiveFeedback) -> messages.FeedbackGiven:
    async with kernel.resuming:  # or it could be removed meanwhile
        found: Stored = await conversation_view.find(kernel, request.which)
        page = await conversation_view.answer_page(kernel, found, request.page)
        given = None
        if request.verdict is not None:
            given = messages.Feedback(request.verdict, request.text, kernel.clock())
        await kernel.journal.write(
            lambda connection: conversation_records.give_feedback(
                connection, found.pid, found.image, page, given
            )
        )
        return messages.FeedbackGiven(found.id, found.pid, page, given)
