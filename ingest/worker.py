"""The reading process: `python -m llmos.ingest.worker`. A path a line in, a document a line out.

What it reads was written by anyone, and PDFium is not written in Python: it may write no file and
use no more than `MAX_MEMORY`, and whoever started it ends it when it takes too long.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from . import kinds
from .passage import Unreadable

MAX_MEMORY = 2 << 30


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the client decides
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # a library that prints must not answer in our place
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    for line in sys.stdin:
        json.dump(answer(json.loads(line)), answers)
        answers.write("\n")
        answers.flush()


def answer(path: str) -> dict[str, Any]:
    """The document, or why there is none."""
    try:
        return asdict(kinds.read(Path(path)))
    except Unreadable as error:
        return {"error": str(error)}
    except OSError as error:
        return {"error": error.strerror or str(error)}
    except MemoryError:
        return {"error": f"reading it takes more than {MAX_MEMORY >> 30} GiB"}
    except Exception as error:  # a library met what it does not expect
        return {"error": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    main()
