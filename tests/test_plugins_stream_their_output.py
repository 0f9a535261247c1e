"""A syscall that yields is watched while it runs, and read whole by its agent."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import KernelProcess
from llmos import SyscallError
from llmos.kernel.testing import TestKernel

PLUGIN = '''
import asyncio, itertools
from collections.abc import AsyncIterator, Iterator
from llmos import Context, syscall

@syscall
async def count(n: int) -> AsyncIterator[str]:
    """Count."""
    for number in range(n):
        yield f"{number}\\n"
        await asyncio.sleep(0)

@syscall
def rows(n: int) -> Iterator[dict[str, int]]:
    """Give rows."""
    for number in range(n):
        yield {"row": number}

@syscall(max_output=10)
async def endless() -> AsyncIterator[str]:
    """Never end by itself."""
    try:
        for number in itertools.count():
            yield "abc"
    finally:
        open("closed", "w").close()

@syscall
def breaks() -> Iterator[str]:
    """Break in the middle."""
    yield "so far"
    raise ValueError("so good")

@syscall
def nothing() -> Iterator[str]:
    """Yield nothing."""
    yield from ()

@syscall(timeout=0.5)
async def hangs() -> AsyncIterator[str]:
    """Say something, and hang."""
    yield "something"
    await asyncio.sleep(1000)
'''


@pytest.fixture
def kernel(llmos_kernel: TestKernel, tmp_path: Path) -> TestKernel:
    file = tmp_path / "river.py"
    file.write_text(PLUGIN)
    llmos_kernel.load(file)
    return llmos_kernel


def test_pieces_are_told_as_they_come_and_the_result_is_all_of_them(kernel: TestKernel) -> None:
    assert kernel.call("count", n=3) == "0\n1\n2\n"
    assert kernel.told == [("output", "0\n"), ("output", "1\n"), ("output", "2\n")]


def test_what_is_no_text_is_a_line_of_json(kernel: TestKernel) -> None:
    assert kernel.call("rows", n=2) == '{"row": 0}\n{"row": 1}\n'
    assert len(kernel.told) == 2


def test_one_that_yields_too_much_is_closed(kernel: TestKernel) -> None:
    assert kernel.call("endless") == "abcabcabca\n[cut here: there was more]"
    assert kernel.told[-1] == ("output", "a")


def test_one_that_breaks_is_an_error_after_what_was_told(kernel: TestKernel) -> None:
    with pytest.raises(SyscallError, match=r"EIO: ValueError: so good \(river\.py:"):
        kernel.call("breaks")
    assert kernel.told == [("output", "so far")]


def test_one_that_yields_nothing_is_done(kernel: TestKernel) -> None:
    assert kernel.call("nothing") == "done"


def test_one_that_hangs_is_stopped(kernel: TestKernel) -> None:
    with pytest.raises(SyscallError, match=r"ETIME: hangs ran longer than 0\.5 s"):
        kernel.call("hangs")
    assert kernel.told == [("output", "something")]


def test_the_terminal_shows_it_on_the_way_and_stdout_is_the_answer(
    own_kernel: KernelProcess,
) -> None:
    own_kernel.plugins_dir.mkdir(parents=True)
    code = PLUGIN.replace("@syscall\nasync def count", "@syscall(max_output=5000)\nasync def count")
    code = code.replace("def breaks()", "def breaks(ctx: Context)")
    code = code.replace(
        '    yield "so far"', '    ctx.progress("half of it", 0.5)\n    yield "so far"'
    )
    (own_kernel.plugins_dir / "river.py").write_text(code)
    own_kernel.start().ready().plugin_in_use("river")
    run = own_kernel.llmos("run", "-v", 'call count {"n": 2}')
    assert run.stdout == "0\n1\n"
    assert "· count(n=2)\n0\n1\n  count ✓ " in run.stderr
    run = own_kernel.llmos("run", "-v", "call breaks")
    assert "· breaks()\n  breaks: 50% half of it\nso far\n  breaks ✗ EIO: ValueError" in run.stderr
    page = own_kernel.llmos("man", "count").stdout
    assert "OUTPUT\n    comes in pieces, as it is made, at most 5,000 bytes" in page


def test_its_manual_page_says_so(kernel: TestKernel) -> None:
    assert kernel.syscalls["count"]["streams"] and kernel.syscalls["rows"]["streams"]
