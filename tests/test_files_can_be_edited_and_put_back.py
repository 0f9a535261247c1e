"""Files are read by lines, edited exactly and found by patterns; a write can be taken back."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from llmos.kernel.process import Process
from llmos.plugins import undo
from llmos.plugins.files import (
    append_file,
    edit_file,
    find_files,
    grep_files,
    read_lines,
    undo_write,
    write_file,
)
from llmos.syscalls import Context, SyscallError
from simulation import Machine, live_really
from talking import call

POEM = "one\ntwo\nthree\nfour\nfive\n"


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where old texts are kept."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@pytest.fixture
def ctx(tmp_path: Path) -> Context:
    root = tmp_path / "root"
    (root / "src" / "deep").mkdir(parents=True)
    (root / "poem.txt").write_text(POEM)
    (root / "src" / "main.py").write_text("def main():\n    run()\n\n\ndef run():\n    pass\n")
    (root / "src" / "deep" / "a.py").write_text("def a(): ...\n")
    (root / "src" / "deep" / "a.txt").write_text("def no\n")
    return Context(pid=3, call_id="c1", root=root)


def failing(call: object, *arguments: object, **named: object) -> str:
    with pytest.raises(SyscallError) as caught:
        call(*arguments, **named)  # type: ignore[operator]
    return str(caught.value)


def test_lines_come_with_their_numbers(ctx: Context) -> None:
    assert (
        read_lines(ctx, "poem.txt", 2, 2) == "2: two\n3: three\n(there are more: start=4 goes on)"
    )
    assert read_lines(ctx, "poem.txt", 4) == "4: four\n5: five"
    (ctx.root / "nothing").touch()
    assert read_lines(ctx, "nothing") == "(empty)"
    assert failing(read_lines, ctx, "poem.txt", 6) == (
        "EINVAL: poem.txt has no line 6 (start=1 is its beginning)"
    )
    (ctx.root / "huge.log").write_text("x\n" * 1_000_000)
    assert read_lines(ctx, "huge.log", 900_000, 1).startswith("900000: x\n(there are more")


def test_an_edit_is_exact_and_shows_what_it_did(ctx: Context) -> None:
    assert edit_file(ctx, "poem.txt", "three\nfour", "3\n4") == (
        "--- poem.txt\n+++ poem.txt\n@@ -1,5 +1,5 @@\n one\n two\n-three\n-four\n+3\n+4\n five"
    )
    assert (ctx.root / "poem.txt").read_text() == "one\ntwo\n3\n4\nfive\n"
    assert failing(edit_file, ctx, "poem.txt", "o", "0") == (
        "EINVAL: that text stands in poem.txt 2 times"
        " (give more of the lines around it, or all=true)"
    )
    edit_file(ctx, "poem.txt", "o", "0", all=True)
    assert (ctx.root / "poem.txt").read_text() == "0ne\ntw0\n3\n4\nfive\n"
    assert failing(edit_file, ctx, "poem.txt", "  five", "5") == (
        "ENOENT: poem.txt does not hold that text (line 5 is like it: five)"
    )
    assert failing(edit_file, ctx, "poem.txt", "", "5").startswith("ENOENT: ")
    (ctx.root / "crlf").write_bytes(b"a\r\nb\r\n")
    edit_file(ctx, "crlf", "b", "c")
    assert (ctx.root / "crlf").read_bytes() == b"a\r\nc\r\n"


def test_text_is_written_at_the_end(ctx: Context) -> None:
    assert append_file(ctx, "log", "a\n") == "wrote 2 bytes at the end of log"
    append_file(ctx, "log", "b\n")
    assert (ctx.root / "log").read_text() == "a\nb\n"
    assert failing(append_file, ctx, "src", "x") == "EISDIR: src is a folder"
    assert failing(append_file, ctx, "../log", "x").startswith("EPERM: ")
    os.symlink("/tmp/elsewhere-of-llmos", ctx.root / "link")
    assert failing(append_file, ctx, "link", "x").startswith("EPERM: ")
    os.mkfifo(ctx.root / "fifo")
    assert failing(append_file, ctx, "fifo", "x").startswith("EINVAL: ")


def test_writes_are_taken_back_one_by_one(ctx: Context) -> None:
    write_file(replace(ctx, call_id="1"), "new.txt", "first\n")
    edit_file(replace(ctx, call_id="2"), "poem.txt", "two", "2")
    append_file(replace(ctx, call_id="3"), "poem.txt", "six\n")
    assert undo_write(ctx).startswith("poem.txt is as it was\n--- poem.txt")
    assert (ctx.root / "poem.txt").read_text() == POEM.replace("two", "2")
    undo_write(ctx)
    assert (ctx.root / "poem.txt").read_text() == POEM
    assert undo_write(ctx).startswith("removed new.txt\n")
    assert not (ctx.root / "new.txt").exists()
    assert failing(undo_write, ctx) == "ENOENT: there is nothing to take back"


def test_only_ones_own_writes_and_only_if_nothing_came_after(ctx: Context) -> None:
    write_file(ctx, "poem.txt", "mine")
    assert failing(undo_write, replace(ctx, pid=4)).startswith("ENOENT: ")
    (ctx.root / "poem.txt").write_text("theirs")
    assert failing(undo_write, ctx) == (
        "EAGAIN: poem.txt has changed since it was written by this process"
        " (read it, and edit it instead)"
    )
    assert (ctx.root / "poem.txt").read_text() == "theirs"


def test_a_write_that_is_made_again_counts_once(ctx: Context) -> None:
    write_file(ctx, "poem.txt", "mine")
    write_file(ctx, "poem.txt", "mine")
    undo_write(ctx)
    assert (ctx.root / "poem.txt").read_text() == POEM


def test_a_write_that_failed_is_not_taken_back(
    ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_file(ctx, "other.txt", "kept")

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert failing(write_file, ctx, "poem.txt", "new").startswith("ENOSPC: ")
    assert undo_write(ctx).startswith("removed other.txt")


def test_so_many_are_kept_and_not_too_large_ones(ctx: Context) -> None:
    for number in range(undo.MAX_WRITES + 3):
        write_file(replace(ctx, call_id=str(number)), "counter", str(number))
    for number in range(undo.MAX_WRITES + 1, 2, -1):
        undo_write(ctx)
        assert (ctx.root / "counter").read_text() == str(number)
    undo_write(ctx)
    assert failing(undo_write, ctx).startswith("ENOENT: ")
    write_file(ctx, "poem.txt", "x" * (undo.MAX_OLD + 1))
    assert failing(undo_write, ctx).startswith("EFBIG: poem.txt was too large")


def test_a_place_that_somebody_else_has_put_there_is_not_used(
    ctx: Context, temporary: Path
) -> None:
    """Links and open folders in a folder that all may write to."""
    elsewhere = temporary / "elsewhere"
    elsewhere.mkdir()
    place = temporary / f"llmos-undo-{os.geteuid()}"
    place.symlink_to(elsewhere)
    write_file(ctx, "poem.txt", "new")
    assert not list(elsewhere.iterdir())
    place.unlink()
    place.mkdir(mode=0o777)
    place.chmod(0o777)
    write_file(ctx, "poem.txt", "newer")
    assert not list(place.iterdir())
    assert failing(undo_write, ctx).startswith("ENOENT: ")


def test_files_are_found_by_pattern(ctx: Context) -> None:
    assert find_files(ctx, "*.py") == "src/deep/a.py\nsrc/main.py"
    assert find_files(ctx, "src/*.py") == "src/main.py"
    assert find_files(ctx, "src/**/*.py") == "src/deep/a.py\nsrc/main.py"
    assert find_files(ctx, "**/a.*") == "src/deep/a.py\nsrc/deep/a.txt"
    assert find_files(ctx, "[!a-m]*.txt") == "poem.txt"
    assert find_files(ctx, "mai?.py") == "src/main.py"
    assert find_files(ctx, "a.py", "src/deep") == "src/deep/a.py"
    assert find_files(ctx, "*.rs") == "no matches"
    assert find_files(ctx, "(a|b)+.py") == "no matches"
    assert failing(find_files, ctx, "[z-a]").startswith("EINVAL: not a pattern of names: [z-a]")
    assert failing(find_files, ctx, "*", "../").startswith("EPERM: ")


def test_lines_are_found_by_regular_expression(ctx: Context) -> None:
    assert grep_files(ctx, r"def (a|main)\b", files="*.py") == (
        "src/deep/a.py:1: def a(): ...\nsrc/main.py:1: def main():"
    )
    assert grep_files(ctx, "^RUN", "src") == "no matches"
    assert grep_files(ctx, "^ +RUN", "src", ignore_case=True) == "src/main.py:2: run()"
    assert grep_files(ctx, "three|four", "poem.txt", context=1) == (
        "poem.txt-2- two\npoem.txt:3: three\npoem.txt:4: four\npoem.txt-5- five"
    )
    assert failing(grep_files, ctx, "a(").startswith("EINVAL: pattern: not a regular expression: ")


def test_an_agent_that_names_them_uses_them(ctx: Context, tmp_path: Path) -> None:
    """And an expression that never ends costs its caller an error."""
    (ctx.root / "evil").write_text("a" * 40 + "!\n")

    async def main(machine: Machine) -> None:
        kernel = machine.kernel
        names = ("edit_file", "undo_write", "grep_files", "read_lines")
        agent: Process = await kernel.spawn(
            task=None, name="a", root=ctx.root, interactive=True, tools=names
        )
        told = await call(kernel, agent, "edit_file", path="poem.txt", old="two", new="2")
        assert "-two\n+2" in told
        assert "+two" in await call(kernel, agent, "undo_write")
        assert (await call(kernel, agent, "read_lines", path="poem.txt", start=0)).startswith(
            "EINVAL: start: expected 1 or more"
        )
        dispatch = kernel.dispatcher.call
        context = Context(pid=agent.pid, call_id="x", root=ctx.root)
        with pytest.raises(SyscallError) as caught:
            await dispatch("grep_files", {"pattern": "(a+)+$", "path": "evil"}, context, 1.0)
        assert caught.value.code == "ETIME"

    live_really(tmp_path / "kernel", main)
