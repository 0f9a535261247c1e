"""The real vLLM in this process, asked the way a kernel asks it: tools, grammar, greedy."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .scene import Message
from .tools import Tool

_ENVIRONMENT = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "OMP_NUM_THREADS": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_NO_USAGE_STATS": "1",
    "HF_HUB_OFFLINE": "1",
    "VLLM_LOGGING_LEVEL": "WARNING",
}


@dataclass(frozen=True, slots=True)
class Turn:
    """What the model did: called ``tool``, or (``tool`` is None) said ``text``."""

    text: str
    tool: str | None = None
    arguments: dict[str, Any] | None = None


def _turn(text: str) -> Turn:
    """Parse a generation the way the hermes parser does, for one call."""
    _, call, rest = text.partition("<tool_call>")
    if not call:
        return Turn(text)
    try:
        parsed = json.loads(rest.partition("</tool_call>")[0])
    except json.JSONDecodeError:
        return Turn(text)
    return Turn(text, parsed["name"], parsed["arguments"])


class Engine:
    """Answers many conversations at once, in one vLLM batch."""

    def __init__(self, model: Path) -> None:
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        from vllm import LLM

        self._llm = LLM(
            str(model), max_model_len=2048, enforce_eager=True, max_num_seqs=16, dtype="float32"
        )
        self._tokenizer: Any = self._llm.get_tokenizer()

    def turns(self, chats: list[tuple[list[Message], tuple[Tool, ...]]]) -> list[Turn]:
        """The model's next turn in each chat, bound to the grammar of the chat's tools."""
        from vllm import SamplingParams
        from vllm.sampling_params import StructuredOutputsParams

        prompts: list[Any] = []
        parameters = []
        for messages, tools in chats:
            schemas = [tool.schema() for tool in tools]
            prompts.append(
                self._tokenizer.apply_chat_template(
                    messages, tools=schemas, tokenize=False, add_generation_prompt=True
                )
            )
            bound = StructuredOutputsParams(structural_tag=structural_tag(schemas))
            parameters.append(
                SamplingParams(
                    temperature=0.0,
                    max_tokens=120,
                    structured_outputs=bound,
                    skip_special_tokens=False,
                )
            )
        outputs = self._llm.generate(prompts, parameters, use_tqdm=False)
        return [_turn(output.outputs[0].text) for output in outputs]


def structural_tag(schemas: list[dict[str, Any]]) -> str:
    """The grammar that vLLM's hermes parser asks for with ``tool_choice="auto"``."""
    tags = [
        {
            "begin": f'<tool_call>\n{{"name": "{schema["function"]["name"]}", "arguments": ',
            "content": {"type": "json_schema", "json_schema": schema["function"]["parameters"]},
            "end": "}\n</tool_call>",
        }
        for schema in schemas
    ]
    form = {"type": "triggered_tags", "triggers": ["<tool_call>"], "tags": tags}
    return json.dumps({"type": "structural_tag", "format": form})
