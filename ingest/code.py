"""Source code: a section for each class and function, with its comment, under its full name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import tree_sitter_c
import tree_sitter_cpp
import tree_sitter_go
import tree_sitter_java
import tree_sitter_javascript
import tree_sitter_python
import tree_sitter_rust
import tree_sitter_typescript
from semantic_text_splitter import TextSplitter
from tree_sitter import Language, Node, Parser

from .passage import CODE, Passage, Section, split

GRAMMARS: dict[str, Callable[[], object]] = {
    ".c": tree_sitter_c.language,
    ".h": tree_sitter_c.language,
    ".cc": tree_sitter_cpp.language,
    ".cpp": tree_sitter_cpp.language,
    ".cxx": tree_sitter_cpp.language,
    ".hpp": tree_sitter_cpp.language,
    ".go": tree_sitter_go.language,
    ".java": tree_sitter_java.language,
    ".js": tree_sitter_javascript.language,
    ".jsx": tree_sitter_javascript.language,
    ".mjs": tree_sitter_javascript.language,
    ".py": tree_sitter_python.language,
    ".pyi": tree_sitter_python.language,
    ".rs": tree_sitter_rust.language,
    ".ts": tree_sitter_typescript.language_typescript,
    ".tsx": tree_sitter_typescript.language_tsx,
}

_DEFINITIONS = ("_definition", "_declaration", "_item", "_specifier", "_spec")
_WRAPPERS = ("definition", "declaration")
"""Fields that hold what is decorated, or exported."""
_NAMES = ("name", "declarator", "type")
"""Fields that lead to the name of what is defined, in the grammars of these languages."""
_ABOVE = ("comment", "attribute_item")
_CONTAINERS = ("block", "body", "list", "_ifdef", "_if", "_specification", "_declaration")
MAX_NAME = 80


def passages(text: str, suffix: str) -> Iterator[Passage]:
    data = text.encode("utf-8", "replace")
    root = _parser(suffix).parse(data).root_node
    lines = text.split("\n")
    sections = (
        Section(names, "\n".join(lines[first : last + 1]), first + 1)
        for names, first, last in _divided(root, 0, len(lines) - 1, ())
    )
    return split(sections, TextSplitter(CODE, trim=False))


@cache
def _parser(suffix: str) -> Parser:
    return Parser(Language(GRAMMARS[suffix]()))


def _divided(
    node: Node, first: int, last: int, names: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], int, int]]:
    """(names, first row, last row) of a node's parts: its definitions, and what is between them.
    A definition that is too large for a passage is divided in its turn."""
    row = first
    for name, begin, part in _definitions(node):
        begin, end = max(begin, row), part.end_point.row
        if end <= begin:  # a line says too little by itself
            continue
        if begin > row:
            yield names, row, begin - 1
        inner = (*names, name)
        if part.end_byte - part.start_byte > CODE[1]:
            yield from _divided(part, begin, end, inner)
        else:
            yield inner, begin, end
        row = end + 1
    if row <= last:
        yield names, row, last


def _definitions(node: Node) -> Iterator[tuple[str, int, Node]]:
    """(name, row at which it begins with its comment, node), on the first level that has any."""
    above: int | None = None
    for child in node.named_children:
        row = child.start_point.row
        if child.type.endswith(_ABOVE):
            above = row if above is None else above
            continue
        inner = _unwrapped(child)
        name = _name(inner) if inner.type.endswith(_DEFINITIONS) else ""
        if name:
            yield name, row if above is None else above, inner
        elif inner.type.endswith(_CONTAINERS):
            yield from _definitions(inner)
        above = None


def _unwrapped(node: Node) -> Node:
    for field in _WRAPPERS:
        if (inner := node.child_by_field_name(field)) is not None:
            return inner
    return node


def _name(node: Node) -> str:
    """What the node defines; nothing where it has no name."""
    inner: Node | None = node
    while inner is not None:
        node = inner
        if node.type == "qualified_identifier":  # `Boat::sail`
            break
        fields = map(node.child_by_field_name, _NAMES)
        inner = next((field for field in fields if field is not None), None)
    if node.child_count and node.type.endswith(_DEFINITIONS):
        return ""
    text = (node.text or b"").decode("utf-8", "replace")
    return text if len(text) <= MAX_NAME and "\n" not in text else ""
