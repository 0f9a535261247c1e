"""The prompt shows what a line is, offers what may come next, and says what was meant."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import KernelProcess
from terminal import Terminal

LLMOS = [sys.executable, "-m", "llmos"]


@pytest.fixture
def shell(sim_kernel: KernelProcess) -> Iterator[Terminal]:
    """In colours."""
    with Terminal(LLMOS, env=sim_kernel.env | {"NO_COLOR": ""}, cwd=sim_kernel.root) as terminal:
        terminal.wait_for("llmos>")
        yield terminal


@pytest.fixture(scope="module")
def augusta(sim_kernel: KernelProcess) -> str:
    """The pid of a process of that name which waits for messages."""
    return sim_kernel.llmos("spawn", "-i", "--name", "augusta").stdout.strip()


def clear(shell: Terminal) -> None:
    """Ctrl-C at the prompt. What was typed before the next prompt stands would go to nobody."""
    shell.interrupt()
    shell.wait_for("^llmos>$")


# ---- colours -------------------------------------------------------------------------------------


def test_words_are_coloured_by_what_they_are(shell: Terminal, augusta: str) -> None:
    shell.send(f"kill {augusta} 99999 --tree --tere -s")
    assert shell.wait_for_style("kill").bold
    assert shell.wait_for_style(f"{augusta} 99999", "cyan").fg == "cyan"
    assert shell.wait_for_style("99999", "red").fg == "red"
    assert shell.wait_for_style("--tree").fg == "blue"
    assert shell.wait_for_style("--tere").fg == "red"


def test_talk_is_not_wrong(shell: Terminal) -> None:
    shell.send("kilt makers of --tree 99999")
    shell.wait_for("llmos> kilt makers of --tree 99999")
    for word in ("kilt", "--tree", "99999"):
        assert shell.wait_for_style(word).fg == "default"


def test_marks_strings_and_pipes_are_coloured(shell: Terminal, augusta: str) -> None:
    for line, part, colour in (
        ("!ls", "!ls", "magenta"),
        ("? kill it", "?", "magenta"),
        ("@augusta hello", "@augusta", "magenta"),
        ('run "say it" loudly', '"say it"', "brown"),
        ("run one | run another", "|", "magenta"),
        ("run something &", "&", "magenta"),
        ("memory-map 1 --by tide", "tide", "red"),
    ):
        shell.send(line)
        assert shell.wait_for_style(part, colour).fg == colour, line
        clear(shell)


def test_without_colours_a_suggestion_still_looks_like_none(sim_kernel: KernelProcess) -> None:
    with Terminal(LLMOS, env=sim_kernel.env) as shell:
        shell.wait_for("llmos>")
        shell.enter("help renice")
        shell.wait_for("usage: renice")
        shell.send("help re")
        shell.wait_for("llmos> help renice$", count=2)
        assert re.search(rb"\x1b\[[0-9;]*2m[a-z ]*nice", shell.raw), "the rest is dim"
        assert not re.search(rb"\x1b\[[0-9;]*3[1-7]m", shell.raw), "there is no colour"
        shell.key("right", "enter")
        shell.wait_for("usage: renice", count=2)


# ---- completion ----------------------------------------------------------------------------------


def test_a_name_completes_to_its_pid_with_help_beside_it(shell: Terminal, augusta: str) -> None:
    shell.send("logs augu")
    shell.key("tab")
    shell.wait_for(f"llmos> logs {augusta}")
    clear(shell)
    shell.send("@augu")
    shell.key("tab")
    shell.wait_for("llmos> @augusta")
    clear(shell)
    shell.send("kill 1 --")
    shell.key("tab")
    shell.wait_for("--group +and all of its process group")


def test_a_syscalls_arguments_complete(shell: Terminal) -> None:
    shell.send("man read_f")
    shell.key("tab")
    shell.wait_for("llmos> man read_file")
    clear(shell)
    shell.send("call write_file ")
    shell.key("tab")
    shell.wait_for("path= +string, required")
    clear(shell)
    shell.send("call write_file path=a te")
    shell.key("tab")
    shell.wait_for("write_file path=a text=$")


def test_values_of_options_complete(shell: Terminal) -> None:
    for line, offered in (
        ("scheduler use fa", "llmos> scheduler use fair"),
        ("models show pi", "llmos> models show pilot"),
        ("config get engine.mod", "llmos> config get engine.model"),
        ("cat /proc/1/stat", "llmos> cat /proc/1/status"),
        ("run --program ag", "llmos> run --program agent"),
        ("kill 1 --signal=ST", "llmos> kill 1 --signal=STOP"),
        ("memory-map 1 --by ti", "llmos> memory-map 1 --by time"),
        ("run hello | ps --so", "llmos> run hello | ps --sort"),
    ):
        shell.send(line)
        shell.key("tab")
        shell.wait_for(offered)
        clear(shell)


def test_file_names_with_blanks_and_quotes_complete(
    shell: Terminal, sim_kernel: KernelProcess
) -> None:
    folder = Path(sim_kernel.root) / "two words"
    folder.mkdir(exist_ok=True)
    (folder / "it's a plan.json").write_text("{}")
    shell.send("supervise two")
    shell.key("tab")
    shell.wait_for(r"supervise two\\ words/$")
    shell.key("tab")
    shell.wait_for(r"supervise two\\ words/it\\'s\\ a\\ plan.json")
    clear(shell)
    shell.send('supervise "two')
    shell.key("tab", "tab")
    shell.wait_for("""supervise "two words/it's a plan.json"$""")
    clear(shell)
    shell.send("!cat two")
    shell.key("tab")
    shell.wait_for(r"!cat two\\ words/$")


# ---- what was meant ------------------------------------------------------------------------------


def test_a_wrong_word_gets_the_nearest_right_one(shell: Terminal, augusta: str) -> None:
    for line, meant in (
        (f"kil {augusta}", "there is no verb 'kil'; did you mean kill\\?"),
        ("ps --tre", "did you mean --tree\\?"),
        ("kill -s TREM 1", "did you mean TERM\\?"),
        ("why agusta", rf"did you mean {augusta} \(augusta\)\?"),
        (f"why 9{augusta}", rf"no process 9{augusta}.*; (did you mean|there are)"),
        ("memory-map 1 --by tome", "did you mean time\\?"),
        ("man read_fiel", "did you mean read_file\\?"),
        ("call read_file pth=x", "path"),
        ("scheduler use fiar", "fair"),
        ("@agusta hello", "did you mean augusta\\?"),
    ):
        shell.enter(line)
        shell.wait_for(meant)
    assert "You said" not in shell.text(), "nothing of it was said to an agent"


# ---- another process -----------------------------------------------------------------------------


def test_at_speaks_to_another_process_and_stays_here(shell: Terminal, augusta: str) -> None:
    shell.enter("good morning")
    shell.wait_for("^You said: good morning")
    shell.enter(f"@{augusta} hello there")
    shell.wait_for("^You said: hello there")
    shell.enter("@augusta and again")
    shell.wait_for("^You said: and again")
    shell.enter("still the same?")
    shell.wait_for("^You said: still the same")
    shell.enter(f"logs {augusta}")
    shown = shell.wait_for("and again", count=3)
    assert shown.count("still the same?") == 2, "that was for this shell's own agent"
    shell.enter(f"@{augusta} count 20000")
    shell.wait_for(" 40 ")
    shell.interrupt()
    shell.wait_for("^interrupted")
    shell.enter("@augusta")
    shell.wait_for("there is no text")
