"""/proc is a tree: people list it, read it and complete its paths; an agent sees itself there, and
what is below it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from harness import KernelProcess, Wire
from terminal import Terminal

FILES = [
    *("status", "context", "pages", "blocks", "caps", "limits", "usage", "fd", "tree"),
    *("syscalls", "why"),
]
SECRET = "the key is under the mat"


@pytest.fixture(scope="module")
def family(sim_kernel: KernelProcess) -> Iterator[dict[str, int]]:
    """An agent that has made a call, a child of its, and a stranger."""
    with sim_kernel.wire() as wire:
        common: dict[str, Any] = {"interactive": True, "root": str(sim_kernel.root), "attach": True}
        pids = {"agent": wire.get("spawn", name="father", limits={"children": 3}, **common)["pid"]}
        say(wire, pids["agent"], "call now {}")
        pids["child"] = wire.get(
            "fork", pid=pids["agent"], name="daughter", interactive=True, attach=True
        )["pid"]
        pids["stranger"] = wire.get("spawn", name="stranger", **common)["pid"]
        say(wire, pids["stranger"], SECRET)
        yield pids
        for pid in reversed(pids.values()):
            wire.get("kill", pid=pid, signal="KILL")
            wire.get("wait", pid=pid)


def say(wire: Wire, pid: int, text: str) -> str:
    wire.get("send", pid=pid, text=text)
    while (turn := wire.until("turn"))["pid"] != pid:
        pass
    answer: str = turn["text"]
    return answer


def seen_by(kernel: KernelProcess, pid: int, name: str, path: str) -> str:
    """What an agent gets that lists or reads a path."""
    with kernel.wire() as wire:
        wire.get("attach", pid=pid)
        return say(wire, pid, f'call {name} {{"path": "{path}"}}')


def cat(kernel: KernelProcess, path: str) -> str:
    done = kernel.llmos("cat", path)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def fields(text: str) -> dict[str, str]:
    return {
        name: value.strip()
        for name, _, value in (line.partition(":") for line in text.splitlines())
    }


# ---- people ----------------------------------------------------------------------------------


def test_folders_are_listed(sim_kernel: KernelProcess, family: dict[str, int]) -> None:
    top = sim_kernel.llmos("ls").stdout.splitlines()
    assert {"1/", f"{family['agent']}/", "engine", "scheduler", "meminfo", "version"} <= set(top)
    assert sim_kernel.llmos("ls", f"/proc/{family['agent']}").stdout.split() == FILES
    long = sim_kernel.llmos("ls", "-l", "/proc").stdout
    assert "father, blocked" in long
    document = json.loads(sim_kernel.llmos("ls", "--json").stdout)
    (entry,) = [one for one in document["entries"] if one["name"] == str(family["agent"])]
    assert entry["folder"] is True


def test_every_file_of_the_tree_can_be_read(
    sim_kernel: KernelProcess, family: dict[str, int]
) -> None:
    with sim_kernel.wire() as wire:
        for folder in ("/proc", f"/proc/{family['agent']}", "/proc/1"):
            for entry in wire.get("list_proc", path=folder)["entries"]:
                path = f"{folder}/{entry['name']}"
                reply = wire.ask("cat", path=path)
                if entry["folder"]:
                    assert reply["error"]["code"] == "EISDIR"
                else:
                    assert reply["ok"], (path, reply)


def test_context_is_what_the_model_sees(sim_kernel: KernelProcess, family: dict[str, int]) -> None:
    text = cat(sim_kernel, f"/proc/{family['child']}/context")
    parts = text.split("── ")
    assert parts[1].startswith("system ──\n")
    told = [part.partition(" ──\n") for part in parts[2:]]
    assert [role for role, _, _ in told[:4]] == ["user", "assistant", "tool", "assistant"]
    assert told[0][2] == "call now {}\n"
    assert told[1][2] == "→ now {}\n"


def test_caps_limits_usage_fd_and_tree(sim_kernel: KernelProcess, family: dict[str, int]) -> None:
    pid, child = family["agent"], family["child"]
    caps = fields(cat(sim_kernel, f"/proc/{pid}/caps"))
    assert str(sim_kernel.root) in caps["files"]
    assert caps["may start"].startswith("3 processes at a time")
    limits = [line.split("\t") for line in cat(sim_kernel, f"/proc/{pid}/limits").splitlines()]
    assert limits[0] == ["resource", "used", "soft", "hard"]
    assert ["children", "1", "3", "3"] in limits
    usage = fields(cat(sim_kernel, f"/proc/{pid}/usage"))
    with sim_kernel.wire() as wire:
        (row,) = [one for one in wire.get("ps")["processes"] if one["pid"] == pid]
        wire.get("kill", pid=child, signal="STOP")
        wire.get("send", pid=child, text="later, dear")
        assert "1 messages wait" in cat(sim_kernel, f"/proc/{child}/fd")
        assert "later, dear" in cat(sim_kernel, f"/proc/{child}/fd")
        wire.get("kill", pid=child, signal="CONT")
    assert int(usage["tokens in"]) == row["usage"]["tokens_in"] > 0
    assert int(usage["syscalls"]) == row["usage"]["syscalls"] > 0
    tree = cat(sim_kernel, f"/proc/{pid}/tree").splitlines()
    assert tree[0].startswith(f"{pid} ") and tree[1].startswith(f"  {child} ")
    assert "read_file\t" in cat(sim_kernel, f"/proc/{pid}/syscalls")


def test_pipes_and_shared_pages_are_in_fd(sim_kernel: KernelProcess) -> None:
    with sim_kernel.wire() as wire:
        pipe = wire.get("pipe", capacity=1000)["pipe"]
        pid = wire.get(
            "spawn", interactive=True, root=str(sim_kernel.root), stdout=pipe, attach=True
        )["pid"]
        say(wire, pid, 'call shared_write {"name": "plan", "text": "walk"}')
        held = cat(sim_kernel, f"/proc/{pid}/fd")
        wire.get("kill", pid=pid, signal="KILL")
        wire.get("wait", pid=pid)
    assert f"stdout\tpipe {pipe}\t" in held and "of 1000 bytes, open" in held
    assert f"shared\tplan\tof process {pid}, version 1, 4 characters" in held


def test_of_one_that_is_gone_the_journal_tells(sim_kernel: KernelProcess) -> None:
    with sim_kernel.wire() as wire:
        pid = wire.get("spawn", task="so long", root=str(sim_kernel.root))["pid"]
        wire.get("wait", pid=pid)
    assert "You said: so long" in cat(sim_kernel, f"/proc/{pid}/context")
    assert fields(cat(sim_kernel, f"/proc/{pid}/status"))["state"] == "zombie"
    assert "was reaped" in cat(sim_kernel, f"/proc/{pid}/why")
    for name in FILES:
        cat(sim_kernel, f"/proc/{pid}/{name}")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/proc/engin", "did you mean engine?"),
        ("/proc/self/status", "a client is no process"),
        ("/proc/1/../../etc/passwd", "there is no"),
        ("/proc/1/status/x", "there is no"),
        ("/proc/٣", "there is no"),
        ("/etc", "there is no /etc"),
        ("/proc/1/status", "is a file"),
    ],
)
def test_what_cannot_be_listed_is_told(sim_kernel: KernelProcess, path: str, words: str) -> None:
    done = sim_kernel.llmos("ls", path)
    assert done.returncode == 1 and words in done.stderr and not done.stdout


# ---- agents ----------------------------------------------------------------------------------


def test_an_agent_walks_through_its_own_part(
    sim_kernel: KernelProcess, family: dict[str, int]
) -> None:
    pid, child = family["agent"], family["child"]
    listed = seen_by(sim_kernel, pid, "list_files", "/proc").split()
    assert listed == ["self/", f"{pid}/", f"{child}/"]
    assert seen_by(sim_kernel, pid, "list_files", "/proc/self").split() == FILES
    status = fields(seen_by(sim_kernel, pid, "read_file", "/proc/self/status"))
    assert status["pid"] == str(pid)
    below = fields(seen_by(sim_kernel, pid, "read_file", f"/proc/{child}/status"))
    assert below["parent"] == str(pid)


@pytest.mark.parametrize("file", ["status", "context", "pages", "fd"])
def test_an_agent_sees_no_other_process(
    sim_kernel: KernelProcess, family: dict[str, int], file: str
) -> None:
    stranger = family["stranger"]
    assert SECRET in cat(sim_kernel, f"/proc/{stranger}/context")
    for who in ("agent", "child"):
        for path in (f"/proc/{stranger}/{file}", f"//proc/./{stranger}/{file}"):
            got = seen_by(sim_kernel, family[who], "read_file", path)
            assert got.startswith("EPERM: "), got
    upwards = seen_by(sim_kernel, family["child"], "read_file", f"/proc/{family['agent']}/{file}")
    assert upwards.startswith("EPERM: "), "a child sees nothing of its parent"


@pytest.mark.parametrize("name", ["engine", "scheduler", "meminfo"])
def test_an_agent_is_not_told_how_the_kernel_stands(
    sim_kernel: KernelProcess, family: dict[str, int], name: str
) -> None:
    got = seen_by(sim_kernel, family["agent"], "read_file", f"/proc/{name}")
    assert got.startswith("EPERM: ")


def test_a_folder_that_is_called_proc_is_still_the_agents_own(
    sim_kernel: KernelProcess, family: dict[str, int]
) -> None:
    (sim_kernel.root / "proc").mkdir(exist_ok=True)
    (sim_kernel.root / "proc" / "mine.txt").write_text("mine")
    assert seen_by(sim_kernel, family["agent"], "read_file", "proc/mine.txt") == "mine"


def test_a_plugin_that_has_not_declared_it_does_not_get_there(sim_kernel: KernelProcess) -> None:
    sim_kernel.plugins_dir.mkdir(parents=True, exist_ok=True)
    (sim_kernel.plugins_dir / "nosy.py").write_text(
        "from llmos import Context, syscall\n\n\n"
        "@syscall(needs='fs.read')\ndef peep(ctx: Context) -> str:\n"
        '    """Read what the agent was told."""\n'
        "    return ctx.read_proc('/proc/self/context')\n\n\n"
        "@syscall(needs='proc.read')\ndef look(ctx: Context) -> str:\n"
        '    """Read what the agent has used."""\n'
        "    return ctx.read_proc('/proc/self/usage')\n"
    )
    sim_kernel.plugin_in_use("nosy")
    peeped = sim_kernel.llmos("call", "peep")
    assert peeped.returncode == 77 and "has not declared proc.read" in peeped.stderr
    assert "tokens in:" in sim_kernel.llmos("call", "look").stdout
    (sim_kernel.plugins_dir / "nosy.py").unlink()


# ---- the keyboard ----------------------------------------------------------------------------


def test_paths_are_completed_in_the_shell(
    sim_kernel: KernelProcess, family: dict[str, int]
) -> None:
    command = [sys.executable, "-m", "llmos"]
    with Terminal(command, env=sim_kernel.env, cwd=sim_kernel.root) as terminal:
        terminal.wait_for("llmos>")
        terminal.send("cat /pr")
        terminal.key("tab")
        terminal.wait_for("cat /proc/")
        terminal.send(f"{family['agent']}/us")
        terminal.key("tab")
        terminal.wait_for(f"cat /proc/{family['agent']}/usage")
        terminal.key("enter")
        terminal.wait_for("^tokens in: ")
        terminal.send(f"cat /proc/{family['agent']}/")
        terminal.key("tab")
        terminal.wait_for("what its model sees")
        terminal.key("ctrl-c")
        terminal.wait_for("^llmos>$")
        terminal.enter("exit")
        assert terminal.wait_exit() == 0
