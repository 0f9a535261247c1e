"""Tools in vLLM's words, and the grammar of their calls: made once for each set of tools.

What is made here depends on the tools of a request alone, and the tools are mostly those of the
request before. To make it takes vLLM milliseconds, and to verify the grammar, which AsyncLLM does
with each request anew, longer than all else that the kernel does for one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from .driver import ToolSpec

MAX_TOOLSETS = 256


@dataclass(slots=True)
class Toolset:
    """`params` are the tools as a chat request takes them, `template_dicts` as a template does.
    Shared by all requests with these tools."""

    params: list[Any]
    template_dicts: list[dict[str, Any]]
    structured_outputs: Any = None
    skip_special_tokens: bool = True
    _verified: bool = False

    def verify(self, sampling_params: Any, config: Any, tokenizer: Any) -> None:
        """As AsyncLLM would, which then need not. What it finds out, the backend, stays in
        `structured_outputs`. Raises ValueError where no backend takes the grammar."""
        if not self._verified:
            sampling_params.verify(
                config.model_config,
                config.speculative_config,
                config.structured_outputs_config,
                tokenizer,
            )
            self._verified = True
        sampling_params.verify = _verified_before


def _verified_before(*_: object) -> None:
    """In the place of `SamplingParams.verify`, on parameters whose grammar is known to be good."""


class Toolsets:
    """Those that were made so far."""

    def __init__(self, request_class: Any, parser_class: Any, tokenizer: Any, config: Any) -> None:
        self._request_class = request_class
        self._parser_class = parser_class
        self._tokenizer = tokenizer
        self._config = config
        self._made: dict[tuple[ToolSpec, ...], Toolset] = {}

    def of(self, tools: tuple[ToolSpec, ...]) -> Toolset | None:
        """None for no tools. Raises ValueError, TypeError for tools that vLLM does not take."""
        if not tools:
            return None
        toolset = self._made.get(tools)
        if toolset is None:
            toolset = self._make(tools)
            if len(self._made) >= MAX_TOOLSETS:
                self._made.clear()
            self._made[tools] = toolset
        return toolset

    def _make(self, tools: tuple[ToolSpec, ...]) -> Toolset:
        chat = self._request_class(
            model=self._config.model,
            messages=[],
            tools=[_openai_tool(tool) for tool in tools],
            tool_choice="auto",
            stream=True,
        )
        toolset = Toolset(chat.tools, [tool.model_dump() for tool in chat.tools])
        if self._parser_class is not None:
            parser = self._parser_class(self._tokenizer, chat.tools, model_config=self._config)
            adjusted = parser.adjust_request(request=chat)
            toolset.structured_outputs = _without_blanks(adjusted.structured_outputs)
            toolset.skip_special_tokens = adjusted.skip_special_tokens
        return toolset


def _openai_tool(tool: ToolSpec) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.parameters,
        },
    }


def _without_blanks(structured_outputs: Any) -> Any:
    """At most one blank in a row inside constrained JSON: a weak model otherwise fills its
    budget with them."""
    tag = getattr(structured_outputs, "structural_tag", None)
    if tag is None:
        return structured_outputs

    def visit(node: Any) -> None:
        if isinstance(node, dict):
            if node.get("type") == "json_schema" and node.get("style", "json") == "json":
                node["max_whitespace_cnt"] = 1
            else:
                for child in node.values():
                    visit(child)
        elif isinstance(node, list):
            for child in node:
                visit(child)

    tree = json.loads(tag)
    visit(tree)
    structured_outputs.structural_tag = json.dumps(tree)
    return structured_outputs
