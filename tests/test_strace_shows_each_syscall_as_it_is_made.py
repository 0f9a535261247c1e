"""strace shows each syscall as it is made, with what came of it, and ends with its process."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from harness import KernelProcess, Wire
from terminal import Terminal

LLMOS = [sys.executable, "-m", "llmos"]
TOOK = r"<\d+\.\d{3}>"


class Strace:
    """`llmos strace -v`, which looks on when this is made."""

    def __init__(self, kernel: KernelProcess, *arguments: object) -> None:
        self._process = subprocess.Popen(
            [*LLMOS, "strace", "-v", *map(str, arguments)],
            env=kernel.env,
            cwd=kernel.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stderr is not None
        assert self._process.stderr.readline() == "looking on; Ctrl-C ends it\n"

    def ends(self) -> list[str]:
        """Its lines, when it has ended by itself."""
        assert self._process.stdout is not None and self._process.stderr is not None
        out = self._process.stdout.read()
        assert (self._process.wait(60), self._process.stderr.read()) == (0, "")
        return out.splitlines()

    def interrupt(self) -> list[str]:
        self._process.send_signal(signal.SIGINT)
        return self.ends()

    def line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@contextlib.contextmanager
def agent(kernel: KernelProcess) -> Iterator[tuple[Wire, int]]:
    """One that waits for messages, and does as it is told."""
    with kernel.wire() as wire:
        pid = wire.get("spawn", interactive=True, root=str(kernel.root), attach=True)["pid"]
        yield wire, pid
        wire.ask("kill", pid=pid, signal="KILL")
        wire.ask("wait", pid=pid)


def tell(wire: Wire, pid: int, *texts: str) -> None:
    for text in texts:
        wire.get("send", pid=pid, text=text)
        while wire.until("turn")["pid"] != pid:
            pass


def end(wire: Wire, pid: int) -> None:
    wire.get("kill", pid=pid, signal="TERM")
    wire.get("wait", pid=pid)


def test_calls_results_errors_and_the_end(sim_kernel: KernelProcess) -> None:
    (sim_kernel.root / "notes.txt").write_text("milk\n" * 400)
    with agent(sim_kernel) as (wire, pid):
        strace = Strace(sim_kernel, pid)
        tell(
            wire,
            pid,
            'call read_file {"path": "notes.txt"}',
            'call read_file {"path": "none.txt"}',
            'call calculate {"expression": "6*7"}',
            'call calculate {"expresion": "6*7"}',
            "call fly {}",
        )
        end(wire, pid)
        shown = strace.ends()
    patterns = [
        rf'read_file\(path="notes.txt"\) = 2,000 chars {TOOK}',
        rf'read_file\(path="none.txt"\) = ENOENT no such file.* {TOOK}',
        rf'calculate\(expression="6\*7"\) = ".*42" {TOOK}',
        rf'calculate\(expresion="6\*7"\) = EINVAL .*expression.* {TOOK}',
        rf"fly\(\) = ENOSYS .*fly.* {TOOK}",
        r"--- TERM ---",
        r"\+\+\+ exited with 143: .* \+\+\+",
    ]
    assert len(shown) == len(patterns), shown
    for line, pattern in zip(shown, patterns, strict=True):
        assert re.fullmatch(rf"\[{pid}\] {pattern}", line), line


def test_children_are_followed_and_a_long_call_is_taken_up_again(
    sim_kernel: KernelProcess,
) -> None:
    with agent(sim_kernel) as (wire, pid):
        strace, alone = Strace(sim_kernel, "-f", pid), Strace(sim_kernel, pid)
        tell(wire, pid, 'call spawn {"task": "call wait_for_nobody {}"}')
        (child,) = (one["pid"] for one in wire.get("ps")["processes"] if one["parent"] == pid)
        wire.get("wait", pid=child)
        forked = wire.get("fork", pid=pid, interactive=True, attach=True)["pid"]
        # The parent waits for its child; meanwhile the child makes a call, and ends.
        wire.get("send", pid=pid, text=f'call wait {{"pid": {forked}}}')
        wire.until("call")
        tell(wire, forked, "call now {}")
        end(wire, forked)
        while wire.until("turn")["pid"] != pid:
            pass
        end(wire, pid)
        shown, of_one = strace.ends(), alone.ends()
    assert f"[{child}] +++ started by {pid}: call wait_for_nobody {{}} +++" in shown
    assert any(re.match(rf"\[{child}\] wait_for_nobody\(\) = ENOSYS", line) for line in shown)
    assert f"[{child}] +++ exited with 0 +++" in shown
    waits = shown.index(f"[{pid}] wait(pid={forked} <unfinished …>")
    calls = next(i for i, line in enumerate(shown) if line.startswith(f"[{forked}] now() = "))
    again = next(i for i, line in enumerate(shown) if "<… wait resumed>) = " in line)
    assert waits < calls < again, shown
    assert {line.split()[0] for line in of_one} == {f"[{pid}]"}
    assert not any("unfinished" in line for line in of_one), "nothing came between for that one"


def test_syscalls_are_chosen_by_name_pattern_and_exclusion(sim_kernel: KernelProcess) -> None:
    with agent(sim_kernel) as (wire, pid):
        reads = Strace(sim_kernel, pid, "-e", "list_*,now")
        others = Strace(sim_kernel, pid, "-e", "!now", "-e", "!list_files")
        tell(wire, pid, "call now {}", "call list_files {}", "call list_processes {}")
        end(wire, pid)
        read, other = reads.ends(), others.ends()

    def names(lines: list[str]) -> list[str]:
        return [line.split()[1].partition("(")[0] for line in lines if "(" in line.split()[1]]

    assert names(read) == ["now", "list_files", "list_processes"]
    assert names(other) == ["list_processes"]


def test_a_table_counts_calls_errors_and_time(sim_kernel: KernelProcess) -> None:
    with agent(sim_kernel) as (wire, pid):
        strace = Strace(sim_kernel, "-c", pid)
        tell(wire, pid, "call now {}", "call fly {}", "call now {}")
        table = strace.interrupt()
    assert table[0].split() == ["%", "TIME", "SECONDS", "MS/CALL", "CALLS", "ERRORS", "SYSCALL"]
    rows = {line.split()[-1]: line.split() for line in table[1:]}
    assert rows["now"][3:5] == ["2", "-"]
    assert rows["fly"][3:5] == ["1", "1"]
    assert rows["total"][3:5] == ["3", "1"]


def test_json_is_a_document_a_line(sim_kernel: KernelProcess) -> None:
    with agent(sim_kernel) as (wire, pid):
        strace = Strace(sim_kernel, "--json", pid)
        tell(wire, pid, "call now {}", "call fly {}")
        end(wire, pid)
        documents = [json.loads(line) for line in strace.ends()]
    *events, last = documents
    assert [one["event"] for one in events] == [*(["call", "result"] * 2), "signal", "exit"]
    assert [one["errno"] for one in events if one["event"] == "result"] == ["", "ENOSYS"]
    assert {one["pid"] for one in events} == {pid}
    assert last["ok"] and [row["name"] for row in last["calls"]] in (["now", "fly"], ["fly", "now"])


def test_lines_go_into_a_file_with_the_time_of_the_day(sim_kernel: KernelProcess) -> None:
    with agent(sim_kernel) as (wire, pid):
        strace = Strace(sim_kernel, "-t", "-o", "calls.txt", pid)
        tell(wire, pid, "call now {}")
        end(wire, pid)
        assert strace.ends() == []
    first = (sim_kernel.root / "calls.txt").read_text().splitlines()[0]
    assert re.match(rf"\d\d:\d\d:\d\d\.\d{{3}} \[{pid}\] now\(\) = ", first), first
    denied = sim_kernel.llmos("strace", str(pid), "-o", "no/such/folder")
    assert denied.returncode == 2 and "cannot write" in denied.stderr


def test_of_one_that_has_ended_the_past_is_told(sim_kernel: KernelProcess) -> None:
    with agent(sim_kernel) as (wire, pid):
        tell(wire, pid, "call now {}", 'call read_file {"path": "gone.txt"}')
        end(wire, pid)
        done = sim_kernel.llmos("strace", "-v", str(pid))
    assert f"process {pid} has ended" in done.stderr
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert re.fullmatch(rf"\[{pid}\] now\(\) = .* {TOOK}", lines[0])
    assert re.fullmatch(rf'\[{pid}\] read_file\(path="gone.txt"\) = ENOENT .* {TOOK}', lines[1])
    assert lines[2].startswith(f"[{pid}] +++ exited with 143")


def test_calls_that_a_client_makes_itself_are_seen(sim_kernel: KernelProcess) -> None:
    with sim_kernel.wire() as wire:
        pid = wire.get("open_guest", root=str(sim_kernel.root))["pid"]
        strace = Strace(sim_kernel, pid)
        wire.get("call", pid=pid, name="now", arguments={})
        assert strace.line().startswith(f"[{pid}] now() = ")
    assert strace.ends()[-1].startswith(f"[{pid}] +++ exited with ")


def test_a_group_is_seen_and_nobody_else(sim_kernel: KernelProcess) -> None:
    with agent(sim_kernel) as (wire, pid), agent(sim_kernel) as (elsewhere, other):
        child = wire.get("fork", pid=pid, interactive=True, attach=True)["pid"]
        strace = Strace(sim_kernel, "-g", pid)
        tell(elsewhere, other, "call now {}")
        tell(wire, pid, "call list_files {}")
        tell(wire, child, "call list_processes {}")
        end(wire, child)
        end(wire, pid)
        shown = strace.ends()
    assert {line.split()[0] for line in shown} == {f"[{pid}]", f"[{child}]"}


def test_children_that_are_there_already_are_followed_too(sim_kernel: KernelProcess) -> None:
    with agent(sim_kernel) as (wire, pid), agent(sim_kernel) as (elsewhere, other):
        children = [
            one.get("fork", pid=parent, interactive=True, attach=True)["pid"]
            for one, parent in ((wire, pid), (elsewhere, other))
        ]
        strace = Strace(sim_kernel, "-f", pid, other)
        tell(wire, children[0], "call now {}")
        tell(elsewhere, children[1], "call now {}")
        for one, child, parent in zip((wire, elsewhere), children, (pid, other), strict=True):
            end(one, child)
            end(one, parent)
        shown = strace.ends()
    assert all(any(f"[{child}] now() = " in line for line in shown) for child in children), shown


def test_a_call_that_is_cut_off_says_so(sim_kernel: KernelProcess) -> None:
    with agent(sim_kernel) as (wire, pid):
        strace = Strace(sim_kernel, pid)
        wire.get("send", pid=pid, text='call receive {"timeout": 100}')
        wire.until("call")
        wire.get("kill", pid=pid, signal="INT")
        wire.until("turn")
        end(wire, pid)
        shown = strace.ends()
    assert any(re.search(rf"resumed>\) = EINTR interrupted {TOOK}", line) for line in shown), shown


def test_in_the_interactive_shell_until_ctrl_c(sim_kernel: KernelProcess) -> None:
    with (
        agent(sim_kernel) as (wire, pid),
        Terminal(LLMOS, env=sim_kernel.env, cwd=sim_kernel.root) as terminal,
    ):
        terminal.wait_for("llmos>")
        terminal.enter(f"strace {pid}")
        terminal.wait_for("looking on")
        tell(wire, pid, "call now {}")
        terminal.wait_for(rf"^\[{pid}\] now\(\) = .* {TOOK}$")
        terminal.interrupt()
        terminal.enter("ps")
        assert "^C" not in terminal.wait_for("^PID")
        terminal.enter("exit")
        assert terminal.wait_exit() == 0


def test_in_a_terminal_a_call_under_way_is_there_before_its_result(
    sim_kernel: KernelProcess,
) -> None:
    with agent(sim_kernel) as (wire, pid):
        command = [*LLMOS, "strace", "-f", str(pid)]
        with Terminal(command, env=sim_kernel.env, cwd=sim_kernel.root) as terminal:
            terminal.wait_for("looking on")
            child = wire.get("fork", pid=pid, interactive=True, attach=True)["pid"]
            wire.get("send", pid=pid, text=f'call wait {{"pid": {child}}}')
            terminal.wait_for(rf"^\[{pid}\] wait\(pid={child}$")
            end(wire, child)
            terminal.wait_for(rf"^\[{child}\] \+\+\+ exited with 143")
            terminal.wait_for(rf"^\[{pid}\] <… wait resumed>\) = .* {TOOK}$")
            end(wire, pid)
            assert terminal.wait_exit() == 0


@pytest.mark.parametrize(
    ("line", "status", "words"),
    [
        ("strace", 2, "whose syscalls?"),
        ("strace 99999", 1, "no process 99999"),
        ("strace -g 99999", 2, "no process group 99999"),
        ("strace x", 2, "is not a pid"),
    ],
)
def test_what_cannot_be_seen_is_told(
    sim_kernel: KernelProcess, line: str, status: int, words: str
) -> None:
    done = sim_kernel.llmos(*line.split())
    assert done.returncode == status and words in done.stderr and not done.stdout
