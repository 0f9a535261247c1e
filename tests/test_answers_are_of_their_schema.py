"""What was asked for as a type of Python's comes back as a value of it, or fails with its text."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any, Literal, assert_type

import pytest
from pydantic import BaseModel, Field

import llmos
from harness import KernelProcess
from llmos.kernel.form import ONCE_MORE, checked, form_of
from llmos.scripting.kernel import Kernel
from llmos.syscalls.errno import SyscallError


class Verdict(BaseModel):
    verdict: Literal["good", "bad"]
    score: int = Field(ge=1, le=9)
    reason: str = Field(max_length=20)


@dataclass
class Point:
    x: int
    y: int


def connected(kernel: KernelProcess) -> Kernel:
    return llmos.connect(kernel.state_dir, boot=False)


def said(kernel: KernelProcess, pid: int) -> list[str]:
    with kernel.wire() as wire:
        return [page["text"] for page in wire.get("logs", pid=pid)["pages"]]


# ---- the real engine -----------------------------------------------------------------------------


@pytest.mark.parametrize("tools", [(), None])
async def test_the_pilot_answers_under_a_schema(
    kernel: KernelProcess, tools: tuple[str, ...] | None
) -> None:
    """What it says is silly, but of the schema; with syscalls it may make calls before."""
    async with connected(kernel) as k:
        p = await k.spawn("what is 37 * 12", output=Verdict, tools=tools)
        verdict = await p.result()
        assert_type(verdict, Verdict)
    assert verdict.verdict in ("good", "bad") and 1 <= verdict.score <= 9
    pages = said(kernel, p.pid)
    assert Verdict.model_validate_json(pages[-1]) == verdict
    assert (ONCE_MORE in pages) is (tools is None)


async def test_the_pilot_has_it_in_a_script(kernel: KernelProcess) -> None:
    async with connected(kernel) as k:
        answers = await k.map("list the files", ["here", "there"], limit=2)
        assert len(answers) == 2 and all(answers)
        p = await k.spawn()
        assert "444" in await p.ask("what is 37 * 12")
        async with k.group() as g:
            g.spawn("what is 6 * 7")
        assert "42" in g.results[0]


# ---- the kernel ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "text"),
    [
        (Verdict, '{"verdict": "bad", "score": 3, "reason": "dull"}'),
        (Point, '{"x": 1, "y": 2}'),
        (list[int], "[1, 2, 3]"),
        (int, "7"),
        (dict[str, Point], '{"a": {"x": 1, "y": 2}}'),
    ],
)
async def test_any_type_with_a_schema_will_do(
    sim_kernel: KernelProcess, output: Any, text: str
) -> None:
    async with connected(sim_kernel) as k:
        value = await k.run("json", text, output=output)
        held = await k.run("json", text, output=output, tools=())
    assert value == held
    assert json.loads(text) == (
        value.model_dump() if isinstance(value, BaseModel) else _plain(value)
    )


def _plain(value: Any) -> Any:
    if isinstance(value, Point):
        return {"x": value.x, "y": value.y}
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return value


async def test_an_answer_that_fits_is_not_asked_for_again(sim_kernel: KernelProcess) -> None:
    async with connected(sim_kernel) as k:
        p = await k.spawn("hello", output=Point)
        assert await p.result() == Point(0, 0)
        assert said(sim_kernel, p.pid) == [
            "hello",
            "You said: hello",
            ONCE_MORE,
            '{"x": 0, "y": 0}',
        ]
        text = '{"x": 5, "y": 6}'
        caller = await k.spawn(f"call calculate {json.dumps({'expression': '41+1'})}", output=int)
        assert await caller.result() == 42, "the result of the call is its answer"
        assert ONCE_MORE not in said(sim_kernel, caller.pid)
        held = await k.spawn(f"json {text}", output=Point, tools=())
        assert await held.result() == Point(5, 6)
        assert said(sim_kernel, held.pid)[1:] == [text]


async def test_an_answer_of_no_schema_fails_with_its_text(sim_kernel: KernelProcess) -> None:
    async with connected(sim_kernel) as k:
        for tools in ((), None):
            with pytest.raises(llmos.OutputInvalid, match="did not answer as Point") as failure:
                await k.run('json {"x": 1}', output=Point, tools=tools)
            assert (failure.value.status, failure.value.output) == (65, '{"x": 1}')
            assert failure.value.__cause__ is not None, "what pydantic says"


async def test_each_turn_of_a_conversation_is_of_it(sim_kernel: KernelProcess) -> None:
    async with connected(sim_kernel) as k:
        p = await k.spawn(output=Point, tools=())
        assert [await p.ask('json {"x": 1, "y": 1}')] == [Point(1, 1)]
        with pytest.raises(llmos.TurnFailed) as failure:
            await p.ask("json 3")
        assert failure.value.text == "3"
        child = await p.fork()
        assert await child.ask('json {"x": 2, "y": 2}') == Point(2, 2)


async def test_it_survives_a_crash_and_a_checkpoint(own_kernel: KernelProcess) -> None:
    own_kernel.start().ready()
    schema = {"type": "array", "items": {"type": "integer"}, "minItems": 2}
    with own_kernel.wire() as wire:
        pid = wire.get("spawn", interactive=True, output_schema=schema)["pid"]
        path = str(own_kernel.folder / "talk.llmos")
        wire.get("checkpoint", pid=pid, path=path)
    own_kernel.kill9()
    own_kernel.start().ready()
    with own_kernel.wire() as wire:
        restored = wire.get("restore", path=path)["pid"]
    async with connected(own_kernel) as k:
        for one in (pid, restored):
            p = await k.attach(one)
            assert await asyncio.wait_for(p.ask("hello"), 30) == "[0, 0]"


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "nonsense"}, "output_schema.type: 'nonsense'"),
        ({"$ref": "https://example.invalid/x"}, "'https://example.invalid/x' is not in it"),
        ({"$ref": "#/$defs/None"}, "'#/$defs/None' is not in it"),
        ({"enum": ["x" * 20_000]}, "16384 are the limit"),
    ],
)
def test_a_schema_that_is_none_is_refused(
    sim_kernel: KernelProcess, schema: dict[str, Any], words: str
) -> None:
    with sim_kernel.wire() as wire:
        reply = wire.ask("spawn", task="hello", output_schema=schema)
    assert reply["error"]["code"] == "EINVAL"
    assert words in reply["error"]["message"]


def test_a_pattern_never_holds_up_the_kernel() -> None:
    """What takes exponential time to match is left to the engine, whose grammar has no such."""
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string", "pattern": "^(a+)+$"}},
        "patternProperties": {"^(b+)+$": {"type": "integer"}},
        "additionalProperties": False,
    }
    text = checked(schema)
    assert text is not None
    assert form_of(text).fits(json.dumps({"a": "a" * 40 + "!", "b" * 40 + "!": 1}))
    assert not form_of(text).fits('{"a": 1}')
    with pytest.raises(SyscallError):
        checked({"type": 3})


# ---- the command ---------------------------------------------------------------------------------


def test_the_command_takes_a_schema_from_a_file(sim_kernel: KernelProcess) -> None:
    file = sim_kernel.root / "point.json"
    file.write_text(
        '{"type": "object", "required": ["x"], "properties": {"x": {"type": "integer"}}}'
    )
    run = sim_kernel.llmos("run", "--output-schema", "point.json", "hello")
    assert (run.returncode, run.stdout) == (0, '{"x": 0}\n')
    run = sim_kernel.llmos("run", "--json", "--output-schema", "point.json", "hello")
    document = json.loads(run.stdout)
    assert (document["ok"], document["value"]) == (True, {"x": 0})
    run = sim_kernel.llmos("run", "--json", "--output-schema", "point.json", "json nonsense")
    document = json.loads(run.stdout)
    assert (run.returncode, document["ok"], document["output"]) == (65, False, "nonsense")
    assert "value" not in document


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [(None, 2, "cannot read"), ("{", 2, "is not JSON"), ('{"type": 3}', 2, "output_schema.type")],
)
def test_the_command_says_what_is_wrong_with_it(
    sim_kernel: KernelProcess, content: str | None, status: int, words: str
) -> None:
    file = sim_kernel.root / "wrong.json"
    file.unlink(missing_ok=True)
    if content is not None:
        file.write_text(content)
    run = sim_kernel.llmos("run", "--output-schema", "wrong.json", "hello")
    assert run.returncode == status
    assert words in run.stderr
