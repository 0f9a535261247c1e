"""What verbs take, read from the words of a line: pids, texts, durations, amounts, limits."""

from __future__ import annotations

import argparse
import os
import stat
import sys
from select import select

from .errors import ConfigError, UsageError
from .verb import Context, did_you_mean, option

PUZZLED_S = 2.0
"""How long stdin may stay silent before the user is told that it is waited for."""

CONSUMED = ("tokens", "syscalls", "engine_s", "wall_s", "pages")
HELD = ("children", "depth", "pipes")
RESOURCES = (*CONSUMED, *HELD)
"""What the kernel can limit (`kernel/limits.py`)."""

MULTIPLES = {"k": 1_000, "m": 1_000_000}
UNITS_S = {"s": 1, "m": 60, "h": 3600}
LEAST_NICE, NICEST = -20, 19


# ---- one word ----------------------------------------------------------------------------------


def pid(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a pid (llmos ps lists them)")
    return int(text)


def duration(text: str) -> float:
    """Seconds, or a number with s, m or h behind it."""
    duration_s = _scaled(text, UNITS_S)
    if not 0 < duration_s < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration (try 30, 90s, 5m or 1h)")
    return duration_s


def nice(text: str) -> int:
    digits = text.removeprefix("-").removeprefix("+")
    if not (digits.isdecimal() and LEAST_NICE <= int(text) <= NICEST):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a nice value: {LEAST_NICE} (first) to {NICEST} (last)"
        )
    return int(text)


def budget(text: str) -> int:
    """A number of tokens, 1 or more."""
    tokens = _scaled(text, MULTIPLES)
    if not 1 <= tokens < 1e15 or tokens != int(tokens):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of tokens (try 500, 10k or 1m)")
    return int(tokens)


def limit(text: str) -> tuple[str, list[float | None]]:
    """`tokens=10k` (the same as :10k, hard alone), `wall_s=50s:1m`, `pages=200:` (soft alone)."""
    name, _, amounts = text.partition("=")
    if name not in RESOURCES:
        near = did_you_mean(name, RESOURCES)
        raise argparse.ArgumentTypeError(
            f"there is no limit {name!r}{near} (there are {', '.join(RESOURCES)})"
        )
    soft, has_hard, hard = amounts.partition(":")
    least = _amount(name, soft or hard)
    most = _amount(name, hard if has_hard else soft)
    if least is None:
        raise argparse.ArgumentTypeError(f"{text!r} names no amount (try {name}={_example(name)})")
    if most is not None and least > most:
        raise argparse.ArgumentTypeError(f"{text!r}: the soft limit is above the hard one")
    return name, [least, most]


def names(text: str) -> list[str]:
    """`a,b,c`; an empty text is no name at all."""
    return [name.strip() for name in text.split(",") if name.strip()]


def _amount(resource: str, text: str) -> float | None:
    if not text:
        return None
    is_time = resource.endswith("_s")
    amount = _scaled(text, UNITS_S if is_time else MULTIPLES)
    if not 0 <= amount < 1e15:
        kind = "a duration" if is_time else "an amount"
        raise argparse.ArgumentTypeError(f"{text!r} is not {kind} (try {_example(resource)})")
    return int(amount) if amount == int(amount) else amount


def _example(resource: str) -> str:
    return "90s or 5m" if resource.endswith("_s") else "500 or 10k"


def _scaled(text: str, units: dict[str, int]) -> float:
    """A number with a unit behind it or none; -1 when it is none."""
    unit = units.get(text[-1:].lower())
    try:
        return float(text[:-1]) * unit if unit else float(text)
    except ValueError:
        return -1.0


# ---- declared once, for the verbs that take them -----------------------------------------------

PID = option("pid", type=pid, metavar="PID", completes="pid", help="a process, as ps lists it")
PIDS = option(
    "pids", type=pid, metavar="PID", nargs="+", completes="pid", help="processes, as ps lists them"
)
TIMEOUT = option("--timeout", type=duration, metavar="TIME", help="give up after 30, 90s, 5m, 1h")
ROOT = option(
    "--root",
    metavar="DIR",
    completes="folder",
    help="the folder that its file syscalls see (default: here)",
)
NAME = option("--name", metavar="NAME", help="a name for ps")
BUDGET = option(
    "--budget", type=budget, metavar="TOKENS", help="tokens for it and its children: 500, 10k, 1m"
)
PROGRAM = option(
    "--program",
    metavar="NAME",
    default="agent",
    completes="program",
    help="what runs in it: a program of a plugin's, as acme.twice (default: agent)",
)
INTERACTIVE = option(
    "-i",
    "--interactive",
    action="store_true",
    help="it waits for more messages (send) after each answer",
)
MEANS = (
    option("--nice", type=nice, metavar="N", help="from -20 (first) to 19 (last)"),
    option(
        "--tools",
        type=names,
        metavar="A,B,C",
        completes="syscalls",
        help="the syscalls that it is offered (default: the usual ones)",
    ),
    option(
        "--limit",
        type=limit,
        action="append",
        default=[],
        metavar="RESOURCE=AMOUNT",
        completes="limit",
        help="tokens=10k, wall_s=50s:1m (soft:hard); may be repeated",
    ),
    BUDGET,
)
"""What a process may use."""


# ---- texts and folders -------------------------------------------------------------------------


def text_of(ctx: Context, given: list[str], *, adds_stdin: bool = True) -> str:
    """The text of a verb: its words, stdin, or both (the words instruct, stdin is context)."""
    spoken = " ".join(given)
    only_piped = spoken in ("", "-") and not ctx.in_session
    reads = not ctx.in_session and (only_piped or adds_stdin)
    piped = piped_text(even_from_device=only_piped) if reads else ""
    text = "\n\n".join(part for part in ("" if only_piped else spoken, piped) if part.strip())
    if not text.strip():
        raise UsageError("there is no text: give it as words, or pipe it in")
    return text


def piped_text(*, even_from_device: bool = False) -> str:
    """What a pipe or a file holds as stdin. A terminal or /dev/null holds nothing."""
    if sys.stdin is None or sys.stdin.isatty():
        return ""
    is_device = stat.S_ISCHR(os.fstat(sys.stdin.fileno()).st_mode)
    if is_device and not even_from_device:
        return ""
    if not is_device and not select([sys.stdin], [], [], PUZZLED_S)[0]:
        print("llmos: waiting for the text on stdin (none? add </dev/null)", file=sys.stderr)
    return sys.stdin.buffer.read().decode("utf-8", "replace")


def root_of(given: str | None) -> str:
    """The folder that a new process sees."""
    try:
        root = os.path.abspath(os.path.expanduser(given or os.getcwd()))
    except FileNotFoundError:
        raise ConfigError("the current folder no longer exists", "cd, or give --root") from None
    if not os.path.isdir(root):
        raise UsageError(f"--root {root} is not a folder")
    return root
