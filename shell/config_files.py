"""Which files hold settings, and whether a project's is trusted. What they say is for `config/`.

A project's `llmos.toml` would choose, for example, what the kernel loads as a model: it counts for
nothing until its reader has said `llmos trust`, and again when it has changed.
"""

from __future__ import annotations

import os

from .paths import Paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from subprocess import Popen

PROJECT_FILE = "llmos.toml"


# ---- which files there are ---------------------------------------------------------------------


def of_kernel(paths: Paths) -> list[str]:
    """Those that there are, the weakest first: what `tune` wrote, the user's, the project's."""
    tuned = [paths.tuned, os.path.join(paths.state_dir, "kernel.toml")]
    found = [path for path in tuned if os.path.exists(path)][:1]
    if os.path.exists(paths.config):
        found.append(paths.config)
    project = project_file()
    if project and is_trusted(project, paths):
        found.append(project)
    return found


def project_file() -> str | None:
    """That of the current folder, trusted or not."""
    try:
        path = os.path.join(os.getcwd(), PROJECT_FILE)
    except FileNotFoundError:  # the folder is gone
        return None
    return path if os.path.isfile(path) else None


# ---- trust -------------------------------------------------------------------------------------


def is_trusted(path: str, paths: Paths) -> bool:
    """Whether the file is word for word the one that was trusted."""
    known = trusted(paths)
    return path in known and known[path] == _fingerprint(path)


def trusted(paths: Paths) -> dict[str, str]:
    """The fingerprints of the files that were ever trusted, by path."""
    if not os.path.exists(paths.trusted):
        return {}
    import json

    try:
        with open(paths.trusted, "rb") as file:
            found = json.load(file)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def trust(path: str, paths: Paths, *, forget: bool = False) -> None:
    """Lets the file count as it is now, or no longer."""
    import json

    known = trusted(paths)
    known.pop(path, None)
    if not forget:
        known[path] = _fingerprint(path)
    paths.make_state_dir()
    write(paths.trusted, json.dumps(known, indent=2) + "\n")


def _fingerprint(path: str) -> str:
    from hashlib import sha256

    try:
        with open(path, "rb") as file:
            return sha256(file.read()).hexdigest()
    except OSError:
        return ""


# ---- writing -----------------------------------------------------------------------------------


def write(path: str, text: str) -> None:
    """All of the file or nothing of it, whatever happens meanwhile. A link is followed: dotfiles
    often are some."""
    path = os.path.realpath(path)
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    mode = os.stat(path).st_mode & 0o777 if os.path.exists(path) else 0o600
    beside = f"{path}.{os.getpid()}~"
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)


def begin_writing(paths: Paths) -> Popen[bytes] | None:
    """At the first start of all: the file of settings, with all of them as comments. That takes
    half a second's imports, so another process does it while the kernel boots."""
    if os.path.exists(paths.config):
        return None
    import sys
    from subprocess import DEVNULL, Popen

    command = [sys.executable, "-P", "-m", "llmos", "config", "init"]
    return Popen(command, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL)
