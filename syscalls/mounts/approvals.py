"""What was agreed to: of each mount its syscalls, word for word.

A model obeys what it reads, and the description of a tool is what it reads first. So a server that
describes a tool otherwise than yesterday does not speak to a model before a person has looked.
The file holds whole descriptions and not hashes alone: they can be compared, and the syscalls of a
server are there while it still starts.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..spec import SyscallSpec

_log = logging.getLogger(__name__)
_TOLD = {"name", "summary", "description", "parameters", "effect"}


def digest(spec: SyscallSpec) -> str:
    """Of all that a model is told, and of what a repeated call would do."""
    told = json.dumps(spec.model_dump(include=_TOLD), sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Approved:
    """Of one mount. `fingerprint` is of its settings when they were agreed to. No `specs` yet: it
    may be run, and what it offers first is agreed to with that."""

    fingerprint: str
    specs: dict[str, SyscallSpec] | None = None


class Approvals:
    """A file of the state folder, written whole and to the disk each time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._approved: dict[str, Approved] = {}
        self.damaged = False
        """What was agreed to cannot be read: then nothing is taken on trust."""
        self._read()

    def of(self, name: str) -> Approved | None:
        return self._approved.get(name)

    def agree(self, name: str, fingerprint: str, specs: Iterable[SyscallSpec] | None) -> None:
        """From now on this is what was agreed to. Raises OSError."""
        by_name = None if specs is None else {spec.name: spec for spec in specs}
        agreed = Approved(fingerprint, by_name)
        self._write(self._approved | {name: agreed})
        self._approved[name] = agreed

    def _read(self) -> None:
        try:
            content = json.loads(self._path.read_bytes())
            for name, one in content.items():
                self._approved[name] = Approved(one["fingerprint"], _read_specs(name, one))
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
            _log.error("%s cannot be read: %s", self._path, error)
            self._approved, self.damaged = {}, True

    def _write(self, approved: dict[str, Approved]) -> None:
        content = {
            name: {
                "fingerprint": one.fingerprint,
                "sha256": {n: digest(spec) for n, spec in (one.specs or {}).items()},
                "syscalls": None
                if one.specs is None
                else [spec.model_dump() for spec in one.specs.values()],
            }
            for name, one in approved.items()
        }
        new = self._path.with_suffix(".new")
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(new, "w", opener=_private) as file:
            json.dump(content, file, indent=1, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _read_specs(name: str, one: dict[str, Any]) -> dict[str, SyscallSpec] | None:
    """Raises ValueError, KeyError, TypeError."""
    if one["syscalls"] is None:
        return None
    specs = {spec["name"]: SyscallSpec.model_validate(spec) for spec in one["syscalls"]}
    if {spec.name: digest(spec) for spec in specs.values()} != one["sha256"]:
        raise ValueError(f"the syscalls of {name} are not those of their hashes")
    return specs


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
