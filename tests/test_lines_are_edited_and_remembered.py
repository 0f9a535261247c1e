"""Long lines are written over several, and what was typed is found again."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fake_kernel import RunningFake, fake_kernel
from terminal import Terminal

LLMOS = [sys.executable, "-m", "llmos"]


@pytest.fixture
def fake() -> Iterator[RunningFake]:
    """With a history of its own."""
    with fake_kernel() as fake:
        yield fake


@pytest.fixture
def shell(fake: RunningFake) -> Iterator[Terminal]:
    with Terminal(LLMOS, env=fake.env) as terminal:
        terminal.wait_for("llmos>")
        yield terminal


def history_of(fake: RunningFake) -> Path:
    return Path(fake.env["LLMOS_STATE_DIR"]) / "history"


# ---- several lines -------------------------------------------------------------------------------


def test_a_backslash_goes_on_in_the_next_line(shell: Terminal) -> None:
    shell.enter("say one \\")
    shell.wait_for("^ +… ?$")
    assert "you said" not in shell.text()
    shell.enter("two")
    shell.wait_for("^one\\s*\ntwo")


def test_an_open_quote_of_a_verb_goes_on(shell: Terminal) -> None:
    shell.enter('run "say first')
    shell.wait_for("^ +… ?$")
    shell.enter('second"')
    shell.wait_for("^first\nsecond")


def test_an_open_code_fence_goes_on(shell: Terminal) -> None:
    shell.enter("say what does this do?")
    shell.wait_for("^what does this do")
    shell.enter("explain ```py")
    shell.wait_for("^you said: explain ```py")
    shell.enter("```py")
    shell.enter("x = 1 \\")
    shell.wait_for("^ +… ?$")
    assert "you said: ```" not in shell.text()
    shell.enter("```")
    shell.wait_for("you said: ```py")
    shell.wait_for(r"^x = 1 \\$")


def test_a_paste_of_commands_runs_none_of_them(shell: Terminal) -> None:
    shell.paste("say one\nsay two\nspawn say three\n")
    shell.wait_for("… spawn say three")
    shell.interrupt()
    shell.enter("ps")
    listed = shell.wait_for("^PID")
    assert "one" not in listed.split("PID")[1]
    assert "three" not in listed.split("PID")[1]


def test_the_editor_takes_the_line_and_gives_it_back(fake: RunningFake, tmp_path: Path) -> None:
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i s/dog/cat/ "$1"\n')
    editor.chmod(0o755)
    with Terminal(LLMOS, env=fake.env | {"EDITOR": str(editor)}) as shell:
        shell.wait_for("llmos>")
        shell.send("say a dog")
        shell.key("ctrl-x", "ctrl-e")
        shell.wait_for("^a cat$")


# ---- history -------------------------------------------------------------------------------------


def test_the_up_key_finds_what_begins_alike(shell: Terminal) -> None:
    for text in ("apple", "banana", "apricot"):
        shell.enter(f"say {text}")
        shell.wait_for(f"^{text}")
    shell.send("say b")
    shell.key("up")
    shell.wait_for("^llmos> say banana$", count=2)


def test_ctrl_r_searches_and_shows_what_it_found(shell: Terminal) -> None:
    for text in ("apple pie", "banana split"):
        shell.enter(f"say {text}")
        shell.wait_for(f"^{text}")
    shell.key("ctrl-r")
    shell.send("pie")
    shell.wait_for(r"^\(reverse-i-search\)`pie': say apple pie")
    shell.key("enter", "enter")
    shell.wait_for("^apple pie", count=2)


def test_a_line_that_begins_with_a_blank_is_forgotten(shell: Terminal, fake: RunningFake) -> None:
    shell.enter(" say the secret")
    shell.wait_for("^the secret")
    shell.enter("say something else")
    shell.wait_for("^something else")
    shell.key("up")
    shell.wait_for("^llmos> say something else$", count=2)
    assert "secret" not in history_of(fake).read_text()
    assert history_of(fake).stat().st_mode & 0o777 == 0o600


def test_two_shells_write_one_history(shell: Terminal, fake: RunningFake) -> None:
    with Terminal(LLMOS, env=fake.env) as other:
        other.wait_for("llmos>")
        for number in range(5):
            for terminal, name in ((shell, "here"), (other, "there")):
                terminal.enter(f"say {name} {number}")
                terminal.wait_for(f"^{name} {number}")
    with Terminal(LLMOS, env=fake.env) as third:
        third.wait_for("llmos>")
        for number in reversed(range(5)):
            for name in ("there", "here"):
                third.key("up")
                third.wait_for(f"^llmos> say {name} {number}$")
