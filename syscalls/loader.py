"""From a plugin's module to its syscalls. Whatever is wrong becomes one LoadError."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from . import hooks, where
from .arguments import Arguments, read_signature
from .decorator import Mark, mark_of, marked
from .docstring import read_docstring
from .errno import LoadError
from .spec import SyscallSpec

USER_PACKAGE = "llmos_user_plugins"


@dataclass(frozen=True, slots=True)
class Syscall:
    """A syscall where its function is: in the plugin's worker, or in the kernel if built in."""

    spec: SyscallSpec
    function: Callable[..., Any]
    arguments: Arguments


def load_module(name: str, plugin: str) -> list[Syscall]:
    """Import a module by name; its syscalls."""
    return _load(lambda: importlib.import_module(name), plugin, None)


def load_file(path: Path, plugin: str) -> list[Syscall]:
    """Import one file; its syscalls. Files beside it can be imported, and shadow nothing."""
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    return _load(lambda: _import_file(path), plugin, str(path))


def _import_file(path: Path) -> ModuleType:
    name = f"{USER_PACKAGE}.{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None, "a .py file always has a loader"
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    # Without a bytecode cache: it goes by whole seconds, and would miss a quick second save.
    exec(compile(path.read_bytes(), path, "exec"), module.__dict__)
    return module


def _load(import_it: Callable[[], ModuleType], plugin: str, file: str | None) -> list[Syscall]:
    try:
        module = import_it()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin may call sys.exit when it is imported
        cause = " ".join(where.describe(error).split())
        raise LoadError(cause, where=where.of_error(error, file)) from error
    found: dict[str, Syscall] = {}
    for function, mark in _functions(module):
        made = _make(function, mark, plugin)
        if other := found.get(mark.name):
            if other.function is function:
                continue
            raise LoadError(
                f"two syscalls are called {mark.name}, the other at {other.spec.source}",
                where=made.spec.source,
            )
        found[mark.name] = made
    return list(found.values())


def _functions(module: ModuleType) -> Iterator[tuple[Callable[..., Any], Mark]]:
    """The marked functions that the plugin itself defines, then those of its hook."""
    for value in list(vars(module).values()):
        mark = mark_of(value)
        if mark and _is_at_home(value, module):
            yield value, mark
    manager = hooks.register(module)
    try:
        results = [list(functions) for functions in manager.hook.llmos_syscalls()]
    except Exception as error:
        place = where.of_error(error, module.__file__)
        raise LoadError(f"llmos_syscalls: {where.describe(error)}", where=place) from error
    for function in (function for functions in results for function in functions):
        try:
            yield function, mark_of(function) or marked(function)
        except (TypeError, ValueError) as error:
            raise LoadError(f"llmos_syscalls: {error}") from error


def _is_at_home(function: Callable[..., Any], module: ModuleType) -> bool:
    """A syscall imported from another plugin is used, not brought along."""
    home = function.__module__
    if home == module.__name__:
        return True
    package = module.__name__.partition(".")[0]
    ours = __name__.partition(".")[0]
    return package not in (ours, USER_PACKAGE) and home.startswith(f"{package}.")


def _make(function: Callable[..., Any], mark: Mark, plugin: str) -> Syscall:
    source = where.of_function(function)
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise LoadError(f"{mark.name}: it yields, and a syscall returns its result", where=source)
    doc = read_docstring(function, mark.name)
    arguments = read_signature(function, mark.name, doc.arguments)
    spec = SyscallSpec(
        name=mark.name,
        plugin=plugin,
        summary=doc.summary,
        description=doc.text,
        parameters=arguments.schema,
        needs=mark.needs,
        timeout_s=mark.timeout_s,
        effect=mark.effect,
        listed=mark.listed,
        is_async=inspect.iscoroutinefunction(function),
        source=source,
    )
    return Syscall(spec, function, arguments)
