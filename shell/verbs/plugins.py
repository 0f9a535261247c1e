"""The verbs about plugins: plugins, which looks and decides, and plugin, which makes one."""

from __future__ import annotations

import os

from ..errors import ConfigError, KernelError, UsageError
from ..output import table
from ..verb import TABLE, Context, Outcome, did_you_mean, option, verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...kernel.messages import PluginInfo

ACTIONS = ("list", "show", "enable", "disable", "alias", "approve")
INDENT = "    "


@verb(
    "plugins",
    "list the plugins and why one is not in use; show, enable or disable one",
    option(
        "action",
        nargs="?",
        choices=ACTIONS,
        default="list",
        help="alias: another name for a syscall (acme.grep) or a plugin (by its origin);"
        " approve: allow a syscall that wants to be approved (acme.deploy)",
    ),
    option("name", nargs="?", completes="plugin", help="a plugin, or PLUGIN.SYSCALL"),
    option("alias", nargs="?", metavar="NAME", help="for alias (none takes it away)"),
)
async def plugins(ctx: Context) -> Outcome:
    args = ctx.args
    if args.action == "list":
        listed = await ctx.ask("plugins")
        return Outcome(listed, _index(listed.plugins, ctx.out.width))
    if args.name is None:
        raise UsageError(f"there is no name: llmos plugins {args.action} NAME")
    if args.action == "show":
        found = _named((await ctx.ask("plugins")).plugins, args.name)
        return Outcome({"plugins": found}, "\n\n".join(_page(info) for info in found))
    if args.alias is not None and args.action != "alias":
        raise UsageError(f"{args.action} takes one name")
    decided = await ctx.ask(
        "decide_plugin", action=args.action, name=args.name, value=args.alias or ""
    )
    return Outcome(decided, _decided(args.action, args.name, args.alias, decided.plugins))


def _index(found: list[PluginInfo], width: int | None) -> str:
    rows = [
        (info.name, info.version, f"{info.load_ms:.0f} ms", " ".join(info.syscalls), info.origin)
        for info in found
        if info.enabled and not _error(info)
    ]
    text = table(("PLUGIN", "VERSION", "LOADED IN", "SYSCALLS", "ORIGIN"), rows, width)
    notes = [f"{info.name} is not in use: {_error(info)}" for info in found if _error(info)]
    notes += [f"{info.name} is disabled" for info in found if not info.enabled]
    return "\n".join([text, *(["", *notes] if notes else [])])


def _error(info: PluginInfo) -> str:
    """The kernel's, and what only the shell can know."""
    verbs = [offer.removeprefix("verb ") for offer in info.offers if offer.startswith("verb ")]
    taken = [f"the verb {name} is the shell's own" for name in verbs if name in TABLE]
    return "; ".join([*([info.error] if info.error else []), *taken])


def _named(found: list[PluginInfo], name: str) -> list[PluginInfo]:
    """All of that name: two that clash are both shown."""
    named = [info for info in found if name in (info.name, info.origin)]
    if not named:
        near = did_you_mean(name, [info.name for info in found])
        raise KernelError("ENOENT", f"there is no plugin {name}{near}", "llmos plugins lists them")
    return named


def _page(info: PluginInfo) -> str:
    state = "disabled" if not info.enabled else f"not in use: {_error(info)}"
    lines = (
        ("plugin", info.name),
        ("version", info.version),
        ("origin", info.origin),
        ("path", info.path),
        ("state", "in use" if info.enabled and not _error(info) else state),
        ("loaded in", f"{info.load_ms:.1f} ms"),
        ("syscalls", " ".join(info.syscalls)),
        ("hooks", " ".join(info.hooks)),
        ("offers", ", ".join(info.offers)),
    )
    return "\n".join(f"{title:<10} {text}" for title, text in lines if text)


def _decided(action: str, name: str, alias: str | None, found: list[PluginInfo]) -> str:
    if action == "approve":
        return f"{name} may be called"
    if action == "disable":
        return f"{name} is disabled"
    plugin = name.partition(".")[0]
    errors = [_error(info) for info in found if info.name == plugin and _error(info)]
    if action == "alias":
        done = f"{name} is called {alias}" if alias else f"{name} has no other name any more"
        return "\n".join([done, *errors])
    return f"{name} is not in use: {errors[0]}" if errors else f"{name} is enabled"


# ---- a new one ---------------------------------------------------------------------------------


@verb(
    "plugin",
    "begin a plugin: a package with a syscall, and a test that passes",
    option("action", choices=("new",), help="what is to be done"),
    option("name", metavar="NAME", help="its name, and that of its folder"),
    kind="outside",
)
async def plugin(ctx: Context) -> Outcome:
    from ..plugin_template import NAME, files_of

    name = ctx.args.name
    if not NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is no name for a plugin: lower-case letters, digits, - and _, a letter first"
        )
    written = _write(os.path.abspath(name), files_of(name))
    return Outcome({"name": name, "files": written}, _next_steps(name))


def _write(folder: str, files: dict[str, str]) -> list[str]:
    if os.path.exists(folder):
        raise ConfigError(f"{folder} is there already", "give another name, or remove it")
    written = []
    try:
        for name, text in files.items():
            path = os.path.join(folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            written.append(path)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from None
    return written


def _next_steps(name: str) -> str:
    return f"""\
{name}/ is a plugin. Try it:
{INDENT}cd {name}
{INDENT}python -m pytest              # its test passes
{INDENT}pip install -e .              # into the Python that llmos runs in
{INDENT}llmos plugins enable {name}   # or restart the kernel
{INDENT}llmos man {name.replace("-", "_")}_hello"""
