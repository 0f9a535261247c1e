"""Where the install cannot go on, it says which package it is about and what to do."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def install(folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """The install script of a copy that holds only what it reads."""
    (folder / "requirements").mkdir()
    for name in ("requirements/install.sh", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / name)
    return subprocess.run(
        ["sh", "requirements/install.sh"],
        cwd=folder,
        env={**os.environ, "ENGINE": "cpu", **settings},
        capture_output=True,
        text=True,
        timeout=200,
    )


def test_a_python_that_is_too_old_is_named(tmp_path: Path) -> None:
    old = tmp_path / "python3.9"
    old.write_text('#!/bin/sh\n[ "$1" = -V ] && echo "Python 3.9.2" && exit 0\nexit 1\n')
    old.chmod(0o755)
    done = install(tmp_path, PYTHON=str(old))
    assert done.returncode == 1
    assert "is Python 3.9.2; 3.11 or newer is needed" in done.stderr
    assert "PYTHON=… make install" in done.stderr


def test_no_python_at_all_is_said(tmp_path: Path) -> None:
    done = install(tmp_path, PYTHON="python-that-is-not-there")
    assert done.returncode == 1
    assert "there is no python-that-is-not-there here" in done.stderr


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("venv") / "venv")


@pytest.mark.parametrize(
    ("requirement", "named", "way_out"),
    [
        ("torch==0.0.1+cpu", "torch", "point pip to its folder"),
        ("pluggy==0.0.0.99", "pluggy", "Another Python may have it"),
    ],
)
def test_a_package_that_cannot_be_had_is_named(
    tmp_path: Path, venv: str, requirement: str, named: str, way_out: str
) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text(f"{requirement}\n")
    done = install(tmp_path, LOCK=str(lock), VENV=venv)
    assert done.returncode == 1
    assert named in done.stderr, done.stderr
    assert way_out in done.stderr
    assert "llmos is not installed" in done.stderr
