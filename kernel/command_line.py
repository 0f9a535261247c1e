"""How a kernel is told what to be: the arguments of `python -m llmos.kernel.boot`, and the files
with the same for good (`config_file.py`)."""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..memory import eviction
from ..memory.embedding import MINILM
from ..memory.pager import Watermarks
from ..memory.recall import EXACT_PAGES
from ..syscalls.mounts.settings import ConfigFile
from . import scheduling
from .config import (
    DRIVERS,
    KEEP_CONVERSATIONS,
    PILOT,
    PLUGIN_MEMORY_MIB,
    PREVIEW_TOKENS,
    RECALL_TOKENS,
    KernelConfig,
)
from .config_file import Said, Tables
from .engine.driver import Sampling
from .scheduling.settings import Settings


def make_parser() -> tuple[argparse.ArgumentParser, Tables]:
    """All options, and those groups of them that a file may hold, as tables."""
    parser = argparse.ArgumentParser(
        prog="python -m llmos.kernel.boot",
        description="Run the llmos kernel in the foreground; `llmos boot` runs it as a daemon.",
    )
    add, marks = parser.add_argument, Watermarks()
    add("--state-dir", type=Path, required=True, help="journal, lock and log live here")
    add("--socket", type=Path, help="default: kernel.sock in the state folder")
    add("--plugins-dir", type=Path, help="one-file plugins; default: syscalls in the state folder")
    add(
        "--config",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="options in a file; of several, a later one wins"
        " (default: kernel.toml in the state folder, if it is there)",
    )
    add(
        "--mount",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="MCP servers (mcpServers) and HTTP services (openapi), in JSON; need not be there",
    )
    add(
        "--project-mount",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="the same, of a project: nothing of it runs before `llmos mcp approve`",
    )
    add("--safe-mode", action="store_true", help="use the built-in plugins alone")
    add(
        "--plugin-memory",
        type=_positive,
        metavar="MIB",
        default=PLUGIN_MEMORY_MIB,
        help="what one worker of a plugin may hold (default: %(default)s)",
    )
    add = (engine := parser.add_argument_group("engine")).add_argument
    add(
        "--driver",
        type=OneOf(DRIVERS),
        default="vllm",
        help="engine driver: vllm, openai, simulated, or a plugin's, as acme.name"
        " (default: %(default)s)",
    )
    add(
        "--model",
        help="the pilot, a folder, or a name on the model hub; with the driver openai, the server's"
        " name for it (default: the pilot, or the only one that the server has)",
    )
    add(
        "--endpoint",
        action="append",
        default=[],
        type=_endpoint,
        metavar="URL",
        help="openai: a server, as http://host:8000/v1; several share the work",
    )
    add(
        "--key-env",
        type=_variable,
        metavar="NAME",
        help="openai: the environment variable that holds the key, which is never asked for here",
    )
    add(
        "--context-length",
        type=_positive,
        metavar="TOKENS",
        help="openai: tokens in one context window, where the server does not say (then 4096)",
    )
    add("--tool-parser", help="vLLM's name for the form of the model's tool calls")
    add("--dtype", help="number format of the weights, as vLLM names it")
    add("--max-model-len", type=_positive, help="tokens in one context window")
    add(
        "--max-num-seqs",
        type=_positive,
        help="processes in the engine at once (default: 64; with the driver openai, 16 a server)",
    )
    add("--max-num-batched-tokens", type=_positive, help="tokens that one step of it computes")
    add("--compile", action="store_true", help="compile the model: slower start, faster tokens")
    add("--temperature", type=float, help="how freely words are chosen; default: the model's own")
    add("--max-tokens", type=_positive, help="longest generation; default: the rest of the window")
    add(
        "--engine-arg",
        action="append",
        default=[],
        type=_pair,
        metavar="NAME=VALUE",
        help="any argument of vLLM's AsyncEngineArgs; the value is JSON or a word",
    )
    add = (processes := parser.add_argument_group("processes")).add_argument
    add("--max-steps", type=_positive, default=32, help="generations in one turn")
    add("--max-processes", type=_positive, default=10_000, help="live processes")
    add(
        "--max-session-processes",
        type=_positive,
        default=256,
        help="live processes of one session, so that agents which start agents stop at some point"
        " (default: %(default)s)",
    )
    add(
        "--keep-conversations",
        type=_count,
        metavar="N",
        default=KEEP_CONVERSATIONS,
        help="those that are over and stay: the newest N that were interactive, and the newest N"
        " others (default: %(default)s; 0: all)",
    )
    add = (scheduler := parser.add_argument_group("scheduler")).add_argument
    add(
        "--policy",
        "--scheduler",
        dest="scheduler",
        type=OneOf(scheduling.names()),
        default=scheduling.DEFAULT,
        help="who goes next when the engine is busy:"
        f" {', '.join(scheduling.names())}, or a plugin's, as acme.name (default: %(default)s)",
    )
    add(
        "--max-waiting",
        type=_positive,
        default=4096,
        help="processes that may wait for the engine before new work is refused"
        " (default: %(default)s)",
    )
    for name, (kind, words) in SETTINGS.items():
        add(f"--{name.replace('_', '-')}", type=kind, help=words)
    add = (memory := parser.add_argument_group("memory")).add_argument
    add(
        "--eviction",
        type=OneOf(eviction.names()),
        default=eviction.DEFAULT,
        help=f"which pages leave a full window first: {', '.join(eviction.names())}, or a plugin's,"
        " as acme.name (default: %(default)s)",
    )
    add("--high", type=_share, default=marks.high, help="share of the window at which they do")
    add("--low", type=_share, default=marks.low, help="share of the window that is left then")
    add(
        "--recall-tokens",
        type=int,
        help="how much of what has left the window may come back with a message, unasked"
        f" (default: {RECALL_TOKENS}; 0 for the pilot, which has not learned to read it)",
    )
    add(
        "--summaries",
        action="store_true",
        help="let the model sum up what leaves a window, in the background",
    )
    add(
        "--embedding-model",
        default=MINILM,
        help="by what pages are found by their meaning: a name, a folder, or - for words alone"
        " (default: %(default)s)",
    )
    add(
        "--preview-tokens",
        type=_positive,
        default=PREVIEW_TOKENS,
        help="how much of a long result an agent sees that can page_in the rest"
        " (default: %(default)s)",
    )
    add(
        "--exact-pages",
        type=_positive,
        default=EXACT_PAGES,
        help="pages of one process or knowledge base from which on recall does not look at each,"
        " but at those that words and Chroma name (default: %(default)s)",
    )
    return parser, (engine, processes, scheduler, memory)


def parse(
    argv: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ
) -> KernelConfig:
    """Read the command line; a wrong one ends with usage and status 2."""
    parser, tables = make_parser()
    given = sys.argv[1:] if argv is None else list(argv)
    options = parser.parse_args(given)
    state_dir = options.state_dir.expanduser().absolute()
    files = options.config or _if_there(state_dir / "kernel.toml")
    options = _with_files(parser, tables, given, options, files, environ)
    _together(parser, options)
    return KernelConfig(
        state_dir=state_dir,
        socket=(options.socket or state_dir / "kernel.sock").expanduser().absolute(),
        plugins_dir=(options.plugins_dir or state_dir / "syscalls").expanduser().absolute(),
        driver=options.driver,
        model=options.model or ("" if options.driver == "openai" else PILOT),
        tool_parser=options.tool_parser,
        dtype=options.dtype,
        max_model_len=options.max_model_len,
        max_num_seqs=options.max_num_seqs,
        compile=options.compile,
        engine_args=_engine_args(options),
        endpoints=tuple(dict.fromkeys(options.endpoint)),
        key_env=options.key_env or "",
        context_length=options.context_length,
        sampling=Sampling(options.temperature, options.max_tokens),
        max_steps=options.max_steps,
        max_processes=options.max_processes,
        max_session_processes=options.max_session_processes,
        keep_conversations=options.keep_conversations,
        scheduler=options.scheduler,
        scheduling=Settings(**{name: getattr(options, name) for name in SETTINGS}),
        max_waiting=options.max_waiting,
        eviction=options.eviction,
        recall_tokens=options.recall_tokens,
        summaries=options.summaries,
        embedding_model=options.embedding_model,
        exact_pages=options.exact_pages,
        watermarks=_watermarks(parser, options.high, options.low),
        preview_tokens=options.preview_tokens,
        mounts=() if options.safe_mode else _mount_files(options.mount, options.project_mount),
        safe_mode=options.safe_mode,
        plugin_memory_mib=options.plugin_memory,
    )


def _with_files(
    parser: argparse.ArgumentParser,
    tables: Tables,
    given: Sequence[str],
    options: argparse.Namespace,
    files: Sequence[Path],
    environ: Mapping[str, str],
) -> argparse.Namespace:
    """The same with what the files and the environment say. The command line alone has been read:
    what is wrong now is the fault of the file that was added last, and the message names it."""
    said = Said(tables)
    try:
        for path in files:
            path = path.expanduser().absolute()
            said.add_file(path)
            parser.prog = str(path)
            options = parser.parse_args([*said.line(), *given])
        said.add_environment(environ)
    except ValueError as error:
        parser.error(str(error))
    parser.prog = "LLMOS_… of the environment"
    options = parser.parse_args([*said.line(), *given])
    own = said.models.get(options.model)
    if own is None:
        return options
    parser.prog = f"[models.{options.model}]"
    return parser.parse_args([*said.line(own), *given, *own["--model"]])


def _if_there(path: Path) -> list[Path]:
    return [path] if path.exists() else []


def _mount_files(own: Sequence[Path], of_project: Sequence[Path]) -> tuple[ConfigFile, ...]:
    trusted = [(path, True) for path in own] + [(path, False) for path in of_project]
    return tuple(ConfigFile(path.expanduser().absolute(), trust) for path, trust in trusted)


def _together(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """What makes sense only with a driver, or not without something."""
    if options.driver == "openai":
        if not options.endpoint:
            parser.error("--driver openai needs --endpoint URL, such as http://localhost:8000/v1")
    elif options.endpoint or options.key_env or options.context_length:
        parser.error("--endpoint, --key-env and --context-length are for --driver openai")


def _engine_args(options: argparse.Namespace) -> dict[str, Any]:
    tokens = options.max_num_batched_tokens
    sizes = {} if tokens is None else {"max_num_batched_tokens": tokens}
    return {**sizes, **dict(options.engine_arg)}


def _watermarks(parser: argparse.ArgumentParser, high: float, low: float) -> Watermarks:
    if low >= high:
        parser.error(f"--low {low:g} is not below --high {high:g}")
    return Watermarks(high=high, low=low)


class OneOf:
    """One of ours, or a plugin's, which has a point in it and is looked for at boot."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self.__doc__ = f"{', '.join(names)}, or a plugin's"

    def __call__(self, text: str) -> str:
        if text not in self.names and "." not in text:
            raise argparse.ArgumentTypeError(
                f"{text!r} is none of {', '.join(self.names)}, nor a plugin's, as acme.name"
            )
        return text


def _endpoint(text: str) -> str:
    """A server's address, without a slash at its end; /v1 where it has no path."""
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no address: {error}") from None
    if url.username or url.password:
        raise argparse.ArgumentTypeError("a key does not belong in an address: --key-env NAME")
    if url.scheme not in ("http", "https") or not url.hostname or port == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no address like http://localhost:8000/v1")
    if url.query or url.fragment:
        raise argparse.ArgumentTypeError(f"{text!r} has more than an address in it")
    return f"{url.scheme}://{url.netloc}{url.path.rstrip('/') or '/v1'}"


def _variable(text: str) -> str:
    """The name of an environment variable. What is none may be a key, and is not said again."""
    if not re.fullmatch(r"[A-Z_][A-Z0-9_]{0,63}", text):
        raise argparse.ArgumentTypeError(
            "it takes the name of an environment variable, in capitals, such as OPENAI_API_KEY"
        )
    return text


def _share(text: str) -> float:
    """A number above 0, to 1."""
    share = float(text)
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return share


def _positive(text: str) -> int:
    """A whole number from 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return number


def _count(text: str) -> int:
    """A whole number from 0."""
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is not 0 or more")
    return number


def _factor(text: str) -> float:
    """A number above 1."""
    factor = float(text)
    if not 1 < factor < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a number above 1")
    return factor


def _some(text: str) -> float:
    """A number from 0."""
    number = float(text)
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not 0 or more")
    return number


def _pair(text: str) -> tuple[str, Any]:
    """NAME=VALUE."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    try:
        return name.replace("-", "_"), json.loads(value)
    except json.JSONDecodeError:
        return name.replace("-", "_"), value


SETTINGS: dict[str, tuple[Callable[[str], float], str]] = {
    "level_tokens": (_positive, "mlfq: what a process has had when it leaves the first level"),
    "level_factor": (_factor, "mlfq: how many times as wide as the one before a level is"),
    "quantum_tokens": (_positive, "round-robin, fair: tokens of one turn of the wheel"),
    "patience_s": (_some, "seconds of waiting after which age counts before the policy"),
    "keep_spreads": (_some, "how much longer than usual a syscall may last and blocks are kept"),
    "longest_keep_s": (_some, "seconds for which blocks are kept over a syscall at most"),
}
"""Of the scheduler; without them it goes by its own (`scheduling/settings.py`)."""
