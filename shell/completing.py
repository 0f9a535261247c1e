"""What may come next on a line of the system's shell: offers for its last word.

The scripts for bash, zsh and fish (`completion_scripts.py`) hold verbs and options themselves, and
ask here for the rest, by `llmos __complete`.
"""

from __future__ import annotations

from . import extensions
from .arguments import RESOURCES
from .client import Client
from .errors import ShellError
from .paths import Paths
from .verb import COMMON, TABLE, Arg, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Offers = list[tuple[str, str]]

PATIENCE_S = 1.0
FILES = ":files"
"""In place of offers: the shell is to complete the name of a file."""
OF_FILES = ("path", "folder", "words")


def offers(words: list[str], paths: Paths) -> Offers:
    """For the last of the words, which may be empty: what it may be, and what that is."""
    *given, word = [part for part in words[:-1] if part != "="] + words[-1:]
    if not given:
        found = [(one.name, one.summary) for one in outside()]
        found += extensions.summaries(paths).items()
    else:
        found = _of_verb(given, word, paths)
    return [one for one in found if one[0].startswith(word) or one[0] == FILES]


def outside() -> list[Verb]:
    """The verbs that are there outside of the interactive shell."""
    return [one for one in TABLE.values() if one.kind != "session"]


def options_of(found: Verb) -> Offers:
    """Its options in their long spelling."""
    return [
        (arg.flags[-1], str(arg.options.get("help", "")))
        for arg in (*found.args, *COMMON)
        if arg.is_option and arg.is_listed
    ]


def _of_verb(given: list[str], word: str, paths: Paths) -> Offers:
    found = TABLE.get(given[0]) or extensions.find(given[0], paths)
    if found is None:
        return []
    if word.startswith("-"):
        return options_of(found)
    arg = _argument(found, given[1:])
    if arg is None:
        return []
    if "choices" in arg.options:
        return [(str(choice), "") for choice in arg.options["choices"]]
    kind = arg.completes or ("path" if arg.options.get("metavar") in ("DIR", "FILE") else "")
    if kind in OF_FILES:
        return [(FILES, "")]
    if kind == "value":
        return _values(given[-1])
    return _known(kind, word, paths)


def _argument(found: Verb, given: list[str]) -> Arg | None:
    """The one that the next word belongs to."""
    options = {flag: arg for arg in (*found.args, *COMMON) if arg.is_option for flag in arg.flags}
    positionals = [arg for arg in found.args if not arg.is_option]
    num_given, waiting = 0, None
    for part in given:
        if waiting is not None:
            waiting = None
        elif part in options:
            waiting = options[part] if options[part].takes_value else None
        else:
            num_given += 1
    if waiting is not None:
        return waiting
    if num_given < len(positionals):
        return positionals[num_given]
    last = positionals[-1] if positionals else None
    return last if last is not None and last.options.get("nargs") in ("*", "+") else None


# ---- what is known, by kind ---------------------------------------------------------------------


def _known(kind: str, word: str, paths: Paths) -> Offers:
    if kind == "verb":
        return [(one.name, one.summary) for one in outside()]
    if kind == "limit":
        return [(f"{name}=", "") for name in RESOURCES]
    if kind == "signal":
        from .verbs.signalling import SIGNALS

        return [(name, words) for name, (_, words) in SIGNALS.items()]
    if kind in ("column", "state"):
        from .verbs.processes import SORTS, STATES

        return [(name, "") for name in (SORTS if kind == "column" else STATES)]
    if kind in ("setting", "model"):
        return of_settings(kind, [], paths)
    return _of_kernel(kind, word, paths)


def of_settings(kind: str, given: list[str], paths: Paths) -> Offers:
    """What `config.toml` holds: settings, values of the one that was given last, models."""
    if kind == "model":
        return _models(paths)
    if kind == "value":
        return _values(given[-1])
    from ..config.declared import settings

    return [(name, one.help) for name, one in settings().items()]


def _values(name: str) -> Offers:
    """What the setting of that name may be, where that can be listed."""
    from ..config.declared import settings

    setting = settings().get(name)
    if setting is None:
        return []
    if setting.allowed == "true or false":
        return [("true", ""), ("false", "")]
    return [(choice, "") for choice in setting.choices]


def _models(paths: Paths) -> Offers:
    from ..config.models import all_models
    from ..config.values import models
    from .config_files import of_kernel

    try:
        return [(name, one.source) for name, one in all_models(models(of_kernel(paths))).items()]
    except ValueError:  # a file that is not TOML
        return []


def _of_kernel(kind: str, word: str, paths: Paths) -> Offers:
    """Nothing where none runs, or it does not answer at once."""
    read = _OF_KERNEL.get(kind)
    if read is None:
        return []
    op, rows = read
    try:
        with Client(paths.socket, PATIENCE_S) as client:
            found = rows(client.ask(op))
    except ShellError:
        return []
    chosen = word[: word.rfind(",") + 1] if kind == "syscalls" else ""
    return [(chosen + name, meta) for name, meta in found]


def _pids(answer: Any) -> Offers:
    return [
        (str(info.pid), f"{info.name or info.program}, {info.state}") for info in answer.processes
    ]


def _syscalls(answer: Any) -> Offers:
    return [(info.name, info.summary) for info in answer.syscalls]


def _plugins(answer: Any) -> Offers:
    return [(info.name, info.origin) for info in answer.plugins]


def _policies(answer: Any) -> Offers:
    return [(name, "") for name in answer.policies]


_OF_KERNEL = {
    "pid": ("ps", _pids),
    "syscall": ("syscalls", _syscalls),
    "syscalls": ("syscalls", _syscalls),
    "plugin": ("plugins", _plugins),
    "policy": ("scheduler", _policies),
}
"""What is asked, and how the answer is read."""
