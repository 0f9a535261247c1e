"""The manifest: what each outside plugin brings, so that a boot need not import it to know.

An entry holds for the files that the plugin was read from, by their SHA-256, and for this very
loader and Python. What a plugin takes from elsewhere is not looked at: its worker notices at the
first call if that makes another plugin of it. The client reads here which verbs there are.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from .wire import Loaded, Source

MAX_HASHED = 1 << 20
"""Bytes of a file."""


class Known(BaseModel):
    """A plugin as it was when it was loaded last; `files` with their hashes."""

    model_config = ConfigDict(frozen=True)

    source: Source
    version: str
    files: dict[str, str]
    loaded: Loaded
    load_ms: float


class KnownVerb(BaseModel):
    """A verb, and where the client finds its plugin."""

    model_config = ConfigDict(frozen=True)

    summary: str
    source: Source


class _Contents(BaseModel):
    loader: str = ""
    plugins: list[Known] = []
    verbs: dict[str, KnownVerb] = {}


class Manifest:
    """None: nothing is kept."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._known: dict[Source, Known] = {}
        self._written = b""

    def read(self) -> None:
        if self._path is None:
            return
        try:
            self._written = self._path.read_bytes()
            contents = _Contents.model_validate_json(self._written)
        except (OSError, ValidationError):
            return
        if contents.loader == _loader():
            self._known = {one.source: one for one in contents.plugins}

    def find(self, source: Source, version: str) -> Known | None:
        """What is known of a plugin, if that is still so."""
        known = self._known.get(source)
        if known is None or known.version != version or not known.files:
            return None
        return known if hashes(known.files) == known.files else None

    def learn(self, source: Source, version: str, loaded: Loaded, load_ms: float) -> None:
        files = hashes(loaded.files)
        self._known[source] = Known(
            source=source, version=version, files=files, loaded=loaded, load_ms=load_ms
        )

    def forget(self, source: Source) -> None:
        self._known.pop(source, None)

    def write(self, verbs: dict[str, KnownVerb]) -> None:
        """If something has changed; without those whose files are gone. A disk that is full costs
        the next boot some time."""
        if self._path is None:
            return
        plugins = [one for one in self._known.values() if all(map(os.path.exists, one.files))]
        contents = _Contents(loader=_loader(), plugins=plugins, verbs=verbs)
        data = contents.model_dump_json().encode()
        if data == self._written:
            return
        new = self._path.with_suffix(".new")
        try:
            new.write_bytes(data)
            os.replace(new, self._path)
        except OSError:
            return
        self._written = data


def hashes(files: Iterable[str]) -> dict[str, str]:
    """Of those that can be read; a large one, which is no source, by its size and time."""
    found: dict[str, str] = {}
    for file in files:
        try:
            status = os.stat(file)
            if not stat.S_ISREG(status.st_mode):
                continue
            if status.st_size > MAX_HASHED:
                found[file] = f"{status.st_size} {status.st_mtime_ns}"
                continue
            with open(file, "rb") as content:
                found[file] = hashlib.file_digest(content, "sha256").hexdigest()
        except OSError:
            continue
    return found


def _loader() -> str:
    """Which loader has made the entries: this Python's, and these files'."""
    here = os.scandir(os.path.dirname(__file__))
    stamps = sorted((one.name, one.stat().st_mtime_ns) for one in here if one.name.endswith(".py"))
    digest = hashlib.sha256(repr((sys.version, stamps)).encode())
    return digest.hexdigest()
