"""Tool schemas in the OpenAI format: the built-in syscalls, and a maker of others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

Schema: TypeAlias = dict[str, Any]

_NO_DEFAULT: Final = object()


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument of a tool. ``type`` is a JSON type name."""

    name: str
    type: str = "string"
    default: object = _NO_DEFAULT

    def schema(self) -> Schema:
        if self.default is _NO_DEFAULT:
            return {"type": self.type}
        return {"type": self.type, "default": self.default}


@dataclass(frozen=True, slots=True)
class Tool:
    """What a model is told about a tool."""

    name: str
    description: str
    parameters: tuple[Parameter, ...] = ()

    def schema(self) -> Schema:
        """The tool as the OpenAI chat API wants it."""
        return {
            "type": "function",
            "function": {
                "name": self.name,
                "description": self.description,
                "parameters": {
                    "type": "object",
                    "properties": {one.name: one.schema() for one in self.parameters},
                    "required": [one.name for one in self.parameters if one.default is _NO_DEFAULT],
                },
            },
        }


_TEXT = Parameter("text")
_PATH = Parameter("path")
_PID = Parameter("pid", "integer")
_HERE = Parameter("path", default=".")

SYSCALLS: tuple[Tool, ...] = (
    Tool("calculate", "Work out an arithmetic expression.", (Parameter("expression"),)),
    Tool("kill", "End a process.", (_PID,)),
    Tool("list_files", "List the files in a folder.", (_HERE,)),
    Tool("list_processes", "List the processes."),
    Tool("now", "Tell the date and the time."),
    Tool("read_file", "Read a text file.", (_PATH,)),
    Tool("recall", "Find the notes about something.", (Parameter("query"),)),
    Tool("remember", "Keep a note for later.", (_TEXT,)),
    Tool(
        "search_files",
        "Find the lines that contain a text, in the files of a folder.",
        (Parameter("pattern"), _HERE),
    ),
    Tool("spawn", "Start a helper agent on a task and get its pid.", (Parameter("task"),)),
    Tool("wait", "Wait until a process ends and get its answer.", (_PID,)),
    Tool("write_file", "Write text to a file; what it held is replaced.", (_PATH, _TEXT)),
)
"""By name, as the kernel lists them."""

SYSTEM_PROMPT = (
    "You are an agent of llmos. Use the tools to do what is asked, then answer in a few words."
)
