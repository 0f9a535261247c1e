"""logs shows what was read and said: the last pages, those of a role or a time, and what comes."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from harness import KernelProcess, Wire
from terminal import Terminal

LLMOS = [sys.executable, "-m", "llmos"]


def talker(wire: Wire, kernel: KernelProcess, *texts: str) -> int:
    pid: int = wire.get("spawn", interactive=True, root=str(kernel.root), attach=True)["pid"]
    for text in texts:
        say(wire, pid, text)
    return pid


def say(wire: Wire, pid: int, text: str) -> None:
    wire.get("send", pid=pid, text=text)
    while wire.until("turn")["pid"] != pid:
        pass


def end(wire: Wire, pid: int) -> None:
    wire.get("kill", pid=pid, signal="KILL")
    wire.get("wait", pid=pid)


def follower(kernel: KernelProcess, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*LLMOS, "logs", "-f", *map(str, arguments)],
        env=kernel.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def rest(logs: subprocess.Popen[str]) -> str:
    """What it writes until it ends, by itself and without a complaint."""
    assert logs.stdout is not None and logs.stderr is not None
    text = logs.stdout.read()
    assert (logs.wait(60), logs.stderr.read()) == (0, "")
    return text


def test_what_was_said_and_what_comes_until_the_end(sim_kernel: KernelProcess) -> None:
    with sim_kernel.wire() as wire:
        pid = talker(wire, sim_kernel, "one", "two")
        logs = follower(sim_kernel, "-n", 2, pid)
        assert logs.stdout is not None
        assert logs.stdout.readline().startswith("[2] user "), "it has begun: the last two pages"
        say(wire, pid, "three")
        end(wire, pid)
        out = rest(logs)
    assert [line for line in out.splitlines() if line and line[0] != "["] == [
        *("two", "You said: two", "three", "You said: three")
    ]


def test_following_does_not_attach(sim_kernel: KernelProcess) -> None:
    """Or the process would count as one that somebody waits for at a screen."""
    with sim_kernel.wire() as wire:
        pid = wire.get("spawn", interactive=True, root=str(sim_kernel.root))["pid"]
        onlooker = wire.get("look_on", pids=[pid], what="pages")["onlooker"]
        wire.get("send", pid=pid, text="hello")
        kinds: list[str] = []
        while len(kinds) < 2:
            kinds += [one["kind"] for one in wire.get("look", onlooker=onlooker)["seen"]]
        assert kinds == ["page", "page"]
        assert wire.events == [], "an attached connection gets events"
        end(wire, pid)


def test_an_exec_does_not_lose_the_thread(sim_kernel: KernelProcess) -> None:
    with sim_kernel.wire() as wire:
        pid = talker(wire, sim_kernel, "one life")
        logs = follower(sim_kernel, pid)
        assert logs.stdout is not None and logs.stdout.readline().startswith("[0] user ")
        wire.get("exec", pid=pid, task="another life")
        while wire.until("turn")["text"] != "You said: another life":
            pass
        end(wire, pid)
        out = rest(logs)
    assert "\nYou said: one life\n\n[0] user " in out
    assert out.endswith("\nYou said: another life\n")


def test_json_is_a_page_a_line(sim_kernel: KernelProcess) -> None:
    with sim_kernel.wire() as wire:
        pid = talker(wire, sim_kernel, "one")
        logs = follower(sim_kernel, "--json", pid)
        assert logs.stdout is not None
        first = json.loads(logs.stdout.readline())
        say(wire, pid, "two")
        end(wire, pid)
        out = rest(logs)
    *pages, last = [first, *map(json.loads, out.splitlines())]
    assert [page["vpn"] for page in pages] == [0, 1, 2, 3]
    assert last == {"ok": True, "pid": pid, "pages": 4}


def test_pages_are_chosen_by_role_and_number(sim_kernel: KernelProcess) -> None:
    with sim_kernel.wire() as wire:
        pid = talker(wire, sim_kernel, "one", "call now {}", "two")
        end(wire, pid)

    def listed(*options: str) -> list[int]:
        done = sim_kernel.llmos("logs", str(pid), "--json", *options)
        return [page["vpn"] for page in json.loads(done.stdout)["pages"]]

    assert listed() == list(range(8))
    assert listed("--role", "tool") == [4]
    assert listed("--role", "user,tool", "-n", "2") == [4, 6]
    assert listed("-n", "0") == []


def test_pages_are_chosen_by_time(sim_kernel: KernelProcess) -> None:
    with sim_kernel.wire() as wire:
        pid = talker(wire, sim_kernel, "one")
        end(wire, pid)

    def listed(when: str) -> int:
        done = sim_kernel.llmos("logs", str(pid), "--json", "--since", when)
        assert done.returncode == 0, done.stderr
        return len(json.loads(done.stdout)["pages"])

    assert listed("1h") == 2
    assert listed("2026-01-01") == 2
    assert listed(time.strftime("%Y-%m-%d %H:%M", time.localtime(time.time() + 120))) == 0
    assert listed("2999-01-01") == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--since", "soon"), "'soon' is not a time"),
        (("--role", "usr"), "did you mean user?"),
    ],
)
def test_what_is_mistyped_is_told(
    sim_kernel: KernelProcess, options: tuple[str, ...], words: str
) -> None:
    done = sim_kernel.llmos("logs", "1", *options)
    assert done.returncode == 2 and words in done.stderr


def test_in_the_interactive_shell_until_ctrl_c(sim_kernel: KernelProcess) -> None:
    with (
        sim_kernel.wire() as wire,
        Terminal(LLMOS, env=sim_kernel.env, cwd=sim_kernel.root) as terminal,
    ):
        pid = talker(wire, sim_kernel, "one")
        terminal.wait_for("llmos>")
        terminal.enter(f"logs -f {pid}")
        terminal.wait_for("^You said: one")
        say(wire, pid, "two")
        terminal.wait_for("^You said: two")
        terminal.interrupt()
        terminal.enter("ps")
        terminal.wait_for("^PID")
        terminal.enter("exit")
        assert terminal.wait_exit() == 0
        end(wire, pid)
