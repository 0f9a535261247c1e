"""A call that is wrong is refused at the door, in words that say how to mend it."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from llmos.syscalls import Context
from llmos.syscalls.dispatch import Dispatcher
from llmos.syscalls.errno import EINVAL, EIO, ENOSYS, ETIME, SyscallError
from llmos.syscalls.registry import PluginRegistry

pytestmark = pytest.mark.asyncio(loop_scope="module")

PLUGIN = '''
import time
from typing import Annotated, Literal
from pydantic import AfterValidator, BaseModel, Field
from llmos import syscall

class Point(BaseModel):
    x: int
    y: int

@syscall
def paint(
    colour: Literal["red", "blue"],
    width: Annotated[int, Field(ge=1, le=9)] = 1,
    points: list[Point] = [],
    note: str | None = None,
) -> str:
    """Paint a line."""
    return f"{colour} {width} {points} {note}"

@syscall
def nap(copy: bool, json: float = 0) -> str:
    """Parameters may have the names of pydantic's own methods."""
    return f"{copy} {json}"

def check(value: str) -> str:
    return {"north": "N"}[value]

@syscall
def steer(way: Annotated[str, AfterValidator(check)]) -> str:
    """A validator of the plugin's own runs in its worker."""
    return way

@syscall
def slow() -> None:
    """Take its time."""
    time.sleep(100)
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("user")
    (folder / "art.py").write_text(PLUGIN)
    return folder


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def dispatcher(folder: Path) -> AsyncIterator[Dispatcher]:
    registry = PluginRegistry(folder, environ={"LLMOS_LOAD_PLUGINS": "art"})
    await registry.load()
    yield Dispatcher(registry.table)
    await registry.close()


@pytest.fixture
def ctx(tmp_path: Path) -> Context:
    return Context(pid=3, call_id="c1", root=tmp_path)


async def test_good_arguments(dispatcher: Dispatcher, ctx: Context) -> None:
    async def paint(arguments: dict[str, Any] | str) -> str:
        return await dispatcher.call("paint", arguments, ctx)

    assert await paint({"colour": "red"}) == "red 1 [] None"
    assert await paint('{"colour": "blue", "width": "3"}') == "blue 3 [] None"
    assert await paint({"colour": "red", "points": [{"x": 1, "y": 2}], "note": "hi"}) == (
        "red 1 [Point(x=1, y=2)] hi"
    )
    assert await dispatcher.call("nap", {"copy": True, "json": 1.5}, ctx) == "True 1.5"


WRONG: list[tuple[str, dict[str, Any] | str, str]] = [
    ("read_file", {}, "EINVAL: path: expected a string, got nothing"),
    ("read_file", {"path": 5}, "EINVAL: path: expected a string, got 5"),
    ("read_file", {"path": None}, "EINVAL: path: expected a string, got null"),
    ("read_file", {"path": ["a"]}, 'EINVAL: path: expected a string, got ["a"]'),
    (
        "read_file",
        {"path": "a", "pth": "b"},
        "EINVAL: unknown argument pth (did you mean path?)",
    ),
    (
        "read_file",
        {"path": "a", "encoding": "b"},
        "EINVAL: unknown argument encoding (the arguments are path)",
    ),
    ("now", {"zone": "UTC"}, "EINVAL: unknown argument zone (it takes no arguments)"),
    ("wait", {"pid": "four"}, 'EINVAL: pid: expected an integer, got "four"'),
    ("wait", {"pid": 4.5}, "EINVAL: pid: expected an integer, got 4.5"),
    ("nap", {"copy": "perhaps"}, 'EINVAL: copy: expected true or false, got "perhaps"'),
    ("nap", {"copy": True, "json": "x"}, 'EINVAL: json: expected a number, got "x"'),
    ("paint", {"colour": "green"}, "EINVAL: colour: expected 'red' or 'blue', got \"green\""),
    ("paint", {"colour": "red", "width": 0}, "EINVAL: width: expected 1 or more, got 0"),
    ("paint", {"colour": "red", "width": 10}, "EINVAL: width: expected 9 or less, got 10"),
    ("paint", {"colour": "red", "points": 1}, "EINVAL: points: expected a list, got 1"),
    (
        "paint",
        {"colour": "red", "points": [{"x": 1}]},
        "EINVAL: points.0.y: expected a value, got nothing",
    ),
    (
        "paint",
        {"width": "a", "points": 1, "note": 2, "a": 1},
        'EINVAL: colour: expected a string, got nothing; width: expected an integer, got "a";'
        " points: expected a list, got 1; and 2 more (the arguments are colour, width, points,"
        " note)",
    ),
    (
        "read_file",
        {"path": {"text": "x" * 200}},
        'EINVAL: path: expected a string, got {"text": "' + "x" * 49 + "…",
    ),
    ("read_file", '{"path": ', "EINVAL: the arguments are not JSON: Expecting value"),
    ("read_file", "[1]", "EINVAL: the arguments are a JSON object, not list"),
    ("read_file", '"notes.txt"', "EINVAL: the arguments are a JSON object, not str"),
    ("nap", '{"copy": true, "json": NaN}', "EINVAL: the arguments are not JSON: "),
    ("read_file", "[" * 100_000, "EINVAL: the arguments are not JSON: "),
    (
        "read_file",
        '{"path": "\\ud800"}',
        "EINVAL: the arguments hold half a character (a lone surrogate)",
    ),
]


@pytest.mark.parametrize(("name", "arguments", "message"), WRONG)
async def test_wrong_arguments_are_named(
    dispatcher: Dispatcher,
    ctx: Context,
    name: str,
    arguments: dict[str, Any] | str,
    message: str,
) -> None:
    with pytest.raises(EINVAL) as caught:
        await dispatcher.call(name, arguments, ctx)
    assert str(caught.value).startswith(message)
    if not message.endswith(" "):
        assert len(str(caught.value)) < len(message) + 60


async def test_a_validator_that_breaks_costs_nothing(dispatcher: Dispatcher, ctx: Context) -> None:
    assert await dispatcher.call("steer", {"way": "north"}, ctx) == "N"
    with pytest.raises(EIO, match="KeyError: 'up'"):
        await dispatcher.call("steer", {"way": "up"}, ctx)


async def test_an_unknown_syscall_is_named_with_the_nearest(
    dispatcher: Dispatcher, ctx: Context
) -> None:
    with pytest.raises(ENOSYS) as caught:
        await dispatcher.call("readfile", {}, ctx)
    assert str(caught.value) == "ENOSYS: no syscall readfile (did you mean read_file?)"
    with pytest.raises(ENOSYS) as caught:
        await dispatcher.call("zzz", {}, ctx)
    assert str(caught.value) == "ENOSYS: no syscall zzz"


async def test_a_name_may_be_anything(dispatcher: Dispatcher, ctx: Context) -> None:
    for name in ("", "\ud800", "x" * 100_000, "read_file\n", "__class__", "../files"):
        with pytest.raises(ENOSYS) as caught:
            await dispatcher.call(name, {}, ctx)
        assert len(str(caught.value).encode()) < 200


async def test_arguments_may_be_anything(dispatcher: Dispatcher, ctx: Context) -> None:
    """Any JSON at all leads to a result or to an errno."""
    rng = random.Random(5)
    names = [spec.name for spec in dispatcher.table.specs() if spec.name not in ("slow", "wait")]
    leaves = [None, True, -1, 2**70, 1e300, "", "..", "a\0b", "\u202e", "x" * 9000, "/", "notes"]

    def anything(depth: int) -> Any:
        if depth and rng.random() < 0.3:
            return [anything(depth - 1) for _ in range(rng.randint(0, 3))]
        if depth and rng.random() < 0.3:
            return {str(rng.choice(leaves)): anything(depth - 1) for _ in range(2)}
        return rng.choice(leaves)

    results = set()
    for _ in range(300):
        name = rng.choice(names)
        spec = dispatcher.table.find(name)
        assert spec is not None
        arguments = {key: anything(2) for key in spec.parameters["properties"]}
        if rng.random() < 0.2:
            arguments[rng.choice(["extra", "", "path "])] = anything(1)
        try:
            results.add(type(await dispatcher.call(name, arguments, ctx)).__name__)
        except SyscallError as error:
            assert len(str(error)) < 10_000
            results.add(error.code)
    assert {"str", "EINVAL", "EPERM"} <= results


async def test_empty_arguments_are_none(dispatcher: Dispatcher, ctx: Context) -> None:
    assert await dispatcher.call("list_files", "", ctx) == "(empty)"
    assert await dispatcher.call("list_files", " \n", ctx) == "(empty)"


async def test_the_caller_may_shorten_the_time(dispatcher: Dispatcher, ctx: Context) -> None:
    with pytest.raises(ETIME) as caught:
        await dispatcher.call("slow", {}, ctx, timeout_s=0.2)
    assert str(caught.value) == "ETIME: slow ran longer than 0.2 s and was stopped"


async def test_errors_cross_a_boundary_whole() -> None:
    from llmos.syscalls import errno

    for error in SyscallError.__subclasses__():
        made = error("a message", hint="a way out")
        again = errno.from_code(made.code, made.message, made.hint)
        assert type(again) is error
        assert str(again) == f"{error.__name__}: a message (a way out)"
    own = errno.from_code("ETIDE", "too low")
    assert str(own) == "ETIDE: too low"


async def test_every_error_stands_in_the_tree() -> None:
    from llmos.syscalls import errno

    for error in SyscallError.__subclasses__():
        assert f"── {error.code} " in (errno.__doc__ or "")
        assert error.code == error.__name__
