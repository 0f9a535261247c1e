"""The verbs config and trust: what is set, by whom, and how to set it.

What can be set is the kernel's to say, and reading that takes a moment: `config/` is imported here
when one of these verbs is used.
"""

from __future__ import annotations

import os
import sys

from .. import config_files
from ..errors import ConfigError, UsageError
from ..output import cut, table
from ..paths import Paths
from ..verb import Context, Outcome, did_you_mean, option, verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ...config.declared import Setting
    from ...config.faults import Fault

ACTIONS = ("list", "get", "set", "unset", "check", "path", "edit", "init")
EXIT_CONFIG = 78
NEXT_BOOT = "the kernel takes it at its next boot: llmos halt, llmos boot"


@verb(
    "config",
    "list, get, set and check settings (config.toml)",
    option(
        "action", nargs="?", default="list", choices=ACTIONS, metavar="ACTION",
        help=", ".join(ACTIONS) + " (default: list)",
    ),
    option("name", nargs="?", completes="setting", metavar="NAME", help="such as engine.model"),
    option("value", nargs="?", completes="value", metavar="VALUE", help="what to set it to"),
    option("--set", dest="only_set", action="store_true", help="list what is not the default"),
)  # fmt: skip
async def config(ctx: Context) -> Outcome:
    """One of the actions; each is a function below."""
    args = ctx.args
    if args.action in ("get", "set", "unset") and args.name is None:
        raise UsageError(f"which setting? llmos config {args.action} NAME", "llmos config list")
    if (args.action == "set") != (args.value is not None):
        raise UsageError("set takes a NAME and a VALUE", "llmos config set engine.model pilot")
    return {
        "list": _list, "get": _get, "set": _set, "unset": _unset,
        "check": _check, "path": _path, "edit": _edit, "init": _init,
    }[args.action](ctx)  # fmt: skip


# ---- looking ------------------------------------------------------------------------------------


def _list(ctx: Context) -> Outcome:
    held = held_settings(ctx.paths)
    if ctx.args.name is not None:
        held = {name: one for name, one in held.items() if name.startswith(ctx.args.name)}
    if ctx.args.only_set:
        held = {name: one for name, one in held.items() if one.source != "default"}
    rows = [(name, text_of(one.value), _short(one.source)) for name, one in held.items()]
    text = table(("SETTING", "VALUE", "FROM"), rows, ctx.out.width) if rows else ""
    return Outcome({"settings": [one.record() for one in held.values()]}, text)


def _get(ctx: Context) -> Outcome:
    """The value on stdout, for scripts; where it comes from beside it."""
    one = held_settings(ctx.paths)[_setting(ctx.args.name).name]
    ctx.out.progress(f"from {_short(one.source)}: {one.setting.help}")
    return Outcome(one.record(), text_of(one.value))


def _path(ctx: Context) -> Outcome:
    """The file that `set` writes; with --json those that count, too."""
    files = config_files.of_kernel(ctx.paths)
    return Outcome({"path": ctx.paths.config, "files": files}, ctx.paths.config)


def _check(ctx: Context) -> Outcome:
    """Every file that counts, a project's that is not trusted too."""
    from pathlib import Path

    from ...config.faults import faults_of, faults_of_environment

    files = config_files.of_kernel(ctx.paths)
    project = config_files.project_file()
    if project and project not in files:
        files.append(project)
        ctx.out.note(f"{project} is not trusted and counts for nothing: llmos trust")
    faults = [fault for path in files for fault in faults_of(Path(path))]
    faults += faults_of_environment(os.environ)
    document = {"files": files, "faults": [fault.record() for fault in faults]}
    if faults:
        return Outcome(document, "\n".join(map(_with_hint, faults)), EXIT_CONFIG)
    names = ", ".join(map(_short, files)) or "there is no file"
    return Outcome(document, f"nothing is wrong: {names}")


def _with_hint(fault: Fault) -> str:
    return f"{fault} ({fault.hint})" if fault.hint else str(fault)


# ---- changing -----------------------------------------------------------------------------------


def _set(ctx: Context) -> Outcome:
    from ...config.document import with_value

    tables, setting = _place(ctx.args.name)
    try:
        value = setting.value_of(ctx.args.value)
        setting.check(value)
    except ValueError as error:
        near = did_you_mean(ctx.args.value, setting.choices)
        raise UsageError(f"{ctx.args.name}: {error}{near}", f"it is {setting.allowed}") from None
    text = with_value(readable(ctx.paths), tables, setting.key, value)
    write_checked(ctx.paths, text)
    _tell(ctx, setting)
    return Outcome({"name": ctx.args.name, "value": value, "path": ctx.paths.config})


def _unset(ctx: Context) -> Outcome:
    from ...config.document import without

    tables, setting = _place(ctx.args.name)
    try:
        text = without(readable(ctx.paths), tables, setting.key)
    except KeyError:
        raise UsageError(
            f"{ctx.args.name} is not set in {ctx.paths.config}", "llmos config get says by whom"
        ) from None
    write_checked(ctx.paths, text)
    _tell(ctx, setting)
    return Outcome({"name": ctx.args.name, "path": ctx.paths.config})


def _tell(ctx: Context, setting: Setting) -> None:
    """What has the last word on it, if not the file, and when it takes effect."""
    now = held_settings(ctx.paths).get(ctx.args.name)
    strongest = now.source if now else ""
    if strongest != "default" and now and not strongest.startswith(f"{ctx.paths.config}:"):
        ctx.out.note(f"{_short(strongest)} says something else of it: {text_of(now.value)}")
    ctx.out.note("the next shell takes it" if setting.table == "shell" else NEXT_BOOT)


def _init(ctx: Context) -> Outcome:
    """Writes the file with all settings as comments, unless there is one."""
    from ...config.template import template

    if os.path.exists(ctx.paths.config):
        ctx.out.note("it is there already")
    else:
        write(ctx.paths, template())
    return Outcome({"path": ctx.paths.config}, ctx.paths.config)


def _edit(ctx: Context) -> Outcome:
    """In the user's editor; what is wrong afterwards is named, and the file stays as it is."""
    if ctx.in_session or not sys.stdin.isatty():
        raise UsageError("an editor needs the terminal to itself", "!llmos config edit")
    import shlex
    from subprocess import run

    _init(ctx)
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        ended = run([*shlex.split(editor), ctx.paths.config], check=False)
    except OSError as error:
        raise ConfigError(
            f"the editor {editor} does not start: {error.strerror}", "set EDITOR"
        ) from None
    if ended.returncode:
        raise ConfigError(f"the editor {editor} ended with status {ended.returncode}")
    return _check(ctx)


# ---- the file -----------------------------------------------------------------------------------


def readable(paths: Paths) -> str:
    """What the user's file says, or the one that would be written at the first start. Raises
    ConfigError for one that is not TOML, which must not be written over."""
    from pathlib import Path

    from ...config.faults import faults_of
    from ...config.template import template

    if not os.path.exists(paths.config):
        return template()
    for fault in faults_of(Path(paths.config)):
        if fault.fatal:
            raise ConfigError(str(fault), "llmos config edit")
    try:
        return Path(paths.config).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot read {paths.config}: {error.strerror}") from None


def write_checked(paths: Paths, text: str) -> None:
    """Writes a changed file, unless something is wrong with it that was not wrong before: then it
    stays as it was. Raises UsageError."""
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from ...config.faults import faults_of

    before = {(one.name, one.message) for one in _faults_before(paths)}
    with TemporaryDirectory(prefix="llmos-") as folder:
        tried = Path(folder, "config.toml")
        tried.write_text(text, encoding="utf-8")
        new = [one for one in faults_of(tried) if (one.name, one.message) not in before]
    if new:
        raise UsageError(new[0].message, new[0].hint)
    write(paths, text)


def _faults_before(paths: Paths) -> list[Fault]:
    from pathlib import Path

    from ...config.faults import faults_of

    return faults_of(Path(paths.config)) if os.path.exists(paths.config) else []


def write(paths: Paths, text: str) -> None:
    try:
        config_files.write(paths.config, text)
    except OSError as error:
        raise ConfigError(
            f"cannot write {paths.config}: {error.strerror}", "set LLMOS_CONFIG to another path"
        ) from None


# ---- names and values ---------------------------------------------------------------------------


def held_settings(paths: Paths) -> dict[str, Any]:
    from ...config.values import held

    try:
        return held(config_files.of_kernel(paths), os.environ)
    except ValueError as error:
        raise ConfigError(str(error), "llmos config check") from None


def _setting(name: str) -> Setting:
    """The setting of that name. Raises UsageError."""
    from ...config.declared import settings

    known = settings()
    if name in known:
        return known[name]
    homes = [one for one in known if one.endswith(f".{name}")]
    near = f"; did you mean {homes[0]}?" if homes else did_you_mean(name, known)
    raise UsageError(f"there is no setting {name}{near}", "llmos config list")


def _place(name: str) -> tuple[list[str], Setting]:
    """The table that a name stands in, and what may be said there: `models.mine.dtype` is as
    `engine.dtype`."""
    head, _, rest = name.partition(".")
    model, _, key = rest.rpartition(".")
    if head == "models" and model:
        return [head, model], _setting(f"engine.{key}")
    setting = _setting(name)
    return [setting.table], setting


def text_of(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _short(path: str) -> str:
    home = os.path.expanduser("~")
    return f"~{path[len(home) :]}" if path.startswith(f"{home}/") else path


# ---- trust --------------------------------------------------------------------------------------


@verb(
    "trust",
    "let a project's llmos.toml count, as it is now (or --forget it)",
    option("folder", nargs="?", completes="path", metavar="FOLDER", help="default: here"),
    option("--list", dest="lists", action="store_true", help="those that are trusted"),
    option("--forget", action="store_true", help="let it count no longer"),
)
async def trust(ctx: Context) -> Outcome:
    if ctx.args.lists:
        found = config_files.trusted(ctx.paths)
        rows = [
            (path, "trusted" if config_files.is_trusted(path, ctx.paths) else "changed since")
            for path in found
        ]
        document = {"files": [{"path": path, "state": state} for path, state in rows]}
        return Outcome(document, table(("FILE", "STATE"), rows, ctx.out.width) if rows else "")
    path = os.path.abspath(os.path.expanduser(ctx.args.folder or os.curdir))
    if os.path.isdir(path):
        path = os.path.join(path, config_files.PROJECT_FILE)
    if not ctx.args.forget:
        _show(ctx, path)
    config_files.trust(path, ctx.paths, forget=ctx.args.forget)
    ctx.out.note(f"{'forgotten' if ctx.args.forget else 'trusted'}: {path}")
    return Outcome({"path": path, "trusted": not ctx.args.forget})


def _show(ctx: Context, path: str) -> None:
    """What is being trusted is shown, and must be without faults."""
    from pathlib import Path

    from ...config.faults import faults_of

    if not os.path.isfile(path):
        raise UsageError(f"there is no {path}", "a project's settings are in its llmos.toml")
    faults = faults_of(Path(path))
    if faults:
        raise ConfigError("\n".join(map(_with_hint, faults)))
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            ctx.out.note(f"  {cut(line, 100)}")
