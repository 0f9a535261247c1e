"""Whether what the user decides about a plugin can be meant: a name that nobody has is an error."""

from __future__ import annotations

from collections.abc import Collection

from . import discovery
from .errno import EINVAL, ENOENT, did_you_mean
from .settings import Action, PluginSettings
from .table import Owner, SyscallTable


def check(
    action: Action,
    name: str,
    settings: PluginSettings,
    owners: Collection[Owner],
    table: SyscallTable,
) -> None:
    """`owners` are those of all plugins that there are. Raises EINVAL, ENOENT."""
    if action in ("enable", "disable"):
        _check_plugin(action, name, settings, [table.name_of(owner) for owner in owners])
        return
    origins = [owner.origin for owner in owners]
    if action == "alias" and (name in origins or name in settings.alias):
        return
    spec = table.find(name) if "." in name else None
    if spec is None:
        raise EINVAL(
            f"{name!r} is no syscall of a plugin's, as acme.grep", hint=table.suggestion(name)
        )
    if action == "approve" and not spec.approve:
        raise EINVAL(f"{name} need not be approved")


def _check_plugin(action: Action, name: str, settings: PluginSettings, names: list[str]) -> None:
    if action == "enable" and name in settings.disabled:
        return
    known = [*names, *(point.name for point in discovery.packages()[1])]
    if name not in known:
        raise ENOENT(f"there is no plugin {name}", hint=did_you_mean(name, known))
