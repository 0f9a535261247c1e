"""One function yields the schema, the summary and the manual: nothing is said twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from llmos import Context, syscall
from llmos.syscalls.arguments import read_signature
from llmos.syscalls.docstring import read_docstring
from llmos.syscalls.errno import EINVAL
from llmos.syscalls.invoke import invoke
from llmos.syscalls.loader import load_file


class Point(BaseModel):
    title: str
    x: int = 0


class Tree(BaseModel):
    name: str
    branches: list[Tree] = []


def schema(function: Any) -> dict[str, Any]:
    doc = read_docstring(function, function.__name__)
    return read_signature(function, function.__name__, doc.arguments).schema


def test_the_schema_keeps_the_order_and_says_only_what_counts() -> None:
    def draw(
        z: str,
        a: Annotated[int, Field(ge=1, description="How wide.")],
        point: Point,
        ctx: Context,
        kind: Literal["line", "dot"] = "line",
        m: float | None = None,
    ) -> str:
        """Draw."""
        return ""

    assert schema(draw) == {
        "type": "object",
        "properties": {
            "z": {"type": "string"},
            "a": {"type": "integer", "minimum": 1, "description": "How wide."},
            "point": {
                "type": "object",
                "properties": {
                    "title": {"type": "string"},
                    "x": {"type": "integer", "default": 0},
                },
                "required": ["title"],
            },
            "kind": {"type": "string", "enum": ["line", "dot"], "default": "line"},
            "m": {"anyOf": [{"type": "number"}, {"type": "null"}], "default": None},
        },
        "required": ["z", "a", "point"],
        "additionalProperties": False,
    }
    assert list(schema(draw)["properties"]) == ["z", "a", "point", "kind", "m"]


def test_references_are_left_only_where_a_type_holds_itself() -> None:
    def plant(tree: Tree, other: Point) -> None:
        """Plant."""

    text = json.dumps(schema(plant))
    assert "#/$defs/Tree" in text
    assert "#/$defs/Point" not in text


def test_parameters_are_described_in_a_google_docstring() -> None:
    def grep(pattern: str, path: str = ".", deep: bool = False) -> None:
        """Search files
        for an expression.

        More on this.

        Args:
            pattern: A regular expression,
                as Python has them.
            path (str): Where to begin.

        Returns:
            deep: not an argument.
        """

    properties = schema(grep)["properties"]
    assert properties["pattern"]["description"] == "A regular expression, as Python has them."
    assert properties["path"]["description"] == "Where to begin."
    assert "description" not in properties["deep"]
    doc = read_docstring(grep, "grep")
    assert doc.summary == "Search files for an expression."
    assert "More on this." in doc.text


def test_parameters_are_described_in_a_sphinx_docstring() -> None:
    def grep(pattern: str, path: str = ".") -> None:
        """Search files.

        :param pattern: A regular expression,
            as Python has them.
        :param str path: Where to begin.
        :returns: nothing
        """

    properties = schema(grep)["properties"]
    assert properties["pattern"]["description"] == "A regular expression, as Python has them."
    assert properties["path"]["description"] == "Where to begin."


def test_without_a_docstring_the_name_speaks() -> None:
    def high_tide() -> None: ...

    assert read_docstring(high_tide, "high_tide").summary == "high tide"


def test_the_spec_of_a_plugin_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "search.py"
    file.write_text(
        "from __future__ import annotations\n"
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n"
        "    from llmos import Context\n"
        "from llmos import syscall\n"
        "\n"
        "@syscall(\n    needs='fs.read',\n    timeout=5,\n    effect='pure',\n)\n"
        "def grep(pattern: str, ctx: Context, me: int = 1) -> str:\n"
        '    """Search."""\n'
        "    return f'{pattern} {ctx.pid}'\n"
        "@syscall(name='tide')\n"
        "async def _hidden(ctx) -> None:\n"
        '    """Tell the tide."""\n'
    )
    grep, tide = load_file(file, "search")
    assert grep.spec.model_dump(exclude_defaults=True) == {
        "name": "grep",
        "plugin": "search",
        "summary": "Search.",
        "description": "Search.",
        "parameters": {
            "type": "object",
            "properties": {
                "pattern": {"type": "string"},
                "me": {"type": "integer", "default": 1},
            },
            "required": ["pattern"],
            "additionalProperties": False,
        },
        "needs": "fs.read",
        "timeout_s": 5.0,
        "effect": "pure",
        "parallel": True,
        "is_async": False,
        "source": "search.py:12",
    }
    assert (tide.spec.name, tide.spec.is_async, tide.spec.effect) == ("tide", True, "once")
    assert tide.spec.timeout_s == 30
    assert tide.spec.tool() == {
        "type": "function",
        "function": {
            "name": "tide",
            "description": "Tell the tide.",
            "parameters": {
                "type": "object",
                "properties": {},
                "required": [],
                "additionalProperties": False,
            },
        },
    }


def test_what_no_grammar_can_hold_a_model_to_is_checked_all_the_same(tmp_path: Path) -> None:
    file = tmp_path / "pick.py"
    file.write_text(
        "from typing import Annotated\nfrom pydantic import Field\nfrom llmos import syscall\n"
        "@syscall\ndef pick(\n"
        "    step: Annotated[int, Field(multiple_of=5)],\n"
        "    code: Annotated[str, Field(pattern='^[a-z]+$', max_length=4)],\n"
        "    when: Annotated[str, Field(pattern=r'^\\d+\\\\b$')] = '',\n"  # a backslash, a b
        ") -> str:\n    'Pick.'\n    return 'picked'\n"
    )
    (pick,) = load_file(file, "pick")
    ctx = Context(pid=1, call_id="1", root=tmp_path)
    good = {"step": 10, "code": "abcd"}
    assert invoke(pick, good, ctx, 100) == "picked"
    for wrong, message in (
        ({"step": 7}, "step: expected a multiple of 5, got 7"),
        ({"code": "abcde"}, "code: expected"),
    ):
        with pytest.raises(EINVAL, match=message):
            invoke(pick, good | wrong, ctx, 100)


def test_the_docstring_is_cut_into_what_it_says_of_what(tmp_path: Path) -> None:
    file = tmp_path / "search.py"
    file.write_text(
        "from llmos import syscall\n"
        "@syscall(needs=['fs.read', 'net.http'], idempotent=True, approve=True, max_output=500,\n"
        "         trusted_args=['path'])\n"
        "def grep(pattern: str, path: str = '.') -> str:\n"
        '    """Search files.\n\n'
        "    It may take long.\n\n"
        "    Args:\n        pattern: what to look for,\n            in whatever case\n"
        "        path: where\n\n"
        '    Example:\n        grep(pattern="tide")\n        grep(pattern="ebb")\n\n'
        '    It follows links.\n    """\n'
    )
    (grep,) = load_file(file, "search")
    spec = grep.spec
    assert spec.summary == "Search files."
    assert spec.description == "Search files.\n\nIt may take long.\n\nIt follows links."
    assert spec.example == 'grep(pattern="tide")\ngrep(pattern="ebb")'
    assert spec.parameters["properties"]["pattern"]["description"] == (
        "what to look for, in whatever case"
    )
    assert (spec.needs, spec.capabilities) == ("fs.read, net.http", ("fs.read", "net.http"))
    assert (spec.effect, spec.approve, spec.max_output) == ("idempotent", True, 500)
    assert spec.trusted_args == ("path",)


def test_a_decorated_function_is_still_a_function() -> None:
    @syscall
    def double(number: int) -> int:
        """Double."""
        return number * 2

    assert double(21) == 42


def test_importing_llmos_loads_nothing_heavy() -> None:
    import subprocess
    import sys

    code = (
        "import sys, llmos; before = set(sys.modules); from llmos import syscall, Context;"
        "print([m for m in ('pydantic', 'pluggy', 'asyncio') if m in sys.modules],"
        "'llmos.syscalls' in before)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split("]")[0] == "["
    assert out.stdout.strip().endswith("False")
