"""What a plugin offers to the process that imports it: policies, drivers, verbs.

That is for what the user has chosen by name, `PLUGIN.NAME`, and for nothing else: a plugin that is
imported can do whatever its process can.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from .discovery import source_of
from .errno import LoadError, did_you_mean
from .loader import load

QUALIFIED = re.compile(r"(?P<plugin>[A-Za-z][A-Za-z0-9_-]*)\.(?P<name>[A-Za-z][A-Za-z0-9_-]*)")


def offered(hook: str, qualified: str, folder: Path) -> Any:
    """What the plugin returns for that name from its hook. `folder` is that of one-file plugins.
    Raises LoadError."""
    match = QUALIFIED.fullmatch(qualified)
    if match is None:
        raise LoadError(f"{qualified!r} is no name of a plugin's, as acme.name")
    offers = load(source_of(match["plugin"], folder)).offers
    known = {one.name: one.thing for one in offers if one.hook == hook}
    if match["name"] not in known:
        hint = did_you_mean(match["name"], known)
        there = f"; there is {', '.join(known)}" if known else ""
        raise LoadError(
            f"the plugin {match['plugin']} offers no {match['name']} by {hook}"
            + (f" ({hint})" if hint else there)
        )
    return known[match["name"]]
