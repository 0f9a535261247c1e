"""What a plugin offers beside syscalls: programs, verbs, policies, drivers, embedding functions.

Each hook returns them by name. Here they are looked at, so that what is wrong with one is known
when the plugin is loaded and not when somebody chooses it.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pluggy

from . import where
from .errno import LoadError

PROGRAMS = "llmos_programs"
VERBS = "llmos_verbs"
SCHEDULING = "llmos_scheduling_policies"
EVICTION = "llmos_eviction_policies"
DRIVERS = "llmos_engine_drivers"
EMBEDDINGS = "llmos_embeddings"
BY_NAME = (PROGRAMS, SCHEDULING, EVICTION, DRIVERS, EMBEDDINGS)

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class Offered:
    """One thing by its name; `thing` is what the plugin returned for it."""

    hook: str
    name: str
    summary: str
    thing: Any


def read(manager: pluggy.PluginManager, module: ModuleType) -> Iterator[Offered]:
    """All that the plugin offers. Raises LoadError."""
    for hook in BY_NAME:
        for name, thing in _results(manager, module, hook, Mapping):
            if not callable(thing):
                raise LoadError(f"{hook}: {name} is {thing!r}, which cannot be called")
            if hook == PROGRAMS and not inspect.iscoroutinefunction(thing):
                raise LoadError(f"{hook}: {name} is no async def")
            yield Offered(hook, name, _summary(thing), thing)
    for verb in _results(manager, module, VERBS, Iterable):
        name, handler = getattr(verb, "name", None), getattr(verb, "handler", None)
        if not isinstance(name, str) or not inspect.iscoroutinefunction(handler):
            raise LoadError(f"{VERBS}: {verb!r} is no Verb with an async def as its handler")
        yield Offered(VERBS, _checked(VERBS, name), str(verb.summary), verb)


def _results(manager: pluggy.PluginManager, module: ModuleType, hook: str, kind: Any) -> Any:
    """What the plugin's function of that hook returns, one after the other."""
    try:
        results = getattr(manager.hook, hook)()
    except Exception as error:
        place = where.of_error(error, module.__file__)
        raise LoadError(f"{hook}: {where.describe(error)}", where=place) from error
    for result in results:
        if not isinstance(result, kind):
            wish = "a dict of names" if kind is Mapping else "a list"
            raise LoadError(f"{hook} returns {wish}, not {type(result).__name__}")
        if kind is Mapping:
            for name, thing in result.items():
                yield _checked(hook, name), thing
        else:
            yield from result


def _checked(hook: str, name: object) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise LoadError(f"{hook}: {name!r} is no name: letters, digits, _ and -, a letter first")
    return name


def _summary(thing: object) -> str:
    return " ".join(inspect.cleandoc(thing.__doc__ or "").split("\n\n", 1)[0].split())
