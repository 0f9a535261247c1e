"""What the file syscalls answer, word for word."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from llmos.plugins.files import list_files, read_file, search_files, write_file
from llmos.syscalls import Context, SyscallError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    (tmp_path / "notes.txt").write_text("buy milk\nand call Ada\nBuy bread  \n")
    (tmp_path / "src" / "main.py").write_text("# TODO: buy time\n")
    (tmp_path / "empty").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config").write_text("buy nothing\n")
    (tmp_path / "photo.png").write_bytes(b"buy \x89PNG\xff")
    (tmp_path / "zero.bin").write_bytes(b"buy\0zero")
    return tmp_path


@pytest.fixture
def ctx(root: Path) -> Context:
    return Context(pid=3, call_id="c1", root=root)


def test_a_listing_is_sorted_and_marks_folders(ctx: Context, root: Path) -> None:
    (root / "src_link").symlink_to("src")
    assert list_files(ctx) == "empty/\nnotes.txt\nphoto.png\nsrc/\nsrc_link/\nzero.bin"
    assert list_files(ctx, "src") == "main.py"
    assert list_files(ctx, "src/") == "main.py"
    assert list_files(ctx, "src_link") == "main.py"
    assert list_files(ctx, "empty") == "(empty)"
    assert list_files(ctx, "") == list_files(ctx, ".")


def test_a_file_is_read_as_it_is(ctx: Context, root: Path) -> None:
    assert read_file(ctx, "notes.txt") == "buy milk\nand call Ada\nBuy bread  \n"
    (root / "crlf.txt").write_bytes("é\r\nü".encode())
    assert read_file(ctx, "crlf.txt") == "é\r\nü"
    (root / "nothing").touch()
    assert read_file(ctx, "nothing") == ""


def test_writing_says_how_much(ctx: Context, root: Path) -> None:
    assert write_file(ctx, "greet.txt", "hello world!") == "wrote 12 bytes to greet.txt"
    assert (root / "greet.txt").read_text() == "hello world!"
    assert write_file(ctx, "greet.txt", "é") == "wrote 2 bytes to greet.txt"
    assert (root / "greet.txt").read_bytes() == b"\xc3\xa9"
    assert write_file(ctx, "./src/../src/new.py", "") == "wrote 0 bytes to ./src/../src/new.py"
    assert list_files(ctx, "src") == "main.py\nnew.py"


def test_writing_keeps_the_mode_and_leaves_nothing_beside(ctx: Context, root: Path) -> None:
    script = root / "src" / "run.sh"
    script.write_text("old")
    script.chmod(0o750)
    write_file(ctx, "src/run.sh", "new")
    assert stat.S_IMODE(script.stat().st_mode) == 0o750
    assert sorted(os.listdir(root / "src")) == ["main.py", "run.sh"]
    old_umask = os.umask(0o027)
    try:
        write_file(ctx, "src/fresh", "")
    finally:
        os.umask(old_umask)
    assert stat.S_IMODE((root / "src" / "fresh").stat().st_mode) == 0o640


def test_an_open_reader_keeps_the_old_text(ctx: Context, root: Path) -> None:
    with open(root / "notes.txt") as reader:
        write_file(ctx, "notes.txt", "new")
        assert reader.read().startswith("buy milk")


def test_a_write_that_fails_leaves_the_old_text(
    ctx: Context, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SyscallError) as caught:
        write_file(ctx, "notes.txt", "new")
    assert str(caught.value) == "ENOSPC: notes.txt: No space left on device"
    assert (root / "notes.txt").read_text().startswith("buy milk")
    assert not [name for name in os.listdir(root) if name.startswith(".llmos")]


def test_searching_answers_with_file_and_line(ctx: Context) -> None:
    assert search_files(ctx, "BUY") == (
        "notes.txt:1: buy milk\nnotes.txt:3: Buy bread\nsrc/main.py:1: # TODO: buy time"
    )
    assert search_files(ctx, "todo", "src") == "src/main.py:1: # TODO: buy time"
    assert search_files(ctx, "todo", "src/") == "src/main.py:1: # TODO: buy time"
    assert search_files(ctx, "ada", "notes.txt") == "notes.txt:2: and call Ada"
    assert search_files(ctx, "dragon") == "no matches"
    assert search_files(ctx, "a.*a") == "no matches"  # a text, not an expression


def test_searching_leaves_out_what_is_huge(ctx: Context, root: Path) -> None:
    (root / "huge.log").write_text("dragon\n" * 200_000)
    assert search_files(ctx, "dragon") == "no matches"
    assert search_files(ctx, "dragon", "huge.log").startswith("huge.log:1: dragon\n")


def test_searching_stops_after_200_lines(ctx: Context, root: Path) -> None:
    (root / "many.txt").write_text("owl\n" * 200)
    assert len(search_files(ctx, "owl").splitlines()) == 200
    (root / "many.txt").write_text("owl\n" * 201)
    lines = search_files(ctx, "owl").splitlines()
    assert lines[199] == "many.txt:200: owl"
    assert lines[200:] == ["(more lines match; these are the first 200)"]


WRONG = [
    ("read", "nots.txt", "ENOENT: no such file: nots.txt (did you mean notes.txt?)"),
    ("read", "src/mian.py", "ENOENT: no such file: src/mian.py (did you mean src/main.py?)"),
    ("read", "quite/else", "ENOENT: no such file: quite/else"),
    ("read", "src", "EISDIR: src is a folder"),
    ("read", "src/", "EISDIR: src/ is a folder"),
    ("read", ".", "EISDIR: . is a folder"),
    ("read", "notes.txt/x", "ENOTDIR: notes.txt is a file"),
    ("read", "photo.png", "EILSEQ: photo.png is not a text file: it is not UTF-8"),
    ("read", "zero.bin", "EILSEQ: zero.bin is not a text file: it is not UTF-8"),
    ("read", "x" * 300, "EINVAL: " + "x" * 300 + ": File name too long"),
    ("list", "scr", "ENOENT: no such folder: scr (did you mean src?)"),
    ("list", "nowhere", "ENOENT: no such folder: nowhere"),
    ("list", "notes.txt", "ENOTDIR: notes.txt is a file"),
    ("list", "notes.txt/", "ENOTDIR: notes.txt is a file"),
    ("search", "nowhere", "ENOENT: no such folder: nowhere"),
    ("write", "src", "EISDIR: src is a folder"),
    ("write", "src/", "EISDIR: src/ is a folder"),
    ("write", "new/", "ENOENT: no such folder: new"),
    ("write", ".", "EISDIR: . is a folder"),
    ("write", "", "EISDIR: . is a folder"),
    ("write", "nowhere/a.txt", "ENOENT: no such folder: nowhere"),
    ("write", "scr/a.txt", "ENOENT: no such folder: scr (did you mean src?)"),
    ("write", "notes.txt/a.txt", "ENOTDIR: notes.txt is a file"),
]


@pytest.mark.parametrize(("verb", "path", "message"), WRONG)
def test_errors_name_the_thing(ctx: Context, verb: str, path: str, message: str) -> None:
    with pytest.raises(SyscallError) as caught:
        match verb:
            case "read":
                read_file(ctx, path)
            case "list":
                list_files(ctx, path)
            case "search":
                search_files(ctx, "x", path)
            case "write":
                write_file(ctx, path, "x")
    assert str(caught.value) == message


def test_a_file_that_is_too_big_names_the_way_out(ctx: Context, root: Path) -> None:
    (root / "big.txt").write_bytes(b"x" * ((1 << 20) + 1))
    with pytest.raises(SyscallError) as caught:
        read_file(ctx, "big.txt")
    assert str(caught.value) == (
        "EFBIG: big.txt has 1048577 bytes, more than the 1048576 that can be read at once"
        " (search_files finds lines in it)"
    )
    (root / "big.txt").write_bytes(b"x" * (1 << 20))
    assert len(read_file(ctx, "big.txt")) == 1 << 20


def test_pipes_and_sockets_block_nobody(ctx: Context, root: Path) -> None:
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(root / "socket"))
        for name in ("pipe", "socket"):
            with pytest.raises(SyscallError) as caught:
                read_file(ctx, name)
            assert caught.value.code == "EINVAL"
            with pytest.raises(SyscallError) as caught:
                write_file(ctx, name, "x")
            assert str(caught.value) == f"EINVAL: {name} is not a regular file"
        assert search_files(ctx, "buy milk") == "notes.txt:1: buy milk"


def test_a_name_that_is_not_utf8_can_be_listed(ctx: Context, root: Path) -> None:
    (root / "empty" / os.fsdecode(b"caf\xe9")).touch()
    from llmos.syscalls.invoke import render

    assert render(list_files(ctx, "empty")) == "caf\ufffd"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anything")
def test_a_file_that_is_read_only_stays(ctx: Context, root: Path) -> None:
    (root / "notes.txt").chmod(0o444)
    with pytest.raises(SyscallError) as caught:
        write_file(ctx, "notes.txt", "x")
    assert str(caught.value) == "EPERM: notes.txt is read-only"


async def test_they_work_through_the_door(ctx: Context, tmp_path: Path) -> None:
    from llmos.syscalls.dispatch import Dispatcher
    from llmos.syscalls.registry import PluginRegistry

    registry = PluginRegistry(tmp_path, environ={"LLMOS_LOAD_PLUGINS": ""})
    await registry.load()
    call = Dispatcher(registry.table).call
    assert await call("write_file", {"path": "a.txt", "text": "ahoy"}, ctx) == (
        "wrote 4 bytes to a.txt"
    )
    assert await call("read_file", {"path": "a.txt"}, ctx) == "ahoy"
    assert await call("search_files", {"pattern": "AHOY"}, ctx) == "a.txt:1: ahoy"
    with pytest.raises(SyscallError) as caught:
        await call("read_file", {"path": "/etc/passwd"}, ctx)
    assert caught.value.code == "EPERM"
    await registry.close()
