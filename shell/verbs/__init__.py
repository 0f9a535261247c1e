"""All verbs: the file of each, in the order in which help shows them.

A run from the command line imports the one file that it needs.
"""

from __future__ import annotations

from ..verb import TABLE

_VERBS = """
    running     run spawn fork exec send attach
    pipeline    pipe
    scripts     source
    processes   ps limits
    past        logs history
    strace      strace
    proc        ls cat
    top         top
    mapping     map
    scheduling  scheduler why
    tracing     trace tune
    signalling  kill stop cont renice setpgid wait
    jobs        jobs fg bg
    sessions    sessions search resume
    export      export
    feedback    feedback
    keeping     checkpoint restore supervise link unlink
    teams       up down
    memory      pages du fsck memory-map
    knowledge   ingest kb
    syscalls    man unfold
    plugins     plugins plugin
    calling     call
    mounts      mcp
    boot        shell boot halt status
    config      config trust
    models      models
    doctor      doctor
    completions completions __complete
    help        help exit quit
"""

for _line in _VERBS.strip().splitlines():
    _file, _, _names = _line.strip().partition(" ")
    TABLE.lists(f"{__name__}.{_file}", _names)

__all__ = ["TABLE"]
