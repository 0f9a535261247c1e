"""What is mounted: read from files in the form that other MCP clients use, and from a like one for
HTTP services.

    {"mcpServers": {"files": {"command": "npx", "args": ["-y", "a-server"], "env": {"KEY": "…"}},
                    "issues": {"url": "https://…/mcp", "headers": {"X-Key": "${ISSUES_KEY}"}}}}
    {"openapi": {"shop": {"description": "shop.yaml", "headers": {"X-Key": "${SHOP_KEY}"}}}}

Keys that other clients know and we do not are left alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errno import LoadError

DEFAULT_TIMEOUT_S = 60.0
MILLISECONDS_FROM = 1000
"""Some clients write a timeout in seconds, others in milliseconds: nobody means 17 minutes."""

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")
_VARIABLE = re.compile(r"\$\{(?:env:)?([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_KINDS: dict[str, Literal["mcp", "openapi"]] = {
    "mcpServers": "mcp",
    "servers": "mcp",  # VS Code's word for it
    "openapi": "openapi",
}


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A file that may be there. What a project brings along is not `trusted`: nothing of it runs
    before somebody has agreed."""

    path: Path
    trusted: bool = True


class Mount(BaseModel):
    """One server or service. Crosses to its bridge; with its secrets, so it is never shown."""

    model_config = ConfigDict(frozen=True)

    name: str
    kind: Literal["mcp", "openapi"]
    origin: str
    trusted: bool
    fingerprint: str
    """Of what the file says, before variables are put in."""
    command: str = ""
    args: tuple[str, ...] = ()
    env: dict[str, str] = {}
    cwd: str = ""
    url: str = ""
    headers: dict[str, str] = {}
    description: str = ""
    """Of a service: where its OpenAPI description is."""
    timeout_s: float = DEFAULT_TIMEOUT_S
    listed: bool = True

    @property
    def what(self) -> str:
        """What it would run or speak to, in words; without environment and headers."""
        if self.command:
            return " ".join((self.command, *self.args))
        return self.url or self.description


@dataclass(frozen=True, slots=True)
class Mistake:
    """An entry, or a whole file, that cannot be used."""

    name: str
    origin: str
    error: str


_Text = Annotated[str, Field(max_length=32_768)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="ignore")

    command: _Text = ""
    args: list[_Text] = []
    env: dict[str, _Text] = {}
    cwd: _Text = ""
    url: _Text = ""
    headers: dict[str, _Text] = {}
    description: _Text = ""
    type: str = ""
    transport: str = ""
    disabled: bool = False
    listed: bool = True
    timeout: float = Field(DEFAULT_TIMEOUT_S, gt=0)


def read(
    files: Sequence[ConfigFile], environ: Mapping[str, str] | None = None
) -> tuple[list[Mount], list[Mistake]]:
    """All that the files mount. Of one name, what stands first counts."""
    environ = os.environ if environ is None else environ
    mounts: dict[str, Mount] = {}
    mistakes: list[Mistake] = []
    for file in files:
        origin = str(file.path)
        try:
            for name, kind, entry in _entries(file.path):
                try:
                    mount = _mount(name, kind, entry, file, environ)
                    if other := mounts.get(name):
                        raise LoadError(f"{other.origin} names {name} too, and counts: rename one")
                    if mount is not None:
                        mounts[name] = mount
                except LoadError as error:
                    mistakes.append(Mistake(name, origin, str(error)))
        except LoadError as error:
            mistakes.append(Mistake(file.path.name, origin, str(error)))
    return list(mounts.values()), mistakes


def _entries(path: Path) -> Iterator[tuple[str, Literal["mcp", "openapi"], object]]:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return
    except OSError as error:
        raise LoadError(f"it cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise LoadError(f"it is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise LoadError("it is not a JSON object")
    for key, kind in _KINDS.items():
        entries = content.get(key, {})
        if not isinstance(entries, dict):
            raise LoadError(f"{key} is not a JSON object")
        for name, entry in entries.items():
            yield name, kind, entry


def _mount(
    name: str,
    kind: Literal["mcp", "openapi"],
    raw: object,
    file: ConfigFile,
    environ: Mapping[str, str],
) -> Mount | None:
    """None for one that is turned off. Raises LoadError."""
    if not NAME.fullmatch(name):
        raise LoadError(
            f"a server cannot be called {name!r}: letters, digits, _ and -, at most 32, a letter"
            " first"
        )
    try:
        entry = _Entry.model_validate(_filled(raw, environ))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "it"
        raise LoadError(f"{place}: {first['msg']}") from None
    if entry.disabled:
        return None
    _check(kind, entry)
    folder = file.path.parent
    home = Path(environ.get("HOME") or "/")
    seconds = entry.timeout / 1000 if entry.timeout >= MILLISECONDS_FROM else entry.timeout
    fingerprint = hashlib.sha256(json.dumps(raw, sort_keys=True).encode()).hexdigest()
    return Mount(
        name=name,
        kind=kind,
        origin=str(file.path),
        trusted=file.trusted,
        fingerprint=fingerprint,
        command=os.path.expanduser(entry.command),
        args=tuple(entry.args),
        env=entry.env,
        cwd=str(Path(home if file.trusted else folder, os.path.expanduser(entry.cwd))),
        url=entry.url,
        headers=entry.headers,
        description=_place(entry.description, folder),
        timeout_s=seconds,
        listed=entry.listed,
    )


def _check(kind: str, entry: _Entry) -> None:
    if "sse" in (entry.type, entry.transport):
        raise LoadError("the transport sse has been given up by MCP: ask for its streamable HTTP")
    if kind == "openapi":
        if not entry.description:
            raise LoadError("description: say where its OpenAPI description is, a file or a URL")
    elif bool(entry.command) == bool(entry.url):
        raise LoadError("name a command to run, or the url of a server that runs")
    if entry.url and urlsplit(entry.url).scheme not in ("http", "https"):
        raise LoadError(f"url: {entry.url!r} is neither http nor https")


def _place(description: str, folder: Path) -> str:
    if not description or urlsplit(description).scheme in ("http", "https"):
        return description
    return str(folder / os.path.expanduser(description))


def _filled(value: Any, environ: Mapping[str, str]) -> Any:
    """With `${NAME}`, `${NAME:-default}` and `${env:NAME}` put in."""

    def variable(match: re.Match[str]) -> str:
        name, default = match.groups()
        if name in environ:
            return environ[name]
        if default is None:
            raise LoadError(
                f"the variable {name} is not set where the kernel was booted:"
                f" set it, and then llmos halt; llmos boot"
            )
        return str(default)

    if isinstance(value, str):
        return _VARIABLE.sub(variable, value)
    if isinstance(value, list):
        return [_filled(item, environ) for item in value]
    if isinstance(value, dict):
        return {key: _filled(item, environ) for key, item in value.items()}
    return value
