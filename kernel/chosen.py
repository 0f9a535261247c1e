"""What is chosen by name and a plugin may bring: `oldest` is ours or an entry point's,
`acme.oldest` is the plugin acme's. A plugin that is chosen is imported where it is used:
choosing is trusting.

All of these raise LoadError for what cannot be had.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from ..memory import eviction
from ..memory.eviction import EvictionPolicy
from ..memory.plugin_embedding import PREFIX
from ..syscalls import offers
from ..syscalls.discovery import source_of
from ..syscalls.errno import LoadError
from ..syscalls.inside import QUALIFIED, offered
from . import scheduling
from .engine.driver import EngineDriver
from .scheduling import Policy
from .scheduling.settings import Settings


@functools.cache
def eviction_policy(name: str, plugins_dir: Path) -> EvictionPolicy:
    policy: EvictionPolicy = _chosen(eviction, offers.EVICTION, name, plugins_dir)
    return policy


def scheduling_policy(
    name: str,
    plugins_dir: Path,
    settings: Settings = Settings(),  # noqa: B008
) -> Policy:
    """Guarded, if it is not ours."""
    try:
        if "." not in name:
            return scheduling.load(name, settings)
        offer = offered(offers.SCHEDULING, name, plugins_dir)
        return scheduling.checked(name, scheduling.made(offer, settings))
    except ValueError as error:
        raise LoadError(str(error)) from None


def engine_driver(name: str, model: str, plugins_dir: Path) -> EngineDriver:
    """Of a plugin: `acme.name`."""
    driver: EngineDriver = offered(offers.DRIVERS, name, plugins_dir)(model)
    return driver


def embedding_model(name: str, plugins_dir: Path) -> str:
    """As the embedding process takes it, which is where a plugin's function is imported."""
    match = QUALIFIED.fullmatch(name)
    if match is None or Path(name).expanduser().exists():
        return name
    source = source_of(match["plugin"], plugins_dir)
    return PREFIX + json.dumps([source.module, source.file, match["name"]])


def _chosen(ours: Any, hook: str, name: str, plugins_dir: Path) -> Any:
    if "." in name:
        return offered(hook, name, plugins_dir)()
    try:
        return ours.load(name)
    except ValueError as error:
        raise LoadError(str(error)) from None
