"""What the frameworks' agents are given: two plain functions, a prompt, the bills. Not counted."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent.parent.parent / "examples"
BILLS = sorted(f"bills/{bill.name}" for bill in HERE.glob("bills/*.txt"))
PROMPT = "You are an agent of llmos. Use the tools to do what is asked, then answer in a few words."


def read_file(path: str) -> str:
    """Read a text file."""
    file = HERE / path
    return file.read_text() if file.is_file() else f"ENOENT: no file {path}"


def calculate(expression: str) -> str:
    """Work out an arithmetic expression."""
    if not re.fullmatch(r"[\d\s.+*/()-]+", expression):
        return f"EINVAL: not an arithmetic expression: {expression}"
    try:
        return str(eval(expression))
    except (SyntaxError, ArithmeticError, TypeError) as error:
        return f"EINVAL: {error}"


TOOLS = [read_file, calculate]
