"""The verb models: which there are, which one runs, and which one the next boot takes."""

from __future__ import annotations

import os
import re

from .. import config_files
from ..errors import ConfigError, ShellError, UsageError
from ..output import table
from ..verb import Context, Outcome, did_you_mean, option, verb
from .boot import boot_if_need_be, halt
from .config import held_settings, readable, text_of, write_checked
from .memory import size_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ...config.models import Model

ACTIONS = ("list", "add", "use", "show", "check", "remove")
BUILT_IN = "pilot"
NAME = re.compile(r"[A-Za-z0-9_-]+")


@verb(
    "models",
    "list the models that can be served, add, show, check and choose one",
    option(
        "action", nargs="?", default="list", choices=ACTIONS, metavar="ACTION",
        help=", ".join(ACTIONS) + " (default: list)",
    ),
    option("name", nargs="?", completes="model", metavar="NAME", help="its name"),
    option(
        "source", nargs="?", completes="path", metavar="SOURCE",
        help="for add: a folder, a name on the model hub, or the http address of an OpenAI server",
    ),
    option("--model", metavar="M", help="for add: its name at that server"),
    option("--key-env", metavar="VARIABLE", help="for add: the variable that holds its key"),
    option("--now", action="store_true", help="for use: halt the kernel, and boot it with it"),
)  # fmt: skip
async def models(ctx: Context) -> Outcome:
    """One of the actions; each is a function below."""
    action, name = ctx.args.action, ctx.args.name
    if action == "list":
        return await _list(ctx)
    if name is None:
        raise UsageError(f"which model? llmos models {action} NAME", "llmos models")
    if action != "add" and (ctx.args.source or ctx.args.model or ctx.args.key_env):
        raise UsageError(f"{action} takes a NAME alone", "--model and --key-env are for add")
    if action == "add":
        return _add(ctx, name)
    if action == "remove":
        return _remove(ctx, name)
    model = _find(ctx, name)
    if action == "use":
        return await _use(ctx, model)
    return await (_show if action == "show" else _check)(ctx, model)


# ---- looking ------------------------------------------------------------------------------------


async def _list(ctx: Context) -> Outcome:
    known, running = _known(ctx), await _running(ctx)
    chosen = str(held_settings(ctx.paths)["engine.model"].value or BUILT_IN)
    if chosen not in known:
        from ...config.models import named

        known[chosen] = named(chosen)
    documents, rows = [], []
    for name, model in known.items():
        runs, is_default = model.served_as == running, name == chosen
        documents.append(model.record() | {"runs": runs, "default": is_default})
        marks = [word for word, holds in (("runs", runs), ("default", is_default)) if holds]
        rows.append((name, model.kind, ", ".join(marks) or "-", model.source))
    return Outcome(
        {"models": documents}, table(("NAME", "KIND", "STATE", "FROM"), rows, ctx.out.width)
    )


async def _running(ctx: Context) -> str | None:
    """What the kernel serves, if one runs."""
    try:
        return str((await ctx.ask("status")).engine.model)
    except ShellError:
        return None


async def _show(ctx: Context, model: Model) -> Outcome:
    rows = [("name", model.name), ("kind", model.kind), ("from", model.source)]
    rows += [(key, text_of(value)) for key, value in model.options.items()]
    document = model.record()
    if variable := model.options.get("key_env"):
        document["key_is_set"] = variable in os.environ
        rows.append(("key", f"{variable} is {'set' if document['key_is_set'] else 'not set'} here"))
    if folder := model.folder():
        from ...config.model_folder import describe

        try:
            info = describe(folder)
        except ValueError as error:
            raise ConfigError(str(error), f"llmos models check {model.name}") from None
        document |= info.record()
        rows += _rows_of(info)
    lines = [f"{name:14} {value}" for name, value in rows]
    return Outcome(document, "\n".join(lines))


def _rows_of(info: Any) -> list[tuple[str, str]]:
    window = "not said" if info.window_tokens is None else f"{info.window_tokens:,} tokens"
    parser = info.tool_parser if info.tool_parser_known else f"{info.tool_parser}, by guess"
    return [
        ("folder", info.folder),
        ("architecture", f"{info.architecture} ({info.model_type})"),
        ("window", window),
        ("numbers", ", ".join(filter(None, (info.dtype, info.quantization))) or "not said"),
        ("weights", size_text(info.size_bytes)),
        ("chat template", "yes" if info.chat_template else "no: it is no chat model"),
        ("tool parser", parser),
    ]


async def _check(ctx: Context, model: Model) -> Outcome:
    """Whether it would load, as far as can be told without loading it."""
    from ...config.models import faults_of_model

    if ctx.in_session:  # an endpoint may be slow to answer, and the shell goes on meanwhile
        import asyncio

        faults = await asyncio.to_thread(faults_of_model, model)
    else:
        faults = faults_of_model(model)
    document = model.record() | {"faults": faults}
    if faults:
        return Outcome(document, "\n".join(f"{model.name}: {fault}" for fault in faults), 1)
    whole = "it answers and serves it" if model.kind == "endpoint" else "its files are whole"
    return Outcome(document, f"{model.name}: {whole}")


# ---- changing -----------------------------------------------------------------------------------


def _add(ctx: Context, name: str) -> Outcome:
    from ...config.document import with_value
    from ...config.models import missing_driver

    if not NAME.fullmatch(name) or name == BUILT_IN:
        raise UsageError(f"{name!r} is no name for a model", "letters, digits, - and _")
    if ctx.args.source is None:
        raise UsageError("from where? llmos models add NAME FOLDER|HUB-NAME|URL")
    if name in _tables(ctx):
        raise UsageError(f"there is a model {name} already", f"llmos models remove {name}")
    options = _options(ctx)
    if missing := missing_driver(options.get("driver", "")):
        raise ConfigError(f"an endpoint needs what is not here: {missing}")
    text = readable(ctx.paths)
    for key, value in options.items():
        text = with_value(text, ["models", name], key, value)
    write_checked(ctx.paths, text)
    ctx.out.note(f"llmos models check {name}; llmos models use {name}")
    return Outcome({"name": name, "options": options, "path": ctx.paths.config})


def _options(ctx: Context) -> dict[str, str]:
    """What the table of a new model says."""
    from ...config.models import OF_ENDPOINTS

    source = ctx.args.source
    if source.startswith(("http://", "https://")):
        if ctx.args.model is None:
            raise UsageError("which of its models? --model NAME")
        key = {"key_env": ctx.args.key_env} if ctx.args.key_env else {}
        return {"driver": OF_ENDPOINTS, "endpoint": source, "model": ctx.args.model, **key}
    if ctx.args.model or ctx.args.key_env:
        raise UsageError("--model and --key-env are for the address of a server")
    path = os.path.abspath(os.path.expanduser(source))
    if os.path.isdir(path):
        return {"model": path}
    if source[0] in "./~" or source.count("/") != 1:
        raise UsageError(f"{source} is no folder here, and no name on the model hub (WHO/WHAT)")
    return {"model": source}


def _remove(ctx: Context, name: str) -> Outcome:
    from ...config.document import without_table

    try:
        text = without_table(readable(ctx.paths), ["models", name])
    except KeyError:
        raise UsageError(
            f"there is no table [models.{name}] in {ctx.paths.config}{_near(ctx, name)}"
        ) from None
    write_checked(ctx.paths, text)
    if held_settings(ctx.paths)["engine.model"].value == name:
        ctx.out.note(
            f"it was the default: llmos models use pilot, or the next boot looks for {name}"
        )
    return Outcome({"name": name, "path": ctx.paths.config})


async def _use(ctx: Context, model: Model) -> Outcome:
    from ...config.document import with_value
    from ...config.models import missing_driver

    if missing := missing_driver(str(model.options.get("driver", ""))):
        raise ConfigError(f"{model.name} cannot be served: {missing}")
    write_checked(ctx.paths, with_value(readable(ctx.paths), ["engine"], "model", model.name))
    held = held_settings(ctx.paths)["engine.model"]
    if held.value != model.name:
        ctx.out.note(f"{held.source} says something else, and wins: {held.value}")
    is_up = await _running(ctx) is not None
    if ctx.args.now:
        await _boot_again(ctx, is_up)
    elif is_up:
        ctx.out.note(f"the kernel takes it at its next boot: llmos models use {model.name} --now")
    return Outcome({"name": model.name, "path": ctx.paths.config, "booted": ctx.args.now})


async def _boot_again(ctx: Context, is_up: bool) -> None:
    """Processes are parked by the halt, and come back with the boot."""
    if is_up:
        await halt(ctx)
    await boot_if_need_be(ctx)
    ctx.out.note("booted; llmos status shows how far its engine is")


# ---- names --------------------------------------------------------------------------------------


def _tables(ctx: Context) -> dict[str, Any]:
    from ...config.values import models as tables

    try:
        return tables(config_files.of_kernel(ctx.paths))
    except ValueError as error:
        raise ConfigError(str(error), "llmos config check") from None


def _known(ctx: Context) -> dict[str, Model]:
    from ...config.models import all_models

    return all_models(_tables(ctx))


def _find(ctx: Context, name: str) -> Model:
    """A model of the list, or else a folder, or a name on the hub. Raises UsageError."""
    from ...config.models import named

    if found := _known(ctx).get(name):
        return found
    path = os.path.abspath(os.path.expanduser(name))
    if os.path.isdir(path):
        return named(path)
    if name.count("/") == 1 and name[0] not in "./~":
        return named(name)
    raise UsageError(f"there is no model {name}{_near(ctx, name)}", "llmos models lists them")


def _near(ctx: Context, name: str) -> str:
    return did_you_mean(name, _known(ctx))
