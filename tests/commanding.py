"""The command `llmos` in the test's own process: for verbs that are quick and need no kernel."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from llmos.shell.main import main


class User:
    """Somebody with folders of their own, and no kernel."""

    def __init__(
        self, folder: Path, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.folder = folder
        self.file = folder / "config" / "llmos" / "config.toml"
        self._patch, self._capsys = patch, capsys
        for name in os.environ:
            if name.startswith("LLMOS_"):
                patch.delenv(name)
        patch.setenv("LLMOS_STATE_DIR", str(folder / "state"))
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        patch.chdir(folder)

    def llmos(self, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """What came of a command."""
        self._capsys.readouterr()
        with self._patch.context() as patch:
            for name, value in environ.items():
                patch.setenv(name, value)
            status = main(list(words))
        said = self._capsys.readouterr()
        return subprocess.CompletedProcess(words, status, said.out, said.err)

    def document(self, *words: str, **environ: str) -> dict[str, Any]:
        """The same with --json, read."""
        found: dict[str, Any] = json.loads(self.llmos(*words, "--json", **environ).stdout)
        return found

    def writes(self, text: str, name: str = "config.toml") -> Path:
        """A file in the folder of settings."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        path = self.file.parent / name
        path.write_text(text)
        return path
