"""A syscall as everyone but its own worker knows it: what to say about it, not the function."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from .decorator import Effect


class SyscallSpec(BaseModel):
    """Crosses from a plugin's worker to the kernel. `parameters` is a JSON schema."""

    model_config = ConfigDict(frozen=True)

    name: str
    plugin: str
    summary: str
    """First paragraph of the docstring: what a model reads."""
    description: str
    """The whole docstring."""
    parameters: dict[str, Any]
    needs: str | None
    """The capabilities that a caller must hold, with commas between them."""
    timeout_s: float
    effect: Effect
    listed: bool = True
    """Is it offered to every process, or to those that name it?"""
    approve: bool = False
    """Is it refused until its user has allowed it?"""
    max_output: int | None = None
    """Longest result in bytes; None: as long as any."""
    trusted_args: tuple[str, ...] = ()
    """Arguments that must not come out of an untrusted text."""
    example: str = ""
    streams: bool = False
    """Does its result come in pieces?"""
    parallel: bool = False
    """May several calls of one turn run side by side?"""
    batch: bool = False
    """May several calls of one turn arrive as one?"""
    is_async: bool
    source: str
    """Where it is written, as "grep.py:12"."""

    @property
    def capabilities(self) -> tuple[str, ...]:
        return tuple(part.strip() for part in (self.needs or "").split(",") if part.strip())

    def tool(self) -> dict[str, Any]:
        """The form in which chat templates and OpenAI's API take a tool."""
        return {
            "type": "function",
            "function": {
                "name": self.name,
                "description": self.summary,
                "parameters": self.parameters,
            },
        }
