"""What the user decides about plugins takes effect at once, and is still so after a boot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness import KernelProcess

PLUGIN = """
from llmos import syscall

@syscall
def {name}() -> str:
    "Tell."
    return "{answer}"
"""


def save(kernel: KernelProcess, plugin: str, name: str, answer: str = "") -> Path:
    kernel.plugins_dir.mkdir(parents=True, exist_ok=True)
    file = kernel.plugins_dir / f"{plugin}.py"
    file.write_text(PLUGIN.format(name=name, answer=answer or plugin))
    return file


def said(kernel: KernelProcess, call: str) -> str:
    return kernel.llmos("run", f"call {call}").stdout.strip()


def shown(kernel: KernelProcess, plugin: str) -> dict[str, Any]:
    run = kernel.llmos("plugins", "show", plugin, "--json")
    found: dict[str, Any] = json.loads(run.stdout)["plugins"][0]
    return found


def test_a_disabled_plugin_stays_so_until_it_is_enabled(own_kernel: KernelProcess) -> None:
    save(own_kernel, "tide", "tide")
    own_kernel.start().ready().plugin_in_use("tide")
    assert said(own_kernel, "tide") == "tide"
    assert own_kernel.llmos("plugins", "disable", "tide").stdout == "tide is disabled\n"
    assert "ENOSYS: no syscall tide" in said(own_kernel, "tide")
    assert shown(own_kernel, "tide")["enabled"] is False
    assert own_kernel.llmos("plugins").stdout.endswith("\ntide is disabled\n")

    own_kernel.terminate()
    own_kernel.start().ready()
    assert "ENOSYS" in said(own_kernel, "tide")
    assert own_kernel.llmos("plugins", "enable", "tide").stdout == "tide is enabled\n"
    assert said(own_kernel, "tide") == "tide"

    assert own_kernel.llmos("plugins", "disable", "clock").returncode == 0  # built in
    assert "ENOSYS" in said(own_kernel, "now")
    own_kernel.llmos("plugins", "enable", "clock")
    assert "ENOSYS" not in said(own_kernel, "now")


def test_an_alias_mends_a_clash(own_kernel: KernelProcess) -> None:
    save(own_kernel, "acme", "grep", "of acme")
    save(own_kernel, "zeta", "grep", "of zeta")
    own_kernel.start().ready()
    own_kernel._wait(lambda: shown(own_kernel, "zeta")["error"].count("claimed by") == 1)
    error = shown(own_kernel, "acme")["error"]
    assert "llmos plugins alias acme.grep NAME gives it another" in error
    assert "both claim it" in said(own_kernel, "grep")
    assert said(own_kernel, "acme.grep") == "of acme"
    assert said(own_kernel, "zeta.grep") == "of zeta"

    run = own_kernel.llmos("plugins", "alias", "acme.grep", "acme_grep")
    assert run.stdout == "acme.grep is called acme_grep\n"
    assert said(own_kernel, "acme_grep") == "of acme"
    assert said(own_kernel, "grep") == "of zeta"
    assert shown(own_kernel, "acme")["error"] == shown(own_kernel, "zeta")["error"] == ""
    assert own_kernel.llmos("man", "acme_grep").stdout.startswith("NAME\n    acme_grep: Tell.")

    taken = own_kernel.llmos("plugins", "alias", "acme.grep", "read_file").stdout
    assert "the syscall read_file is built in and cannot be taken" in taken
    assert said(own_kernel, 'read_file {"path": "nots.txt"}').startswith("ENOENT")

    own_kernel.llmos("plugins", "alias", "acme.grep")
    assert "claimed by" in shown(own_kernel, "acme")["error"]


def test_a_plugin_whose_name_is_taken_gets_another(own_kernel: KernelProcess) -> None:
    file = save(own_kernel, "files", "shred")
    own_kernel.start().ready()
    origin = f"file {file}"
    own_kernel._wait(lambda: "built in" in shown(own_kernel, origin)["error"])
    assert f"llmos plugins alias '{origin}' NAME" in shown(own_kernel, origin)["error"]
    own_kernel.llmos("plugins", "alias", origin, "shredder")
    assert shown(own_kernel, "shredder")["syscalls"] == ["shred"]
    assert said(own_kernel, "shredder.shred") == "files"


def test_what_cannot_be_decided_is_refused(sim_kernel: KernelProcess) -> None:
    def refused(*arguments: str) -> tuple[int, str]:
        run = sim_kernel.llmos("plugins", *arguments)
        return run.returncode, run.stderr.splitlines()[0]

    assert refused("disable", "clok") == (1, "llmos: there is no plugin clok")
    assert refused("show", "clok") == (1, "llmos: there is no plugin clok; did you mean clock?")
    assert refused("approve", "clock.now") == (2, "llmos: clock.now need not be approved")
    status, line = refused("alias", "grep", "search")
    assert (status, line) == (2, "llmos: 'grep' is no syscall of a plugin's, as acme.grep")
    status, line = refused("alias", "clock.now", "What Time")
    assert (status, line.startswith("llmos: 'What Time' is no name")) == (2, True)
    assert refused("enable")[0] == 2


def test_in_safe_mode_there_are_the_built_in_ones_alone(own_kernel: KernelProcess) -> None:
    save(own_kernel, "tide", "tide")
    own_kernel.options += ("--safe-mode",)
    own_kernel.start().ready()
    with own_kernel.wire() as wire:
        origins = {one["origin"] for one in wire.get("plugins")["plugins"]}
    assert origins == {"built-in"}
    assert "ENOSYS" in said(own_kernel, "tide")


def test_settings_that_make_no_sense_are_told_and_not_written_over(
    own_kernel: KernelProcess,
) -> None:
    save(own_kernel, "tide", "tide")
    settings = own_kernel.plugins_dir.parent / "plugins.json"
    settings.write_text('{"disabledd": ["tide"]}')
    own_kernel.start().ready().plugin_in_use("tide")
    run = own_kernel.llmos("plugins", "disable", "tide")
    assert run.returncode == 2
    assert f"{settings}: disabledd: Extra inputs are not permitted" in run.stderr
    assert "disabledd" in settings.read_text()
    listed = own_kernel.llmos("plugins").stdout
    assert f"plugins.json is not in use: {settings}: disabledd: " in listed


def test_a_syscall_that_wants_approval_is_refused_until_it_has_it(
    own_kernel: KernelProcess,
) -> None:
    file = save(own_kernel, "acme", "deploy", "deployed")
    file.write_text(file.read_text().replace("@syscall", "@syscall(approve=True)"))
    own_kernel.start().ready().plugin_in_use("acme")
    assert said(own_kernel, "deploy") == (
        "EPERM: acme.deploy is to be approved by the user, who has not done so"
        " (the user may type: llmos plugins approve acme.deploy)"
    )
    page = own_kernel.llmos("man", "deploy").stdout
    assert "APPROVAL\n    refused until its user allows it" in page
    assert own_kernel.llmos("plugins", "approve", "acme.deploy").returncode == 0
    assert said(own_kernel, "deploy") == "deployed"
    own_kernel.kill9()
    own_kernel.start().ready().plugin_in_use("acme")
    assert said(own_kernel, "deploy") == "deployed"
