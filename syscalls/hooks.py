"""Registers a plugin's module with pluggy, and finds hooks that would silently never run."""

from __future__ import annotations

import inspect
from types import ModuleType

import pluggy

from . import hookspecs, where
from .errno import LoadError, did_you_mean
from .hookspecs import PROJECT

hookimpl = pluggy.HookimplMarker(PROJECT)


def register(module: ModuleType) -> pluggy.PluginManager:
    """A manager for this one plugin: plugins share no process, so they share no manager.

    Raises LoadError for a misspelt hook, a hook without its marker, or a wrong parameter.
    """
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    known = names()
    for name, value in list(vars(module).items()):
        if not inspect.isfunction(value):
            continue
        options = manager.parse_hookimpl_opts(module, name)
        if options is None:
            if name in known:
                raise LoadError(f"{name} lacks @hookimpl", where=where.of_function(value))
            continue
        hook = options["specname"] or name
        if hook not in known:
            hint = did_you_mean(hook, known) or f"there are {', '.join(known)}"
            raise LoadError(f"no hook {hook}: {hint}", where=where.of_function(value))
        given = inspect.signature(getattr(hookspecs, hook)).parameters
        if strange := [name for name in inspect.signature(value).parameters if name not in given]:
            raise LoadError(
                f"the hook {hook} is given no {', '.join(strange)}", where=where.of_function(value)
            )
    try:
        manager.register(module)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise LoadError(" ".join(str(error).split("\n")[-1].split())) from error
    return manager


def names() -> list[str]:
    """Of all hooks, in their order."""
    return [name for name in vars(hookspecs) if name.startswith(f"{PROJECT}_")]


def implemented(manager: pluggy.PluginManager, module: ModuleType) -> tuple[str, ...]:
    """The hooks that this plugin implements."""
    found = {caller.name for caller in manager.get_hookcallers(module) or ()}
    return tuple(name for name in names() if name in found)
