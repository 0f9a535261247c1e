"""No path leaves the folder that a process may see: not by `..`, not by a link, not by a race."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmos.plugins.files import list_files, read_file, search_files, write_file
from llmos.syscalls import Context, SyscallError, beneath
from llmos.syscalls.errno import EINVAL, ENOENT, EPERM

SECRET = "the vault opens at six"


@pytest.fixture(params=["openat2", "walk"], autouse=True)
def mechanism(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of opening a path: the operating system's, and ours where it has none."""
    if request.param == "walk":
        monkeypatch.setattr(beneath, "HAS_OPENAT2", False)
    elif not beneath.HAS_OPENAT2:
        pytest.skip("this operating system has no openat2")


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret.txt").write_text(SECRET)
    return folder


@pytest.fixture
def root(tmp_path: Path, outside: Path) -> Path:
    root = tmp_path / "root"
    (root / "sub" / "deep").mkdir(parents=True)
    (root / "notes.txt").write_text("buy milk")
    (root / "sub" / "a.txt").write_text("inside")
    (root / "file_link").symlink_to(outside / "secret.txt")
    (root / "near_link").symlink_to("../outside/secret.txt")
    (root / "folder_link").symlink_to(outside)
    (root / "sub" / "up_link").symlink_to("../../outside")
    (root / "dangling").symlink_to(outside / "new.txt")
    (root / "root_link").symlink_to("/")
    (root / "proc_link").symlink_to("/proc/self/cwd")
    return root


@pytest.fixture
def ctx(root: Path) -> Context:
    return Context(pid=3, call_id="c1", root=root)


@pytest.fixture(autouse=True)
def the_outside_is_untouched(outside: Path) -> Iterator[None]:
    yield
    assert [path.name for path in outside.iterdir()] == ["secret.txt"]
    assert (outside / "secret.txt").read_text() == SECRET


OUT = [
    "..",
    "../outside/secret.txt",
    "sub/../../outside/secret.txt",
    "sub/deep/../../../outside/secret.txt",
    "./../outside/secret.txt",
    "/etc/passwd",
    "/",
    "//etc/passwd",
    "file_link",
    "near_link",
    "folder_link",
    "folder_link/secret.txt",
    "folder_link/../outside/secret.txt",
    "sub/up_link/secret.txt",
    "root_link/etc/passwd",
    "root_link/proc/self/environ",
    "dangling",
]


@pytest.mark.parametrize("path", OUT)
def test_what_leads_out_is_refused(ctx: Context, root: Path, path: str) -> None:
    message = f"EPERM: {path} is outside of the folder that this process may see ({root})"
    for call in (list_files, read_file):
        with pytest.raises(EPERM) as caught:
            call(ctx, path)
        assert str(caught.value) == message
    with pytest.raises(EPERM):
        search_files(ctx, "vault", path)
    with pytest.raises(SyscallError) as any_caught:
        write_file(ctx, path, "mine now")
    assert any_caught.value.code in ("EPERM", "EISDIR")


def test_an_absolute_path_that_looks_alike_is_outside(ctx: Context, root: Path) -> None:
    evil = root.parent / "root_evil"
    evil.mkdir()
    (evil / "x.txt").write_text(SECRET)
    for path in (f"{evil}/x.txt", f"{root}/../root_evil/x.txt", f"{root}/../outside/secret.txt"):
        with pytest.raises(EPERM, match="is outside of the folder"):
            read_file(ctx, path)


def test_a_magic_link_is_refused(ctx: Context) -> None:
    with pytest.raises(SyscallError):
        list_files(ctx, "proc_link")


@pytest.mark.parametrize("path", ["a\0b", "\0", "notes.txt\0.png"])
def test_a_nul_byte_is_refused(ctx: Context, path: str) -> None:
    for call in (list_files, read_file):
        with pytest.raises(EPERM) as caught:
            call(ctx, path)
        assert str(caught.value) == "EPERM: a path cannot hold a NUL byte"
    with pytest.raises(EPERM):
        write_file(ctx, path, "")


def test_what_stays_inside_is_fine(ctx: Context, root: Path) -> None:
    (root / "again").symlink_to("sub/a.txt")
    (root / "absolute").symlink_to(root / "sub" / "a.txt")
    (root / "chain").symlink_to("again")
    (root / "sub" / "back").symlink_to("../sub")
    inside = (
        "sub/a.txt",
        "./sub//a.txt",
        "sub/../sub/a.txt",
        "sub/deep/../a.txt",
        f"{root}/sub/a.txt",
        f"{root}/sub/../sub/a.txt",
        "again",
        "absolute",
        "chain",
        "sub/back/back/a.txt",
    )
    for path in inside:
        assert read_file(ctx, path) == "inside", path
    assert list_files(ctx, str(root)) == list_files(ctx)


def test_a_root_that_is_a_link_is_known_by_both_names(root: Path) -> None:
    alias = root.parent / "alias"
    alias.symlink_to(root)
    ctx = Context(pid=3, call_id="c1", root=alias)
    for path in ("notes.txt", f"{alias}/notes.txt", f"{root}/notes.txt"):
        assert read_file(ctx, path) == "buy milk"


def test_the_whole_disk_may_be_the_root(root: Path) -> None:
    ctx = Context(pid=3, call_id="c1", root=Path("/"))
    assert read_file(ctx, str(root / "notes.txt")) == "buy milk"
    assert read_file(ctx, str(root / "file_link")) == SECRET  # nothing is outside


def test_writing_through_a_link_stays_inside(ctx: Context, root: Path) -> None:
    (root / "again").symlink_to("sub/a.txt")
    (root / "fresh").symlink_to("sub/deep/new.txt")
    write_file(ctx, "again", "through")
    assert (root / "sub" / "a.txt").read_text() == "through"
    assert (root / "again").is_symlink()
    write_file(ctx, "fresh", "born")
    assert (root / "sub" / "deep" / "new.txt").read_text() == "born"


def test_a_circle_of_links_ends(ctx: Context, root: Path) -> None:
    (root / "one").symlink_to("two")
    (root / "two").symlink_to("one")
    with pytest.raises(EINVAL):
        read_file(ctx, "one")
    with pytest.raises(EINVAL):
        write_file(ctx, "one", "")


def test_searching_follows_no_link(ctx: Context) -> None:
    assert search_files(ctx, "vault") == "no matches"


def test_a_listing_does_not_look_behind_links(ctx: Context) -> None:
    assert "folder_link" in list_files(ctx).splitlines()
    assert "root_link" in list_files(ctx).splitlines()


def test_a_link_that_is_swapped_in_wins_no_race(ctx: Context, root: Path, outside: Path) -> None:
    """A folder turns into a link and back while it is read and written."""
    door, real, fake = root / "door", root / "real", root / "fake"
    real.mkdir()
    (real / "secret.txt").write_text("harmless")
    fake.symlink_to(outside)
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            os.rename(real, door)
            os.rename(door, real)
            os.rename(fake, door)
            os.rename(door, fake)

    swapper = threading.Thread(target=swap)
    swapper.start()
    seen: set[str] = set()
    try:
        for _ in range(1000):
            try:
                seen.add(read_file(ctx, "door/secret.txt"))
            except SyscallError as error:
                seen.add(error.code)
            try:
                write_file(ctx, "door/secret.txt", "harmless")
            except SyscallError as error:
                seen.add(error.code)
    finally:
        stop.set()
        swapper.join()
    assert SECRET not in seen
    assert seen <= {"harmless", "EPERM", "ENOENT", "ENOTDIR", "EINVAL"}


PARTS = st.sampled_from(
    ["..", ".", "", "sub", "deep", "notes.txt", "a.txt", "file_link", "folder_link", "up_link",
     "root_link", "near_link", "dangling", "secret.txt", "outside", "root", "etc", "passwd", "~",
     "...", "proc", "self", "new"]
)  # fmt: skip


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(parts=st.lists(PARTS, max_size=8), absolute=st.booleans(), strange=st.text(max_size=3))
def test_no_path_at_all_leads_out(
    ctx: Context, root: Path, parts: list[str], absolute: bool, strange: str
) -> None:
    path = "/".join([*parts, strange])
    if absolute:
        path = f"{root}/{path}"
    for call in (read_file, list_files):
        try:
            text = call(ctx, path)
        except SyscallError:
            continue
        target = os.path.realpath(os.path.join(root, path))
        assert target == str(root) or target.startswith(f"{root}/")
        assert SECRET not in text
    try:
        write_file(ctx, path, "inside")
    except SyscallError:
        return
    target = os.path.realpath(os.path.join(root, path))
    assert target.startswith(f"{root}/")


def test_the_folder_itself_may_be_gone(tmp_path: Path) -> None:
    ctx = Context(pid=3, call_id="c1", root=tmp_path / "gone")
    with pytest.raises(ENOENT) as caught:
        read_file(ctx, "notes.txt")
    assert str(caught.value) == f"ENOENT: no such folder: {tmp_path / 'gone'}"


def test_no_descriptor_is_left_open(ctx: Context) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for path in ("notes.txt", "sub/a.txt", "sub/../../x", "file_link", "gone/x", "sub", "a\0"):
        for call in (read_file, list_files):
            with suppress(SyscallError):
                call(ctx, path)
        with suppress(SyscallError):
            write_file(ctx, path, "x")
        with suppress(SyscallError):
            search_files(ctx, "x", path)
    assert len(os.listdir("/proc/self/fd")) == before
