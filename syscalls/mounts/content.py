"""What an MCP server gives back, as the text that an agent reads."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from mcp import types


def result_text(result: types.CallToolResult) -> str:
    """Of a tool: its content, or what it gave as data where there is no content."""
    text = blocks_text(result.content)
    if not text and result.structured_content is not None:
        return json.dumps(result.structured_content, ensure_ascii=False)
    return text or "done"


def blocks_text(blocks: Sequence[Any]) -> str:
    return "\n".join(filter(None, map(_block, blocks)))


def _block(block: Any) -> str:
    match block:
        case types.TextContent():
            return block.text
        case types.ImageContent() | types.AudioContent():
            return _data(block.mime_type, block.data)
        case types.EmbeddedResource():
            return contents_text([block.resource])
        case types.ResourceLink():
            about = f": {block.description}" if block.description else ""
            return f"{block.uri} ({block.name}{about})"
        case _:
            return json.dumps(block.model_dump(mode="json", exclude_none=True), ensure_ascii=False)


def contents_text(contents: Sequence[Any]) -> str:
    """Of a resource."""
    return "\n".join(
        one.text
        if isinstance(one, types.TextResourceContents)
        else f"{one.uri}: {_data(one.mime_type, one.blob)}"
        for one in contents
    )


def _data(kind: str | None, encoded: str) -> str:
    """An agent reads text. What is none is named, with its size."""
    return f"[{kind or 'data'}, {len(encoded) * 3 // 4} bytes, which are no text]"


def resources_text(
    resources: Sequence[types.Resource], templates: Sequence[types.ResourceTemplate]
) -> str:
    lines = [_described(str(one.uri), one.name, one.description) for one in resources]
    lines += [_described(one.uri_template, one.name, one.description) for one in templates]
    return "\n".join(lines) or "none"


def prompts_text(prompts: Sequence[types.Prompt]) -> str:
    lines = []
    for prompt in prompts:
        arguments = ", ".join(
            one.name if one.required else f"{one.name}?" for one in prompt.arguments or ()
        )
        lines.append(_described(f"{prompt.name}({arguments})", "", prompt.description))
    return "\n".join(lines) or "none"


def prompt_text(result: types.GetPromptResult) -> str:
    """One message is the prompt itself; of several it is said who speaks."""
    texts = [(message.role, blocks_text([message.content])) for message in result.messages]
    if len(texts) == 1:
        return texts[0][1]
    return "\n\n".join(f"{role}: {text}" for role, text in texts)


def _described(what: str, name: str, description: str | None) -> str:
    words = " ".join((description or name).split())
    return f"{what}: {words}" if words else what
