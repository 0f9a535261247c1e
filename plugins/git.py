"""What stands in a Git repository. Nothing is changed, and nothing of it is run.

A repository may name programs that Git would run: hooks, pagers, filters, a monitor of files, ways
to show a difference. They are turned off, and Git itself runs in the sandbox, where one that was
forgotten reaches no more than the folder, and changes nothing there.
"""

from __future__ import annotations

import shutil
from typing import Annotated

from pydantic import Field

from ..syscalls import Context, syscall
from ..syscalls.beneath import Beneath
from ..syscalls.errno import EINVAL, ENOENT, ENOSYS, ETIME
from ..syscalls.sandbox import Bounds, Program, run

TIMEOUT_S = 20.0
MAX_LOG = 200

Folder = Annotated[str, Field(description="The folder of the repository.")]
Revision = Annotated[str, Field(max_length=200, pattern=r"^([^-\s][^\s]*)?$")]

_OPTIONS = (
    "--no-pager", "--no-optional-locks", "--literal-pathspecs",
    "-c", "safe.directory=*",
    "-c", "core.fsmonitor=false",
    "-c", "core.hooksPath=/dev/null",
    "-c", "core.attributesFile=/dev/null",
    "-c", "core.pager=cat",
    "-c", "core.quotePath=false",
    "-c", "diff.external=",
    "-c", "diff.ignoreSubmodules=all",
    "-c", "log.showSignature=false",
    "-c", "protocol.allow=never",
    "-c", "color.ui=false",
)  # fmt: skip
_ENVIRON = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "",
    "GIT_DISCOVERY_ACROSS_FILESYSTEM": "1",  # so that it says itself what it has not found
}
_AS_IT_IS = ("--no-ext-diff", "--no-textconv", "--no-color", "--submodule=short")


@syscall(needs="fs.read", effect="pure", listed=False)
def git_status(ctx: Context, repository: Folder = ".") -> str:
    """Tell the branch of a Git repository, and which files have changed."""
    return _git(ctx, repository, "status", "--short", "--branch", "--ignore-submodules=all")


@syscall(needs="fs.read", effect="pure", listed=False)
def git_diff(
    ctx: Context,
    repository: Folder = ".",
    revision: Revision = "",
    path: str = "",
    staged: bool = False,
    summary: bool = False,
) -> str:
    """Show what has changed in a Git repository since the last commit.

    Args:
        repository: The folder of the repository.
        revision: Since which commit, or between which two, as in `main..HEAD`.
        path: Only in this file or folder.
        staged: Only what has been added for the next commit.
        summary: Only how much has changed in each file.
    """
    arguments = ["diff", *_AS_IT_IS]
    arguments += ["--cached"] if staged else []
    arguments += ["--stat"] if summary else []
    arguments += ["--end-of-options", revision or "HEAD"] if revision or not staged else []
    return _git(ctx, repository, *arguments, *_only(path)) or "no difference"


@syscall(needs="fs.read", effect="pure", listed=False)
def git_log(
    ctx: Context,
    repository: Folder = ".",
    revision: Revision = "HEAD",
    path: str = "",
    count: Annotated[int, Field(ge=1, le=MAX_LOG)] = 20,
) -> str:
    """List the commits of a Git repository, the newest first.

    Args:
        repository: The folder of the repository.
        revision: Up to which commit, or between which two, as in `v1.0..HEAD`.
        path: Only those that changed this file or folder.
        count: How many.
    """
    form = "--format=%h %ad %an: %s"
    arguments = ["log", f"--max-count={count}", form, "--date=short", "--no-show-signature"]
    arguments += ["--end-of-options", revision or "HEAD"]
    return _git(ctx, repository, *arguments, *_only(path)) or "no commits"


@syscall(needs="fs.read", effect="pure", listed=False)
def git_show(
    ctx: Context, revision: Revision = "HEAD", path: str = "", repository: Folder = "."
) -> str:
    """Show a commit of a Git repository, or a file as it was then.

    Args:
        revision: The commit: a hash, a branch, a tag, `HEAD~2`.
        path: A file; without one, the commit's message and what it changed.
        repository: The folder of the repository.
    """
    revision = revision or "HEAD"
    what = f"{revision}:./{path}" if path else revision
    arguments = ["show", *_AS_IT_IS, "--no-show-signature", "--date=iso"]
    return _git(ctx, repository, *arguments, "--end-of-options", what)


def _only(path: str) -> tuple[str, ...]:
    return ("--", path) if path else ("--",)


def _git(ctx: Context, repository: str, *arguments: str) -> str:
    if shutil.which("git") is None:
        raise ENOSYS("git is not installed on this machine")
    with Beneath(ctx.root) as root, root.open(repository, kind="folder"):
        folder = root.relative(repository)
    options: tuple[str, ...] = ("-C", folder, *_OPTIONS)
    status, named = _run(ctx, *options, "config", "--list", "--name-only", "--includes")
    if status == 0:
        options += _without_filters(named)
    status, output = _run(ctx, *options, *arguments)
    if status:
        raise _refused(output.strip(), repository)
    return output.rstrip()


def _without_filters(names: str) -> tuple[str, ...]:
    """A filter is a program that Git runs on a file before it looks at it."""
    found: list[str] = []
    for name in sorted(set(names.splitlines())):
        if name.startswith("filter.") and name.endswith((".clean", ".smudge", ".process")):
            found += ["-c", f"{name}="]
        elif name.startswith("filter.") and name.endswith(".required"):
            found += ["-c", f"{name}=false"]
    return tuple(found)


def _run(ctx: Context, *arguments: str) -> tuple[int, str]:
    program = Program(lambda tmp: ("git", *arguments), environ=_ENVIRON)
    bounds = Bounds(timeout_s=TIMEOUT_S, memory_bytes=1 << 30)
    ended = run(program, ctx.root, writable=False, bounds=bounds)
    if ended.stopped:
        raise ETIME(f"git was stopped: {ended.stopped}", hint="ask for less: a path, a count")
    return ended.status, ended.output.decode(errors="replace")


def _refused(said: str, repository: str) -> EINVAL | ENOENT:
    said = said.splitlines()[-1].removeprefix("fatal: ") if said else "it said nothing"
    if "not a git repository" in said:
        return ENOENT(
            f"{repository} is no Git repository",
            hint="a repository that begins above this process's folder cannot be seen",
        )
    return EINVAL(f"git: {said}")
