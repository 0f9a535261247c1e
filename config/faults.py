"""What is wrong in a file of settings, each with its line."""

from __future__ import annotations

import contextlib
import io
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ..kernel import command_line, config_file
from .declared import Setting, declared

MODELS = config_file.MODELS
OPENERS = ('"""', "'''")


@dataclass(frozen=True, slots=True)
class Fault:
    """`file:line` and what is wrong there; `hint` is the way out, or empty. One that is `fatal`
    leaves nothing of the file to be read."""

    file: str
    line: int
    name: str
    message: str
    hint: str = ""
    fatal: bool = False

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.message}"

    def record(self) -> dict[str, Any]:
        return asdict(self)


def faults_of(path: Path) -> list[Fault]:
    """All faults of a file; of one that is not TOML, the first."""
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text)
    except OSError as error:
        return [Fault(str(path), 1, "", f"it cannot be read: {error.strerror}", fatal=True)]
    except UnicodeDecodeError:
        return [Fault(str(path), 1, "", "it is not UTF-8", fatal=True)]
    except tomllib.TOMLDecodeError as error:
        return [_syntax(path, text, str(error))]
    at = lines_of(text)
    found = [
        Fault(str(path), _line(at, name), name, message, hint)
        for name, message, hint in _mistakes(content)
    ]
    models = [str(name) for name in content.get(MODELS, {})] if not found else []
    return sorted(found or _of_all_together(path, at, models), key=lambda fault: fault.line)


def faults_of_environment(environ: Mapping[str, str]) -> list[Fault]:
    """Of the variables that say what a file could say; `file` is the variable, the line 0."""
    found = []
    for table, known in declared().items():
        by_variable = {one.variable: one for one in known.values()}
        for name in environ:
            if not name.startswith(f"LLMOS_{table.upper()}_"):
                continue
            setting = by_variable.get(name)
            if setting is None:
                near = nearest(name, by_variable)
                found.append(Fault(name, 0, "", "no setting has this variable", near))
                continue
            try:
                setting.value_of(environ[name])
            except ValueError as error:
                found.append(Fault(name, 0, setting.name, str(error), f"it is {setting.allowed}"))
    return found


def lines_of(text: str) -> dict[str, int]:
    """Where each table and each key stands, by their dotted names; lines count from 1."""
    found: dict[str, int] = {}
    table, inside = "", ""
    for number, line in enumerate(text.splitlines(), 1):
        if inside:  # a text of several lines
            inside = "" if inside in line else inside
            continue
        header = re.match(r"\s*\[\[?\s*([^\]]+?)\s*\]", line)
        key = re.match(r"""\s*([\w."'-]+(?:\s*\.\s*[\w"'-]+)*)\s*=""", line)
        if header and not key:
            table = _plain(header[1])
            found.setdefault(table, number)
        elif key:
            name = _plain(key[1])
            found.setdefault(f"{table}.{name}" if table else name, number)
            rest = line[key.end() :]
            inside = next((mark for mark in OPENERS if rest.count(mark) == 1), "")
    return found


def _plain(name: str) -> str:
    return re.sub(r"""["'\s]""", "", name)


def _line(at: dict[str, int], name: str) -> int:
    """Of what a name is about, or of the table that it is in."""
    while name and name not in at:
        longer = [at[known] for known in at if known.startswith(f"{name}.")]
        if longer:
            return min(longer)
        name = name.rpartition(".")[0]
    return at.get(name, 1)


def _syntax(path: Path, text: str, message: str) -> Fault:
    """`… (at line 3, column 5)` or `… (at end of document)`, as tomllib says it."""
    found = re.search(r" \(at line (\d+), column \d+\)", message)
    line = int(found[1]) if found else max(len(text.splitlines()), 1)
    words = message.removesuffix(found[0]) if found else message
    message = f"this is not TOML: {words[:1].lower()}{words[1:]}"
    return Fault(str(path), line, "", message, fatal=True)


def _mistakes(content: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Name, message, hint."""
    for table, values in content.items():
        if table not in (*declared(), MODELS):
            yield table, *_unknown_table(table, values)
        elif not isinstance(values, dict):
            yield table, f"{table} is a table: [{table}]", ""
        elif table == MODELS:
            for name, entry in values.items():
                yield from _of_model(name, entry)
        else:
            yield from _of_table(table, declared()[table], values)


def _of_model(name: str, entry: Any) -> Iterator[tuple[str, str, str]]:
    table = f"{MODELS}.{name}"
    if not isinstance(entry, dict):
        yield table, f"{table} is a table: [{table}]", ""
        return
    yield from _of_table(table, declared()["engine"], entry)
    if "model" not in entry:
        yield table, f"[{table}] says no model", 'model = "a folder, or a name"'


def _of_table(
    table: str, known: dict[str, Setting], values: dict[str, Any]
) -> Iterator[tuple[str, str, str]]:
    for key, value in values.items():
        name = f"{table}.{key}"
        if key not in known:
            yield name, f"there is no setting {name}", nearest(key, known)
            continue
        try:
            known[key].check(value)
        except ValueError as error:
            yield name, f"{name}: {error}", f"it is {known[key].allowed}"


def nearest(key: str, known: dict[str, Setting]) -> str:
    """A hint for a key that there is not."""
    near = get_close_matches(key, known, n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"


def _unknown_table(table: str, values: Any) -> tuple[str, str]:
    tables = [*declared(), MODELS]
    near = get_close_matches(table, tables, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(tables)}"
    if isinstance(values, dict):
        return f"there is no table [{table}]", hint
    homes = [name for name, keys in declared().items() if table in keys]
    return f"{table} stands in no table", f"put it into [{homes[0]}]" if homes else hint


def _of_all_together(path: Path, at: dict[str, int], models: Sequence[str]) -> list[Fault]:
    """What only shows when the kernel reads all of it: one setting against another, with the model
    that is the default, and with each of the others."""
    words = [f"--state-dir={path.parent}", f"--config={path}"]
    if message := _refusal(words):
        return [Fault(str(path), _line(at, _named_in(message, at)), "", message)]
    found = []
    for name in models:
        if message := _refusal([*words, f"--model={name}"]):
            table = f"{MODELS}.{name}"
            found.append(Fault(str(path), _line(at, table), table, f"[{table}]: {message}"))
    return found


def _refusal(words: list[str]) -> str:
    """What the kernel would say of a command line; empty if it takes it."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            command_line.parse(words, {})
    except SystemExit:
        return said.getvalue().strip().rpartition(" error: ")[2]
    return ""


def _named_in(message: str, at: dict[str, int]) -> str:
    """The first setting of the file that a message is about."""
    keys = [word.removeprefix("--").replace("-", "_") for word in message.split()]
    return next((name for name in at if name.rpartition(".")[2] in keys), "")
