"""Which of vLLM's tool parsers reads a model's calls.

vLLM leaves that to its user (`--tool-call-parser`). A newcomer should not have to know: the chat
template tells the form, and where it does not, the model's type does. `--tool-parser` overrides.
"""

from __future__ import annotations

# Told by the chat template, most telling first: the marks that the model writes around a call.
MARKS = (
    ("<function=", "qwen3_coder"),
    ("<tool_call>", "hermes"),
    ("[TOOL_CALLS]", "mistral"),
    ("<|python_tag|>", "llama3_json"),
    ("<start_function_call>", "functiongemma"),
)

MODEL_TYPES = {
    "deepseek_v3": "deepseek_v3",
    "deepseek_v32": "deepseek_v32",
    "glm4_moe": "glm45",
    "gpt_oss": "openai",
    "granite": "granite",
    "internlm2": "internlm",
    "jamba": "jamba",
    "kimi_k2": "kimi_k2",
    "llama": "llama3_json",
    "llama4": "llama4_pythonic",
    "minimax_m2": "minimax_m2",
    "ministral": "mistral",
    "mistral": "mistral",
    "mixtral": "mistral",
    "olmo3": "olmo3",
    "phi3": "phi4_mini_json",
    "qwen2": "hermes",
    "qwen2_moe": "hermes",
    "qwen3": "hermes",
    "qwen3_moe": "hermes",
    "seed_oss": "seed_oss",
}

DEFAULT = "hermes"


def guess_tool_parser(model_type: str, chat_template: str) -> str:
    """The name of a vLLM tool parser for a model."""
    if model_type == "gpt_oss":
        return MODEL_TYPES[model_type]
    for mark, parser in MARKS:
        if mark in chat_template:
            return parser
    return MODEL_TYPES.get(model_type, DEFAULT)
