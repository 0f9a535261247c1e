"""What the user has decided about plugins: which are not to be used, other names, what is allowed.

A small JSON file beside the folder of one-file plugins. The kernel writes it for `llmos plugins …`,
and reads it again when it has changed.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from .decorator import NAME
from .errno import EINVAL

Action = Literal["enable", "disable", "alias", "approve"]


class PluginSettings(BaseModel):
    """`alias` leads from `acme.grep` to another name for that syscall, or from an origin, as
    `llmos plugins` shows it, to another name for that plugin. `approved` are the syscalls that
    want to be approved and are, as `acme.deploy`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    disabled: tuple[str, ...] = ()
    alias: dict[str, str] = {}
    approved: tuple[str, ...] = ()

    def after(self, action: Action, name: str, value: str = "") -> PluginSettings:
        """With one more decision. Raises EINVAL."""
        match action:
            case "enable":
                return self._with(disabled=tuple(one for one in self.disabled if one != name))
            case "disable":
                return self._with(disabled=(*(n for n in self.disabled if n != name), name))
            case "approve":
                return self._with(approved=(*(n for n in self.approved if n != name), name))
            case "alias":
                others = {key: other for key, other in self.alias.items() if key != name}
                if value and not NAME.fullmatch(value):
                    raise EINVAL(
                        f"{value!r} is no name: lower-case letters, digits and _, a letter first"
                    )
                return self._with(alias=others | ({name: value} if value else {}))

    def _with(self, **changed: object) -> PluginSettings:
        return self.model_copy(update=changed)


NONE = PluginSettings()


@dataclass(slots=True)
class SettingsFile:
    """None: nothing is decided, and nothing can be. `error` says why the file is not in use."""

    path: Path | None
    settings: PluginSettings = NONE
    error: str = ""
    _signature: tuple[int, ...] | None = None

    def read(self) -> bool:
        """Has it changed since it was read?"""
        signature = self._stat()
        if signature == self._signature:
            return False
        self._signature = signature
        self.error = ""
        if signature is None or self.path is None:
            self.settings = NONE
            return True
        try:
            self.settings = PluginSettings.model_validate_json(self.path.read_bytes())
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"]))
            self.error = f"{self.path}: {f'{place}: ' if place else ''}{first['msg']}"
        except OSError as error:
            self.error = f"{self.path}: {error.strerror}"
        return True

    def write(self, settings: PluginSettings) -> None:
        """Raises EINVAL where there is no such file, or one that would be written over unread."""
        if self.path is None:
            raise EINVAL("this kernel has no settings of plugins")
        if self.error:
            raise EINVAL(self.error, hint="mend the file first")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps(settings.model_dump(mode="json"), indent=1) + "\n")
        os.replace(new, self.path)
        self.read()

    def _stat(self) -> tuple[int, ...] | None:
        try:
            status = self.path.stat() if self.path else None
        except OSError:
            return None
        return (status.st_mtime_ns, status.st_size, status.st_ino) if status else None
