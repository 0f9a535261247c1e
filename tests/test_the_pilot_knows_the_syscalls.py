"""The pilot was trained on the very tool list that the kernel gives it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from llmos.kernel.agent import DEFAULT_TEXT
from llmos.pilot import MODEL_DIR
from llmos.pilot.tokenizer import load
from llmos.pilot.tools import SYSCALLS, SYSTEM_PROMPT
from llmos.syscalls.registry import PluginRegistry

TOKENIZER = load(MODEL_DIR / "tokenizer.json")


def prompt(text: str, tools: list[dict[str, Any]]) -> str:
    rendered = TOKENIZER.apply_chat_template(
        [{"role": "system", "content": text}, {"role": "user", "content": "hi"}],
        tools=tools,
        tokenize=False,
        add_generation_prompt=True,
    )
    assert isinstance(rendered, str)
    return rendered


async def builtin_tools(folder: Path) -> list[dict[str, Any]]:
    """As the kernel's engine driver gets them."""
    plugins = PluginRegistry(folder, environ={"LLMOS_LOAD_PLUGINS": ""})
    await plugins.load()
    tools = [
        {
            "type": "function",
            "function": {
                "name": spec.name,
                "description": spec.summary,
                "parameters": spec.parameters,
            },
        }
        for spec in plugins.table.specs()
        if spec.listed
    ]
    await plugins.close()
    return tools


def test_the_prompt_of_the_kernel_is_the_prompt_of_the_corpus(tmp_path: Path) -> None:
    kernels = prompt(DEFAULT_TEXT, asyncio.run(builtin_tools(tmp_path)))
    corpus = prompt(SYSTEM_PROMPT, [tool.schema() for tool in SYSCALLS])
    assert sorted(kernels.splitlines()) == sorted(corpus.splitlines())
    assert kernels == corpus
