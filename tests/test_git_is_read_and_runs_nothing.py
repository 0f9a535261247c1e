"""Git repositories can be looked at, and nothing that they name is run."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from llmos.plugins.git import git_diff, git_log, git_show, git_status
from llmos.syscalls import Context, SyscallError
from llmos.syscalls.sandbox import landlock
from simulation import Machine, live_really
from talking import call

if not landlock.abi() or shutil.which("git") is None:
    pytest.skip("this machine has no Landlock, or no git", allow_module_level=True)


def git(folder: Path, *arguments: str) -> str:
    environ = {
        **os.environ,
        "GIT_AUTHOR_DATE": "2026-05-08T12:00:00Z",
        "GIT_COMMITTER_DATE": "2026-05-08T12:00:00Z",
        "GIT_CONFIG_GLOBAL": "/dev/null",
    }
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "core.hooksPath=/none")
    done = subprocess.run(
        ["git", *who, *arguments], cwd=folder, env=environ, capture_output=True, text=True
    )
    return done.stdout


@pytest.fixture
def ctx(tmp_path: Path) -> Context:
    root = tmp_path / "root"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    (root / "poem.txt").write_text("roses\n")
    git(root, "add", ".")
    git(root, "commit", "-qm", "Roses are red")
    (root / "poem.txt").write_text("roses\nviolets\n")
    git(root, "commit", "-qam", "Violets are blue")
    return Context(pid=3, call_id="c1", root=root)


def failing(function: object, *arguments: object, **named: object) -> str:
    with pytest.raises(SyscallError) as caught:
        function(*arguments, **named)  # type: ignore[operator]
    return str(caught.value)


def test_what_stands_in_it(ctx: Context) -> None:
    assert git_status(ctx) == "## main"
    assert git_diff(ctx) == "no difference"
    (ctx.root / "poem.txt").write_text("roses\nlilies\n")
    (ctx.root / "new.txt").write_text("new\n")
    assert git_status(ctx) == "## main\n M poem.txt\n?? new.txt"
    assert "-violets\n+lilies" in git_diff(ctx)
    assert "poem.txt | 2 +-" in git_diff(ctx, summary=True)
    assert git_diff(ctx, staged=True) == "no difference"
    git(ctx.root, "add", "new.txt")
    assert "+new" in git_diff(ctx, staged=True)
    assert "+new" not in git_diff(ctx, path="poem.txt")
    assert "+violets" in git_diff(ctx, revision="HEAD~1..HEAD")
    log = git_log(ctx).splitlines()
    assert [line.partition(" ")[2] for line in log] == [
        "2026-05-08 Ada: Violets are blue",
        "2026-05-08 Ada: Roses are red",
    ]
    assert len(git_log(ctx, count=1).splitlines()) == 1
    assert git_log(ctx, path="new.txt") == "no commits"
    assert "Roses are red" in git_show(ctx, "HEAD~1") and "+roses" in git_show(ctx, "HEAD~1")
    assert git_show(ctx, "HEAD~1", "poem.txt") == "roses"
    before = (ctx.root / ".git" / "index").stat()
    git_status(ctx)
    assert (ctx.root / ".git" / "index").stat().st_mtime_ns == before.st_mtime_ns


def test_what_is_not_there(ctx: Context) -> None:
    (ctx.root / "empty").mkdir()
    assert failing(git_status, ctx, "nowhere") == "ENOENT: no such folder: nowhere"
    assert failing(git_show, ctx, "nonsense").startswith("EINVAL: git: ")
    assert failing(git_status, ctx, "..").startswith("EPERM: ")
    below = Context(pid=3, call_id="c", root=ctx.root / "empty")
    assert failing(git_status, below).startswith("ENOENT: . is no Git repository (a repository")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("core.fsmonitor", "{evil}"),
        ("core.pager", "{evil}"),
        ("pager.log", "{evil}"),
        ("diff.external", "{evil}"),
        ("diff.words.textconv", "{evil}"),
        ("diff.words.command", "{evil}"),
        ("filter.words.clean", "{evil}"),
        ("filter.words.process", "{evil}"),
        ("core.hooksPath", "hooks"),
        ("gpg.program", "{evil}"),
        ("log.showSignature", "true"),
        ("core.sshCommand", "{evil}"),
        ("core.alternateRefsCommand", "{evil}"),
        ("alias.status", "!{evil}"),
        ("interactive.diffFilter", "{evil}"),
        ("include.path", "../evil.config"),
    ],
)
def test_no_program_that_a_repository_names_is_run(ctx: Context, name: str, value: str) -> None:
    """Were it run, its output would be there, or the change to the file would not."""
    evil = ctx.root / "evil.sh"
    evil.write_text("#!/bin/sh\necho EVIL\necho EVIL >&2\ncat\n")
    evil.chmod(0o755)
    (ctx.root / "hooks").mkdir()
    for hook in ("post-index-change", "fsmonitor-watchman", "reference-transaction"):
        shutil.copy(evil, ctx.root / "hooks" / hook)
        shutil.copy(evil, ctx.root / ".git" / "hooks" / hook)
    (ctx.root / "evil.config").write_text(
        f'[diff]\n external = {evil}\n[filter "words"]\n clean = {evil}\n'
    )
    (ctx.root / ".gitattributes").write_text("*.txt diff=words filter=words\n")
    git(ctx.root, "config", name, value.format(evil=evil))
    (ctx.root / "poem.txt").write_text("roses\ntulips\n")
    said = [git_status(ctx), git_diff(ctx), git_log(ctx), git_show(ctx), git_diff(ctx, staged=True)]
    assert not any("EVIL" in one for one in said)
    assert "+tulips" in said[1]


def test_a_repository_cannot_point_elsewhere(ctx: Context, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(ctx.root, other)
    (other / "poem.txt").write_text("a secret\n")
    (ctx.root / "linked").mkdir()
    (ctx.root / "linked" / ".git").write_text(f"gitdir: {other}/.git\n")
    assert "secret" not in failing(git_diff, ctx, "linked")
    git(ctx.root, "config", "core.worktree", str(other))
    try:
        told = git_diff(ctx)
    except SyscallError as error:
        told = str(error)
    assert "secret" not in told


@pytest.mark.parametrize("value", ["--output=new", "-O/etc/passwd", "HEAD --output=new", "\n"])
def test_a_revision_is_no_option(ctx: Context, value: str, tmp_path: Path) -> None:
    async def main(machine: Machine) -> None:
        kernel = machine.kernel
        names = ("git_diff", "git_log", "git_show", "git_status")
        agent = await kernel.spawn(
            task=None, name="a", root=ctx.root, interactive=True, tools=names
        )
        for name in names[:3]:
            told = await call(kernel, agent, name, revision=value)
            assert told.startswith("EINVAL: revision: "), told
        assert await call(kernel, agent, "git_status") == "## main"

    live_really(tmp_path / "kernel", main)
    for path in ("--output=new", ":(exclude)poem.txt", "../../etc/passwd"):
        assert "new" not in os.listdir(ctx.root)
        try:
            assert git_log(ctx, path=path) == "no commits"
        except SyscallError as error:
            assert error.code == "EINVAL"
