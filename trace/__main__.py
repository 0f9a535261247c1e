"""`python -m llmos.trace`: what `llmos trace` and `llmos tune` run, in a process of its own."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from ..kernel.tracer import Event
from . import comparing, summary, tune_command
from .chrome import chrome
from .reading import Trace, TraceError, read
from .replay import CLAIRVOYANT, PLAIN

EXIT_FAULT = 2
EXIT_INTERRUPTED = 130

Told = tuple[dict[str, Any], str]
"""A document for `--json`, and the same for people."""


def main(argv: list[str] | None = None) -> int:
    options = _parser().parse_args(argv)
    try:
        document, text = options.run(options)
    except TraceError as error:
        if options.json:
            fault = {"code": "ETRACE", "message": str(error), "hint": ""}
            print(json.dumps({"ok": False, "error": fault}, indent=2))
        else:
            print(f"llmos: {error}", file=sys.stderr)
        return EXIT_FAULT
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    print(json.dumps({"ok": True, **document}, indent=2) if options.json else text)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="llmos trace", allow_abbrev=False)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Any, words: str) -> argparse.ArgumentParser:
        one = commands.add_parser(name, help=words, description=words, allow_abbrev=False)
        one.add_argument("file", type=Path, metavar="FILE", help="a trace, of llmos trace record")
        one.add_argument("--json", action="store_true", help="one JSON document on stdout")
        one.set_defaults(run=run)
        return one

    for name, run, words in (
        ("show", _show, "say what a trace holds"),
        ("replay", _replay, "run a trace again on the simulated engine"),
    ):
        one = command(name, run, words)
        one.add_argument("--chrome", type=Path, metavar="OUT", help="write it for Perfetto")
        if name == "replay":
            one.add_argument("--policy", metavar="P", help="by that policy (default: the recorded)")
    one = command("compare", _compare, "run a trace again by each policy, beside plain vLLM")
    one.add_argument(
        "--policy", metavar="P", action="append", default=[],
        help=f"may be repeated (default: the recorded one, and {CLAIRVOYANT})",
    )  # fmt: skip
    one = command("tune", tune_command.run, "search settings under which a trace goes better")
    tune_command.add_options(one)
    return parser


# ---- commands ----------------------------------------------------------------------------------


def _show(options: argparse.Namespace) -> Told:
    trace = read(options.file)
    if options.chrome is not None:
        _write(options.chrome, json.dumps(chrome(trace)))
    document = summary.summary(trace)
    return document, summary.told(document)


def _replay(options: argparse.Namespace) -> Told:
    trace = read(options.file)
    made = comparing.setup(trace)
    policy = options.policy or made.policy
    comparing.check_policies([policy])
    if options.chrome is not None and policy == PLAIN:
        raise TraceError("plain has no scheduler whose schedule could be drawn")
    events: list[Event] = []
    result = made.run(policy, write=events.append)
    if options.chrome is not None:
        header = {**trace.header, "began": 0.0}
        _write(options.chrome, json.dumps(chrome(Trace(header, tuple(events), True))))
    was = made.recorded.result
    document = {
        "policy": policy,
        "costs": made.source,
        "recorded": {"policy": made.policy, **comparing.row(was)},
        "replayed": comparing.row(result),
        "pids": made.recorded.pids,
        "completions": result.completions,
    }
    if policy == made.policy:
        document["error"] = comparing.error(was, result)
    rows = {
        f"recorded ({made.policy})": comparing.row(was),
        f"replayed ({policy})": comparing.row(result),
    }
    lines = [f"costs of a step: {made.source}", "", _table(rows)]
    return document, "\n".join(lines)


def _compare(options: argparse.Namespace) -> Told:
    made = comparing.setup(read(options.file))
    arms = options.policy or [made.policy, CLAIRVOYANT]
    comparing.check_policies(arms)
    document = comparing.compare(made, arms)
    error = document["error"]
    lines = [
        f"{document['processes']:,} processes, {document['turns']:,} generations;"
        f" costs of a step: {made.source}",
        f"replayed by {made.policy}, as it was recorded, the mean is {error['mean_ratio']:.2f}"
        f" times what it was, the makespan {error['makespan_ratio']:.2f} times;"
        f" a process is off by {error['median_error']:.0%} in the median",
        "",
        _table({f"recorded ({made.policy})": document["recorded"], **document["policies"]}),
    ]
    return document, "\n".join(lines)


# ---- output ------------------------------------------------------------------------------------


def _table(rows: dict[str, dict[str, Any]]) -> str:
    """Seconds, and beside the mean how many times better than plain it is, where that is there."""
    plain = rows.get(PLAIN)
    has_first = any("first_token" in one for one in rows.values())
    names = [*comparing.FIGURES, *(["first_token"] if has_first else []), "hit_rate", "preempted"]
    header = ["", *(name.replace("_", " ").upper() for name in names)]
    if plain is not None:
        header.append("MEAN, PLAIN ÷")
    lines = [header]
    for label, one in rows.items():
        cells = [label, *(_cell(name, one.get(name)) for name in names)]
        if plain is not None:
            cells.append(f"{plain['mean'] / max(one['mean'], 1e-9):.2f}")
        lines.append(cells)
    widths = [max(len(line[index]) for line in lines) for index in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if name == "hit_rate":
        return f"{value:.0%}"
    return str(value) if name == "preempted" else f"{value:.3f}"


def _write(path: Path, text: str) -> None:
    """Raises TraceError."""
    try:
        path.write_text(text)
    except OSError as error:
        raise TraceError(f"{path} cannot be written: {error.strerror}") from None


if __name__ == "__main__":
    sys.exit(main())
