"""The arrows between the rooms point one way."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

MAY_IMPORT = {
    "kernel": {"memory", "syscalls"},
    "memory": set(),
    "syscalls": set(),
    "plugins": {"syscalls"},
    "ingest": set(),
    "config": {"kernel"},
    "shell": {"kernel", "ingest", "config"},
    "gateway": {"shell"},
    "scripting": {"shell", "kernel"},
    "trace": {"kernel", "memory"},
    "pilot": set(),
}
CLIENTS_MAY_SEE_OF_KERNEL = {"messages"}
SCRIPTS_MAY_SEE_OF_SHELL = {"async_client", "client", "errors", "paths"}


def imports(file: Path) -> Iterator[tuple[str, str]]:
    """(room, module inside it) of every relative import that leaves the file's room."""
    room = file.relative_to(ROOT).parts[0]
    package = file.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(file.read_text())):
        if not isinstance(node, ast.ImportFrom) or node.level == 0:
            continue
        base = package[: len(package) - node.level + 1]
        target = (*base, *(node.module or "").split("."))
        target = tuple(part for part in target if part)
        names = [target] if target else [(alias.name,) for alias in node.names]
        for name in names:
            if name[0] in MAY_IMPORT and name[0] != room:
                inner = name[1] if len(name) > 1 else node.names[0].name
                yield name[0], inner


def sources(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_what_stands_below_it(room: str) -> None:
    assert sources(room), f"{room}/ is empty"
    for file in sources(room):
        for target, _ in imports(file):
            assert target in MAY_IMPORT[room], f"{file.relative_to(ROOT)} imports {target}"


@pytest.mark.parametrize("room", ["shell", "scripting"])
def test_clients_see_only_the_kernels_messages(room: str) -> None:
    for file in sources(room):
        for target, inner in imports(file):
            assert target != "kernel" or inner in CLIENTS_MAY_SEE_OF_KERNEL, f"{file.name}: {inner}"


def test_scripts_see_only_the_shells_client() -> None:
    for file in sources("scripting"):
        for target, inner in imports(file):
            assert target != "shell" or inner in SCRIPTS_MAY_SEE_OF_SHELL, f"{file.name}: {inner}"


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_inside_the_package_imports_are_relative(room: str) -> None:
    for file in sources(room):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            else:
                continue
            assert not any(name.split(".")[0] == "llmos" for name in names), file


def test_no_engine_is_imported_outside_its_driver() -> None:
    """vLLM and torch take many seconds to import: only the driver and the pilot's recipe do."""
    for room in MAY_IMPORT:
        for file in sources(room):
            text = file.read_text()
            if file.name.startswith("vllm") or room == "pilot":
                continue
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.ImportFrom) and node.level == 0:
                    assert (node.module or "").split(".")[0] not in {"vllm", "torch"}, file


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_no_circle_inside_a_room(room: str) -> None:
    """Imports for type checkers alone count, too: a circle is a circle for its reader."""
    graph = {file: set(neighbours(file)) for file in sources(room)}
    done: set[Path] = set()

    def visit(file: Path, path: tuple[Path, ...]) -> None:
        assert file not in path, " → ".join(p.name for p in (*path[path.index(file) :], file))
        if file not in done:
            for target in graph[file]:
                visit(target, (*path, file))
            done.add(file)

    for file in graph:
        visit(file, ())


def neighbours(file: Path) -> Iterator[Path]:
    """Files of the same room that a file imports."""
    for node in ast.walk(ast.parse(file.read_text())):
        if not isinstance(node, ast.ImportFrom) or node.level == 0:
            continue
        folder = file.parent
        for _ in range(node.level - 1):
            folder = folder.parent
        base = folder.joinpath(*(node.module or "").split("."))
        modules = [base / alias.name for alias in node.names]
        modules += [base] if node.module else []
        candidates = [module.with_suffix(".py") for module in modules]
        candidates += [module / "__init__.py" for module in modules]
        for candidate in candidates:
            if candidate.exists() and candidate.is_relative_to(
                ROOT / file.relative_to(ROOT).parts[0]
            ):
                yield candidate


def test_every_package_is_in_the_wheel() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = {"llmos"} | {
        ".".join(("llmos", *file.relative_to(ROOT).parent.parts))
        for room in MAY_IMPORT
        for file in sources(room)
    }
    assert set(listed) == found


def test_no_stray_module_at_the_root() -> None:
    assert {file.name for file in ROOT.glob("*.py")} == {"__init__.py", "__main__.py"}
