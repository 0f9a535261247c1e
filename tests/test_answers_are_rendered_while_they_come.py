"""An answer is rendered block by block while it comes, and stays whole on any terminal."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fake_kernel import RunningFake, fake_kernel
from terminal import Terminal

LLMOS = [sys.executable, "-m", "llmos"]
MARKDOWN = """\
# A heading

Some *slanted* and **strong** words.

- one
- two

```python
def answer():
    return 42
```
the end"""


@pytest.fixture(scope="module")
def fake() -> Iterator[RunningFake]:
    with fake_kernel() as fake:
        yield fake


@pytest.fixture
def shell(fake: RunningFake) -> Iterator[Terminal]:
    with Terminal(LLMOS, env=fake.env | {"NO_COLOR": ""}) as terminal:
        terminal.wait_for("llmos>")
        yield terminal


def ask(shell: Terminal, fake: RunningFake, text: str) -> None:
    """Has an agent say the text, a few letters at a time."""
    (Path(fake.env["LLMOS_STATE_DIR"]) / "text").write_text(text)
    shell.enter("? bits")


def gate(fake: RunningFake) -> Path:
    """There while an answer waits at a ␞."""
    return Path(fake.env["LLMOS_STATE_DIR"]) / "go"


def wait_for_gate(fake: RunningFake) -> None:
    deadline = time.monotonic() + 20
    while not gate(fake).exists():
        assert time.monotonic() < deadline, "the answer does not come so far"
        time.sleep(0.01)


def answer_on(shell: Terminal) -> str:
    """What stands between the line that asked for the answer and the next prompt."""
    shell.wait_for("^llmos>$")
    return shell.text().rpartition("llmos> ? bits\n")[2].partition("\nllmos>")[0]


# ---- Markdown ------------------------------------------------------------------------------------


def test_blocks_are_rendered(shell: Terminal, fake: RunningFake) -> None:
    ask(shell, fake, MARKDOWN)
    shell.wait_for("^the end")
    shown = answer_on(shell)
    assert shown == (
        "A heading\n\nSome slanted and strong words.\n\n • one\n • two\n\n"
        "def answer():\n    return 42\nthe end"
    )
    assert shell.wait_for_style("strong words").bold
    assert shell.wait_for_style("slanted").italics
    assert shell.wait_for_style("42").fg != "default", "code has colours"


def test_the_open_block_shows_as_it_comes_and_is_drawn_anew(
    shell: Terminal, fake: RunningFake
) -> None:
    ask(shell, fake, ("a *done* block\n\nan *open␞* one\n"))
    shell.wait_for(r"^an \*open$")
    assert "a done block\n\nan *open" in shell.text()
    gate(fake).unlink()
    shell.wait_for("^an open one$")
    assert "*open" not in answer_on(shell)


def test_plain_words_stay_as_they_were_said(shell: Terminal, fake: RunningFake) -> None:
    said = "if a < b & c:\n    use <div>\n\n\n&amp; [x]: http://a.b\nten  blanks"
    ask(shell, fake, (said))
    shell.wait_for("^ten  blanks$")
    assert answer_on(shell) == said


def test_without_colours_the_structure_stays(fake: RunningFake) -> None:
    with Terminal(LLMOS, env=fake.env) as shell:
        shell.wait_for("llmos>")
        ask(shell, fake, MARKDOWN)
        shell.wait_for("^the end")
        assert " • one\n • two\n" in shell.text()
        assert shell.wait_for_style("strong words").bold
        assert not re.search(rb"\x1b\[[0-9;]*[39][0-7][;m]", shell.raw), "there is no colour"


@pytest.mark.parametrize(
    "setting", [{"LLMOS_PLAIN": "1"}, {"TERM": "dumb"}, {"LLMOS_SHELL_RENDERED": "false"}]
)
def test_who_wants_it_plain_gets_what_was_said(fake: RunningFake, setting: dict[str, str]) -> None:
    with Terminal(LLMOS, env=fake.env | setting) as shell:
        shell.wait_for("llmos>")
        ask(shell, fake, MARKDOWN)
        shell.wait_for("^the end")
        assert MARKDOWN in shell.text()


def test_a_long_block_is_finished_in_parts(fake: RunningFake) -> None:
    code = "\n".join(f"line_{number} = {number}" for number in range(60))
    items = "\n".join(f"- item *{number}*" for number in range(60))
    words = "\n".join(f"word {number} `here`" for number in range(60))
    with Terminal(LLMOS, env=fake.env, lines=10) as shell:
        shell.wait_for("llmos>")
        ask(shell, fake, (f"```py\n{code}\n```\n{items}\n\n{words}\n\nthe end"))
        text = shell.wait_for("^the end")
        for number in range(60):
            assert text.count(f"line_{number} = {number}\n") == 1
            assert text.count(f" • item {number}\n") == 1
            assert text.count(f"word {number} `here`\n") == 1
        assert "```" not in text


# ---- terminals -----------------------------------------------------------------------------------


def test_twenty_columns_are_enough_for_wide_letters_and_emoji(fake: RunningFake) -> None:
    with Terminal(LLMOS, env=fake.env, columns=20, lines=10) as shell:
        shell.wait_for("llmos>")
        ask(
            shell,
            fake,
            ("*好* 你好世界你好世界你好世界\n\n- 👍 thumbs up 👨‍👩‍👧 and a family\n\nthe end"),
        )
        shell.wait_for("^the end")
        letters = re.sub(r"\s", "", answer_on(shell))
        assert letters.startswith("好你好世界你好世界你好世界•👍thumbsup")
        assert letters.endswith("andafamilytheend")
        assert letters.count("thumbs") == 1, "nothing was left behind when it was drawn anew"


def test_a_resize_in_mid_answer_leaves_one_answer(shell: Terminal, fake: RunningFake) -> None:
    ask(
        shell,
        fake,
        ("first *block* of it\n\nsecond *block* of words that ␞go on and on*\n\nlast *one*\n"),
    )
    shell.wait_for("^second .* that$")
    shell.resize(columns=30, lines=30)
    gate(fake).unlink()
    shell.wait_for("^last one$")
    shown = answer_on(shell)
    for word in ("first", "second", "that", "on and on", "last"):
        assert shown.count(word) == 1, shown
    shell.enter("say as before")
    shell.wait_for("^as before")


def test_a_megabyte_does_not_hold_up_the_shell(shell: Terminal, fake: RunningFake) -> None:
    shell.enter("big 50")
    text = shell.wait_for("^line .49999. of many", timeout=60)
    assert len(shell.raw) < 3_000_000, "it is written once"
    shell.enter("say still here")
    shell.wait_for("^still here")
    assert "line *49998* of many" in text


def test_a_pipe_gets_what_was_said(fake: RunningFake) -> None:
    (Path(fake.env["LLMOS_STATE_DIR"]) / "text").write_text(MARKDOWN)
    run = subprocess.run(
        [*LLMOS, "run", "bits"],
        env=fake.env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert run.stdout == MARKDOWN + "\n"


# ---- calls and thoughts --------------------------------------------------------------------------


def test_calls_run_on_a_line_each_and_unfold(shell: Terminal, fake: RunningFake) -> None:
    shell.enter("labour 2")
    text = shell.wait_for("^. work_1")
    assert re.search("^[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] work_0", text, re.MULTILINE)
    shell.wait_for(r"^. work_0.*…  \d\.\d s$")
    gate(fake).unlink()
    text = shell.wait_for("^worked")
    for name in ("work_0", "work_1"):
        assert re.search(rf'^· {name}\(text="long .*…  ✓ 2.5 s$', text, re.MULTILINE)
        assert text.count(name) == 1, "what ran is drawn over"
    shell.key("ctrl-o")
    shell.wait_for("^    by work_0")
    shell.key("ctrl-o")
    shell.wait_for("^    by work_1")
    shell.enter("unfold 2")
    full = shell.wait_for("^    by work_1", count=2)
    assert full.count("long long") > 20
    shell.enter("unfold 99")
    shell.wait_for("so many")


def test_thoughts_are_folded(shell: Terminal, fake: RunningFake) -> None:
    ask(shell, fake, ("<think>\nlet me see,␞ yes\n</think>\n\nIt is <think> five.\n"))
    shell.wait_for("^. thinking ")
    gate(fake).unlink()
    text = shell.wait_for("^It is <think> five")
    assert re.search(r"^· thought for .* \(15 characters\)$", text, re.MULTILINE)
    assert "let me see" not in text
    shell.key("ctrl-o")
    shell.wait_for("^let me see, yes$")


# ---- news and interruption -----------------------------------------------------------------------


def test_news_of_others_come_above_the_open_block(shell: Terminal, fake: RunningFake) -> None:
    shell.enter("spawn -i --name ada labour 1")
    shell.wait_for("^[0-9]+$")
    wait_for_gate(fake)
    ask(shell, fake, ("an *open␞ block* here\n"))
    shell.wait_for(r"^an \*open$")
    pid = max(int(pid) for pid in re.findall("^([0-9]+)$", shell.text(), re.MULTILINE))
    subprocess.run([*LLMOS, "kill", str(pid)], env=fake.env, check=True)
    shell.wait_for(rf"^\[1\] {pid} exited 143")
    gate(fake).unlink()
    shell.wait_for("^an open block here$")
    assert re.search(r"exited 143.*\nan open block here$", shell.text(), re.MULTILINE)


def test_an_answer_comes_above_a_line_that_is_half_typed() -> None:
    with fake_kernel("loading", "2") as fake, Terminal(LLMOS, env=fake.env) as shell:
        shell.wait_for("llmos>")
        ask(shell, fake, "an *early*\nquestion\n\n- one\n- two\n\nthe end")
        shell.wait_for("still loads|is loading|loading")
        shell.send("help ren")
        shell.wait_for("^the end$")
        shell.send("ice")
        text = shell.wait_for("^llmos> help renice$")
        assert "an early\nquestion\n\n • one\n • two\n\nthe end\n" in text
        assert "*early" not in text
        shell.key("enter")
        shell.wait_for("usage: renice")


def test_ctrl_c_ends_an_answer_in_mid_block(shell: Terminal, fake: RunningFake) -> None:
    ask(shell, fake, ("it is *half␞ done*\n"))
    shell.wait_for(r"^it is \*half$")
    began = time.monotonic()
    shell.interrupt()
    shell.wait_for("^llmos>$")
    assert time.monotonic() - began < 2
    shown = answer_on(shell)
    assert shown == "it is *half\ninterrupted"
    gate(fake).unlink(missing_ok=True)
