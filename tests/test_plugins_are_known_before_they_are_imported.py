"""A boot imports no plugin that has not changed: what it brings is in the manifest."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llmos.syscalls import Context
from llmos.syscalls.dispatch import Dispatcher
from llmos.syscalls.errno import EAGAIN
from llmos.syscalls.registry import PluginFiles, PluginRegistry

PLUGIN = """
from pathlib import Path
from llmos import syscall

with (Path({log!r})).open("a") as log:
    log.write("{name}\\n")

@syscall
def {name}(text: str = {answer!r}) -> str:
    "Tell."
    return text
"""


class Site:
    """A folder of installed packages, each of one plugin, and a log of their imports."""

    def __init__(self, folder: Path) -> None:
        self.site = folder / "site"
        self.log = folder / "imports.log"
        self.user = folder / "user"
        self.user.mkdir(parents=True)
        self.files = PluginFiles(manifest=folder / "manifest.json")

    def install(self, name: str, answer: str = "old", version: str = "1.0") -> None:
        for old in self.site.glob(f"{name}-*.dist-info"):
            for file in old.iterdir():
                file.unlink()
            old.rmdir()
        info = self.site / f"{name}-{version}.dist-info"
        info.mkdir(parents=True)
        head = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        (info / "METADATA").write_text(head)
        (info / "entry_points.txt").write_text(f"[llmos]\n{name} = {name}\n")
        code = PLUGIN.format(log=str(self.log), name=name, answer=answer)
        (self.site / f"{name}.py").write_text(code)

    def save(self, name: str, answer: str = "old", head: str = "") -> None:
        code = PLUGIN.format(log=str(self.log), name=name, answer=answer)
        (self.user / f"{name}.py").write_text(head + code)

    def imports(self) -> list[str]:
        """Since it was asked last."""
        found = sorted(self.log.read_text().split()) if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return found

    async def boot(self) -> PluginRegistry:
        registry = PluginRegistry(self.user, environ={}, files=self.files)
        await registry.load()
        return registry


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    site = Site(tmp_path)
    site.site.mkdir()
    monkeypatch.syspath_prepend(site.site)
    outer = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site.site), outer]))
    return site


@pytest.fixture
def ctx(tmp_path: Path) -> Context:
    return Context(pid=3, call_id="c1", root=tmp_path)


async def test_a_second_boot_imports_nothing_until_it_is_called(site: Site, ctx: Context) -> None:
    site.install("tide")
    site.save("moon")
    await (await site.boot()).close()
    assert site.imports() == ["moon", "tide"]

    registry = await site.boot()
    records = {record.name: record for record in registry.records()}
    assert (records["tide"].syscalls, records["tide"].version) == (("tide",), "1.0")
    assert records["moon"].path == str(site.user / "moon.py")
    assert site.imports() == []
    assert await Dispatcher(registry.table).call("tide", {}, ctx) == "old"
    assert site.imports() == ["tide"]
    await registry.close()


async def test_what_has_changed_meanwhile_is_imported(site: Site, ctx: Context) -> None:
    for name in ("tide", "wind"):
        site.install(name)
    (site.user / "_level.py").write_text("LEVEL = 1\n")
    site.save("moon", head="from _level import LEVEL\n")
    site.save("sun")
    await (await site.boot()).close()
    assert site.imports() == ["moon", "sun", "tide", "wind"]

    site.install("tide", "newer")  # the same version: an editable install
    site.install("wind", version="1.1")
    (site.user / "_level.py").write_text("LEVEL = 2\n")
    registry = await site.boot()
    assert site.imports() == ["moon", "tide", "wind"]
    assert await Dispatcher(registry.table).call("tide", {}, ctx) == "newer"
    await registry.close()


async def test_a_plugin_that_turns_out_to_be_another_one_is_loaded_anew(
    site: Site, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it takes from another package is not looked at when the kernel boots."""
    elsewhere = site.site / "elsewhere.py"
    elsewhere.write_text("ANSWER = 'old'\n")
    code = "from elsewhere import ANSWER\nfrom llmos import syscall\n"
    code += "@syscall\ndef tide(text: str = ANSWER) -> str:\n    'Tell.'\n    return text\n"
    site.install("tide")
    (site.site / "tide.py").write_text(code)
    await (await site.boot()).close()

    elsewhere.write_text("ANSWER = 'quite new'\n")
    registry = await site.boot()
    call = Dispatcher(registry.table).call
    with pytest.raises(EAGAIN, match="has changed on disk"):
        await call("tide", {}, ctx)
    await registry.settled()
    assert await call("tide", {}, ctx) == "quite new"
    await registry.close()


async def test_a_broken_plugin_is_tried_again(site: Site) -> None:
    (site.user / "moon.py").write_text("import nump\n")
    registry = await site.boot()
    await registry.close()
    (site.site / "nump.py").write_text("")
    registry = await site.boot()
    (record,) = (one for one in registry.records() if one.name == "moon")
    assert record.error == ""
    await registry.close()


@pytest.mark.parametrize("contents", ["", "{", '{"loader": "", "plugins": [3]}', "[]", "\x00"])
async def test_a_manifest_that_makes_no_sense_is_made_anew(site: Site, contents: str) -> None:
    assert site.files.manifest is not None
    site.files.manifest.write_text(contents)
    site.save("moon")
    await (await site.boot()).close()
    assert site.imports() == ["moon"]
    await (await site.boot()).close()
    assert site.imports() == []


async def test_two_hundred_plugins_are_there_without_one_import(site: Site, ctx: Context) -> None:
    """What that takes, `make bench-plugins` measures."""
    from llmos.syscalls.manifest import Manifest, hashes
    from llmos.syscalls.wire import Loaded, Source

    site.install("plugin_0")
    registry = await site.boot()
    spec = registry.table.find("plugin_0")
    await registry.close()
    assert spec is not None and site.imports() == ["plugin_0"]
    manifest = Manifest(site.files.manifest)
    manifest.read()
    for number in range(1, 200):
        name = f"plugin_{number}"
        site.install(name)
        known = spec.model_copy(update={"name": name, "plugin": name, "source": f"{name}.py:9"})
        loaded = Loaded(specs=(known,), files=(str(site.site / f"{name}.py"),))
        assert hashes(loaded.files)
        manifest.learn(Source(plugin=name, module=name), "1.0", loaded, 1.0)
    manifest.write({})

    registry = await site.boot()
    assert sum(one.name.startswith("plugin_") for one in registry.table.specs()) == 200
    assert not any(one.error for one in registry.records())
    assert site.imports() == []
    assert await Dispatcher(registry.table).call("plugin_137", {"text": "hi"}, ctx) == "hi"
    assert site.imports() == ["plugin_137"]
    await registry.close()
