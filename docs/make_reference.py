"""Writes docs/reference/ from the code: verbs, syscalls, settings, errors, Python.

python docs/make_reference.py           writes the pages
python docs/make_reference.py --check   says which are stale, and exits with 1
"""

from __future__ import annotations

import argparse
import asyncio
import inspect
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from llmos.config.declared import PARTS, declared
from llmos.config.template import literal
from llmos.kernel.plugin_view import syscall
from llmos.scripting import errors as of_scripts
from llmos.scripting import group, kernel, means, process
from llmos.shell import errors as of_the_shell
from llmos.shell.following import EXIT_WORDS
from llmos.shell.verb import COMMON, Arg, Verb
from llmos.shell.verbs import TABLE
from llmos.shell.verbs.syscalls import page
from llmos.syscalls import errno
from llmos.syscalls.registry import PluginRegistry

REFERENCE = Path(__file__).parent / "reference"
MADE = "<!-- Made by `make reference` from the code. -->\n"
WIDTH = 92


def pages() -> dict[str, str]:
    """The pages' texts by their files' names."""
    return {
        "verbs.md": verbs(),
        "syscalls.md": asyncio.run(syscalls()),
        "settings.md": settings(),
        "errors.md": errors(),
        "python.md": python(),
    }


# ---- verbs -------------------------------------------------------------------------------------


def verbs() -> str:
    listed = list(TABLE.values())
    lines = [
        "# Verbs\n",
        "Each is `llmos VERB` from outside and `VERB` in the shell, unless it says otherwise."
        " `llmos help VERB` shows the same. All take:\n",
        *_options(COMMON),
    ]
    for one in listed:
        lines += _verb(one)
    return "\n".join(lines) + "\n"


def _verb(one: Verb) -> Iterator[str]:
    yield f"\n## {one.name}\n"
    where = {"session": " In the shell alone.", "outside": " From outside alone."}
    summary = one.summary[0].upper() + one.summary[1:]
    yield f"{summary}.{where.get(one.kind, '')}\n"
    words = " ".join(_placeholder(arg) for arg in one.args if not arg.is_option)
    yield f"```\nllmos {one.name}{' [OPTION …]' if _has_options(one) else ''} {words}".rstrip()
    yield "```"
    yield from _options(one.args)


def _has_options(one: Verb) -> bool:
    return any(arg.is_option and arg.is_listed for arg in one.args)


def _options(args: tuple[Arg, ...]) -> Iterator[str]:
    rows = [arg for arg in args if arg.is_listed and (arg.is_option or arg.options.get("help"))]
    if rows:
        yield "\n| | |\n|---|---|"
        yield from (f"| {_spelled(arg)} | {_cell(_help(arg))} |" for arg in rows)


def _help(arg: Arg) -> str:
    text = str(arg.options.get("help") or "")
    choices = arg.options.get("choices")
    if choices and not all(str(choice) in text for choice in choices):
        text += f" ({', '.join(map(str, choices))})"
    return text % {"default": arg.options.get("default")} if "%(" in text else text


def _spelled(arg: Arg) -> str:
    if not arg.is_option:
        return f"`{_placeholder(arg)}`"
    value = f" {_metavar(arg)}" if arg.takes_value else ""
    return ", ".join(f"`{flag}{value}`" for flag in arg.flags)


def _placeholder(arg: Arg) -> str:
    name = _metavar(arg)
    return {"*": f"[{name} …]", "?": f"[{name}]", "+": f"{name} …"}.get(
        str(arg.options.get("nargs", "")), name
    )


def _metavar(arg: Arg) -> str:
    return str(arg.options.get("metavar") or arg.flags[-1].lstrip("-").upper())


# ---- syscalls ----------------------------------------------------------------------------------


async def syscalls() -> str:
    lines = [
        "# Syscalls\n",
        "Those that are built in, by plugin; `llmos man NAME` shows the same, and the pages of your"
        " own. An agent is offered those marked with a star, and any other that it names"
        " (`--tools`).",
    ]
    with tempfile.TemporaryDirectory() as nothing:
        registry = PluginRegistry(Path(nothing), environ={"LLMOS_LOAD_PLUGINS": ""})
        await registry.load()
        specs = sorted(registry.table.specs(), key=lambda spec: (spec.plugin, spec.name))
        await registry.close()
    plugin = ""
    for spec in specs:
        if spec.plugin != plugin:
            plugin = spec.plugin
            lines.append(f"\n## {plugin}")
        star = " ★" if spec.listed else ""
        lines.append(f"\n### {spec.name}{star}\n\n```\n{_man(syscall(spec))}\n```")
    return "\n".join(lines) + "\n"


def _man(info: Any) -> str:
    """The page without what is of one machine."""
    fields = {name: getattr(info, name) for name in info.__dataclass_fields__}
    text = page(SimpleNamespace(**fields | {"source": ""}), WIDTH)  # type: ignore[arg-type]
    return text.rstrip()


# ---- settings ----------------------------------------------------------------------------------


def settings() -> str:
    lines = [
        "# Settings\n",
        "What `config.toml` may hold ([configuration](../configuration.md)), with what holds"
        " otherwise. `llmos config` shows the same with the values that hold.",
    ]
    for table, known in declared().items():
        lines += [f"\n## {table}\n", f"{PARTS[table]}\n"]
        lines += ["| setting | default | may be | |", "|---|---|---|---|"]
        for one in known.values():
            default = "" if one.default is None else f"`{literal(one.default)}`"
            lines.append(f"| `{one.key}` | {default} | {_cell(one.allowed)} | {_cell(one.help)} |")
    return "\n".join(lines) + "\n"


# ---- errors ------------------------------------------------------------------------------------


def errors() -> str:
    lines = [
        "# Exit statuses and errors\n",
        "`run` and `wait` exit as their process does, every other verb with one of the shell's.\n",
        "## Of a process\n",
        "| status | |",
        "|---|---|",
        "| 0 | it did what it was to do |",
        "| 1 | it failed |",
        *(f"| {status} | {words} |" for status, words in sorted(EXIT_WORDS.items())),
        "\n## Of the shell\n",
        "| status | code | |",
        "|---|---|---|",
        "| 0 | | done |",
        *_shell_errors(),
        *(
            f"| {status} | {code} | the kernel's answer |"
            for code, status in sorted(of_the_shell.EXIT_OF_ERRNO.items(), key=lambda one: one[1])
        ),
        "| 1 | any other | the kernel's answer |",
        "\n## Errnos\n",
        "What an agent reads when a syscall fails, and a client when a request does.\n",
        "| errno | |",
        "|---|---|",
        *(f"| {name} | {words} |" for name, words in _errnos()),
    ]
    return "\n".join(lines) + "\n"


def _shell_errors() -> Iterator[str]:
    found = [
        error
        for error in vars(of_the_shell).values()
        if isinstance(error, type)
        and issubclass(error, of_the_shell.ShellError)
        and error not in (of_the_shell.ShellError, of_the_shell.KernelError)
    ]
    for error in sorted(found, key=lambda one: (one.exit_status, one.code)):
        (words, *_) = (error.__doc__ or "").strip().split("\n\n")[0].split(". ")
        yield f"| {error.exit_status} | {error.code} | {_lower(words)} |"


def _errnos() -> list[tuple[str, str]]:
    """Their meanings are told once, in the tree at the top of the file."""
    return re.findall(r"[├└]── (E[A-Z]+) +(.*)", errno.__doc__ or "")


def _lower(words: str) -> str:
    return words[0].lower() + words[1:].rstrip(".")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


# ---- Python ------------------------------------------------------------------------------------


def python() -> str:
    lines = [
        "# Python\n",
        "What `llmos` offers to scripts ([scripting.md](../scripting.md) shows how it goes"
        " together). `llmos.sync` has the same without `async`.",
        "\n## llmos.connect\n",
        *_callable("llmos.connect", kernel.connect),
    ]
    for title, found in (
        ("The kernel", kernel.Kernel),
        ("A process", process.Process),
        ("How one ended", process.Exit),
        ("A group", group.Group),
        ("What a process may use", means.Means),
    ):
        lines += [f"\n## {title}\n", f"`{found.__name__}`. {_doc(found)}"]
        for name, member in vars(found).items():
            if not name.startswith("_") and inspect.isfunction(member) and member.__doc__:
                lines += [f"\n### {name}\n", *_callable(name, member)]
            elif not name.startswith("_") and isinstance(member, property):
                lines += [f"\n### {name}\n", _doc(member)]
    lines.append("\n## What can go wrong\n")
    for error in vars(of_scripts).values():
        if isinstance(error, type) and issubclass(error, Exception):
            lines.append(f"- `{error.__name__}`: {_lower(_doc(error))}")
    return "\n".join(lines) + "\n"


def _callable(name: str, function: Any) -> Iterator[str]:
    before = "await " if inspect.iscoroutinefunction(function) else ""
    signature = str(inspect.signature(function)).replace("'", "").replace("(self, ", "(")
    signature = signature.replace("(self)", "()").replace("*, **", "**")
    yield f"```python\n{before}{name}{signature}\n```\n"
    yield _doc(function)


def _doc(thing: Any) -> str:
    text = inspect.getdoc(thing) or ""
    return text.replace("<", "&lt;")


# ---- the command -------------------------------------------------------------------------------


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    stale = []
    for name, text in pages().items():
        file = REFERENCE / name
        text = f"{MADE}\n{text}"
        if not file.exists() or file.read_text() != text:
            stale.append(name)
            if not check:
                file.write_text(text)
    if stale:
        print(f"{'stale' if check else 'written'}: {', '.join(stale)}")
    return 1 if stale and check else 0


if __name__ == "__main__":
    sys.exit(main())
