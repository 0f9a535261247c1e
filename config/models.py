"""The models that can be served: the pilot, those with a table of their own, those that are in the
hub's cache; and a look at whether one would load.

A table says what the command line would. `[models.NAME]` of an endpoint:

    driver = "openai"
    endpoint = "http://127.0.0.1:8000/v1"
    model = "its name there"
    key_env = "THE_VARIABLE_THAT_HOLDS_THE_KEY"
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..kernel.config import PILOT, KernelConfig
from .declared import declared
from .model_folder import cached_models, faults_of_folder

PATIENCE_S = 5.0
MOST_BYTES = 4 << 20
OF_ENDPOINTS = "openai"
"""The driver of an endpoint."""


@dataclass(frozen=True, slots=True)
class Model:
    """`kind` is built-in, folder, hub or endpoint; `options` are those of its table."""

    name: str
    kind: str
    source: str
    options: Mapping[str, Any]
    in_table: bool = False

    @property
    def served_as(self) -> str:
        """What the kernel says of it while it runs."""
        return str(self.options.get("model", self.name))

    def folder(self) -> Path | None:
        """Where its files are, if they are here."""
        if self.kind in ("built-in", "folder"):
            return Path(_path(self.served_as))
        return cached_models().get(self.served_as) if self.kind == "hub" else None

    def record(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "kind": self.kind,
            "source": self.source,
            "options": dict(self.options),
        }


def all_models(tables: Mapping[str, Mapping[str, Any]]) -> dict[str, Model]:
    """By name; `tables` are those that the files have."""
    found = {PILOT: Model(PILOT, "built-in", "comes with llmos", {})}
    found |= {name: of_table(name, options) for name, options in tables.items()}
    for name, folder in cached_models().items():
        found.setdefault(name, Model(name, "hub", str(folder), {}))
    return found


def of_table(name: str, options: Mapping[str, Any]) -> Model:
    model = str(options.get("model", ""))
    if "endpoint" in options:
        return Model(name, "endpoint", f"{model} at {', '.join(endpoints(options))}", options, True)
    kind = "folder" if Path(_path(model)).is_absolute() else "hub"
    return Model(name, kind, model, options, True)


def endpoints(options: Mapping[str, Any]) -> list[str]:
    """The addresses of its servers; `/v1` where one has no path."""
    said = options.get("endpoint", [])
    found = [str(one).rstrip("/") for one in (said if isinstance(said, list) else [said])]
    return [one if "/" in one.partition("://")[2] else f"{one}/v1" for one in found]


def named(name: str) -> Model:
    """One that has no table: a folder, or a name on the hub."""
    path = Path(_path(name))
    return Model(name, "folder" if path.is_dir() else "hub", str(path), {})


def _path(model: str) -> str:
    """What the engine would load: a folder, or a name that it looks up."""
    return KernelConfig(Path(), Path(), Path(), model=model).model_path()


# ---- what stands in the way ---------------------------------------------------------------------


def faults_of_model(model: Model) -> list[str]:
    """Why it would not load, as far as can be told without loading it. Asks an endpoint."""
    driver = str(model.options.get("driver", ""))
    missing = missing_driver(driver)
    if missing:
        return [missing]
    if model.kind == "endpoint":
        return _faults_of_endpoints(model)
    folder = model.folder()
    if folder is None:
        return [f"{model.served_as} is not in the hub's cache; the first boot would fetch it"]
    if not folder.is_dir():
        return [f"there is no folder {folder}"]
    return faults_of_folder(folder)


def missing_driver(driver: str) -> str:
    """What this kernel lacks for a driver; empty if it has it, or a plugin might."""
    known = declared()["engine"]["driver"].choices
    if not driver or driver in known or "." in driver:
        return ""
    return f"this kernel has no driver {driver!r} (it has {', '.join(known)})"


def _faults_of_endpoints(model: Model) -> list[str]:
    variable = str(model.options.get("key_env", ""))
    key = os.environ.get(variable, "") if variable else ""
    if variable and not key:
        return [f"the variable {variable}, which is to hold the key, is not set here"]
    found = [_fault_of_endpoint(one, model.served_as, key) for one in endpoints(model.options)]
    return [fault for fault in found if fault]


def _fault_of_endpoint(endpoint: str, name: str, key: str) -> str:
    try:
        served = _served(f"{endpoint}/models", key)
    except (OSError, ValueError) as error:
        return f"{endpoint} cannot be asked: {error}"
    if served and name not in served:
        return f"{endpoint} does not serve {name}, but {', '.join(sorted(served)[:10])}"
    return ""


def _served(url: str, key: str) -> set[str]:
    """The names that an OpenAI-compatible server lists. Raises OSError, ValueError."""
    from urllib.request import HTTPRedirectHandler, Request, build_opener

    class Stay(HTTPRedirectHandler):
        """Nobody sends the key on to somebody else."""

        def redirect_request(self, *_: Any) -> None:
            return None

    if not url.startswith(("http://", "https://")):
        raise ValueError("its address begins with http:// or https://")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with build_opener(Stay).open(Request(url, headers=headers), timeout=PATIENCE_S) as answer:
        found = json.loads(answer.read(MOST_BYTES))
    rows = found.get("data", []) if isinstance(found, dict) else []
    return {str(one["id"]) for one in rows if isinstance(one, dict) and "id" in one}
