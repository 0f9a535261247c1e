"""The `llmos` command: verbs, the interactive shell, and the client of the kernel's socket.

Nothing here may load torch, vllm, pydantic, chromadb, rich or httpx, and a one-shot verb loads
neither asyncio nor `dataclasses` nor `kernel.messages` (building those classes alone costs as
much CPU as Python's own start). Hence records that are read with dots (`client.Record`) and
types that only the type checker imports.
"""
