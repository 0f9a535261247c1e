"""Every verb's --json parses, though a plugin prints noise and a call fails, and says by `ok` what
its exit status says.

`CASES` has lines for each verb of the table: a new verb wants some of its own.
"""

from __future__ import annotations

import json
import string
import sys
from collections.abc import Iterator
from typing import Any

import pytest

import llmos.shell.main as command
from harness import KernelProcess, Wire
from llmos.shell.verbs import TABLE
from terminal import Terminal

NOISE = '''
import os
import subprocess
import sys
import warnings

from llmos import hookimpl, syscall
from llmos.shell.verb import Outcome, Verb


def rattle(where):
    print(f"NOISE of {where}")
    print(f"NOISE of {where}", file=sys.stderr)
    warnings.warn(f"NOISE of {where}")
    sys.__stdout__.write('{"ok": "NOISE"}')
    sys.__stdout__.flush()


rattle("the import")


@syscall
def clatter(fails: bool = False) -> str:
    """Make noise, and fail if that is wanted."""
    rattle("a call")
    os.write(1, b"NOISE of a descriptor")
    subprocess.run(["echo", "NOISE of a program"], check=False)
    if fails:
        raise ValueError("NOISE of an error")
    return "clattered"


async def jangle(ctx):
    rattle("a verb")
    return Outcome({"state": (await ctx.ask("status")).engine.state}, "jangled")


@hookimpl
def llmos_verbs():
    return [Verb("jangle", "make noise", (), jangle)]
'''

FAILS = 'call clatter {{"fails": true}}'

CASES: dict[str, list[tuple[str, int | None]]] = {
    # verb: (what follows it, the exit status; None where it depends on who is faster)
    "run": [("call clatter {{}}", 0), (FAILS, 0), ("--program no.such x", 2), ("", 2)],
    "spawn": [(FAILS, 0), ("--parent 99999 x", 1)],
    "fork": [("{talker}", 0), ("99999", 1)],
    "exec": [("{fresh} another task", 0), ("99999 x", 1)],
    "send": [("{talker} " + FAILS, 0), ("99999 x", 1)],
    "attach": [("{short}", None), ("99999", 1)],
    "pipe": [("hello clatter", 0), ("", 2)],
    "source": [
        ("{folder}/job.llmos", 0),
        ("-n {folder}/job.llmos", 0),
        ("{folder}/fails.llmos", 1),
        ("{folder}/wrong.llmos", 2),
        ("{folder}/no.llmos", 2),
    ],
    "ps": [("", 0), ("-l --tree", 0), ("--sort sise", 2)],
    "top": [("-b", 0), ("-b -n 2 -d 0.1", 0), ("-b -n 0", 2)],
    "map": [("hello {folder}/doc.md", 0), ("hello {folder}/no.md", 1), ("hello", 2)],
    "limits": [("{talker}", 0), ("99999", 1)],
    "logs": [("{talker}", 0), ("nobody", 1), ("-f {ended}", 0), ("99999", 1), ("-f 99999", 1)],
    "history": [("{talker}", 0), ("99999", 1)],
    "strace": [("{ended}", 0), ("-c {ended}", 0), ("-f {short}", 0), ("99999", 1)],
    "ls": [("", 0), ("/proc/{talker}", 0), ("/etc", 1)],
    "cat": [("/proc/{talker}/context", 0), ("/proc/engine", 0), ("/proc/1/no", 1)],
    "scheduler": [("", 0), ("use no_such", 2), ("share x y", 2)],
    "why": [("{talker}", 0), ("99999", 1)],
    "trace": [("record {folder}/a.trace --for 0.05s", 0), ("show {folder}/no.trace", 2)],
    "tune": [("{folder}/no.trace", 2)],
    "kill": [("{fresh}", 0), ("-l", 0), ("99999", 1)],
    "stop": [("{fresh}", 0), ("99999", 1)],
    "cont": [("{fresh}", 0), ("99999", 1)],
    "renice": [("5 {fresh}", 0), ("5 99999", 1)],
    "setpgid": [("{fresh}", 0), ("99999", 1)],
    "wait": [("{ended}", 0), ("{talker} --timeout 0.05s", 124), ("99999", 1)],
    "jobs": [("", 0)],
    "unfold": [("9", 1)],
    "fg": [("%9", 1)],
    "bg": [("%9", 1)],
    "sessions": [("", 0), ("--here -n 2", 0), ("rm", 2)],
    "search": [("clatter", 0), ("", 2)],
    "resume": [("{talker}", 2)],
    "export": [("{talker}", 0), ("99999", 1)],
    "feedback": [("{talker} good", 0), ("{talker} meh", 2)],
    "up": [("{folder}/team.toml", 0), ("{folder}/team.toml", 1), ("{folder}/no.toml", 2)],
    "down": [("small", 0), ("small", 1)],
    "checkpoint": [("{talker} {folder}/talk.llmos", 0), ("{talker} /no/such/folder", 1)],
    "restore": [("{folder}/talk.llmos", 0), ("{folder}/no.llmos", 1)],
    "supervise": [("{folder}/team.json", 0), ("{folder}/no.json", 2)],
    "link": [("{fresh} {talker}", 0), ("99999 {talker}", 1)],
    "unlink": [("{fresh} {talker}", 0), ("99999 {talker}", 1)],
    "pages": [("{talker}", 0), ("99999", 1)],
    "du": [("", 0), ("x", 2)],
    "fsck": [("", 0), ("x", 2)],
    "memory-map": [("{talker} --svg -", 0), ("99999", 1)],
    "ingest": [("{folder}/doc.md -n papers", 0), ("{folder}/no.md", 2)],
    "kb": [("", 0), ("papers", 0), ("-s budget papers", 0), ("no_such", 1)],
    "man": [("clatter", 0), ("no_such_syscall", 127)],
    "plugins": [("", 0), ("show noise", 0), ("show no_such", 1)],
    "plugin": [("new demo", 0), ("new demo", 78)],
    "call": [("clatter", 0), ("clatter fails=true", 1), ("no_such_syscall", 127)],
    "mcp": [("list", 0), ("show no_such", 1), ("lst", 2)],
    "shell": [("", 2)],
    "boot": [("", 1)],
    "status": [("", 0)],
    "config": [("", 0), ("check", 0), ("get no_such", 2)],
    "models": [("", 0), ("show no_such", None)],
    "doctor": [("", None)],  # what it says is of the machine
    "trust": [("--list", 0), ("/no/such/folder", None)],
    "completions": [("bash", 0), ("tcsh", 2)],
    "help": [("", 0), ("ps", 0), ("pss", 127)],
    "exit": [],  # what it does is to leave
    "quit": [],
    "halt": [("", 0)],  # it comes last, for nothing answers after it
}

KINDS = {name: found.kind for name, found in TABLE.items() if name in CASES and name != "halt"}
OUTSIDE = [name for name, kind in KINDS.items() if kind != "session"]
IN_SESSION = [name for name, kind in KINDS.items() if kind == "session"]


@pytest.fixture(scope="module")
def kernel() -> Iterator[KernelProcess]:
    kernel = KernelProcess("--driver=simulated")
    kernel.plugins_dir.mkdir(parents=True)
    (kernel.plugins_dir / "noise.py").write_text(NOISE)
    (kernel.root / "doc.md").write_text("# Budget\n\nThe budget is 12.\n")
    child = {"name": "one", "task": "stay", "interactive": True}
    (kernel.root / "team.toml").write_text('name = "small"\n[unit.one]\ninteractive = true\n')
    for name, line in (("job", "hello"), ("fails", "kill 99999"), ("wrong", "kill x")):
        (kernel.root / f"{name}.llmos").write_text(f"{line}\n")
    (kernel.root / "team.json").write_text(json.dumps({"children": [child]}))
    yield kernel.start().ready().plugin_in_use("noise")
    kernel.close()


@pytest.fixture(scope="module")
def wire(kernel: KernelProcess) -> Iterator[Wire]:
    with kernel.wire() as wire:
        yield wire


@pytest.fixture(scope="module")
def talker(kernel: KernelProcess, wire: Wire) -> int:
    """It has made a noisy call, and one that failed."""
    pid: int = wire.get("spawn", interactive=True, root=str(kernel.root), attach=True)["pid"]
    for text in ("call clatter {}", 'call clatter {"fails": true}'):
        wire.get("send", pid=pid, text=text)
        while wire.until("turn")["pid"] != pid:
            pass
    return pid


class Words(dict[str, object]):
    """What stands for the names in a line; processes are made when they are named."""

    def __init__(self, kernel: KernelProcess, wire: Wire, talker: int) -> None:
        super().__init__(talker=talker, folder=kernel.root)
        self._wire, self._root = wire, str(kernel.root)

    def __missing__(self, name: str) -> object:
        task, limits = "done soon", {}
        if name == "short":  # ends by itself, a little later
            task, limits = 'call receive {"timeout": 60}', {"wall_s": 1}
        interactive = name == "fresh"
        made = self._wire.get(
            "spawn",
            task=None if interactive else task,
            interactive=interactive,
            root=self._root,
            attach=True,
            limits=limits,
        )
        if name == "ended":
            while self._wire.until("exit")["pid"] != made["pid"]:
                pass
        return made["pid"]


def parsed(stdout: str) -> dict[str, Any]:
    """The one document, or the last of those that a verb tells as it goes, a line each."""
    try:
        document = json.loads(stdout)
    except ValueError:
        document = [json.loads(line) for line in stdout.splitlines()][-1]
    assert isinstance(document, dict)
    return document


def test_every_verb_has_its_cases() -> None:
    missing = [name for name in TABLE if name not in CASES]
    assert not missing, f"write lines for {missing} into CASES of {__file__}"
    assert set(CASES) <= set(TABLE), "a verb that is gone"


@pytest.mark.parametrize("verb", OUTSIDE)
def test_stdout_is_json_whatever_happens(
    kernel: KernelProcess, wire: Wire, talker: int, verb: str
) -> None:
    for line, status in CASES[verb]:
        words = string.Formatter().vformat(line, (), Words(kernel, wire, talker))
        # A task is one word for the command, as it would be in quotes.
        given = (
            [words] if verb in ("run", "spawn") and "--" not in words and words else words.split()
        )
        # What stands behind a script's name is the script's.
        given = ["--json", *given] if verb == "source" else [*given, "--json"]
        done = kernel.llmos(verb, *given)
        said = f"llmos {verb} {words} --json: {done.returncode}\n{done.stdout}\n{done.stderr}"
        try:
            document = parsed(done.stdout)
        except (ValueError, IndexError):
            pytest.fail(f"it does not parse: {said}")
        assert document["ok"] is (done.returncode == 0), said
        assert status in (None, done.returncode), said
        assert "NOISE of" not in done.stderr, said
        if done.returncode:
            assert document["error"].keys() >= {"code", "message", "hint"}, said


@pytest.mark.parametrize("verb", [name for name in OUTSIDE if not TABLE[name].open_ended])
def test_a_mistyped_flag_is_json_too(
    verb: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "_ready_streams", lambda: None)
    assert command.main([verb, "--no-such-flag", "--json"]) == 2
    document = json.loads(capsys.readouterr().out)
    assert (document["ok"], document["error"]["code"]) == (False, "EUSAGE")


def test_a_noisy_plugins_own_verb_is_json(kernel: KernelProcess) -> None:
    done = kernel.llmos("jangle", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"ok": True, "state": "ready"}
    assert "NOISE of a verb" in done.stderr, "it is not lost"
    (kernel.root / "noisy.llmos").write_text("jangle\n! echo of the system\n")
    done = kernel.llmos("source", "--json", "noisy.llmos")
    jangle, echo = json.loads(done.stdout)["lines"]
    assert jangle["result"] == {"state": "ready"}
    assert echo["result"] == {"output": "of the system\n"}


@pytest.mark.parametrize("verb", [name for name in IN_SESSION if CASES[name]])
def test_in_the_interactive_shell_it_is_json_too(kernel: KernelProcess, verb: str) -> None:
    with Terminal([sys.executable, "-m", "llmos"], env=kernel.env, cwd=kernel.root) as terminal:
        terminal.wait_for("llmos>")
        for line, status in CASES[verb]:
            terminal.enter(f"{verb} {line} --json")
            text = terminal.wait_for(r"^\}$")
            document = json.loads(text[text.index("\n{") : text.rindex("\n}") + 2])
            assert document["ok"] is (status == 0)


def test_halt_comes_last(kernel: KernelProcess) -> None:
    done = kernel.llmos("halt", "--json")
    assert (done.returncode, parsed(done.stdout)["ok"]) == (0, True)
    done = kernel.llmos("halt", "--json")
    assert done.returncode == 69
    assert parsed(done.stdout)["error"]["code"] == "ENOKERNEL"
