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

import pluggy

from . import hooks, offers, where
from .arguments import Arguments, read_signature
from .decorator import Mark, mark_of, marked
from .docstring import read_docstring
from .errno import LoadError
from .offers import Offered
from .spec import SyscallSpec
from .wire import Source

USER_PACKAGE = "llmos_user_plugins"


@dataclass(frozen=True, slots=True)
class Syscall:
    """A syscall where its function is: in the plugin's worker, or in the kernel if built in."""

    spec: SyscallSpec
    function: Callable[..., Any]
    arguments: Arguments
    batch: Callable[..., Any] | None = None


@dataclass(frozen=True, slots=True)
class Plugin:
    """All that a plugin's module brings. `files` are those of its own that it was read from."""

    module: ModuleType
    manager: pluggy.PluginManager
    calls: tuple[Syscall, ...]
    hooks: tuple[str, ...]
    offers: tuple[Offered, ...]
    files: tuple[str, ...]


def load(source: Source) -> Plugin:
    """Import a plugin where its source says. Raises LoadError."""
    for folder in source.folders:
        if folder not in sys.path:
            sys.path.append(folder)
    if source.module:
        return _load(lambda: importlib.import_module(source.module), source.plugin, None)
    path = Path(source.file)
    # Files beside it can be imported, and shadow nothing.
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    return _load(lambda: _import_file(path), source.plugin, source.file)


def load_module(name: str, plugin: str) -> list[Syscall]:
    """Import a module by name; its syscalls."""
    return list(load(Source(plugin=plugin, module=name)).calls)


def load_file(path: Path, plugin: str) -> list[Syscall]:
    """Import one file; its syscalls."""
    return list(load(Source(plugin=plugin, file=str(path))).calls)


def _import_file(path: Path) -> ModuleType:
    name = f"{USER_PACKAGE}.{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None, "a .py file always has a loader"
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    # Without a bytecode cache: it goes by whole seconds, and would miss a quick second save.
    exec(compile(path.read_bytes(), path, "exec"), module.__dict__)
    return module


def _load(import_it: Callable[[], ModuleType], plugin: str, file: str | None) -> Plugin:
    before = set(sys.modules)
    try:
        module = import_it()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin may call sys.exit when it is imported
        cause = " ".join(where.describe(error).split())
        raise LoadError(cause, where=where.of_error(error, file)) from error
    manager = hooks.register(module)
    found: dict[str, Syscall] = {}
    for function, mark in _functions(module, manager):
        made = make_syscall(function, mark, plugin)
        if other := found.get(mark.name):
            if other.function is function:
                continue
            raise LoadError(
                f"two syscalls are called {mark.name}, the other at {other.spec.source}",
                where=made.spec.source,
            )
        found[mark.name] = made
    return Plugin(
        module,
        manager,
        tuple(found.values()),
        hooks.implemented(manager, module),
        tuple(offers.read(manager, module)),
        _files(module, before),
    )


def _files(module: ModuleType, before: set[str]) -> tuple[str, ...]:
    """The files of the module's own package, or of its folder, that importing it has read."""
    own = getattr(module, "__file__", None)
    if not own:
        return ()
    package = module.__name__.partition(".")[0]
    folder = str(Path(own).parent)
    files = {own}
    for name in sys.modules.keys() - before:
        file = getattr(sys.modules[name], "__file__", None)
        if not file:
            continue
        beside = package == USER_PACKAGE and str(Path(file).parent) == folder
        if beside or name.partition(".")[0] == package:
            files.add(file)
    return tuple(sorted(files))


def _functions(
    module: ModuleType, manager: pluggy.PluginManager
) -> Iterator[tuple[Callable[..., Any], Mark]]:
    """The marked functions that the plugin itself defines, then those of its hook."""
    for value in list(vars(module).values()):
        mark = mark_of(value)
        if mark and _is_at_home(value, module):
            yield value, mark
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


def make_syscall(function: Callable[..., Any], mark: Mark, plugin: str) -> Syscall:
    """Raises LoadError."""
    source = where.of_function(function)
    doc = read_docstring(function, mark.name)
    arguments = read_signature(function, mark.name, doc.arguments)
    _check_returned(function, mark.name, source)
    yields_async = inspect.isasyncgenfunction(function)
    spec = SyscallSpec(
        name=mark.name,
        plugin=plugin,
        summary=doc.summary,
        description=doc.text,
        parameters=arguments.schema,
        needs=", ".join(mark.needs) or None,
        timeout_s=mark.timeout_s,
        effect=mark.effect,
        listed=mark.listed,
        approve=mark.approve,
        max_output=mark.max_output,
        trusted_args=mark.trusted_args,
        example=doc.example,
        parallel=mark.parallel,
        batch=mark.batch is not None,
        streams=yields_async or inspect.isgeneratorfunction(function),
        is_async=yields_async or inspect.iscoroutinefunction(function),
        source=source,
    )
    return Syscall(spec, function, arguments, mark.batch)


def _check_returned(function: Callable[..., Any], name: str, source: str) -> None:
    """A `def` that hands out a coroutine would never run it."""
    returned = inspect.signature(function).return_annotation
    text = returned if isinstance(returned, str) else getattr(returned, "__name__", "")
    if not inspect.iscoroutinefunction(function) and str(text).partition("[")[0] in _PROMISES:
        raise LoadError(f"{name}: it returns a promise: write async def", where=source)


_PROMISES = ("Awaitable", "Coroutine", "Future", "Task", "asyncio.Future", "asyncio.Task")
