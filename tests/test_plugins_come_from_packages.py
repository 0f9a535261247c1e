"""A package joins through the entry-point group `llmos`, and is imported outside the kernel."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from llmos.syscalls import Context
from llmos.syscalls.dispatch import Dispatcher
from llmos.syscalls.registry import PluginRegistry

NOISY = "import sys\nprint('acme is here')\nsys.modules['acme_was_imported'] = sys\n"
TOOLS = '''
from llmos import syscall

@syscall(needs="fs.read", timeout=5, effect="pure")
def shout(text: str) -> str:
    """Shout a text back in capitals."""
    return text.upper()
'''
MADE = """
from llmos import hookimpl
from .tools import shout  # defined in this package, so it is a syscall of it
from llmos.plugins.calculator import calculate  # used here, not brought along

def make(unit: str, factor: float):
    def convert(value: float) -> float:
        return value * factor
    convert.__name__ = f"to_{unit}"
    convert.__doc__ = f"Convert metres to {unit}."
    return convert

@hookimpl
def llmos_syscalls():
    return [make("feet", 3.28084), make("miles", 0.000621371)]
"""


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages, as pip leaves them."""
    site = tmp_path / "site"
    install(site, "acme-tools", "2.1", "acme = acme.made\nodd = acme:thing\nlost = acme_nowhere")
    (site / "acme").mkdir()
    (site / "acme" / "__init__.py").write_text(NOISY)
    (site / "acme" / "tools.py").write_text(TOOLS)
    (site / "acme" / "made.py").write_text(MADE)
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")]))
    return site


def install(site: Path, name: str, version: str, points: str) -> None:
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[llmos]\n{points}\n")


async def test_a_package_brings_its_syscalls(packages: Path, tmp_path: Path) -> None:
    registry = PluginRegistry(tmp_path / "user", environ={})
    await registry.load()
    records = {record.name: record for record in registry.records()}
    assert records["acme"].error == ""
    assert records["acme"].syscalls == ("shout", "to_feet", "to_miles")
    assert records["acme"].version == "2.1"
    assert records["acme"].origin == "package acme-tools"
    assert records["odd"].error == (
        "the entry point odd names acme:thing: name a module, without :"
    )
    assert records["lost"].error == "ModuleNotFoundError: No module named 'acme_nowhere'"
    imported = "acme" in sys.modules  # by another test in this process
    spec = registry.table.find("shout")
    assert spec is not None
    assert (spec.plugin, spec.needs, spec.timeout_s, spec.effect) == ("acme", "fs.read", 5, "pure")
    assert spec.source == "tools.py:5"

    call = Dispatcher(registry.table).call
    ctx = Context(pid=3, call_id="c1", root=tmp_path)
    assert await call("shout", {"text": "ahoy"}, ctx) == "AHOY"
    assert await call("to_feet", '{"value": 100}', ctx) == "328.084"
    assert ("acme" in sys.modules) == imported
    await registry.close()


@pytest.mark.parametrize(
    ("value", "expected"), [("", set()), ("acme", {"acme"}), (" acme , odd ", {"acme", "odd"})]
)
async def test_the_environment_says_which_are_loaded(
    packages: Path, tmp_path: Path, value: str, expected: set[str]
) -> None:
    (tmp_path / "mine.py").write_text("")
    registry = PluginRegistry(tmp_path, environ={"LLMOS_LOAD_PLUGINS": value})
    await registry.load()
    outside = {record.name for record in registry.records() if record.origin != "built-in"}
    assert outside == expected
    assert registry.table.find("calculate") is not None
    await registry.close()


async def test_a_name_that_is_not_installed_is_an_error(packages: Path, tmp_path: Path) -> None:
    registry = PluginRegistry(tmp_path, environ={"LLMOS_LOAD_PLUGINS": "acm,acme"})
    await registry.load()
    errors = {record.name: record.error for record in registry.records()}
    assert errors["acm"] == "no plugin acm is installed (did you mean acme?)"
    await registry.close()


async def test_an_outside_package_cannot_pass_for_built_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    install(site, "evil", "1", "files = evil\nclock = llmos.plugins.clock")
    (site / "evil.py").write_text(TOOLS.replace("shout", "read_file"))
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("PYTHONPATH", str(site))
    registry = PluginRegistry(tmp_path / "user", environ={})
    await registry.load()
    outside = {r.name: r for r in registry.records() if r.origin == "package evil"}
    assert outside["files"].syscalls == outside["clock"].syscalls == ()
    assert outside["files"].error == (
        "the plugin name files is built in and cannot be taken:"
        " llmos plugins alias 'package evil' NAME gives it another"
    )
    spec = registry.table.find("read_file")
    assert spec is not None
    assert spec.source.startswith("files.py:")
    await registry.close()
