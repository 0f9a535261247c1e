"""A file of shell lines runs as the shell would run them: `llmos FILE`, `source FILE`, `./FILE`."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import KernelProcess
from llmos.shell.errors import UsageError
from llmos.shell.scripts.parameters import Parameters
from terminal import Terminal

Write = Callable[..., str]
Run = subprocess.CompletedProcess[str]

REPOSITORY = Path(__file__).parent.parent
LLMOS = [sys.executable, "-m", "llmos"]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(*lines: str, name: str = "job.llmos") -> str:
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n")
        return str(path)

    return written


def says(run: Run) -> list[str]:
    """Its lines, when all went well."""
    assert (run.returncode, run.stderr) == (0, ""), run.stderr
    return run.stdout.splitlines()


# ---- what a line is ---------------------------------------------------------------------------


def test_each_kind_of_line(sim_kernel: KernelProcess, write: Write) -> None:
    path = write(
        "#!/usr/bin/env llmos",
        "# a comment",
        "",
        "what's up",
        "? ps",
        "  run one \\",
        "    two",
        "to be \\",
        "continued",
        "!printf '%s' system; printf 's line\\n'",
        "call now",
        "spawn -i --name ada",
        "@ada hello",
        "@$! and by its pid",
        "!echo $!",
        "kill $! -s KILL",
    )
    lines = says(sim_kernel.llmos(path))
    assert lines[:5] == [
        *("You said: what's up", "You said: ps", "You said: one two"),
        *("You said: to be ", "continued"),
    ]
    assert lines[5] == "systems line"
    spawned, *said, last = lines[7:]
    assert said == ["You said: hello", "You said: and by its pid"]
    assert last == spawned, "$! is what spawn has printed"


def test_plain_talk_is_one_conversation_of_an_agent_in_its_folder(
    sim_kernel: KernelProcess, write: Write, tmp_path: Path
) -> None:
    (tmp_path / "here.txt").write_text("found\n")
    path = write("one", '? call read_file {"path": "here.txt"}', "ps --json")
    run = sim_kernel.llmos(path)
    assert run.stdout.startswith("You said: one\nfound\n"), run.stderr
    processes = json.loads(run.stdout.partition("found\n")[2])["processes"]
    script, agent = [row for row in processes if row["name"] == "job.llmos"][-2:]
    assert agent["parent"] == script["pid"]
    assert (script["program"], agent["program"]) == ("guest", "agent")


def test_tasks_in_the_background_are_waited_for(sim_kernel: KernelProcess, write: Write) -> None:
    path = write("run count 3 &", "say it &", "spawn count 2 &", "wait", "count 1 &", "wait $!")
    assert says(sim_kernel.llmos(path)) == ["1 2 3", "You said: say it", "1 2", "1"]


def test_pipelines_and_files(sim_kernel: KernelProcess, write: Write, tmp_path: Path) -> None:
    hostile = "a | b > c; $(id) \"'"
    (tmp_path / "in.txt").write_text("one\ntwo\n")
    path = write(
        f'run "say $1 \\$1" < {tmp_path}/in.txt | !sed "s/^/[$2] /" > {tmp_path}/out.txt',
        "run '$1' | run and",
        "!printf 'x\\ny\\n' | map -l \"$1\"",
        "run hello | !exit 3",
        "!echo never",
    )
    run = sim_kernel.llmos(path, hostile, "n")
    assert run.returncode == 3 and f"{path}:4: run hello | !exit 3: exit 3" in run.stderr
    told = (tmp_path / "out.txt").read_text()
    assert told.startswith(f"[n] You said: say {hostile} $1\n[n] \n[n] one\n[n] two\n")
    first, _, mapped = run.stdout.partition("==> x <==")
    assert first == "You said: and\n\nYou said: $1\n"
    assert f"You said: {hostile}\n\nx" in mapped and "==> y <==" in mapped
    document = json.loads(sim_kernel.llmos("source", "--json", path, hostile, "n").stdout)
    assert document["lines"][1]["result"]["output"] == first
    for wrong in ("run a | run b &", "run a | ps", "run a <", "run --no-such a | run b"):
        assert sim_kernel.llmos("source", "-n", write(wrong)).returncode == 2


def test_a_script_runs_scripts(sim_kernel: KernelProcess, write: Write) -> None:
    inner = write("run inner $1", "exit ${2:-0}", name="inner.llmos")
    outer = write(f"source {inner} 'a b'", f"source {inner} c 3", "never said")
    run = sim_kernel.llmos(outer)
    assert (run.returncode, run.stdout) == (3, "You said: inner a b\nYou said: inner c\n")
    again = sim_kernel.llmos(write("source $0"))
    assert again.returncode == 75 and "which is the limit" in again.stderr


# ---- arguments --------------------------------------------------------------------------------


def test_arguments_are_words_whatever_is_in_them(sim_kernel: KernelProcess, write: Write) -> None:
    path = write(
        "run $1 --name x",
        'run "a $1 b" ${4:-none} $#',
        "in talk: $1 \\$5",
        '!printf "<%s>" "$@" "$0"; echo',
        "run '$1'",
    )
    hostile = "; echo \"x\" 'y' $(id) && $2 \\"
    lines = says(sim_kernel.llmos(path, hostile, "--json", "&"))
    assert lines == [
        f"You said: {hostile}",
        f"You said: a {hostile} b none 3",
        f"You said: in talk: {hostile} $5",
        f"<{hostile}><--json><&><{path}>",
        "You said: $1",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("$1", ["a b"]),
        ("x=$1.txt", ["x=a b.txt"]),
        ('"$1"', ["a b"]),
        ('"<$2>"', ['<"\\>']),
        ("'$1'", ["$1"]),
        ("$@", ["a b", '"\\']),
        ('"$@"', ["a b", '"\\']),
        ('"all: $@"', ['all: a b "\\']),
        ("\\$1", ["$1"]),
        ('"\\$1"', ["$1"]),
        ("${3:-none at all}", ["none at all"]),
        ("$# $0", ["2", "job"]),
        ("$x $ $", ["$x", "$", "$"]),
    ],
)
def test_an_argument_stays_within_its_word(text: str, words: list[str]) -> None:
    assert shlex.split(Parameters("job", ["a b", '"\\']).quoted(text)) == words


def test_no_argument_becomes_a_verb(sim_kernel: KernelProcess, write: Write) -> None:
    assert says(sim_kernel.llmos(write("$1"), "halt")) == ["You said: halt"]


def test_what_is_missing_is_told_before_anything_runs(
    sim_kernel: KernelProcess, write: Write
) -> None:
    path = write("run first", "run $2")
    run = sim_kernel.llmos(path, "one")
    assert (run.returncode, run.stdout) == (2, "")
    assert f"{path}:2: there is no argument 2 ($2)" in run.stderr
    with pytest.raises(UsageError, match="nothing was"):
        Parameters("job", []).plain("$!")


# ---- what is wrong ----------------------------------------------------------------------------


def test_the_first_failure_ends_it_and_is_told_with_its_line(
    sim_kernel: KernelProcess, write: Write
) -> None:
    path = write("run before", "", "!exit 7", "run after")
    run = sim_kernel.llmos(path)
    assert (run.returncode, run.stdout) == (7, "You said: before\n")
    assert run.stderr == f"llmos: {path}:3: !exit 7: exit 7\n"
    going_on = sim_kernel.llmos("source", "--keep-going", path)
    assert (going_on.returncode, going_on.stdout) == (7, "You said: before\nYou said: after\n")
    assert f"{path}:3:" in going_on.stderr


@pytest.mark.parametrize(
    ("line", "status", "words"),
    [
        ("kill 99999", 1, "no process 99999"),
        ("call no_such_syscall", 127, "no_such_syscall"),
        ("@nobody hello", 1, "there is no living process nobody"),
        ("!kill -TERM $$", 143, "exit 143"),
        ("run --limit tokens=1 count 500", 152, "a limit or its budget was reached"),
    ],
)
def test_its_status_is_that_of_the_line(
    sim_kernel: KernelProcess, write: Write, line: str, status: int, words: str
) -> None:
    path = write(line, "run after")
    run = sim_kernel.llmos(path)
    assert run.returncode == status
    assert run.stderr.startswith(f"llmos: {path}:1: ") and words in run.stderr


WRONG = {
    2: ("ps --sort sise", "no column 'sise'"),
    3: ("pss", "did you mean ps?"),
    5: ("kill soon", "'soon' is not a pid"),
    6: ("ps &", "ps does not go into the background"),
    7: ("fg", "fg is no verb of a script"),
    8: ("kill '1", "quotes come in pairs"),
    9: ("&", "there is no task before the &"),
    10: ("shell", "shell is no verb of a script"),
    11: ("exit soon", "exit takes a status"),
    12: ("?", "there is no text"),
}


def test_check_tells_every_wrong_line_and_runs_none(
    sim_kernel: KernelProcess, write: Write, tmp_path: Path
) -> None:
    lines = [WRONG.get(number, (f"!touch {tmp_path}/ran", ""))[0] for number in range(1, 13)]
    path = write(*lines)
    for run in (sim_kernel.llmos("source", "-n", path), sim_kernel.llmos(path)):
        assert (run.returncode, run.stdout) == (2, "")
        for number, (_, words) in WRONG.items():
            told = run.stderr.partition(f"{path}:{number}: ")[2].partition(f"{path}:")[0]
            assert words in told, number
        assert run.stderr.count(f"{path}:") == len(WRONG)
    assert not (tmp_path / "ran").exists()
    good = sim_kernel.llmos("source", "--check", write("kill $1", "wait $!", "ps -h"))
    assert good.returncode == 0 and "3 lines, none is wrong" in good.stdout


def test_a_file_that_does_not_say_so_is_not_run(sim_kernel: KernelProcess, write: Write) -> None:
    """Or each line of a text would be said to an agent, for one word too few."""
    path = write("hello", name="notes.txt")
    run = sim_kernel.llmos(path)
    assert (run.returncode, run.stdout) == (2, "") and f"llmos source {path}" in run.stderr
    assert says(sim_kernel.llmos("source", path)) == ["You said: hello"]
    assert says(sim_kernel.llmos(write("#!/usr/bin/env llmos", "hello", name="notes"))) == [
        "You said: hello"
    ]
    python = sim_kernel.llmos("source", write("print(1)", name="a.py"))
    assert python.returncode == 2 and "llmos run" in python.stderr
    assert sim_kernel.llmos("source", "/no/such/file").returncode == 2


def test_a_verb_goes_before_a_file(sim_kernel: KernelProcess) -> None:
    (sim_kernel.root / "status").write_text("#!/usr/bin/env llmos\nhello\n")
    assert "You said" not in sim_kernel.llmos("status").stdout
    (sim_kernel.root / "status").unlink()


# ---- streams ----------------------------------------------------------------------------------


def test_json_is_one_document_with_a_result_a_line(sim_kernel: KernelProcess, write: Write) -> None:
    path = write("hello", "!echo system", "ps", "spawn -i x", "kill 99999", "never")
    run = sim_kernel.llmos("source", "--json", path)
    document: dict[str, Any] = json.loads(run.stdout)
    assert (run.returncode, run.stderr) == (1, "")
    assert not document["ok"] and document["error"]["message"].startswith(f"{path}:5: ")
    talk, system, ps, spawn, kill = document["lines"]
    assert [one["line"] for one in document["lines"]] == [1, 2, 3, 4, 5]
    assert talk["result"]["output"] == "You said: hello"
    assert system["result"]["output"] == "system\n"
    assert ps["result"]["processes"]
    assert document["background"] == [spawn["result"]["pid"]]
    assert (kill["status"], kill["error"]["code"]) == (1, "ESRCH")
    sim_kernel.llmos("kill", "-s", "KILL", str(spawn["result"]["pid"]))
    wrong = json.loads(sim_kernel.llmos("source", "--json", write("pss")).stdout)
    assert wrong["wrong"][0]["line"] == 1 and not wrong["ok"]


def test_syscalls_are_told_on_stderr_and_stdout_is_for_answers(
    sim_kernel: KernelProcess, write: Write
) -> None:
    run = sim_kernel.llmos("source", "-v", write("? call now {}", "hello"))
    assert "· now()" in run.stderr and "now()" not in run.stdout
    assert run.stdout.splitlines()[1] == "You said: hello"


def test_it_is_executable(sim_kernel: KernelProcess, write: Write, tmp_path: Path) -> None:
    command = tmp_path / "llmos"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m llmos "$@"\n')
    path = write("#!/usr/bin/env llmos", "run $1", name="night")
    for file in (command, Path(path)):
        file.chmod(0o755)
    env = sim_kernel.env | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    run = subprocess.run(["./night", "a b"], env=env, cwd=tmp_path, capture_output=True, text=True)
    assert (run.stdout, run.stderr) == ("You said: a b\n", "")


def test_the_script_on_its_page_runs(sim_kernel: KernelProcess, write: Write) -> None:
    page = (REPOSITORY / "docs" / "shell-scripts.md").read_text()
    script = page.partition("```sh\n")[2].partition("```")[0]
    desk = str(REPOSITORY / "examples" / "desk")
    talk, todo, notes, *counted = says(sim_kernel.llmos(write(script), desk))
    assert [talk, todo, notes] == [
        f"You said: {text}" for text in ("list the files here", "read todo.md", "read notes.txt")
    ]
    assert "shopping.txt" in counted[-2]


def test_in_the_interactive_shell(sim_kernel: KernelProcess, write: Write) -> None:
    path = write("hello", "count $1 &", "wait", 'run $1 4 | !sed "s/^/<$1> /"', "exit 3")
    with Terminal(LLMOS, env=sim_kernel.env, cwd=sim_kernel.root) as terminal:
        terminal.wait_for("llmos>")
        terminal.enter(f"source {path} 3")
        terminal.wait_for("^You said: hello")
        terminal.wait_for("^1 2 3")
        terminal.wait_for("^<3> You said: 3 4")
        terminal.enter("my own agent")
        terminal.wait_for("^You said: my own agent")
        terminal.enter("exit")
        assert terminal.wait_exit() == 0
