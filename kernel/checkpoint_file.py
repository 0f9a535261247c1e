"""The file of a checkpoint.

It is a line that names the format, a line with the sha256 of the rest, and the rest: JSON,
compressed.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..syscalls.errno import EEXIST, EINVAL, EIO, ENOENT

FORMAT = b"llmos checkpoint 2\n"
"""Its number changes when an older llmos could not read the rest."""

Record = Mapping[str, Any]


def write_file(path: Path, content: Record) -> None:
    """Whole or not at all, for its owner alone. Raises EEXIST, EIO."""
    body = gzip.compress(json.dumps(content).encode(), mtime=0)
    head = FORMAT + hashlib.sha256(body).hexdigest().encode() + b"\n"
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if path.exists():
            raise EEXIST(f"{path} exists", hint="choose another name, or remove it")
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(head + body)
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise EIO(f"cannot write {path}: {error.strerror}") from None


def read_file(path: Path) -> Record:
    """Raises ENOENT, EIO, EINVAL for a file that is no checkpoint, or not a whole one."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise ENOENT(f"no such file: {path}") from None
    except OSError as error:
        raise EIO(f"cannot read {path}: {error.strerror}") from None
    if not raw.startswith(FORMAT):
        first = raw.split(b"\n", 1)[0][:40].decode(errors="replace")
        raise EINVAL(
            f"{path} is no checkpoint of this version: it begins with {first!r},"
            f" not with {FORMAT.decode().strip()!r}"
        )
    checksum, _, body = raw[len(FORMAT) :].partition(b"\n")
    if hashlib.sha256(body).hexdigest().encode() != checksum:
        raise EINVAL(f"{path} is damaged: its checksum does not match")
    content: Record = json.loads(gzip.decompress(body))
    return content
