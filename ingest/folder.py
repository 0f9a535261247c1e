"""Files below folders: which ones are meant, and what happens to them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from watchfiles import DefaultFilter, watch

from . import code, kinds
from .text import PEEK, is_binary

_SKIPPED = frozenset(DefaultFilter.ignore_dirs) | {"venv"}
_SKIPPED_FILES = [re.compile(pattern) for pattern in DefaultFilter.ignore_entity_patterns]


def files(root: str) -> Iterator[str]:
    """The file itself; or all below a folder that can be documents, in order: none that is hidden,
    made by a tool, or binary. Links to folders are not followed."""
    if not os.path.isdir(root):
        yield root
        return
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if _is_meant(name))
        for name in sorted(names):
            path = os.path.join(folder, name)
            if _is_meant(name) and os.path.isfile(path) and may_be_document(path):
                yield path


def changes(roots: list[str]) -> Iterator[set[str]]:
    """Paths that have changed, come or gone, as it happens, until the caller stops. A folder stands
    for all below it."""

    def meant(_: object, path: str) -> bool:
        return any(_is_below(path, root) for root in roots)

    watched = [root for root in roots if os.path.exists(root)]
    for found in watch(*watched, watch_filter=meant, debounce=400, raise_interrupt=True):
        yield {path for _, path in found}


def may_be_document(path: str) -> bool:
    """By its suffix, or by its first bytes."""
    suffix = Path(path).suffix.lower()
    if suffix in kinds.KINDS or suffix in code.GRAMMARS:
        return True
    try:
        with open(path, "rb") as file:
            return not is_binary(file.read(PEEK))
    except OSError:
        return True  # reading it says why it cannot be read


def _is_below(path: str, root: str) -> bool:
    """Is it the root, or below it and meant?"""
    if path == root:
        return True
    below = os.path.relpath(path, root)
    return not below.startswith("..") and all(map(_is_meant, below.split(os.sep)))


def _is_meant(name: str) -> bool:
    hidden = name.startswith(".")
    return not hidden and name not in _SKIPPED and not any(p.search(name) for p in _SKIPPED_FILES)
