"""Verbs that plugins bring. The kernel writes down which there are; a plugin's own code is imported
here when its verb is used, and not before."""

from __future__ import annotations

import os

from .errors import ConfigError
from .verb import TABLE, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from .paths import Paths

HOOK = "llmos_verbs"

_read: tuple[str, int, dict[str, Any]] = ("", 0, {})
"""The file that was read last, when it was written, and what it says of verbs."""


def summaries(paths: Paths) -> dict[str, str]:
    """Of the verbs that plugins bring, by name; without those whose name is taken."""
    return {name: one["summary"] for name, one in _known(paths).items() if name not in TABLE}


def find(name: str, paths: Paths) -> Verb | None:
    """The verb of a plugin. Raises ConfigError when the plugin cannot be used."""
    known = _known(paths).get(name)
    if known is None or name in TABLE:
        return None
    try:
        verbs = _verbs(_import(known["source"]))
    except Exception as error:
        plugin = known["source"]["plugin"]
        raise ConfigError(
            f"the plugin {plugin}, which brings {name}, cannot be imported here: "
            f"{type(error).__name__}: {error}",
            f"llmos plugins show {plugin}",
        ) from error
    found: Verb | None = verbs.get(name)
    return found


def _known(paths: Paths) -> dict[str, Any]:
    global _read
    path = os.path.join(paths.state_dir, "plugin-manifest.json")
    try:
        written = os.stat(path).st_mtime_ns
        if _read[:2] != (path, written):
            import json

            with open(path, "rb") as file:
                _read = path, written, json.load(file).get("verbs", {})
    except (OSError, ValueError):
        return {}
    return _read[2]


def _import(source: dict[str, Any]) -> ModuleType:
    from importlib import import_module
    from importlib.util import module_from_spec, spec_from_file_location
    from sys import modules, path

    if source["module"]:
        return import_module(source["module"])
    folder, name = os.path.split(source["file"])
    if folder not in path:
        path.append(folder)  # for its helpers
    spec = spec_from_file_location(f"llmos_user_plugins.{name.removesuffix('.py')}", source["file"])
    assert spec is not None and spec.loader is not None, "a .py file always has a loader"
    module = module_from_spec(spec)
    modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _verbs(module: ModuleType) -> dict[str, Verb]:
    import pluggy

    manager = pluggy.PluginManager("llmos")
    manager.register(module)
    return {verb.name: verb for verbs in manager.hook.llmos_verbs() for verb in verbs}
