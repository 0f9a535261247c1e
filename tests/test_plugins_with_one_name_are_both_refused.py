"""Two syscalls of one name are both refused, in any order; a built-in name cannot be taken."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from llmos.syscalls import Context
from llmos.syscalls.errno import ENOSYS
from llmos.syscalls.registry import PluginRegistry
from llmos.syscalls.spec import SyscallSpec
from llmos.syscalls.table import Entry, Owner, SyscallTable


class Nobody:
    """A runner of syscalls that are only looked up here."""

    async def run(
        self, name: str, arguments: Mapping[str, Any], ctx: Context, timeout_s: float
    ) -> str:
        raise NotImplementedError


def entry(plugin: str, name: str) -> Entry:
    spec = SyscallSpec(
        name=name,
        plugin=plugin,
        summary="",
        description="",
        parameters={},
        needs=None,
        timeout_s=1,
        effect="pure",
        is_async=False,
        source=f"{plugin}.py:1",
    )
    return Entry(spec, Nobody())


ACME = Owner("acme", "package acme-tools")
ZETA = Owner("zeta", "file zeta.py")
FILES = Owner("files", "built-in", builtin=True)
CLAIMS = {
    ACME: [entry("acme", "grep"), entry("acme", "wc")],
    ZETA: [entry("zeta", "grep"), entry("zeta", "tide"), entry("zeta", "read_file")],
    FILES: [entry("files", "read_file")],
}


@pytest.mark.parametrize("order", list(itertools.permutations(CLAIMS)))
def test_both_are_refused_in_any_order(order: tuple[Owner, ...]) -> None:
    table = SyscallTable()
    for owner in order:
        table.put(owner, CLAIMS[owner])
    assert [spec.name for spec in table.specs()] == ["read_file", "tide", "wc"]
    clash = (
        "the syscall grep is claimed by acme (package acme-tools) and zeta (file zeta.py),"
        " so none of them has it: llmos plugins alias {} NAME gives it another"
    )
    taken = (
        "the syscall read_file is built in and cannot be taken:"
        " llmos plugins alias zeta.read_file NAME gives it another"
    )
    assert table.errors(ACME) == [clash.format("acme.grep")]
    assert sorted(table.errors(ZETA)) == sorted([clash.format("zeta.grep"), taken])
    assert table.errors(FILES) == []
    assert table.lookup("read_file").spec.plugin == "files"
    with pytest.raises(ENOSYS) as caught:
        table.lookup("grep")
    assert str(caught.value) == (
        "ENOSYS: no syscall grep (acme (package acme-tools) and zeta (file zeta.py)"
        " both claim it, so neither has it: call acme.grep or zeta.grep)"
    )
    assert table.lookup("acme.grep").spec.plugin == "acme"
    assert table.lookup("zeta.grep").spec.plugin == "zeta"


def test_when_one_goes_the_other_gets_it() -> None:
    table = SyscallTable()
    table.put(ACME, CLAIMS[ACME])
    table.put(ZETA, CLAIMS[ZETA])
    table.drop(ACME)
    assert table.names(ZETA) == ["grep", "read_file", "tide"]
    assert table.errors(ZETA) == []


@pytest.mark.parametrize("first", [0, 1])
def test_two_plugins_of_one_name_are_refused_whole(first: int) -> None:
    """Capabilities are granted by the name of a plugin."""
    file, package = Owner("acme", "file acme.py"), ACME
    table = SyscallTable()
    for owner in (file, package) if first else (package, file):
        table.put(owner, [entry("acme", owner.origin[:4])])
    assert table.specs() == []
    error = (
        "the plugin name acme is claimed by acme (file acme.py) and acme (package acme-tools),"
        " so none of them has it: llmos plugins alias {!r} NAME gives it another"
    )
    for owner in (file, package):
        assert table.errors(owner) == [error.format(owner.origin)]


def test_the_name_of_a_built_in_plugin_cannot_be_taken() -> None:
    table = SyscallTable()
    mimic = Owner("files", "file files.py")
    table.put(mimic, [entry("files", "shred")])
    table.put(FILES, CLAIMS[FILES])
    assert [spec.name for spec in table.specs()] == ["read_file"]
    assert table.errors(mimic) == [
        "the plugin name files is built in and cannot be taken:"
        " llmos plugins alias 'file files.py' NAME gives it another"
    ]


async def test_the_records_of_both_name_both_owners(tmp_path: Path) -> None:
    for plugin, name in (("acme", "grep"), ("zeta", "grep"), ("mimic", "now")):
        (tmp_path / f"{plugin}.py").write_text(
            f"from llmos import syscall\n@syscall\ndef {name}() -> str:\n    'Do.'\n    return ''\n"
        )
    registry = PluginRegistry(tmp_path, environ={"LLMOS_LOAD_PLUGINS": "acme,zeta,mimic"})
    await registry.load()
    records = {record.name: record for record in registry.records()}
    for name in ("acme", "zeta"):
        assert records[name].syscalls == ()
        assert "acme (file " in records[name].error
        assert "zeta (file " in records[name].error
    assert records["mimic"].error == (
        "the syscall now is built in and cannot be taken:"
        " llmos plugins alias mimic.now NAME gives it another"
    )
    assert "now" in records["clock"].syscalls
    await registry.close()
